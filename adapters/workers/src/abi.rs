//! The WebAssembly ABI, and all unsafe code of this crate: what `ABI.md` says in words.
//!
//! The host reads and writes memory only while an import runs, and only the range that the call lends it. So every import
//! stands behind a function that takes slices, and whatever the host answers is checked here.
#![allow(unsafe_code, reason = "imports take raw addresses, and a future of any type is kept in one static place")]

use core::{
    any::TypeId,
    cell::{Cell, UnsafeCell},
    fmt,
    marker::PhantomData,
    mem::{MaybeUninit, align_of, size_of},
    pin::Pin,
    ptr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
    time::Duration,
};

use midge::{Field, Limits, WholeAnswer};

use crate::error::CallError;

/// The version of the ABI: the shim refuses a module with another one.
const VERSION: u32 = 1;

/// The request's method and URL, which the host wrote to the front of `place`, the [`Memory`]'s head, before it started the event; their
/// length. `None` if it says that they are longer than that.
pub(crate) fn head(place: &[u8]) -> Option<usize> {
    Some(HEAD.load(Relaxed) as usize).filter(|length| *length <= place.len())
}

/// The Durable Object class that the event is for; its length.
pub(crate) fn class(place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: the host writes `place.len()` bytes at most, into a slice that is borrowed for the call.
    let result = unsafe { imports::class(place.as_mut_ptr(), place.len()) };
    count(result, place.len())
}

/// The value of one header field of `handle`'s message (0 is the request's); its length.
pub(crate) fn field(handle: u32, name: &str, place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: the host reads `name` and writes `place`, both borrowed for the call, within their lengths.
    let result = unsafe { imports::field(handle, name.as_ptr(), name.len(), place.as_mut_ptr(), place.len()) };
    count(result, place.len())
}

/// All header fields of the request, as lines of `name: value` CR LF; their length. `None` if they don't fit.
pub(crate) fn fields(place: &mut [u8]) -> Option<usize> {
    // SAFETY: as in `class`.
    within(unsafe { imports::fields(place.as_mut_ptr(), place.len()) }, place.len())
}

/// Length of the request's body, or less than that if it is longer than all that is let in; `None` if nobody knows it yet.
pub(crate) fn body_length() -> Option<u64> {
    let length = BODY.load(Relaxed);
    (length != UNKNOWN_LENGTH).then_some(length.into())
}

/// The next bytes of the request's body: 0 at its end, `None` if it broke off.
pub(crate) fn read_request(place: &mut [u8]) -> Poll<Option<usize>> {
    // SAFETY: as in `class`.
    unless_again(unsafe { imports::read(0, place.as_mut_ptr(), place.len()) }, place.len())
}

/// The next bytes of `handle`'s body: 0 at its end.
pub(crate) fn read(handle: u32, place: &mut [u8], context: &Context<'_>) -> Poll<Result<usize, CallError>> {
    if place.is_empty() {
        return Poll::Ready(Ok(0));
    }
    // SAFETY: as in `class`.
    let result = unsafe { imports::read(handle, place.as_mut_ptr(), place.len()) };
    waiting(count(result, place.len()), handle, context)
}

/// Sends `bytes` with the body of `handle`'s request, all of them. `last`: it is complete with them.
pub(crate) fn send(handle: u32, bytes: &[u8], last: bool, context: &Context<'_>) -> Poll<Result<usize, CallError>> {
    // SAFETY: the host copies `bytes`, borrowed for the call, within their length.
    let result = unsafe { imports::send(handle, bytes.as_ptr(), bytes.len(), last.into()) };
    waiting(count(result, bytes.len()), handle, context)
}

/// Gives the whole answer: its status, its field lines, its body, and the length that it has or, to `HEAD`, would have. `None` if the host
/// doesn't take it.
pub(crate) fn answer(whole: WholeAnswer<'_>) -> Option<()> {
    let WholeAnswer { status, lines, body, length, .. } = whole;
    let (status, length) = (status.code().into(), length.map_or(-1.0, |length| length as f64));
    // SAFETY: the host reads `lines` and copies `body`, borrowed for the call, within their lengths.
    let result = unsafe { imports::answer(status, lines.as_ptr(), lines.len(), body.as_ptr(), body.len(), length) };
    (result == 0).then_some(())
}

/// Begins an answer that isn't given whole: its status, its field lines, its length if it is known, and the handle whose body it passes on. `None` if the host
/// doesn't take it.
pub(crate) fn respond(status: u16, lines: &[u8], length: Option<u64>, passed: u32) -> Option<()> {
    let length = length.map_or(-1.0, |length| length as f64);
    // SAFETY: the host reads `lines`, borrowed for the call, within their length.
    (unsafe { imports::respond(status.into(), lines.as_ptr(), lines.len(), passed, length) } == 0).then_some(())
}

/// Takes `bytes` of the answer's body, or none of them while the client is still busy with those before. `last`: the answer is complete
/// with them. `None` if the host doesn't take them.
pub(crate) fn write(bytes: &[u8], last: bool) -> Poll<Option<usize>> {
    // SAFETY: the host copies `bytes`, borrowed for the call, within their length.
    unless_again(unsafe { imports::write(bytes.as_ptr(), bytes.len(), last.into()) }, bytes.len())
}

/// Answers with a failure: the host adds the status's reason. `lines` are fields that the answer has besides. `None` if there is an answer
/// already.
pub(crate) fn fail(status: u16, message: &str, lines: &[u8]) -> Option<()> {
    // SAFETY: the host reads `message` and `lines`, borrowed for the call, within their lengths.
    let result = unsafe { imports::fail(status.into(), message.as_ptr(), message.len(), lines.as_ptr(), lines.len()) };
    (result == 0).then_some(())
}

/// Gives the event so much time from now on. `lines` are fields that the answer has besides if that is too little. A limit counts beside the
/// time that the handler set for itself, and beside earlier limits. `None` if the host has no timer.
pub(crate) fn deadline(millis: f64, lines: &[u8], is_limit: bool) -> Option<()> {
    // SAFETY: the host copies `lines`, borrowed for the call, within their length.
    (unsafe { imports::deadline(lines.as_ptr(), lines.len(), is_limit.into(), millis) } == 0).then_some(())
}

/// Milliseconds, without the 128 bits of `as_millis`, whose arithmetic is half a kilobyte here.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs() as f64 * 1_000.0 + f64::from(time.subsec_millis())
}

/// Starts the host call `operation`; its handle.
pub(crate) fn call(operation: u32, parts: &[Part<'_>]) -> Result<u32, CallError> {
    // SAFETY: the host reads the table of parts and the bytes that they borrow, all for the call only.
    let result = unsafe { imports::call(operation, parts.as_ptr(), parts.len()) };
    match count(result, i32::MAX as usize)? {
        0 => Err(CallError::Failed),
        handle => Ok(handle as u32),
    }
}

/// What became of a host call: a size, or whatever number its operation gives; [`CallError::Again`] as long as it goes on.
pub(crate) fn result(handle: u32) -> Result<u64, CallError> {
    let result = imports::poll(handle);
    if result >= 0.0 { Ok(result as u64) } else { Err(CallError::from_errno(result as i32)) }
}

/// Waits for that.
pub(crate) fn poll(handle: u32, context: &Context<'_>) -> Poll<Result<u64, CallError>> {
    waiting(result(handle), handle, context)
}

/// The value of a host call that has ended; its length.
pub(crate) fn take(handle: u32, place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: as in `class`.
    let result = unsafe { imports::take(handle, place.as_mut_ptr(), place.len()) };
    count(result, place.len())
}

/// The next row of a host call that gives rows: its size. Nothing is written, and the row stays the next one, if it is larger
/// than `place`.
pub(crate) fn next(handle: u32, place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: as in `class`.
    let result = unsafe { imports::next(handle, place.as_mut_ptr(), place.len()) };
    match usize::try_from(result) {
        Ok(size) if size > place.len() => Err(CallError::TooLarge { size: size as u64 }),
        _ => count(result, place.len()),
    }
}

/// Passes the next row over; whether there was one.
pub(crate) fn skip(handle: u32) -> Result<(), CallError> {
    count(imports::skip(handle), 0).map(|_| ())
}

/// Gives a handle up.
pub(crate) fn close(handle: u32) {
    imports::close(handle);
}

/// Milliseconds since 1970.
pub(crate) fn now() -> f64 {
    imports::now()
}

/// Fills `place` from the host's random source.
pub(crate) fn random(place: &mut [u8]) -> Result<(), CallError> {
    // SAFETY: as in `class`.
    let result = unsafe { imports::random(place.as_mut_ptr(), place.len()) };
    if count(result, place.len())? == place.len() { Ok(()) } else { Err(CallError::Failed) }
}

/// Writes a line to the log.
pub(crate) fn log(level: u32, text: &[u8]) {
    // SAFETY: the host reads `text`, borrowed for the call, within its length.
    unsafe { imports::log(level, text.as_ptr(), text.len()) };
}

/// The text of a panic, formatted by the host: piece by piece, which needs no memory here.
pub(crate) struct PanicText;

impl fmt::Write for PanicText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the host reads `text`, borrowed for the call, within its length.
        unsafe { imports::panic_text(text.as_ptr(), text.len()) };
        Ok(())
    }

    fn write_char(&mut self, char: char) -> fmt::Result {
        imports::panic_char(char.into());
        Ok(())
    }
}

/// Logs a panic, whose text the host has, and ends this instance.
pub(crate) fn panic(file: &str, line: u32) -> ! {
    // SAFETY: the host reads `file`, borrowed for the call, within its length.
    unsafe { imports::panic(file.as_ptr(), file.len(), line) };
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(all(not(target_arch = "wasm32"), not(test)))]
    loop {
        core::hint::spin_loop();
    }
    // What traps there unwinds here, into the test.
    #[cfg(all(not(target_arch = "wasm32"), test))]
    std::panic::resume_unwind(std::boxed::Box::new("the instance has ended"))
}

/// Some bytes that a host call is given.
#[repr(C)]
pub(crate) struct Part<'p> {
    address: *const u8,
    length: usize,
    bytes: PhantomData<&'p [u8]>,
}

impl<'p> Part<'p> {
    pub(crate) const fn new(bytes: &'p [u8]) -> Self {
        Self { address: bytes.as_ptr(), length: bytes.len(), bytes: PhantomData }
    }
}

/// What the host says it did: a count of `most` at most, or an error.
fn count(result: i32, most: usize) -> Result<usize, CallError> {
    match usize::try_from(result) {
        Ok(count) if count <= most => Ok(count),
        Ok(_) => Err(CallError::Failed),
        Err(_) => Err(CallError::from_errno(result)),
    }
}

/// As [`count`], where all errors are alike.
fn within(result: i32, most: usize) -> Option<usize> {
    usize::try_from(result).ok().filter(|count| *count <= most)
}

/// As [`within`], pending where the host has nothing yet.
fn unless_again(result: i32, most: usize) -> Poll<Option<usize>> {
    if result == AGAIN { Poll::Pending } else { Poll::Ready(within(result, most)) }
}

/// Pending where the host has nothing yet, which wakes whoever waits for `handle` once it has.
fn waiting<T>(result: Result<T, CallError>, handle: u32, context: &Context<'_>) -> Poll<Result<T, CallError>> {
    match result {
        Err(CallError::Again) => {
            WAITING.note(handle, context.waker());
            Poll::Pending
        }
        result => Poll::Ready(result),
    }
}

/// What a program exports as `midge`: its version of the ABI, and where the host writes a request's method and URL before it starts the
/// event, which is the front of a [`Memory`]. Its buffers are not lent then.
#[doc(hidden)]
#[repr(C)]
pub struct Front<M: 'static> {
    version: u32,
    head_size: u32,
    head: &'static M,
}

impl<const HEAD: usize, const BODY: usize, const OUTPUT: usize> Front<Memory<HEAD, BODY, OUTPUT>> {
    /// That of a program with this memory.
    #[must_use]
    pub const fn new(memory: &'static Memory<HEAD, BODY, OUTPUT>) -> Self {
        Self { version: VERSION, head_size: HEAD as u32, head: memory }
    }
}

/// The buffers of the one request that an instance serves at a time.
#[doc(hidden)]
#[repr(C)]
pub struct Memory<const HEAD: usize, const BODY: usize, const OUTPUT: usize> {
    head: UnsafeCell<[u8; HEAD]>,
    body: UnsafeCell<[u8; BODY]>,
    output: UnsafeCell<[u8; OUTPUT]>,
    table: UnsafeCell<[Field; FIELDS]>,
    lent: Cell<bool>,
}

/// Header fields of one request.
const FIELDS: usize = 100;

// SAFETY: an instance has one thread: the shim gives it memory that isn't shared.
unsafe impl<const HEAD: usize, const BODY: usize, const OUTPUT: usize> Sync for Memory<HEAD, BODY, OUTPUT> {}

/// The buffers, borrowed, and what has to be kept as long as they are used.
pub(crate) struct Buffers<'m> {
    pub(crate) head: &'m mut [u8],
    pub(crate) body: &'m mut [u8],
    pub(crate) output: &'m mut [u8],
    pub(crate) table: &'m mut [Field],
    pub(crate) lent: Lent<'m>,
}

impl<const HEAD: usize, const BODY: usize, const OUTPUT: usize> Memory<HEAD, BODY, OUTPUT> {
    /// Empty buffers.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it is made in a static")]
    pub const fn new() -> Self {
        Self {
            head: UnsafeCell::new([0; HEAD]),
            body: UnsafeCell::new([0; BODY]),
            output: UnsafeCell::new([0; OUTPUT]),
            table: UnsafeCell::new([Field::EMPTY; FIELDS]),
            lent: Cell::new(false),
        }
    }
}

/// Memory of any size.
#[doc(hidden)]
pub trait AnyMemory {
    /// The engine's defaults, but for what depends on the memory's size. A constant: made for each request, it would be one of the
    /// larger parts of a small Worker.
    const LIMITS: Limits;

    #[allow(private_interfaces, reason = "sealed: only this crate calls it")]
    #[doc(hidden)]
    fn lend(&self) -> Option<Buffers<'_>>;

    /// Shows the body's buffer alone, if none of them is lent.
    #[doc(hidden)]
    fn body<T>(&self, show: impl FnOnce(&mut [u8]) -> T) -> Option<T>;
}

impl<const HEAD: usize, const BODY: usize, const OUTPUT: usize> AnyMemory for Memory<HEAD, BODY, OUTPUT> {
    const LIMITS: Limits = Limits {
        body_in_memory_bytes: BODY as u32,
        response_head_bytes: if OUTPUT < 4_096 { OUTPUT as u32 } else { 4_096 },
        ..Limits::DEFAULT
    };

    #[allow(private_interfaces, reason = "sealed: only this crate calls it")]
    fn lend(&self) -> Option<Buffers<'_>> {
        if self.lent.replace(true) {
            return None;
        }
        // SAFETY: `lent` was false and is true until the buffers are dropped, so that these are the only references.
        unsafe {
            Some(Buffers {
                head: &mut *self.head.get(),
                body: &mut *self.body.get(),
                output: &mut *self.output.get(),
                table: &mut *self.table.get(),
                lent: Lent(&self.lent),
            })
        }
    }

    fn body<T>(&self, show: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let Buffers { body, lent: _lent, .. } = self.lend()?;
        Some(show(body))
    }
}

/// Gives the buffers back when it is dropped, which has to be after their last use: keep it in the same future, declared before
/// whatever borrows them.
pub(crate) struct Lent<'m>(&'m Cell<bool>);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// The place of the one future that an instance runs at a time; `SIZE` is the size of its type.
#[doc(hidden)]
pub struct Task<const SIZE: usize> {
    place: UnsafeCell<MaybeUninit<Place<SIZE>>>,
    /// The type of the future that is there; `None` while none is.
    holds: Cell<Option<TypeId>>,
    /// Set while it is polled: a host that enters again from within an import finds the place taken. After a trap it stays so.
    entered: Cell<bool>,
}

#[repr(C, align(16))]
struct Place<const SIZE: usize>([u8; SIZE]);

// SAFETY: as for `Memory`.
unsafe impl<const SIZE: usize> Sync for Task<SIZE> {}

impl<const SIZE: usize> Task<SIZE> {
    /// An empty place.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it is made in a static")]
    pub const fn new() -> Self {
        Self { place: UnsafeCell::new(MaybeUninit::uninit()), holds: Cell::new(None), entered: Cell::new(false) }
    }

    /// Puts the future that `make` makes of an argument into the place; then, or without an argument, polls the one that is there, and drops
    /// it in place once it is done. Refused while another one is there, or none, or from within a poll.
    // Inlined, since a fresh instance pays for each function that its first event runs.
    #[inline(always)]
    pub fn run<A, F: Future<Output = u32> + 'static>(&'static self, make: fn(A) -> F, argument: Option<A>) -> u32 {
        const { assert!(size_of::<F>() <= SIZE && align_of::<F>() <= align_of::<Place<SIZE>>(), "the place is too small") };
        if self.entered.get() || self.holds.get() != argument.is_none().then(TypeId::of::<F>) {
            return REFUSED;
        }
        let place = self.place.get().cast::<F>();
        if let Some(argument) = argument {
            // SAFETY: the place is large and aligned enough (asserted above), empty, and not being polled.
            unsafe { place.write(make(argument)) };
            self.holds.set(Some(TypeId::of::<F>()));
        } else {
            WAITING.wake();
        }
        self.entered.set(true);
        // That its address is a constant is for the compiler to see: a runtime needn't check the bounds of such loads and stores.
        // SAFETY: the place holds an `F` (just written, or `holds` says so), is static and so never moves; `entered` says that nothing else
        // refers to it.
        let result = poll_in_place(unsafe { Pin::new_unchecked(&mut *place) });
        if result.is_ready() {
            // SAFETY: nothing uses it any more, and with `holds` cleared nothing will.
            unsafe { place.drop_in_place() };
            self.holds.set(None);
        }
        self.entered.set(false);
        match result {
            Poll::Pending => {
                if WOKEN.load(Relaxed) {
                    imports::again();
                }
                PENDING
            }
            Poll::Ready(state) => state,
        }
    }
}

#[inline(never)]
fn poll_in_place<F: Future<Output = u32>>(future: Pin<&mut F>) -> Poll<u32> {
    future.poll(&mut Context::from_waker(&WAKER))
}

/// Wakes the event that an instance serves: while it is polled, it is polled again then. What the host has needs no waking.
// SAFETY: none of its functions looks at what it is of.
static WAKER: Waker = unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &WAKES)) };
static WAKES: RawWakerVTable =
    RawWakerVTable::new(|_| RawWaker::new(ptr::null(), &WAKES), |_| woken(), |_| woken(), |_| ());

fn woken() {
    WOKEN.store(true, Relaxed);
}

static WOKEN: AtomicBool = AtomicBool::new(false);

/// Who waits for each handle, so that what polls only those of its parts that were woken serves for host calls, too.
struct Waiting([Cell<Option<Waker>>; HANDLES]);

/// As many as the shim has, and none: its numbers begin with 1.
const HANDLES: usize = 65;

// SAFETY: as for `Memory`; elsewhere a host call never waits.
unsafe impl Sync for Waiting {}

static WAITING: Waiting = Waiting([const { Cell::new(None) }; HANDLES]);

impl Waiting {
    #[cold]
    fn note(&self, handle: u32, waker: &Waker) {
        if cfg!(target_arch = "wasm32")
            && let Some(place) = self.0.get(handle as usize)
        {
            place.set(Some(waker.clone()));
        }
    }

    /// Wakes all of them: the host doesn't say what it has. The event itself is about to be polled.
    #[cold]
    #[inline(never)]
    fn wake(&self) {
        for place in &self.0 {
            if let Some(waker) = place.take() {
                waker.wake();
            }
        }
        WOKEN.store(false, Relaxed);
    }
}

/// Size of the future that `make` makes: its type has no name.
#[doc(hidden)]
#[must_use]
pub const fn size_of_future<A, F: Future>(_make: fn(A) -> F) -> usize {
    size_of::<F>()
}

/// A request, among the kinds of events.
pub(crate) const FETCH: u32 = 0;
/// Said of a body whose length isn't known.
const UNKNOWN_LENGTH: u32 = u32::MAX;
/// EAGAIN
const AGAIN: i32 = -11;
/// The future waits for the host.
pub(crate) const PENDING: u32 = 0;
/// The event was served.
pub(crate) const DONE: u32 = 1;
/// The event failed, or its answer must not look complete.
pub(crate) const CUT: u32 = 2;
/// The instance has no future to poll, or has one already.
const REFUSED: u32 = 3;

/// Notes what the host starts an event with: the lengths of the request's head, which it has written, and of its body.
#[doc(hidden)]
pub fn started(head: u32, body: u32) {
    HEAD.store(head, Relaxed);
    BODY.store(body, Relaxed);
}

static HEAD: AtomicU32 = AtomicU32::new(0);
static BODY: AtomicU32 = AtomicU32::new(0);

/// The operations that lend ranges, by the numbers of `ABI.md`: written out by the macro of that name.
#[cfg(not(all(test, not(target_arch = "wasm32"))))]
macro_rules! operations {
    ($written:ident) => {
        $written! {
            1 field(handle: u32, name: *const u8, length: usize, place: *mut u8, size: usize);
            2 fields(place: *mut u8, size: usize);
            3 fail(status: u32, message: *const u8, size: usize, lines: *const u8, length: usize);
            4 log(level: u32, text: *const u8, length: usize);
            6 panic_text(text: *const u8, length: usize);
            7 panic(file: *const u8, length: usize, line: u32);
            8 respond(status: u32, lines: *const u8, length: usize, passed: u32), body: f64;
            9 write(bytes: *const u8, length: usize, last: u32);
            10 read(handle: u32, place: *mut u8, size: usize);
            11 deadline(lines: *const u8, length: usize, limit: u32), millis: f64;
            12 class(place: *mut u8, size: usize);
            13 call(operation: u32, parts: *const Part<'_>, count: usize);
            15 take(handle: u32, place: *mut u8, size: usize);
            16 next(handle: u32, place: *mut u8, size: usize);
            18 random(place: *mut u8, size: usize);
            22 send(handle: u32, bytes: *const u8, length: usize, last: u32);
        }
    };
}

#[cfg(target_arch = "wasm32")]
mod imports {
    use super::Part;

    #[link(wasm_import_module = "midge")]
    unsafe extern "C" {
        pub(super) fn answer(
            status: u32,
            lines: *const u8,
            length: usize,
            bytes: *const u8,
            size: usize,
            body: f64,
        ) -> i32;
        /// All else, by its number: each import makes a fresh instance dearer.
        fn host(operation: u32, a: usize, b: usize, c: usize, d: usize, e: usize, x: f64) -> f64;
    }

    /// SAFETY, for all of these: the functions above lend each range for the call.
    macro_rules! asked {
        ($($number:literal $name:ident($($value:ident: $kind:ty),*) $(, $x:ident: f64)?;)*) => {$(
            pub(super) unsafe fn $name($($value: $kind,)* $($x: f64)?) -> i32 {
                let mut values = [0_usize; 5];
                let mut place = values.iter_mut();
                $(if let Some(place) = place.next() { *place = $value as usize; })*
                let [a, b, c, d, e] = values;
                let x = 0.0 $(+ $x)?;
                // SAFETY: as said above.
                unsafe { host($number, a, b, c, d, e, x) as i32 }
            }
        )*};
    }
    operations!(asked);

    pub(super) fn now() -> f64 {
        // SAFETY: it is lent nothing.
        unsafe { host(5, 0, 0, 0, 0, 0, 0.0) }
    }
    pub(super) fn poll(handle: u32) -> f64 {
        // SAFETY: it is lent nothing.
        unsafe { host(14, handle as usize, 0, 0, 0, 0, 0.0) }
    }
    pub(super) fn close(handle: u32) {
        // SAFETY: it is lent nothing.
        unsafe { host(17, handle as usize, 0, 0, 0, 0, 0.0) };
    }
    pub(super) fn panic_char(char: u32) {
        // SAFETY: it is lent nothing.
        unsafe { host(19, char as usize, 0, 0, 0, 0, 0.0) };
    }
    pub(super) fn again() {
        // SAFETY: it is lent nothing.
        unsafe { host(20, 0, 0, 0, 0, 0, 0.0) };
    }
    pub(super) fn skip(handle: u32) -> i32 {
        // SAFETY: it is lent nothing.
        unsafe { host(21, handle as usize, 0, 0, 0, 0, 0.0) as i32 }
    }
}

/// A host that can do nothing, so that handlers compile and are tested on any machine.
#[cfg(not(any(target_arch = "wasm32", test)))]
mod imports {
    use super::Part;

    macro_rules! refused {
        ($($number:literal $name:ident($($value:ident: $kind:ty),*) $(, $x:ident: f64)?;)*) => {$(
            pub(super) unsafe fn $name($(_: $kind,)* $($x: f64)?) -> i32 {
                $(let _ = $x;)?
                NONE
            }
        )*};
    }
    operations!(refused);

    pub(super) unsafe fn answer(_: u32, _: *const u8, _: usize, _: *const u8, _: usize, _: f64) -> i32 {
        NONE
    }
    pub(super) fn poll(_handle: u32) -> f64 {
        f64::from(NONE)
    }
    pub(super) fn close(_handle: u32) {}
    pub(super) fn now() -> f64 {
        0.0
    }
    pub(super) fn panic_char(_char: u32) {}
    pub(super) fn again() {}
    pub(super) fn skip(_handle: u32) -> i32 {
        NONE
    }

    /// ENOSYS
    const NONE: i32 = -38;
}

/// A host that does what this crate's own tests say: `double.rs`, which is given the ranges as slices.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod imports {
    use core::slice;
    use std::vec::Vec;

    use super::Part;
    use crate::double::with;

    /// SAFETY, for all of these: the functions above lend each range for the call, and a slice lives no longer.
    macro_rules! slices {
        ($(fn $name:ident($($number:ident: $kind:ty,)* [$($from:ident, $size:ident);*] [$($place:ident, $room:ident)?]
            $($more:ident: $more_kind:ty),*) $(-> $result:ty)?;)*) => {$(
            pub(super) unsafe fn $name($($number: $kind,)* $($from: *const u8, $size: usize,)* $($place: *mut u8, $room: usize,)?
                $($more: $more_kind),*) $(-> $result)? {
                // SAFETY: as said above.
                with(|host| unsafe {
                    host.$name($($number,)* $(slice::from_raw_parts($from, $size),)*
                        $(slice::from_raw_parts_mut($place, $room),)? $($more),*)
                })
            }
        )*};
    }

    slices! {
        fn class([] [place, size]) -> i32;
        fn field(handle: u32, [name, length] [place, size]) -> i32;
        fn fields([] [place, size]) -> i32;
        fn read(handle: u32, [] [place, size]) -> i32;
        fn answer(status: u32, [lines, length; bytes, size] [] body: f64) -> i32;
        fn fail(status: u32, [message, size; lines, length] []) -> i32;
        fn respond(status: u32, [lines, length] [] passed: u32, body: f64) -> i32;
        fn write([bytes, length] [] last: u32) -> i32;
        fn deadline([lines, length] [] limit: u32, millis: f64) -> i32;
        fn take(handle: u32, [] [place, size]) -> i32;
        fn next(handle: u32, [] [place, size]) -> i32;
        fn random([] [place, size]) -> i32;
        fn send(handle: u32, [bytes, length] [] last: u32) -> i32;
        fn log(level: u32, [text, length] []);
        fn panic_text([text, length] []);
        fn panic([file, length] [] line: u32);
    }

    pub(super) unsafe fn call(operation: u32, parts: *const Part<'_>, count: usize) -> i32 {
        // SAFETY: as said above, for the table and for what it points to.
        let parts: Vec<&[u8]> = unsafe {
            slice::from_raw_parts(parts, count)
                .iter()
                .map(|part| slice::from_raw_parts(part.address, part.length))
                .collect()
        };
        with(|host| host.call(operation, &parts))
    }
    pub(super) fn poll(handle: u32) -> f64 {
        with(|host| host.poll(handle))
    }
    pub(super) fn close(handle: u32) {
        with(|host| host.close(handle));
    }
    pub(super) fn now() -> f64 {
        with(|host| host.now)
    }
    pub(super) fn panic_char(code: u32) {
        with(|host| host.panic_text(&[code as u8]));
    }
    pub(super) fn again() {
        with(|host| host.again());
    }
    pub(super) fn skip(handle: u32) -> i32 {
        with(|host| host.skip(handle))
    }
}

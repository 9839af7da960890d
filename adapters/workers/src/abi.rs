//! The WebAssembly ABI, and all unsafe code of this crate: what `ABI.md` says in words.
//!
//! The host reads and writes memory only while an import runs, and only the range that the call lends it. So every import
//! stands behind a function that takes slices, and whatever the host answers is checked here.
#![allow(unsafe_code, reason = "imports take raw addresses, and a future of any type is kept in one static place")]

use core::{
    cell::{Cell, UnsafeCell},
    fmt,
    marker::PhantomData,
    mem::{MaybeUninit, align_of, size_of},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use midge::{Field, Limits};

use crate::error::CallError;

/// The version of the ABI: the shim refuses a module with another one.
pub const VERSION: u32 = 1;

/// The request's method and URL, written to the front of `place`; their length. `None` if they don't fit.
pub(crate) fn head(place: &mut [u8]) -> Option<usize> {
    // SAFETY: the host writes `place.len()` bytes at most, into a slice that is borrowed for the call.
    within(unsafe { imports::head(place.as_mut_ptr(), place.len()) }, place.len())
}

/// The Durable Object class that the event is for; its length.
pub(crate) fn class(place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: as in `head`.
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
    // SAFETY: as in `head`.
    within(unsafe { imports::fields(place.as_mut_ptr(), place.len()) }, place.len())
}

/// Length of the request's body; `None` if nobody knows it yet.
pub(crate) fn body_length() -> Option<u64> {
    let length = imports::body_length();
    (length >= 0.0).then_some(length as u64)
}

/// The next bytes of the request's body: 0 at its end, `None` if it broke off.
pub(crate) fn read_request(place: &mut [u8]) -> Poll<Option<usize>> {
    // SAFETY: as in `head`.
    unless_again(unsafe { imports::read(0, place.as_mut_ptr(), place.len()) }, place.len())
}

/// The next bytes of `handle`'s body: 0 at its end.
pub(crate) fn read(handle: u32, place: &mut [u8]) -> Poll<Result<usize, CallError>> {
    if place.is_empty() {
        return Poll::Ready(Ok(0));
    }
    // SAFETY: as in `head`.
    let result = unsafe { imports::read(handle, place.as_mut_ptr(), place.len()) };
    waiting(count(result, place.len()))
}

/// Begins the answer: its status, its field lines, its length if it is known, and the handle whose body it passes on. `None` if the host
/// doesn't take it.
pub(crate) fn respond(status: u16, lines: &[u8], length: Option<u64>, passed: u32) -> Option<()> {
    let length = length.map_or(-1.0, |length| length as f64);
    // SAFETY: the host reads `lines`, borrowed for the call, within their length.
    (unsafe { imports::respond(status.into(), lines.as_ptr(), lines.len(), length, passed) } == 0).then_some(())
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

/// Gives the event so much time from now on. `lines` are fields that the answer has besides if that is too little. `None` if the host has
/// no timer.
pub(crate) fn deadline(millis: f64, lines: &[u8]) -> Option<()> {
    // SAFETY: the host copies `lines`, borrowed for the call, within their length.
    (unsafe { imports::deadline(millis, lines.as_ptr(), lines.len()) } == 0).then_some(())
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

/// What became of a host call: a size, or whatever number its operation gives.
pub(crate) fn poll(handle: u32) -> Poll<Result<u64, CallError>> {
    let result = imports::poll(handle);
    waiting(if result >= 0.0 { Ok(result as u64) } else { Err(CallError::from_errno(result as i32)) })
}

/// The value of a host call that has ended; its length.
pub(crate) fn take(handle: u32, place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: as in `head`.
    let result = unsafe { imports::take(handle, place.as_mut_ptr(), place.len()) };
    count(result, place.len())
}

/// The next row of a host call that gives rows: its size. Nothing is written, and the row stays the next one, if it is larger
/// than `place`.
pub(crate) fn next(handle: u32, place: &mut [u8]) -> Result<usize, CallError> {
    // SAFETY: as in `head`.
    let result = unsafe { imports::next(handle, place.as_mut_ptr(), place.len()) };
    match usize::try_from(result) {
        Ok(size) if size > place.len() => Err(CallError::TooLarge { size: size as u64 }),
        _ => count(result, place.len()),
    }
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
    // SAFETY: as in `head`.
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

fn waiting<T>(result: Result<T, CallError>) -> Poll<Result<T, CallError>> {
    match result {
        Err(CallError::Again) => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// The buffers of the one request that an instance serves at a time.
#[doc(hidden)]
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

/// The buffers, borrowed.
pub(crate) struct Buffers<'m> {
    pub(crate) head: &'m mut [u8],
    pub(crate) body: &'m mut [u8],
    pub(crate) output: &'m mut [u8],
    pub(crate) table: &'m mut [Field],
    lent: &'m Cell<bool>,
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
                lent: &self.lent,
            })
        }
    }
}

impl<'m> Buffers<'m> {
    /// The four buffers, and what has to be kept as long as they are used.
    #[allow(clippy::type_complexity, reason = "four buffers and a guard, taken apart at once")]
    pub(crate) fn split(self) -> (&'m mut [u8], &'m mut [u8], &'m mut [u8], &'m mut [Field], Lent<'m>) {
        (self.head, self.body, self.output, self.table, Lent(self.lent))
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
    /// How to poll what is there; `None` while nothing is.
    poll: Cell<Option<PollFn>>,
    /// Set while it is polled: a host that enters again from within an import finds the place taken. After a trap it stays so.
    entered: Cell<bool>,
}

#[repr(C, align(16))]
struct Place<const SIZE: usize>([u8; SIZE]);

type PollFn = unsafe fn(*mut u8, &mut Context<'_>) -> Poll<u32>;

// SAFETY: as for `Memory`.
unsafe impl<const SIZE: usize> Sync for Task<SIZE> {}

impl<const SIZE: usize> Task<SIZE> {
    /// An empty place.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it is made in a static")]
    pub const fn new() -> Self {
        Self { place: UnsafeCell::new(MaybeUninit::uninit()), poll: Cell::new(None), entered: Cell::new(false) }
    }

    /// Puts the future that `make` makes into the place and polls it. Refused while another one is there.
    pub fn start<A, F: Future<Output = u32> + 'static>(&'static self, make: impl FnOnce(A) -> F, argument: A) -> u32 {
        const { assert!(size_of::<F>() <= SIZE && align_of::<F>() <= align_of::<Place<SIZE>>(), "the place is too small") };
        if self.entered.get() || self.poll.get().is_some() {
            return REFUSED;
        }
        // SAFETY: the place is large and aligned enough (asserted above), empty, and not being polled.
        unsafe { self.place.get().cast::<F>().write(make(argument)) };
        self.poll.set(Some(poll_in_place::<F>));
        self.poll()
    }

    /// Polls the future that is there; drops it in place once it is done.
    #[inline(never)]
    pub fn poll(&'static self) -> u32 {
        let Some(poll) = self.poll.get() else { return REFUSED };
        if self.entered.replace(true) {
            return REFUSED;
        }
        let mut context = Context::from_waker(Waker::noop());
        // SAFETY: `poll` was set together with the future that is in the place, which is static and so never moves; `entered` says that
        // nothing else refers to it.
        let result = unsafe { poll(self.place.get().cast(), &mut context) };
        self.entered.set(false);
        match result {
            Poll::Pending => PENDING,
            Poll::Ready(state) => {
                self.poll.set(None);
                state
            }
        }
    }
}

/// # Safety
///
/// `place` holds an `F` that stays where it is; after `Ready` it holds nothing.
unsafe fn poll_in_place<F: Future<Output = u32>>(place: *mut u8, context: &mut Context<'_>) -> Poll<u32> {
    let place = place.cast::<F>();
    // SAFETY: the caller's promise.
    let result = unsafe { Pin::new_unchecked(&mut *place) }.poll(context);
    if result.is_ready() {
        // SAFETY: nothing uses it any more, and nothing will.
        unsafe { place.drop_in_place() };
    }
    result
}

/// Size of the future that `make` makes: its type has no name.
#[doc(hidden)]
#[must_use]
pub const fn size_of_future<A, F: Future>(_make: &impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

/// A request, among the kinds of events.
pub(crate) const FETCH: u32 = 0;
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

#[cfg(target_arch = "wasm32")]
mod imports {
    use super::Part;

    #[link(wasm_import_module = "midge")]
    unsafe extern "C" {
        pub(super) fn head(place: *mut u8, size: usize) -> i32;
        pub(super) fn class(place: *mut u8, size: usize) -> i32;
        pub(super) fn field(handle: u32, name: *const u8, length: usize, place: *mut u8, size: usize) -> i32;
        pub(super) fn fields(place: *mut u8, size: usize) -> i32;
        pub(super) safe fn body_length() -> f64;
        pub(super) fn read(handle: u32, place: *mut u8, size: usize) -> i32;
        pub(super) fn respond(status: u32, lines: *const u8, length: usize, body: f64, passed: u32) -> i32;
        pub(super) fn write(bytes: *const u8, length: usize, last: u32) -> i32;
        pub(super) fn fail(status: u32, message: *const u8, size: usize, lines: *const u8, length: usize) -> i32;
        pub(super) fn deadline(millis: f64, lines: *const u8, length: usize) -> i32;
        pub(super) fn call(operation: u32, parts: *const Part<'_>, count: usize) -> i32;
        pub(super) safe fn poll(handle: u32) -> f64;
        pub(super) fn take(handle: u32, place: *mut u8, size: usize) -> i32;
        pub(super) fn next(handle: u32, place: *mut u8, size: usize) -> i32;
        pub(super) safe fn close(handle: u32);
        pub(super) safe fn now() -> f64;
        pub(super) fn random(place: *mut u8, size: usize) -> i32;
        pub(super) fn log(level: u32, text: *const u8, length: usize);
        pub(super) fn panic_text(text: *const u8, length: usize);
        pub(super) safe fn panic_char(char: u32);
        pub(super) fn panic(file: *const u8, length: usize, line: u32);
    }
}

/// A host that can do nothing, so that handlers compile and are tested on any machine.
#[cfg(not(any(target_arch = "wasm32", test)))]
mod imports {
    use super::Part;

    pub(super) unsafe fn head(_place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn class(_place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn field(_: u32, _name: *const u8, _length: usize, _place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn fields(_place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) fn body_length() -> f64 {
        0.0
    }
    pub(super) unsafe fn read(_handle: u32, _place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn respond(_: u32, _lines: *const u8, _length: usize, _body: f64, _passed: u32) -> i32 {
        NONE
    }
    pub(super) unsafe fn write(_bytes: *const u8, _length: usize, _last: u32) -> i32 {
        NONE
    }
    pub(super) unsafe fn fail(_: u32, _message: *const u8, _size: usize, _lines: *const u8, _length: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn deadline(_millis: f64, _lines: *const u8, _length: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn call(_operation: u32, _parts: *const Part<'_>, _count: usize) -> i32 {
        NONE
    }
    pub(super) fn poll(_handle: u32) -> f64 {
        f64::from(NONE)
    }
    pub(super) unsafe fn take(_handle: u32, _place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn next(_handle: u32, _place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) fn close(_handle: u32) {}
    pub(super) fn now() -> f64 {
        0.0
    }
    pub(super) unsafe fn random(_place: *mut u8, _size: usize) -> i32 {
        NONE
    }
    pub(super) unsafe fn log(_level: u32, _text: *const u8, _length: usize) {}
    pub(super) unsafe fn panic_text(_text: *const u8, _length: usize) {}
    pub(super) fn panic_char(_char: u32) {}
    pub(super) unsafe fn panic(_file: *const u8, _length: usize, _line: u32) {}

    /// ENOSYS
    const NONE: i32 = -38;
}

/// A host that does what this crate's own tests say: `double.rs`, which is given the ranges as slices.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod imports {
    use core::slice;
    use std::vec::Vec;

    use super::Part;
    use crate::double::{Host, with};

    /// SAFETY, for all of these: the functions above lend each range for the call, and a slice lives no longer.
    macro_rules! slices {
        ($(fn $name:ident($($number:ident: $kind:ty,)* [$($from:ident, $size:ident)?] [$($place:ident, $room:ident)?]
            $($more:ident: $more_kind:ty),*) $(-> $result:ty)?;)*) => {$(
            pub(super) unsafe fn $name($($number: $kind,)* $($from: *const u8, $size: usize,)? $($place: *mut u8, $room: usize,)?
                $($more: $more_kind),*) $(-> $result)? {
                // SAFETY: as said above.
                with(|host| unsafe {
                    host.$name($($number,)* $(slice::from_raw_parts($from, $size),)?
                        $(slice::from_raw_parts_mut($place, $room),)? $($more),*)
                })
            }
        )*};
    }

    slices! {
        fn head([] [place, size]) -> i32;
        fn class([] [place, size]) -> i32;
        fn field(handle: u32, [name, length] [place, size]) -> i32;
        fn fields([] [place, size]) -> i32;
        fn read(handle: u32, [] [place, size]) -> i32;
        fn respond(status: u32, [lines, length] [] body: f64, passed: u32) -> i32;
        fn write([bytes, length] [] last: u32) -> i32;
        fn deadline(millis: f64, [lines, length] []) -> i32;
        fn take(handle: u32, [] [place, size]) -> i32;
        fn next(handle: u32, [] [place, size]) -> i32;
        fn random([] [place, size]) -> i32;
        fn log(level: u32, [text, length] []);
        fn panic_text([text, length] []);
        fn panic([file, length] [] line: u32);
    }

    pub(super) unsafe fn fail(status: u32, message: *const u8, size: usize, lines: *const u8, length: usize) -> i32 {
        // SAFETY: as said above.
        let (message, lines) = unsafe { (slice::from_raw_parts(message, size), slice::from_raw_parts(lines, length)) };
        with(|host| host.fail(status, message, lines))
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
    pub(super) fn body_length() -> f64 {
        with(|host| host.length)
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
        with(|host: &mut Host| host.panic_text(&[code as u8]));
    }
}

//! The adapter's imports, and the shim behind them.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};

use midge::{Field, Limits, WholeAnswer};

use crate::error::CallError;

/// What the platform has for an event, and what became of it.
#[derive(Debug, Default)]
pub struct Platform {
    /// `METHOD authority/path`
    pub head: String,
    /// Names in lower case, once each.
    pub fields: Vec<(String, String)>,
    /// The request's body as it comes, none of it empty.
    pub body: VecDeque<Vec<u8>>,
    /// Its length, if that is known.
    pub length: Option<u64>,
    /// It breaks off behind the last piece.
    pub breaks: bool,
    /// The client is gone after so many writes.
    pub leaves: Option<usize>,
    /// What settles first, where two things are waited for.
    pub reads_first: bool,
    /// How the answer stands.
    pub answer: Answer,
    /// How far the shim is.
    pub shim: Shim,
}

/// How far the shim is with an event.
#[derive(Debug, Default)]
pub struct Shim {
    chunk: VecDeque<u8>,
    reading: bool,
    read_ended: bool,
    read_failed: bool,
    streamed: bool,
    writing: bool,
    broken: bool,
}

/// An answer, as the platform was told.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Answer {
    /// Status, field lines, and the body's length.
    pub begun: Option<(u16, Vec<u8>, Option<u64>)>,
    /// The body so far.
    pub body: Vec<u8>,
    /// The client has it whole.
    pub complete: bool,
    /// A failure in its place: status, text, field lines.
    pub failure: Option<(u16, String, Vec<u8>)>,
    /// The last time limit, and the fields of the answer that comes of it.
    pub limit: Option<(f64, Vec<u8>)>,
}

thread_local! {
    static PLATFORM: RefCell<Platform> = RefCell::default();
}

/// Runs an event to its end: the state that it ends in, and what became of it.
///
/// # Panics
///
/// If it waits for nothing, or without end.
pub fn with(platform: Platform, event: impl Future<Output = u32>) -> (u32, Platform) {
    PLATFORM.set(platform);
    let mut event = std::pin::pin!(event);
    for _ in 0..100_000 {
        if let Poll::Ready(state) = event.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return (state, PLATFORM.take());
        }
        PLATFORM.with_borrow_mut(Platform::settle);
    }
    panic!("it goes on without end");
}

impl Platform {
    /// Lets one thing come that is waited for.
    fn settle(&mut self) {
        assert!(self.shim.reading || self.shim.writing, "the handler waits for nothing");
        if self.shim.reading && (self.reads_first || !self.shim.writing) {
            self.shim.reading = false;
            match self.body.pop_front() {
                Some(piece) => self.shim.chunk = piece.into(),
                None if self.breaks => self.shim.read_failed = true,
                None => self.shim.read_ended = true,
            }
        } else {
            self.shim.writing = false;
            self.shim.broken = match &mut self.leaves {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            };
        }
    }

    fn is_answered(&self) -> bool {
        self.answer.complete || self.shim.streamed || self.answer.failure.is_some()
    }
}

/// Writes all of `text`, or nothing.
fn put(text: &str, place: &mut [u8]) -> Option<usize> {
    place.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(text.len())
}

pub(crate) fn head(place: &mut [u8]) -> Option<usize> {
    PLATFORM.with_borrow(|the| put(&the.head, place))
}

pub(crate) fn field(handle: u32, name: &str, place: &mut [u8]) -> Result<usize, CallError> {
    assert_eq!(handle, 0, "the request's");
    PLATFORM.with_borrow(|the| {
        let field = the.fields.iter().find(|(other, _)| other == name).ok_or(CallError::NotFound)?;
        put(&field.1, place).ok_or(CallError::TooLarge { size: 0 })
    })
}

pub(crate) fn fields(place: &mut [u8]) -> Option<usize> {
    let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    PLATFORM.with_borrow(|the| put(&the.fields.iter().map(line).collect::<String>(), place))
}

pub(crate) fn body_length() -> Option<u64> {
    PLATFORM.with_borrow(|the| the.length)
}

pub(crate) fn read_request(place: &mut [u8]) -> Poll<Option<usize>> {
    PLATFORM.with_borrow_mut(|the| {
        let count = place.len().min(the.shim.chunk.len());
        if count > 0 {
            place.iter_mut().zip(the.shim.chunk.drain(..count)).for_each(|(place, byte)| *place = byte);
            return Poll::Ready(Some(count));
        }
        if the.shim.read_failed {
            return Poll::Ready(None);
        }
        if the.shim.read_ended && !the.shim.reading {
            return Poll::Ready(Some(0));
        }
        the.shim.reading = true;
        Poll::Pending
    })
}

pub(crate) fn respond(status: u16, lines: &[u8], length: Option<u64>, passed: u32) -> Option<()> {
    assert_eq!(passed, 0, "nothing was passed on");
    PLATFORM.with_borrow_mut(|the| {
        assert!(the.answer.begun.is_none() && !the.is_answered(), "two answers");
        the.answer.begun = Some((status, lines.to_vec(), length));
        Some(())
    })
}

pub(crate) fn answer(whole: WholeAnswer<'_>) -> Option<()> {
    respond(whole.status.code(), whole.lines, whole.length, 0)?;
    PLATFORM.with_borrow_mut(|the| {
        the.answer.body = whole.body.to_vec();
        the.answer.complete = true;
    });
    Some(())
}

pub(crate) fn write(bytes: &[u8], last: bool) -> Poll<Option<usize>> {
    PLATFORM.with_borrow_mut(|the| {
        assert!(the.answer.begun.is_some() && the.answer.failure.is_none(), "a body without an answer");
        assert!(!the.answer.complete, "a body behind its end");
        if (!last || the.shim.streamed) && !bytes.is_empty() {
            if the.shim.writing {
                return Poll::Pending;
            }
            if the.shim.broken {
                return Poll::Ready(None);
            }
            (the.shim.writing, the.shim.streamed) = (true, true);
        }
        the.answer.body.extend_from_slice(bytes);
        the.answer.complete = last;
        Poll::Ready(Some(bytes.len()))
    })
}

pub(crate) fn fail(status: u16, message: &str, lines: &[u8]) -> Option<()> {
    PLATFORM.with_borrow_mut(|the| {
        assert!(!the.is_answered(), "a failure behind an answer");
        the.answer.failure = Some((status, message.to_owned(), lines.to_vec()));
        Some(())
    })
}

pub(crate) fn deadline(millis: f64, lines: &[u8], _is_limit: bool) -> Option<()> {
    PLATFORM.with_borrow_mut(|the| the.answer.limit = Some((millis, lines.to_vec())));
    Some(())
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs() as f64 * 1_000.0 + f64::from(time.subsec_millis())
}

/// The buffers of one event.
#[allow(missing_debug_implementations)]
pub struct Memory<'b, const BODY: u32, const OUTPUT: u32> {
    head: Cell<&'b mut [u8]>,
    body: Cell<&'b mut [u8]>,
    output: Cell<&'b mut [u8]>,
    table: Cell<&'b mut [Field]>,
}

impl<'b, const BODY: u32, const OUTPUT: u32> Memory<'b, BODY, OUTPUT> {
    /// Of these buffers: `body` and `output` of `BODY` and `OUTPUT` bytes.
    pub fn new(head: &'b mut [u8], body: &'b mut [u8], output: &'b mut [u8], table: &'b mut [Field]) -> Self {
        Self { head: Cell::new(head), body: Cell::new(body), output: Cell::new(output), table: Cell::new(table) }
    }
}

/// The buffers, once.
pub(crate) struct Buffers<'m> {
    pub(crate) head: &'m mut [u8],
    pub(crate) body: &'m mut [u8],
    pub(crate) output: &'m mut [u8],
    pub(crate) table: &'m mut [Field],
    pub(crate) lent: (),
}

/// Memory of any size.
pub trait AnyMemory {
    /// As the adapter's.
    const LIMITS: Limits;

    #[allow(private_interfaces)]
    #[doc(hidden)]
    fn lend(&self) -> Option<Buffers<'_>>;

    /// As the adapter's.
    fn body<T>(&self, show: impl FnOnce(&mut [u8]) -> T) -> Option<T>;
}

impl<const BODY: u32, const OUTPUT: u32> AnyMemory for Memory<'_, BODY, OUTPUT> {
    const LIMITS: Limits = Limits {
        body_in_memory_bytes: BODY,
        response_head_bytes: if OUTPUT < 4_096 { OUTPUT } else { 4_096 },
        ..Limits::DEFAULT
    };

    #[allow(private_interfaces)]
    fn lend(&self) -> Option<Buffers<'_>> {
        let (head, body, output, table) = (self.head.take(), self.body.take(), self.output.take(), self.table.take());
        Some(Buffers { head, body, output, table, lent: () })
    }

    fn body<T>(&self, show: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let body = self.body.take();
        let shown = show(body);
        self.body.set(body);
        Some(shown)
    }
}

pub(crate) const FETCH: u32 = 0;
/// The event was served.
pub const DONE: u32 = 1;
/// The event failed, or its answer must not look complete.
pub const CUT: u32 = 2;

//! One request and its answer, in memory: what a handler sees, and what a driver moves bytes for.

mod body;
pub(crate) mod extras;
pub(crate) mod failure;
pub(crate) mod handler;
pub(crate) mod input;
mod outcome;
pub(crate) mod output;
mod past;
mod plain;
mod request;
mod response;
mod upgrade;

use core::{
    cell::{Cell, RefCell},
    fmt,
    net::SocketAddr,
    task::Poll,
    time::Duration,
};

use crate::{
    http1::{
        date::Date,
        head::{HeadRef, Parts},
        limits::Limits,
        reject::Reject,
    },
    time::Instant,
};

pub(crate) use self::response::BUSY;
pub use self::{
    body::{Body, Chunk},
    outcome::Outcome,
    plain::{PlainAnswer, PlainEnd, PlainHead, PlainMemory, WholeAnswer},
    request::Request,
    response::{BodyStream, FieldLines, Interim, Response, ResponseHead},
    upgrade::Upgraded,
};
use self::{
    failure::{Failure, ResponseError},
    handler::Sent,
    input::{Input, InputState},
    output::{Announced, Closing, Output, OutputState, SHORTCUTS, Stage},
};

/// What a host knows of a request beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct RequestContext<'b> {
    /// Who sent it.
    pub peer: Peer,
    /// When the answer has to be complete, if ever.
    pub deadline: Option<Instant>,
    /// A name for it in logs.
    pub id: RequestId<'b>,
    /// The time of day for the answer's `Date`. The host may set it as long as the exchange lasts.
    pub date: Cell<Option<Date>>,
    /// The monotonic time, as the host last said: what a time limit that a handler sets counts from. A host without a clock leaves it
    /// at the origin, and then counts [`Exchange::time_limit`] from the exchange's beginning by itself.
    pub now: Cell<Instant>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Peer {
    /// The host can't tell.
    #[default]
    Unknown,
    /// An address and port.
    Ip(SocketAddr),
    /// Someone on this machine, through a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// A name for a request in logs: the host's own number, or the text that a platform gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestId<'b> {
    /// Counted by the host.
    Number(u64),
    /// Given by the platform.
    Text(&'b str),
}

impl Default for RequestId<'_> {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:016x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What an exchange waits for, as its handler's future said when it returned `Pending`. Nothing, if the future
/// waits for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// More of the request: put bytes into [`Exchange::fill`].
    pub input: bool,
    /// Room for more of the answer: take bytes from [`Exchange::drain`].
    pub output: bool,
}

/// One request and its answer, in plain memory: what the [`Request`] and [`Response`] of one handler share with whoever drives it.
///
/// **After every `Pending` of the handler's future, look at [`Exchange::want`], move the bytes, and poll again.** `serve` does that
/// for sockets; a driver for another kind of host is a hundred lines.
pub struct Exchange<'b> {
    pub(crate) head: HeadRef<'b>,
    pub(crate) context: &'b RequestContext<'b>,
    pub(crate) limits: &'b Limits,
    pub(crate) input: RefCell<Input<'b>>,
    pub(crate) output: RefCell<Output<'b>>,
    pub(crate) want: Cell<Want>,
    pub(crate) keep: Cell<bool>,
    #[cfg(feature = "arena")]
    pub(crate) arena: &'b bumpalo::Bump,
}

/// What becomes of a connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept for the next request, once the rest of the body is read.
    Keep,
    /// It is closed once everything went out.
    Close,
    /// It is reset: the answer is incomplete, and its end is the connection's end.
    Reset,
}

/// What lasts from request to request of a connection, beside its buffers: a slot has one.
#[derive(Debug)]
pub struct ExchangeState {
    pub(crate) parts: Parts,
    pub(crate) input: InputState,
    pub(crate) output: OutputState,
    #[cfg(feature = "arena")]
    pub(crate) arena: bumpalo::Bump,
}

impl ExchangeState {
    /// The state before the first request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            parts: Parts::NONE,
            input: InputState::NEW,
            output: OutputState::NEW,
            #[cfg(feature = "arena")]
            arena: bumpalo::Bump::new(),
        }
    }

    /// Gives the handler's arena `bytes` of memory at once, and lets it have no more than that.
    #[cfg(feature = "arena")]
    #[must_use]
    pub fn with_arena(mut self, bytes: usize) -> Self {
        self.arena = bumpalo::Bump::with_capacity(bytes);
        self.arena.set_allocation_limit(Some(self.arena.allocated_bytes()));
        self
    }
}

impl Default for ExchangeState {
    fn default() -> Self {
        Self::new()
    }
}

impl Exchange<'_> {
    /// Bytes of an exchange beside what it borrows: 144 where addresses have 64 bits and 72 where they have 32; the feature `arena` adds one
    /// address.
    pub const SIZE: usize = size_of::<Self>();
}

impl<'b> Exchange<'b> {
    /// The request, for the handler.
    #[inline]
    pub fn request(&'b self) -> Request<'b> {
        Request::new(self)
    }

    /// The answer's beginning, for the handler.
    #[inline]
    pub fn response(&'b self) -> Response<'b> {
        Response::new(self)
    }

    /// What the handler's future waits for; asking clears it.
    #[inline]
    pub fn want(&self) -> Want {
        self.want.take()
    }

    /// Shows room for more input to `read`, which says how many bytes it put there. `None` if there is no room just now.
    pub fn fill<T>(&self, read: impl FnOnce(&mut [u8]) -> (usize, T)) -> Option<T> {
        let mut input = self.input.try_borrow_mut().ok()?;
        let space = input.space();
        if space.is_empty() {
            return None;
        }
        let (count, result) = read(space);
        input.filled(count);
        Some(result)
    }

    /// Says that nothing more will come.
    pub fn end_of_input(&self) {
        if let Ok(mut input) = self.input.try_borrow_mut() {
            input.end();
        }
    }

    /// Refuses the rest of the body: the handler sees it as an error.
    pub fn refuse_body(&self, reject: Reject) {
        if let Ok(mut input) = self.input.try_borrow_mut() {
            input.fail(reject);
        }
    }

    /// Shows what may go out to `write`, which says how many bytes of it did. `None` if there is nothing.
    pub fn drain<T>(&self, write: impl FnOnce(&[u8]) -> (usize, T)) -> Option<T> {
        let mut output = self.output.try_borrow_mut().ok()?;
        let pending = output.pending();
        if pending.is_empty() {
            return None;
        }
        let (count, result) = write(pending);
        output.wrote(count);
        Some(result)
    }

    /// Whether the protocol was changed: what is read and written is no HTTP any more.
    pub fn is_upgraded(&self) -> bool {
        self.output.try_borrow().is_ok_and(|output| output.stage() == Stage::Raw)
    }

    /// When the answer has to be complete: what the host said ([`RequestContext::deadline`]) or what a handler set
    /// ([`Request::limit_time`]), whichever comes first. A driver asks when the handler's future is pending, and lets a handler that is late
    /// fail with 503.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let set = self.output.try_borrow().ok().and_then(|output| output.state.extras.time(output.state.flags));
        match (self.context.deadline, set) {
            (Some(given), Some((_, set))) => Some(given.min(set)),
            (given, set) => given.or(set.map(|(_, deadline)| deadline)),
        }
    }

    /// How long the whole exchange may take, if a handler set that ([`Request::limit_time`]): for hosts whose clock isn't the engine's.
    #[must_use]
    pub fn time_limit(&self) -> Option<Duration> {
        let output = self.output.try_borrow().ok()?;
        output.state.extras.time(output.state.flags).map(|(time, _)| time)
    }

    /// Whether the answer is complete, though its handler may go on: what [`Exchange::drain`] still gives is its end.
    #[must_use]
    #[inline]
    pub fn is_answered(&self) -> bool {
        self.output.try_borrow().is_ok_and(|output| output.is_done())
    }

    /// Says that the connection won't be kept, whatever the client lets it.
    pub fn close_after(&self) {
        self.keep.set(false);
    }

    /// Ends an exchange of a [`Connection`](crate::Connection) with what its handler gave; then
    /// [`Connection::finish`](crate::Connection::finish) takes the verdict. A failure is answered now, if no byte of the answer's head
    /// went out.
    #[inline]
    pub fn ended(&self, result: Result<Sent, Failure>) -> Verdict {
        match result {
            // Once the answer is complete, what the handler finds wrong is no concern of the client's.
            _ if self.is_answered() => self.kept(),
            // `Sent` from another request's answer.
            Ok(_) => self.fail(&Failure::new(500)),
            Err(failure) => self.fail(&failure),
        }
    }

    /// Gives the answer up, with everything that hasn't gone out yet: its client doesn't take it. Then the connection's verdict is
    /// [`Verdict::Reset`].
    pub fn give_up(&self) {
        if let Ok(mut output) = self.output.try_borrow_mut() {
            output.give_up();
        }
    }

    fn kept(&self) -> Verdict {
        if self.keep.get() { Verdict::Keep } else { Verdict::Close }
    }

    /// Answers a failure, or gives the connection up if the answer's head is out.
    #[cold]
    fn fail(&self, failure: &Failure) -> Verdict {
        let closing = Closing { date: self.context.date.get(), keep: self.keep.get() && self.body_lets_keep() };
        let Ok(mut output) = self.output.try_borrow_mut() else { return Verdict::Reset };
        if !output.rewind() {
            return self.cut(&mut output);
        }
        match output.failure(failure.status(), failure.parts(&mut [0; 10]), closing) {
            Ok(true) => Verdict::Keep,
            Ok(false) => Verdict::Close,
            Err(_) => self.cut(&mut output),
        }
    }

    /// Gives the answer up as it is. One that would end with the connection has to end with a reset, or it would look complete.
    fn cut(&self, output: &mut Output<'_>) -> Verdict {
        output.abandon();
        if output.ends_with_connection() { Verdict::Reset } else { Verdict::Close }
    }

    /// Ends the answer with a body that is there whole, if that is all there is to it.
    #[inline]
    fn answer(&self, body: &[u8]) -> bool {
        // One of the two alone: with both, each answer of HTTP/1.1 takes a tenth more instructions.
        if !SHORTCUTS {
            return self.output.try_borrow_mut().is_ok_and(|mut output| output.plain_answer(body));
        }
        let keep = self.keep.get() && (!self.head.parts.reads_on || self.body_lets_keep());
        keep && self.output.try_borrow_mut().is_ok_and(|mut output| output.answer(body, &self.context.date))
    }

    /// Ends the answer's head with the engine's own lines, and decides whether the connection is kept.
    // A WebAssembly runtime compiles each function when it is first called, and most answers there need not call this one.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[cfg_attr(not(target_family = "wasm"), inline)]
    fn end_head(&self, announced: Announced) -> Result<(), ResponseError> {
        let keep = self.keep.get() && self.body_lets_keep();
        let closing = Closing { date: self.context.date.get(), keep };
        let mut output = self.output.try_borrow_mut().map_err(|_| ResponseError::Twice)?;
        self.keep.set(output.end_head(announced, closing)?);
        Ok(())
    }

    /// Whether the connection can be kept as far as the request's body goes: it was read, or what is left can be thrown away.
    #[inline]
    fn body_lets_keep(&self) -> bool {
        let Ok(input) = self.input.try_borrow() else { return false };
        if input.is_over() {
            // A client that closed its side has no further request.
            return !input.state.ended;
        }
        // A client that waits for 100 (Continue) and gets a final answer may send the body or not: nobody can tell
        // where its next request begins (RFC 9110, section 10.1.1).
        let unasked = input.state.expects && !input.arrived();
        !unasked && input.is_drainable(self.limits.drain_bytes)
    }

    /// Whether the client offers to change the protocol.
    fn can_upgrade(&self) -> bool {
        self.head.parts.framing.upgrade
    }

    /// Notes that the handler waits for input. The first time, a client that waits too is told to go on.
    #[cold]
    fn want_input<T>(&self) -> Poll<T> {
        let mut want = self.want.get();
        want.input = true;
        if let Ok(mut input) = self.input.try_borrow_mut()
            && input.state.expects
        {
            let arrived = input.arrived();
            let Ok(mut output) = self.output.try_borrow_mut() else { return Poll::Pending };
            // Behind the final answer's head nobody can be told any more (RFC 9110, section 10.1.1).
            let is_early = matches!(output.stage(), Stage::Fresh | Stage::Prepared | Stage::Head);
            if arrived || !is_early || output.interim(b"HTTP/1.1 100 Continue\r\n\r\n") {
                input.state.expects = false;
            } else {
                // No room: what is pending goes first. Where nothing is, there won't be any, and the client sends without being told.
                want.output = !output.pending().is_empty();
            }
        }
        self.want.set(want);
        Poll::Pending
    }

    /// Notes that the handler waits for room.
    #[cold]
    fn want_output<T>(&self) -> Poll<T> {
        let mut want = self.want.get();
        want.output = true;
        self.want.set(want);
        Poll::Pending
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", &self.head.head().method())
            .field("target", &self.head.head().target())
            .finish_non_exhaustive()
    }
}

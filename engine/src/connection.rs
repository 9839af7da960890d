//! One connection without its socket: bytes in, steps out.

use core::{
    cell::{Cell, RefCell},
    fmt,
    time::Duration,
};

use crate::{
    exchange::{
        Exchange, RequestContext, Verdict,
        input::Input,
        output::{Closing, Output},
    },
    http1::{
        decode::{Decoder, Piece},
        fields::{Field, has_empty_line},
        head::{self, HeadRef, Known},
        limits::Limits,
        method::Version,
        reject::Reject,
        state::{Deadline, Event, State},
        trailers,
    },
    shift::shift,
    slot::Slot,
    time::{Clock, Instant},
};

/// A connection's protocol, without I/O and without a clock: what to do next is a [`Step`], and the caller does it.
///
/// **After every change, ask [`Connection::step`] again, until it says to wait.** [`serve`](crate::serve) is the loop that does.
pub struct Connection<'c, 'm> {
    slot: &'c mut Slot<'m>,
    limits: &'c Limits,
    state: State,
    /// Where the input behind the head of the present exchange begins.
    base: usize,
    /// What was tried of a head that isn't there whole.
    tried: Tried,
    /// The answer was cut in a way that only a reset shows.
    reset: bool,
    /// When the present state was entered.
    since: Instant,
    /// Bytes that a head may have.
    head_bytes: usize,
    /// How much of a body that its handler left may be thrown away.
    budget: u64,
}

/// What a connection needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It waits for the client's next request: nothing is buffered, everything went out.
    Idle,
    /// Read into [`Connection::space`].
    Read,
    /// Write [`Connection::pending`].
    Write,
    /// A request is there: run a handler on [`Connection::exchange`], then call [`Connection::finish`].
    Exchange,
    /// Everything went out and nothing more is read: close, lingering (see [`Limits::linger_time`]).
    Linger,
    /// Close now.
    Close,
    /// Reset: the answer is incomplete, and an orderly end would look like its end.
    Reset,
}

/// How often a head that isn't there whole was tried: once at once, once when its first line was there, and then not until its end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Tried {
    Not,
    Once,
    Line,
}

impl Connection<'_, '_> {
    /// Bytes of a connection's state while it has a slot: 56 where addresses have 64 bits and 40 where they have 32. A connection
    /// that waits for its next request has none.
    pub const SIZE: usize = size_of::<Self>();
}

impl<'c, 'm> Connection<'c, 'm> {
    /// A connection of which nothing was read yet, in this slot.
    #[inline]
    pub fn new(slot: &'c mut Slot<'m>, limits: &'c Limits, now: Instant) -> Self {
        let head_bytes = (limits.head_bytes as usize).min(slot.input.len().saturating_sub(BODY_ROOM));
        slot.state.input.reset();
        slot.state.output.reset(limits.response_head_bytes);
        #[cfg(feature = "arena")]
        slot.state.arena.reset();
        Self {
            slot,
            head_bytes,
            limits,
            state: State::Idle,
            base: 0,
            tried: Tried::Not,
            reset: false,
            since: now,
            budget: 0,
        }
    }

    /// What to do next.
    #[inline]
    pub fn step<C: Clock>(&mut self, clock: &C) -> Step {
        let now = clock.now();
        loop {
            if self.state == State::Idle {
                if self.slot.state.input.start < self.slot.state.input.end {
                    self.enter(Event::Bytes, now);
                } else if self.has_pending() {
                    return Step::Write;
                } else if self.slot.state.input.ended {
                    self.enter(Event::End, now);
                } else {
                    return Step::Idle;
                }
            }
            match self.state {
                // Its bytes have just been seen to.
                State::Idle => {}
                State::Head => {
                    // The output has room for another answer's head, or as much as it will ever have.
                    if self.has_pending() && self.is_output_full() {
                        return Step::Write;
                    }
                    match self.read_head() {
                        Ok(true) => {
                            self.enter(Event::HeadRead, now);
                            return Step::Exchange;
                        }
                        Ok(false) if self.slot.state.input.ended => self.refuse(Reject::Truncated, clock),
                        Ok(false) if self.has_pending() => return Step::Write,
                        Ok(false) => return Step::Read,
                        // Empty lines before a request line are passed over (RFC 9112, section 2.2).
                        Err(Reject::Method) if self.skip_empty_lines() => {
                            if self.slot.state.input.start == self.slot.state.input.end {
                                self.enter(Event::EmptyLines, now);
                            }
                        }
                        Err(reject) => self.refuse(reject, clock),
                    }
                }
                // The caller runs it, and says when it ended.
                State::Exchange => return Step::Exchange,
                State::Drain => match self.drain_body() {
                    Some(event) => self.enter(event, now),
                    None if self.has_pending() => return Step::Write,
                    None => return Step::Read,
                },
                State::Linger | State::Closed if self.has_pending() => return Step::Write,
                State::Linger if !self.slot.state.input.ended => return Step::Linger,
                State::Linger => self.enter(Event::End, now),
                State::Closed if self.reset => return Step::Reset,
                State::Closed => return Step::Close,
            }
        }
    }

    /// Whether it waits for a request of which nothing is there yet.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        let input = &self.slot.state.input;
        self.state == State::Idle && input.start == input.end && !input.ended
    }

    /// Whether something has to go out.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        self.slot.state.output.committed > self.slot.state.output.sent
    }

    /// Whether there may be no room for another answer's head behind what is pending.
    #[inline]
    fn is_output_full(&self) -> bool {
        let room = self.limits.response_head_bytes as usize + FAILURE_BODY;
        self.slot.output.len().saturating_sub(self.slot.state.output.committed) < room
    }

    /// Room for what is read next.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.slot.state.input.start == self.slot.state.input.end {
            (self.slot.state.input.start, self.slot.state.input.end, self.slot.state.input.scanned) = (0, 0, 0);
        } else if self.slot.state.input.end == self.slot.input.len() {
            shift(self.slot.input, self.slot.state.input.start, self.slot.state.input.end, 0);
            (self.slot.state.input.start, self.slot.state.input.end) =
                (0, self.slot.state.input.end - self.slot.state.input.start);
        }
        self.slot.input.get_mut(self.slot.state.input.end..).unwrap_or_default()
    }

    /// `count` bytes were read into [`Connection::space`]; 0 says that the client closed its side.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        self.slot.state.input.end = (self.slot.state.input.end + count).min(self.slot.input.len());
        self.slot.state.input.ended |= count == 0;
    }

    /// What has to go out.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.slot.output.get(self.slot.state.output.sent..self.slot.state.output.committed).unwrap_or_default()
    }

    /// `count` bytes of [`Connection::pending`] went out.
    #[inline]
    pub fn wrote(&mut self, count: usize) {
        self.slot.state.output.sent = (self.slot.state.output.sent + count).min(self.slot.state.output.committed);
        if self.slot.state.output.sent == self.slot.state.output.committed {
            (self.slot.state.output.sent, self.slot.state.output.committed) = (0, 0);
        }
    }

    /// The exchange of the request that is there, if [`Connection::step`] said that one is.
    #[inline]
    pub fn exchange<'e>(&'e mut self, context: &'e RequestContext<'e>) -> Exchange<'e> {
        let slot = &mut *self.slot;
        let state = &mut slot.state;
        let (parts, input, output) = (&mut state.parts, &mut state.input, &mut state.output);
        let (bytes, fields, behind): (&[u8], &[Field], _) = if parts.reads_on {
            if input.start > 0 {
                // A body has all the room behind its head, wherever in a pipeline that happened to come in.
                shift(slot.input, input.start, input.end, 0);
                (input.start, input.end) = (0, input.end - input.start);
            }
            // What was read of the head is there. Were it not so, the request would be empty.
            let (bytes, buffer) = slot.input.split_at_mut_checked(parts.length).unwrap_or_default();
            let (fields, table) = slot.fields.split_at_mut_checked(parts.fields).unwrap_or_default();
            let decoder = Decoder::new(parts.framing.body);
            self.base = input.enter(parts.length, decoder, parts.framing.expect_continue);
            parts.start = 0;
            (bytes, fields, (buffer, table))
        } else {
            parts.start = input.start;
            input.start += parts.length;
            (slot.input, slot.fields, Default::default())
        };
        output.enter(parts.version == Version::Http11, parts.method == Known::Head);
        Exchange {
            head: HeadRef { bytes, table: fields, parts },
            context,
            limits: self.limits,
            // A client that closed its side has no further request.
            keep: Cell::new(parts.framing.keep_alive && !input.ended),
            input: RefCell::new(Input { state: input, buffer: behind.0, table: behind.1 }),
            output: RefCell::new(Output { state: output, buffer: slot.output }),
            want: Cell::default(),
            #[cfg(feature = "arena")]
            arena: &state.arena,
        }
    }

    /// Takes back the connection from an exchange that ended.
    #[inline]
    pub fn finish(&mut self, verdict: Verdict, now: Instant) {
        if self.slot.state.parts.reads_on {
            self.slot.state.input.leave(self.base);
        }
        (self.slot.state.input.scanned, self.tried) = (0, Tried::Not);
        #[cfg(feature = "arena")]
        self.slot.state.arena.reset();
        let event = match verdict {
            Verdict::Keep if self.slot.state.input.decoder.is_over() => Event::Answered,
            Verdict::Keep => {
                self.budget = u64::from(self.limits.drain_bytes);
                Event::BodyLeft
            }
            Verdict::Close => Event::Close,
            Verdict::Reset => {
                self.reset = true;
                Event::Cut
            }
        };
        self.enter(event, now);
    }

    /// When something has to have happened, in the states that the connection itself waits in.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let time = match self.state.deadline() {
            Deadline::Idle => self.limits.idle_time,
            Deadline::Head => self.limits.head_time,
            Deadline::Linger => self.limits.linger_time,
            Deadline::Progress => self.limits.body_grace,
            Deadline::None => return None,
        };
        (time < Duration::MAX).then(|| self.since.after(time))
    }

    /// The deadline passed: a head that isn't there is refused (408), and everything else closes.
    pub fn expire<C: Clock>(&mut self, clock: &C) {
        let now = clock.now();
        match self.state {
            State::Head => {
                // What is there may be wrong in itself.
                self.tried = Tried::Not;
                let reject = self.read_head().err().unwrap_or(Reject::HeadTimeout);
                self.refuse(reject, clock);
            }
            State::Drain => self.enter(Event::Close, now),
            _ => self.enter(Event::End, now),
        }
    }

    /// Closes instead of waiting for another request.
    pub fn close(&mut self, now: Instant) {
        self.enter(Event::Close, now);
    }

    /// Where the connection stands.
    #[must_use]
    #[inline]
    pub const fn state(&self) -> State {
        self.state
    }

    #[inline]
    fn enter(&mut self, event: Event, now: Instant) {
        self.state = self.state.after(event);
        self.since = now;
    }

    /// Passes over empty lines at the front; `false` if there is none.
    #[cold]
    fn skip_empty_lines(&mut self) -> bool {
        let input = &mut self.slot.state.input;
        let begun = input.start;
        while let Some([b'\r', b'\n', ..]) = self.slot.input.get(input.start..input.end) {
            input.start += 2;
        }
        (input.scanned, self.tried) = (0, Tried::Not);
        input.start > begun
    }

    #[inline(always)]
    fn read_head(&mut self) -> Result<bool, Reject> {
        let bytes = self.slot.input.get(self.slot.state.input.start..self.slot.state.input.end).unwrap_or_default();
        if self.tried != Tried::Not && !self.slot.state.input.ended {
            let from = self.slot.state.input.scanned;
            let whole = has_empty_line(bytes, &mut self.slot.state.input.scanned) || bytes.len() >= self.head_bytes;
            let line = self.tried < Tried::Line
                && (bytes.len() >= self.limits.request_line_bytes as usize
                    || bytes.get(from..).is_some_and(|new| memchr::memchr(b'\n', new).is_some()));
            if !whole && !line {
                return Ok(false);
            }
            self.tried = if line { Tried::Line } else { self.tried };
        } else if bytes == b"\r" {
            // The first half of an empty line, it may be.
            return Ok(false);
        } else {
            self.tried = Tried::Once;
        }
        head::parse(
            bytes,
            self.head_bytes,
            self.slot.fields,
            &mut self.slot.seen,
            self.limits,
            &mut self.slot.state.parts,
        )
    }

    /// Writes the answer to a request that is refused, and reads nothing more.
    #[cold]
    fn refuse<C: Clock>(&mut self, reject: Reject, clock: &C) {
        let head_request = self
            .slot
            .input
            .get(self.slot.state.input.start..self.slot.state.input.end)
            .is_some_and(|bytes| bytes.starts_with(b"HEAD "));
        self.slot.state.output.enter(true, head_request);
        let mut output = Output { state: &mut self.slot.state.output, buffer: self.slot.output };
        if output
            .failure(reject.status(), [reject.message(), "", ""], Closing { date: clock.date(), keep: false })
            .is_err()
        {
            output.abandon();
        }
        self.slot.state.input.start = self.slot.state.input.end;
        self.enter(Event::Refused, clock.now());
    }

    /// Throws away what is there of a body that its handler left. `None` where there is more to come.
    #[cold]
    fn drain_body(&mut self) -> Option<Event> {
        loop {
            let bytes = self.slot.input.get(self.slot.state.input.start..self.slot.state.input.end).unwrap_or_default();
            match self.slot.state.input.decoder.next(bytes, usize::MAX, self.limits) {
                Ok(Piece::Data { skip, len }) => {
                    if !self.drain(skip + len) {
                        return Some(Event::Close);
                    }
                }
                Ok(Piece::Need { skip }) => {
                    let is_kept = self.drain(skip) && !self.slot.state.input.ended;
                    return (!is_kept).then_some(Event::Close);
                }
                Ok(Piece::Trailers { skip }) => {
                    if !self.drain(skip) || !self.drain_trailers()? {
                        return Some(Event::Close);
                    }
                }
                Ok(Piece::End) => return Some(Event::Drained),
                Err(_) => return Some(Event::Close),
            }
        }
    }

    /// Throws away `count` bytes of what is there: `false` if that is more than may be.
    fn drain(&mut self, count: usize) -> bool {
        self.slot.state.input.start += count;
        match self.budget.checked_sub(count as u64) {
            Some(budget) => {
                self.budget = budget;
                true
            }
            None => false,
        }
    }

    /// Reads a trailer section that nobody asked for. `None` where it isn't there whole; `false` where it is none.
    fn drain_trailers(&mut self) -> Option<bool> {
        let input = &mut self.slot.state.input;
        let bytes = self.slot.input.get(input.start..input.end).unwrap_or_default();
        let full = bytes.len() == self.slot.input.len();
        match trailers::read(bytes, &mut input.scanned, self.slot.fields, self.limits, trailers::is_allowed) {
            Ok(Some(section)) => {
                input.start += section.end;
                (input.scanned, input.decoder) = (0, Decoder::Length(0));
                Some(true)
            }
            Ok(None) if !full && !input.ended => None,
            _ => Some(false),
        }
    }
}

impl fmt::Debug for Connection<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.state)
            .field("buffered", &(self.slot.state.input.end - self.slot.state.input.start))
            .field("pending", &(self.slot.state.output.committed - self.slot.state.output.sent))
            .finish_non_exhaustive()
    }
}

/// Bytes of the input buffer that a head leaves for its body.
const BODY_ROOM: usize = 256;
/// Room for the body of an answer that refuses.
const FAILURE_BODY: usize = 256;

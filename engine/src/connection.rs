//! One connection without its socket: bytes in, steps out.

use core::{fmt, time::Duration};

use crate::{
    exchange::{
        Ended, Exchange, Memory, RequestContext, Verdict,
        input::{Input, Next},
        output::{Closing, Form, Output},
    },
    http1::{
        date::Date,
        decode::{Decoder, Piece},
        fields::has_empty_line,
        head::{self, Head, Known, Parts},
        limits::Limits,
        method::Version,
        reject::Reject,
        state::{Deadline, Event, State},
    },
    slot::Slot,
    time::Instant,
};

/// A connection's protocol, without I/O and without a clock: what to do next is a [`Step`], and the caller does it.
///
/// **After every change, ask [`Connection::step`] again, until it says to wait.** [`serve`](crate::serve) is the loop that does.
pub struct Connection<'c, 'm> {
    slot: &'c mut Slot<'m>,
    limits: &'c Limits,
    state: State,
    /// `slot.input[start..end]` was received and not yet read.
    start: usize,
    end: usize,
    /// `slot.output[sent..committed]` has to go out.
    sent: usize,
    committed: usize,
    /// The head that was read last.
    parts: Option<Parts>,
    /// How far the head was looked through for its end, and what was tried of it so far.
    scanned: usize,
    tried: Tried,
    /// The client closed its side.
    ended: bool,
    /// The answer was cut in a way that only a reset shows.
    reset: bool,
    /// When the present state was entered.
    since: Instant,
    /// What the handler left of the body, and how much of it may be thrown away.
    left: Decoder,
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

impl<'c, 'm> Connection<'c, 'm> {
    /// A connection of which nothing was read yet, in this slot.
    #[inline]
    pub fn new(slot: &'c mut Slot<'m>, limits: &'c Limits, now: Instant) -> Self {
        Self {
            slot,
            limits,
            state: State::Idle,
            start: 0,
            end: 0,
            sent: 0,
            committed: 0,
            parts: None,
            scanned: 0,
            tried: Tried::Not,
            ended: false,
            reset: false,
            since: now,
            left: Decoder::Length(0),
            budget: 0,
        }
    }

    /// What to do next. `date` is for an answer to a request that is refused.
    #[inline]
    pub fn step(&mut self, now: Instant, date: Option<Date>) -> Step {
        loop {
            match self.state {
                State::Idle => {
                    if self.start < self.end {
                        self.enter(Event::Bytes, now);
                    } else if self.committed > self.sent {
                        return Step::Write;
                    } else if self.ended {
                        self.enter(Event::End, now);
                    } else {
                        return Step::Idle;
                    }
                }
                State::Head => {
                    if self.tried == Tried::Not {
                        self.skip_empty_lines();
                        if self.start == self.end {
                            self.enter(Event::EmptyLines, now);
                            continue;
                        }
                    }
                    if !self.has_room() {
                        return Step::Write;
                    }
                    match self.read_head() {
                        Ok(Some(parts)) => {
                            self.parts = Some(parts);
                            self.enter(Event::HeadRead, now);
                            return Step::Exchange;
                        }
                        Ok(None) if self.ended => self.refuse(Reject::Truncated, now, date),
                        Ok(None) if self.committed > self.sent => return Step::Write,
                        Ok(None) => return Step::Read,
                        Err(reject) => self.refuse(reject, now, date),
                    }
                }
                // The caller runs it, and says when it ended.
                State::Exchange => return Step::Exchange,
                State::Drain => match self.drain_body() {
                    Some(event) => self.enter(event, now),
                    None if self.committed > self.sent => return Step::Write,
                    None => return Step::Read,
                },
                State::Linger | State::Closed if self.committed > self.sent => return Step::Write,
                State::Linger if !self.ended => return Step::Linger,
                State::Linger => self.enter(Event::End, now),
                State::Closed if self.reset => return Step::Reset,
                State::Closed => return Step::Close,
            }
        }
    }

    /// Room for what is read next.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end, self.scanned) = (0, 0, 0);
        } else if self.end == self.slot.input.len() {
            self.slot.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.slot.input.get_mut(self.end..).unwrap_or_default()
    }

    /// `count` bytes were read into [`Connection::space`]; 0 says that the client closed its side.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.slot.input.len());
        self.ended |= count == 0;
    }

    /// What has to go out.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.slot.output.get(self.sent..self.committed).unwrap_or_default()
    }

    /// `count` bytes of [`Connection::pending`] went out.
    #[inline]
    pub fn wrote(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.committed);
        if self.sent == self.committed {
            (self.sent, self.committed) = (0, 0);
        }
    }

    /// The exchange of the request that is there; `None` if [`Connection::step`] didn't say so.
    #[inline]
    pub fn exchange<'e>(&'e mut self, context: RequestContext<'e>) -> Option<Exchange<'e>> {
        let parts = self.parts?;
        let bytes = self.slot.input.get_mut(self.start..)?;
        let filled = (self.end - self.start).saturating_sub(parts.length);
        let (bytes, behind) = bytes.split_at_mut_checked(parts.length)?;
        let (fields, table) = self.slot.fields.split_at_mut_checked(parts.fields)?;
        let head = Head { bytes, table: fields, parts };
        let mut input = Input::new(behind, filled, Decoder::new(parts.framing.body), table);
        if self.ended {
            input.end();
        }
        let form = Form {
            wire: true,
            http11: parts.version == Version::Http11,
            head_request: parts.method == Known::Head,
            head_bytes: self.limits.response_head_bytes,
        };
        let memory = Memory {
            input,
            output: Output::new(self.slot.output, self.sent, self.committed, form),
            #[cfg(feature = "arena")]
            arena: &self.slot.arena,
        };
        Some(Exchange::new(head, memory, context, self.limits))
    }

    /// Takes back the connection from an exchange that ended.
    #[inline]
    pub(crate) fn finish(&mut self, ended: Ended, now: Instant) {
        let behind = self.start + self.parts.take().map_or(0, |parts| parts.length);
        self.start = behind + ended.rest.start;
        self.end = behind + ended.rest.end;
        (self.sent, self.committed) = (ended.sent, ended.committed);
        (self.scanned, self.tried) = (0, Tried::Not);
        #[cfg(feature = "arena")]
        self.slot.arena.reset();
        let event = match ended.verdict {
            Verdict::Keep if ended.rest.decoder.is_over() => Event::Answered,
            Verdict::Keep => {
                self.left = ended.rest.decoder;
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
    pub fn expire(&mut self, now: Instant, date: Option<Date>) {
        match self.state {
            State::Head => {
                // What is there may be wrong in itself.
                self.tried = Tried::Not;
                let reject = self.read_head().err().unwrap_or(Reject::HeadTimeout);
                self.refuse(reject, now, date);
            }
            State::Drain => self.enter(Event::Close, now),
            _ => self.enter(Event::End, now),
        }
    }

    /// Closes instead of waiting for another request.
    pub(crate) fn close(&mut self, now: Instant) {
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

    /// Empty lines before a request line are passed over (RFC 9112, section 2.2).
    #[inline]
    fn skip_empty_lines(&mut self) {
        while let Some([b'\r', b'\n', ..]) = self.slot.input.get(self.start..self.end) {
            self.start += 2;
        }
    }

    /// Whether the output buffer has room for an answer's head, or as much as it will ever have.
    #[inline]
    fn has_room(&self) -> bool {
        let wanted = self.limits.response_head_bytes as usize + FAILURE_BODY;
        self.committed == self.sent || self.slot.output.len() - self.committed >= wanted
    }

    #[inline]
    fn read_head(&mut self) -> Result<Option<Parts>, Reject> {
        let bytes = self.slot.input.get(self.start..self.end).unwrap_or_default();
        let head_bytes = (self.limits.head_bytes as usize).min(self.slot.input.len().saturating_sub(BODY_ROOM));
        if self.tried != Tried::Not && !self.ended {
            let from = self.scanned;
            let whole = has_empty_line(bytes, &mut self.scanned) || bytes.len() >= head_bytes;
            let line = self.tried < Tried::Line
                && (bytes.len() >= self.limits.request_line_bytes as usize
                    || bytes.get(from..).is_some_and(|new| memchr::memchr(b'\n', new).is_some()));
            if !whole && !line {
                return Ok(None);
            }
            self.tried = if line { Tried::Line } else { self.tried };
        } else if bytes == b"\r" {
            // The first half of an empty line, it may be.
            return Ok(None);
        } else {
            self.tried = Tried::Once;
        }
        head::parse(bytes, head_bytes, self.slot.fields, self.limits)
    }

    /// Writes the answer to a request that is refused, and reads nothing more.
    #[cold]
    fn refuse(&mut self, reject: Reject, now: Instant, date: Option<Date>) {
        let form = Form { wire: true, http11: true, head_request: false, head_bytes: self.limits.response_head_bytes };
        let mut output = Output::new(self.slot.output, self.sent, self.committed, form);
        let written = output.failure(reject.status(), reject.message(), Closing { date, keep: false });
        if written.is_ok() {
            (self.sent, self.committed) = output.marks();
        }
        self.start = self.end;
        self.enter(Event::Refused, now);
    }

    /// Throws away what is there of a body that its handler left. `None` where there is more to come.
    #[cold]
    fn drain_body(&mut self) -> Option<Event> {
        loop {
            let bytes = self.slot.input.get(self.start..self.end).unwrap_or_default();
            match self.left.next(bytes, usize::MAX, self.limits) {
                Ok(Piece::Data { skip, len }) => {
                    self.start += skip + len;
                    self.budget = match self.budget.checked_sub((skip + len) as u64) {
                        Some(budget) => budget,
                        None => return Some(Event::Close),
                    };
                }
                Ok(Piece::Need { skip }) => {
                    self.start += skip;
                    return self.ended.then_some(Event::Close);
                }
                Ok(Piece::Trailers { skip }) => {
                    self.start += skip;
                    if !self.drain_trailers()? {
                        return Some(Event::Close);
                    }
                }
                Ok(Piece::End) => return Some(Event::Drained),
                Err(_) => return Some(Event::Close),
            }
        }
    }

    /// Reads a trailer section that nobody asked for. `None` where it isn't there whole; `false` where it is none.
    fn drain_trailers(&mut self) -> Option<bool> {
        let bytes = self.slot.input.get(self.start..self.end).unwrap_or_default();
        let window = bytes.get(..self.limits.trailer_bytes as usize).unwrap_or(bytes);
        let full = window.len() == self.limits.trailer_bytes as usize || window.len() == self.slot.input.len();
        let whole = window.starts_with(b"\r\n") || has_empty_line(window, &mut self.scanned);
        if !whole && !full && !self.ended {
            return None;
        }
        self.scanned = 0;
        let behind = self.slot.input.get_mut(self.start..).unwrap_or_default();
        let mut input = Input::new(behind, self.end - self.start, Decoder::Trailers, self.slot.fields);
        let read = input.next(usize::MAX, self.limits);
        self.start += input.rest().start;
        self.left = Decoder::Length(0);
        Some(read == Ok(Next::End))
    }
}

impl fmt::Debug for Connection<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.state)
            .field("buffered", &(self.end - self.start))
            .field("pending", &(self.committed - self.sent))
            .finish_non_exhaustive()
    }
}

/// Bytes of the input buffer that a head leaves for its body.
const BODY_ROOM: usize = 256;
/// Room for the body of an answer that refuses.
const FAILURE_BODY: usize = 256;

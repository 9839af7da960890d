//! What a router or a handler around another one gives a request or its answer beside what the handler itself does.
//!
//! It lasts from request to request, and one byte of flags says what of it holds for the present one: a request that uses none of it
//! pays for none of it.

use core::time::Duration;

use super::{failure::ResponseError, past::Past};
use crate::{around::trace::TraceContext, time::Instant};

/// See the module's documentation. What `flags` doesn't name is another request's.
#[derive(Debug)]
pub(crate) struct Extras {
    /// The patterns that the path was matched with, outermost first.
    patterns: [&'static str; MAX_DEPTH],
    depth: usize,
    time: Duration,
    deadline: Instant,
    body_bytes: u64,
    trace: TraceContext,
    /// Bytes of a body whose length isn't known before.
    pub(crate) streamed: u64,
    /// What goes past the output buffer.
    pub(crate) past: Past,
    lines: [u8; MAX_LINES],
    length: usize,
    /// What was wrong with a line that was added.
    pub(crate) fault: Option<ResponseError>,
}

/// Which of the extras hold for the present request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ROUTED: Self = Self(1);
    pub(crate) const TIMED: Self = Self(2);
    pub(crate) const BODY: Self = Self(4);
    pub(crate) const TRACED: Self = Self(8);
    /// Fields were added to the answer.
    pub(crate) const ADDED: Self = Self(16);
    /// Someone will ask how the answer went.
    pub(crate) const WATCHED: Self = Self(32);
    /// The host sends some of the body itself.
    pub(crate) const PAST: Self = Self(64);

    #[inline]
    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// Raises a flag; whether it was raised before.
    pub(crate) fn raise(&mut self, flag: Self) -> bool {
        let was = self.has(flag);
        self.0 |= flag.0;
        was
    }
}

impl Extras {
    pub(crate) const NEW: Self = Self {
        patterns: [""; MAX_DEPTH],
        depth: 0,
        time: Duration::ZERO,
        deadline: Instant::from_millis(0),
        body_bytes: 0,
        trace: TraceContext::NONE,
        streamed: 0,
        past: Past { moved: 0, waits: false },
        lines: [0; MAX_LINES],
        length: 0,
        fault: None,
    };

    /// The patterns that the path was matched with.
    pub(crate) fn patterns(&self, flags: Flags) -> &[&'static str] {
        if flags.has(Flags::ROUTED) { self.patterns.get(..self.depth).unwrap_or_default() } else { &[] }
    }

    /// Notes a pattern that the rest of the path was matched with; `false` if there are too many.
    pub(crate) fn push_pattern(&mut self, flags: &mut Flags, pattern: &'static str) -> bool {
        if !flags.raise(Flags::ROUTED) {
            self.depth = 0;
        }
        match self.patterns.get_mut(self.depth) {
            Some(place) => {
                *place = pattern;
                self.depth += 1;
                true
            }
            None => false,
        }
    }

    /// Sets a time limit, unless there is a shorter one.
    pub(crate) fn limit_time(&mut self, flags: &mut Flags, time: Duration, now: Instant) {
        let deadline = now.after(time);
        if !flags.raise(Flags::TIMED) || deadline < self.deadline {
            (self.time, self.deadline) = (time, deadline);
        }
    }

    pub(crate) fn time(&self, flags: Flags) -> Option<(Duration, Instant)> {
        flags.has(Flags::TIMED).then_some((self.time, self.deadline))
    }

    /// Sets a limit for the body; the last one counts.
    pub(crate) fn limit_body(&mut self, flags: &mut Flags, bytes: u64) {
        flags.raise(Flags::BODY);
        self.body_bytes = bytes;
    }

    pub(crate) fn body_limit(&self, flags: Flags) -> Option<u64> {
        flags.has(Flags::BODY).then_some(self.body_bytes)
    }

    pub(crate) fn set_trace(&mut self, flags: &mut Flags, trace: TraceContext) {
        flags.raise(Flags::TRACED);
        self.trace = trace;
    }

    pub(crate) fn trace(&self, flags: Flags) -> Option<TraceContext> {
        flags.has(Flags::TRACED).then_some(self.trace)
    }

    /// The field lines that were added.
    pub(crate) fn lines(&self, flags: Flags) -> &[u8] {
        if flags.has(Flags::ADDED) { self.lines.get(..self.length).unwrap_or_default() } else { &[] }
    }

    /// Begins to add lines, if none was added yet.
    pub(crate) fn add(&mut self, flags: &mut Flags) {
        if !flags.raise(Flags::ADDED) {
            (self.length, self.fault) = (0, None);
        }
    }

    /// Appends to the lines that were added.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), ResponseError> {
        let place = self.lines.get_mut(self.length..self.length + bytes.len()).ok_or(ResponseError::HeadTooLarge)?;
        place.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }

    pub(crate) const fn mark(&self) -> usize {
        self.length
    }

    /// What was appended behind `mark`.
    pub(crate) fn since(&self, mark: usize) -> &[u8] {
        self.lines.get(mark..self.length).unwrap_or_default()
    }

    /// Takes back what was appended behind `mark`.
    pub(crate) fn back_to(&mut self, mark: usize) {
        self.length = self.length.min(mark);
    }
}

/// Routers within routers.
pub(crate) const MAX_DEPTH: usize = 8;
/// Bytes of all fields together that handlers around another one add to its answer.
const MAX_LINES: usize = 1_024;

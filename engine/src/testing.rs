//! Calling a handler in memory: request bytes in, the parsed answer out.
//!
//! What a handler is called with here goes through the very same reading and writing as on a socket.

use core::{
    convert::Infallible,
    fmt,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorType, Read, Write};

use crate::{
    exchange::{Peer, handler::Handler},
    http1::{
        answer::{AnswerBody, AnswerFraming, AnswerHead, AnswerPiece},
        fields::{Field, Fields},
        limits::Limits,
    },
    serve::{Watch, serve},
    shift::shift,
    slot::Slot,
    time::ManualClock,
};

/// Memory for one call: about 100 KiB on the stack.
pub struct Scratch {
    input: [u8; 33_000],
    output: [u8; 16_384],
    answer: [u8; 65_536],
    fields: [Field; 132],
}

impl Scratch {
    /// Fresh memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { input: [0; 33_000], output: [0; 16_384], answer: [0; 65_536], fields: [Field::EMPTY; 132] }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Sends `request`, byte for byte an HTTP/1.1 request or several, to `handler`, and reads its first final answer.
///
/// The client closes its side behind the request, time stands still at 0, and there is no `Date`.
///
/// # Errors
///
/// The handler waits for something that isn't its request's body, or the answer is too large for `scratch`.
pub fn call<'s, H: Handler>(handler: &H, request: &[u8], scratch: &'s mut Scratch) -> Result<Answer<'s>, CallError> {
    let mut io = Memory { input: request, output: &mut scratch.answer, written: 0, full: false };
    let mut slot = Slot::new(&mut scratch.input, &mut scratch.output, &mut scratch.fields);
    {
        let (limits, clock, watch) = (Limits::DEFAULT, ManualClock::new(), Watch::new());
        let serving = pin!(serve(&mut io, handler, &mut slot, &limits, &clock, Peer::Unknown, &watch));
        // A handler that only waits for the exchange is never woken: it is polled until nothing moves any more.
        let Poll::Ready(Ok(_)) = serving.poll(&mut Context::from_waker(Waker::noop())) else {
            return Err(CallError::Stalled);
        };
    }
    let (written, full) = (io.written, io.full);
    if full {
        return Err(CallError::TooLarge);
    }
    let answer = scratch.answer.get_mut(..written).unwrap_or_default();
    Answer::parse(answer, request.starts_with(b"HEAD "), &mut scratch.fields)
}

/// Why a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The handler waits for something other than the request's body and the answer's way out.
    Stalled,
    /// The answer is larger than the scratch memory.
    TooLarge,
    /// There is no final answer: the handler failed after it had begun one, or the request wasn't complete.
    Incomplete,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stalled => "the handler waits for something outside of its request",
            Self::TooLarge => "the answer is larger than the scratch memory",
            Self::Incomplete => "there is no complete answer",
        })
    }
}

impl core::error::Error for CallError {}

/// A parsed answer.
#[derive(Debug)]
pub struct Answer<'s> {
    status: u16,
    interims: [u16; MAX_INTERIMS],
    interim_count: usize,
    fields: Fields<'s>,
    body: &'s [u8],
    rest: &'s [u8],
}

impl<'s> Answer<'s> {
    /// The final status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The interim (1xx) statuses that came first, eight at most.
    #[must_use]
    pub fn interims(&self) -> &[u16] {
        self.interims.get(..self.interim_count).unwrap_or_default()
    }

    /// The fields.
    #[must_use]
    pub const fn headers(&self) -> Fields<'s> {
        self.fields
    }

    /// The value of the first field with this name, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'s str> {
        self.fields.get(name).and_then(|value| core::str::from_utf8(value).ok())
    }

    /// The body, decoded.
    #[must_use]
    pub const fn body(&self) -> &'s [u8] {
        self.body
    }

    /// What was written behind this answer: the next ones, as they are on the wire.
    #[must_use]
    pub const fn rest(&self) -> &'s [u8] {
        self.rest
    }

    fn parse(bytes: &'s mut [u8], is_head: bool, table: &'s mut [Field]) -> Result<Self, CallError> {
        let (mut interims, mut interim_count) = ([0; MAX_INTERIMS], 0);
        let mut bytes = bytes;
        loop {
            let head = AnswerHead::parse(bytes, table, is_head, &READING).ok().flatten();
            let head = head.ok_or(CallError::Incomplete)?;
            let (status, framing, length, count) =
                (head.status().code(), head.framing(), head.len(), head.fields().len());
            let (head, behind) = bytes.split_at_mut_checked(length).ok_or(CallError::Incomplete)?;
            if (100..200).contains(&status) && status != 101 {
                if let Some(place) = interims.get_mut(interim_count) {
                    *place = status;
                    interim_count += 1;
                }
                bytes = behind;
                continue;
            }
            // Behind 101 there is whatever the other protocol says.
            let framing = if status == 101 { AnswerFraming::UntilEnd } else { framing };
            let fields = Fields::new(head, table.get(..count).unwrap_or_default());
            let (body, rest) = read_body(framing, behind).ok_or(CallError::Incomplete)?;
            return Ok(Self { status, interims, interim_count, fields, body, rest });
        }
    }
}

/// The answer's body, decoded in place, and what stands behind it. Trailers are passed over.
fn read_body(framing: AnswerFraming, behind: &mut [u8]) -> Option<(&[u8], &[u8])> {
    let (mut body, mut at, mut decoded) = (AnswerBody::new(framing), 0, 0);
    loop {
        match body.step(behind.get(at..)?, &Limits::DEFAULT).ok()? {
            AnswerPiece::Data { start, len } => {
                shift(behind, at + start, at + start + len, decoded);
                decoded += len;
                at += start + len;
            }
            AnswerPiece::More { consumed } => {
                at += consumed;
                body.end_of_stream().ok()?;
                break;
            }
            AnswerPiece::End { consumed } => {
                at += consumed;
                break;
            }
        }
    }
    let (front, rest) = behind.split_at_checked(at)?;
    Some((front.get(..decoded)?, rest))
}

/// A connection whose client sent everything at once and takes everything.
struct Memory<'i, 'o> {
    input: &'i [u8],
    output: &'o mut [u8],
    written: usize,
    full: bool,
}

impl ErrorType for Memory<'_, '_> {
    type Error = Infallible;
}

impl Read for Memory<'_, '_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let count = buf.len().min(self.input.len());
        let (now, later) = self.input.split_at_checked(count).unwrap_or_default();
        if let Some(place) = buf.get_mut(..count) {
            place.copy_from_slice(now);
        }
        self.input = later;
        Ok(count)
    }
}

impl Write for Memory<'_, '_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        match self.output.get_mut(self.written..self.written + buf.len()) {
            Some(place) => {
                place.copy_from_slice(buf);
                self.written += buf.len();
            }
            None => self.full = true,
        }
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Whatever the handler writes is read: only the scratch memory bounds it.
const READING: Limits = Limits { header_fields: u16::MAX, ..Limits::DEFAULT };
const MAX_INTERIMS: usize = 8;

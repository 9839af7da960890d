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
        chunked::{Chunked, Step},
        fields::{self, Field, Fields},
        limits::Limits,
    },
    serve::{Watch, serve},
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
            let (status, section) = read_head(bytes, table).ok_or(CallError::Incomplete)?;
            let (head, behind) = bytes.split_at_mut(section.end);
            if (100..200).contains(&status) && status != 101 {
                if let Some(place) = interims.get_mut(interim_count) {
                    *place = status;
                    interim_count += 1;
                }
                bytes = behind;
                continue;
            }
            let fields = Fields::new(head, table.get(..section.count).unwrap_or_default());
            let (body, rest) = read_body(status, is_head, fields, behind).ok_or(CallError::Incomplete)?;
            return Ok(Self { status, interims, interim_count, fields, body, rest });
        }
    }
}

fn read_head(bytes: &[u8], table: &mut [Field]) -> Option<(u16, fields::Section)> {
    let line = memchr::memchr(b'\n', bytes)? + 1;
    let digits = bytes.get(9..12)?;
    let status = core::str::from_utf8(digits).ok()?.parse().ok()?;
    let section = fields::read::<8>(bytes, line, table, |_, _, _| {}).ok()??;
    Some((status, section))
}

/// The answer's body, and what stands behind it.
fn read_body<'s>(status: u16, is_head: bool, fields: Fields<'_>, behind: &'s mut [u8]) -> Option<(&'s [u8], &'s [u8])> {
    if is_head || status == 204 || status == 304 {
        return Some((&[], behind));
    }
    if fields.get("transfer-encoding").is_some() {
        let (decoded, end) = decode_chunks(behind)?;
        let (front, rest) = behind.split_at(end);
        return Some((front.get(..decoded)?, rest));
    }
    let length = match fields.get("content-length") {
        Some(value) => core::str::from_utf8(value).ok()?.parse().ok()?,
        None => behind.len(),
    };
    behind.split_at_checked(length)
}

/// Decodes a chunked body in place: its length, and where it ended. Trailers are passed over.
fn decode_chunks(bytes: &mut [u8]) -> Option<(usize, usize)> {
    let (mut chunked, mut at, mut decoded) = (Chunked::new(), 0, 0);
    loop {
        match chunked.step(bytes.get(at..)?, usize::MAX, &Limits::DEFAULT).ok()? {
            Step::Data { start, len } => {
                bytes.copy_within(at + start..at + start + len, decoded);
                decoded += len;
                at += start + len;
            }
            Step::More => return None,
            Step::Last { consumed } => {
                at += consumed;
                let trailers = bytes.get(at..)?;
                let end = match trailers {
                    [b'\r', b'\n', ..] => 2,
                    _ => memchr::memmem::find(trailers, b"\r\n\r\n")? + 4,
                };
                return Some((decoded, at + end));
            }
        }
    }
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

const MAX_INTERIMS: usize = 8;

//! An answer's head and body, as a client reads them: what a host needs that fetches its requests over HTTP/1.1.
//!
//! As strict as the request's side: what two readers could read differently is refused, and so is a coding that isn't read here.

mod lines;

use core::{error::Error, fmt};

use super::{
    chunked::Chunked,
    decode::{Decoder, Piece},
    fields::{self, Field, Fields},
    framing::{ContentLength, Facts, TransferEncoding},
    limits::Limits,
    method::Version,
    reject::Reject,
    status::Status,
    trailers,
};

/// An answer's status line and fields, and how its body is delimited.
///
/// ```
/// use midge::{AnswerBody, AnswerFraming, AnswerHead, AnswerPiece, Field, Limits};
///
/// let (limits, mut table) = (Limits::DEFAULT, [Field::EMPTY; 16]);
/// let received = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\ndone";
/// let head = AnswerHead::parse(received, &mut table, false, &limits)?.expect("the head is there whole");
/// assert_eq!(head.status().code(), 202);
/// assert_eq!(head.framing(), AnswerFraming::Length(4));
///
/// let behind = &received[head.len()..];
/// let mut body = AnswerBody::new(head.framing());
/// let AnswerPiece::Data { start, len } = body.step(behind, &limits)? else { panic!() };
/// assert_eq!(&behind[start..start + len], b"done");
/// assert_eq!(body.step(b"", &limits)?, AnswerPiece::End { consumed: 0 });
/// # Ok::<(), midge::AnswerError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AnswerHead<'b> {
    status: Status,
    fields: Fields<'b>,
    framing: AnswerFraming,
    keep_alive: bool,
    length: usize,
}

/// How an answer's body is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFraming {
    /// There is none: an answer to `HEAD`, an interim one, 204 or 304.
    Nothing,
    /// This many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// The connection's end.
    UntilEnd,
}

/// Why an answer can't be read. Where it ends is unknown then: the connection can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// The status line is not `HTTP/1.x SP 3DIGIT SP reason CRLF` (RFC 9112, section 4), or the status is none.
    StatusLine,
    /// The head is larger than [`Limits::head_bytes`].
    HeadTooLarge,
    /// The fields, the framing or the chunked coding break the same rules that a request's would.
    Message(Reject),
    /// The connection ended within the body.
    Truncated,
    /// More interim answers than [`AnswerReader::MAX_INTERIMS`](crate::client::AnswerReader::MAX_INTERIMS) before a final one.
    Interims,
    /// A change of protocol (101) that nobody asked for.
    Upgrade,
}

impl<'b> AnswerHead<'b> {
    /// Reads a head from the front of `bytes`; `None` where it isn't there whole. `to_head` says that the request was `HEAD`.
    ///
    /// # Errors
    ///
    /// As [`AnswerError`] lists.
    #[inline]
    pub fn parse(
        bytes: &'b [u8],
        table: &'b mut [Field],
        to_head: bool,
        limits: &Limits,
    ) -> Result<Option<Self>, AnswerError> {
        let window = bytes.get(..limits.head_bytes as usize).unwrap_or(bytes);
        let full = window.len() >= limits.head_bytes as usize;
        let more = || if full { Err(AnswerError::HeadTooLarge) } else { Ok(None) };
        let Some(line) = status_line(window)? else { return more() };
        let cap = usize::from(limits.header_fields).min(table.len());
        let mut facts = Facts::new(line.version);
        // Most fields are told by the length of their names.
        let note_framing = |name: &[u8], value: &[u8]| {
            if let 6 | 7 | 10 | 14 | 17 = name.len() {
                facts.note(name, value);
            }
        };
        let (own, rest) =
            table.get_mut(..cap).map_or((0, line.end), |table| lines::read(window, line.end, table, note_framing));
        let (count, length) = if window.get(rest..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            (own, rest + 2)
        } else {
            let note = |name: &[u8], value: &[u8], _| facts.note(name, value);
            let read = fields::read::<8>(window, rest, table.get_mut(own..cap).unwrap_or_default(), note);
            let Some(section) = read? else { return more() };
            (own + section.count, section.end)
        };
        let table: &'b [Field] = table;
        let framing = framing(line.status, to_head, &facts)?;
        let persistent = match line.version {
            Version::Http10 => facts.connection.keep_alive,
            _ => true,
        };
        Ok(Some(Self {
            status: line.status,
            fields: Fields::new(bytes, table.get(..count).unwrap_or_default()),
            framing,
            keep_alive: persistent && !facts.connection.close && framing != AnswerFraming::UntilEnd,
            length,
        }))
    }

    /// A head that was read before, from the bytes and the table that it was read with.
    pub(crate) fn again(outline: Outline, bytes: &'b [u8], table: &'b [Field]) -> Self {
        let Outline { status, framing, keep_alive, length, count } = outline;
        let fields = Fields::new(bytes, table.get(..count).unwrap_or_default());
        Self { status, fields, framing, keep_alive, length }
    }

    /// What [`again`](Self::again) needs.
    pub(crate) const fn outline(&self) -> Outline {
        Outline {
            status: self.status,
            framing: self.framing,
            keep_alive: self.keep_alive,
            length: self.length,
            count: self.fields.len(),
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> Fields<'b> {
        self.fields
    }

    /// How the body is delimited.
    #[must_use]
    pub const fn framing(&self) -> AnswerFraming {
        self.framing
    }

    /// Whether the server lets the connection be kept after the body.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Bytes of the head, its empty line included: the body begins behind them.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }
}

/// Reads an answer's body. It holds no bytes: it is shown what is there, and says what that is.
#[derive(Debug, Clone, Copy)]
pub struct AnswerBody {
    decoder: Decoder,
    /// How far the trailer section was looked through for its end.
    scanned: usize,
}

/// What the bytes at the front of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerPiece {
    /// `start..start + len` of the bytes given is payload, and everything up to its end is consumed.
    Data {
        /// Bytes of framing before the payload.
        start: usize,
        /// Bytes of payload: at least 1.
        len: usize,
    },
    /// So many bytes of framing are consumed; with what follows them, more bytes are needed.
    More {
        /// Bytes of framing.
        consumed: usize,
    },
    /// The body is over.
    End {
        /// Bytes of framing, trailers included.
        consumed: usize,
    },
}

impl AnswerBody {
    /// At the first byte of a body.
    #[must_use]
    pub const fn new(framing: AnswerFraming) -> Self {
        let decoder = match framing {
            AnswerFraming::Nothing => Decoder::Length(0),
            AnswerFraming::Length(bytes) => Decoder::Length(bytes),
            AnswerFraming::Chunked => Decoder::Chunked(Chunked::new()),
            AnswerFraming::UntilEnd => Decoder::UntilEnd,
        };
        Self { decoder, scanned: 0 }
    }

    /// Says what the front of `bytes` is, and takes it as read. Trailers are checked and passed over.
    ///
    /// # Errors
    ///
    /// The chunked coding or the trailers are malformed or over a limit; every later call says so again.
    #[inline]
    pub fn step(&mut self, bytes: &[u8], limits: &Limits) -> Result<AnswerPiece, AnswerError> {
        match self.decoder.next(bytes, usize::MAX, limits)? {
            Piece::Data { skip, len } => Ok(AnswerPiece::Data { start: skip, len }),
            Piece::Need { skip } => Ok(AnswerPiece::More { consumed: skip }),
            Piece::Trailers { skip } => self.trailers(bytes, skip, limits),
            Piece::End => Ok(AnswerPiece::End { consumed: 0 }),
        }
    }

    /// Says that the connection ended.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Truncated`], unless the body ends there.
    pub const fn end_of_stream(&self) -> Result<(), AnswerError> {
        match self.decoder {
            Decoder::UntilEnd | Decoder::Length(0) => Ok(()),
            _ => Err(AnswerError::Truncated),
        }
    }

    /// Reads the trailer section behind `skip` bytes of framing.
    #[cold]
    fn trailers(&mut self, bytes: &[u8], skip: usize, limits: &Limits) -> Result<AnswerPiece, AnswerError> {
        let behind = bytes.get(skip..).unwrap_or_default();
        let mut table = [Field::EMPTY; MAX_TRAILERS];
        match trailers::read(behind, &mut self.scanned, &mut table, limits, |_| true) {
            Ok(Some(section)) => {
                self.decoder = Decoder::Length(0);
                Ok(AnswerPiece::End { consumed: skip + section.end })
            }
            Ok(None) => Ok(AnswerPiece::More { consumed: skip }),
            Err(reject) => self.refuse(reject),
        }
    }

    fn refuse(&mut self, reject: Reject) -> Result<AnswerPiece, AnswerError> {
        self.decoder.fail(reject)?;
        Err(reject.into())
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatusLine => f.write_str("the status line is not \"HTTP/1.x status reason\""),
            Self::HeadTooLarge => f.write_str("the head of the answer is too large"),
            Self::Message(reject) => reject.fmt(f),
            Self::Truncated => f.write_str("the answer ended too early"),
            Self::Interims => f.write_str("too many interim answers"),
            Self::Upgrade => f.write_str("the server changed the protocol without being asked"),
        }
    }
}

impl Error for AnswerError {}

impl From<Reject> for AnswerError {
    fn from(reject: Reject) -> Self {
        Self::Message(reject)
    }
}

/// A head without its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    pub(crate) status: Status,
    pub(crate) framing: AnswerFraming,
    keep_alive: bool,
    pub(crate) length: usize,
    count: usize,
}

struct Line {
    version: Version,
    status: Status,
    /// Offset after the line end.
    end: usize,
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` CR LF (RFC 9112, section 4). The blank before a reason that isn't there
/// may be missing too: servers were seen to leave it out, and nobody reads it otherwise.
#[inline]
fn status_line(bytes: &[u8]) -> Result<Option<Line>, AnswerError> {
    // As servers write nearly all of them.
    if let Some((start, reason)) = bytes.split_first_chunk()
        && let Some((version, status)) = version_and_status(start)
        && let length = lines::text(reason)
        && matches!(reason.first(), Some(b' ' | b'\r'))
        && let Some([b'\r', b'\n', ..]) = reason.get(length..)
    {
        return Ok(Some(Line { version, status, end: start.len() + length + 2 }));
    }
    any_status_line(bytes)
}

#[inline(never)]
fn any_status_line(bytes: &[u8]) -> Result<Option<Line>, AnswerError> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        // What can't become a status line any more isn't waited for.
        let (known, wanted) = (bytes.get(..7).unwrap_or(bytes), b"HTTP/1.");
        return if wanted.starts_with(known) { Ok(None) } else { Err(AnswerError::StatusLine) };
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(AnswerError::StatusLine)?;
    let (start, reason) = line.split_first_chunk().ok_or(AnswerError::StatusLine)?;
    let (version, status) = version_and_status(start).ok_or(AnswerError::StatusLine)?;
    let is_reason = matches!(reason.first(), None | Some(b' '))
        && reason.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    if is_reason { Ok(Some(Line { version, status, end: end + 1 })) } else { Err(AnswerError::StatusLine) }
}

/// `HTTP/1.` and a digit, a blank, and a status.
#[inline]
fn version_and_status(bytes: &[u8; 12]) -> Option<(Version, Status)> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', code @ ..] = bytes else { return None };
    let digits = [minor].into_iter().chain(code);
    if !digits.fold(true, |all, digit| all & digit.is_ascii_digit()) {
        return None;
    }
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let version = if *minor == b'0' { Version::Http10 } else { Version::Http11 };
    Some((version, Status::new(code)?))
}

/// Decides where an answer ends. Fields that contradict each other are refused even where no body can follow.
fn framing(status: Status, to_head: bool, facts: &Facts) -> Result<AnswerFraming, Reject> {
    let framing = match (facts.transfer_encoding, facts.content_length) {
        (TransferEncoding::Absent, ContentLength::Absent) => AnswerFraming::UntilEnd,
        (TransferEncoding::Absent, ContentLength::Bytes(bytes)) => AnswerFraming::Length(bytes),
        (TransferEncoding::Absent, ContentLength::Overflow | ContentLength::Invalid) => {
            return Err(Reject::ContentLength);
        }
        (TransferEncoding::Absent, ContentLength::Repeated) => return Err(Reject::ContentLengthRepeated),
        _ if facts.version == Version::Http10 => return Err(Reject::EncodingInHttp10),
        (TransferEncoding::Chunked, ContentLength::Absent) => AnswerFraming::Chunked,
        (TransferEncoding::Unknown, ContentLength::Absent) => return Err(Reject::TransferEncodingUnknown),
        (TransferEncoding::Invalid, ContentLength::Absent) => return Err(Reject::TransferEncoding),
        _ => return Err(Reject::LengthAndEncoding),
    };
    Ok(if to_head || status.is_bodiless() { AnswerFraming::Nothing } else { framing })
}

/// Trailer fields that an answer may have.
const MAX_TRAILERS: usize = 32;

#[cfg(test)]
mod tests;

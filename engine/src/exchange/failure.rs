//! What goes wrong in a handler, and what the client is told.

use core::fmt;

use embedded_io_async::ErrorKind;

use crate::http1::{reject::Reject, status::Status};

/// Why a handler gave up. It carries the status that the client is answered with, if the answer's head isn't out yet;
/// if it is, the connection is cut, so that the client sees a truncated message and never a well-formed lie.
///
/// `?` makes one out of every error that the engine gives a handler; handlers make their own from a status:
///
/// ```
/// use midge::Failure;
///
/// let failure = Failure::new(404).because("no such user");
/// assert_eq!(failure.status().code(), 404);
/// assert_eq!(failure.to_string(), "404 Not Found: no such user");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    cause: Cause,
}

/// Where a [`Failure`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The handler's own decision, in the handler's words. The client is shown them.
    Handler(&'static str),
    /// The request's body could not be read.
    Body(Reject),
    /// The answer could not be written as the handler asked.
    Response(ResponseError),
    /// The request's body isn't what it has to be.
    Content {
        /// What is wrong. The client is shown it.
        message: &'static str,
        /// Where in the body, in bytes. The client is shown it.
        at: u32,
    },
    /// The request's body doesn't have what is named so. The client is shown it.
    Missing(&'static str),
    /// The handler panicked.
    Panic,
}

impl Failure {
    /// A failure that is answered with `status`; a number that is no final status becomes 500.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        let status = match Status::new(status) {
            Some(status) if !status.is_interim() => status,
            _ => Status::INTERNAL_SERVER_ERROR,
        };
        Self { status, cause: Cause::Handler("") }
    }

    /// The same failure with a reason. The client is shown it: say nothing that it shouldn't know.
    #[must_use]
    pub const fn because(mut self, reason: &'static str) -> Self {
        self.cause = Cause::Handler(reason);
        self
    }

    /// The failure of a handler that panicked, for hosts that can catch that: 500.
    #[must_use]
    pub const fn panicked() -> Self {
        Self { status: Status::INTERNAL_SERVER_ERROR, cause: Cause::Panic }
    }

    /// A failure with this cause, answered with `status`.
    #[cfg(feature = "json")]
    pub(crate) const fn caused(status: u16, cause: Cause) -> Self {
        Self { cause, ..Self::new(status) }
    }

    /// The status that the client is answered with.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Where it comes from.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// What the client is told of a body that isn't what it has to be, put together in `buffer`: for hosts that write failures themselves. `None` if this
    /// failure is about something else, or there is no room.
    #[must_use]
    #[inline]
    pub fn explain<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b str> {
        // Only JSON is read so closely: without it, hosts need not carry the code for this.
        if cfg!(feature = "json") && matches!(self.cause, Cause::Content { .. } | Cause::Missing(_)) {
            let mut length = 0;
            for part in self.parts(&mut [0; 10]) {
                buffer.get_mut(length..length + part.len())?.copy_from_slice(part.as_bytes());
                length += part.len();
            }
            return core::str::from_utf8(buffer.get(..length)?).ok();
        }
        None
    }

    /// What the client is told beside the status, as it is written; empty if that is nothing. It says nothing of what went wrong inside.
    #[must_use]
    pub fn message(&self) -> impl fmt::Display + use<> {
        Message(*self)
    }

    /// The same in pieces. A number in digits is put into `digits`.
    pub(crate) fn parts<'d>(&self, digits: &'d mut [u8; 10]) -> [&'d str; 3] {
        match self.cause {
            Cause::Handler(reason) => [reason, "", ""],
            Cause::Body(reject) => [reject.message(), "", ""],
            Cause::Content { message, at } => [message, AT, decimal(at, digits)],
            Cause::Missing(name) => [MISSING, ": ", name],
            Cause::Response(_) | Cause::Panic => [""; 3],
        }
    }
}

/// See [`Failure::message`].
struct Message(Failure);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.parts(&mut [0; 10]).iter().try_for_each(|part| f.write_str(part))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match self.cause {
            Cause::Handler("") => Ok(()),
            Cause::Handler(reason) => write!(f, ": {reason}"),
            Cause::Body(reject) => write!(f, ": {reject}"),
            Cause::Response(error) => write!(f, ": {error}"),
            Cause::Content { message, at } => write!(f, ": {message}{AT}{at}"),
            Cause::Missing(name) => write!(f, ": {MISSING}: {name}"),
            Cause::Panic => f.write_str(": the handler panicked"),
        }
    }
}

impl core::error::Error for Failure {}

/// A number in decimal.
fn decimal(number: u32, digits: &mut [u8; 10]) -> &str {
    let (mut rest, mut start) = (number, digits.len());
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    core::str::from_utf8(digits.get(start..).unwrap_or_default()).unwrap_or_default()
}

const AT: &str = ", at byte ";
const MISSING: &str = "the body lacks a member";

impl From<BodyError> for Failure {
    fn from(BodyError(reject): BodyError) -> Self {
        Self { status: reject.status(), cause: Cause::Body(reject) }
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self { status: Status::INTERNAL_SERVER_ERROR, cause: Cause::Response(error) }
    }
}

/// The request's body can't be read to its end. The connection closes after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyError(pub(crate) Reject);

impl BodyError {
    /// Why, and so with what status a handler that passes it on answers.
    #[must_use]
    pub const fn reject(&self) -> Reject {
        self.0
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for BodyError {}

impl embedded_io_async::Error for BodyError {
    fn kind(&self) -> ErrorKind {
        match self.0 {
            Reject::BodyTimeout => ErrorKind::TimedOut,
            Reject::BodyTooLarge => ErrorKind::OutOfMemory,
            _ => ErrorKind::InvalidData,
        }
    }
}

/// An answer that can't be written as the handler asked. Nothing of it reaches the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The status isn't one that a final answer can have; 101 only with `upgrade`.
    Status,
    /// A field name is not a token (RFC 9110, section 5.1).
    FieldName,
    /// A field value holds CR, LF, NUL or another control character (RFC 9110, section 5.5).
    FieldValue,
    /// The field is the engine's to write: `content-length` (see `length`), `transfer-encoding`, `connection` (see `close`),
    /// `keep-alive`, `upgrade`.
    Reserved,
    /// The head is larger than [`Limits::response_head_bytes`](crate::Limits::response_head_bytes).
    HeadTooLarge,
    /// More or fewer bytes than the declared length.
    Length,
    /// The status has no body (RFC 9110, sections 15.2, 15.3.5 and 15.3.6), and one was given.
    BodyNotAllowed,
    /// The request doesn't offer to change the protocol, or the host can't.
    UpgradeNotOffered,
    /// The answer was already complete.
    Twice,
    /// Not a location that an answer can send its client to; see [`Response::redirect`](crate::Response::redirect).
    Location,
    /// A cookie that clients would not keep; [`SetCookie::check`](crate::SetCookie::check) says why.
    Cookie,
    /// A server-sent event whose name or id has a line end in it, or whose id has a NUL.
    Event,
    /// Something that was written into a body could not be formatted.
    Format,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cookie => "a cookie that clients would not keep (SetCookie::check says why)",
            Self::Location => "a location that is not a URI reference",
            Self::Event => "a server-sent event whose name or id has a line end or NUL in it",
            Self::Format => "a value that could not be formatted",
            Self::Status => "not a status that a final answer can have",
            Self::FieldName => "a field name that is not a token",
            Self::FieldValue => "a field value with CR, LF, NUL or another control character",
            Self::Reserved => "a field that the engine writes itself (use length(), close() or upgrade())",
            Self::HeadTooLarge => "a head larger than Limits::response_head_bytes",
            Self::Length => "more or fewer bytes than the declared length",
            Self::BodyNotAllowed => "a body with a status that has none",
            Self::UpgradeNotOffered => "an upgrade that the request does not offer or the host cannot do",
            Self::Twice => "an answer that was already complete",
        })
    }
}

impl core::error::Error for ResponseError {}

//! What can go wrong with a request and its answer.

use core::{error::Error, fmt};

use crate::http1::answer::AnswerError;

/// A request that can't be written as it was asked for. Nothing of its head reaches the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The method is not a token, is longer than [`Method::MAX_LEN`](crate::Method::MAX_LEN), or is `CONNECT`, which isn't spoken here.
    Method,
    /// The target is neither a path that begins with `/`, nor an absolute URI, nor the `*` of `OPTIONS`; or it holds a byte that no URI
    /// has (RFC 9112, section 3.2).
    Target,
    /// The host is not `host [":" port]` (RFC 9110, section 7.2).
    Host,
    /// A field name is not a token (RFC 9110, section 5.1).
    FieldName,
    /// A field value holds CR, LF, NUL or another control character (RFC 9110, section 5.5).
    FieldValue,
    /// The field is the engine's to write: `host`, `content-length`, `transfer-encoding`, `connection`, `keep-alive`, `upgrade`; or it
    /// asks for what isn't read here: `te`, `expect`.
    Reserved,
    /// The head doesn't fit into the buffer.
    HeadTooLarge,
    /// More or fewer bytes than the declared length, or a body for a request that was to have none.
    Length,
    /// A trailer field is no field, has a name that a trailer may not have (RFC 9110, section 6.5.1), is larger than the buffer, or the
    /// body isn't chunked.
    Trailer,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "not a method that a request can have (a token of at most 32 bytes, and not CONNECT)",
            Self::Target => "not a request target: wanted a path that begins with /, percent-encoded",
            Self::Host => "not a host: wanted name or name:port",
            Self::FieldName => "a field name that is not a token",
            Self::FieldValue => "a field value with CR, LF, NUL or another control character",
            Self::Reserved => {
                "a field that the engine writes itself, or one that asks for what is not read here (te, expect)"
            }
            Self::HeadTooLarge => "a head larger than the buffer for it",
            Self::Length => "more or fewer bytes than the declared length",
            Self::Trailer => "a trailer field that cannot be sent",
        })
    }
}

impl Error for RequestError {}

/// Why there is no answer, or not all of one. `E` is what the connection said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E> {
    /// The request can't be written as it was asked for.
    Request(RequestError),
    /// The connection failed while the request was sent, and no answer came in its place.
    Write(E),
    /// The connection failed while the answer was awaited or read.
    Read(E),
    /// The server closed the connection before the answer's head was there.
    Ended,
    /// What came can't be read, or is over a limit; or the connection ended within the body.
    Answer(AnswerError),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Write(error) => write!(f, "the request could not be sent: {error}"),
            Self::Read(error) => write!(f, "the answer could not be read: {error}"),
            Self::Ended => f.write_str("the server closed the connection before it answered"),
            Self::Answer(error) => write!(f, "the answer cannot be read: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for CallError<E> {}

impl<E> From<RequestError> for CallError<E> {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl<E> From<AnswerError> for CallError<E> {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

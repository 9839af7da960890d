//! Why a request is refused, and what it is answered.

use core::fmt;

use super::{chunked::ChunkError, status::Status};

/// A request, or the body of one, that the engine refuses. After it, not a byte more of the connection is interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reject {
    /// The request line is not `method SP target SP version CRLF` (RFC 9112, section 3): 400.
    RequestLine,
    /// The method is not a token: 400.
    Method,
    /// The method is longer than [`Method::MAX_LEN`](crate::Method::MAX_LEN): 501.
    MethodTooLong,
    /// `CONNECT`, which an origin doesn't serve: 501.
    Connect,
    /// The target holds a byte that no URI has, or doesn't fit its method (RFC 9112, section 3.2): 400.
    Target,
    /// The request line is longer than [`Limits::request_line_bytes`](crate::Limits::request_line_bytes): 414.
    RequestLineTooLong,
    /// The version is not `HTTP/` digit `.` digit: 400.
    Version,
    /// A version other than 1.x: 505.
    VersionUnsupported,
    /// A line of the head ends in LF without CR (RFC 9112, section 2.2): 400.
    BareLf,
    /// A field line has no colon, a bad or empty name, a blank before the colon, or is folded (RFC 9112, section 5): 400.
    FieldName,
    /// A field value holds CR, NUL or another control character (RFC 9110, section 5.5): 400.
    FieldValue,
    /// More fields than [`Limits::header_fields`](crate::Limits::header_fields): 431.
    TooManyFields,
    /// The head is longer than [`Limits::head_bytes`](crate::Limits::head_bytes): 431.
    HeadTooLarge,
    /// HTTP/1.1 without `Host` (RFC 9112, section 3.2): 400.
    HostMissing,
    /// `Host` more than once: 400.
    HostRepeated,
    /// `Host`, or the target's authority, is not `host [":" port]`: 400.
    HostInvalid,
    /// `Content-Length` is not a number: 400.
    ContentLength,
    /// `Content-Length` more than once, or a list, even of equal values: 400.
    ContentLengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112, section 6.1): 400.
    LengthAndEncoding,
    /// `Transfer-Encoding` more than once, malformed, or not ending in `chunked`: 400.
    TransferEncoding,
    /// `Transfer-Encoding` with a coding besides `chunked`: 501.
    TransferEncodingUnknown,
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112, section 6.1): 400.
    EncodingInHttp10,
    /// An expectation other than `100-continue` (RFC 9110, section 10.1.1): 417.
    Expectation,
    /// The body is longer than [`Limits::body_bytes`](crate::Limits::body_bytes), or than what was asked to be gathered: 413.
    BodyTooLarge,
    /// The chunked coding is malformed or over a limit: 400 or 413.
    Chunk(ChunkError),
    /// A trailer field is malformed, or is one that frames or routes (RFC 9110, section 6.5.1): 400.
    Trailer,
    /// The trailer section is over [`Limits::trailer_bytes`](crate::Limits::trailer_bytes) or
    /// [`Limits::trailer_fields`](crate::Limits::trailer_fields): 431.
    TrailersTooLarge,
    /// The client closed its side before the message was complete: 400.
    Truncated,
    /// The head did not arrive within [`Limits::head_time`](crate::Limits::head_time): 408.
    HeadTimeout,
    /// The body came slower than [`Limits::body_rate`](crate::Limits::body_rate): 408.
    BodyTimeout,
    /// The request was not answered within its deadline: 503.
    RequestTimeout,
}

impl Reject {
    /// The status that the request is answered with.
    #[must_use]
    pub const fn status(self) -> Status {
        let code = match self {
            Self::RequestLineTooLong => 414,
            Self::MethodTooLong | Self::Connect | Self::TransferEncodingUnknown => 501,
            Self::VersionUnsupported => 505,
            Self::TooManyFields | Self::HeadTooLarge | Self::TrailersTooLarge => 431,
            Self::Expectation => 417,
            Self::BodyTooLarge | Self::Chunk(ChunkError::BodyTooLong | ChunkError::ExtensionsTooLong) => 413,
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::RequestTimeout => 503,
            _ => 400,
        };
        match Status::new(code) {
            Some(status) => status,
            None => Status::INTERNAL_SERVER_ERROR,
        }
    }

    /// What was wrong, in a few words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::RequestLine => "the request line is not \"method SP target SP HTTP/1.1 CRLF\"",
            Self::Method => "the method is not a token",
            Self::MethodTooLong => "the method is too long",
            Self::Connect => "CONNECT is not served here",
            Self::Target => "the request target is malformed or does not fit the method",
            Self::RequestLineTooLong => "the request line is too long",
            Self::Version => "the version is not \"HTTP/\" digit \".\" digit",
            Self::VersionUnsupported => "only HTTP/1.x is served here",
            Self::BareLf => "a line of the head does not end in CR LF",
            Self::FieldName => "a field line has a malformed name, or is folded",
            Self::FieldValue => "a field value holds a control character",
            Self::TooManyFields => "too many header fields",
            Self::HeadTooLarge => "the request head is too large",
            Self::HostMissing => "Host is missing",
            Self::HostRepeated => "Host is given more than once",
            Self::HostInvalid => "Host is not host [\":\" port]",
            Self::ContentLength => "Content-Length is not a number",
            Self::ContentLengthRepeated => "Content-Length is given more than once",
            Self::LengthAndEncoding => "both Content-Length and Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding is not exactly \"chunked\"",
            Self::TransferEncodingUnknown => "only the transfer coding \"chunked\" is served here",
            Self::EncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::Expectation => "the only expectation served here is 100-continue",
            Self::BodyTooLarge => "the body is too large",
            Self::Chunk(error) => error.message(),
            Self::Trailer => "a trailer field is malformed or not allowed there",
            Self::TrailersTooLarge => "the trailer section is too large",
            Self::Truncated => "the message ended too early",
            Self::HeadTimeout => "the request head took too long",
            Self::BodyTimeout => "the request body came too slowly",
            Self::RequestTimeout => "the request took too long",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Reject {}

impl From<ChunkError> for Reject {
    fn from(error: ChunkError) -> Self {
        Self::Chunk(error)
    }
}

//! To and from the types of the `http` crate (feature `http`), for libraries that speak those.
//!
//! They bring the standard library, and allocate: a `HeaderMap`, a `Uri`, a `Method` that isn't among the known ones.

use core::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode, Uri, Version as HttpVersion, request,
};

use crate::{
    exchange::{Request, Response, ResponseHead, failure::Failure},
    http1::{
        fields::Fields,
        method::{Method, Version},
        status::Status,
    },
};

/// Something that one of the two sides can't hold. A handler that passes it on answers 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// A method that the `http` crate refuses.
    Method,
    /// A status above 599, which RFC 9110 has no meaning for.
    Status,
    /// A version that isn't HTTP/1.0 or HTTP/1.1.
    Version,
    /// A target that the `http` crate refuses: longer than 65,534 bytes, or with bytes that no URI has.
    Uri,
    /// A field that the `http` crate refuses, or more than 32,768.
    Field,
}

impl HttpError {
    const fn message(self) -> &'static str {
        match self {
            Self::Method => "a method that the http crate refuses",
            Self::Status => "a status above 599",
            Self::Version => "a version other than HTTP/1.0 and HTTP/1.1",
            Self::Uri => "a target that the http crate refuses",
            Self::Field => "a header field that the http crate refuses",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for HttpError {}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::new(400).because(error.message())
    }
}

impl TryFrom<Method<'_>> for HttpMethod {
    type Error = HttpError;

    fn try_from(method: Method<'_>) -> Result<Self, HttpError> {
        Self::from_bytes(method.as_str().as_bytes()).map_err(|_| HttpError::Method)
    }
}

impl<'a> From<&'a HttpMethod> for Method<'a> {
    fn from(method: &'a HttpMethod) -> Self {
        Self::from_token(method.as_str())
    }
}

impl From<Status> for StatusCode {
    fn from(status: Status) -> Self {
        // Every status has a code that this type can hold.
        Self::from_u16(status.code()).unwrap_or(Self::INTERNAL_SERVER_ERROR)
    }
}

impl TryFrom<StatusCode> for Status {
    type Error = HttpError;

    fn try_from(status: StatusCode) -> Result<Self, HttpError> {
        Self::new(status.as_u16()).ok_or(HttpError::Status)
    }
}

impl From<Version> for HttpVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::HTTP_10,
            Version::Http11 => Self::HTTP_11,
        }
    }
}

impl TryFrom<HttpVersion> for Version {
    type Error = HttpError;

    fn try_from(version: HttpVersion) -> Result<Self, HttpError> {
        match version {
            HttpVersion::HTTP_10 => Ok(Self::Http10),
            HttpVersion::HTTP_11 => Ok(Self::Http11),
            _ => Err(HttpError::Version),
        }
    }
}

/// All fields, in their order, several of one name included.
impl TryFrom<Fields<'_>> for HeaderMap {
    type Error = HttpError;

    fn try_from(fields: Fields<'_>) -> Result<Self, HttpError> {
        let mut map = Self::try_with_capacity(fields.len()).map_err(|_| HttpError::Field)?;
        for (name, value) in fields.iter() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpError::Field)?;
            let value = HeaderValue::from_bytes(value).map_err(|_| HttpError::Field)?;
            map.try_append(name, value).map_err(|_| HttpError::Field)?;
        }
        Ok(map)
    }
}

/// The head. `Uri` is the target as the client wrote it: a path with, perhaps, a query; nearly never a whole URI.
///
/// ```
/// # use midge::{testing, Request, Response};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |request: Request<'_>, response: Response<'_>| {
///     let parts = http::request::Parts::try_from(&request)?;
///     assert_eq!(parts.uri.query(), Some("q=1"));
///     let (parts, body) = http::Response::builder().status(201).header("x", "y").body("made").unwrap_or_default().into_parts();
///     response.http_head(&parts).body(body).await
/// }
/// # ;
/// # let answer = testing::call(&handler, b"GET /a?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// # assert_eq!((answer.status(), answer.header("x"), answer.body()), (201, Some("y"), &b"made"[..]));
/// # Ok::<(), testing::CallError>(())
/// ```
impl TryFrom<&Request<'_>> for request::Parts {
    type Error = HttpError;

    fn try_from(request: &Request<'_>) -> Result<Self, HttpError> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = request.method().try_into()?;
        parts.uri = Uri::try_from(request.target()).map_err(|_| HttpError::Uri)?;
        parts.version = request.version().into();
        parts.headers = request.headers().try_into()?;
        Ok(parts)
    }
}

impl<'x> Response<'x> {
    /// Begins an answer with the status and the fields of the `http` crate's. Those that are the engine's to write, which say how long the body is
    /// and what becomes of the connection, are passed over.
    pub fn http_head(self, parts: &http::response::Parts) -> ResponseHead<'x> {
        let mut head = self.status(parts.status.as_u16());
        for (name, value) in &parts.headers {
            if !ENGINES.contains(&name.as_str()) {
                head = head.header(name.as_str(), value.as_bytes());
            }
        }
        head
    }
}

/// In lower case, as the `http` crate's names are.
const ENGINES: [&str; 5] = ["connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"];

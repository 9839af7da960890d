//! The request, as a handler sees it.

use core::fmt;

use crate::{
    http1::{
        fields::Fields,
        framing::BodyFraming,
        head::Head,
        method::{Method, Version},
    },
    time::Instant,
};

use super::{Body, Exchange, Peer, RequestId};

/// A request: its head, and a body that is read as it comes.
///
/// What it gives of the head lives as long as the request does, and so beside a body that is being read.
pub struct Request<'x> {
    exchange: &'x Exchange<'x>,
    body: Body<'x>,
}

impl<'x> Request<'x> {
    #[inline]
    pub(crate) const fn new(exchange: &'x Exchange<'x>) -> Self {
        Self { exchange, body: Body::new(exchange) }
    }

    /// The method.
    #[must_use]
    #[inline]
    pub fn method(&self) -> Method<'x> {
        self.exchange.head.head().method()
    }

    /// The request target as the client wrote it (RFC 9112, section 3.2).
    #[must_use]
    pub fn target(&self) -> &'x str {
        self.exchange.head.head().target()
    }

    /// The target's path, still percent-encoded; `*` for `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &'x str {
        self.exchange.head.head().path()
    }

    /// What follows the target's first `?`, still percent-encoded; `None` without a `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'x str> {
        self.exchange.head.head().query()
    }

    /// Whom the request is for: the absolute target's authority, else `Host`.
    #[must_use]
    pub fn authority(&self) -> &'x str {
        self.exchange.head.head().authority()
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.exchange.head.head().version()
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> Fields<'x> {
        self.exchange.head.head().fields()
    }

    /// The value of the first header field with this name, whatever its case; `None` also where it isn't UTF-8 (see
    /// [`Request::headers`] for bytes).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'x str> {
        self.headers().get(name).and_then(|value| core::str::from_utf8(value).ok())
    }

    /// The whole head.
    #[must_use]
    pub fn head(&self) -> Head<'x> {
        self.exchange.head.head()
    }

    /// Length of the body if it was declared: 0 where there is none, `None` if it is chunked.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        match self.exchange.head.head().framing().body {
            BodyFraming::Length(bytes) => Some(bytes),
            BodyFraming::Chunked => None,
        }
    }

    /// The body, to be read as it comes.
    pub fn body(&mut self) -> &mut Body<'x> {
        &mut self.body
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> Body<'x> {
        self.body
    }

    /// Who sent it.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.exchange.context.peer
    }

    /// When the answer has to be complete, by the host's clock; `None` if there is no such time.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.exchange.context.deadline
    }

    /// A name for this request in logs.
    #[must_use]
    pub fn id(&self) -> RequestId<'x> {
        self.exchange.context.id
    }

    /// Scratch memory that lives as long as the request, and is given back all at once.
    #[cfg(feature = "arena")]
    #[must_use]
    pub fn arena(&self) -> &'x bumpalo::Bump {
        self.exchange.arena
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("headers", &self.headers())
            .finish_non_exhaustive()
    }
}

//! The request, as a handler sees it.

use core::{fmt, time::Duration};

use crate::{
    around::trace::TraceContext,
    http1::{
        fields::Fields,
        framing::{BodyFraming, elements},
        head::Head,
        method::{Method, Version},
    },
    percent::PercentEncoded,
    router::pattern,
    time::Instant,
};

use super::{Body, Exchange, Peer, RequestId, failure::Failure, output::OutputState};

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

    /// Whether the client offers to change to `protocol`: `Upgrade` names it, in any case, and `Connection` says so (RFC 9110, section 7.8).
    /// [`ResponseHead::upgrade`](crate::ResponseHead::upgrade) is for what was offered; on hosts that have no connection to change, nothing is.
    ///
    /// ```
    /// # use midge::{testing, Request, Response};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |request: Request<'_>, response: Response<'_>| {
    ///     if !request.offers_upgrade("websocket") {
    ///         return response.status(426).offer_upgrade("websocket").empty().await;
    ///     }
    ///     response.status(101).upgrade("websocket").await?.finish().await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!(answer.status(), 426);
    /// # Ok::<(), testing::CallError>(())
    /// ```
    #[must_use]
    pub fn offers_upgrade(&self, protocol: &str) -> bool {
        let names = |value| elements(value).any(|name| name.eq_ignore_ascii_case(protocol.as_bytes()));
        self.exchange.can_upgrade() && self.headers().all("upgrade").any(names)
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

    /// When the answer has to be complete, by the host's clock: what the host said or a handler set, whichever comes first; `None` if there
    /// is no such time.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.exchange.deadline()
    }

    /// Gives this request `time` from now on, unless it has less already. A handler that still waits then is dropped, and its client
    /// answered 503 (Lambda: 504), or cut off if the answer has begun to go out. See [`around::TimeLimit`](crate::around::TimeLimit).
    pub fn limit_time(&self, time: Duration) {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            let OutputState { extras, flags, .. } = &mut *output.state;
            extras.limit_time(flags, time, self.exchange.context.now.get());
        }
    }

    /// Lets this request's body have `bytes`, instead of [`Limits::body_in_memory_bytes`](crate::Limits::body_in_memory_bytes) where it is
    /// gathered; [`Limits::body_bytes`](crate::Limits::body_bytes) is still the most that it may have. Reading a longer body is an error,
    /// answered 413. See [`around::BodyLimit`](crate::around::BodyLimit).
    pub fn limit_body(&self, bytes: u64) {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            let OutputState { extras, flags, .. } = &mut *output.state;
            extras.limit_body(flags, bytes);
        }
    }

    /// The part of the path that a [`Router`](crate::Router) matched with `{name}` or `{*name}`, still percent-encoded. Where routers are
    /// nested, the innermost one's comes first.
    ///
    /// ```
    /// use midge::{Failure, Request, Response, Sent};
    ///
    /// async fn show(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    ///     let id: u32 = request.param("id")?.parse()?;
    ///     response.status(200).header_fmt("x-id", format_args!("{id}")).empty().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 500: the route has no parameter of this name.
    pub fn param(&self, name: &str) -> Result<PercentEncoded<'x>, Failure> {
        let found = self.with_patterns(|patterns| pattern::param(patterns, self.path(), name));
        found.map(PercentEncoded::new).ok_or(NO_PARAMETER)
    }

    /// The pattern that a [`Router`](crate::Router) matched the path with: what to count and log requests by. Where routers are nested, the
    /// innermost one's; the prefix of an outer one while its handler is no router. `None` without a match.
    #[must_use]
    pub fn pattern(&self) -> Option<&'static str> {
        self.with_patterns(|patterns| patterns.last().copied())
    }

    /// What is left of the path below the prefixes that it was nested under: `/a` of `/files/a` under `/files`; empty where it is the prefix
    /// alone.
    #[must_use]
    pub fn path_below(&self) -> &'x str {
        self.with_patterns(|patterns| pattern::below(patterns, self.path()))
    }

    /// The trace that this request belongs to, if a handler around this one found or began one: [`around::Trace`](crate::around::Trace).
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        let output = self.exchange.output.try_borrow().ok()?;
        output.state.extras.trace(output.state.flags)
    }

    /// Says which trace this request belongs to.
    pub fn set_trace(&self, trace: TraceContext) {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            let OutputState { extras, flags, .. } = &mut *output.state;
            extras.set_trace(flags, trace);
        }
    }

    /// Notes that a router matched the path; `false` if there are too many routers within each other.
    pub(crate) fn matched(&self, pattern: &'static str) -> bool {
        let Ok(mut output) = self.exchange.output.try_borrow_mut() else { return false };
        let OutputState { extras, flags, .. } = &mut *output.state;
        extras.push_pattern(flags, pattern)
    }

    fn with_patterns<T>(&self, see: impl FnOnce(&[&'static str]) -> T) -> T {
        match self.exchange.output.try_borrow() {
            Ok(output) => see(output.state.extras.patterns(output.state.flags)),
            Err(_) => see(&[]),
        }
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

/// A handler asks for a parameter that its route doesn't have: the program is wrong, not the request.
const NO_PARAMETER: Failure = Failure::new(500);

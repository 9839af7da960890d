//! Cross-origin resource sharing, as the Fetch standard has it.

use crate::{
    exchange::{
        Request, Response,
        failure::Failure,
        handler::{Handler, Sent},
    },
    http1::{framing::elements, method::Method, token::is_tchar},
    router::Either,
};

/// Lets pages of other origins read a handler's answers (Fetch standard, "CORS protocol"). Nothing is allowed until it is said.
///
/// A preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) is answered here with 204, and never reaches the handler. Where the
/// origin, the method or a field isn't allowed, the answer says nothing of CORS, and the browser refuses. To all other
/// requests the handler's own answer is given, its failures included, with the fields that let the page read it. `Vary` says what
/// an answer depends on, so that no cache gives it to another origin.
///
/// ```
/// # use midge::{Failure, Request, Response, Sent, around::Cors, testing};
/// # async fn api(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> { response.status(200).empty().await }
/// let handler = Cors::new(api)
///     .origins(&["https://app.example"])
///     .methods(&["PUT", "DELETE"])
///     .headers(&["content-type"])
///     .credentials()
///     .max_age(600);
/// # let mut scratch = testing::Scratch::new();
/// # let request = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n";
/// # let answer = testing::call(&handler, request, &mut scratch)?;
/// # assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Cors<H> {
    origins: &'static [&'static str],
    any_origin: bool,
    methods: &'static [&'static str],
    headers: &'static [&'static str],
    exposed: &'static [&'static str],
    credentials: bool,
    max_age: Option<u32>,
    inner: H,
}

impl<H> Cors<H> {
    /// Shares the answers of `inner` with nobody yet.
    #[must_use]
    pub const fn new(inner: H) -> Self {
        Self {
            origins: &[],
            any_origin: false,
            methods: &[],
            headers: &[],
            exposed: &[],
            credentials: false,
            max_age: None,
            inner,
        }
    }

    /// These origins, as browsers write them: scheme, host, and port unless it is the scheme's own, without a `/` at the end. They are
    /// compared byte by byte.
    #[must_use]
    pub const fn origins(mut self, origins: &'static [&'static str]) -> Self {
        self.origins = origins;
        self
    }

    /// All origins, without credentials.
    ///
    /// # Panics
    ///
    /// With [`Cors::credentials`]: every page on the web could act in a user's name. In a constant, that is an error of the compiler's.
    #[must_use]
    pub const fn any_origin(mut self) -> Self {
        assert!(!self.credentials, "credentials for any origin");
        self.any_origin = true;
        self
    }

    /// These methods beside `GET`, `HEAD` and `POST`, which need no leave (Fetch: "CORS-safelisted method").
    #[must_use]
    pub const fn methods(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = methods;
        self
    }

    /// Requests may have these fields, beside those that need no leave.
    #[must_use]
    pub const fn headers(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }

    /// Pages may read these fields of answers, beside those that need no leave.
    #[must_use]
    pub const fn expose(mut self, headers: &'static [&'static str]) -> Self {
        self.exposed = headers;
        self
    }

    /// Requests may have cookies and the like.
    ///
    /// # Panics
    ///
    /// With [`Cors::any_origin`], as there.
    #[must_use]
    pub const fn credentials(mut self) -> Self {
        assert!(!self.any_origin, "credentials for any origin");
        self.credentials = true;
        self
    }

    /// Browsers may remember a preflight's answer for so many seconds.
    #[must_use]
    pub const fn max_age(mut self, seconds: u32) -> Self {
        self.max_age = Some(seconds);
        self
    }

    /// The request's origin as `access-control-allow-origin` gives it back; `None` if it has none, or one that isn't allowed.
    fn allowed<'x>(&self, request: &Request<'x>) -> Option<&'x str> {
        let origin = only(request, "origin")?;
        if self.any_origin {
            return Some("*");
        }
        self.origins.contains(&origin).then_some(origin)
    }

    /// Whether what a preflight asks for is allowed.
    fn permits(&self, request: &Request<'_>, method: &str) -> bool {
        let mut values = request.headers().iter().filter(|(name, _)| name.eq_ignore_ascii_case(REQUEST_HEADERS));
        (matches!(method, "GET" | "HEAD" | "POST") || self.methods.contains(&method))
            && values.all(|(_, value)| {
                elements(value).all(|name| {
                    let known = |allowed: &&str| allowed.as_bytes().eq_ignore_ascii_case(name);
                    name.is_empty() || (name.iter().all(|byte| is_tchar(*byte)) && self.headers.iter().any(known))
                })
            })
    }

    /// The fields that every answer to an allowed origin has.
    fn shared<'x>(&self, mut response: Response<'x>, origin: Option<&str>) -> Response<'x> {
        if let Some(origin) = origin {
            response = response.with("access-control-allow-origin", origin);
            if self.credentials {
                response = response.with("access-control-allow-credentials", "true");
            }
        }
        response
    }
}

impl<H: Handler> Handler for Cors<H> {
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        let origin = self.allowed(&request);
        let method = if request.method() == Method::Options { only(&request, REQUEST_METHOD) } else { None };
        let Some(method) = method.filter(|_| request.header("origin").is_some()) else {
            let mut response = self.shared(response, origin);
            if origin.is_some() && !self.exposed.is_empty() {
                response = response.with_fmt("access-control-expose-headers", format_args!("{}", List(self.exposed)));
            }
            // Also where there is no origin: with one, the answer would be another.
            if !self.any_origin {
                response = response.with("vary", "origin");
            }
            return Either::This { future: self.inner.handle(request, response) };
        };
        let origin = origin.filter(|_| self.permits(&request, method));
        let mut head = self.shared(response, origin).status(204).header("vary", VARY);
        if origin.is_some() {
            if !self.methods.is_empty() {
                head = head.header_fmt("access-control-allow-methods", format_args!("{}", List(self.methods)));
            }
            if !self.headers.is_empty() {
                head = head.header_fmt("access-control-allow-headers", format_args!("{}", List(self.headers)));
            }
            if let Some(seconds) = self.max_age {
                head = head.header_fmt("access-control-max-age", format_args!("{seconds}"));
            }
        }
        Either::Other { future: head.empty() }
    }
}

/// The value of a field that is there once.
fn only<'x>(request: &Request<'x>, name: &str) -> Option<&'x str> {
    let mut values = request.headers().iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) => core::str::from_utf8(value).ok(),
        _ => None,
    }
}

/// Names in a list.
struct List(&'static [&'static str]);

impl core::fmt::Display for List {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

const REQUEST_METHOD: &str = "access-control-request-method";
const REQUEST_HEADERS: &str = "access-control-request-headers";
const VARY: &str = "origin, access-control-request-method, access-control-request-headers";

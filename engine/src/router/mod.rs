//! Which handler answers: methods and paths, matched in a table that the compiler can make.

use core::{fmt, future::ready, mem::ManuallyDrop};

use crate::{
    exchange::{
        Request, Response,
        failure::Failure,
        handler::{Handler, Sent},
    },
    http1::method::Method,
};

mod either;
pub(crate) mod pattern;
mod table;

pub(crate) use self::either::Either;
use self::table::{Found, Table};

/// A handler that chooses among others by method and path.
///
/// ```
/// use midge::{Failure, Handler, Request, Response, Router, Routes, Sent, testing};
///
/// async fn show(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     let id: u32 = request.param("id")?.parse()?;
///     response.status(200).header_fmt("x-id", format_args!("{id}")).empty().await
/// }
///
/// async fn create(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(201).header("location", "/users/1").empty().await
/// }
///
/// const fn app() -> Router<impl Routes> {
///     Router::new().get("/users/{id}", show).post("/users", create)
/// }
///
/// async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     const { &app() }.handle(request, response).await
/// }
///
/// let mut scratch = testing::Scratch::new();
/// let answer = testing::call(&handler, b"GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// assert_eq!((answer.status(), answer.header("x-id")), (200, Some("7")));
/// let answer = testing::call(&app(), b"DELETE /users/7 HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
/// # Ok::<(), testing::CallError>(())
/// ```
///
/// # Patterns
///
/// A pattern is a path whose segments are literals, parameters (`{name}`: one segment that is not empty), and at its end perhaps a
/// wildcard (`{*name}`: everything that is left, if that is something). Literals are compared with the path as the client wrote it,
/// without decoding: `%2F` is never a separator. Where several patterns match, a literal comes before a parameter and a parameter before
/// a wildcard, segment by segment from the left, in whatever order they were added. A `/` at the end counts.
///
/// The path decides first: a pattern that matches but has no handler for the method is answered 405 with `Allow`; `HEAD` takes the
/// handler of `GET` unless it has one of its own, and `OPTIONS` is answered 204 with `Allow` likewise, also for `*`. Where no pattern
/// matches, the [fallback](Router::fallback) answers, or a 404.
///
/// # Cost
///
/// Nothing is boxed and nothing allocated: a router's future is as large as the largest of its handlers' futures. A router that is a
/// constant costs nothing at start. Matching costs what the path's segments cost, whatever the number of routes.
/// A router has room for `NODES` segments of patterns, and as many routes; beginnings that patterns share count once. Some 100 routes in one
/// router are as many as the compiler's `recursion_limit` lets by default: nest others, or raise it.
///
/// A router is made to last as long as the program: its handlers are not dropped when it is.
///
/// # Panics
///
/// All methods that add a handler panic if the pattern is malformed, if it conflicts with an earlier one (the same method, and
/// the same paths), or if there is no room; in a constant, that is an error of the compiler's:
///
/// ```compile_fail
/// # use midge::{Failure, Request, Response, Router, Routes, Sent};
/// # async fn show(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> { response.status(200).empty().await }
/// const fn app() -> Router<impl Routes> {
///     Router::new().get("/users/{id}", show).get("/users/{name}", show)
/// }
/// const { app() };
/// ```
pub struct Router<R = NoRoutes, const NODES: usize = 128> {
    table: Table<NODES>,
    // In a constant function, only what is never dropped can be taken apart.
    routes: ManuallyDrop<R>,
}

impl Router {
    /// A router without routes.
    #[must_use]
    pub const fn new() -> Self {
        Self::sized()
    }
}

impl<const NODES: usize> Router<NoRoutes, NODES> {
    /// A router without routes, and with room for `NODES` segments: `Router::<_, 400>::sized()`.
    #[must_use]
    pub const fn sized() -> Self {
        Self { table: Table::new(), routes: ManuallyDrop::new(NoRoutes) }
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

/// The methods that add a handler for one method.
macro_rules! verbs {
    ($($name:ident $method:ident $text:literal;)*) => {$(
        #[doc = concat!("Answers `", $text, "`.")]
        #[must_use]
        #[track_caller]
        pub const fn $name<H>(self, pattern: &'static str, handler: H) -> Router<Route<H, R>, NODES> {
            self.on(Method::$method, pattern, handler)
        }
    )*};
}

impl<R, const NODES: usize> Router<R, NODES> {
    verbs! {
        get Get "GET` and `HEAD";
        head Head "HEAD";
        post Post "POST";
        put Put "PUT";
        patch Patch "PATCH";
        delete Delete "DELETE";
        options Options "OPTIONS";
    }

    /// Answers a method; eight at most that [`Method`] has no name for: `Method::Other("PROPFIND")`.
    #[must_use]
    #[track_caller]
    pub const fn on<H>(self, method: Method<'static>, pattern: &'static str, handler: H) -> Router<Route<H, R>, NODES> {
        let mut table = self.table;
        table.add(method, pattern);
        self.push(table, handler)
    }

    /// Answers all methods that have no handler of their own.
    #[must_use]
    #[track_caller]
    pub const fn any<H>(self, pattern: &'static str, handler: H) -> Router<Route<H, R>, NODES> {
        let mut table = self.table;
        table.add_any(pattern);
        self.push(table, handler)
    }

    /// Answers everything at and below a prefix: with a router, whose patterns go on where the prefix ends (its `/` is the prefix itself), or
    /// with any other handler, which finds the rest in [`Request::path_below`]. The prefix may have parameters. Routers within each
    /// other are eight at most; more are answered 500.
    ///
    /// ```
    /// # use midge::{Failure, Request, Response, Router, Routes, Sent, testing};
    /// async fn show(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    ///     let (version, id): (u8, u32) = (request.param("version")?.parse()?, request.param("id")?.parse()?);
    ///     response.status(200).header_fmt("x-is", format_args!("{version}, {id}")).empty().await
    /// }
    ///
    /// const fn api() -> Router<impl Routes> {
    ///     Router::new().get("/users/{id}", show)
    /// }
    ///
    /// let app = Router::new().nest("/api/{version}", api());
    /// # let mut scratch = testing::Scratch::new();
    /// # let answer = testing::call(&app, b"GET /api/2/users/7 HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!((answer.status(), answer.header("x-is")), (200, Some("2, 7")));
    /// # Ok::<(), testing::CallError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub const fn nest<H>(self, prefix: &'static str, handler: H) -> Router<Route<H, R>, NODES> {
        let mut table = self.table;
        table.add_nested(prefix);
        self.push(table, handler)
    }

    /// Answers what no pattern matches, instead of a 404.
    #[must_use]
    #[track_caller]
    pub const fn fallback<H>(self, handler: H) -> Router<Route<H, R>, NODES> {
        let mut table = self.table;
        table.add_fallback();
        self.push(table, handler)
    }

    const fn push<H>(self, table: Table<NODES>, handler: H) -> Router<Route<H, R>, NODES> {
        let routes = Route { handler, rest: ManuallyDrop::into_inner(self.routes) };
        Router { table, routes: ManuallyDrop::new(routes) }
    }

    /// Which pattern a path is matched with; `None` where the fallback answers, or nobody does. For tools and tests: a request has
    /// [`Request::pattern`].
    #[must_use]
    pub fn pattern_of(&self, method: Method<'_>, path: &str) -> Option<&'static str> {
        match self.table.find(method, if path == "/" { "" } else { path }) {
            Found::Arm { pattern, .. } if !pattern.is_empty() => Some(pattern),
            _ => None,
        }
    }
}

impl<R: Routes, const NODES: usize> Handler for Router<R, NODES> {
    #[inline]
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        let (arm, miss) = match self.find(&request) {
            Found::Arm { arm, pattern } if pattern.is_empty() || request.matched(pattern) => (arm, Miss::NotFound),
            Found::Arm { .. } => (NOBODY, Miss::TooDeep),
            Found::Nothing => (NOBODY, Miss::NotFound),
            Found::NoMethod(first) => (NOBODY, self.no_method(request.method(), first)),
        };
        self.routes.start(Chosen { arm, miss }, request, response)
    }
}

impl<R, const NODES: usize> Router<R, NODES> {
    #[inline]
    fn find(&self, request: &Request<'_>) -> Found {
        let path = request.path_below();
        match path {
            // The root; `/` below a prefix is something else.
            "/" if request.pattern().is_none() => self.table.find(request.method(), ""),
            "*" => Found::NoMethod(None),
            path => self.table.find(request.method(), path),
        }
    }

    #[cold]
    fn no_method(&self, method: Method<'_>, first: Option<u16>) -> Miss<'_> {
        let allow = Allow { verbs: self.table.allowed(first), others: self.table.others() };
        if method == Method::Options { Miss::Options(allow) } else { Miss::NotAllowed(allow) }
    }
}

impl<R, const NODES: usize> fmt::Debug for Router<R, NODES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}

/// The handlers of a [`Router`]: what a function that makes one says it gives, `Router<impl Routes>`.
pub trait Routes: sealed::Sealed {
    #[doc(hidden)]
    const COUNT: usize;

    #[doc(hidden)]
    fn start(
        &self,
        chosen: Chosen<'_>,
        request: Request<'_>,
        response: Response<'_>,
    ) -> impl Future<Output = Result<Sent, Failure>>;
}

/// A handler, behind those that were added before it.
#[derive(Debug)]
pub struct Route<H, R> {
    handler: H,
    rest: R,
}

impl<H: Handler, R: Routes> Routes for Route<H, R> {
    const COUNT: usize = R::COUNT + 1;

    #[inline(always)]
    fn start(
        &self,
        chosen: Chosen<'_>,
        request: Request<'_>,
        response: Response<'_>,
    ) -> impl Future<Output = Result<Sent, Failure>> {
        if chosen.arm == R::COUNT {
            Either::This { future: self.handler.handle(request, response) }
        } else {
            Either::Other { future: self.rest.start(chosen, request, response) }
        }
    }
}

/// No handler: the answers that a router gives by itself.
#[derive(Debug)]
pub struct NoRoutes;

impl Routes for NoRoutes {
    const COUNT: usize = 0;

    #[inline(always)]
    fn start(
        &self,
        chosen: Chosen<'_>,
        _request: Request<'_>,
        response: Response<'_>,
    ) -> impl Future<Output = Result<Sent, Failure>> {
        chosen.miss.answer(response)
    }
}

/// Which handler answers.
#[doc(hidden)]
pub struct Chosen<'r> {
    arm: usize,
    /// What is answered if no handler is.
    miss: Miss<'r>,
}

/// What a router answers by itself.
enum Miss<'r> {
    NotFound,
    NotAllowed(Allow<'r>),
    Options(Allow<'r>),
    TooDeep,
}

impl Miss<'_> {
    /// Failures, so that whoever renders those renders these.
    #[cold]
    fn answer(self, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        let failure = match self {
            Self::Options(allow) => {
                let head = response.status(204).header_fmt("allow", format_args!("{allow}"));
                return Either::Other { future: head.empty() };
            }
            Self::NotFound => Failure::new(404),
            Self::NotAllowed(allow) => {
                let _ = response.with_fmt("allow", format_args!("{allow}"));
                Failure::new(405)
            }
            Self::TooDeep => Failure::new(500),
        };
        Either::This { future: ready(Err(failure)) }
    }
}

/// The value of an `Allow` field (RFC 9110, section 10.2.1).
struct Allow<'r> {
    /// A bit for each method, by its number.
    verbs: u32,
    others: &'r [&'static str],
}

impl fmt::Display for Allow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            (0..u32::BITS).filter(|verb| self.verbs >> verb & 1 != 0).map(|verb| table::name(verb, self.others));
        for (index, name) in names.filter(|name| !name.is_empty()).enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::NoRoutes {}
    impl<H, R> Sealed for super::Route<H, R> {}
}

/// No handler has this number.
const NOBODY: usize = usize::MAX;

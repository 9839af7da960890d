//! Limits for one route, or for everything below a prefix.

use core::time::Duration;

use crate::exchange::{
    Request, Response,
    failure::Failure,
    handler::{Handler, Sent},
};

/// Gives a handler a time in which it has to answer. Without it there is none but the host's own.
///
/// A handler that still waits when its time is up is dropped. Its client is answered 503 (Lambda: 504), or cut off if the answer
/// has begun to go out. What a handler computes without waiting is not interrupted. The time counts from where the handler is called;
/// the shortest one of several counts, and the host's own if that is shorter still.
///
/// ```
/// use core::time::Duration;
/// use midge::{Failure, Request, Response, Router, Routes, Sent, around::TimeLimit};
///
/// async fn process(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     assert!(request.deadline().is_some());
///     response.status(200).body("done").await
/// }
/// async fn health(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).body("ok").await
/// }
///
/// const fn app() -> Router<impl Routes> {
///     Router::new().get("/health", health).post("/process", TimeLimit::new(Duration::from_secs(300), process))
/// }
/// # let _ = const { app() };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit<H> {
    time: Duration,
    inner: H,
}

impl<H> TimeLimit<H> {
    /// Lets `inner` take `time`.
    #[must_use]
    pub const fn new(time: Duration, inner: H) -> Self {
        Self { time, inner }
    }
}

impl<H: Handler> Handler for TimeLimit<H> {
    #[inline]
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        request.limit_time(self.time);
        self.inner.handle(request, response)
    }
}

/// Lets a handler's requests have bodies of so many bytes, instead of what [`Limits::body_in_memory_bytes`](crate::Limits::body_in_memory_bytes)
/// lets be gathered. Reading a longer one is an error, answered 413. [`Limits::body_bytes`](crate::Limits::body_bytes), which is looked at
/// before a handler is chosen, is still the most that a body may have, and a gathered one has to fit the slot.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit<H> {
    bytes: u64,
    inner: H,
}

impl<H> BodyLimit<H> {
    /// Lets the bodies of `inner`'s requests have `bytes`.
    #[must_use]
    pub const fn new(bytes: u64, inner: H) -> Self {
        Self { bytes, inner }
    }
}

impl<H: Handler> Handler for BodyLimit<H> {
    #[inline]
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        request.limit_body(self.bytes);
        self.inner.handle(request, response)
    }
}

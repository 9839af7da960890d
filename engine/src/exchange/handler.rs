//! Who answers.

use super::{Request, Response, failure::Failure};

/// Answers requests. Plain `async fn`s and async closures are handlers; types with state of their own implement it.
///
/// A handler never sees a socket: the same one is served by every host. Its future isn't required to be `Send`: a request
/// stays on the thread that it came in on.
///
/// ```
/// use midge::{Failure, Handler, Request, Response, Sent};
///
/// async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
/// }
///
/// struct Greeter {
///     name: &'static str,
/// }
///
/// impl Handler for Greeter {
///     async fn handle(&self, _request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///         response.status(200).header("content-type", "text/plain").body(self.name.as_bytes()).await
///     }
/// }
///
/// fn takes_a_handler(_handler: impl Handler) {}
/// takes_a_handler(hello);
/// takes_a_handler(Greeter { name: "midge" });
/// takes_a_handler(async |_: Request<'_>, response: Response<'_>| response.status(204).empty().await);
/// ```
pub trait Handler {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// The [`Failure`] that the client is answered with instead; see there for what becomes of an answer that has begun.
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>>;
}

impl<F> Handler for F
where
    F: AsyncFn(Request<'_>, Response<'_>) -> Result<Sent, Failure>,
{
    #[inline]
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        self(request, response)
    }
}

/// The proof that an answer was finished. Only finishing one makes it, so that a handler can't forget to answer:
///
/// ```compile_fail
/// use midge::{Failure, Request, Response, Sent};
///
/// async fn forgetful(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).header("content-type", "text/plain");
///     Ok(Sent)
/// }
/// ```
#[derive(Debug)]
pub struct Sent(pub(crate) ());

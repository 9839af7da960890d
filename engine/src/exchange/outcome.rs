//! How an answer went, for a handler around the one that writes it.

use core::fmt;

use super::{Exchange, Request, Response, failure::Failure, output::Stage};
use crate::http1::status::Status;

/// What became of an answer: for a handler around another one, which asks when the other one is done. See [`Response::outcome`].
///
/// ```
/// use midge::{Failure, Handler, Request, Response, Sent};
///
/// /// Counts what isn't there.
/// struct Missing<H> {
///     count: core::cell::Cell<u64>,
///     inner: H,
/// }
///
/// impl<H: Handler> Handler for Missing<H> {
///     async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///         let outcome = response.outcome();
///         let result = self.inner.handle(request, response).await;
///         if outcome.status(&result).code() == 404 {
///             self.count.set(self.count.get() + 1);
///         }
///         result
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Outcome<'x> {
    exchange: &'x Exchange<'x>,
}

impl<'x> Outcome<'x> {
    pub(super) const fn new(exchange: &'x Exchange<'x>) -> Self {
        Self { exchange }
    }

    /// The status that the client sees, once the handler gave `result`: the answer's own, or the failure's if the answer can
    /// still be replaced by one.
    #[must_use]
    pub fn status<T>(&self, result: &Result<T, Failure>) -> Status {
        let begun = self.begun();
        match result {
            Err(failure) if begun.is_none() || self.can_restart() => failure.status(),
            _ => begun.unwrap_or(Status::INTERNAL_SERVER_ERROR),
        }
    }

    /// The status that the handler began its answer with, if it did.
    #[must_use]
    pub fn begun(&self) -> Option<Status> {
        let output = self.exchange.output.try_borrow().ok()?;
        (!matches!(output.stage(), Stage::Fresh | Stage::Prepared)).then(|| output.status())
    }

    /// Bytes of the answer's body so far, without what frames them. None of them may have reached the client yet, and an answer
    /// to `HEAD` has none.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.exchange.output.try_borrow().map_or(0, |output| output.body_bytes())
    }

    /// Whether a failure is answered: no byte of the answer's head went out, and it isn't complete. Behind a complete answer a failure is no
    /// concern of the client's; otherwise it cuts the connection.
    #[must_use]
    pub fn can_restart(&self) -> bool {
        self.exchange.output.try_borrow().is_ok_and(|output| output.can_rewind() && !output.is_done())
    }

    /// Whether the answer is complete, as it is once there is a [`Sent`](crate::Sent): the client gets it whatever its handler gives then.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.exchange.is_answered()
    }

    /// Takes the answer back to where it began, in order to write another one; `None` if a byte of its head went out, or it is complete. The
    /// fields that were added with [`Response::with`] stay.
    #[must_use]
    pub fn restart(&self) -> Option<Response<'x>> {
        let is_back =
            self.can_restart() && self.exchange.output.try_borrow_mut().is_ok_and(|mut output| output.rewind());
        is_back.then(|| Response::new(self.exchange))
    }

    /// The request again, for what a handler around another one says of it afterwards. Its body is where the handler left it.
    #[must_use]
    pub fn request(&self) -> Request<'x> {
        Request::new(self.exchange)
    }
}

impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome").field("begun", &self.begun()).field("body_bytes", &self.body_bytes()).finish()
    }
}

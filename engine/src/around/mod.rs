//! Handlers around other ones.
//!
//! Each is an ordinary handler, made with nothing but what this crate lets everyone use: [`Response::with`](crate::Response::with) adds fields
//! to whatever answer follows, and [`Response::outcome`](crate::Response::outcome) tells afterwards how it went. One of your own takes ten
//! lines:
//!
//! ```
//! use midge::{Failure, Handler, Request, Response, Sent};
//!
//! struct NoSniff<H>(H);
//!
//! impl<H: Handler> Handler for NoSniff<H> {
//!     fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
//!         self.0.handle(request, response.with("x-content-type-options", "nosniff"))
//!     }
//! }
//! ```
//!
//! A request that is answered without any of them pays for none of them.

#[cfg(feature = "log")]
mod access_log;
mod cors;
mod limits;
#[cfg(target_has_atomic = "32")]
mod metrics;
mod problems;
mod request_id;
pub(crate) mod trace;

#[cfg(feature = "log")]
pub use self::access_log::AccessLog;
#[cfg(target_has_atomic = "32")]
pub use self::metrics::{Metered, Metrics};
pub use self::{
    cors::Cors,
    limits::{BodyLimit, TimeLimit},
    problems::Problems,
    request_id::{WithRequestId, request_id},
    trace::{Trace, TraceContext, TraceState},
};

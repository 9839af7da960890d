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

mod limits;
pub(crate) mod trace;

pub use self::{
    limits::{BodyLimit, TimeLimit},
    trace::{Trace, TraceContext, TraceState},
};

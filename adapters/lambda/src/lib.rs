//! The midge engine as an AWS Lambda custom runtime.
//!
//! [`run`] is the whole `main` of a `bootstrap` on `provided.al2023`, or in an image made from scratch; [`serve`] is the same loop
//! as a future, for programs that need an executor around it. The handler is the one that every other host serves, unchanged: an
//! event of API Gateway, a function URL, a load balancer or VPC Lattice reaches it as a request, and what it answers goes back in
//! the form that the event's source wants.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use midge::{Failure, Request, Response, Sent};
//!
//! async fn hello(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
//!     match request.path() {
//!         "/" => response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await,
//!         _ => Err(Failure::new(404)),
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     midge_lambda::run(hello)
//! }
//! ```
//!
//! Outside of Lambda, `cargo lambda watch` or the runtime interface emulator stand in for the platform.
//!
//! # What goes wrong, and who is told
//!
//! | what | the client | the platform |
//! |---|---|---|
//! | the handler's [`Failure`](midge::Failure) | its status | an answer like any other |
//! | the handler still waits shortly before the deadline | 504 | an answer |
//! | an answer above 6 MB | 502 | an answer |
//! | the handler panics, also with `panic = "abort"` | whatever the source makes of it | `Function.Panic` |
//! | the event is no HTTP request, or larger than 6 MB | whatever the source makes of it | an invocation error |
//! | a failure after a streamed answer began | a truncated body | trailers with the error |
//! | `init` of [`Runtime::run_with`], or a snapshot hook | nothing yet | an initialization or restore error; the process exits |
//!
//! # Memory and system calls
//!
//! An invocation takes four system calls (send and receive, twice), the first one too, and, after the first one, no allocation. The event is received
//! into address space that is mapped once at start and costs memory only as far as it is written to; after an invocation that used
//! more than 1 MiB of it, it is given back, which takes one allocation.
//!
//! # SnapStart
//!
//! With `AWS_LAMBDA_INITIALIZATION_TYPE=snap-start`, `init` of [`Runtime::run_with`] and the hooks of [`Runtime::before_snapshot`] run
//! before the snapshot is taken, those of [`Runtime::after_restore`] whenever a copy of it starts.
//!
//! - Before the snapshot belongs what is the same for every copy: tables, routes, what the environment says.
//! - After the restore belongs what must be each copy's own, or gets stale: connections, the time, random numbers and the seeds that
//!   they come from (those of a `HashMap` too), credentials.
//!
//! The crate keeps to it: it reads no random number and no clock before the snapshot, and opens nothing but the connection that
//! it asks for the restore over, which it closes then.
//!
//! # Features
//!
//! All are off by default.
//!
//! - `arena`: scratch memory for handlers, as in the engine.
//! - `signals`: [`Runtime::on_shutdown`](https://docs.rs/midge-lambda), hooks at SIGTERM.

mod api;
mod context;
mod endpoint;
mod error;
mod event;
mod hooks;
mod link;
mod note;
mod panic;
#[doc(hidden)]
pub mod platform;
mod region;
mod runtime;
#[cfg(feature = "signals")]
mod signals;
mod stream;
mod sync;
mod text;
mod timer;
mod wait;
mod worker;

use std::fmt;

pub use crate::{
    context::{Context, context},
    error::Error,
    runtime::{Runtime, run, serve},
};

/// One line on stderr, which the platform keeps in the function's log.
#[cold]
fn log(what: fmt::Arguments<'_>) {
    platform::log("midge-lambda", what);
}

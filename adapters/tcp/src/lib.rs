//! The [midge] engine on TCP and Unix sockets: one handler, a thread per core, nothing shared, nothing allocated after start.
//!
//! ```no_run
//! use midge::{Failure, Request, Response, Sent};
//!
//! async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
//!     response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
//! }
//!
//! fn main() -> Result<(), midge_tcp::Error> {
//!     midge_tcp::Server::from_env()?.run(hello)
//! }
//! ```
//!
//! # What happens where
//!
//! Each worker has its own listening sockets (`SO_REUSEPORT`), its own poll (edge-triggered), connection table, slots and
//! timers. A connection that waits for its next request is an entry in the table and holds no buffer; when something
//! arrives it is lent a **slot**: buffers, and a future that was made at start. Between two requests the slot goes back. When
//! there are more ready connections than slots, they wait in order: that is the backpressure.
//!
//! # Handlers
//!
//! A handler's future is polled on the worker that accepted its connection, when the connection is ready, when its waker
//! was called (from any thread), and now and then for nothing. It need not be `Send`. A handler that computes for long
//! holds up the other connections of its worker: give such work to a thread of its own, and await its completion.
//!
//! # Time and the outside
//!
//! Handlers [`sleep`], put a [`timeout`] around what they await, open [`TcpStream`]s and [`UnixStream`]s, and ask other servers through a
//! [`Client`]. All of that works on the worker's own poll and in tables of fixed size ([`Server::timers`], [`Server::outbound`],
//! [`Server::calls`]), and allocates nothing. The worker is found through a thread-local: on another thread each of them gives an error.
//!
//! # TLS
//!
//! With the feature `tls` (rustls with ring) or `tls-aws-lc` a server speaks TLS: `Server::tls`, `Tls`. Without, nothing of it is compiled.
//!
//! # What is not here
//!
//! HTTP/2 and HTTP/3, Windows. On systems other than Linux the kernel may not distribute connections
//! evenly among the workers, and a second server on the same port is not always refused.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

#[cfg(not(unix))]
compile_error!("midge-tcp runs on Unix systems");

mod client;
mod clock;
mod connections;
mod error;
#[cfg(feature = "files")]
pub mod files;
mod io;
mod listener;
mod outbound;
mod panic;
mod reactor;
mod server;
mod shutdown;
mod signals;
mod sleep;
mod slots;
mod sync;
mod timers;
#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
mod tls;
#[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
#[path = "tls/none.rs"]
mod tls;
mod wake;
mod worker;

pub use midge::Limits;

#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
pub use crate::tls::Tls;
pub use crate::{
    client::{Answer, Call, CallRequest, Client, ClientError, ClientErrorKind, Upload},
    error::Error,
    outbound::{StreamError, TcpStream, UnixStream},
    reactor::WorkerError,
    server::Server,
    shutdown::Handle,
    sleep::{Sleep, TimeoutError, sleep, timeout},
};

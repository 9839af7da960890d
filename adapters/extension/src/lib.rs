//! An external AWS Lambda extension: start-up times, invocation metrics and health of any function in any language, without
//! touching the function.
//!
//! [`Extension`] is the whole program: it registers with the Extensions API, has the Telemetry API push the platform's events to its
//! own HTTP server, which is `midge-tcp`'s, answers `GET /health` and `GET /metrics` there, and writes CloudWatch metrics in the
//! embedded metric format to its standard output.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     midge_extension::Extension::from_env().run()
//! }
//! ```
//!
//! # Variables
//!
//! One that is empty counts as one that isn't set; one that can't be used ends the initialization with a line that says so.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `MIDGE_EXTENSION_PORT` | `8081` | the port of the server, 1 to 65535 |
//! | `MIDGE_EXTENSION_HOST` | `0.0.0.0` | the IP address that it listens on |
//! | `MIDGE_EXTENSION_DESTINATION` | `sandbox.localdomain` | the name by which the platform reaches it |
//! | `MIDGE_EXTENSION_METRICS` | `emf` | `off` writes no metrics |
//! | `MIDGE_EXTENSION_NAMESPACE` | `midge` | the metrics' namespace in CloudWatch |
//! | `MIDGE_EXTENSION_BUFFER_MS` | `1000` | how long the platform gathers events for a push, 25 to 30000 ms |
//!
//! # Memory and system calls
//!
//! An invocation takes two system calls (an event is received, the next one asked for), one counter and no lock. After the start,
//! neither an invocation nor a push of telemetry allocates.

mod client;
mod collect;
mod emf;
mod extension;
mod protocol;
mod service;
mod settings;
mod shared;
mod sync;
mod telemetry;

pub use crate::extension::Extension;

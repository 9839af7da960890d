//! Programs and libraries that people use, against the examples, on real sockets: curl, Python's http.client, Node's fetch and
//! http.Agent, hyper, wrk, Python's
//! websockets and Chromium;
//! with the feature `tls`, curl and openssl over TLS.
//!
//! A client that is not installed fails its tests: `tests/run` installs them all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod curl;
mod hyper;
#[path = "../../adapters/tcp/tests/common/port.rs"]
mod port;
mod program;
mod proxy;
mod scripts;
#[cfg(feature = "tls")]
mod tls;
mod websocket;
mod wrk;

//! The extension as a process, against an Extensions and a Telemetry API that the tests speak for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]
#![allow(dead_code, reason = "the API's connection and the client are shared with other tests, which use more of them")]

mod emf;
#[path = "../../../../tests/lambda/fake.rs"]
mod fake;
mod pushes;
mod refusals;
mod registering;
#[path = "../../../../tests/lambda/rie.rs"]
mod rie;
mod shutdown;
mod support;

//! The Lambda host against a Runtime API that the tests speak for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod errors;
mod fake;
mod invocations;
mod processes;
mod rest;
mod same;
mod setting_up;
mod streaming;
mod tokio;

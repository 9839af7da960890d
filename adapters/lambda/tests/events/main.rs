//! Events to requests, and answers back: the corpus in `tests/events`, a second opinion on the JSON, and hostile input.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

// The module has no public face: the tests compile it as their own.
#[path = "../../src/event/mod.rs"]
mod event;

mod answers;
mod corpus;
mod hostile;
mod json;
mod random;

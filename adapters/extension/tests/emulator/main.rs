//! The static program as a layer brings it: under the platform's own emulator, with nothing around it, and on the other processor.
//!
//! `tests/extension/run` builds and fetches what these tests need, tells them where it is, and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]
#![allow(dead_code, reason = "what is shared with other tests, which use more of it")]

#[path = "../api/emf.rs"]
mod emf;
mod emulated;
#[path = "../../../../tests/lambda/fake.rs"]
mod fake;
mod layer;
mod platform;
#[path = "../../../../tests/lambda/rie.rs"]
mod rie;
#[path = "../api/support.rs"]
mod support;

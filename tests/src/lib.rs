//! What the tests of the whole system share: starting an example program, and reading its answers with a
//! reader of their own that knows nothing of midge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

pub mod server;
pub mod wire;

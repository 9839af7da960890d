//! Real servers under attack: whatever one client does, the others are answered and nothing of it stays behind.
//!
//! Nothing here measures time. Deadlines are set short in the server and waited for as events, with [`PATIENCE`] as the
//! bound on a test that hangs.
//!
//! [`PATIENCE`]: midge_tests::wire::PATIENCE
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod bug_classes;
mod crowds;
mod deadlines;
mod descriptors;
mod expectations;
mod failures;
mod kernel;
mod random;
mod resets;
mod secrets;
mod slow;
mod splitting;
mod support;
mod upgrades;

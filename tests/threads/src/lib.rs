//! What midge's threads share, as it is in the adapters, on loom's mutexes and atomics instead of the standard library's.
//!
//! Each model in [`models`] is run in every order that its threads can take, up to a bound where that is said. What is lost in any of
//! them (a wake-up, a thread that doesn't end) leaves a thread that waits for ever, which loom reports as a deadlock.
//!
//! What isn't modelled: signals (they come on a thread, and write to a pipe), the metrics' counters (each stands alone), and time: what
//! waits with a time-out waits here without, so that nothing is made good by waking up late.
#![allow(dead_code, reason = "models use a part of what they are about")]

pub mod models;
mod sync;

// Beside what the files below take from their crates.
mod collect;
mod link;

#[path = "../../../adapters/extension/src/shared.rs"]
mod shared;
#[path = "../../../adapters/tcp/src/shutdown.rs"]
mod shutdown;
#[path = "../../../adapters/lambda/src/timer.rs"]
mod timer;
#[path = "../../../adapters/lambda/src/wait.rs"]
mod wait;
#[path = "../../../adapters/tcp/src/wake.rs"]
mod wake;

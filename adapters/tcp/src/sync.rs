//! What threads share things with, in one place: models of the threads (tests/threads) have theirs here instead.

pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64},
};

/// What ends the sleep of a worker.
pub(crate) use mio::Waker as Bell;

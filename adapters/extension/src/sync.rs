//! What threads share things with, in one place: models of the threads (tests/threads) have theirs here instead.

pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};

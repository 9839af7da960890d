//! What threads share things with, in one place: models of the threads (tests/threads) have theirs here instead.

pub(crate) use std::{
    net::TcpStream,
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

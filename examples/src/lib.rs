//! What the examples share: handlers that every host can serve, and their command line.

pub mod cli;
pub mod conformance;
pub mod hello;
pub mod proxy;
pub mod shared;
pub mod stream;

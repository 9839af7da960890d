//! What the examples share: handlers that every host can serve, and their command line.

pub mod cli;
pub mod clock;
pub mod conformance;
pub mod hello;
pub mod proxy;
pub mod rest;
pub mod sse;
pub mod stream;
pub mod websocket;

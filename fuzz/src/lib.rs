//! What fuzzing holds midge to. Each module is one target: its first lines say the invariant, and `check` panics where it is broken.
//!
//! The checks are plain functions, so that `cargo test` replays the corpora with any compiler; `fuzz_targets` hands them to libFuzzer.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check fails by panicking"
)]

pub mod answer;
pub mod chunked;
pub mod connection;
pub mod decoding;
pub mod differential;
pub mod event;
pub mod framing;
pub mod head;
pub mod json;
pub mod multipart;
pub mod render;
pub mod response;
pub mod router;
pub mod select;
pub mod websocket;
pub mod workers;

#[allow(dead_code, missing_docs)]
#[path = "../../engine/tests/common/app.rs"]
mod app;
#[allow(dead_code, missing_docs)]
#[path = "../../engine/tests/common/mod.rs"]
mod common;
#[allow(dead_code, missing_docs)]
#[path = "../../engine/tests/common/model.rs"]
mod model;

/// Names and values, in order.
pub(crate) type Lines = Vec<(String, Vec<u8>)>;

/// A target's check.
pub type Check = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Check); 16] = [
    ("answer", answer::check),
    ("chunked", chunked::check),
    ("connection", connection::check),
    ("decoding", decoding::check),
    ("differential", differential::check),
    ("event", event::check),
    ("framing", framing::check),
    ("head", head::check),
    ("json", json::check),
    ("multipart", multipart::check),
    ("render", render::check),
    ("response", response::check),
    ("router", router::check),
    ("select", select::check),
    ("websocket", websocket::check),
    ("workers", workers::check),
];

/// Takes small numbers off the front of a fuzzer's input: what is left is the text, so that corpora stay readable.
pub(crate) fn number(data: &mut &[u8], below: usize) -> usize {
    let Some((first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    usize::from(*first) % below.max(1)
}

/// A later minor version in the first line is read as 1.1 (RFC 9110, section 6.2); httparse knows none.
pub(crate) fn as_http11(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let line = data.iter().position(|byte| *byte == b'\r').unwrap_or(0);
    // A status line begins with the version, a request line ends with it.
    for at in [7, line.saturating_sub(1)] {
        if at < line && data[..at].ends_with(b"HTTP/1.") && matches!(data[at], b'2'..=b'9') {
            data[at] = b'1';
        }
    }
    data
}

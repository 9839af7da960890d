//! Bytes to heads, bodies and chunks, and back: pure functions and one state machine, no I/O, no clock.

pub(crate) mod answer;
pub(crate) mod chunked;
pub(crate) mod date;
pub(crate) mod decode;
pub(crate) mod fields;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod letters;
pub(crate) mod limits;
pub(crate) mod method;
pub(crate) mod reject;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod trailers;

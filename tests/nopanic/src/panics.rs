//! No part of the proof: what it has to find. With nothing here that panics, it would be known to find nothing.

/// An index that may be out of bounds.
#[expect(unsafe_code, reason = "exported, to be linked")]
#[unsafe(no_mangle)]
#[expect(clippy::indexing_slicing, reason = "the point")]
pub fn panics_at_an_index(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}

/// A value that may be missing.
#[expect(unsafe_code, reason = "exported, to be linked")]
#[unsafe(no_mangle)]
#[expect(clippy::unwrap_used, reason = "the point")]
pub fn panics_at_an_unwrap(value: Option<u8>) -> u8 {
    value.unwrap()
}

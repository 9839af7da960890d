//! Base64 (RFC 4648, section 4) where it stands. The `base64` crate reads one slice and writes another, so each piece is
//! copied to the stack on its way.

use ::base64::{Engine, engine::general_purpose::STANDARD};

/// Decodes all of `bytes` to its beginning, and says how many bytes that gave; `None` if it isn't base64 with its padding.
pub(super) fn decode_in_place(bytes: &mut [u8]) -> Option<usize> {
    let mut piece = [0; ENCODED];
    let (mut from, mut to) = (0, 0);
    while from < bytes.len() {
        let length = ENCODED.min(bytes.len() - from);
        let encoded = piece.get_mut(..length)?;
        encoded.copy_from_slice(bytes.get(from..from + length)?);
        // What is decoded is never longer than what was read, so nothing unread is overwritten.
        let decoded = STANDARD.decode_slice(encoded, bytes.get_mut(to..from + length)?).ok()?;
        from += length;
        to += decoded;
        if from < bytes.len() && decoded < RAW {
            // Padding, and something after it.
            return None;
        }
    }
    Some(to)
}

/// Encodes `bytes[start..end]` to `start` and on, and gives the new end; `None` if there isn't room.
pub(super) fn encode_in_place(bytes: &mut [u8], start: usize, end: usize) -> Option<usize> {
    let mut piece = [0; RAW];
    let pieces = (end - start).div_ceil(RAW);
    let mut encoded_end = start;
    // The last one first: what is written lies behind all that is yet to be read.
    for index in (0..pieces).rev() {
        let from = start + index * RAW;
        let raw = piece.get_mut(..RAW.min(end - from))?;
        raw.copy_from_slice(bytes.get(from..from + raw.len())?);
        let to = start + index * ENCODED;
        let encoded = encode(raw, bytes.get_mut(to..)?)?;
        encoded_end = encoded_end.max(to + encoded);
    }
    Some(encoded_end)
}

/// Encodes `raw` into `out`, and says how many bytes that took; `None` if there isn't room.
pub(super) fn encode(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    STANDARD.encode_slice(raw, out).ok()
}

/// Bytes that are copied at a time, and what they encode to.
const RAW: usize = 768;
const ENCODED: usize = RAW / 3 * 4;

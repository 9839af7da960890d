//! Strings: checked, and unescaped where they stand.

use core::str::Utf8Error;

use super::error::Fault;
use crate::{
    data::escape::{EscapeError, json_escape},
    shift::shift,
};

/// A string that was read: `bytes[start..end]` is its text, which is still to be found to be UTF-8, and behind `close` the document goes on.
pub(super) struct Span {
    pub(super) end: usize,
    pub(super) close: usize,
}

/// Reads the string whose first character stands at `start`. Its escapes are replaced by what they stand for, which is never longer, if
/// `UNESCAPE`; else they are checked and left alone. On an error: where it is.
pub(super) fn read<const UNESCAPE: bool>(bytes: &mut [u8], start: usize) -> Result<Span, (Fault, usize)> {
    let (mut at, mut end) = (start, start);
    loop {
        let length = plain(bytes.get(at..).unwrap_or_default());
        if UNESCAPE && end != at {
            shift(bytes, at, at + length, end);
        }
        (at, end) = (at + length, end + length);
        match bytes.get(at) {
            Some(b'"') => break,
            Some(b'\\') => {}
            Some(_) => return Err((Fault::Control, at)),
            None => return Err((Fault::End, at)),
        }
        let escape = json_escape(bytes.get(at..).unwrap_or_default());
        let (character, length) = escape.map_err(|error| fault(error, at, bytes.len()))?;
        if UNESCAPE {
            let mut utf8 = [0; 4];
            let utf8 = character.encode_utf8(&mut utf8).as_bytes();
            if let Some(place) = bytes.get_mut(end..end + utf8.len()) {
                place.copy_from_slice(utf8);
            }
            end += utf8.len();
        } else {
            end += length;
        }
        at += length;
    }
    Ok(Span { end, close: at })
}

/// Length of the longest beginning of `bytes` without a quote, a backslash or a control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        // A byte is special if it is below 0x20, or if one of the two makes it zero: then its highest bit is set here. Above the first such byte
        // bits may be set for others too.
        let word = u64::from_le_bytes(*eight);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        let special = word.wrapping_sub(ONES * 0x20) & !word
            | quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash;
        let special = special & (ONES * 0x80);
        if special != 0 {
            return bytes.len() - rest.len() + (special.trailing_zeros() / 8) as usize;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// What is wrong with the document whose escape at `at` is wrong, and where.
#[cold]
const fn fault(error: EscapeError, at: usize, end: usize) -> (Fault, usize) {
    match error {
        EscapeError::Truncated => (Fault::End, end),
        EscapeError::Unknown | EscapeError::Surrogate => (Fault::Escape, at),
    }
}

/// What is wrong with the text of a string that isn't UTF-8, and where. Behind an escape that was replaced, the place is that of the text, and not of the
/// document.
#[cold]
pub(super) const fn not_utf8(start: usize, error: Utf8Error) -> (Fault, usize) {
    (Fault::Utf8, start + error.valid_up_to())
}

const ONES: u64 = 0x0101_0101_0101_0101;

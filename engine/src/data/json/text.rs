//! Strings: checked, and unescaped where they stand.

use core::str::Utf8Error;

use super::error::Fault;
use crate::shift::shift;

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
        let (character, length) = escape(bytes.get(at..).unwrap_or_default()).map_err(|fault| match fault {
            Fault::End => (fault, bytes.len()),
            _ => (fault, at),
        })?;
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

/// The character that the escape at the beginning of `bytes` stands for, and the escape's length.
fn escape(bytes: &[u8]) -> Result<(char, usize), Fault> {
    let character = match bytes.get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes),
        Some(_) => return Err(Fault::Escape),
        None => return Err(Fault::End),
    };
    Ok((character, 2))
}

/// `\u` and four digits, or a surrogate pair of those.
fn unicode(bytes: &[u8]) -> Result<(char, usize), Fault> {
    let high = digits(bytes)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    let behind = bytes.get(6..).unwrap_or_default();
    match behind {
        [] | [b'\\'] => return Err(Fault::End),
        [b'\\', b'u', ..] => {}
        _ => return Err(Fault::Escape),
    }
    let low = digits(behind)?;
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return Err(Fault::Escape);
    }
    let scalar = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(scalar).map(|character| (character, 12)).ok_or(Fault::Escape)
}

fn digits(bytes: &[u8]) -> Result<u32, Fault> {
    let mut value = 0;
    for place in 2..6 {
        let digit = bytes.get(place).ok_or(Fault::End)?;
        value = value << 4 | char::from(*digit).to_digit(16).ok_or(Fault::Escape)?;
    }
    Ok(value)
}

/// What is wrong with the text of a string that isn't UTF-8, and where. Behind an escape that was replaced, the place is that of the text, and not of the
/// document.
#[cold]
pub(super) const fn not_utf8(start: usize, error: Utf8Error) -> (Fault, usize) {
    (Fault::Utf8, start + error.valid_up_to())
}

const ONES: u64 = 0x0101_0101_0101_0101;

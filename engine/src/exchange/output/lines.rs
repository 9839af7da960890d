//! The lines of a head, checked and formatted.

use super::Output;
use crate::{exchange::failure::ResponseError, http1::token::is_tchar};

/// The engine's own lines at the end of a head, in room that is large enough for all of them.
pub(super) struct OwnLines<'l> {
    pub(super) lines: &'l mut [u8; OWN_LINES],
    pub(super) end: usize,
}

impl OwnLines<'_> {
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        if let Some(place) = self.lines.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut) {
            *place = *bytes;
            self.end += N;
        }
    }

    /// A number, and the head's end.
    #[inline]
    pub(super) fn put_number(&mut self, number: u64) {
        if let Some(place) = self.lines.get_mut(self.end..).and_then(<[u8]>::first_chunk_mut) {
            self.end += put_number(place, number);
        }
    }
}

/// Writes a number in decimal, and a head's end; gives the number of bytes.
#[inline]
pub(super) fn put_number(place: &mut [u8; MAX_DIGITS + 4], number: u64) -> usize {
    // Most bodies are short.
    match u8::try_from(number) {
        Ok(small @ 0..10) => put_digits(place, [b'0' + small]),
        Ok(small @ 10..100) => put_digits(place, [b'0' + small / 10, b'0' + small % 10]),
        _ => put_large_number(place, number),
    }
}

#[inline]
fn put_digits<const N: usize>(place: &mut [u8; MAX_DIGITS + 4], digits: [u8; N]) -> usize {
    if let Some((to, rest)) = place.split_first_chunk_mut() {
        *to = digits;
        if let Some(end) = rest.first_chunk_mut() {
            *end = *b"\r\n\r\n";
        }
    }
    N + 4
}

fn put_large_number(place: &mut [u8; MAX_DIGITS + 4], number: u64) -> usize {
    let count = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut rest = number;
    for digit in place.get_mut(..count).unwrap_or_default().iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if let Some(end) = place.get_mut(count..).and_then(<[u8]>::first_chunk_mut) {
        *end = *b"\r\n\r\n";
    }
    count + 4
}

/// What a field name of the handler's is.
pub(crate) enum Name {
    Plain,
    Date,
    Refused(ResponseError),
}

/// Checks a name, and finds the ones that are the engine's to write.
#[inline]
pub(crate) const fn check_name(name: &[u8]) -> Name {
    let mut rest = name;
    while let Some((byte, tail)) = rest.split_first() {
        if !is_tchar(*byte) {
            return Name::Refused(ResponseError::FieldName);
        }
        rest = tail;
    }
    match name.len() {
        0 => Name::Refused(ResponseError::FieldName),
        4 if name.eq_ignore_ascii_case(b"date") => Name::Date,
        7 if name.eq_ignore_ascii_case(b"upgrade") => Name::Refused(ResponseError::Reserved),
        10 if name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"keep-alive") => {
            Name::Refused(ResponseError::Reserved)
        }
        14 if name.eq_ignore_ascii_case(b"content-length") => Name::Refused(ResponseError::Reserved),
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => Name::Refused(ResponseError::Reserved),
        _ => Name::Plain,
    }
}

/// Whether a value holds nothing but HTAB, SP, visible ASCII and obs-text (RFC 9110, section 5.5), and so neither CR, LF nor NUL.
#[inline]
pub(crate) const fn is_value(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        // Eight bytes at a time: is one of them below 0x20, or DEL? (HTAB is looked for only if one is.)
        let word = u64::from_ne_bytes(*eight);
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let del = (word ^ (ONES * 0x7f)).wrapping_sub(ONES) & !(word ^ (ONES * 0x7f));
        if (low | del) & (ONES * 0x80) != 0 && !are_value_bytes(eight) {
            return false;
        }
        rest = tail;
    }
    are_value_bytes(rest)
}

const fn are_value_bytes(mut bytes: &[u8]) -> bool {
    while let Some((byte, tail)) = bytes.split_first() {
        if (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f {
            return false;
        }
        bytes = tail;
    }
    true
}

const ONES: u64 = 0x0101_0101_0101_0101;
/// Digits of the largest length.
pub(super) const MAX_DIGITS: usize = 20;
/// The longest `date`, `connection`, `content-length` or `transfer-encoding` lines and the head's end.
pub(super) const OWN_LINES: usize = 128;

/// Formats into the head, as far as `cap`.
pub(super) struct Writer<'o, 'b> {
    pub(super) output: &'o mut Output<'b>,
    pub(super) cap: usize,
}

impl core::fmt::Write for Writer<'_, '_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        if self.output.state.end + text.len() > self.cap {
            return Err(core::fmt::Error);
        }
        self.output.put(text.as_bytes());
        Ok(())
    }
}

//! Writes JSON strings.

use super::{render::TooLarge, scan::plain};

/// Bytes written from left to right into memory of a fixed size.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut [u8],
    pub(super) at: usize,
}

impl Writer<'_> {
    /// Writes `bytes` as they are.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let end = self.at + bytes.len();
        self.out.get_mut(self.at..end).ok_or(TooLarge)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Writes UTF-8 as the content of a JSON string.
    pub(super) fn escaped(&mut self, text: &[u8]) -> Result<(), TooLarge> {
        let mut rest = text;
        // Compilers make vector instructions of this.
        while let Some((many, tail)) = rest.split_first_chunk::<32>()
            && many.as_chunks::<8>().0.iter().fold(0, |all, eight| all | special(u64::from_le_bytes(*eight))) == 0
        {
            self.put(many)?;
            rest = tail;
        }
        loop {
            // Eight bytes are copied, and count up to the first that has to be escaped.
            while let Some((eight, tail)) = rest.split_first_chunk::<8>()
                && let Some(place) = self.out.get_mut(self.at..self.at + 8)
            {
                place.copy_from_slice(eight);
                let special = special(u64::from_le_bytes(*eight));
                if special == 0 {
                    rest = tail;
                    self.at += 8;
                } else {
                    let plain = (special.trailing_zeros() / 8) as usize;
                    self.at += plain;
                    rest = self.escape(rest.get(plain..).unwrap_or_default())?;
                }
            }
            match rest.first() {
                None => return Ok(()),
                Some(b'"' | b'\\' | ..b' ') => rest = self.escape(rest)?,
                Some(byte) => {
                    self.put(&[*byte])?;
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
    }

    /// Writes the escape of the first byte of `rest`, and gives what is behind it.
    fn escape<'t>(&mut self, rest: &'t [u8]) -> Result<&'t [u8], TooLarge> {
        let Some((byte, tail)) = rest.split_first() else { return Ok(rest) };
        match byte {
            b'"' => self.put(b"\\\"")?,
            b'\\' => self.put(b"\\\\")?,
            b'\n' => self.put(b"\\n")?,
            b'\r' => self.put(b"\\r")?,
            b'\t' => self.put(b"\\t")?,
            _ => {
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                self.put(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)])?;
            }
        }
        Ok(tail)
    }

    /// Writes a field's value as the content of a JSON string. One that is not UTF-8 is read as ISO-8859-1, as it was when fields
    /// were specified first (RFC 9110, section 5.5).
    pub(super) fn value(&mut self, value: &[u8]) -> Result<(), TooLarge> {
        if plain(value) == value.len() {
            return self.put(value);
        }
        if value.is_ascii() || core::str::from_utf8(value).is_ok() {
            return self.escaped(value);
        }
        for byte in value {
            let mut utf8 = [0; 4];
            self.escaped(char::from(*byte).encode_utf8(&mut utf8).as_bytes())?;
        }
        Ok(())
    }
}

/// The high bit of each byte of `word` that can't stand in a JSON string as it is. Above the first such byte a borrow may have
/// set others.
#[inline]
const fn special(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * b' ' as u64);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (control | quote | backslash) & !word & (ONES * 0x80)
}

const ONES: u64 = u64::MAX / 0xff;

//! What escapes in JSON's strings stand for (RFC 8259, section 7).

use super::error::EventError;

/// What is wrong with an escape, before it is known where it stands.
pub(super) enum Fault {
    Escape,
    Surrogate,
    Truncated,
}

impl Fault {
    #[cold]
    pub(super) const fn at(self, at: usize) -> EventError {
        match self {
            Self::Escape => EventError::Escape { at },
            Self::Surrogate => EventError::Surrogate { at },
            Self::Truncated => EventError::Truncated,
        }
    }
}

/// What the letter stands for behind a backslash; 0 if it isn't that simple.
#[inline]
pub(super) const fn simple_escape(letter: u8) -> u8 {
    match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x8,
        b'f' => 0xc,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => 0,
    }
}

/// The character that the `\u` at the beginning of `rest` stands for, and the length of that.
pub(super) fn unicode_escape(rest: &[u8]) -> Result<(char, usize), Fault> {
    match rest.get(1) {
        Some(b'u') => {}
        Some(_) => return Err(Fault::Escape),
        None => return Err(Fault::Truncated),
    }
    let high = unit(rest)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    // A surrogate: the first half, and right behind it the second.
    match rest.get(6..8) {
        Some(b"\\u") if high < 0xdc00 => {}
        Some(_) => return Err(Fault::Surrogate),
        None if high < 0xdc00 && rest.get(6).is_none_or(|byte| *byte == b'\\') => return Err(Fault::Truncated),
        None => return Err(Fault::Surrogate),
    }
    let low = unit(rest.get(6..).unwrap_or_default())?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(Fault::Surrogate);
    }
    let scalar = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(scalar).map(|character| (character, 12)).ok_or(Fault::Surrogate)
}

/// The four hexadecimal digits of a `\u`.
fn unit(rest: &[u8]) -> Result<u32, Fault> {
    let digits = rest.get(2..).unwrap_or_default();
    let mut value = 0;
    for index in 0..4 {
        let digit = digits.get(index).ok_or(Fault::Truncated)?;
        value = value << 4 | char::from(*digit).to_digit(16).ok_or(Fault::Escape)?;
    }
    Ok(value)
}

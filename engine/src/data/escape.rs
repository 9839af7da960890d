//! What escapes in JSON's strings stand for (RFC 8259, section 7).

/// What is wrong with an escape of JSON's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapeError {
    /// Behind the backslash stands nothing that makes it an escape.
    Unknown,
    /// Half of a surrogate pair: no character.
    Surrogate,
    /// The bytes end within it.
    Truncated,
}

/// The character that the escape at the beginning of `bytes`, a backslash, stands for, and the escape's length. Two escapes that make
/// a surrogate pair count as one.
///
/// ```
/// assert_eq!(midge::json_escape(br#"\n..."#), Ok(('\n', 2)));
/// assert_eq!(midge::json_escape(br#"\u00e9..."#), Ok(('é', 6)));
/// assert_eq!(midge::json_escape(br#"\ud83d\ude00"#), Ok(('😀', 12)));
/// ```
///
/// # Errors
///
/// It stands for none, or isn't there whole.
#[inline]
pub fn json_escape(bytes: &[u8]) -> Result<(char, usize), EscapeError> {
    let character = match bytes.get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes),
        Some(_) => return Err(EscapeError::Unknown),
        None => return Err(EscapeError::Truncated),
    };
    Ok((character, 2))
}

/// `\u` and four digits, or a surrogate pair of those.
#[inline(never)]
fn unicode(bytes: &[u8]) -> Result<(char, usize), EscapeError> {
    let high = unit(bytes)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    let is_first = high < 0xdc00;
    match bytes.get(6..).unwrap_or_default() {
        [b'\\', b'u', ..] if is_first => {}
        [] | [b'\\'] if is_first => return Err(EscapeError::Truncated),
        _ => return Err(EscapeError::Surrogate),
    }
    let low = unit(bytes.get(6..).unwrap_or_default())?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(EscapeError::Surrogate);
    }
    let scalar = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(scalar).map(|character| (character, 12)).ok_or(EscapeError::Surrogate)
}

/// The four hexadecimal digits of a `\u`.
fn unit(bytes: &[u8]) -> Result<u32, EscapeError> {
    let mut value = 0;
    for place in 2..6 {
        let digit = bytes.get(place).ok_or(EscapeError::Truncated)?;
        value = value << 4 | char::from(*digit).to_digit(16).ok_or(EscapeError::Unknown)?;
    }
    Ok(value)
}

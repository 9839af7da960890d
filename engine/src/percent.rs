//! Percent-encoding (RFC 3986, section 2.1), taken off when someone asks for the text below it.

use core::{fmt, str, str::FromStr};

use crate::exchange::failure::Failure;

/// Text as it stands in a target or a form: percent-encoded, and decoded only when asked. Decoding is strict and happens once:
/// `%2541` gives `%41`, and `%4` is an error.
///
/// ```
/// use midge::PercentEncoded;
///
/// let mut buffer = [0; 16];
/// assert_eq!(PercentEncoded::new("caf%C3%A9").decode(&mut buffer)?, "café");
/// assert_eq!(PercentEncoded::form("a+b%2Bc").decode(&mut buffer)?, "a b+c");
/// assert_eq!(PercentEncoded::new("42").parse::<u32>()?, 42);
/// # Ok::<(), midge::PercentError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PercentEncoded<'a> {
    text: &'a [u8],
    plus_is_space: bool,
}

impl<'a> PercentEncoded<'a> {
    /// A part of a path: `+` is a plus.
    #[must_use]
    #[inline]
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { text: text.as_ref(), plus_is_space: false }
    }

    /// A name or value of `application/x-www-form-urlencoded`, as in a query: `+` is a space.
    #[must_use]
    #[inline]
    pub fn form(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { text: text.as_ref(), plus_is_space: true }
    }

    /// The text as the client wrote it.
    #[must_use]
    #[inline]
    pub const fn raw(&self) -> &'a [u8] {
        self.text
    }

    /// The text itself, if nothing in it is encoded.
    #[must_use]
    pub fn plain(&self) -> Option<&'a [u8]> {
        let encoded = match self.plus_is_space {
            true => memchr::memchr2(b'%', b'+', self.text),
            false => memchr::memchr(b'%', self.text),
        };
        encoded.is_none().then_some(self.text)
    }

    /// The decoded bytes, one after the other. After an error there are no more.
    #[must_use]
    pub const fn bytes(&self) -> PercentDecoder<'a> {
        PercentDecoder { rest: self.text, plus_is_space: self.plus_is_space }
    }

    /// The decoded bytes: the text itself if nothing is encoded, else a copy in `buffer`, which is never longer than the text.
    ///
    /// # Errors
    ///
    /// A malformed encoding, or a `buffer` that is too small.
    pub fn decode_bytes<'o>(&self, buffer: &'o mut [u8]) -> Result<&'o [u8], PercentError>
    where
        'a: 'o,
    {
        if let Some(plain) = self.plain() {
            return Ok(plain);
        }
        let mut length = 0;
        for byte in self.bytes() {
            *buffer.get_mut(length).ok_or(PercentError::TooLong)? = byte?;
            length += 1;
        }
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// The decoded text, as [`PercentEncoded::decode_bytes`].
    ///
    /// # Errors
    ///
    /// As there, and bytes that are not UTF-8.
    pub fn decode<'o>(&self, buffer: &'o mut [u8]) -> Result<&'o str, PercentError>
    where
        'a: 'o,
    {
        str::from_utf8(self.decode_bytes(buffer)?).map_err(|_| PercentError::NotUtf8)
    }

    /// The decoded text: itself if nothing is encoded, else a copy in `arena`.
    ///
    /// # Errors
    ///
    /// A malformed encoding, bytes that are not UTF-8, or an arena that is full.
    #[cfg(feature = "arena")]
    pub fn decode_in(&self, arena: &'a bumpalo::Bump) -> Result<&'a str, PercentError> {
        if let Some(plain) = self.plain() {
            return str::from_utf8(plain).map_err(|_| PercentError::NotUtf8);
        }
        let mut length = 0;
        for byte in self.bytes() {
            byte?;
            length += 1;
        }
        let place = arena.try_alloc_slice_fill_copy(length, 0_u8).map_err(|_| PercentError::TooLong)?;
        self.decode(place)
    }

    /// The value that the decoded text says; of at most 64 bytes.
    ///
    /// # Errors
    ///
    /// As [`PercentEncoded::decode`], and text that is no such value.
    pub fn parse<T: FromStr>(&self) -> Result<T, PercentError> {
        self.decode(&mut [0; 64])?.parse().map_err(|_| PercentError::Value)
    }

    /// Whether the decoded text is `text`; a malformed one is no text.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.bytes().eq(text.bytes().map(Ok))
    }
}

impl fmt::Debug for PercentEncoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PercentEncoded(\"{}\")", self.text.escape_ascii())
    }
}

/// The bytes below a percent-encoded text: see [`PercentEncoded::bytes`].
#[derive(Debug, Clone)]
pub struct PercentDecoder<'a> {
    rest: &'a [u8],
    plus_is_space: bool,
}

impl Iterator for PercentDecoder<'_> {
    type Item = Result<u8, PercentError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (first, mut rest) = self.rest.split_first()?;
        let byte = match *first {
            b'%' => match rest.split_first_chunk().and_then(|(digits, after)| Some((hex_byte(*digits)?, after))) {
                Some((byte, after)) => {
                    rest = after;
                    byte
                }
                None => {
                    self.rest = &[];
                    return Some(Err(PercentError::Malformed));
                }
            },
            b'+' if self.plus_is_space => b' ',
            byte => byte,
        };
        self.rest = rest;
        Some(Ok(byte))
    }
}

/// Why percent-encoded text has nothing below it that the program can use. As a [`Failure`] it is answered 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PercentError {
    /// A `%` without two hexadecimal digits behind it.
    Malformed,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
    /// More bytes than there is room for.
    TooLong,
    /// Not a value of the type that was asked for.
    Value,
}

impl PercentError {
    const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "a '%' that is not followed by two hexadecimal digits",
            Self::NotUtf8 => "percent-encoded bytes that are not UTF-8",
            Self::TooLong => "a name or value in the target or form is too long",
            Self::Value => "a value in the target or form is not of the kind that belongs there",
        }
    }
}

impl fmt::Display for PercentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for PercentError {}

impl From<PercentError> for Failure {
    fn from(error: PercentError) -> Self {
        Self::new(400).because(error.message())
    }
}

/// The byte that two hexadecimal digits say.
#[inline]
fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

#[inline]
const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

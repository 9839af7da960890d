//! Values that cross to the host as bytes: one tag, a length, and the value itself.

use core::fmt;

use crate::error::CallError;

/// A value of a database or an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'v> {
    /// SQL's NULL, or nothing.
    Null,
    /// A whole number. The platform's are exact up to 2^53; a larger one is refused.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// Text.
    Text(&'v str),
    /// Bytes.
    Blob(&'v [u8]),
}

impl<'v> Value<'v> {
    /// The whole number, if it is one.
    #[must_use]
    pub const fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub const fn text(self) -> Option<&'v str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a blob or text.
    #[must_use]
    pub const fn bytes(self) -> Option<&'v [u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            Self::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Its tag, and a number's bytes.
    pub(crate) fn encode(self) -> Result<Encoded<'v>, CallError> {
        Ok(match self {
            Self::Null => Encoded { tag: [NULL], number: [0; 8], bytes: None, numeric: false },
            Self::Integer(number) if number.unsigned_abs() > MAX_EXACT => return Err(CallError::Invalid),
            Self::Integer(number) => {
                Encoded { tag: [INTEGER], number: (number as f64).to_le_bytes(), bytes: None, numeric: true }
            }
            Self::Real(number) => Encoded { tag: [REAL], number: number.to_le_bytes(), bytes: None, numeric: true },
            Self::Text(text) => Encoded { tag: [TEXT], number: [0; 8], bytes: Some(text.as_bytes()), numeric: false },
            Self::Blob(bytes) => Encoded { tag: [BLOB], number: [0; 8], bytes: Some(bytes), numeric: false },
        })
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Blob(bytes)
    }
}

/// A value on its way to the host.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'v> {
    pub(crate) tag: [u8; 1],
    number: [u8; 8],
    bytes: Option<&'v [u8]>,
    numeric: bool,
}

impl Encoded<'_> {
    pub(crate) const NULL: Self = Self { tag: [NULL], number: [0; 8], bytes: None, numeric: false };

    pub(crate) fn payload(&self) -> &[u8] {
        if self.numeric { &self.number } else { self.bytes.unwrap_or_default() }
    }
}

/// A row of a result: some values, in the caller's memory.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    bytes: &'r [u8],
}

impl<'r> Row<'r> {
    pub(crate) const fn new(bytes: &'r [u8]) -> Self {
        Self { bytes }
    }

    /// The value in this column, counted from 0; [`Value::Null`] beyond the last one.
    #[must_use]
    pub fn column(&self, index: usize) -> Value<'r> {
        self.values().nth(index).unwrap_or(Value::Null)
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = Value<'r>> + use<'r> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (value, tail) = decode(rest)?;
            rest = tail;
            Some(value)
        })
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

/// The first value of `bytes`, and what follows it; `None` where there is no whole one.
fn decode(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let value = match tag {
        NULL => Value::Null,
        INTEGER => Value::Integer(f64::from_le_bytes(*payload.first_chunk()?) as i64),
        REAL => Value::Real(f64::from_le_bytes(*payload.first_chunk()?)),
        TEXT => Value::Text(core::str::from_utf8(payload).ok()?),
        BLOB => Value::Blob(payload),
        _ => return None,
    };
    Some((value, rest))
}

/// The largest whole number that a JavaScript number holds exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_column_by_column() {
        let mut bytes = [0_u8; 64];
        let row: &[&[u8]] = &[
            &[INTEGER, 8, 0, 0, 0],
            &(-7.0_f64).to_le_bytes(),
            &[TEXT, 2, 0, 0, 0, b'h', b'i'],
            &[NULL, 0, 0, 0, 0],
            &[BLOB, 1, 0, 0, 0, 0xff],
        ];
        let mut length = 0;
        for part in row {
            bytes[length..length + part.len()].copy_from_slice(part);
            length += part.len();
        }
        let row = Row::new(&bytes[..length]);
        assert_eq!(row.column(0), Value::Integer(-7));
        assert_eq!(row.column(1).text(), Some("hi"));
        assert_eq!(row.column(2), Value::Null);
        assert_eq!(row.column(3).bytes(), Some(&[0xff][..]));
        assert_eq!(row.column(4), Value::Null);
        assert_eq!(row.values().count(), 4);
    }

    #[test]
    fn no_bytes_from_the_host_are_read_past_their_end() {
        let hostile: &[&[u8]] = &[
            b"",
            &[TEXT],
            &[TEXT, 1, 0, 0],
            &[TEXT, 0xff, 0xff, 0xff, 0xff, 1],
            &[INTEGER, 1, 0, 0, 0, 9],
            &[TEXT, 1, 0, 0, 0, 0xff],
            &[99, 0, 0, 0, 0],
        ];
        for bytes in hostile {
            assert_eq!(Row::new(bytes).values().count(), 0, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_that_javascript_would_round_are_refused() {
        assert!(Value::Integer(1 << 53).encode().is_err());
        assert!(Value::Integer(i64::MIN).encode().is_err());
        assert_eq!(Value::Integer(-5).encode().unwrap().payload(), (-5.0_f64).to_le_bytes());
        assert_eq!(Value::Text("x").encode().unwrap().payload(), b"x");
        assert_eq!(Value::Null.encode().unwrap().payload(), b"");
    }
}

//! What can be wrong with a document.

use core::fmt;

use serde_core::de;

use crate::exchange::failure::{Cause, Failure};

/// A document that isn't JSON, or isn't the JSON that the program wants. A handler that passes it on answers 400, and tells the client
/// what was wrong and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    fault: Fault,
    at: u32,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The document ends too early.
    End,
    /// Something follows the document.
    Behind,
    /// No value begins here.
    Value,
    /// A number that isn't one (RFC 8259, section 6), or one beyond what a 64-bit float holds.
    Number,
    /// A comma or the array's end was expected.
    ArrayEnd,
    /// A comma or the object's end was expected.
    ObjectEnd,
    /// A name in quotes was expected.
    Name,
    /// A colon was expected.
    Colon,
    /// An escape that isn't one, or half of a surrogate pair.
    Escape,
    /// A control character in a string.
    Control,
    /// A string that isn't UTF-8.
    Utf8,
    /// Deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    Depth,
    /// JSON, but of another type, length or value than was wanted.
    Other,
    /// The object doesn't have this member.
    Missing(&'static str),
    /// The object has this member twice.
    Twice(&'static str),
    /// The object has a member that nobody knows.
    Unknown,
}

impl Error {
    pub(super) const fn new(fault: Fault, at: usize) -> Self {
        // A body in memory is smaller than 4 GiB.
        Self { fault, at: at as u32 }
    }

    /// The same error at `at`, if it was not known where it is.
    pub(super) const fn or_at(mut self, at: usize) -> Self {
        if self.at == SOMEWHERE {
            self.at = at as u32;
        }
        self
    }

    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Offset in the document, in bytes: of what can't stand there, of the value that was another one, or of the object's end
    /// where a member is missing.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at as usize
    }
}

impl Fault {
    /// What is wrong, for the client; without the member's name.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        match self {
            Self::End => "malformed JSON: it ends too early",
            Self::Behind => "malformed JSON: something follows it",
            Self::Value => "malformed JSON: a value was expected",
            Self::Number => "malformed JSON: a number that is none, or is too large",
            Self::ArrayEnd => "malformed JSON: ',' or ']' was expected",
            Self::ObjectEnd => "malformed JSON: ',' or '}' was expected",
            Self::Name => "malformed JSON: a name in quotes was expected",
            Self::Colon => "malformed JSON: ':' was expected",
            Self::Escape => "malformed JSON: an escape that is none",
            Self::Control => "malformed JSON: a control character in a string",
            Self::Utf8 => "malformed JSON: a string that is not UTF-8",
            Self::Depth => "JSON that is nested too deeply",
            Self::Other => "JSON with a value of another type or range than belongs there",
            Self::Missing(_) => "JSON without a member that belongs there",
            Self::Twice(_) => "JSON with a member twice",
            Self::Unknown => "JSON with a member that does not belong there",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.message())?;
        if let Fault::Missing(name) | Fault::Twice(name) = self.fault {
            write!(f, " ({name:?})")?;
        }
        write!(f, ", at byte {}", self.at)
    }
}

impl core::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::caused(
            400,
            match error.fault {
                Fault::Missing(name) => Cause::Missing(name),
                fault => Cause::Content { message: fault.message(), at: error.at },
            },
        )
    }
}

// Whoever makes such an error doesn't know where it is, and there is no memory for more than a word of it.
impl de::Error for Error {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { fault: Fault::Other, at: SOMEWHERE }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { fault: Fault::Missing(field), at: SOMEWHERE }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { fault: Fault::Twice(field), at: SOMEWHERE }
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self { fault: Fault::Unknown, at: SOMEWHERE }
    }
}

const SOMEWHERE: u32 = u32::MAX;

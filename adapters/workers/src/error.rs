//! What goes wrong in a host call.

use core::fmt;

use midge::Failure;

/// A host call that did not give what it was asked for. The platform's own words, where it had any, are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such binding, or it is of another kind than the call needs.
    NoBinding,
    /// What was given can't be taken: a key that is empty or too long, text that isn't UTF-8, a bad URL or header field.
    Invalid,
    /// The value is larger than the memory that was given for it.
    TooLarge {
        /// The value's size in bytes.
        size: u64,
    },
    /// The platform refused the call, failed, or answered nonsense.
    Failed,
    /// Too many calls at once in one request.
    TooMany,
    /// The host has no such call: the shim was started without `calls`, or the program doesn't run as a Worker.
    Unsupported,
    /// There is no such thing. Calls that can say so otherwise give `None` instead.
    NotFound,
    #[doc(hidden)]
    Again,
}

impl CallError {
    pub(crate) const fn from_errno(errno: i32) -> Self {
        match errno {
            -2 => Self::NotFound,
            -11 => Self::Again,
            -19 => Self::NoBinding,
            -14 | -22 => Self::Invalid,
            -24 => Self::TooMany,
            -38 => Self::Unsupported,
            -90 => Self::TooLarge { size: 0 },
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size } => write!(f, "a value of {size} bytes, larger than the memory given for it"),
            other => f.write_str(match other {
                Self::NoBinding => "no binding of that name and kind",
                Self::Invalid => "an argument that the call does not take",
                Self::TooMany => "too many calls at once",
                Self::Unsupported => "a call that this host does not have",
                Self::NotFound => "there is no such thing",
                _ => "the platform failed the call",
            }),
        }
    }
}

impl core::error::Error for CallError {}

/// The client is told 500, and nothing of what went wrong inside.
impl From<CallError> for Failure {
    fn from(_: CallError) -> Self {
        Self::new(500)
    }
}

//! Why an event can't be served.

use core::fmt;

use midge::EscapeError;

/// Why an event can't be served. Offsets count from the event's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventError {
    /// The JSON isn't complete.
    Truncated,
    /// No JSON can go on with the byte here (RFC 8259).
    Syntax {
        /// Where.
        at: usize,
    },
    /// A backslash with nothing after it that is an escape.
    Escape {
        /// Where.
        at: usize,
    },
    /// Half of a surrogate pair: no character.
    Surrogate {
        /// Where.
        at: usize,
    },
    /// A string that is not UTF-8.
    Utf8 {
        /// Where.
        at: usize,
    },
    /// Arrays and objects within each other, more than [`MAX_DEPTH`](super::json::MAX_DEPTH).
    TooDeep {
        /// Where.
        at: usize,
    },
    /// A member whose value is of a type that it can't have.
    Type {
        /// The member's name.
        member: &'static str,
        /// Where its value is.
        at: usize,
    },
    /// JSON, but no HTTP request.
    NotHttp(NotHttp),
    /// An HTTP request without a member that its source always sends.
    Missing(&'static str),
    /// The method is no token (RFC 9110, section 9.1), or longer than any method.
    Method,
    /// The field whose name or value begins here is none that HTTP has (RFC 9110, section 5).
    Field {
        /// Where.
        at: usize,
    },
    /// `isBase64Encoded`, but the body is not base64 (RFC 4648, section 4).
    Base64,
    /// More header fields than the table has room for.
    TooManyFields,
    /// A path and query for which there isn't room.
    TargetTooLong,
}

/// What an event is if it is no HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotHttp {
    /// It has `Records`.
    Records,
    /// API Gateway asks an authorizer.
    Authorizer,
    /// A WebSocket API's.
    WebSocket,
    /// VPC Lattice's, of event structure version 1.
    LatticeV1,
    /// Nothing that is known here.
    Unknown,
}

impl EventError {
    /// For an escape at `at` that is wrong.
    #[cold]
    pub(super) const fn of_escape(error: EscapeError, at: usize) -> Self {
        match error {
            EscapeError::Unknown => Self::Escape { at },
            EscapeError::Surrogate => Self::Surrogate { at },
            EscapeError::Truncated => Self::Truncated,
        }
    }

    /// The error's type, as the Runtime API wants it.
    pub(crate) const fn error_type(&self) -> &'static str {
        match self {
            Self::Truncated
            | Self::Syntax { .. }
            | Self::Escape { .. }
            | Self::Surrogate { .. }
            | Self::Utf8 { .. }
            | Self::TooDeep { .. } => "Runtime.UnmarshalError",
            Self::NotHttp(_) => "Runtime.UnsupportedEvent",
            _ => "Runtime.InvalidEvent",
        }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the event is not JSON: it ends too early"),
            Self::Syntax { at } => write!(f, "the event is not JSON: unexpected byte at offset {at}"),
            Self::Escape { at } => write!(f, "the event is not JSON: invalid escape at offset {at}"),
            Self::Surrogate { at } => write!(f, "the event is not JSON: lone surrogate at offset {at}"),
            Self::Utf8 { at } => write!(f, "the event is not JSON: invalid UTF-8 at offset {at}"),
            Self::TooDeep { at } => write!(f, "the event is nested too deeply at offset {at}"),
            Self::Type { member, at } => {
                write!(f, "the event's `{member}` has a value of the wrong type at offset {at}")
            }
            Self::NotHttp(what) => write!(
                f,
                "the event is not an HTTP request{what}; served are API Gateway (REST and HTTP APIs), function URLs, \
                 Application Load Balancers and VPC Lattice"
            ),
            Self::Missing(member) => write!(f, "the event is an HTTP request without `{member}`"),
            Self::Method => f.write_str("the event's method is not a token"),
            Self::Field { at } => write!(f, "the event has an invalid header field at offset {at}"),
            Self::Base64 => f.write_str("the event's body is not base64"),
            Self::TooManyFields => f.write_str("the event has too many header fields"),
            Self::TargetTooLong => f.write_str("the event's path and query are too long"),
        }
    }
}

impl core::error::Error for EventError {}

impl fmt::Display for NotHttp {
    /// What goes between the statement that it is none and what would be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records => ": it has `Records`, like those of SQS, SNS, S3 and CloudFront",
            Self::Authorizer => ": it is for a Lambda authorizer",
            Self::WebSocket => ": it is a WebSocket API's",
            Self::LatticeV1 => ": it is VPC Lattice's, of event structure version 1 (choose V2 in the target group)",
            Self::Unknown => "",
        })
    }
}

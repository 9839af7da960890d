//! Why a runtime gives up.

use std::{fmt, io};

use midge::AnswerError;

/// Why the loop ended. It never ends well: the platform ends a function's process by itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `AWS_LAMBDA_RUNTIME_API` isn't set.
    NotInLambda,
    /// `AWS_LAMBDA_RUNTIME_API` is not `host:port`, with or without `http://` and a path.
    Endpoint {
        /// What it is.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The Runtime API can't be reached, or went away and did not come back at once.
    Connection(io::Error),
    /// What came from the Runtime API is no answer that can be read.
    Answer(AnswerError),
    /// An answer of the Runtime API lacks a header field, or has one that can't be.
    Field(&'static str),
    /// The Runtime API refused what the loop can't go on without.
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The answer's status.
        status: u16,
    },
    /// The handler could not be made. It was reported.
    Init(String),
    /// A snapshot hook failed. It was reported.
    Hook(String),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInLambda => f.write_str(
                "AWS_LAMBDA_RUNTIME_API is not set: this program runs inside AWS Lambda; to run it here, use `cargo lambda watch` \
                 or the runtime interface emulator, or serve the same handler with midge-tcp",
            ),
            Self::Endpoint { given, why } => {
                write!(f, "AWS_LAMBDA_RUNTIME_API is \"{}\": {why}", given.escape_default())
            }
            Self::Connection(error) => write!(f, "the Runtime API is gone: {error}"),
            Self::Answer(error) => write!(f, "the Runtime API's answer can't be read: {error}"),
            Self::Field(name) => write!(f, "the Runtime API's answer has no usable {name}"),
            Self::Refused { what, status } => write!(f, "the Runtime API answered {what} with {status}"),
            Self::Init(message) => write!(f, "the function could not be set up: {message}"),
            Self::Hook(message) => write!(f, "a snapshot hook failed: {message}"),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) | Self::Thread(error) => Some(error),
            Self::Answer(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AnswerError> for Error {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

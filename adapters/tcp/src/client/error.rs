//! Why a call failed.

use std::{error, fmt};

use midge::{
    Failure,
    client::{CallError, RequestError},
};

use super::pool::Target;
use crate::{outbound::StreamError, reactor::WorkerError, sleep::TimeoutError};

/// Why a call has no answer, or not all of one. The text says what happened, and with which address.
#[derive(Debug)]
pub struct ClientError {
    target: Option<Target>,
    pub(super) kind: ClientErrorKind,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// There is no worker, or it has no room.
    Worker(WorkerError),
    /// The request can't be written as it was asked for; nothing was sent.
    Request(RequestError),
    /// No connection could be made.
    Connect(StreamError),
    /// The connection took longer than [`Client::connect_time`](super::Client::connect_time).
    ConnectTime,
    /// The call took longer than its deadline.
    Deadline,
    /// The connection failed, or what came can't be read.
    Call(CallError<StreamError>),
    /// The answer's body is larger than what was to be gathered.
    TooLarge,
    /// The call's request was sent already, and its connection given up.
    Over,
}

impl ClientError {
    pub(super) const fn new(target: Option<Target>, kind: ClientErrorKind) -> Self {
        Self { target, kind }
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> &ClientErrorKind {
        &self.kind
    }

    /// What a gateway answers its own client (RFC 9110, section 15.6): 504 when time was over, 503 when there was no room, 500 when the
    /// mistake was the caller's, 502 for all that the other server did.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match &self.kind {
            ClientErrorKind::ConnectTime | ClientErrorKind::Deadline => 504,
            ClientErrorKind::Worker(WorkerError::Full(_))
            | ClientErrorKind::Connect(StreamError::Worker(WorkerError::Full(_))) => 503,
            ClientErrorKind::Worker(_) | ClientErrorKind::Request(_) | ClientErrorKind::Over => 500,
            ClientErrorKind::Connect(StreamError::Worker(_)) => 500,
            ClientErrorKind::Connect(_) | ClientErrorKind::Call(_) | ClientErrorKind::TooLarge => 502,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = &self.target {
            write!(formatter, "{target}: ")?;
        }
        match &self.kind {
            ClientErrorKind::Worker(error) => error.fmt(formatter),
            ClientErrorKind::Request(error) => write!(formatter, "the request cannot be sent: {error}"),
            ClientErrorKind::Connect(error) => write!(formatter, "cannot connect: {error}"),
            ClientErrorKind::ConnectTime => formatter.write_str("cannot connect: it took too long"),
            ClientErrorKind::Deadline => formatter.write_str("the call took longer than its deadline"),
            ClientErrorKind::Call(error) => error.fmt(formatter),
            ClientErrorKind::TooLarge => formatter.write_str("the answer is larger than what is gathered of it"),
            ClientErrorKind::Over => formatter.write_str("the request was sent already"),
        }
    }
}

impl error::Error for ClientError {}

impl From<CallError<StreamError>> for ClientErrorKind {
    fn from(error: CallError<StreamError>) -> Self {
        match error {
            CallError::Request(error) => Self::Request(error),
            error => Self::Call(error),
        }
    }
}

impl From<RequestError> for ClientErrorKind {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<WorkerError> for ClientErrorKind {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

/// When the call's own time is over.
impl From<TimeoutError> for ClientErrorKind {
    fn from(error: TimeoutError) -> Self {
        match error {
            TimeoutError::Elapsed => Self::Deadline,
            TimeoutError::Worker(error) => Self::Worker(error),
        }
    }
}

/// With the [status](ClientError::status) that a gateway answers.
impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error.status()).because(match &error.kind {
            ClientErrorKind::Worker(_) => {
                "a call to another server found no room; see Server::calls and Server::timers"
            }
            ClientErrorKind::Request(_) => "a request to another server was malformed",
            ClientErrorKind::Connect(_) => "another server cannot be reached",
            ClientErrorKind::ConnectTime | ClientErrorKind::Deadline => "another server did not answer in time",
            ClientErrorKind::Call(_) => "another server did not answer as it should",
            ClientErrorKind::TooLarge => "another server's answer is too large",
            ClientErrorKind::Over => "a request to another server was sent twice",
        })
    }
}

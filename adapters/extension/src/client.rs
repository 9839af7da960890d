//! The requests that the Extensions and the Telemetry API are sent, over one keep-alive connection with blocking calls.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use midge::{
    AnswerError, Field, FieldLines, Limits, Method,
    client::{AnswerContent, AnswerReader, Content, Host, RequestBytes, RequestError, RequestHead},
};
use midge_lambda::platform::{Endpoint, error_document};

use crate::protocol::{Ask, ErrorKind, Phase};

/// What requests say beside what the protocol knows.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// The extension's file name.
    pub(crate) name: String,
    /// The body of a registration.
    pub(crate) registration: &'static str,
    /// The body of a subscription.
    pub(crate) subscription: String,
    /// What the platform gave; empty before.
    pub(crate) identifier: String,
    /// What a report says went wrong.
    pub(crate) failure: String,
}

/// The connection, opened when it is first needed, and the memory that requests and answers stand in.
#[derive(Debug)]
pub(crate) struct Client {
    endpoint: Endpoint,
    stream: Option<TcpStream>,
    output: Box<[u8]>,
    input: Box<[u8]>,
    fields: Box<[Field]>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Answer<'c> {
    pub(crate) status: u16,
    /// Empty if it is longer than any that the platform sends.
    pub(crate) body: &'c mut [u8],
    /// Whether it gave an identifier, which is noted then.
    pub(crate) identified: bool,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            stream: None,
            output: vec![0; OUTPUT_BYTES].into(),
            input: vec![0; INPUT_BYTES].into(),
            fields: vec![Field::EMPTY; usize::from(LIMITS.header_fields)].into(),
        }
    }

    /// Sends a request and reads its answer, for as long as that takes.
    ///
    /// A connection that was kept and ends before the first byte of an answer is opened once more, if the request does no harm twice:
    /// after a restore from a snapshot, none of the old ones is left.
    pub(crate) fn ask(&mut self, ask: Ask, identity: &mut Identity) -> Result<Answer<'_>, CallError> {
        let Self { endpoint, stream, output, input, fields } = self;
        let mut request = write(ask, identity, endpoint, output)?;
        let mut may_try_again = stream.is_some() && ask == Ask::Next;
        let (status, identified, body) = loop {
            let mut answer = AnswerReader::new(input, fields, &LIMITS);
            let mut open = match stream.take() {
                Some(open) => open,
                None => endpoint.connect().map_err(CallError::Connect)?,
            };
            match receive_head(&mut open, &mut request, &mut answer) {
                Err(CallError::Lost(_)) if may_try_again && !answer.has_begun() && request.rewind() => {
                    may_try_again = false;
                    continue;
                }
                received => received?,
            }
            let Some((head, mut content)) = answer.into_parts() else { return Err(CallError::no_room()) };
            let identifier = head.fields().get("lambda-extension-identifier");
            if let Some(identifier) = identifier.and_then(|bytes| str::from_utf8(bytes).ok()) {
                identifier.clone_into(&mut identity.identifier);
            }
            let status = head.status().code();
            let is_all = receive_body(&mut open, &mut content)?;
            if content.can_reuse() {
                *stream = Some(open);
            }
            let start = content.offset();
            let end = start + if is_all { content.kept().len() } else { 0 };
            break (status, identifier.is_some(), start..end);
        };
        Ok(Answer { status, identified, body: input.get_mut(body).unwrap_or_default() })
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The request can't be written.
    Request(RequestError),
    /// Nobody takes the connection.
    Connect(io::Error),
    /// The connection failed or ended.
    Lost(io::Error),
    /// What came is no answer.
    Answer(AnswerError),
}

impl CallError {
    fn no_room() -> Self {
        Self::Lost(io::Error::from(io::ErrorKind::OutOfMemory))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
            Self::Answer(error) => write!(f, "the answer cannot be read: {error}"),
        }
    }
}

impl From<RequestError> for CallError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<AnswerError> for CallError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

/// Sends the request, and reads up to the end of its answer's head.
fn receive_head(
    stream: &mut TcpStream,
    request: &mut RequestBytes<'_>,
    answer: &mut AnswerReader<'_>,
) -> Result<(), CallError> {
    let length = request.pending().len();
    stream.write_all(request.pending()).map_err(CallError::Lost)?;
    request.sent(length);
    loop {
        match read(stream, answer.space())? {
            0 => {
                answer.ended()?;
                return Err(CallError::Lost(io::Error::from(io::ErrorKind::UnexpectedEof)));
            }
            count if answer.received(count)? => return Ok(()),
            _ => {}
        }
    }
}

/// Reads a body to its end, and keeps it; false if it is longer than there is room for.
fn receive_body(stream: &mut TcpStream, content: &mut AnswerContent<'_>) -> Result<bool, CallError> {
    let mut is_all = true;
    loop {
        match content.step()? {
            Content::Data => {
                let length = content.data().len();
                is_all &= content.keep(BODY_BYTES.saturating_sub(content.kept().len())) == length;
            }
            Content::End => return Ok(is_all),
            Content::More => match read(stream, content.space()?)? {
                0 => content.ended()?,
                count => content.received(count),
            },
        }
    }
}

fn read(stream: &mut TcpStream, space: &mut [u8]) -> Result<usize, CallError> {
    if space.is_empty() {
        return Err(CallError::no_room());
    }
    loop {
        match stream.read(space) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map_err(CallError::Lost),
        }
    }
}

/// Writes a request.
fn write<'o>(
    ask: Ask,
    identity: &Identity,
    endpoint: &Endpoint,
    output: &'o mut [u8],
) -> Result<RequestBytes<'o>, CallError> {
    let host = Host::new(endpoint.authority())?;
    let (method, target) = match ask {
        Ask::Register => (Method::Post, "/2020-01-01/extension/register"),
        Ask::Next => (Method::Get, "/2020-01-01/extension/event/next"),
        Ask::Subscribe => (Method::Put, "/2022-07-01/telemetry"),
        Ask::Report(Phase::Init, _) => (Method::Post, "/2020-01-01/extension/init/error"),
        Ask::Report(Phase::Exit, _) => (Method::Post, "/2020-01-01/extension/exit/error"),
    };
    let mut head = RequestHead::with_target(output, method, &[endpoint.prefix(), target], host).lines(USER_AGENT);
    if ask == Ask::Register {
        head = head.header("lambda-extension-name", &identity.name).lines(ACCEPT_FEATURE);
    } else {
        head = head.header("lambda-extension-identifier", &identity.identifier);
    }
    let mut document = [0; DOCUMENT_BYTES];
    let body = match ask {
        Ask::Register => identity.registration.as_bytes(),
        Ask::Subscribe => identity.subscription.as_bytes(),
        Ask::Next => return Ok(head.empty()?),
        Ask::Report(_, ErrorKind(kind)) => {
            head = head.header("lambda-extension-function-error-type", kind);
            error_document(&mut document, kind, &identity.failure)
        }
    };
    let mut request = head.lines(JSON).length(body.len() as u64)?;
    match request.write(body)? {
        count if count == body.len() => Ok(request),
        _ => Err(RequestError::HeadTooLarge.into()),
    }
}

const USER_AGENT: FieldLines =
    FieldLines::new(concat!("user-agent: midge-extension/", env!("CARGO_PKG_VERSION"), "\r\n"));
const ACCEPT_FEATURE: FieldLines = FieldLines::new("lambda-extension-accept-feature: accountId\r\n");
const JSON: FieldLines = FieldLines::new("content-type: application/json\r\n");

/// Bytes of the longest request.
const OUTPUT_BYTES: usize = 4_096;
/// Bytes of a report's body.
const DOCUMENT_BYTES: usize = 1_024;
/// Bytes of an answer's body that are kept: an event has a few hundred.
const BODY_BYTES: usize = 16_384;
/// Bytes of the longest answer.
const INPUT_BYTES: usize = 32_768;

/// A body of any length is read to its end, whether it is kept or not.
const LIMITS: Limits = Limits { body_bytes: u64::MAX, head_bytes: 8_192, header_fields: 64, ..Limits::DEFAULT };

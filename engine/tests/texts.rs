//! What errors and values say of themselves.
//!
//! Invariant: every error says what is wrong in words of its own; what is printed of a value names what it is, and of its content only what
//! its type is about.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{cell::RefCell, collections::HashSet, fmt::Display};

use common::{Bench, HOST};
use embedded_io_async::{Error as _, ErrorKind};
use midge::{
    AnswerError, ChunkError, Connection, Date, Failure, Field, Head, Limits, ManualClock, Method, Peer, PlainHead,
    Reject, Request, RequestId, Response, ResponseError, Sent, Slot, Span, Status, Version,
    client::{AnswerReader, CallError, Host, RequestError, RequestHead},
    testing,
};

/// Texts that are each there, and each another one.
fn are_different<E: Display>(errors: impl IntoIterator<Item = E>) {
    let mut seen = HashSet::new();
    for error in errors {
        let text = error.to_string();
        assert!(text.len() > 10 && text.is_ascii(), "{text:?}");
        assert!(seen.insert(text.clone()), "{text:?} twice");
    }
}

#[test]
fn errors_say_what_is_wrong_each_in_its_own_words() {
    are_different([
        AnswerError::StatusLine,
        AnswerError::HeadTooLarge,
        AnswerError::Message(Reject::HostMissing),
        AnswerError::Message(Reject::Method),
        AnswerError::Truncated,
        AnswerError::Interims,
        AnswerError::Upgrade,
    ]);
    are_different([
        ChunkError::Line,
        ChunkError::SizeOverflow,
        ChunkError::LineTooLong,
        ChunkError::ExtensionsTooLong,
        ChunkError::DataEnd,
        ChunkError::BodyTooLong,
    ]);
    are_different([
        ResponseError::Status,
        ResponseError::FieldName,
        ResponseError::FieldValue,
        ResponseError::Reserved,
        ResponseError::HeadTooLarge,
        ResponseError::Length,
        ResponseError::BodyNotAllowed,
        ResponseError::UpgradeNotOffered,
        ResponseError::Twice,
        ResponseError::Location,
        ResponseError::Cookie,
        ResponseError::Event,
        ResponseError::Format,
    ]);
    are_different([
        RequestError::Method,
        RequestError::Target,
        RequestError::Host,
        RequestError::FieldName,
        RequestError::FieldValue,
        RequestError::Reserved,
        RequestError::HeadTooLarge,
        RequestError::Length,
        RequestError::Trailer,
    ]);
    are_different([
        CallError::Request(RequestError::Method),
        CallError::Write("gone"),
        CallError::Read("gone"),
        CallError::Ended,
        CallError::Answer(AnswerError::Truncated),
    ]);
    are_different([testing::CallError::Stalled, testing::CallError::TooLarge, testing::CallError::Incomplete]);
    assert_eq!(CallError::Write("gone").to_string(), "the request could not be sent: gone");
}

#[test]
fn refusals_say_what_is_wrong_each_in_its_own_words() {
    are_different([
        Reject::RequestLine,
        Reject::Method,
        Reject::MethodTooLong,
        Reject::Connect,
        Reject::Target,
        Reject::RequestLineTooLong,
        Reject::Version,
        Reject::VersionUnsupported,
        Reject::BareLf,
        Reject::FieldName,
        Reject::FieldValue,
        Reject::TooManyFields,
        Reject::HeadTooLarge,
        Reject::HostMissing,
        Reject::HostRepeated,
        Reject::HostInvalid,
        Reject::ContentLength,
        Reject::ContentLengthRepeated,
        Reject::LengthAndEncoding,
        Reject::TransferEncoding,
        Reject::TransferEncodingUnknown,
        Reject::EncodingInHttp10,
        Reject::Expectation,
        Reject::BodyTooLarge,
        Reject::Trailer,
        Reject::TrailersTooLarge,
        Reject::Truncated,
        Reject::HeadTimeout,
        Reject::BodyTimeout,
        Reject::RequestTimeout,
    ]);
    assert_eq!(Reject::Chunk(ChunkError::Line).to_string(), ChunkError::Line.to_string());
    for reject in [Reject::Truncated, Reject::HostMissing] {
        assert_eq!(reject.to_string(), reject.message());
    }
}

/// As IANA's registry of HTTP status codes has them; those that are reserved or no longer used have none.
const REASONS: &str = "100 Continue,101 Switching Protocols,102 Processing,103 Early Hints,200 OK,201 Created,202 Accepted,\
    203 Non-Authoritative Information,204 No Content,205 Reset Content,206 Partial Content,207 Multi-Status,208 Already Reported,226 IM Used,\
    300 Multiple Choices,301 Moved Permanently,302 Found,303 See Other,304 Not Modified,305 Use Proxy,307 Temporary Redirect,\
    308 Permanent Redirect,400 Bad Request,401 Unauthorized,402 Payment Required,403 Forbidden,404 Not Found,405 Method Not Allowed,\
    406 Not Acceptable,407 Proxy Authentication Required,408 Request Timeout,409 Conflict,410 Gone,411 Length Required,412 Precondition Failed,\
    413 Content Too Large,414 URI Too Long,415 Unsupported Media Type,416 Range Not Satisfiable,417 Expectation Failed,421 Misdirected Request,\
    422 Unprocessable Content,423 Locked,424 Failed Dependency,425 Too Early,426 Upgrade Required,428 Precondition Required,\
    429 Too Many Requests,431 Request Header Fields Too Large,451 Unavailable For Legal Reasons,500 Internal Server Error,\
    501 Not Implemented,502 Bad Gateway,503 Service Unavailable,504 Gateway Timeout,505 HTTP Version Not Supported,\
    506 Variant Also Negotiates,507 Insufficient Storage,508 Loop Detected,511 Network Authentication Required";

#[test]
fn a_status_has_the_reason_that_is_registered_for_it() {
    let mut found = Vec::new();
    for code in 100..600 {
        let status = Status::new(code).unwrap();
        if !status.reason().is_empty() {
            found.push(format!("{code} {}", status.reason()));
            assert_eq!(status.to_string(), format!("{code} {}", status.reason()));
        }
        assert_eq!(status.is_bodiless(), matches!(code, 100..200 | 204 | 304), "{code}");
    }
    assert_eq!(found.join(","), REASONS);
}

#[test]
fn values_are_printed_as_they_are_written() {
    let date = Date::from_unix_seconds(784_111_777);
    assert_eq!(date.to_string(), common::DATE);
    assert_eq!(format!("{date:?}"), format!("Date({})", common::DATE));
    assert_eq!(Status::new(404).unwrap().to_string(), "404 Not Found");
    assert_eq!((Version::Http10.to_string(), Version::Http11.to_string()), ("HTTP/1.0".into(), "HTTP/1.1".into()));
    assert_eq!(Peer::Unknown.to_string(), "unknown");
    assert_eq!(Peer::Unix.to_string(), "unix");
    assert_eq!(Peer::Ip("[::1]:80".parse().unwrap()).to_string(), "[::1]:80");
    assert_eq!(RequestId::Number(0x1f).to_string(), "000000000000001f");
    assert_eq!(RequestId::Text("abc").to_string(), "abc");
    assert_eq!(RequestId::default(), RequestId::Number(0));
}

#[test]
fn a_method_is_known_by_its_name_and_no_other() {
    let methods = [
        (Method::Get, "GET", true),
        (Method::Head, "HEAD", true),
        (Method::Post, "POST", false),
        (Method::Put, "PUT", true),
        (Method::Delete, "DELETE", true),
        (Method::Connect, "CONNECT", false),
        (Method::Options, "OPTIONS", true),
        (Method::Trace, "TRACE", true),
        (Method::Patch, "PATCH", false),
    ];
    for (method, name, is_idempotent) in methods {
        assert_eq!(method.is_idempotent(), is_idempotent, "{name}");
        assert_eq!((Method::from_token(name), method.as_str(), &*method.to_string()), (method, name, name));
        let lower = name.to_ascii_lowercase();
        assert_eq!(Method::from_token(&lower), Method::Other(&lower));
    }
}

#[test]
fn what_a_handler_holds_is_printed() {
    let seen = RefCell::new(Vec::new());
    let handler = async |mut request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let see = |text: String| seen.borrow_mut().push(text);
        see(request.method().to_string());
        see(format!("{request:?}"));
        see(format!("{:?} {}", request.headers(), request.headers().is_empty()));
        see(format!("{response:?}"));
        let body = request.body();
        see(format!("{body:?}"));
        let chunk = body.chunk().await?;
        see(format!("{:?}", chunk.unwrap()));
        let head = response.status(200);
        see(format!("{head:?}"));
        let stream = head.stream().await?;
        see(format!("{stream:?}"));
        stream.finish().await
    };
    let outcome =
        Bench::new().run(&handler, &[b"PUT /a HTTP/1.1\r\nHost: a\r\nX: \"\xff\"\r\nContent-Length: 2\r\n\r\nh\n"]);
    assert_eq!(outcome.statuses(), [200]);
    let fields = r#"{"Host": "a", "X": "\"\xff\"", "Content-Length": "2"}"#;
    assert_eq!(
        *seen.borrow(),
        [
            "PUT".into(),
            format!(r#"Request {{ method: Method(PUT), target: "/a", version: Http11, headers: {fields}, .. }}"#),
            format!("{fields} false"),
            "Response { .. }".into(),
            "Body { is_over: false, .. }".into(),
            r#"Chunk(b"h\n")"#.into(),
            "ResponseHead { .. }".into(),
            "BodyStream { .. }".into(),
        ]
    );
}

#[test]
fn a_head_without_fields_has_none() {
    let head = Head::plain(
        b"GET /",
        &[],
        PlainHead { method: Span::new(0, 3), target: Span::new(4, 5), authority: Span::EMPTY, body: None },
    );
    assert!(head.fields().is_empty());
    assert_eq!((head.fields().len(), format!("{:?}", head.fields())), (0, "{}".into()));
    assert_eq!(head.method(), Method::Get);
}

#[test]
fn a_connection_and_what_a_client_holds_say_how_far_they_are() {
    let (mut input, mut output, mut fields) = ([0; 512], [0; 512], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    assert_eq!(format!("{slot:?}"), "Slot { input: 512, output: 512, fields: 8, .. }");
    let limits = Limits::DEFAULT;
    let connection = Connection::new(&mut slot, &limits, midge::Clock::now(&ManualClock::new()));
    assert_eq!(format!("{connection:?}"), "Connection { state: Idle, buffered: 0, pending: 0, .. }");
    let mut buffer = [0; 256];
    let head = RequestHead::new(&mut buffer, Method::Get, "/", Host::new("a").unwrap());
    assert_eq!(format!("{head:?}"), "RequestHead { error: None, .. }");
    let mut request = head.empty().unwrap();
    let length = request.pending().len();
    assert!(format!("{request:?}").starts_with(&format!("RequestBytes {{ pending: {length}, ")), "{request:?}");
    let (mut buffer, mut table) = ([0; 256], [Field::EMPTY; 4]);
    let mut reader = AnswerReader::new(&mut buffer, &mut table, &limits);
    assert_eq!(format!("{reader:?}"), "AnswerReader { received: 0, is_ready: false, .. }");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    reader.space()[..answer.len()].copy_from_slice(answer);
    assert_eq!(reader.received(answer.len()), Ok(true));
    assert_eq!(format!("{reader:?}"), format!("AnswerReader {{ received: {}, is_ready: true, .. }}", answer.len()));
    let (_, content) = reader.into_parts().unwrap();
    assert_eq!(format!("{content:?}"), "AnswerContent { kept: 0, is_over: false, .. }");
}

#[test]
fn errors_of_a_body_have_the_kind_that_io_has_for_them() {
    let kinds = RefCell::new(Vec::new());
    let handler = async |mut request: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> {
        let error = request.body().all().await.unwrap_err();
        kinds.borrow_mut().push((error.reject(), error.kind(), error.to_string()));
        Err(error.into())
    };
    let limits = Limits { body_in_memory_bytes: 4, ..Limits::DEFAULT };
    let large = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{HOST}5\r\nhello\r\n0\r\n\r\n");
    Bench::with(limits).run(&handler, &[large.as_bytes()]);
    let cut = format!("POST / HTTP/1.1\r\nContent-Length: 4\r\n{HOST}he");
    Bench::with(limits).run(&handler, &[cut.as_bytes()]);
    let kinds = kinds.take();
    assert_eq!((kinds[0].0, kinds[0].1), (Reject::BodyTooLarge, ErrorKind::OutOfMemory));
    assert_eq!((kinds[1].0, kinds[1].1), (Reject::Truncated, ErrorKind::InvalidData));
    assert_eq!(kinds[1].2, Reject::Truncated.to_string());
}

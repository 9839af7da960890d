//! What needs neither a connection nor a handler.

use core::{hint::black_box, time::Duration};

use midge::{
    AnswerBody, AnswerError, AnswerFraming, AnswerHead, AnswerPiece, BodyError, BodyFraming, Cause, ChunkError,
    ChunkStep, Chunked, Clock, Date, Deadline, Event, Facts, Failure, Field, FieldLines, Fields, Instant, Limits,
    ManualClock, Method, Peer, PercentEncoded, PercentError, Reject, RequestId, ResponseError, Span, State, Status,
    Version,
    client::{self, AnswerReader, Content, Host, RequestHead, Sending, Wire},
    framing, json_escape, letter_bits,
    testing::CallError,
};

use crate::{
    checks::{Checks, Text, check},
    io,
};

const FILE: u32 = 1;

/// Calls them all.
pub fn reach(checks: &mut Checks) {
    times(checks);
    tokens(checks);
    frames(checks);
    answers(checks);
    asking(checks);
    streaming(checks);
    failures(checks);
    encodings(checks);
}

fn times(checks: &mut Checks) {
    let instant = Instant::from_millis(black_box(5));
    let later = instant.after(Duration::from_secs(black_box(1)));
    check!(checks, later.as_millis() == 1_005 && later.since(instant) == Duration::from_secs(1));

    let clock = ManualClock::new();
    check!(checks, Clock::date(&&clock).is_none());
    clock.set(instant);
    clock.advance(Duration::from_millis(black_box(7)));
    clock.set_unix_seconds(black_box(784_111_777));
    check!(checks, Clock::now(&&clock).as_millis() == 12);
    check!(checks, clock.date().is_some_and(|date| date.as_str() == "Sun, 06 Nov 1994 08:49:37 GMT"));
    let date = Date::from_unix_seconds(black_box(0));
    check!(checks, date.as_bytes() == b"Thu, 01 Jan 1970 00:00:00 GMT" && date.as_bytes().len() == Date::LEN);

    check!(checks, black_box(State::Idle).after(black_box(Event::Bytes)) == State::Head);
    check!(checks, black_box(State::Linger).deadline() == Deadline::Linger);
}

fn tokens(checks: &mut Checks) {
    check!(checks, Method::from_token(black_box("PATCH")) == Method::Patch);
    check!(checks, Method::from_token(black_box("BREW")).as_str() == "BREW" && Method::MAX_LEN > 4);
    check!(checks, black_box(Version::Http11).as_str() == "1.1");
    check!(checks, letter_bits(black_box(b"content-type: te")).trailing_ones() == 12);
    check!(checks, json_escape(black_box(b"\\u0041")) == Ok(('A', 6)));
    let status = Status::new(black_box(404)).unwrap_or(Status::OK);
    check!(checks, status.code() == 404 && status.reason() == "Not Found" && status.digits() == *b"404");
    check!(checks, !status.is_interim() && !status.is_bodiless() && Status::INTERNAL_SERVER_ERROR.code() == 500);
    check!(checks, Text::of(format_args!("{status}")).as_str() == "404 Not Found");

    let (bytes, span) = (black_box(&b"name: value"[..]), Span::new(black_box(6), black_box(11)));
    check!(checks, span.of(bytes) == b"value" && span.text(bytes) == "value" && (span.start(), span.end()) == (6, 11));
    check!(checks, Span::with_length(6, black_box(5)) == span && Field::new(Span::EMPTY, Span::EMPTY) == Field::EMPTY);
    check!(checks, Fields::NONE.is_empty() && Fields::NONE.iter().len() == Fields::NONE.len());
    check!(checks, FieldLines::new(black_box("server: midge\r\n")) == FieldLines::new("server: midge\r\n"));

    for (text, wanted) in [
        (Text::of(format_args!("{}", black_box(RequestId::Number(255)))), "00000000000000ff"),
        (Text::of(format_args!("{}", black_box(RequestId::Text("r-1")))), "r-1"),
        (Text::of(format_args!("{}", black_box(Peer::Unix))), "unix"),
    ] {
        check!(checks, text.as_str() == wanted);
    }
}

fn frames(checks: &mut Checks) {
    let mut facts = Facts::new(black_box(Version::Http11));
    facts.note(black_box(b"Transfer-Encoding"), black_box(b"chunked"));
    check!(checks, framing(&facts).is_ok_and(|framing| framing.body == BodyFraming::Chunked && framing.keep_alive));
    facts.note(black_box(b"Content-Length"), black_box(b"5"));
    check!(checks, framing(&facts) == Err(Reject::LengthAndEncoding));
    let reject = black_box(Reject::LengthAndEncoding);
    check!(checks, reject.status().code() == 400 && Text::of(format_args!("{reject}")).as_str() == reject.message());

    let mut chunked = Chunked::new();
    let step = chunked.step(black_box(b"5\r\nhe"), black_box(16), &Limits::DEFAULT);
    check!(checks, step == Ok(ChunkStep::Data { start: 3, len: 2 }) && chunked.remaining_in_chunk() == 3);
    let error = Chunked::default().step(black_box(b"x"), black_box(1), &Limits::default());
    check!(checks, error == Err(ChunkError::Line));
    check!(checks, !ChunkError::Line.message().is_empty());
    check!(checks, !Text::of(format_args!("{}", black_box(ChunkError::DataEnd))).as_str().is_empty());
}

fn answers(checks: &mut Checks) {
    let (limits, mut table) = (Limits::DEFAULT, [Field::EMPTY; 4]);
    let received = black_box(&b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\ndone"[..]);
    let Ok(Some(head)) = AnswerHead::parse(received, &mut table, false, &limits) else { return check!(checks, false) };
    check!(checks, head.status().code() == 202 && head.keep_alive() && head.len() == received.len() - 4);
    check!(checks, head.fields().len() == 1 && head.framing() == AnswerFraming::Length(4));
    check!(checks, head.fields().bytes().eq([(&b"Content-Length"[..], &b"4"[..])]));
    let mut body = AnswerBody::new(head.framing());
    check!(checks, body.end_of_stream() == Err(AnswerError::Truncated));
    let piece = body.step(received.get(head.len()..).unwrap_or_default(), &limits);
    check!(checks, piece == Ok(AnswerPiece::Data { start: 0, len: 4 }) && body.end_of_stream().is_ok());
}

fn asking(checks: &mut Checks) {
    let (mut output, mut input, mut table) = ([0; 512], [0; 512], [Field::EMPTY; 4]);
    let Ok(host) = Host::new(black_box("example.com")) else { return check!(checks, false) };
    check!(checks, host.as_str() == "example.com" && Method::Get.is_idempotent() && !Method::Post.is_idempotent());
    let head = RequestHead::new(&mut output, black_box(Method::Get), black_box("/"), host);
    let head = head.header(black_box("accept"), "text/plain").header_fmt("number", format_args!("{}", black_box(7)));
    let Ok(mut request) = head.lines(FieldLines::new("a: b\r\n")).empty() else { return check!(checks, false) };
    check!(checks, request.is_finished() && request.pending().ends_with(b"number: 7\r\na: b\r\n\r\n"));
    request.sent(black_box(5));
    check!(checks, request.rewind() && request.pending().starts_with(b"GET / "));

    let answered = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    let limits = Limits::DEFAULT;
    let mut answer = AnswerReader::new(&mut input, &mut table, &limits).to_head(black_box(false));
    let mut wire = Wire::new(io::Wire::new(black_box(answered)), io::Wire::new(b""));
    check!(checks, matches!(io::at_once(wire.send(&mut request, &mut answer)), Some(Ok(Sending::Sent))));
    check!(checks, !answer.has_begun() && !answer.is_ready());
    check!(checks, matches!(io::at_once(wire.receive(&mut answer)), Some(Ok(()))));
    check!(checks, answer.has_begun() && answer.is_ready() && AnswerReader::MAX_INTERIMS > 0);
    let Some((head, mut content)) = answer.into_parts() else { return check!(checks, false) };
    check!(checks, head.status().code() == 200 && content.offset() == head.len());
    check!(checks, matches!(io::at_once(wire.read(&mut content)), Some(Ok(Some(b"hello")))));
    check!(checks, matches!(io::at_once(wire.gather(&mut content, black_box(8))), Some(Ok(true))));
    check!(checks, content.kept() == b"!" && content.can_reuse());
    check!(checks, content.into_kept() == b"!");
    let (_, writer) = wire.into_inner();
    check!(checks, writer.received().starts_with(b"GET / HTTP/1.1\r\nhost: example.com\r\n"));
}

fn streaming(checks: &mut Checks) {
    let (mut output, mut input, mut table) = ([0; 512], [0; 512], [Field::EMPTY; 4]);
    let Ok(host) = Host::new(black_box("a")) else { return check!(checks, false) };
    let limits = Limits::DEFAULT;
    let mut answer = AnswerReader::new(&mut input, &mut table, &limits);
    let mut wire = Wire::new(io::Wire::new(b""), io::Wire::new(b""));
    let head = RequestHead::with_target(&mut output, black_box(Method::Post), &[black_box("/a"), "/b"], host);
    let Ok(mut request) = head.chunked() else { return check!(checks, false) };
    check!(checks, matches!(request.write(black_box(b"one")), Ok(3)));
    let space = request.space().unwrap_or_default();
    space.iter_mut().take(2).for_each(|byte| *byte = b'2');
    request.commit(2);
    check!(checks, matches!(io::at_once(wire.write(&mut request, &mut answer, b"!")), Some(Ok(Sending::Sent))));
    check!(checks, matches!(request.trailer(black_box("sum"), "6"), Ok(true)));
    check!(checks, matches!(io::at_once(wire.finish(&mut request, &mut answer)), Some(Ok(Sending::Sent))));
    check!(checks, matches!(request.finish(), Ok(true)));
    check!(checks, wire.into_inner().1.received().ends_with(b"000006\r\none22!\r\n0\r\nsum: 6\r\n\r\n"));

    let received = b"HTTP/1.0 200 OK\r\n\r\n!";
    io::put(black_box(received), answer.space());
    check!(checks, answer.ended().is_ok() && matches!(answer.received(received.len()), Ok(true)));
    let Some((_, mut content)) = answer.into_parts() else { return check!(checks, false) };
    check!(checks, matches!(content.step(), Ok(Content::Data)) && content.data() == b"!" && content.keep(1) == 1);
    check!(checks, matches!(content.step(), Ok(Content::More)) && content.space().is_ok_and(|space| !space.is_empty()));
    content.received(0);
    check!(checks, content.ended().is_ok() && !content.can_reuse());

    let fixed = RequestHead::new(&mut output, black_box(Method::Put), "/", host).length(black_box(1_234));
    check!(checks, fixed.is_ok_and(|mut fixed| fixed.pending().ends_with(b"content-length: 1234\r\n\r\n")));
    let error = client::CallError::<core::convert::Infallible>::from(black_box(client::RequestError::Target));
    check!(checks, !Text::of(format_args!("{error}")).as_str().is_empty());
}

fn failures(checks: &mut Checks) {
    let failure = Failure::new(black_box(404)).because(black_box("no such thing"));
    check!(checks, failure.status().code() == 404 && failure.cause() == Cause::Handler("no such thing"));
    check!(checks, Text::of(format_args!("{failure}")).as_str() == "404 Not Found: no such thing");
    check!(checks, Failure::panicked().cause() == Cause::Panic);
    let failure = Failure::from(black_box(ResponseError::FieldName));
    check!(checks, failure.cause() == Cause::Response(ResponseError::FieldName));
    check!(checks, embedded_io_async::Error::kind(&failure) == embedded_io_async::ErrorKind::Other);
    check!(checks, !Text::of(format_args!("{}", black_box(CallError::Stalled))).as_str().is_empty());
}

/// What a body that failed says of itself.
pub fn body_error(checks: &mut Checks, error: BodyError) {
    check!(checks, error.reject() == Reject::BodyTooLarge);
    check!(checks, embedded_io_async::Error::kind(&error) == embedded_io_async::ErrorKind::OutOfMemory);
    check!(checks, Failure::from(error).status().code() == 413);
    check!(checks, !Text::of(format_args!("{error}")).as_str().is_empty());
}

fn encodings(checks: &mut Checks) {
    let mut buffer = [0; 8];
    let encoded = PercentEncoded::new(black_box("a%20b+"));
    check!(checks, encoded.raw() == b"a%20b+" && encoded.plain().is_none() && encoded.is("a b+"));
    check!(checks, encoded.decode_bytes(&mut buffer) == Ok(b"a b+") && encoded.bytes().count() == 4);
    let form = PercentEncoded::form(black_box("+1"));
    check!(checks, form.decode(&mut buffer) == Ok(" 1") && form.parse::<u8>() == Err(PercentError::Value));
    check!(checks, Failure::from(PercentError::Malformed).status().code() == 400);
}

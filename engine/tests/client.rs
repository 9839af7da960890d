//! The client's requests and answers, without a connection.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use midge::{
    AnswerError, ChunkStep, Chunked, Field, FieldLines, Limits, Method, Reject,
    client::{AnswerReader, Content, Host, RequestBytes, RequestError, RequestHead},
};

fn host() -> Host<'static> {
    Host::new("example.com:81").unwrap()
}

/// All that goes out of a request that is whole.
fn all(request: Result<RequestBytes<'_>, RequestError>) -> Result<String, RequestError> {
    let mut request = request?;
    assert!(request.finish()?);
    Ok(String::from_utf8(request.pending().to_vec()).unwrap())
}

#[test]
fn a_request_says_who_is_asked_and_where_its_body_ends() {
    fn begin<'b>(buffer: &'b mut [u8], method: Method<'_>) -> RequestHead<'b> {
        RequestHead::new(buffer, method, "/a?b=c", host())
    }
    let buffer = &mut [0; 256];
    assert_eq!(all(begin(buffer, Method::Get).empty()).unwrap(), "GET /a?b=c HTTP/1.1\r\nhost: example.com:81\r\n\r\n");
    let head = "POST /a?b=c HTTP/1.1\r\nhost: example.com:81\r\n";
    for method in [Method::Post, Method::Put, Method::Patch] {
        let name = method.as_str();
        let wanted = head.replace("POST", name) + "content-length: 0\r\n\r\n";
        assert_eq!(all(begin(buffer, method).empty()).unwrap(), wanted);
    }
    let chunked = all(begin(buffer, Method::Post).chunked()).unwrap();
    assert_eq!(chunked, format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"));
    for length in [0, 7, 10, 1_234_567_890, u64::MAX] {
        let mut request = begin(buffer, Method::Post).length(length).unwrap();
        let wanted = format!("{head}content-length: {length}\r\n\r\n");
        assert_eq!(request.pending(), wanted.as_bytes());
        assert_eq!(request.finish(), if length == 0 { Ok(true) } else { Err(RequestError::Length) });
    }
    const LINES: FieldLines = FieldLines::new("user-agent: midge\r\n");
    let head = RequestHead::with_target(buffer, Method::Options, &["", "*"], host()).lines(LINES);
    let head = head.header("date", "today").header("X-Raw", b"\xff\t").header_fmt("number", format_args!("{}", 7));
    let mut request = head.empty().unwrap();
    let wanted = b"OPTIONS * HTTP/1.1\r\nhost: example.com:81\r\nuser-agent: midge\r\ndate: today\r\nX-Raw: \xff\t\r\nnumber: 7\r\n\r\n";
    assert_eq!(request.pending(), wanted);
}

#[test]
fn nothing_that_could_split_a_request_is_written() {
    let buffer = &mut [0; 1_024];
    for name in ["", "a b", "a:", "a\r\nb", "é", "a\0"] {
        let head = RequestHead::new(buffer, Method::Get, "/", host()).header(name, "x");
        assert_eq!(all(head.empty()), Err(RequestError::FieldName), "{name:?}");
        let head = RequestHead::new(buffer, Method::Get, "/", host()).header_fmt(name, format_args!("x"));
        assert_eq!(all(head.empty()), Err(RequestError::FieldName), "{name:?}");
    }
    for value in ["\r", "\n", "a\r\nb: c", "a\0", "\u{7f}", "a\u{1}"] {
        let head = RequestHead::new(buffer, Method::Get, "/", host()).header("a", value).header("b", "good");
        assert_eq!(all(head.empty()), Err(RequestError::FieldValue), "{value:?}");
        let head = RequestHead::new(buffer, Method::Get, "/", host()).header_fmt("a", format_args!("{value}"));
        assert_eq!(all(head.empty()), Err(RequestError::FieldValue), "{value:?}");
    }
    let reserved =
        ["Host", "content-length", "Transfer-Encoding", "connection", "Keep-Alive", "upgrade", "TE", "Expect"];
    for name in reserved {
        let head = RequestHead::new(buffer, Method::Get, "/", host()).header(name, "x");
        assert_eq!(all(head.empty()), Err(RequestError::Reserved), "{name:?}");
    }
    for method in ["", "CONNECT", "G T", "GET\r", "É", &"M".repeat(33)] {
        for method in [Method::Other(method), Method::from_token(method)] {
            let head = RequestHead::new(buffer, method, "/", host());
            assert_eq!(all(head.empty()), Err(RequestError::Method), "{method}");
        }
    }
    let targets = [
        "",
        "a",
        "*",
        "/a b",
        "/a\r\nb",
        "/\0",
        "/é",
        "/a#b",
        "/<",
        "http://",
        "http:///a",
        "http://:80/",
        "http://a b/",
        "http://a@b/",
        "ftp://a/",
        "example.com:80",
    ];
    for target in targets {
        let head = RequestHead::new(buffer, Method::Get, target, host());
        assert_eq!(all(head.empty()), Err(RequestError::Target), "{target:?}");
    }
    for target in ["/", "/%20?a=b&c", "http://example.com", "http://[::1]:80", "HTTPS://example.com:8/x?y"] {
        assert!(all(RequestHead::new(buffer, Method::Get, target, host()).empty()).unwrap().contains(target));
    }
    for text in ["", ":", ":80", "a b", "a\r\nb", "a/b", "a@b", "é", "a:b", "[::1"] {
        assert_eq!(Host::new(text), Err(RequestError::Host), "{text:?}");
    }
    for text in ["localhost", "127.0.0.1:80", "[::1]:80", "a.example"] {
        assert_eq!(Host::new(text).unwrap().as_str(), text);
    }
}

#[test]
fn a_head_that_does_not_fit_is_not_sent() {
    fn head(buffer: &mut [u8]) -> Result<RequestBytes<'_>, RequestError> {
        RequestHead::new(buffer, Method::Post, "/path", host())
            .header("a", "b")
            .header_fmt("c", format_args!("{}-{}", "d", 5))
            .length(12)
    }
    let length = head(&mut [0; 256]).unwrap().pending().len();
    for room in 0..length {
        assert_eq!(head(&mut vec![0; room]).unwrap_err(), RequestError::HeadTooLarge, "{room} bytes");
    }
    assert!(head(&mut vec![0; length]).is_ok());
}

/// What the chunks in `bytes` hold, and what stands behind the last one's line.
fn decoded(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut chunked, mut content, mut at) = (Chunked::new(), Vec::new(), 0);
    loop {
        match chunked.step(&bytes[at..], usize::MAX, &Limits::DEFAULT).unwrap() {
            ChunkStep::Data { start, len } => {
                content.extend_from_slice(&bytes[at + start..at + start + len]);
                at += start + len;
            }
            ChunkStep::Last { consumed } => return (content, bytes[at + consumed..].to_vec()),
            ChunkStep::More => panic!("the chunks don't end"),
        }
    }
}

#[test]
fn a_streamed_body_is_the_same_whatever_the_buffer_and_whatever_goes_out_at_a_time() {
    let body: Vec<u8> = (0..=255).cycle().take(700).collect();
    for room in 80..130 {
        for (piece, rate) in [(1, 1), (700, 3), (7, 1_000), (64, 16), (13, 50)] {
            for chunked in [true, false] {
                let mut buffer = vec![0; room];
                let head = RequestHead::new(&mut buffer, Method::Post, "/", host());
                let mut request = if chunked { head.chunked() } else { head.length(700) }.unwrap();
                let mut wire = Vec::new();
                let drain = |request: &mut RequestBytes<'_>, wire: &mut Vec<u8>| {
                    let count = rate.min(request.pending().len());
                    assert!(count > 0, "nothing is pending, and nothing fits");
                    wire.extend_from_slice(&request.pending()[..count]);
                    request.sent(count);
                };
                for mut bytes in body.chunks(piece) {
                    while !bytes.is_empty() {
                        match request.write(bytes).unwrap() {
                            0 => drain(&mut request, &mut wire),
                            count => bytes = &bytes[count..],
                        }
                    }
                }
                while chunked && !request.trailer("check", "sum").unwrap() {
                    drain(&mut request, &mut wire);
                }
                while !request.finish().unwrap() {
                    drain(&mut request, &mut wire);
                }
                while !request.pending().is_empty() {
                    drain(&mut request, &mut wire);
                }
                assert!(request.is_finished());
                let head = wire.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                if chunked {
                    assert_eq!(decoded(&wire[head..]), (body.clone(), b"check: sum\r\n\r\n".to_vec()));
                } else {
                    assert_eq!(wire[head..], body);
                }
            }
        }
    }
}

#[test]
fn a_body_has_the_length_that_was_declared() {
    let buffer = &mut [0; 128];
    let mut request = RequestHead::new(buffer, Method::Post, "/", host()).length(3).unwrap();
    assert_eq!(request.write(b"four"), Err(RequestError::Length));
    assert_eq!(request.write(b"tw"), Ok(2));
    assert_eq!(request.finish(), Err(RequestError::Length));
    assert_eq!(request.trailer("a", "b"), Err(RequestError::Trailer));
    assert_eq!(request.write(b"o"), Ok(1));
    assert_eq!(
        (request.finish(), request.write(b""), request.write(b"x")),
        (Ok(true), Ok(0), Err(RequestError::Length))
    );
    assert!(request.pending().ends_with(b"\r\n\r\ntwo"));

    let mut request = RequestHead::new(buffer, Method::Get, "/", host()).empty().unwrap();
    assert_eq!(request.write(b"x"), Err(RequestError::Length));
    assert!(request.is_finished());

    // Filled in place, and no further than there is to come.
    let mut request = RequestHead::new(buffer, Method::Post, "/", host()).length(3).unwrap();
    request.space().unwrap().copy_from_slice(b"one");
    request.commit(3);
    assert_eq!(request.finish(), Ok(true));
    let mut request = RequestHead::new(buffer, Method::Post, "/", host()).chunked().unwrap();
    request.space().unwrap()[..3].copy_from_slice(b"one");
    request.commit(3);
    // A chunk that stays empty is none: it would end the body.
    assert!(request.pending().ends_with(b"000003\r\none\r\n"));
    assert!(!request.space().unwrap().is_empty());
    assert_eq!(request.finish(), Ok(true));
    assert!(request.pending().ends_with(b"000003\r\none\r\n0\r\n\r\n"));
    assert_eq!(request.space().unwrap_err(), RequestError::Length);
}

#[test]
fn a_trailer_is_a_field_that_may_be_one() {
    let buffer = &mut [0; 128];
    let mut request = RequestHead::new(buffer, Method::Post, "/", host()).chunked().unwrap();
    for (name, value) in [("a b", "c"), ("a", "b\r\nc"), ("content-length", "1"), ("Host", "a"), ("trailer", "a")] {
        assert_eq!(request.trailer(name, value), Err(RequestError::Trailer), "{name}: {value}");
    }
    assert_eq!(request.trailer("a", "x".repeat(128)), Err(RequestError::Trailer));
    assert_eq!(request.trailer("a", "b"), Ok(true));
    assert_eq!(request.trailer("c", "d"), Ok(true));
    assert_eq!(request.write(b"more"), Err(RequestError::Length));
    assert_eq!(request.finish(), Ok(true));
    assert!(request.pending().ends_with(b"\r\n\r\n0\r\na: b\r\nc: d\r\n\r\n"));
}

#[test]
fn a_request_is_sent_again_as_long_as_it_is_all_there() {
    let buffer = &mut [0; 100];
    let mut request = RequestHead::new(buffer, Method::Put, "/", host()).length(80).unwrap();
    let head = request.pending().to_vec();
    request.sent(head.len());
    assert!(request.pending().is_empty() && request.rewind());
    assert_eq!(request.pending(), head);
    request.sent(head.len());
    let count = request.write(&[b'x'; 80]).unwrap();
    assert!(count > 0 && count < 80 && request.rewind());
    assert_eq!(request.pending(), [head, vec![b'x'; count]].concat());
    request.sent(usize::MAX);
    // The rest takes the place of what went out.
    assert_eq!(request.write(&vec![b'y'; 80 - count]), Ok(80 - count));
    assert!(!request.rewind());
    assert_eq!(request.pending(), vec![b'y'; 80 - count]);
}

/// Status, body, and whether the connection can be kept; or why not.
type Answer = Result<(u16, Vec<u8>, bool), Option<AnswerError>>;

/// Reads an answer that comes in pieces that end at `cuts`, and then the end of the connection. The error is none where the connection ended
/// before the head.
fn answer(bytes: &[u8], cuts: &[usize], room: usize, to_head: bool, keep: bool) -> Answer {
    let limits = Limits { head_bytes: 400, body_bytes: 100, ..Limits::DEFAULT };
    let (mut buffer, mut table) = (vec![0; room], [Field::EMPTY; 8]);
    let mut at = 0;
    let mut more = |space: &mut [u8]| {
        assert!(!space.is_empty());
        let cut = cuts.iter().copied().find(|cut| *cut > at).unwrap_or(bytes.len()).min(bytes.len());
        let count = (cut - at).min(space.len());
        space[..count].copy_from_slice(&bytes[at..at + count]);
        at += count;
        count
    };
    let mut reader = AnswerReader::new(&mut buffer, &mut table, &limits).to_head(to_head);
    while !reader.is_ready() {
        match more(reader.space()) {
            0 => return Err(reader.ended().err()),
            count => {
                let ready = reader.received(count)?;
                assert_eq!(ready, reader.is_ready());
                assert!(reader.has_begun());
            }
        }
    }
    let (head, mut content) = reader.into_parts().unwrap();
    assert!(head.fields().len() <= 8);
    let mut body = Vec::new();
    loop {
        match content.step()? {
            Content::Data if keep => assert!(content.keep(usize::MAX) > 0),
            Content::Data => body.extend_from_slice(content.data()),
            Content::End => break,
            Content::More => match more(content.space()?) {
                0 => content.ended()?,
                count => content.received(count),
            },
        }
    }
    assert_eq!(content.step(), Ok(Content::End));
    let reuse = content.can_reuse();
    Ok((head.status().code(), if keep { content.into_kept().to_vec() } else { body }, reuse))
}

const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\na: b\r\n\r\n";
const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";

#[test]
fn an_answer_is_the_same_wherever_it_is_cut() {
    let interim = [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", LENGTH].concat();
    let good: [(&[u8], bool, &[u8], bool); 12] = [
        (CHUNKED, false, b"hello world", true),
        (LENGTH, false, b"hello world", true),
        (&interim, false, b"hello world", true),
        (b"HTTP/1.1 200 OK\r\n\r\nhello world", false, b"hello world", false),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, b"hi", false),
        (b"HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", false, b"hi", true),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", false, b"hi", false),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", false, b"", true),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", false, b"", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", true, b"", true),
        // Bytes behind an answer that nobody asked for.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", false, b"hi", false),
        (b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n", false, b"", false),
    ];
    for (bytes, to_head, body, reuse) in good {
        let code = answer(bytes, &[], 600, to_head, false).unwrap().0;
        // What comes later than the body's end isn't waited for.
        let matches = |got: &Answer| matches!(got, Ok((status, got, kept)) if *status == code && got == body && (*kept == reuse || (!reuse && *kept)));
        for keep in [true, false] {
            assert_eq!(answer(bytes, &[], 600, to_head, keep), Ok((code, body.to_vec(), reuse)));
            for first in 1..bytes.len() {
                for second in first..bytes.len() {
                    let got = answer(bytes, &[first, second], 600, to_head, keep);
                    assert!(
                        matches(&got),
                        "{:?} cut at {first} and {second}: {got:?}",
                        bytes.escape_ascii().to_string()
                    );
                }
            }
            // One byte at a time, and through as little room as there may be.
            let cuts: Vec<usize> = (1..bytes.len()).collect();
            assert!(matches(&answer(bytes, &cuts, 160, to_head, keep)));
            // Cut off, it is never taken for whole, unless its end is the connection's.
            for end in 0..bytes.len() {
                match answer(&bytes[..end], &[], 600, to_head, keep) {
                    Err(None | Some(AnswerError::Truncated)) => {}
                    Ok((_, got, kept)) => assert!(!kept && body.starts_with(&got) || end + 17 >= bytes.len()),
                    Err(other) => panic!("{other:?} after {end} bytes"),
                }
            }
        }
    }
}

#[test]
fn what_is_no_answer_is_an_error_wherever_it_is_cut() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let interims = "HTTP/1.1 100 Continue\r\n\r\n".repeat(33) + "HTTP/1.1 200 OK\r\n\r\n";
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(9));
    let large = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(500));
    let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(5_000));
    let more = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(101));
    let (bad_chunk, data_end) = (format!("{chunked}x\r\n"), format!("{chunked}1\r\nab\r\n"));
    let too_much = format!("{chunked}65\r\n");
    let (trailer, trailers) =
        (format!("{chunked}0\r\na b\r\n\r\n"), format!("{chunked}0\r\na: {}", "x".repeat(10_000)));
    let cases: [(&str, AnswerError); 23] = [
        ("SSH-2.0-x\r\n", AnswerError::StatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", AnswerError::StatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", AnswerError::StatusLine),
        ("HTTP/1.1 600 OK\r\n\r\n", AnswerError::StatusLine),
        ("HTTP/1.1 200 OK\n\r\n", AnswerError::StatusLine),
        ("HTTP/1.1 200\r\r\n\r\n", AnswerError::StatusLine),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", AnswerError::Upgrade),
        (&interims, AnswerError::Interims),
        (&large, AnswerError::HeadTooLarge),
        (&endless, AnswerError::HeadTooLarge),
        (&many, AnswerError::Message(Reject::TooManyFields)),
        ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", AnswerError::Message(Reject::FieldName)),
        ("HTTP/1.1 200 OK\r\na: b\n\r\n", AnswerError::Message(Reject::BareLf)),
        ("HTTP/1.1 200 OK\r\n\ra: b\r\n\r\n", AnswerError::Message(Reject::BareLf)),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", AnswerError::Message(Reject::ContentLength)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", AnswerError::Message(Reject::BodyTooLarge)),
        (&more, AnswerError::Message(Reject::BodyTooLarge)),
        (&too_much, AnswerError::Message(Reject::Chunk(midge::ChunkError::BodyTooLong))),
        (&bad_chunk, AnswerError::Message(Reject::Chunk(midge::ChunkError::Line))),
        (&data_end, AnswerError::Message(Reject::Chunk(midge::ChunkError::DataEnd))),
        (&trailer, AnswerError::Message(Reject::Trailer)),
        (&trailers, AnswerError::Message(Reject::TrailersTooLarge)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", AnswerError::Truncated),
    ];
    for (text, error) in cases {
        let bytes = text.as_bytes();
        for room in [600, 20_000] {
            assert_eq!(answer(bytes, &[], room, false, false), Err(Some(error)), "{text:.60?} in {room}");
            let one_by_one: Vec<usize> = (1..bytes.len()).collect();
            assert_eq!(
                answer(bytes, &one_by_one, room, false, false),
                Err(Some(error)),
                "{text:.60?} by the byte in {room}"
            );
            for cut in 1..bytes.len().min(200) {
                assert_eq!(
                    answer(bytes, &[cut], room, false, false),
                    Err(Some(error)),
                    "{text:.60?} cut at {cut} in {room}"
                );
            }
        }
    }
    // A head that leaves no room for its body.
    assert_eq!(answer(LENGTH, &[], LENGTH.len() - 11 + 63, false, false), Err(Some(AnswerError::HeadTooLarge)));
    assert!(answer(LENGTH, &[], LENGTH.len() - 11 + 64, false, false).is_ok());
    // Behind an interim one, too.
    let both = [b"HTTP/1.1 100 Continue\r\n\r\n", LENGTH].concat();
    assert_eq!(answer(&both, &[], both.len() - 11 + 63, false, false), Err(Some(AnswerError::HeadTooLarge)));
    assert!(answer(&both, &[], both.len() - 11 + 64, false, false).is_ok());
}

#[test]
fn of_a_body_that_is_too_large_the_beginning_is_kept() {
    for limit in 0..12 {
        let (mut buffer, mut table) = ([0; 512], [Field::EMPTY; 8]);
        let mut reader = AnswerReader::new(&mut buffer, &mut table, &Limits::DEFAULT);
        reader.space()[..CHUNKED.len()].copy_from_slice(CHUNKED);
        assert_eq!(reader.received(CHUNKED.len()), Ok(true));
        let (head, mut content) = reader.into_parts().unwrap();
        assert_eq!((head.len(), content.offset()), (47, 47));
        while content.step().unwrap() == Content::Data {
            content.keep(limit - content.kept().len());
        }
        assert_eq!(content.kept(), &b"hello world"[..limit.min(11)]);
        assert!(content.can_reuse());
    }
}

/// A status line that goes wrong is seen at once. Of the fields only the end is looked for, so that a head that comes byte by byte costs no more
/// than it has bytes.
#[test]
fn a_head_that_dribbles_in_is_looked_at_with_its_first_bytes_and_its_end() {
    let limits = Limits { head_bytes: 64, ..Limits::DEFAULT };
    let received = |room: usize, pieces: &[&str]| {
        let (mut buffer, mut table) = (vec![0; room], [Field::EMPTY; 8]);
        let mut reader = AnswerReader::new(&mut buffer, &mut table, &limits);
        assert!(!reader.has_begun());
        for (number, piece) in (1..).zip(pieces) {
            reader.space()[..piece.len()].copy_from_slice(piece.as_bytes());
            match reader.received(piece.len()) {
                Ok(false) => assert!(reader.has_begun()),
                other => return (number, other),
            }
        }
        (0, reader.ended().map(|()| false))
    };
    let (line, bad, error) = ("HTTP/1.1 200 OK\r\n", "a b: c\r\n", Err(AnswerError::Message(Reject::FieldName)));
    assert_eq!(received(300, &["SSH"]), (1, Err(AnswerError::StatusLine)));
    assert_eq!(received(300, &[line, bad, "d: e\r\n", "\r\n"]), (4, error));
    assert_eq!(received(300, &["HTTP/1.1 100 Continue\r\n\r\n", line, bad, "d: e\r\n", "\r\n"]), (5, error));
    assert_eq!(received(300, &[&[line, bad].concat()]), (1, error));
    // With the connection's end, what is there is looked at.
    assert_eq!(received(300, &[line, bad]), (0, error));
    assert_eq!(received(300, &[line, "a: b\r\n"]), (0, Ok(false)));
    // At the limit, and where the buffer is full, it can't become whole any more.
    for (room, length) in [(300, 64), (40, 40)] {
        let fields = "a: ".to_owned() + &"x".repeat(length - line.len() - 4);
        assert_eq!(received(room, &[line, &fields]), (0, Ok(false)));
        assert_eq!(received(room, &[line, &fields, "x"]), (3, Err(AnswerError::HeadTooLarge)));
    }
}

#[test]
fn nothing_is_the_beginning_of_no_answer() {
    for room in [0, 100] {
        let (mut buffer, mut table) = (vec![0; room], [Field::EMPTY; 8]);
        let mut reader = AnswerReader::new(&mut buffer, &mut table, &Limits::DEFAULT);
        assert_eq!(reader.ended(), Ok(()));
        let mut reader = AnswerReader::new(&mut buffer, &mut table, &Limits::DEFAULT);
        assert!(room == 0 || reader.received(0) == Ok(false));
        assert!(!reader.has_begun() && !reader.is_ready());
    }
}

/// What was looked at makes room for what comes, in front of what wasn't.
#[test]
fn a_trailer_section_has_the_whole_buffer_behind_what_was_kept() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answered = |trailer: usize, room: usize, keep: bool| {
        let trailer = "t".repeat(trailer - "a: \r\n\r\n".len());
        let text = format!("{head}20\r\n{}\r\n0\r\na: {trailer}\r\n\r\n", "x".repeat(32));
        answer(text.as_bytes(), &[], head.len() + room, false, keep)
    };
    let body = vec![b'x'; 32];
    assert_eq!(answered(80, 80, false), Ok((200, body.clone(), true)));
    assert_eq!(answered(81, 80, false), Err(Some(AnswerError::Message(Reject::TrailersTooLarge))));
    assert_eq!(answered(80 - 32, 80, true), Ok((200, body, true)));
    assert_eq!(answered(81 - 32, 80, true), Err(Some(AnswerError::Message(Reject::BodyTooLarge))));
}

#[test]
fn what_is_no_digit_in_a_status_line_is_refused_however_many_there_are() {
    for first in *b"*/:;?x\xb0" {
        for second in *b"*/:;?x\xb0" {
            for (one, other) in [(7, 7), (7, 9), (7, 10), (7, 11), (9, 10), (9, 11), (10, 11)] {
                let mut line = *b"HTTP/1.1 200 OK\r\n\r\n";
                (line[one], line[other]) = (first, second);
                let got = answer(&line, &[], 600, false, false);
                assert_eq!(got, Err(Some(AnswerError::StatusLine)), "{}", line.escape_ascii());
            }
        }
    }
}

//! Answers, byte for byte.
//!
//! Invariant: what a handler writes goes out framed so that its client reads exactly that; nothing that the types or the checks
//! refuse reaches the wire; and an answer that can't be completed is never one that looks complete.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::cell::{Cell, RefCell};

use common::{Bench, DATE_LINE, HOST, Outcome, Stop, answer, answer_tiny, ask};
use midge::{Cause, Ended, Failure, FieldLines, Handler, Limits, Request, Response, ResponseError, Sent};

const KEEP_10: &str = "connection: keep-alive\r\n";
const CLOSE: &str = "connection: close\r\n";

fn expect(handler: &impl Handler, method: &str, version: &str, lines: &[&str], kept: bool) {
    let wanted = lines.concat();
    assert_eq!(answer(handler, &ask(method, version)), (wanted, kept), "{method} HTTP/{version}");
}

#[test]
fn a_body_of_known_length() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        response.status(200).header("content-type", "text/plain").header("X-Case", b"\t\xc3\xa9 ").body("Hello").await
    };
    let head = ["HTTP/1.1 200 OK\r\n", "content-type: text/plain\r\n", "X-Case: \t\u{e9} \r\n", DATE_LINE];
    let with = |rest: &[&'static str]| [&head[..], rest].concat();
    expect(&handler, "GET", "1.1", &with(&["content-length: 5\r\n\r\nHello"]), true);
    expect(&handler, "GET", "1.0", &with(&[KEEP_10, "content-length: 5\r\n\r\nHello"]), true);
    expect(&handler, "HEAD", "1.1", &with(&["content-length: 5\r\n\r\n"]), true);
    expect(&handler, "HEAD", "1.0", &with(&[KEEP_10, "content-length: 5\r\n\r\n"]), true);
}

#[test]
fn an_empty_answer_of_every_status() {
    for status in 200..=599_u16 {
        let handler = async |_: Request<'_>, response: Response<'_>| response.status(status).empty().await;
        let (text, kept) = answer(&handler, &ask("GET", "1.1"));
        let reason = midge::Status::new(status).unwrap().reason();
        let length = if matches!(status, 204 | 304) { "" } else { "content-length: 0\r\n" };
        assert_eq!(text, format!("HTTP/1.1 {status} {reason}\r\n{DATE_LINE}{length}\r\n"));
        assert!(kept);
    }
}

#[test]
fn statuses_without_a_body_refuse_one() {
    for (status, body_allowed) in [(204, false), (205, false), (304, true)] {
        for method in ["GET", "HEAD"] {
            let body = async |_: Request<'_>, response: Response<'_>| response.status(status).body("body").await;
            let stream = async |_: Request<'_>, response: Response<'_>| {
                let mut body = response.status(status).stream().await?;
                body.write("body").await?;
                body.finish().await
            };
            let answers = [answer(&body, &ask(method, "1.1")), answer(&stream, &ask(method, "1.1"))];
            for (text, kept) in answers {
                let wanted = if body_allowed { status } else { 500 };
                assert!(text.starts_with(&format!("HTTP/1.1 {wanted} ")) && kept, "{text}");
                assert!(!body_allowed || text.ends_with("\r\n\r\n"), "{text}");
            }
        }
    }
    // A 304 tells the length that a 200 would have had; a 204 tells none.
    let declared =
        |status| async move |_: Request<'_>, response: Response<'_>| response.status(status).length(77).empty().await;
    assert!(answer(&declared(304), &ask("GET", "1.1")).0.ends_with("content-length: 77\r\n\r\n"));
    assert!(answer(&declared(204), &ask("GET", "1.1")).0.ends_with(&format!("{DATE_LINE}\r\n")));
    assert!(answer(&declared(205), &ask("GET", "1.1")).0.starts_with("HTTP/1.1 500 "));
}

#[test]
fn a_body_that_is_only_told_of_has_the_length_that_was_declared() {
    for (method, status) in [("HEAD", 200), ("HEAD", 304), ("GET", 304)] {
        for (declared, content, accepted) in [
            (5, "", true),
            (5, "hello", true),
            (5, "hell", false),
            (5, "hello!", false),
            (0, "", true),
            (0, "x", false),
        ] {
            let body = async |_: Request<'_>, response: Response<'_>| {
                response.status(status).length(declared).body(content).await
            };
            let (text, kept) = answer(&body, &ask(method, "1.1"));
            let wanted = if accepted { status } else { 500 };
            assert!(text.starts_with(&format!("HTTP/1.1 {wanted} ")) && kept, "{declared} {content}: {text}");
            assert!(!accepted || text.ends_with(&format!("content-length: {declared}\r\n\r\n")), "{text}");
            let stream = async |_: Request<'_>, response: Response<'_>| {
                let mut body = response.status(status).length(declared).stream().await?;
                body.write(content).await?;
                body.finish().await
            };
            assert_eq!(answer(&stream, &ask(method, "1.1")), (text, kept), "{declared} {content}");
        }
    }
}

#[test]
fn a_stream_of_unknown_length() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).header("x", "y").stream().await?;
        body.write("one ").await?;
        body.write("").await?;
        body.write("two").await?;
        body.flush().await?;
        body.flush().await?;
        body.write(" three").await?;
        body.finish().await
    };
    let head = ["HTTP/1.1 200 OK\r\nx: y\r\n", DATE_LINE];
    let with = |rest: &[&'static str]| [&head[..], rest].concat();
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    expect(&handler, "GET", "1.1", &with(&[chunked, "0007\r\none two\r\n0006\r\n three\r\n0\r\n\r\n"]), true);
    expect(&handler, "HEAD", "1.1", &with(&[chunked]), true);
    expect(&handler, "GET", "1.0", &with(&[CLOSE, "\r\none two three"]), false);
    expect(&handler, "HEAD", "1.0", &with(&[KEEP_10, "\r\n"]), true);
}

#[test]
fn a_stream_of_declared_length() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).length(9).stream().await?;
        for piece in ["one ", "", "two", "!!"] {
            body.write(piece).await?;
        }
        body.finish().await
    };
    let head = ["HTTP/1.1 200 OK\r\n", DATE_LINE];
    let with = |rest: &[&'static str]| [&head[..], rest].concat();
    expect(&handler, "GET", "1.1", &with(&["content-length: 9\r\n\r\none two!!"]), true);
    expect(&handler, "HEAD", "1.1", &with(&["content-length: 9\r\n\r\n"]), true);
    expect(&handler, "GET", "1.0", &with(&[KEEP_10, "content-length: 9\r\n\r\none two!!"]), true);
    let told = async |_: Request<'_>, response: Response<'_>| response.status(200).length(u64::MAX).empty().await;
    expect(&told, "HEAD", "1.1", &with(&["content-length: 18446744073709551615\r\n\r\n"]), true);
}

#[test]
fn interim_answers_come_first_and_not_to_http_1_0() {
    let handler = async |_: Request<'_>, mut response: Response<'_>| {
        response.interim(103).header("link", "</a>").header("link", "</b>").send().await?;
        response.interim(102).send().await?;
        for refused in [99, 101, 200, 204, 600] {
            assert!(response.interim(refused).send().await.is_err(), "{refused}");
        }
        assert!(response.interim(103).header("a b", "c").send().await.is_err());
        assert!(response.interim(103).header("a", "c\r\nd: e").send().await.is_err());
        assert!(response.interim(103).header("content-length", "5").send().await.is_err());
        response.status(200).body("ok").await
    };
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
    let (ok, end) = ("HTTP/1.1 200 OK\r\n", "content-length: 2\r\n\r\nok");
    expect(&handler, "GET", "1.1", &[early, ok, DATE_LINE, end], true);
    expect(&handler, "GET", "1.0", &[ok, DATE_LINE, KEEP_10, end], true);
}

#[test]
fn an_interim_answer_that_is_not_sent_leaves_nothing() {
    let handler = async |_: Request<'_>, mut response: Response<'_>| {
        drop(response.interim(103).header("link", "</a>"));
        drop(response.interim(103).header("bad name", "x").send());
        response.status(200).body("ok").await
    };
    expect(&handler, "GET", "1.1", &["HTTP/1.1 200 OK\r\n", DATE_LINE, "content-length: 2\r\n\r\nok"], true);
}

#[test]
fn trailers_go_behind_chunks_and_nowhere_else() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        body.write("content").await?;
        body.trailer("x-one", "1").await?;
        for (name, value) in
            [("x y", "1"), ("", "1"), ("x", "1\r\ny: 2"), ("x", "\0"), ("content-length", "1"), ("Upgrade", "x")]
        {
            assert!(body.trailer(name, value).await.is_err(), "{name}: {value}");
        }
        assert!(body.write("more").await.is_err());
        body.trailer("x-two", "2").await?;
        body.finish().await
    };
    let head = ["HTTP/1.1 200 OK\r\n", DATE_LINE];
    let with = |rest: &[&'static str]| [&head[..], rest].concat();
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    expect(&handler, "GET", "1.1", &with(&[chunked, "0007\r\ncontent\r\n0\r\nx-one: 1\r\nx-two: 2\r\n\r\n"]), true);
    expect(&handler, "HEAD", "1.1", &with(&[chunked]), true);
    expect(&handler, "GET", "1.0", &with(&[CLOSE, "\r\ncontent"]), false);
    let declared = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).length(2).stream().await?;
        body.write("ok").await?;
        body.trailer("x", "y").await?;
        body.finish().await
    };
    expect(&declared, "GET", "1.1", &with(&["content-length: 2\r\n\r\nok"]), true);
}

#[test]
fn a_refused_date_trailer_does_not_go_out() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        assert!(body.trailer("date", "never").await.is_err());
        body.trailer("x", "y").await?;
        body.finish().await
    };
    expect(
        &handler,
        "GET",
        "1.1",
        &["HTTP/1.1 200 OK\r\n", DATE_LINE, "transfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n"],
        true,
    );
}

#[test]
fn trailers_are_let_in_behind_a_head_with_its_own_date() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).header("date", "today").stream().await?;
        body.trailer("x", "y").await?;
        body.finish().await
    };
    let lines = ["HTTP/1.1 200 OK\r\n", "date: today\r\n", "transfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n"];
    expect(&handler, "GET", "1.1", &lines, true);
}

#[test]
fn trailers_wait_for_room() {
    for size in 0..500 {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let mut body = response.status(200).stream().await?;
            body.write(&[b'x'; 500][..size]).await?;
            body.trailer("x-trailer", [b'y'; 60]).await?;
            body.trailer("x-trailer", [b'z'; 60]).await?;
            body.finish().await
        };
        let (text, kept) = answer_tiny(&handler);
        assert!(text.ends_with("z\r\n\r\n") && kept, "{size}: {text}");
    }
}

#[test]
fn a_large_body_passes_through_a_small_buffer() {
    for size in [0, 1, 100, 255, 256, 257, 511, 512, 513, 1_000, 10_000, 70_000] {
        let content: Vec<u8> = (0..size).map(|n| b'a' + (n % 26) as u8).collect();
        let at_once = async |_: Request<'_>, response: Response<'_>| response.status(200).body(&content).await;
        let (text, kept) = answer_tiny(&at_once);
        assert!(
            kept && text.ends_with(std::str::from_utf8(&content).unwrap())
                && text.contains(&format!("content-length: {size}\r\n\r\n"))
        );
        for piece in [1, 7, 499, 512, 5_000] {
            let streamed = async |_: Request<'_>, response: Response<'_>| {
                let mut body = response.status(200).stream().await?;
                for part in content.chunks(piece) {
                    body.write(part).await?;
                }
                body.finish().await
            };
            let (text, kept) = answer_tiny(&streamed);
            let (_, chunks) = text.split_once("\r\n\r\n").unwrap();
            assert!(kept && unchunk(chunks) == content, "{size} by {piece}: {text}");
        }
    }
    // One chunk is no larger than four digits tell.
    let content = vec![b'x'; 200_000];
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        body.write(&content[..65_535]).await?;
        body.write(&content).await?;
        body.finish().await
    };
    let outcome = Bench::sized(1024, 300_000, 8, Limits::DEFAULT).run(&handler, &[ask("GET", "1.1").as_bytes()]);
    assert_eq!(unchunk(outcome.text().split_once("\r\n\r\n").unwrap().1).len(), 265_535);
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        for piece in content.chunks(40_000) {
            body.write(piece).await?;
        }
        body.finish().await
    };
    let outcome = Bench::sized(1024, 300_000, 8, Limits::DEFAULT).run(&handler, &[ask("GET", "1.1").as_bytes()]);
    let chunks = outcome.text().split_once("\r\n\r\n").unwrap().1;
    assert!(unchunk(chunks) == content && chunks.starts_with("ffff\r\nx"), "{outcome:?}");
}

/// A chunked body without extensions and trailers, to its very end.
fn unchunk(mut text: &str) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let (line, rest) = text.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(line, 16).unwrap();
        let (data, rest) = rest.split_at(size);
        text = rest.strip_prefix("\r\n").unwrap();
        if size == 0 {
            assert_eq!(text, "");
            return content;
        }
        content.extend_from_slice(data.as_bytes());
    }
}

#[test]
fn more_or_fewer_bytes_than_declared_are_an_error_and_never_look_complete() {
    let error = Cell::new(None);
    let run = |declared: u64, pieces: &[&'static str], flush: bool| -> Outcome {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let mut body = response.status(200).length(declared).stream().await?;
            for piece in pieces {
                if let Err(failure) = body.write(piece).await {
                    error.set(Some(failure.cause()));
                    return Err(failure);
                }
                if flush {
                    body.flush().await?;
                }
            }
            let finished = body.finish().await;
            error.set(finished.as_ref().err().map(Failure::cause));
            finished
        };
        Bench::new().run(&handler, &[ask("GET", "1.1").as_bytes()])
    };
    for (declared, pieces) in [(3, &["ab", "cd"][..]), (3, &["abcd"]), (5, &["ab", "cd"]), (1, &[]), (0, &["x"])] {
        // Nothing is out yet: the client is told so. Else the connection is cut, short of the declared length.
        assert_eq!(run(declared, pieces, false).statuses(), [500]);
        assert_eq!(error.take(), Some(Cause::Response(ResponseError::Length)));
        let outcome = run(declared, pieces, true);
        let body = outcome.text().split_once("\r\n\r\n").unwrap().1;
        assert_eq!(error.take(), Some(Cause::Response(ResponseError::Length)));
        let cut = outcome.statuses() == [200] && (body.len() as u64) < declared;
        assert!(cut || outcome.statuses() == [500], "{outcome:?}");
        assert!(matches!(outcome.stop, Stop::Ended(_)));
    }
    let handler = async |_: Request<'_>, response: Response<'_>| response.status(200).length(3).body("four").await;
    assert!(answer(&handler, &ask("GET", "1.1")).0.starts_with("HTTP/1.1 500 "));
}

#[test]
fn fields_that_split_an_answer_are_refused_byte_by_byte() {
    let refused = |status: &str, handler: &dyn Fn(&RefCell<Vec<ResponseError>>) -> String| {
        let errors = RefCell::new(Vec::new());
        let text = handler(&errors);
        assert!(text.starts_with(status), "{text}");
        errors.take()
    };
    for byte in 0..=u8::MAX {
        for (before, after) in [("", ""), ("a", ""), ("", "b"), ("abcdefgh", "ijklmnopq")] {
            let text = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            let is_value = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            let is_name = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);

            let value =
                async |_: Request<'_>, response: Response<'_>| response.status(200).header("x", &text).body("ok").await;
            let outcome = Bench::new().run(&value, &[ask("GET", "1.1").as_bytes()]);
            assert_eq!(outcome.statuses(), [if is_value { 200 } else { 500 }], "{byte:#x}");
            assert_eq!(outcome.out.windows(text.len() + 3).any(|line| line == [b"x: ", &text[..]].concat()), is_value);

            let trailer = async |_: Request<'_>, response: Response<'_>| {
                let mut body = response.status(200).stream().await?;
                assert_eq!(body.trailer("x", &text).await.is_ok(), is_value);
                body.finish().await
            };
            let outcome = Bench::new().run(&trailer, &[ask("GET", "1.1").as_bytes()]);
            let tail =
                if is_value { [b"0\r\nx: ", &text[..], b"\r\n\r\n"].concat() } else { b"\r\n0\r\n\r\n".to_vec() };
            assert!(outcome.out.ends_with(&tail), "{outcome:?}");

            let Ok(text) = std::str::from_utf8(&text) else { continue };
            let name =
                async |_: Request<'_>, response: Response<'_>| response.status(200).header(text, "v").body("ok").await;
            let formatted = async |_: Request<'_>, response: Response<'_>| {
                response.status(200).header_fmt("x", format_args!("{text}{}", 1)).body("ok").await
            };
            for (fits, outcome) in [
                (is_name, Bench::new().run(&name, &[ask("GET", "1.1").as_bytes()])),
                (is_value, Bench::new().run(&formatted, &[ask("GET", "1.1").as_bytes()])),
            ] {
                assert_eq!(outcome.statuses(), [if fits { 200 } else { 500 }], "{byte:#x}");
            }
        }
    }
    // The error names what was wrong, and it is the first one.
    let cause = |name: &str, value: &str| {
        refused("HTTP/1.1 500 ", &|errors| {
            let handler = async |_: Request<'_>, response: Response<'_>| {
                let failure = response.status(200).header(name, value).header("", "").body("ok").await.unwrap_err();
                let Cause::Response(error) = failure.cause() else { panic!("{failure:?}") };
                errors.borrow_mut().push(error);
                Err(failure)
            };
            answer(&handler, &ask("GET", "1.1")).0
        })
        .remove(0)
    };
    assert_eq!(cause("", "x"), ResponseError::FieldName);
    assert_eq!(cause("a:", "x"), ResponseError::FieldName);
    assert_eq!(cause("a", "\n"), ResponseError::FieldValue);
    for name in ["content-length", "Transfer-Encoding", "CONNECTION", "Keep-Alive", "upgrade"] {
        assert_eq!(cause(name, "x"), ResponseError::Reserved, "{name}");
    }
    assert_eq!(cause("a", &"x".repeat(9_000)), ResponseError::HeadTooLarge);
}

#[test]
fn a_handlers_date_replaces_the_engines() {
    const LINES: FieldLines = FieldLines::new("server: midge\r\nx:y\r\n");
    let handler = async |_: Request<'_>, response: Response<'_>| {
        response.status(404).lines(LINES).header("DATE", "then").lines(FieldLines::new("")).empty().await
    };
    expect(
        &handler,
        "GET",
        "1.1",
        &["HTTP/1.1 404 Not Found\r\nserver: midge\r\nx:y\r\nDATE: then\r\ncontent-length: 0\r\n\r\n"],
        true,
    );
}

#[test]
fn close_says_so_and_closes() {
    let handler = async |_: Request<'_>, response: Response<'_>| response.status(200).close().body("ok").await;
    for version in ["1.1", "1.0"] {
        expect(
            &handler,
            "GET",
            version,
            &["HTTP/1.1 200 OK\r\n", DATE_LINE, CLOSE, "content-length: 2\r\n\r\nok"],
            false,
        );
    }
    // So does what the client says.
    let plain = async |_: Request<'_>, response: Response<'_>| response.status(200).body("ok").await;
    for head in [
        "GET / HTTP/1.1\r\nConnection: x, Close\r\n",
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n",
    ] {
        let wanted = ["HTTP/1.1 200 OK\r\n", DATE_LINE, CLOSE, "content-length: 2\r\n\r\nok"].concat();
        assert_eq!(answer(&plain, &format!("{head}{HOST}")), (wanted, false));
    }
}

#[test]
fn a_status_that_is_not_final_is_refused() {
    for status in [0, 1, 99, 100, 102, 103, 150, 199, 600, 999, u16::MAX] {
        let handler = async |_: Request<'_>, response: Response<'_>| response.status(status).body("ok").await;
        assert!(answer(&handler, &ask("GET", "1.1")).0.starts_with("HTTP/1.1 500 "), "{status}");
        assert_eq!(Failure::new(status).status().code(), 500);
    }
}

#[test]
fn switching_protocols_needs_an_upgrade() {
    let handler = async |_: Request<'_>, response: Response<'_>| response.status(101).empty().await;
    assert!(answer(&handler, &ask("GET", "1.1")).0.starts_with("HTTP/1.1 500 "));
}

#[test]
fn an_upgrade_has_to_be_offered_and_the_body_read() {
    let offer = "Connection: upgrade\r\nUpgrade: a, b\r\n";
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        if request.path() == "/read" {
            request.body().all().await?;
        }
        let status = if request.path() == "/200" { 200 } else { 101 };
        response.status(status).upgrade(if request.path() == "/bad" { "a\r\nb" } else { "a" }).await?.finish().await
    };
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\n{offer}{HOST}"), 101),
        (format!("POST /read HTTP/1.1\r\n{offer}Content-Length: 2\r\n{HOST}ab"), 101),
        (format!("POST / HTTP/1.1\r\n{offer}Content-Length: 2\r\n{HOST}ab"), 500),
        (format!("GET /bad HTTP/1.1\r\n{offer}{HOST}"), 500),
        (format!("GET /200 HTTP/1.1\r\n{offer}{HOST}"), 500),
        (format!("GET / HTTP/1.0\r\n{offer}{HOST}"), 500),
        (format!("GET / HTTP/1.1\r\nUpgrade: a\r\n{HOST}"), 500),
        (format!("GET / HTTP/1.1\r\nConnection: upgrade\r\n{HOST}"), 500),
    ] {
        assert_eq!(Bench::new().run(&handler, &[head.as_bytes()]).statuses(), [status], "{head}");
    }
}

/// RFC 9110, section 7.8.
#[test]
fn an_upgrade_is_offered_by_name_and_by_connection() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let offered = |name| request.offers_upgrade(name);
        let status = if offered("websocket") { 201 } else { 202 };
        response.status(if offered("web") || offered("h2c, websocket") { 500 } else { status }).empty().await
    };
    for (head, status) in [
        ("1.1\r\nConnection: upgrade\r\nUpgrade: websocket", 201),
        ("1.1\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\nUpgrade: a/1,\tWebSocket ", 201),
        ("1.1\r\nConnection: upgrade\r\nUpgrade: websocket/13", 202),
        ("1.1\r\nConnection: upgrade\r\nUpgrade: h2c", 202),
        ("1.1\r\nConnection: upgrade", 202),
        ("1.1\r\nConnection: keep-alive\r\nUpgrade: websocket", 202),
        ("1.1\r\nUpgrade: websocket", 202),
        ("1.0\r\nConnection: upgrade\r\nUpgrade: websocket", 202),
    ] {
        let request = format!("GET / HTTP/{head}\r\n{HOST}");
        assert_eq!(Bench::new().run(&handler, &[request.as_bytes()]).statuses(), [status], "{request}");
    }
}

/// RFC 9110, sections 7.8 and 15.5.22.
#[test]
fn an_upgrade_is_offered_with_its_connection_option() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let protocol = if request.path() == "/bad" { "a\r\nb" } else { "websocket" };
        response.status(426).offer_upgrade(protocol).body("no").await
    };
    let said = answer(&handler, &ask("GET", "1.1")).0;
    assert!(
        said.starts_with("HTTP/1.1 426 Upgrade Required\r\nconnection: upgrade\r\nupgrade: websocket\r\n"),
        "{said}"
    );
    assert!(said.ends_with("\r\n\r\nno"), "{said}");
    let bad = format!("GET /bad HTTP/1.1\r\n{HOST}");
    assert_eq!(Bench::new().run(&handler, &[bad.as_bytes()]).statuses(), [500]);
}

#[test]
fn a_failure_is_answered_while_nothing_is_out_and_cuts_after() {
    let reason = "no such thing";
    let fails = async |request: Request<'_>, mut response: Response<'_>| -> Result<Sent, Failure> {
        let failure = Failure::new(404).because("no such thing");
        match request.path() {
            "/at-once" => Err(failure),
            "/interim" => {
                response.interim(103).send().await?;
                Err(failure)
            }
            "/head" => {
                let _head = response.status(200).header("x-secret", "y");
                Err(failure)
            }
            "/unsent" => {
                let mut body = response.status(200).header("x-secret", "y").stream().await?;
                body.write("secret").await?;
                Err(failure)
            }
            "/sent" => {
                let mut body = response.status(200).stream().await?;
                body.write("first").await?;
                body.flush().await?;
                body.write("secret").await?;
                Err(failure)
            }
            // What goes wrong behind a complete answer is no concern of the client's.
            _ => {
                response.status(200).body("done").await?;
                Err(failure)
            }
        }
    };
    let next = ask("GET", "1.1");
    for (path, statuses) in [
        ("at-once", &[404, 200][..]),
        ("interim", &[404, 200]),
        ("head", &[404, 200]),
        ("unsent", &[404, 200]),
        ("sent", &[200]),
        ("done", &[200, 200]),
    ] {
        let outcome = Bench::new().run(&fails, &[format!("GET /{path} HTTP/1.1\r\n{HOST}{next}").as_bytes()]);
        assert_eq!(outcome.statuses(), statuses, "{outcome:?}");
        assert!(!outcome.text().contains("secret") && !outcome.text().contains("0\r\n\r\nHTTP"), "{outcome:?}");
        if statuses[0] == 404 {
            let body = format!("404 Not Found: {reason}\n");
            let lines = format!(
                "content-type: text/plain; charset=utf-8\r\n{DATE_LINE}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            assert!(outcome.text().contains(&format!("HTTP/1.1 404 Not Found\r\n{lines}")), "{outcome:?}");
        }
    }
    // To HTTP/1.0, where the end of the connection would look like the end of the body, it is a reset.
    let outcome = Bench::new().run(&fails, &[format!("GET /sent HTTP/1.0\r\n{HOST}").as_bytes()]);
    assert_eq!(outcome.stop, Stop::Ended(Ended::Reset));
    let outcome = Bench::new().run(&fails, &[format!("HEAD /at-once HTTP/1.1\r\n{HOST}").as_bytes()]);
    assert!(outcome.text().ends_with("\r\n\r\n"), "{outcome:?}");
}

/// `Sent` proves that an answer was finished; not that it was this one.
#[test]
fn another_requests_proof_does_not_pass() {
    for begun in 0..4 {
        let stash: RefCell<Vec<Sent>> = RefCell::default();
        let handler = async |request: Request<'_>, response: Response<'_>| {
            if request.path() == "/give" {
                let sent = response.status(200).body("mine").await?;
                stash.borrow_mut().push(sent);
                return Err(Failure::new(500));
            }
            match begun {
                0 => drop(response),
                1 => drop(response.status(200).header("x", "y")),
                2 => drop(response.status(200).stream().await?),
                _ => {
                    let mut body = response.status(200).stream().await?;
                    body.write("half").await?;
                    body.flush().await?;
                }
            }
            Ok(stash.borrow_mut().pop().unwrap())
        };
        let pipeline = format!("GET /give HTTP/1.1\r\n{HOST}GET /take HTTP/1.1\r\n{HOST}");
        let outcome = Bench::new().run(&handler, &[pipeline.as_bytes()]);
        assert_eq!(outcome.statuses(), [200, if begun == 3 { 200 } else { 500 }], "{outcome:?}");
        assert!(!outcome.text().ends_with("0\r\n\r\n"), "{outcome:?}");
        assert!(begun < 3 || outcome.text().ends_with("half\r\n"), "{outcome:?}");
    }
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let handler = async |_: Request<'_>, response: Response<'_>| response.status(200).empty().await;
    let outcome = Bench::new().run(&handler, &[b"HEAD / HTTP/1.1\r\n\r\n"]);
    assert!(outcome.statuses() == [400] && outcome.text().ends_with("\r\n\r\n"), "{outcome:?}");
}

#[test]
fn a_pipeline_is_answered_in_one_write() {
    let handler = async |request: Request<'_>, response: Response<'_>| response.status(200).body(request.path()).await;
    let pipeline: String = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\n{HOST}")).collect();
    let mut bench = Bench::new();
    // Two polls: one to read, one that waits for more.
    let mut wire = common::Wire::new(&[pipeline.as_bytes()]);
    wire.open = true;
    bench.drive(&handler, &mut wire, 10, |_| false);
    assert_eq!(wire.writes, 1);
    let answers: String = (0..20)
        .map(|n: u32| format!("HTTP/1.1 200 OK\r\n{DATE_LINE}content-length: {}\r\n\r\n/{n}", format!("/{n}").len()))
        .collect();
    assert_eq!(String::from_utf8(wire.out).unwrap(), answers);
}

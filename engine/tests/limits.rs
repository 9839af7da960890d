//! Every limit, to the byte.
//!
//! Invariant: what is exactly as large as its limit is served, one byte or field more gets the answer that `Limits` documents
//! for it, and nothing behind a refusal is read as a request; all that however the bytes are cut.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use common::{Bench, HOST, Outcome};
use midge::{Failure, Limits, Request, Response, Sent};

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Reads the body in pieces, and answers its length and its number of trailer fields.
async fn count(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut bytes = 0;
    while let Some(chunk) = request.body().chunk().await? {
        bytes += chunk.len();
    }
    let trailers = request.body().trailers().unwrap().len();
    response.status(200).body(format!("{bytes} {trailers}")).await
}

async fn gather(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let body = request.body().all().await?;
    response.status(200).body(format!("{}", body.len())).await
}

async fn leave(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).empty().await
}

/// Sends `message` and a request behind it, at once and byte by byte.
fn both_ways(bench: &mut Bench, handler: &impl midge::Handler, message: &str) -> Outcome {
    let message = [message, NEXT].concat();
    let whole = bench.run(handler, &[message.as_bytes()]);
    let bytes: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
    let by_byte = bench.run(handler, &bytes);
    assert_eq!(by_byte.out, whole.out, "{message}");
    whole
}

/// `make(size)` is served, and so is what follows; `make(size + 1)` is answered `status`, says `close`, and is the last.
fn is_exact(limits: Limits, handler: &impl midge::Handler, size: usize, status: u16, make: impl Fn(usize) -> String) {
    let mut bench = Bench::sized(40_000, 8192, 2_000, limits);
    for fitting in [size - 1, size] {
        let outcome = both_ways(&mut bench, handler, &make(fitting));
        assert_eq!(outcome.statuses(), [200, 200], "{fitting} of {size}: {outcome:?}");
        assert!(!outcome.says_close());
    }
    let outcome = both_ways(&mut bench, handler, &make(size + 1));
    assert_eq!(outcome.statuses(), [status], "{} of {size}: {outcome:?}", size + 1);
    assert!(outcome.says_close());
}

fn pad(before: &str, after: &str, size: usize) -> String {
    format!("{before}{}{after}", "x".repeat(size - before.len() - after.len()))
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let limits = Limits::default();
    let sizes = [
        (limits.request_line_bytes, 8_192),
        (limits.head_bytes, 16_384),
        (u32::from(limits.header_fields), 100),
        (limits.chunk_line_bytes, 4_096),
        (limits.chunk_extension_bytes, 16_384),
        (limits.trailer_bytes, 8_192),
        (u32::from(limits.trailer_fields), 32),
        (limits.body_in_memory_bytes, 16_384),
        (limits.drain_bytes, 65_536),
        (limits.linger_bytes, 1_048_576),
        (limits.response_head_bytes, 4_096),
        (limits.body_rate, 500),
        (limits.write_rate, 500),
    ];
    assert!(sizes.iter().all(|(is, says)| is == says), "{sizes:?}");
    assert_eq!(limits.body_bytes, 1_073_741_824);
    let times = [limits.head_time, limits.body_grace, limits.write_grace, limits.idle_time, limits.linger_time];
    assert_eq!(times.map(|time| time.as_secs()), [10, 10, 10, 60, 2]);
    assert_eq!(limits.request_time, None);
}

#[test]
fn request_line_bytes() {
    for size in [64, 8192] {
        let limits = Limits { request_line_bytes: size, ..Limits::DEFAULT };
        for (before, after) in [
            ("GET /", " HTTP/1.1\r\n"),
            ("DELETE /", " HTTP/1.1\r\n"),
            ("GET /", " HTTP/1.2\r\n"),
            ("GET http://a/", " HTTP/1.1\r\n"),
            ("OPTIONS http://a?", " HTTP/1.1\r\n"),
        ] {
            is_exact(limits, &leave, size as usize, 414, |size| pad(before, after, size) + HOST);
        }
    }
    // A line that ends in no time, and one that doesn't end.
    let mut bench = Bench::with(Limits { request_line_bytes: 64, ..Limits::DEFAULT });
    assert_eq!(bench.run(&leave, &["x".repeat(500).as_bytes()]).statuses(), [501]);
    assert_eq!(bench.run(&leave, &[b"GET /", "x".repeat(500).as_bytes()]).statuses(), [414]);
    assert_eq!(bench.run(&leave, &["GET /a HTTP/1.1 ".repeat(9).as_bytes()]).statuses(), [400]);
    // One that may be longer than the whole head, and doesn't end within that.
    let mut bench = Bench::with(Limits { request_line_bytes: 1_000, head_bytes: 400, ..Limits::DEFAULT });
    bench.open = true;
    assert_eq!(bench.run(&leave, &[b"GET /", "x".repeat(395).as_bytes()]).statuses(), [414]);
    assert_eq!(bench.run(&leave, &[b"GET /", "x".repeat(394).as_bytes()]).statuses(), [0_u16; 0]);
}

#[test]
fn method_bytes() {
    let limits = Limits::DEFAULT;
    is_exact(limits, &leave, 32, 501, |size| format!("{} / HTTP/1.1\r\n{HOST}", "M".repeat(size)));
    // The longest is still one where the blank behind it has yet to come.
    let longest = "M".repeat(32);
    let rest = format!(" / HTTP/1.1\r\n{HOST}");
    assert_eq!(Bench::new().run(&leave, &[longest.as_bytes(), rest.as_bytes()]).statuses(), [200]);
}

#[test]
fn head_bytes() {
    for size in [100, 4096] {
        let limits = Limits { head_bytes: size, ..Limits::DEFAULT };
        is_exact(limits, &leave, size as usize, 431, |size| pad("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", size));
        is_exact(limits, &leave, size as usize, 431, |size| pad("GET / HTTP/1.1\r\nHost: a\r\n", ":\r\n\r\n", size));
    }
    // What a smaller input buffer holds is a limit too: all of it but 256 bytes.
    for input in [512, 1024] {
        let mut bench = Bench::sized(input, 4096 + 1024, 32, Limits::DEFAULT);
        let head = |size| pad("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", size);
        assert_eq!(both_ways(&mut bench, &leave, &head(input - 256)).statuses(), [200, 200]);
        assert_eq!(both_ways(&mut bench, &leave, &head(input - 255)).statuses(), [431]);
    }
}

#[test]
fn header_fields() {
    let fields = |count| format!("GET / HTTP/1.1\r\n{}{HOST}", "X: y\r\n".repeat(count - 1));
    for cap in [2, 15, 16, 17, 32, 33, 100, 1_000] {
        let limits = Limits { header_fields: cap, ..Limits::DEFAULT };
        is_exact(limits, &leave, usize::from(cap), 431, fields);
    }
    let none = Limits { header_fields: 0, ..Limits::DEFAULT };
    assert_eq!(both_ways(&mut Bench::with(none), &leave, &fields(1)).statuses(), [431]);
    // A table that holds less than the limit.
    let mut bench = Bench::sized(8192, 8192, 20, Limits::DEFAULT);
    assert_eq!(both_ways(&mut bench, &leave, &fields(20)).statuses(), [200, 200]);
    assert_eq!(both_ways(&mut bench, &leave, &fields(21)).statuses(), [431]);
}

#[test]
fn all_of_a_thousand_fields_are_handed_over_in_order() {
    // Short values and long ones, some longer than the line before them.
    let value = |n: usize| format!("{n}{}", "-".repeat(n * 7 % 60));
    let lines: String = (0..999).map(|n| format!("X-{n}:{}{}\r\n", " ".repeat(n % 3), value(n))).collect();
    let check = async |request: Request<'_>, response: Response<'_>| {
        for (n, (name, given)) in request.headers().iter().take(999).enumerate() {
            assert_eq!((name, given), (&format!("X-{n}")[..], value(n).as_bytes()));
        }
        assert_eq!((request.headers().len(), request.header("x-998")), (1_000, Some(&value(998)[..])));
        response.status(200).empty().await
    };
    let limits = Limits { header_fields: 1_000, head_bytes: 65_536, ..Limits::DEFAULT };
    let outcome =
        Bench::sized(80_000, 8192, 1_000, limits).run(&check, &[format!("GET / HTTP/1.1\r\n{lines}{HOST}").as_bytes()]);
    assert_eq!(outcome.statuses(), [200]);
}

#[test]
fn chunk_line_bytes() {
    for size in [12, 4096] {
        let limits = Limits { chunk_line_bytes: size, ..Limits::DEFAULT };
        let size = size as usize;
        is_exact(limits, &count, size, 400, |size| format!("{CHUNKED}{}a\r\n0\r\n\r\n", pad("1;", "\r\n", size)));
        is_exact(limits, &count, size, 400, |size| format!("{CHUNKED}1\r\na\r\n{}\r\n\r\n", "0".repeat(size - 2)));
    }
}

#[test]
fn chunk_extension_bytes() {
    let limits = Limits { chunk_extension_bytes: 30, ..Limits::DEFAULT };
    is_exact(limits, &count, 30, 413, |size| format!("{CHUNKED}1;{}\r\na\r\n0\r\n\r\n", "x".repeat(size - 1)));
    // Added up over all lines, the last one's included.
    is_exact(limits, &count, 30, 413, |size| {
        format!("{CHUNKED}{}0;{}\r\n\r\n", "1;abc=\"d\"\r\na\r\n".repeat(3), "x".repeat(size - 3 * 8 - 1))
    });
}

#[test]
fn trailer_bytes() {
    let limits = Limits { trailer_bytes: 50, ..Limits::DEFAULT };
    is_exact(limits, &count, 50, 431, |size| format!("{CHUNKED}1\r\na\r\n0\r\n{}", pad("X: ", "\r\n\r\n", size)));
    is_exact(limits, &count, 50, 431, |size| format!("{CHUNKED}0\r\nA: b\r\n{}", pad("X: ", "\r\n\r\n", size - 6)));
}

#[test]
fn trailer_fields() {
    for cap in [1, 16, 17, 32] {
        let limits = Limits { trailer_fields: cap, ..Limits::DEFAULT };
        let trailers = |count| format!("{CHUNKED}0\r\n{}\r\n", "X: y\r\n".repeat(count));
        is_exact(limits, &count, usize::from(cap), 431, trailers);
    }
}

#[test]
fn body_bytes() {
    let limits = Limits { body_bytes: 1_000, ..Limits::DEFAULT };
    let declared = |size| format!("POST / HTTP/1.1\r\nContent-Length: {size}\r\n{HOST}{}", "x".repeat(size));
    is_exact(limits, &count, 1_000, 413, declared);
    let one = |size: usize| format!("{CHUNKED}{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size));
    is_exact(limits, &count, 1_000, 413, one);
    is_exact(limits, &gather, 1_000, 413, one);
    let two = |size: usize| {
        format!("{CHUNKED}64\r\n{0}\r\n{1:X}\r\n{2}\r\n0\r\n\r\n", "x".repeat(100), size - 100, "x".repeat(size - 100))
    };
    is_exact(limits, &count, 1_000, 413, two);
    // A declared length is refused before the handler is asked, and before a byte of the body.
    let unasked = async |_: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> { panic!("asked") };
    for length in ["1001", "18446744073709551615", "18446744073709551616", "99999999999999999999999"] {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n{HOST}");
        assert_eq!(Bench::with(limits).run(&unasked, &[head.as_bytes()]).statuses(), [413], "{length}");
    }
}

#[test]
fn body_in_memory_bytes() {
    let limits = Limits { body_in_memory_bytes: 1_000, ..Limits::DEFAULT };
    is_exact(limits, &gather, 1_000, 413, |size| {
        format!("POST / HTTP/1.1\r\nContent-Length: {size}\r\n{HOST}{}", "x".repeat(size))
    });
    is_exact(limits, &gather, 1_000, 413, |size| format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(size)));
    is_exact(limits, &gather, 1_000, 413, |size| {
        format!("{CHUNKED}{:x};a=b\r\n{}\r\n00\r\nX: y\r\n\r\n", size, "x".repeat(size))
    });
}

/// What the input buffer holds beside the head is a limit, too.
#[test]
fn a_gathered_body_fits_the_input_buffer() {
    let mut bench = Bench::sized(1024, 8192, 8, Limits::DEFAULT);
    let message = |size: usize| {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {size}\r\n{HOST}");
        (head.len(), format!("{head}{}", "x".repeat(size)))
    };
    let room = 1024 - message(900).0;
    assert_eq!(bench.run(&gather, &[message(room).1.as_bytes()]).statuses(), [200]);
    assert_eq!(bench.run(&gather, &[message(room + 1).1.as_bytes()]).statuses(), [413]);
    // A body that is read as it comes has no such limit.
    assert_eq!(bench.run(&count, &[message(9_999).1.as_bytes()]).statuses(), [200]);
}

/// An unread body of up to `drain_bytes` is thrown away, and the next request is answered; a longer one closes, and says so.
#[test]
fn drain_bytes() {
    let limits = Limits { drain_bytes: 100, ..Limits::DEFAULT };
    let mut bench = Bench::with(limits);
    let declared = |size| format!("POST / HTTP/1.1\r\nContent-Length: {size}\r\n{HOST}{}", "x".repeat(size));
    for fitting in [1, 99, 100] {
        let outcome = both_ways(&mut bench, &leave, &declared(fitting));
        assert_eq!((outcome.statuses(), outcome.says_close()), (vec![200, 200], false));
    }
    // None of it is there yet when the answer is made.
    let (head, body) = (format!("POST / HTTP/1.1\r\nContent-Length: 101\r\n{HOST}"), "x".repeat(101) + NEXT);
    let outcome = bench.run(&leave, &[head.as_bytes(), body.as_bytes()]);
    assert_eq!((outcome.statuses(), outcome.says_close()), (vec![200], true));
    let chunk = format!("{CHUNKED}1\r\n");
    let outcome = bench.run(&leave, &[chunk.as_bytes(), format!("x\r\n64\r\n{body}").as_bytes()]);
    assert_eq!(outcome.statuses(), [200]);
}

#[test]
fn a_body_that_is_there_but_too_long_to_drain_closes_and_says_so() {
    let limits = Limits { drain_bytes: 4, ..Limits::DEFAULT };
    let message = format!("POST / HTTP/1.1\r\nContent-Length: 6\r\n{HOST}123456");
    let outcome = both_ways(&mut Bench::with(limits), &leave, &message);
    assert!(outcome.says_close() || outcome.statuses() == [200, 200], "{outcome:?}");
}

#[test]
fn draining_a_chunked_body_counts_the_same_however_it_is_cut() {
    let limits = Limits { drain_bytes: 10, ..Limits::DEFAULT };
    let message = format!("{CHUNKED}2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n");
    both_ways(&mut Bench::with(limits), &leave, &message);
}

/// A head of exactly `response_head_bytes` could not be told to the handler beforehand: it has all but 128 of them for its
/// own lines, and the head as a whole is never longer than the limit.
#[test]
fn response_head_bytes() {
    const OWN: usize = 128;
    for limit in [256, 1024] {
        let limits = Limits { response_head_bytes: limit, ..Limits::DEFAULT };
        let line = "HTTP/1.1 200 OK\r\n".len() + "x: \r\n".len();
        let room = limit as usize - OWN - line;
        for (size, fits) in [(room - 1, true), (room, true), (room + 1, false), (5_000, false), (50_000, false)] {
            let value = "v".repeat(size);
            let plain = async |_: Request<'_>, response: Response<'_>| {
                response.status(200).header("x", &value).body("body").await
            };
            let formatted = async |_: Request<'_>, response: Response<'_>| {
                response.status(200).header_fmt("x", format_args!("{value}")).stream().await?.finish().await
            };
            for version in ["1.1", "1.0"] {
                let request = format!("GET / HTTP/{version}\r\nConnection: keep-alive\r\n{HOST}");
                for outcome in [
                    Bench::with(limits).run(&plain, &[request.as_bytes()]),
                    Bench::with(limits).run(&formatted, &[request.as_bytes()]),
                ] {
                    assert_eq!(outcome.statuses(), [if fits { 200 } else { 500 }], "{size} of {room}: {outcome:?}");
                    let head = outcome.text().find("\r\n\r\n").unwrap() + 4;
                    assert!(head <= limit as usize, "{head} of {limit}");
                }
            }
        }
    }
}

#[test]
fn only_the_expectation_of_100_continue_is_met() {
    let mut bench = Bench::new();
    for (lines, status) in [
        ("Expect: 100-continue\r\n", 200),
        ("Expect: 100-Continue\r\n", 200),
        ("Expect: 200-ok\r\n", 417),
        ("Expect:\r\n", 417),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\n", 417),
        ("Expect: 100-continue, 100-continue\r\n", 417),
    ] {
        let outcome = bench.run(&count, &[format!("POST / HTTP/1.1\r\n{lines}{HOST}").as_bytes()]);
        assert_eq!(outcome.statuses(), [status], "{lines}");
        assert_eq!(outcome.says_close(), status == 417);
    }
}

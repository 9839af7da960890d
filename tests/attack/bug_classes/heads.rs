//! Heads: what is no field, and what no head may do.

use std::{
    convert::Infallible,
    io::Write as _,
    net::Shutdown,
    pin::pin,
    sync::mpsc,
    task::{Context, Waker},
    thread,
};

use embedded_io_async::{ErrorType, Read, Write};
use midge::{Failure, Field, Limits, ManualClock, Peer, Request, Response, Slot, Watch, serve, testing};
use midge_tests::wire::PATIENCE;

use super::{are_read, are_refused};
use crate::support::{App, PATIENT, Random, attack, beside, every_slot_serves, rest, rogue, talk};

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// llhttp CVE-2021-22959, CVE-2023-30589, waitress CVE-2019-16785.
#[test]
fn blank_before_the_colon_cr_alone_lf_alone_nul_or_obs_fold() {
    are_refused([
        (400, get("X : y\r\n")),
        (400, get("X\t: y\r\n")),
        (400, get("X \t : y\r\n")),
        (400, get("Content-Length : 5\r\n")),
        (400, get("X: a\rY: b\r\n")),
        (400, get("X: a\r\r\n")),
        (400, get("\rX: a\r\n")),
        (400, get("X\r: a\r\n")),
        (400, get("X: a\nY: b\r\n")),
        (400, get("X: a\n")),
        (400, get("X: a\n\n")),
        (400, get("\n")),
        (400, get("X: a\0b\r\n")),
        (400, get("X\0: b\r\n")),
        (400, get("\0: b\r\n")),
        (400, get("X: a\r\n b\r\n")),
        (400, get("X: a\r\n\tb\r\n")),
        (400, get("X:\r\n b\r\n")),
        (400, get(" X: a\r\n")),
        (400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\nHost: a\n\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned()),
        (400, "GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\rHost: a\r\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n".to_owned()),
        (400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
    ]);
}

/// httparse by itself: LF alone is a line's end, and raw bytes above 0x7f are part of a target.
#[test]
fn what_httparse_takes_for_a_head_is_refused() {
    are_refused([
        (400, &b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
        (400, b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET /?\x80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET /# HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\nHost: a\nX: y\n\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n"),
        (400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    ]);
}

/// edge-http, may_minihttp.
#[test]
fn panic_on_a_hostile_header() {
    let many = |count: usize| get(&"X: y\r\n".repeat(count));
    // With `Host` they are as many as the limit lets in, and one more.
    are_read([(many(99), "hello")]);
    are_refused([(431, many(100)), (431, many(1_000)), (431, many(65_536))]);
    are_refused([
        (431, get(&format!("X: {}\r\n", "y".repeat(100_000)))),
        (431, get(&format!("{}: y\r\n", "X".repeat(100_000)))),
    ]);
    // A handler that asks for text where there is none gets none.
    let handler = async |request: Request<'_>, response: Response<'_>| {
        assert_eq!((request.header("x"), request.header("none")), (None, None));
        assert_eq!(request.headers().get("x"), Some(&b"caf\xe9\xff"[..]));
        response.status(200).header("x", request.headers().get("x").unwrap_or_default()).empty().await
    };
    let mut scratch = testing::Scratch::new();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9\xff\r\n\r\n";
    let answer = testing::call(&handler, request, &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.headers().get("x")), (200, Some(&b"caf\xe9\xff"[..])));
}

/// Random bytes, and real heads with random faults, end in an answer or in none, never in a panic. Every handler's answer goes through
/// the same.
#[test]
fn no_bytes_make_it_panic() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let _ = (request.path(), request.query(), request.authority(), format!("{request:?}"));
        let length = request.body().all().await?.len();
        let trailers = request.body().trailers().map_or(0, |trailers| trailers.iter().count());
        response.status(200).header_fmt("x", format_args!("{length} {trailers}")).empty().await
    };
    let seeds: [&[u8]; 4] = [
        b"GET http://a:80/b?c HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive, close\r\nX: \xff\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\nZ: w\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\r\n\r\n",
    ];
    let (mut random, mut answered, mut refused) = (Random(11), 0, 0);
    let mut scratch = testing::Scratch::new();
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, b"\r\n\t :;,=\"0f\0\xff"[random.below(13)]),
                _ => drop(bytes.drain(at..(at + 1 + random.below(5)).min(bytes.len()))),
            }
            if bytes.is_empty() {
                bytes.push(b'G');
            }
        }
        match testing::call(&handler, &bytes, &mut scratch).map(|answer| answer.status()) {
            Ok(200) => answered += 1,
            Ok(status) => {
                assert!(matches!(status, 400 | 413 | 417 | 431 | 501 | 505), "{status}: {}", bytes.escape_ascii());
                refused += 1;
            }
            Err(error) => assert_eq!(error, testing::CallError::Incomplete, "{}", bytes.escape_ascii()),
        }
    }
    assert!(answered > 2_000 && refused > 2_000, "{answered} answered, {refused} refused");
}

/// A warning in httparse's own documentation. A head of a million bytes, one at a time: read again from its first byte for each, it
/// would take from minutes to days; read once, a moment.
#[test]
fn quadratic_re_reading_of_a_dribbling_head() {
    const BYTES: usize = 1 << 20;
    let limits = Limits { head_bytes: 2 << 20, request_line_bytes: 2 << 20, header_fields: u16::MAX, ..PATIENT };
    for (name, line) in
        [("long line", "X: "), ("many lines", "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"), ("target", "")]
    {
        let (returned, returns) = mpsc::channel();
        // On a thread that is left behind if it is quadratic.
        thread::spawn(move || {
            let head = match name {
                "target" => format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(BYTES)),
                "long line" => get(&format!("{line}{}\r\n", "y".repeat(BYTES))),
                _ => get(&line.repeat(BYTES / line.len())),
            };
            let (mut input, mut output, mut fields) = (vec![0; 3 << 20], vec![0; 8_192], vec![Field::EMPTY; 66_000]);
            let mut slot = Slot::new(&mut input, &mut output, &mut fields);
            let (clock, watch, app) = (ManualClock::new(), Watch::new(), App::default());
            let (handler, mut io) = (&app, Dribble { input: head.as_bytes(), output: Vec::new() });
            {
                let serving = serve(&mut io, &handler, &mut slot, &limits, &clock, Peer::Unknown, &watch);
                assert!(pin!(serving).poll(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            returned.send(io.output.ends_with(b"\r\n\r\nhello")).unwrap();
        });
        assert_eq!(returns.recv_timeout(3 * PATIENCE), Ok(true), "{name}");
    }
}

/// A client that sends one byte at a time.
struct Dribble<'i> {
    input: &'i [u8],
    output: Vec<u8>,
}

impl ErrorType for Dribble<'_> {
    type Error = Infallible;
}

impl Read for Dribble<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some((byte, rest)) = self.input.split_first() else { return Ok(0) };
        buffer[0] = *byte;
        self.input = rest;
        Ok(1)
    }
}

impl Write for Dribble<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The same for a trailer section and for chunk extensions, over a socket.
#[test]
fn quadratic_re_reading_of_dribbling_trailers_and_extensions() {
    let limits =
        Limits { trailer_bytes: 1 << 20, chunk_extension_bytes: 1 << 20, chunk_line_bytes: 1 << 20, ..PATIENT };
    attack(
        |server| server.slots(1).limits(limits).input_bytes(2 << 20),
        |_, address| {
            let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
            for (begin, end) in [("5\r\nhello\r\n0\r\nX: ", "\r\n\r\n"), ("5;a=", "\r\nhello\r\n0\r\n\r\n")] {
                let mut stream = rogue(address, format!("{head}{begin}").as_bytes());
                for _ in 0..50_000 {
                    stream.write_all(b"yyyyyyyyyy").unwrap();
                }
                stream.write_all(end.as_bytes()).unwrap();
                let (received, _) = rest(&stream);
                assert!(received.ends_with(b"\r\n\r\nhello"), "{}", received.escape_ascii());
            }
        },
    );
}

/// fasthttp GO-2026-4950, CVE-2022-21221 (decoded twice; traversal): midge decodes no path and joins none to a directory. A handler sees
/// what the client sent, byte for byte, and its path is never more than the target.
#[test]
fn a_path_is_never_decoded_nor_shortened() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let query = request.query().unwrap_or("none");
        response.status(200).body(format!("{} {} {query}", request.target(), request.path())).await
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            for (target, path, query) in [
                ("/%252e%252e/%2e%2e/..%2f../a", "/%252e%252e/%2e%2e/..%2f../a", "none"),
                ("/../../etc/passwd", "/../../etc/passwd", "none"),
                ("//evil.example/../a", "//evil.example/../a", "none"),
                ("/a%00b?c%0d%0a", "/a%00b", "c%0d%0a"),
                ("/a\\..\\b??d", "/a\\..\\b", "?d"),
                ("http://a/../b?c", "/../b", "c"),
                ("http://a?c", "/", "c"),
                ("/%", "/%", "none"),
            ] {
                let stream = rogue(address, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
                stream.shutdown(Shutdown::Write).unwrap();
                let (received, _) = rest(&stream);
                let wanted = format!("\r\n\r\n{target} {path} {query}");
                assert!(received.ends_with(wanted.as_bytes()), "{target}: {}", received.escape_ascii());
            }
        },
    );
}

/// A request for two hosts, or for one that is none, is for nobody (RFC 9112, section 3.2).
#[test]
fn host_repeated_missing_or_malformed() {
    are_refused(
        [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nhost: b\r\n",
            "Host: a, b\r\nX: y\r\nHost:\r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n",
        ]
        .into_iter()
        .chain([
            "Host: u@a\r\n",
            "Host: a:x\r\n",
            "Host: a:65536\r\n",
            "Host: [::1\r\n",
            "Host: a#b\r\n",
            "Host: a%zz\r\n",
        ])
        .map(|fields| (400, format!("GET / HTTP/1.1\r\n{fields}\r\n"))),
    );
    let failing =
        async |request: Request<'_>, _: Response<'_>| Err(Failure::new(request.authority().len() as u16 + 400));
    beside(
        |server| server.slots(1).limits(PATIENT),
        failing,
        |address| {
            // The absolute form goes before Host.
            let answers = talk(address, b"GET http://abc/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert_eq!(answers[0].0, 403);
        },
    );
    attack(|server| server.slots(1).limits(PATIENT), |_, address| every_slot_serves(address, 1));
}

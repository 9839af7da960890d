//! What one request wrote can't be read by the next one in its slot.

use std::{
    future::poll_fn,
    net::{Shutdown, SocketAddr},
    task::Poll,
};

use midge::{Failure, Request, Response, Sent};
use midge_tests::wire::Ending;

use crate::support::{PATIENT, beside, contains, reset, rest, rogue, until};

const SECRET: &str = "s3cr3t-0f-4n0th3r";

/// Any piece of the secret as long as this is one too many.
const PIECE: usize = 5;

#[test]
fn nothing_of_a_request_or_its_answer_is_seen_by_the_next_in_its_slot() {
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            for (name, plant) in PLANTS {
                plant(address);
                for probe in PROBES {
                    let stream = rogue(address, probe.as_bytes());
                    stream.shutdown(Shutdown::Write).unwrap();
                    let (shown, ending) = rest(&stream);
                    assert_eq!(ending, Ending::Eof, "{name}, {probe:?}");
                    assert!(shown.starts_with(b"HTTP/1.1 "), "{name}, {probe:?}");
                    for piece in SECRET.as_bytes().windows(PIECE) {
                        assert!(!contains(&shown, piece), "{name}, {probe:?}: {}", shown.escape_ascii());
                    }
                }
            }
        },
    );
}

/// That the probes would see what is there: the same, with the secret in the probe itself.
#[test]
fn a_secret_of_ones_own_is_seen() {
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let head = "Host: a\r\nConnection: close\r\n";
            for probe in [
                format!("GET /all?{SECRET} HTTP/1.1\r\n{head}\r\n"),
                format!("GET /all HTTP/1.1\r\n{head}Cookie: {SECRET}\r\n\r\n"),
                format!("POST /all HTTP/1.1\r\n{head}Content-Length: 17\r\n\r\n{SECRET}"),
                format!("POST /chunk HTTP/1.1\r\n{head}Content-Length: 17\r\n\r\n{SECRET}"),
                format!("POST /read HTTP/1.1\r\n{head}Content-Length: 17\r\n\r\n{SECRET}"),
                format!("POST /all HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n0\r\nX: {SECRET}\r\n\r\n"),
                format!("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n{SECRET}"),
            ] {
                let stream = rogue(address, probe.as_bytes());
                stream.shutdown(Shutdown::Write).unwrap();
                assert!(contains(&rest(&stream).0, SECRET.as_bytes()), "{probe:?}");
            }
        },
    );
}

type Plant = (&'static str, fn(SocketAddr));

const PLANTS: &[Plant] = &[
    ("fields and target", |address| {
        let lines = format!("Cookie: {SECRET}\r\nX-Secret: {SECRET}\r\nAuthorization: {SECRET}\r\nX: {SECRET}\r\n");
        plant(address, &format!("GET /all?{SECRET} HTTP/1.1\r\nHost: {SECRET}\r\n{}\r\n", lines.repeat(20)));
    }),
    ("a body read as a whole", |address| body(address, "/all")),
    ("a body read by the chunk", |address| body(address, "/chunk")),
    ("a body read into a buffer", |address| body(address, "/read")),
    ("a body that nobody reads", |address| body(address, "/unread")),
    ("a chunked body read as a whole", |address| chunked(address, "/all")),
    ("a chunked body read by the chunk", |address| chunked(address, "/chunk")),
    ("a chunked body read into a buffer", |address| chunked(address, "/read")),
    ("a chunked body that nobody reads", |address| chunked(address, "/unread")),
    ("an answer with trailers", |address| answer(address, "trailers")),
    ("an answer of known length", |address| answer(address, "body")),
    ("an answer taken back by a failure", |address| answer(address, "failure")),
    ("an answer taken back by a panic", |address| answer(address, "panic")),
    ("an answer whose head is refused", |address| answer(address, "refused")),
    ("an answer that is cut", |address| answer(address, "cut")),
    ("an answer whose client goes away", |address| {
        let stream = rogue(address, b"GET /secret HTTP/1.1\r\nHost: a\r\nHow: pending\r\n\r\n");
        until(&stream, b"transfer-encoding");
        reset(stream);
    }),
    ("another protocol", |address| {
        let head = "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nHow: upgrade\r\n\r\n";
        plant(address, &format!("{head}{}", SECRET.repeat(900)));
    }),
    ("a malformed head", |address| plant(address, &format!("GET /{SECRET} HTTP/1.1\r\n{SECRET}\r\n\r\n"))),
    ("a head that is too large", |address| {
        plant(address, &format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", SECRET.repeat(2_000)));
    }),
    ("half a head", |address| {
        let stream = rogue(address, format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}", SECRET.repeat(900)).as_bytes());
        stream.shutdown(Shutdown::Write).unwrap();
        rest(&stream);
    }),
    ("half a body", |address| {
        let head = "POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 16000\r\n\r\n";
        reset(rogue(address, format!("{head}{}", SECRET.repeat(900)).as_bytes()));
    }),
    ("a pipelined request behind the last one", |address| {
        let last = "GET /all HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        plant(address, &format!("{last}{}", SECRET.repeat(900)));
    }),
];

fn plant(address: SocketAddr, bytes: &str) {
    let stream = rogue(address, bytes.as_bytes());
    stream.shutdown(Shutdown::Write).unwrap();
    rest(&stream);
}

fn body(address: SocketAddr, path: &str) {
    let content = SECRET.repeat(900);
    let length = content.len();
    plant(address, &format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{content}"));
}

fn chunked(address: SocketAddr, path: &str) {
    let chunk = format!("11;{SECRET}=\"{SECRET}\"\r\n{SECRET}\r\n").repeat(200);
    let trailers = format!("X-Trailer: {SECRET}\r\n").repeat(30);
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    plant(address, &format!("{head}{chunk}0\r\n{trailers}\r\n"));
}

fn answer(address: SocketAddr, how: &str) {
    plant(address, &format!("GET /secret HTTP/1.1\r\nHost: a\r\nHow: {how}\r\n\r\n"));
}

const PROBES: &[&str] = &[
    "GET /all HTTP/1.0\r\n\r\n",
    "GET /all HTTP/1.1\r\nHost:\r\n\r\n",
    "GET /all? HTTP/1.1\r\nHost: b\r\nCookie:\r\nX:\r\n\r\n",
    "POST /all HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nab",
    "POST /all HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: v\r\nU: w\r\n\r\n",
    "POST /all HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /chunk HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nab",
    "POST /chunk HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nX-Trailer:\r\n\r\n",
    "POST /read HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nab",
    "POST /read HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\nT: v\r\n\r\n",
    "POST /unread HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nab",
    "GET /upgrade HTTP/1.1\r\nHost: b\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nab",
    "POST /all HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    "POST /all HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\nab",
    "GET /none HTTP/1.1\r\nHost: b\r\n\r\n",
    "HEAD /all HTTP/1.1\r\nHost: b\r\n\r\n",
    "BAD\r\n\r\n",
    "GET / HTTP/1.1\r\n",
    "GET /all HTTP/1.1\r\nHost: b\r\n\r\nGET /unread HTTP/1.1\r\nHost: b\r\n\r\nPOST /read HTTP/1.1\r\nHost: b\r\n\r\n",
];

async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/secret" => tells(request.header("how"), response).await,
        _ => shows(request, response).await,
    }
}

/// Writes the secret wherever an answer can have it.
async fn tells(how: Option<&str>, mut response: Response<'_>) -> Result<Sent, Failure> {
    response.interim(103).header("link", SECRET).send().await?;
    if how == Some("upgrade") {
        let mut upgraded = response.status(101).header("x-secret", SECRET).upgrade("x").await?;
        let mut buffer = [0; 4_096];
        while upgraded.read(&mut buffer).await? > 0 {
            upgraded.write(SECRET.repeat(300)).await?;
        }
        return upgraded.finish().await;
    }
    let head = response.status(200).header("x-secret", SECRET);
    match how {
        Some("body") => return head.body(SECRET.repeat(900)).await,
        Some("failure") => return Err(Failure::new(500)),
        Some("panic") => panic!("on purpose"),
        Some("refused") => return head.header("x", "a\nb").body(SECRET).await,
        _ => {}
    }
    let mut body = head.stream().await?;
    for _ in 0..900 {
        body.write(SECRET).await?;
    }
    match how {
        Some("cut") => return Err(Failure::new(500)),
        Some("pending") => {
            body.flush().await?;
            body.write(SECRET.repeat(100)).await?;
            return poll_fn(|_| Poll::Pending).await;
        }
        _ => {}
    }
    body.trailer("x-secret", SECRET).await?;
    body.finish().await
}

/// Shows all that it sees of a request: the fields, the body through every way of reading it, the trailers, and buffers that are
/// larger than what was read into them.
async fn shows(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut shown = format!("{request:?} {:?} {:?} {:?}\n", request.query(), request.authority(), request.head());
    for name in ["cookie", "x", "x-secret", "x-trailer", "authorization", "how"] {
        for value in request.headers().all(name) {
            shown.push_str(&value.escape_ascii().to_string());
        }
    }
    let mut shown = shown.into_bytes();
    let mut buffer = vec![0; 1 << 16];
    match request.path() {
        "/all" => shown.extend_from_slice(request.body().all_mut().await?),
        "/chunk" => {
            while let Some(chunk) = request.body().chunk().await? {
                shown.extend_from_slice(&chunk);
            }
        }
        "/read" => {
            while request.body().read(&mut buffer).await? > 0 {
                shown.extend_from_slice(&buffer);
            }
        }
        "/upgrade" => {
            let mut upgraded = response.status(101).upgrade("x").await?;
            while upgraded.read(&mut buffer).await? > 0 {
                shown.extend_from_slice(&buffer);
            }
            upgraded.write(&shown).await?;
            return upgraded.finish().await;
        }
        "/unread" => {}
        _ => return Err(Failure::new(404)),
    }
    if let Some(trailers) = request.body().trailers() {
        for (name, value) in trailers.iter() {
            shown.extend_from_slice(name.as_bytes());
            shown.extend_from_slice(value);
        }
    }
    let mut body = response.status(200).header("x-echo", request.header("x").unwrap_or("none")).stream().await?;
    body.write(&shown).await?;
    body.trailer("x-end", "shown").await?;
    body.finish().await
}

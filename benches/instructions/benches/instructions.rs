//! The main cases, each once, in memory: callgrind counts their instructions, which repeat exactly. `benches/budget` compares them with the
//! budget in `benches/budget.txt`.

use std::{
    convert::Infallible,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorType, Read, Write};
use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use midge::{
    AnswerHead, ChunkStep, Chunked, Clock, Connection, Facts, Failure, Field, FieldLines, Handler, Limits, ManualClock,
    Peer, Request, RequestContext, Response, Router, Routes, Sent, Slot, Step, Version, Watch, framing, serve,
};

/// The Lambda host's events, which have no public face.
#[allow(dead_code, missing_docs, unused_imports)]
#[path = "../../../adapters/lambda/src/event/mod.rs"]
mod event;

const SMALL: &[u8] = include_bytes!("../../requests/get-40.http");
const BROWSER: &[u8] = include_bytes!("../../requests/get-browser-700.http");
const EVENT: &[u8] = include_bytes!("../../../tests/lambda/event-2k.json");
const LINES: FieldLines = FieldLines::new("server: midge\r\ncontent-type: text/plain\r\n");

/// Memory for one case, set up before anything is counted.
struct Bench {
    input: Vec<u8>,
    output: Vec<u8>,
    fields: Vec<Field>,
    request: Vec<u8>,
    taken: Vec<u8>,
    clock: ManualClock,
}

fn bench(request: &[u8], times: usize) -> Bench {
    let clock = ManualClock::new();
    clock.set_unix_seconds(784_111_777);
    Bench {
        input: vec![0; 32_768],
        output: vec![0; 32_768],
        fields: vec![Field::EMPTY; 132],
        request: request.repeat(times),
        taken: Vec::with_capacity(1 << 20),
        clock,
    }
}

fn small(times: usize) -> Bench {
    bench(SMALL, times)
}

fn browser(times: usize) -> Bench {
    bench(BROWSER, times)
}

fn large(_: usize) -> Bench {
    let cookie = format!("cookie: {}\r\n\r\n", "session=0123456789abcdef; ".repeat(50));
    bench(&[BROWSER.strip_suffix(b"\r\n").unwrap_or(BROWSER), cookie.as_bytes()].concat(), 1)
}

fn post(times: usize) -> Bench {
    bench(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world", times)
}

fn chunked(times: usize) -> Bench {
    bench(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        times,
    )
}

fn stream(times: usize) -> Bench {
    bench(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", times)
}

fn refused(times: usize) -> Bench {
    bench(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", times)
}

struct App;

impl Handler for App {
    async fn handle(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match request.path() {
            "/echo" => {
                let body = request.body().all().await?;
                response.status(200).lines(LINES).body(body).await
            }
            "/stream" => {
                let mut body = response.status(200).lines(LINES).stream().await?;
                for _ in 0..64 {
                    body.write([b'x'; 256]).await?;
                }
                body.finish().await
            }
            _ => response.status(200).lines(LINES).body("Hello, World!").await,
        }
    }
}

/// A client that has sent everything, and takes everything.
struct Wire<'b> {
    request: &'b [u8],
    taken: &'b mut Vec<u8>,
}

impl ErrorType for Wire<'_> {
    type Error = Infallible;
}

impl Read for Wire<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let count = self.request.len().min(buf.len());
        buf[..count].copy_from_slice(&self.request[..count]);
        self.request = &self.request[count..];
        Ok(count)
    }
}

impl Write for Wire<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.taken.extend_from_slice(buf);
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

// One connection from its first byte to its end.
#[library_benchmark]
#[bench::small_1(small(1))]
#[bench::small_16(small(16))]
#[bench::small_64(small(64))]
#[bench::browser_16(browser(16))]
#[bench::large_1(large(1))]
#[bench::post_16(post(16))]
#[bench::chunked_16(chunked(16))]
#[bench::stream_1(stream(1))]
#[bench::refused_1(refused(1))]
fn exchange(bench: Bench) -> Bench {
    serve_with(&App, bench)
}

fn serve_with(handler: &impl Handler, mut bench: Bench) -> Bench {
    let mut wire = Wire { request: &bench.request, taken: &mut bench.taken };
    let mut slot = Slot::new(&mut bench.input, &mut bench.output, &mut bench.fields);
    let (limits, watch) = (Limits::DEFAULT, Watch::new());
    {
        let serving = pin!(serve(&mut wire, handler, &mut slot, &limits, &bench.clock, Peer::Unknown, &watch));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(black_box(serving).poll(&mut context), Poll::Ready(Ok(_))));
    }
    bench
}

// A head, up to where the handler would be called.
#[library_benchmark]
#[bench::small(small(1))]
#[bench::browser(browser(1))]
#[bench::large(large(1))]
fn head(mut bench: Bench) -> Bench {
    let (limits, context) = (Limits::DEFAULT, RequestContext::default());
    let mut slot = Slot::new(&mut bench.input, &mut bench.output, &mut bench.fields);
    let mut connection = Connection::new(&mut slot, &limits, bench.clock.now());
    connection.space()[..bench.request.len()].copy_from_slice(&bench.request);
    connection.filled(bench.request.len());
    assert_eq!(connection.step(&bench.clock), Step::Exchange);
    black_box(connection.exchange(&context).request().path());
    bench
}

// The verdict on where a request ends.
#[library_benchmark]
#[bench::chunked(&[("Host", "a"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive")])]
#[bench::length(&[("Host", "a"), ("Content-Length", "1234"), ("Expect", "100-continue")])]
fn decision(lines: &[(&str, &str)]) -> bool {
    let mut facts = Facts::new(Version::Http11);
    for (name, value) in black_box(lines) {
        facts.note(name.as_bytes(), value.as_bytes());
    }
    framing(&facts).is_ok()
}

fn chunks(size: usize) -> Vec<u8> {
    let chunk = [format!("{size:x}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n"].concat();
    [chunk.repeat(65_536 / size), b"0\r\n".to_vec()].concat()
}

// 64 KiB of a chunked body.
#[library_benchmark]
#[bench::of_16(chunks(16))]
#[bench::of_1k(chunks(1024))]
#[bench::of_64k(chunks(65_536))]
fn decode(body: Vec<u8>) -> usize {
    let (mut decoder, mut at, mut total) = (Chunked::new(), 0, 0);
    let limits = Limits::DEFAULT;
    loop {
        match decoder.step(&body[at..], usize::MAX, &limits) {
            Ok(ChunkStep::Data { start, len }) => {
                total += len;
                at += start + len;
            }
            Ok(ChunkStep::Last { .. }) => return total,
            other => panic!("{other:?}"),
        }
    }
}

fn next() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
      Lambda-Runtime-Deadline-Ms: 1542409706888\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-2:123456789012:function:f\r\n\
      Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\nContent-Length: 2\r\n\r\n{}"
    .to_vec()
}

// The head of a server's answer.
#[library_benchmark]
#[bench::next(next())]
fn answer(bytes: Vec<u8>) -> usize {
    let mut table = [Field::EMPTY; 64];
    let head = AnswerHead::parse(black_box(&bytes), &mut table, false, &Limits::DEFAULT);
    head.ok().flatten().map_or(0, |head| head.len())
}

fn room_and_event() -> Vec<u8> {
    [&[0; 4096][..], EVENT].concat()
}

// A Lambda event to its request, and the answer back to JSON.
#[library_benchmark]
#[bench::two_kilobytes(room_and_event())]
fn lambda(mut buffer: Vec<u8>) -> usize {
    let mut table = [Field::EMPTY; 100];
    let end = buffer.len();
    let read = event::read(&mut buffer, 4096, 4096..end, &mut table);
    let source = read.unwrap_or_else(|error| panic!("{error}")).source;
    let mut out = [0; 1024];
    let mut renderer = event::Renderer::new(source, &mut out);
    let body = b"{\"message\":\"Hello from midge\"}\n";
    let rendered =
        renderer.begin(midge::Status::OK, b"content-type: application/json\r\n").and_then(|()| renderer.body(body));
    rendered.and_then(|()| renderer.end()).unwrap_or(0)
}

async fn found(_: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).lines(LINES).body("found").await
}

const fn app() -> Router<impl Routes> {
    Router::new()
        .get("/", found)
        .get("/users", found)
        .post("/users", found)
        .get("/users/{id}", found)
        .get("/users/{id}/posts/{post}", found)
        .get("/files/{*path}", found)
}

fn routed(path: &str) -> Bench {
    bench(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), 1)
}

// A connection with one request for a router.
#[library_benchmark]
#[bench::plain(routed("/users"))]
#[bench::parameters(routed("/users/42/posts/7"))]
#[bench::wildcard(routed("/files/a/b/c.txt"))]
#[bench::missed(routed("/nowhere/at/all"))]
fn route(bench: Bench) -> Bench {
    serve_with(const { &app() }, bench)
}

// A query's pairs, decoded where they have to be.
#[library_benchmark]
#[bench::plain(routed("/?page=2&sort=name&filter=open"))]
#[bench::encoded(routed("/?name=J%C3%B6rg+M%C3%BCller&city=K%C3%B6ln"))]
fn query(bench: Bench) -> Bench {
    serve_with(
        &async |request: Request<'_>, response: Response<'_>| {
            let mut total = 0;
            for pair in request.query_pairs().iter() {
                let (mut name, mut value) = ([0; 64], [0; 64]);
                let (given_name, given_value) = pair;
                total += given_name.decode(&mut name)?.len() + given_value.decode(&mut value)?.len();
            }
            response.status(200).header_fmt("x-total", format_args!("{total}")).empty().await
        },
        bench,
    )
}

library_benchmark_group!(name = cases; benchmarks = exchange, head, decision, decode, answer, lambda, route, query);
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = cases
);

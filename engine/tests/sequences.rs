//! Pseudo-random pipelines, handlers and cuts.
//!
//! Invariant: a reader that knows only RFC 9112 reads off the wire exactly the answers that the handlers gave, in order, each whole;
//! only the last one may be cut, where its handler failed after its head was out, and then nothing follows. The connection
//! is kept exactly as long as nobody had a reason to close it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{cell::Cell, future::poll_fn, rc::Rc, task::Poll};

use common::{Bench, Outcome, Random, Stop, Wire};
use midge::{Ended, Failure, Limits, Request, Response, Sent, State};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    Bytes(usize),
    Chunks,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    Never,
    AtOnce,
    /// With a head and content that did not go out yet.
    Unsent,
    Sent,
}

/// One request, and what its handler does.
#[derive(Debug, Clone)]
struct Plan {
    method: &'static str,
    http10: bool,
    says_close: bool,
    expects: bool,
    content: Vec<u8>,
    chunked: bool,
    reads: Reads,
    interims: usize,
    waits: usize,
    status: u16,
    answer: Vec<u8>,
    /// The answer's pieces, where it is streamed; flushed after each, or not.
    piece: Option<usize>,
    flushes: bool,
    declares: bool,
    trailers: bool,
    closes: bool,
    fails: Fails,
}

impl Plan {
    fn new(random: &mut Random, number: u64) -> Self {
        let byte = b'a' + (number % 26) as u8;
        let method = ["GET", "GET", "HEAD", "POST", "PUT"][random.below(5) as usize];
        let content = if random.one_in(2) { vec![byte; random.below(300) as usize] } else { Vec::new() };
        let http10 = random.one_in(8);
        let streams = random.one_in(2);
        let piece = streams.then(|| 1 + random.below(200) as usize);
        let status =
            if random.one_in(6) { [204, 304][random.below(2) as usize] } else { 200 + random.below(90) as u16 };
        let status = if matches!(status, 204 | 205) && piece.is_some() { 200 } else { status };
        let answer = if status == 204 || status == 205 { 0 } else { random.below(1_500) as usize };
        Self {
            method,
            http10,
            says_close: random.one_in(20),
            expects: !http10 && !content.is_empty() && random.one_in(6),
            chunked: !http10 && random.one_in(2),
            content,
            reads: match random.below(4) {
                0 => Reads::Nothing,
                1 => Reads::Bytes(random.below(400) as usize),
                2 => Reads::Chunks,
                _ => Reads::All,
            },
            interims: random.below(6).saturating_sub(3) as usize,
            waits: random.below(5).saturating_sub(2) as usize,
            status,
            answer: vec![byte.to_ascii_uppercase(); answer],
            piece,
            flushes: random.one_in(3),
            declares: random.one_in(2),
            trailers: random.one_in(4),
            closes: random.one_in(20),
            fails: match random.below(30) {
                0 => Fails::AtOnce,
                1 => Fails::Unsent,
                2 => Fails::Sent,
                _ => Fails::Never,
            },
        }
    }

    fn request(&self, random: &mut Random) -> Vec<u8> {
        let version = if self.http10 { "1.0" } else { "1.1" };
        let mut bytes = format!("{} / HTTP/{version}\r\nHost: a\r\n", self.method).into_bytes();
        if self.says_close {
            bytes.extend_from_slice(b"Connection: close\r\n");
        } else if self.http10 {
            bytes.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        if self.expects {
            bytes.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        if self.chunked {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut rest = &self.content[..];
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                let extension = if random.one_in(3) { ";a=\"b;\"" } else { "" };
                bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(&[chunk, b"\r\n"].concat());
                rest = behind;
            }
            bytes.extend_from_slice(if random.one_in(2) {
                b"0\r\n\r\n"
            } else {
                b"0\r\nX-T: a trailer that is longer than the next head is, or was, when it is scanned\r\n\r\n"
            });
        } else {
            if !self.content.is_empty() || random.one_in(2) {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.content.len()).as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&self.content);
        }
        bytes
    }

    async fn handle(
        &self,
        mut request: Request<'_>,
        mut response: Response<'_>,
        moves: &Cell<u64>,
    ) -> Result<Sent, Failure> {
        assert_eq!(request.method().as_str(), self.method);
        let wait = async || {
            let left = Cell::new(self.waits);
            poll_fn(|_| {
                moves.set(moves.get() + 1);
                if left.replace(left.get().saturating_sub(1)) == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        for _ in 0..self.interims {
            response.interim(103).header("link", "</a>").send().await?;
        }
        let mut got = Vec::new();
        match self.reads {
            Reads::Nothing => {}
            Reads::Bytes(count) => {
                let mut buffer = [0; 7];
                while got.len() < count.min(self.content.len()) {
                    let read = request.body().read(&mut buffer).await?;
                    got.extend_from_slice(&buffer[..read]);
                }
            }
            Reads::Chunks => {
                while let Some(chunk) = request.body().chunk().await? {
                    got.extend_from_slice(&chunk);
                }
            }
            Reads::All => got.extend_from_slice(request.body().all().await?),
        }
        assert_eq!(got, self.content[..got.len()]);
        assert!(!matches!(self.reads, Reads::Chunks | Reads::All) || got.len() == self.content.len());
        wait().await;
        if self.fails == Fails::AtOnce {
            return Err(Failure::new(503).because("at once"));
        }
        let mut head = response.status(self.status).header("x-secret", "no");
        if self.closes {
            head = head.close();
        }
        if self.declares {
            head = head.length(self.answer.len() as u64);
        }
        let Some(piece) = self.piece else {
            if self.fails == Fails::Unsent {
                return Err(Failure::new(503).because("unsent"));
            }
            let sent = head.body(&self.answer).await?;
            wait().await;
            return Ok(sent);
        };
        let mut body = head.stream().await?;
        for (index, part) in self.answer.chunks(piece).enumerate() {
            if self.fails == Fails::Sent && index > 0 {
                body.flush().await?;
                return Err(Failure::new(503).because("sent"));
            }
            body.write(part).await?;
            if self.flushes {
                body.flush().await?;
            }
            wait().await;
        }
        if self.trailers && self.flushes {
            body.trailer("x-trailer", "v").await?;
        }
        body.finish().await
    }

    /// Whether its handler cuts the answer short.
    fn is_cut(&self) -> bool {
        self.fails == Fails::Sent && self.piece.is_some_and(|piece| self.answer.len() > piece)
    }

    /// The status and the content that the client reads.
    fn wanted(&self) -> (u16, Vec<u8>) {
        let fails = self.fails == Fails::AtOnce || (self.fails == Fails::Unsent && self.piece.is_none());
        let (status, content) = match self.fails {
            Fails::AtOnce => (503, b"503 Service Unavailable: at once\n".to_vec()),
            _ if fails => (503, b"503 Service Unavailable: unsent\n".to_vec()),
            _ => (self.status, self.answer.clone()),
        };
        let bodiless = self.method == "HEAD" || matches!(status, 204 | 304);
        (status, if bodiless { Vec::new() } else { content })
    }

    /// Whether somebody has a reason to close: the client, the handler, or an answer that only the end can end.
    fn must_close(&self) -> bool {
        let answered = self.fails != Fails::AtOnce && !(self.fails == Fails::Unsent && self.piece.is_none());
        let bodiless = self.method == "HEAD" || matches!(self.status, 204 | 304);
        let unframed = self.http10 && self.piece.is_some() && !self.declares && !bodiless;
        self.says_close || (self.closes && self.fails != Fails::AtOnce) || (answered && unframed)
    }

    /// Whether it may be that the client is told `close` instead of being told to go on: it depends on what came when.
    fn may_close(&self) -> bool {
        self.expects && !matches!(self.reads, Reads::Chunks | Reads::All)
    }
}

/// What a client reads of one answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    interims: usize,
    continued: bool,
    status: u16,
    content: Vec<u8>,
    complete: bool,
    close: bool,
}

/// Reads all answers to requests by these methods: RFC 9112, section 6.3.
fn read(mut bytes: &[u8], methods: &[&str]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let (mut interims, mut continued) = (0, false);
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head cut short");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap();
        let status: u16 = line.strip_prefix("HTTP/1.1 ").and_then(|line| line[..3].parse().ok()).expect(line);
        let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").expect(line)).collect();
        let value = |name| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        if status < 200 {
            continued |= status == 100;
            interims += usize::from(status == 103);
            assert!(value("content-length").or(value("transfer-encoding")).or(value("date")).is_none());
            continue;
        }
        let method = methods.get(answers.len()).expect("an answer that nobody asked for");
        let close = value("connection") == Some("close");
        assert_eq!(value("date"), Some(common::DATE));
        assert!(value("content-length").is_none() || value("transfer-encoding").is_none());
        let (content, complete) = if *method == "HEAD" || matches!(status, 204 | 304) {
            (Vec::new(), true)
        } else if value("transfer-encoding").is_some() {
            read_chunks(&mut bytes)
        } else {
            let length = value("content-length").map(|length| length.parse::<usize>().unwrap());
            let count = length.unwrap_or(usize::MAX).min(bytes.len());
            let (content, rest) = bytes.split_at(count);
            bytes = rest;
            (content.to_vec(), length.is_none_or(|length| length == count))
        };
        assert!((complete && !close) || bytes.is_empty(), "something behind the last answer");
        answers.push(Answer { interims, continued, status, content, complete, close });
        (interims, continued) = (0, false);
    }
    assert!(interims == 0 && !continued, "an interim answer and no other");
    answers
}

fn read_chunks(bytes: &mut &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).expect("a chunk's size");
        *bytes = &bytes[end + 2..];
        if size == 0 {
            let trailers = bytes.strip_prefix(b"x-trailer: v\r\n").unwrap_or(bytes);
            *bytes = trailers.strip_prefix(b"\r\n").expect("the end of the trailers");
            return (content, true);
        }
        let (data, rest) = bytes.split_at(size);
        content.extend_from_slice(data);
        *bytes = rest.strip_prefix(b"\r\n").expect("the end of a chunk");
    }
    (content, false)
}

/// Gives how many answers were read, and how many of them were cut or told `close`.
fn run(seed: u64, bench: &mut Bench) -> (usize, usize) {
    let mut random = Random::new(seed);
    let plans: Vec<Plan> = (0..1 + random.below(9)).map(|number| Plan::new(&mut random, number)).collect();
    let bytes = plans.iter().map(|plan| plan.request(&mut random)).collect::<Vec<_>>().concat();
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut rest = &bytes[..];
    let largest = [2, 40, 3_000][random.below(3) as usize];
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + random.below(largest) as usize).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    bench.take = [1, 5, 100, usize::MAX][random.below(4) as usize];

    let mut wire = Wire::new(&pieces);
    wire.take = bench.take;
    wire.open = random.one_in(2);
    let moves = Rc::clone(&wire.moves);
    let next = Cell::new(0);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let plan = &plans[next.replace(next.get() + 1)];
        plan.handle(request, response, &moves).await
    };
    let stop = bench.drive(&handler, &mut wire, u64::MAX, |_| false);
    let waits = wire.open && stop == Stop::Waits(State::Idle);
    let outcome = Outcome { out: wire.out, stop };
    assert!(waits || matches!(stop, Stop::Ended(_)), "seed {seed}: {outcome:?}");
    let methods: Vec<&str> = plans.iter().map(|plan| plan.method).collect();
    let answers = read(&outcome.out, &methods);
    assert_eq!(answers.len(), next.get(), "seed {seed}: {outcome:?}");

    for (index, (answer, plan)) in answers.iter().zip(&plans).enumerate() {
        let shown = format!("seed {seed}, answer {index}: {plan:?} gave {answer:?}");
        let (status, content) = plan.wanted();
        let last = index + 1 == answers.len();
        if plan.is_cut() && !(answer.status == 503 && answer.complete) {
            assert!(last && answer.status == status && content.starts_with(&answer.content), "{shown}");
            assert!(!answer.complete || plan.method == "HEAD" || content.is_empty() || plan.http10, "{shown}");
            let reset = plan.http10 && !plan.declares && !content.is_empty();
            assert_eq!(outcome.stop == Stop::Ended(Ended::Reset), reset, "{shown}: {:?}", outcome.stop);
            continue;
        }
        if plan.is_cut() {
            continue;
        }
        assert!(answer.complete, "{shown}");
        assert_eq!((answer.status, &answer.content), (status, &content), "{shown}");
        assert_eq!(answer.interims, if plan.http10 { 0 } else { plan.interims }, "{shown}");
        assert!(!answer.continued || (plan.expects && plan.reads != Reads::Nothing), "{shown}");
        assert!(answer.close == plan.must_close() || (answer.close && plan.may_close()), "{shown}");
        assert!(last || !answer.close, "{shown}");
        assert!(!last || answer.close || index + 1 == plans.len(), "{shown}: then it stopped: {:?}", outcome.stop);
    }
    let ended = answers.iter().filter(|answer| answer.close || !answer.complete).count();
    (answers.len(), ended)
}

fn run_all(seeds: std::ops::Range<u64>, mut bench: Bench) {
    let (mut answers, mut ended) = (0, 0);
    for seed in seeds.clone() {
        let (read, last) = run(seed, &mut bench);
        (answers, ended) = (answers + read, ended + last);
    }
    let runs = (seeds.end - seeds.start) as usize;
    assert!(
        answers > runs * 2 && ended > runs / 10 && ended < runs,
        "{answers} answers, {ended} last ones, {runs} runs"
    );
}

#[test]
fn answers_are_read_as_they_were_given() {
    run_all(0..2_000, Bench::sized(65_536, 8192, 32, Limits::DEFAULT));
}

#[test]
fn answers_pass_through_a_small_output_buffer() {
    let limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };
    run_all(4_000..6_000, Bench::sized(65_536, 600, 32, limits));
}

#[test]
fn requests_pass_through_a_small_input_buffer() {
    let limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };
    run_all(8_000..10_000, Bench::sized(1_024, 600, 32, limits));
}

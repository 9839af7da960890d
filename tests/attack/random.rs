//! Messages cut at random: what is sent and what is received come in pieces of any size, and everything is answered as if they
//! came whole.

use std::{
    convert::Infallible,
    future::poll_fn,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr},
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use embedded_io_async::{ErrorType, Read, Write};
use midge::{Ended, Field, Limits, ManualClock, Method, Peer, Slot, Watch, serve};
use midge_tests::wire::{Asked, Reader};

use crate::support::{App, Honest, PATIENT, Random, attack, every_slot_serves, rogue};

const CLIENTS: u64 = 6;
const REQUESTS: usize = 1_000;

#[test]
fn thousands_of_mixed_requests_in_random_pieces_are_answered_over_sockets() {
    attack(
        |server| server.slots(4).limits(PATIENT),
        |_, address| {
            let mut honest = Honest::connect(address);
            thread::scope(|scope| {
                let clients: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || client(address, seed))).collect();
                while !clients.iter().all(|client| client.is_finished()) {
                    honest.is_answered();
                }
            });
            every_slot_serves(address, 4);
        },
    );
}

fn client(address: SocketAddr, seed: u64) {
    let mut random = Random(seed);
    let (requests, wanted) = mixed(&mut random, REQUESTS);
    let mut stream = rogue(address, b"");
    let mut writer = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut rest = &requests[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(random.piece(rest.len()));
                writer.write_all(piece).unwrap();
                rest = behind;
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let (mut random, mut received, mut buffer) = (Random(!seed), Vec::new(), vec![0; 60_000]);
        loop {
            let size = random.piece(buffer.len());
            match stream.read(&mut buffer[..size]).unwrap() {
                0 => break,
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
        check(&received, &wanted, seed);
    });
}

/// The same in memory, where the engine's own reads and writes are short, and wait now and then. The buffers are as small as
/// they can be.
#[test]
fn thousands_of_mixed_requests_over_short_reads_and_writes_are_answered_in_memory() {
    let limits = Limits { head_bytes: 1_024, response_head_bytes: 512, body_in_memory_bytes: 4_096, ..PATIENT };
    for seed in 0..20 {
        let mut random = Random(seed);
        let (requests, wanted) = mixed(&mut random, 300);
        let (app, clock, watch) = (App::default(), ManualClock::new(), Watch::new());
        clock.set_unix_seconds(1_000_000_000);
        let (mut input, mut output, mut fields) = ([0; 6_000], [0; 1_000], [Field::EMPTY; 132]);
        let mut slot = Slot::new(&mut input, &mut output, &mut fields);
        let mut io = Short { input: &requests, output: Vec::new(), random, waits: true };
        {
            let handler = &app;
            let serving = serve(&mut io, &handler, &mut slot, &limits, &clock, Peer::Unknown, &watch);
            let mut serving = pin!(serving);
            let mut context = Context::from_waker(Waker::noop());
            let mut polls = 0;
            let ended = loop {
                if let Poll::Ready(ended) = serving.as_mut().poll(&mut context) {
                    break ended;
                }
                polls += 1;
                assert!(polls < 10_000_000, "it goes on for ever");
            };
            assert_eq!(ended, Ok(Ended::Close));
        }
        check(&io.output, &wanted, seed);
    }
}

/// Reads and writes as much at a time as chance has it.
struct Short<'i> {
    input: &'i [u8],
    output: Vec<u8>,
    random: Random,
    /// Every other call has to wait at first.
    waits: bool,
}

impl Short<'_> {
    fn waits(&mut self) -> bool {
        self.waits = !self.waits && self.random.below(4) == 0;
        self.waits
    }
}

impl ErrorType for Short<'_> {
    type Error = Infallible;
}

impl Read for Short<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            if self.waits() {
                return Poll::Pending;
            }
            let most = buffer.len().min(self.input.len());
            let (now, later) = self.input.split_at(if most == 0 { 0 } else { self.random.piece(most) });
            buffer[..now.len()].copy_from_slice(now);
            self.input = later;
            Poll::Ready(Ok(now.len()))
        })
        .await
    }
}

impl Write for Short<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            if self.waits() {
                return Poll::Pending;
            }
            let count = self.random.piece(bytes.len());
            self.output.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Random {
    /// A length from 1 to `most`, more often a small one.
    fn piece(&mut self, most: usize) -> usize {
        let most = match self.below(8) {
            0 => most,
            1 => most.min(3_000),
            2..=4 => most.min(100),
            _ => most.min(8),
        };
        1 + self.below(most)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// Requests of every kind that [`App`] answers, and what is wanted for each.
fn mixed(random: &mut Random, count: usize) -> (Vec<u8>, Vec<(Asked, Vec<u8>)>) {
    let (mut requests, mut wanted) = (Vec::new(), Vec::new());
    for number in 0..count {
        let length = match random.below(20) {
            0 => random.below(4_000),
            _ => random.below(60),
        };
        let body = random.bytes(length);
        let (method, path, answer) = match random.below(6) {
            0 => (Method::Get, "/", b"hello".to_vec()),
            1 => (Method::Head, "/", Vec::new()),
            2 => (Method::Post, "/count", body.len().to_string().into_bytes()),
            3 => (Method::Post, "/ignore", b"ignored".to_vec()),
            _ => (Method::Put, "/", body.clone()),
        };
        if random.below(10) == 0 {
            requests.extend_from_slice(b"\r\n");
        }
        requests.extend(format!("{method} {path} HTTP/1.1\r\nHost: a\r\nNumber: {number}\r\n").bytes());
        for _ in 0..random.below(8) {
            requests.extend(format!("X-{}: {:?}\r\n", random.below(1_000), "v".repeat(random.below(40))).bytes());
        }
        match (method, random.below(2)) {
            (Method::Get | Method::Head, _) => requests.extend_from_slice(b"\r\n"),
            (_, 0) => {
                requests.extend(format!("Content-Length: {length}\r\n\r\n").bytes());
                requests.extend_from_slice(&body);
            }
            _ => {
                requests.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                let mut rest = &body[..];
                while !rest.is_empty() {
                    let (chunk, behind) = rest.split_at(random.piece(rest.len()));
                    let extension = if random.below(3) == 0 { ";a=\"b;\"" } else { "" };
                    requests.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
                    requests.extend_from_slice(chunk);
                    requests.extend_from_slice(b"\r\n");
                    rest = behind;
                }
                let trailers = if random.below(2) == 0 { "X-T: v\r\nX-U: w\r\n" } else { "" };
                requests.extend(format!("0\r\n{trailers}\r\n").bytes());
            }
        }
        wanted.push((Asked::new(method.as_str()), answer));
    }
    (requests, wanted)
}

fn check(received: &[u8], wanted: &[(Asked, Vec<u8>)], seed: u64) {
    let mut reader = Reader::new();
    wanted.iter().for_each(|(asked, _)| reader.ask(asked.clone()));
    reader.push(received);
    for (number, (asked, content)) in wanted.iter().enumerate() {
        let answer = reader.response().unwrap_or_else(|| panic!("seed {seed}: no answer {number}"));
        let text = answer.content.escape_ascii();
        assert_eq!(answer.head.status, 200, "seed {seed}, answer {number} to {asked:?}: {text}");
        assert!(answer.content == *content, "seed {seed}, answer {number} to {asked:?}: {text}");
    }
    assert!(reader.violations().is_empty(), "seed {seed}: {:?}", reader.violations());
    assert_eq!(reader.rest(), b"", "seed {seed}");
}

//! A connection in memory: what the client sends comes in the given pieces, and what it takes goes out a few bytes at a time.
//!
//! Invariant: before each piece, and before each write that isn't taken whole, the connection is told to wait once, so that
//! every cut is a real one. Time stands still unless a test moves it, and `Date` is always [`DATE`].

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use embedded_io_async::{ErrorType, Read, Write};
use midge::{Clock, Ended, Field, Handler, Limits, ManualClock, Peer, Slot, State, Watch, serve};

pub const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A head's `date` line.
pub const DATE_LINE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// Host and the end of a head.
pub const HOST: &str = "Host: a\r\n\r\n";

/// The client's end of a connection.
pub struct Wire {
    pieces: VecDeque<Vec<u8>>,
    ready: bool,
    /// How many bytes one write takes; `usize::MAX` takes them all, without a wait.
    pub take: usize,
    taking: bool,
    /// Whether the client leaves its side open behind the last piece.
    pub open: bool,
    pub out: Vec<u8>,
    /// How often was asked for more where there was no more.
    vain: u32,
    /// Number of writes that took something.
    pub writes: usize,
    /// How far the time moves before each piece.
    pub tick: Option<(Rc<ManualClock>, Duration)>,
    /// Bytes that the host sends past the output buffer.
    pub past: Rc<Past>,
    /// Number of things that happened, waits included.
    pub moves: Rc<Cell<u64>>,
}

impl Wire {
    pub fn new(pieces: &[&[u8]]) -> Self {
        let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect();
        let (out, tick, moves) = (Vec::new(), None, Rc::default());
        Self {
            pieces,
            ready: false,
            take: usize::MAX,
            taking: false,
            open: false,
            out,
            vain: 0,
            writes: 0,
            tick,
            past: Rc::default(),
            moves,
        }
    }

    fn moved(&self) {
        self.moves.set(self.moves.get() + 1);
    }
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl Read for Wire {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        assert!(!buf.is_empty(), "a read without room would be taken for the end");
        poll_fn(|_| {
            let Some(piece) = self.pieces.front_mut() else {
                self.vain += u32::from(self.open);
                assert!(self.vain < 10_000, "it asks again and again for what is not there");
                return if self.open { Poll::Pending } else { Poll::Ready(Ok(0)) };
            };
            if !self.ready {
                self.ready = true;
                if let Some((clock, time)) = &self.tick {
                    clock.advance(*time);
                }
                self.moved();
                return Poll::Pending;
            }
            let count = piece.len().min(buf.len());
            buf[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.pieces.pop_front();
                self.ready = false;
            }
            self.moved();
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for Wire {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            self.taking = !self.taking && self.take < usize::MAX;
            if self.taking || self.take == 0 {
                if self.take > 0 {
                    self.moved();
                }
                return Poll::Pending;
            }
            let count = buf.len().min(self.take);
            self.out.extend_from_slice(&buf[..count]);
            self.writes += 1;
            self.moved();
            Poll::Ready(Ok(count))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        poll_fn(|_| {
            let past = &self.past;
            let count = past.asked.get().min(past.room.get()).min(self.take as u64);
            self.taking = !self.taking && self.take < usize::MAX;
            if count == 0 || self.taking {
                if count > 0 {
                    self.moved();
                }
                return Poll::Pending;
            }
            self.out.extend(std::iter::repeat_n(b'p', count as usize));
            past.asked.set(past.asked.get() - count);
            past.room.set(past.room.get() - count);
            past.sent.set(past.sent.get() + count);
            self.moved();
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// What a handler and its host tell each other of bytes that go past the output buffer.
#[derive(Default)]
pub struct Past {
    /// Bytes that the handler wants to be sent.
    pub asked: Cell<u64>,
    /// Bytes that the client takes.
    pub room: Cell<u64>,
    /// Bytes that went out and weren't counted yet.
    pub sent: Cell<u64>,
}

impl Past {
    /// What the handler asks with.
    pub fn poll(&self, count: u64) -> Poll<Result<u64, &'static str>> {
        match self.sent.take() {
            0 => {
                self.asked.set(count);
                Poll::Pending
            }
            sent => Poll::Ready(Ok(sent)),
        }
    }
}

/// How serving stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Ended(Ended),
    /// It waits for what doesn't come, in this state.
    Waits(State),
}

/// What came out of a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    pub out: Vec<u8>,
    pub stop: Stop,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after \"{}\"", self.stop, self.out.escape_ascii())
    }
}

impl Outcome {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// The final statuses, in order.
    pub fn statuses(&self) -> Vec<u16> {
        let mut statuses = Vec::new();
        for (at, _) in self.out.windows(9).enumerate().filter(|(_, window)| *window == b"HTTP/1.1 ") {
            // Some bodies quote a request line.
            let digits = self.out.get(at + 9..at + 12).and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| digits.parse().ok()) {
                Some(status) if status >= 200 || status == 101 => statuses.push(status),
                _ => {}
            }
        }
        statuses
    }

    pub fn says_close(&self) -> bool {
        self.text().contains("\r\nconnection: close\r\n")
    }
}

/// Memory and settings to serve with. The memory is never cleared: what one run leaves there, the next one must not show.
pub struct Bench {
    pub limits: Limits,
    pub take: usize,
    pub open: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    fields: Vec<Field>,
    pub clock: Rc<ManualClock>,
    pub watch: Watch,
}

impl Bench {
    pub fn new() -> Self {
        Self::sized(8192, 8192, 132, Limits::DEFAULT)
    }

    pub fn with(limits: Limits) -> Self {
        Self::sized(limits.head_bytes as usize + 8192, 8192 + limits.response_head_bytes as usize, 132, limits)
    }

    pub fn sized(input: usize, output: usize, fields: usize, limits: Limits) -> Self {
        let clock = ManualClock::new();
        clock.set_unix_seconds(784_111_777);
        Self {
            limits,
            take: usize::MAX,
            open: false,
            input: vec![0xaa; input],
            output: vec![0x55; output],
            fields: vec![Field::EMPTY; fields],
            clock: Rc::new(clock),
            watch: Watch::new(),
        }
    }

    /// Serves a client that sends these pieces, until serving ends or nothing moves any more.
    pub fn run(&mut self, handler: &impl Handler, pieces: &[&[u8]]) -> Outcome {
        let mut wire = Wire::new(pieces);
        (wire.take, wire.open) = (self.take, self.open);
        let stop = self.drive(handler, &mut wire, u64::MAX, |_| false);
        Outcome { out: wire.out, stop }
    }

    /// Serves at most `polls` turns. Where nothing moves, `stuck` may change the time, and says whether to go on.
    pub fn drive(
        &mut self,
        handler: &impl Handler,
        wire: &mut Wire,
        polls: u64,
        mut stuck: impl FnMut(&(&ManualClock, &Watch)) -> bool,
    ) -> Stop {
        self.watch.reset();
        self.watch.set_next_id(1);
        let moves = Rc::clone(&wire.moves);
        let mut slot = Slot::new(&mut self.input, &mut self.output, &mut self.fields);
        let (limits, clock, watch) = (&self.limits, &*self.clock, &self.watch);
        let mut serving = pin!(serve(wire, handler, &mut slot, limits, clock, Peer::Unknown, watch));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            let before = moves.get();
            match serving.as_mut().poll(&mut context) {
                Poll::Ready(Ok(ended)) => return Stop::Ended(ended),
                Poll::Pending if moves.get() > before || stuck(&(clock, watch)) => {}
                Poll::Pending => break,
            }
        }
        Stop::Waits(watch.state())
    }
}

/// Lets the time jump to whatever deadline is waited for.
pub fn to_the_deadline((clock, watch): &(&ManualClock, &Watch)) -> bool {
    match watch.deadline() {
        Some(deadline) => {
            assert!(deadline > clock.now(), "the time that is waited for is past");
            clock.set(deadline);
            true
        }
        None => false,
    }
}

/// A seeded generator of pseudo-random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    pub fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }
}

/// A request without a body, for a connection that is kept.
pub fn ask(method: &str, version: &str) -> String {
    let keep = if version == "1.0" { "Connection: keep-alive\r\n" } else { "" };
    format!("{method} / HTTP/{version}\r\n{keep}{HOST}")
}

/// What one request gets, whatever few bytes of it are taken at a time, and whether the connection is kept.
pub fn answer(handler: &impl Handler, request: &str) -> (String, bool) {
    let small = Limits { response_head_bytes: 256, ..Limits::DEFAULT };
    let mut answers = Vec::new();
    for (output, limits) in [(512, small), (8192, Limits::DEFAULT)] {
        for take in [usize::MAX, 3, 1] {
            let mut bench = Bench::sized(8192, output, 32, limits);
            bench.take = take;
            bench.open = true;
            let outcome = bench.run(handler, &[request.as_bytes()]);
            let kept = match outcome.stop {
                Stop::Waits(State::Idle) => true,
                Stop::Ended(Ended::Linger) => false,
                other => panic!("{other:?} after {outcome:?}"),
            };
            answers.push((outcome.text().to_owned(), kept));
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    answers.remove(0)
}

/// What a `GET` gets through an output buffer that holds little more than a head, and whether the connection is kept.
pub fn answer_tiny(handler: &impl Handler) -> (String, bool) {
    let mut bench = Bench::sized(1024, 512, 8, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    bench.open = true;
    let outcome = bench.run(handler, &[ask("GET", "1.1").as_bytes()]);
    (outcome.text().to_owned(), matches!(outcome.stop, Stop::Waits(_)))
}

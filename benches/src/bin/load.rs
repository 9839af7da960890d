//! Sends an exact number of requests, or as many as there is time for, to a server on loopback, checks every answer, and prints
//! rate and latency.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use midge_benches::answer::{BODY, Checker};
use midge_benches::client::{Connection, REQUEST, Reader};
use midge_benches::{Failure, conclude, limits};

const HELP: &str = "\
Usage: load [OPTIONS] ADDRESS:PORT

  --mode MODE         lockstep (default)  one request on each connection, then all answers, and again
                      pipelined           the same with a burst of --depth requests, in one write
                      busy                one request at a time on each connection, no connection ever waits for another
                      reconnect           lockstep with new connections for every round
  --connections N     how many connections (64)
  --depth N           requests in a burst (pipelined 16, busy 1)
  --requests N        how many requests in all (100000)
  --for MILLISECONDS  no new requests after so long, instead of --requests
  --request FILE      the request, as bytes (a GET of 40 bytes)
  --body FILE         the body that every answer must have (Hello, World!)
  --seconds N         give up after so long (60)
  --help

Every answer must be 200 with that body; the first other one ends the program with exit code 1.
";

/// So that the latencies, 8 bytes each, stay well within memory.
const MOST_REQUESTS: usize = 50_000_000;

/// As many as a second or two can hold.
const MOST_IN_TIME: usize = 10_000_000;

fn main() -> ExitCode {
    conclude("load", run())
}

fn run() -> Result<(), Failure> {
    let mut arguments = pico_args::Arguments::from_env();
    if arguments.contains("--help") {
        print!("{HELP}");
        return Ok(());
    }
    let load = Load::parse(&mut arguments)?;
    let seconds = arguments.opt_value_from_str("--seconds")?.unwrap_or(60);
    let address = arguments.free_from_str()?;
    if let Some(surplus) = arguments.finish().first() {
        return Err(format!("unknown argument: {}", surplus.display()).into());
    }

    limits::raise_open_files();
    limits::end_after("load", seconds);
    let (took, latencies) = load.drive(address)?;
    report(took, &latencies)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Lockstep,
    Pipelined,
    Busy,
    Reconnect,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lockstep" => Ok(Self::Lockstep),
            "pipelined" => Ok(Self::Pipelined),
            "busy" => Ok(Self::Busy),
            "reconnect" => Ok(Self::Reconnect),
            _ => Err(format!("no such mode: {text}")),
        }
    }
}

struct Load {
    mode: Mode,
    connections: usize,
    requests: usize,
    time: Option<Duration>,
    body: Vec<u8>,
    request: usize,
    /// As many copies of the request as one write may carry.
    burst: Vec<u8>,
}

impl Load {
    fn parse(arguments: &mut pico_args::Arguments) -> Result<Self, Failure> {
        let mode = arguments.opt_value_from_str("--mode")?.unwrap_or(Mode::Lockstep);
        let connections = positive(arguments, "--connections", 64)?;
        let depth = positive(arguments, "--depth", if mode == Mode::Pipelined { 16 } else { 1 })?;
        let time: Option<u64> = arguments.opt_value_from_str("--for")?;
        let time = time.map(Duration::from_millis);
        let requests = positive(arguments, "--requests", if time.is_some() { MOST_IN_TIME } else { 100_000 })?;
        if requests > MOST_REQUESTS {
            return Err(format!("--requests: at most {MOST_REQUESTS}").into());
        }
        let request = content(arguments, "--request", REQUEST)?;
        let body = content(arguments, "--body", BODY)?;
        if request.is_empty() {
            return Err("--request: an empty file".into());
        }
        if depth > 1 && !matches!(mode, Mode::Pipelined | Mode::Busy) {
            return Err("--depth: for the modes pipelined and busy".into());
        }
        Ok(Self { mode, connections, requests, time, body, request: request.len(), burst: request.repeat(depth) })
    }

    /// Sends all requests; gives the time from the first write to the last answer, and the sorted latencies.
    fn drive(&self, address: SocketAddr) -> Result<(Duration, Vec<u64>), Failure> {
        let mut reader = Reader::checking(Checker::wanting(self.body.clone()), self.requests);
        let mut flock = Flock { address, opened: 0, connections: Vec::with_capacity(self.connections) };
        flock.open(self.connections)?;
        let begin = Instant::now();
        match self.mode {
            Mode::Busy => self.busy(&mut flock, &mut reader, begin)?,
            Mode::Lockstep | Mode::Pipelined | Mode::Reconnect => self.rounds(&mut flock, &mut reader, begin)?,
        }
        Ok((begin.elapsed(), reader.latencies()))
    }

    fn is_over(&self, begin: Instant) -> bool {
        self.time.is_some_and(|time| begin.elapsed() >= time)
    }

    fn rounds(&self, flock: &mut Flock, reader: &mut Reader, begin: Instant) -> Result<(), Failure> {
        let mut left = self.requests;
        while left > 0 && !self.is_over(begin) {
            let mut used = 0;
            for connection in &mut flock.connections {
                let count = left.min(self.burst.len() / self.request);
                if count == 0 {
                    break;
                }
                connection.send(self.first(count), count)?;
                left -= count;
                used += 1;
            }
            for connection in flock.connections.iter_mut().take(used) {
                reader.receive(connection)?;
            }
            if self.mode == Mode::Reconnect && left > 0 {
                flock.connections.clear();
                flock.open(self.connections.min(left))?;
            }
        }
        Ok(())
    }

    /// The oldest burst's answers are read, and that connection's next burst sent at once: the server always has
    /// up to all other connections to work on, and the slower side sets the rate.
    fn busy(&self, flock: &mut Flock, reader: &mut Reader, begin: Instant) -> Result<(), Failure> {
        let depth = self.burst.len() / self.request;
        let mut left = self.requests;
        let mut owed = 0;
        for connection in flock.connections.iter_mut().take(left.div_ceil(depth)) {
            let count = left.min(depth);
            connection.send(self.first(count), count)?;
            left -= count;
            owed += 1;
        }
        while owed > 0 {
            if self.is_over(begin) {
                left = 0;
            }
            for connection in flock.connections.iter_mut().take(owed) {
                reader.receive(connection)?;
                let count = left.min(depth);
                if count == 0 {
                    owed -= 1;
                    continue;
                }
                connection.send(self.first(count), count)?;
                left -= count;
            }
        }
        Ok(())
    }

    fn first(&self, count: usize) -> &[u8] {
        self.burst.get(..count * self.request).unwrap_or(&self.burst)
    }
}

struct Flock {
    address: SocketAddr,
    opened: usize,
    connections: Vec<Connection>,
}

impl Flock {
    fn open(&mut self, count: usize) -> Result<(), Failure> {
        for _ in 0..count {
            let connection = Connection::open(self.address, self.opened)
                .map_err(|error| format!("connection {} to {}: {error}", self.opened + 1, self.address))?;
            self.connections.push(connection);
            self.opened += 1;
        }
        Ok(())
    }
}

fn content(arguments: &mut pico_args::Arguments, name: &'static str, default: &[u8]) -> Result<Vec<u8>, Failure> {
    let file: Option<PathBuf> = arguments.opt_value_from_str(name)?;
    match file {
        Some(path) => Ok(std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => Ok(default.to_vec()),
    }
}

fn positive(arguments: &mut pico_args::Arguments, name: &'static str, default: usize) -> Result<usize, Failure> {
    match arguments.opt_value_from_str(name)?.unwrap_or(default) {
        0 => Err(format!("{name}: must not be 0").into()),
        number => Ok(number),
    }
}

fn report(took: Duration, latencies: &[u64]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "requests {}", latencies.len())?;
    writeln!(out, "seconds {:.6}", took.as_secs_f64())?;
    writeln!(out, "requests/s {:.0}", latencies.len() as f64 / took.as_secs_f64())?;
    for (name, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        // The nearest rank: the smallest latency that so many are not above.
        let rank = (latencies.len() * per_mille).div_ceil(1000).saturating_sub(1);
        let nanoseconds = latencies.get(rank).copied().unwrap_or(0);
        writeln!(out, "{name} {:.1} us", nanoseconds as f64 / 1000.0)?;
    }
    Ok(())
}

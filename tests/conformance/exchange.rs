//! One row over one connection.
//!
//! A connection is always read to its end. An answer that doesn't say `close` is followed by a probe, a `GET` which
//! does say it: what comes before the probe's 200 belongs to the row, and nothing may come after it. So the end of the
//! answers is found without waiting, and one answer too many is never missed.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use midge_tests::wire::{Asked, Ending, PATIENCE, Reader, Response, Violation, read};

use crate::checklist::{Input, Step};
use crate::outcome::State;

const PROBE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// How the bytes are cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// One write, but for pauses.
    Whole,
    /// One byte per segment.
    Bytewise,
}

/// How long to wait at most: `answer` for what must come, `quiet` for what must not.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub answer: Duration,
    pub quiet: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { answer: PATIENCE, quiet: Duration::from_millis(250) }
    }
}

/// What came of it.
pub struct Observed {
    /// The answers, without the probe's.
    pub responses: Vec<Response>,
    pub state: State,
    pub violations: Vec<Violation>,
    /// All that was received.
    pub raw: Vec<u8>,
}

/// Sends `input` and takes note of what comes back; `most` is how many answers there are to wait for.
pub fn exchange(address: SocketAddr, input: &Input, cut: Cut, most: usize, bounds: Bounds) -> io::Result<Observed> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(bounds.answer))?;
    let (heard, hears) = channel();
    let mut client = Client {
        stream: stream.try_clone()?,
        reader: Reader::new(),
        responses: Vec::new(),
        ending: Ending::Open,
        raw: Vec::new(),
        heard,
    };
    asked(&input.bytes()).into_iter().for_each(|asked| client.reader.ask(asked));

    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let cut = if input.bytewise { Cut::Bytewise } else { cut };
        let (stream, over) = (&stream, &over);
        let sender = scope.spawn(move || send(stream, input, cut, &hears, over, bounds));
        let probed = client.converse(most, input.half_closes(), bounds, |ended| {
            over.store(ended, Ordering::Relaxed);
            sender.join().unwrap_or_else(|_| Err(io::Error::other("the sender panicked")))
        });
        over.store(true, Ordering::Relaxed);
        probed.map(|probed| client.observed(input.half_closes(), probed))
    })
}

struct Client {
    stream: TcpStream,
    reader: Reader,
    responses: Vec<Response>,
    ending: Ending,
    raw: Vec<u8>,
    /// Tells the sending side that something came.
    heard: Sender<()>,
}

impl Client {
    /// Reads all answers; `sent` waits for the sending side, told whether the server has ended the connection. Gives
    /// how many answers had come when the probe was sent, if it was.
    fn converse(
        &mut self,
        most: usize,
        half_closes: bool,
        bounds: Bounds,
        sent: impl FnOnce(bool) -> io::Result<()>,
    ) -> io::Result<Option<usize>> {
        if most == 0 && !half_closes {
            sent(false)?;
            self.read_until(bounds.quiet, |_| false)?;
            return Ok(None);
        }
        self.read_until(bounds.answer, |client| client.responses.len() >= most || client.is_last())?;
        if self.ending == Ending::Open && self.responses.len() < most && !self.is_last() {
            // The time is up.
            return Ok(None);
        }
        let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        if self.ending != Ending::Open || self.is_last() || half_closes {
            self.read_until(bounds.answer, |_| false)?;
            // The system tells of a reset only once, and the sending side may have been the one to hear of it.
            if sent(true).is_err_and(|error| reset(&error)) {
                self.ending = Ending::Reset;
            }
            return Ok(None);
        }
        let before = self.responses.len();
        self.reader.forget();
        self.reader.ask(Asked::new("GET"));
        if sent(false).and_then(|()| (&self.stream).write_all(PROBE)).is_err_and(|error| reset(&error)) {
            self.ending = Ending::Reset;
            return Ok(Some(before));
        }
        self.read_until(bounds.answer, |_| false)?;
        Ok(Some(before))
    }

    fn read_until(&mut self, bound: Duration, enough: impl Fn(&Self) -> bool) -> io::Result<()> {
        self.stream.set_read_timeout(Some(bound))?;
        let mut buffer = [0; 65_536];
        loop {
            while let Some(response) = self.reader.response() {
                self.responses.push(response);
            }
            if self.ending != Ending::Open || enough(self) {
                return Ok(());
            }
            match read(&mut self.stream, &mut buffer)? {
                Ok(count) => {
                    self.raw.extend_from_slice(&buffer[..count]);
                    self.reader.push(&buffer[..count]);
                    // Nobody listens once everything is sent.
                    let _ = self.heard.send(());
                }
                Err(Ending::Open) => return Ok(()),
                Err(ending) => self.ending = ending,
            }
        }
    }

    /// Whether no answer can follow.
    fn is_last(&self) -> bool {
        self.reader.says_close() || self.reader.is_tunnel()
    }

    fn observed(mut self, half_closed: bool, probed: Option<usize>) -> Observed {
        let reset = self.ending == Ending::Reset;
        // In the middle of an answer, `end` says more than that it stays open.
        if self.ending != Ending::Open || self.reader.is_inside() || self.is_last() {
            self.responses.extend(self.reader.end(self.ending, half_closed));
        }
        let answered = probed.is_some_and(|before| self.responses.len() > before)
            && self.responses.last().is_some_and(|response| response.head.status == 200);
        let state = match self.ending {
            Ending::Open if self.responses.is_empty() && !half_closed => State::Open,
            Ending::Open => State::Stuck,
            _ if answered && !reset => {
                self.responses.pop();
                State::Open
            }
            _ => State::Close,
        };
        let violations = self.reader.violations().to_vec();
        Observed { responses: self.responses, state, violations, raw: self.raw }
    }
}

/// Sends all of `input`, or as much of it as the server takes before it ends the connection.
fn send(
    mut stream: &TcpStream,
    input: &Input,
    cut: Cut,
    heard: &Receiver<()>,
    over: &AtomicBool,
    bounds: Bounds,
) -> io::Result<()> {
    let mut sent = Vec::new();
    for step in &input.steps {
        match step {
            Step::Send(bytes) if cut == Cut::Whole => {
                stream.write_all(bytes)?;
                sent.extend_from_slice(bytes);
            }
            Step::Send(bytes) => {
                for byte in bytes {
                    // One byte at a time, the rest of a long row would take a while to reach nobody.
                    if over.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    stream.write_all(&[*byte])?;
                }
                sent.extend_from_slice(bytes);
            }
            Step::Pause => {
                // A 100 must come, and is the event to wait for. Where nothing is due, the bound is the pause.
                let due = asked(&sent).iter().any(|asked| !asked.http10) && expects(&sent);
                let _ = heard.recv_timeout(if due { bounds.answer } else { bounds.quiet });
            }
            Step::HalfClose => stream.shutdown(Shutdown::Write)?,
        }
    }
    Ok(())
}

fn expects(sent: &[u8]) -> bool {
    let expectation = b"\r\nexpect: 100-continue\r\n";
    sent.to_ascii_lowercase().windows(expectation.len()).any(|window| window == expectation)
}

/// The requests in `bytes`, as far as they are well-formed: one at least, since whatever is sent may be answered.
pub fn asked(bytes: &[u8]) -> Vec<Asked> {
    let mut all = Vec::new();
    let mut rest = bytes;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() && !all.is_empty() {
            return all;
        }
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let request = Asked::new(&String::from_utf8_lossy(method));
        all.push(if line.ends_with(b" HTTP/1.0") { request.http10() } else { request });
        match find(rest, b"\r\n\r\n").and_then(|end| after_content(&rest[..end + 2], &rest[end + 4..])) {
            Some(after) => rest = after,
            None => return all,
        }
    }
}

/// What follows the content of a request with this head, if its framing is plain and its content is all there.
fn after_content<'a>(head: &[u8], mut rest: &'a [u8]) -> Option<&'a [u8]> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let values = |name: &str| -> Vec<String> {
        let start = format!("{name}:");
        head.lines().filter_map(|line| line.strip_prefix(&start)).map(|value| value.trim().to_owned()).collect()
    };
    match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => Some(rest),
        ([length], []) => rest.get(length.parse().ok()?..),
        ([], [coding]) if coding == "chunked" => loop {
            let line = find(rest, b"\r\n")?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..digits]).ok()?, 16).ok()?;
            if size == 0 {
                let trailers = &rest[line..];
                return Some(&trailers[find(trailers, b"\r\n\r\n")? + 4..]);
            }
            rest = rest.get(line.checked_add(size)?.checked_add(4)?..)?;
        },
        _ => None,
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[test]
fn the_requests_in_an_input_are_found() {
    let methods = |bytes: &str| asked(bytes.as_bytes()).into_iter().map(|asked| asked.method).collect::<Vec<_>>();
    assert_eq!(methods("\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n"), ["HEAD", "GET"]);
    assert_eq!(methods("POST / HTTP/1.1\r\nContent-length: 2\r\n\r\nab\r\nGET / HTTP/1.1\r\n\r\n"), ["POST", "GET"]);
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n";
    assert_eq!(methods(&format!("{chunked}{chunked}HEAD")), ["POST", "POST", "HEAD"]);
    assert_eq!(methods("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nGET / HTTP/1.1\r\n\r\n"), ["POST"]);
    assert_eq!(methods("\r\n\r\n"), [""]);
    assert!(asked(b"GET / HTTP/1.0\r\n\r\n")[0].http10);
    assert!(!asked(b"GET /HTTP/1.0\r\n\r\n")[0].http10);
}

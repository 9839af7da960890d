//! The floor: a readiness loop that parses nothing. One read, one write, one canned answer per so many bytes.
//!
//! No server can do less and still answer, so what stands above it is the price of HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use midge_benches::answer::BODY;
use midge_benches::{Failure, conclude, limits};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const HELP: &str = "\
Usage: floor [OPTIONS] ADDRESS:PORT

  --request-bytes N   one answer for every N bytes that arrive (40)
  --body FILE         the body of every answer (Hello, World!); a long one over epoll only
  --buffer N          bytes of a read (16384)
  --over POLL         epoll (default) or mio
  --workers 1         taken for the sake of scripts; there is one thread
  --help

Prints `listening on http://ADDRESS:PORT`, and serves until SIGTERM.
";

/// As long as an honest one, with the fields an honest one has.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: ";

const BUFFER: usize = 16 * 1024;

/// Bodies up to this one are answered in one write, as many at once as one read may ask for.
const SHORT: usize = 1024;

/// Readiness events taken from the kernel at once.
const EVENTS: usize = 1024;

fn main() -> ExitCode {
    conclude("floor", run())
}

fn run() -> Result<(), Failure> {
    let mut arguments = pico_args::Arguments::from_env();
    if arguments.contains("--help") {
        print!("{HELP}");
        return Ok(());
    }
    let request = arguments.opt_value_from_str("--request-bytes")?.unwrap_or(40_usize);
    let body: Option<PathBuf> = arguments.opt_value_from_str("--body")?;
    let buffer = arguments.opt_value_from_str("--buffer")?.unwrap_or(BUFFER);
    let over: Option<String> = arguments.opt_value_from_str("--over")?;
    let workers = arguments.opt_value_from_str("--workers")?.unwrap_or(1_usize);
    let address: SocketAddr = arguments.free_from_str()?;
    if let Some(surplus) = arguments.finish().first() {
        return Err(format!("unknown argument: {}", surplus.display()).into());
    }
    if request == 0 || buffer == 0 || workers != 1 {
        return Err("--request-bytes and --buffer must not be 0, and --workers must be 1".into());
    }
    let body = match body {
        Some(path) => std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => BODY.to_vec(),
    };

    limits::raise_open_files();
    let (stop, stopping) = UnixStream::pair()?;
    stop.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, stopping)?;
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    listener.set_nonblocking(true)?;
    println!("listening on http://{}", listener.local_addr()?);

    let desk = Desk::new(request, buffer, &body);
    match over.as_deref() {
        None | Some("epoll") => over_epoll(&listener, &stop, desk),
        Some("mio") if body.len() > SHORT => Err("--body: mio has no room for a long one".into()),
        Some("mio") => over_mio(mio::net::TcpListener::from_std(listener), stop, desk),
        Some(other) => Err(format!("--over: no such poll: {other}").into()),
    }
}

fn over_epoll(listener: &TcpListener, stop: &UnixStream, mut desk: Desk) -> Result<(), Failure> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let token = |fd: i32| epoll::EventData::new_u64(u64::try_from(fd).unwrap_or(u64::MAX));
    let (accept, end) = (token(listener.as_raw_fd()), token(stop.as_raw_fd()));
    epoll::add(&poll, listener, accept, epoll::EventFlags::IN)?;
    epoll::add(&poll, stop, end, epoll::EventFlags::IN)?;

    let mut peers: Peers<TcpStream> = Peers::default();
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            outcome => outcome?,
        };
        for event in &events {
            let data = event.data;
            if data.u64() == accept.u64() {
                let Ok((stream, _)) = listener.accept() else { continue };
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let fd = stream.as_raw_fd();
                epoll::add(&poll, &stream, token(fd), epoll::EventFlags::IN)?;
                peers.put(usize::try_from(fd)?, stream);
            } else if data.u64() == end.u64() {
                return Ok(());
            } else {
                let number = usize::try_from(data.u64())?;
                let Some(change) = peers.serve(number, &mut desk) else { continue };
                let Some(stream) = peers.stream(number) else { continue };
                let flags = match change {
                    Wants::Read => epoll::EventFlags::IN,
                    Wants::Write => epoll::EventFlags::OUT,
                };
                epoll::modify(&poll, stream, data, flags)?;
            }
        }
    }
}

fn over_mio(mut listener: mio::net::TcpListener, stop: UnixStream, mut desk: Desk) -> Result<(), Failure> {
    let mut stop = mio::net::UnixStream::from_std(stop);
    let mut poll = mio::Poll::new()?;
    let token = |fd: i32| mio::Token(usize::try_from(fd).unwrap_or(usize::MAX));
    let (accept, end) = (token(listener.as_raw_fd()), token(stop.as_raw_fd()));
    poll.registry().register(&mut listener, accept, mio::Interest::READABLE)?;
    poll.registry().register(&mut stop, end, mio::Interest::READABLE)?;

    let mut peers: Peers<mio::net::TcpStream> = Peers::default();
    let mut events = mio::Events::with_capacity(EVENTS);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            if event.token() == accept {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = token(stream.as_raw_fd());
                    poll.registry().register(&mut stream, token, mio::Interest::READABLE)?;
                    peers.put(token.0, stream);
                }
            } else if event.token() == end {
                return Ok(());
            } else {
                // Short answers fit the kernel's buffers.
                let _ = peers.serve(event.token().0, &mut desk);
            }
        }
    }
}

/// What a connection is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Read,
    Write,
}

/// One connection.
struct Peer<S> {
    stream: S,
    /// Bytes of a request that has begun.
    begun: usize,
    /// Bytes of answers that the kernel had no room for.
    unsent: usize,
}

/// Connections by their descriptor's number.
struct Peers<S>(Vec<Option<Peer<S>>>);

impl<S> Default for Peers<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Read + Write> Peers<S> {
    fn put(&mut self, number: usize, stream: S) {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        if let Some(place) = self.0.get_mut(number) {
            *place = Some(Peer { stream, begun: 0, unsent: 0 });
        }
    }

    fn stream(&self, number: usize) -> Option<&S> {
        self.0.get(number)?.as_ref().map(|peer| &peer.stream)
    }

    /// Serves a connection that is ready; says what it wants from now on if that has changed.
    fn serve(&mut self, number: usize, desk: &mut Desk) -> Option<Wants> {
        let place = self.0.get_mut(number)?;
        let peer = place.as_mut()?;
        let had = peer.unsent;
        // A peer that is gone, or that does not read, is dropped: a floor owes nobody more.
        let goes_on = if had > 0 { desk.write(peer).map(|()| true) } else { desk.serve(peer) };
        if !goes_on.unwrap_or(false) {
            *place = None;
            return None;
        }
        match (had, peer.unsent) {
            (0, 0) => None,
            (_, 0) => Some(Wants::Read),
            (0, _) => Some(Wants::Write),
            _ => None,
        }
    }
}

/// The bytes that all connections share.
struct Desk {
    request: usize,
    buffer: Vec<u8>,
    answer: usize,
    /// Answers to all the requests that may come with one read; one, if it is long.
    answers: Vec<u8>,
}

impl Desk {
    fn new(request: usize, buffer: usize, body: &[u8]) -> Self {
        let answer = [HEAD, body.len().to_string().as_bytes(), b"\r\n\r\n", body].concat();
        let most = if body.len() > SHORT { 1 } else { buffer / request + 1 };
        Self { request, buffer: vec![0; buffer], answer: answer.len(), answers: answer.repeat(most) }
    }

    /// One read and one write. Says whether the connection goes on.
    ///
    /// A read that does not fill the buffer has emptied the socket, so there is no second one under edge-triggering;
    /// a longer burst than the buffer is not what the floor is for.
    fn serve(&mut self, peer: &mut Peer<impl Read + Write>) -> io::Result<bool> {
        let count = match peer.stream.read(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            outcome => outcome?,
        };
        let arrived = peer.begun + count;
        peer.begun = arrived % self.request;
        let due = arrived / self.request * self.answer;
        if due > self.answers.len() {
            return Err(io::Error::other("more requests at once than one read may bring"));
        }
        if due > 0 {
            peer.unsent = due;
            self.write(peer)?;
        }
        Ok(count > 0)
    }

    /// Writes what is unsent: since all answers are the same, the last bytes of them.
    fn write(&self, peer: &mut Peer<impl Read + Write>) -> io::Result<()> {
        let start = self.answers.len().saturating_sub(peer.unsent);
        match peer.stream.write(self.answers.get(start..).unwrap_or_default()) {
            Ok(count) => peer.unsent -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

//! The floor: a readiness loop that parses nothing. One read, one write, one canned answer per so many bytes.
//!
//! No server can do less and still answer, so what stands above it is the price of HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use midge_benches::{Failure, conclude, limits};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const HELP: &str = "\
Usage: floor [OPTIONS] ADDRESS:PORT

  --request-bytes N   one answer for every N bytes that arrive (40)
  --over POLL         epoll (default) or mio
  --workers 1         taken for the sake of scripts; there is one thread
  --help

Prints `listening on http://ADDRESS:PORT`, and serves until SIGTERM.
";

/// As long as an honest one, with the fields an honest one has.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

const BUFFER: usize = 16 * 1024;

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
    let over: Option<String> = arguments.opt_value_from_str("--over")?;
    let workers = arguments.opt_value_from_str("--workers")?.unwrap_or(1_usize);
    let address: SocketAddr = arguments.free_from_str()?;
    if let Some(surplus) = arguments.finish().first() {
        return Err(format!("unknown argument: {}", surplus.display()).into());
    }
    if request == 0 || workers != 1 {
        return Err("--request-bytes must not be 0, and --workers must be 1".into());
    }

    limits::raise_open_files();
    let (stop, stopping) = UnixStream::pair()?;
    stop.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, stopping)?;
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    listener.set_nonblocking(true)?;
    println!("listening on http://{}", listener.local_addr()?);

    let desk = Desk::new(request);
    match over.as_deref() {
        None | Some("epoll") => over_epoll(&listener, &stop, desk),
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
                peers.serve(usize::try_from(data.u64())?, &mut desk);
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
                peers.serve(event.token().0, &mut desk);
            }
        }
    }
}

/// Connections by their descriptor's number, each with the bytes of a request that has begun.
struct Peers<S>(Vec<Option<(S, usize)>>);

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
            *place = Some((stream, 0));
        }
    }

    fn serve(&mut self, number: usize, desk: &mut Desk) {
        let Some(place) = self.0.get_mut(number) else { return };
        let Some((stream, begun)) = place else { return };
        // A peer that is gone, or that does not read, is dropped: a floor owes nobody more.
        if !desk.serve(stream, begun).unwrap_or(false) {
            *place = None;
        }
    }
}

/// The bytes that all connections share.
struct Desk {
    request: usize,
    buffer: Vec<u8>,
    /// Answers to all the requests that may come with one read.
    answers: Vec<u8>,
}

impl Desk {
    fn new(request: usize) -> Self {
        Self { request, buffer: vec![0; BUFFER], answers: ANSWER.repeat(BUFFER / request + 1) }
    }

    /// One read and one write. Says whether the connection goes on.
    ///
    /// A read that does not fill the buffer has emptied the socket, so there is no second one under edge-triggering;
    /// a longer burst than the buffer is not what the floor is for.
    fn serve(&mut self, stream: &mut (impl Read + Write), begun: &mut usize) -> io::Result<bool> {
        let count = match stream.read(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            outcome => outcome?,
        };
        let arrived = *begun + count;
        *begun = arrived % self.request;
        let due = arrived / self.request * ANSWER.len();
        if due > 0 {
            stream.write_all(self.answers.get(..due).unwrap_or(&self.answers))?;
        }
        Ok(count > 0)
    }
}

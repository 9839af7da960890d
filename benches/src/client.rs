//! Keep-alive connections on blocking sockets: a burst goes out in one write, its answers are read whole.
//!
//! Blocking reads need no poll, so that a request costs the client one write and one read, less than it costs any
//! server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use crate::Failure;
use crate::answer::{Checker, Wrong};

/// The request that is sent where no other is named.
pub const REQUEST: &[u8] = include_bytes!("../requests/get-40.http");

/// Connections from one loopback source address, below the usual number of ephemeral ports, 28,232.
const PER_SOURCE: usize = 20_000;

/// With the 20,000 above it, below the ports that the kernel gives away by default.
const FIRST_PORT: u16 = 12_000;

/// Room for the answers of one read, where they are short.
const BUFFER: usize = 64 * 1024;

/// One connection and the answers that it is owed.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    owed: usize,
    sent: Instant,
}

impl Connection {
    /// Connects. `nth` counts the connections of this program, and spreads them over loopback source addresses.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn open(address: SocketAddr, nth: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // The first ones leave the choice of a port to connecting. The next ones name theirs, since the kernel's
        // search for a free one gets slow where most are in TIME-WAIT.
        let (source, port) = (nth / PER_SOURCE, nth % PER_SOURCE);
        if source > 0 && address.is_ipv4() && address.ip().is_loopback() {
            let (source, port) = (u8::try_from(1 + source % 250).unwrap_or(1), u16::try_from(port).unwrap_or(0));
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from(([127, 0, 0, source], FIRST_PORT + port)).into())?;
        }
        socket.connect(&address.into())?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self { stream: socket.into(), owed: 0, sent: Instant::now() })
    }

    /// Sends `burst`, which holds `count` requests, in one write.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn send(&mut self, burst: &[u8], count: usize) -> io::Result<()> {
        self.sent = Instant::now();
        self.stream.write_all(burst)?;
        self.owed += count;
        Ok(())
    }
}

/// Reads answers, checks every one, and notes how long each took.
#[derive(Debug)]
pub struct Reader {
    checker: Checker,
    buffer: Vec<u8>,
    nanoseconds: Vec<u64>,
}

impl Reader {
    /// A reader with room for the latencies of `requests` requests.
    #[must_use]
    pub fn new(requests: usize) -> Self {
        Self::checking(Checker::default(), requests)
    }

    /// The same with the answers that `checker` wants.
    #[must_use]
    pub fn checking(checker: Checker, requests: usize) -> Self {
        // Of a long answer there has to be room for the whole, chunk lines included, and for the next one's beginning.
        let room = BUFFER + 2 * checker.body_length();
        Self { checker, buffer: vec![0; room], nanoseconds: Vec::with_capacity(requests) }
    }

    /// Reads all that `connection` is owed.
    ///
    /// # Errors
    ///
    /// What the operating system says, the connection's end, or the first wrong answer.
    pub fn receive(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let mut end = 0;
        while connection.owed > 0 {
            let free = self.buffer.get_mut(end..).unwrap_or_default();
            if free.is_empty() {
                return Err(Wrong::Head.into());
            }
            match connection.stream.read(free) {
                Ok(0) => return Err("the server closed a connection that was owed an answer".into()),
                Ok(count) => end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            let took = u64::try_from(connection.sent.elapsed().as_nanos()).unwrap_or(u64::MAX);

            let mut start = 0;
            while connection.owed > 0 {
                let unread = self.buffer.get(start..end).unwrap_or_default();
                let Some(length) = self.checker.check(unread)? else { break };
                start += length;
                connection.owed -= 1;
                self.nanoseconds.push(took);
            }
            self.buffer.copy_within(start..end, 0);
            end -= start;
        }
        if end == 0 { Ok(()) } else { Err(Wrong::Surplus.into()) }
    }

    /// The latencies of all answers so far, sorted.
    #[must_use]
    pub fn latencies(mut self) -> Vec<u64> {
        self.nanoseconds.sort_unstable();
        self.nanoseconds
    }
}

//! A client that reads strictly.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Asked, Ending, Reader, Response, Violation};

/// How long to wait for something that must come: a bound on a hanging test, never a measure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One connection to a server under test. Each answer is checked as it is read.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    reader: Reader,
    half_closed: bool,
}

impl Connection {
    /// Connects, with TCP_NODELAY and with [`PATIENCE`] for every read and write.
    ///
    /// # Errors
    ///
    /// When the server can't be reached.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, reader: Reader::new(), half_closed: false })
    }

    /// Notes that `asked` is to be answered, and sends `bytes`, which may be its beginning only.
    ///
    /// # Errors
    ///
    /// When the server doesn't take them.
    pub fn ask(&mut self, asked: Asked, bytes: &[u8]) -> io::Result<()> {
        self.reader.ask(asked);
        self.send(bytes)
    }

    /// Sends `bytes`, as part of what was asked already.
    ///
    /// # Errors
    ///
    /// When the server doesn't take them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends the end: nothing more is asked. The server may close then without having said so.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.half_closed = true;
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The next answer, with the interim ones before it.
    ///
    /// # Errors
    ///
    /// A duty failed, or no whole answer came.
    pub fn receive(&mut self) -> Result<Response, Fault> {
        loop {
            let response = self.reader.response();
            self.check()?;
            if let Some(response) = response {
                return Ok(response);
            }
            if let Some(ending) = self.read()? {
                let response = self.reader.end(ending, self.half_closed);
                self.check()?;
                return response.ok_or(Fault::Ended(ending));
            }
        }
    }

    /// Reads to the end, where nothing but the end may come.
    ///
    /// # Errors
    ///
    /// A duty failed, another answer came, or no end did.
    pub fn finish(mut self) -> Result<(), Fault> {
        match self.receive() {
            Ok(response) => Err(Fault::Unexpected(Box::new(response))),
            Err(Fault::Ended(Ending::Eof)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// The socket, for what the methods don't offer.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The reader: bytes after an upgrade, and all that was wrong so far.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    fn read(&mut self) -> io::Result<Option<Ending>> {
        let mut buffer = [0; 65_536];
        let read = read(&mut self.stream, &mut buffer)?;
        Ok(match read {
            Ok(count) => {
                self.reader.push(&buffer[..count]);
                None
            }
            Err(ending) => Some(ending),
        })
    }

    fn check(&self) -> Result<(), Fault> {
        match self.reader.violations() {
            [] => Ok(()),
            violations => Err(Fault::Violated(violations.to_vec())),
        }
    }
}

/// Reads from a socket with a read timeout: a number of bytes, or why there are none.
///
/// # Errors
///
/// Whatever else went wrong.
pub fn read(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<Result<usize, Ending>> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Ok(Err(Ending::Eof)),
            Ok(count) => return Ok(Ok(count)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Ok(Err(Ending::Reset)),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(Err(Ending::Open)),
                _ => return Err(error),
            },
        }
    }
}

/// Why there is no good answer.
#[derive(Debug)]
pub enum Fault {
    /// The answer fails a duty, or several.
    Violated(Vec<Violation>),
    /// No answer came before this.
    Ended(Ending),
    /// An answer came where none was due.
    Unexpected(Box<Response>),
    /// The socket failed.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violated(violations) => violations.iter().enumerate().try_for_each(|(at, violation)| match at {
                0 => write!(f, "{violation}"),
                _ => write!(f, "; {violation}"),
            }),
            Self::Ended(ending) => write!(f, "no answer: {ending:?}"),
            Self::Unexpected(response) => write!(f, "an answer too many: {}", response.head.status),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

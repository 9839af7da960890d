//! A non-blocking socket as the engine's reader and writer.

use std::{
    cell::Cell,
    error, fmt,
    future::poll_fn,
    io::{self, Read as _, Write as _},
    net::Shutdown,
    task::Poll,
    time::Duration,
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use mio::{
    Interest, Registry, Token, event,
    net::{TcpStream, UnixStream},
};
use socket2::SockRef;

use crate::slots::SlotCell;

/// A connection's socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Registers both directions, edge-triggered, for the connection's whole life: one system call.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, token, both),
            Self::Unix(stream) => registry.register(stream, token, both),
        }
    }

    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
        }
    }

    #[inline]
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
        }
    }

    /// Closes the connection so that the peer can't take what it got for everything: with a reset, where there is such a thing.
    pub(crate) fn reset(self) {
        if let Self::Tcp(stream) = &self {
            // Closed in any case; without this, in an orderly way.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// What is known about a socket without asking the kernel.
///
/// Edge-triggered readiness is told once. It is remembered here until a call found nothing more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hints(u8);

impl Hints {
    const READABLE: u8 = 1;
    const WRITABLE: u8 = 2;
    const ENDED: u8 = 4;

    /// A socket just accepted: there is room to write; what there is to read will be told.
    pub(crate) const NEW: Self = Self(Self::WRITABLE);

    /// These hints, and what an event tells.
    #[inline]
    pub(crate) fn with(self, event: &event::Event) -> Self {
        let mut bits = self.0;
        if event.is_readable() {
            bits |= Self::READABLE;
        }
        if event.is_writable() {
            bits |= Self::WRITABLE;
        }
        if event.is_read_closed() {
            bits |= Self::READABLE | Self::ENDED;
        }
        Self(bits)
    }

    #[inline]
    pub(crate) fn readable(self) -> bool {
        self.0 & Self::READABLE != 0
    }

    #[inline]
    pub(crate) fn writable(self) -> bool {
        self.0 & Self::WRITABLE != 0
    }

    /// After a read that gave less than was asked for: nothing is left, unless the end of the stream is known to follow.
    /// (Bytes and the end may have been told in one event, and then no other will come.)
    #[inline]
    pub(crate) fn after_short_read(self) -> Self {
        if self.0 & Self::ENDED == 0 { self.not_readable() } else { self }
    }

    #[inline]
    pub(crate) fn not_readable(self) -> Self {
        Self(self.0 & !Self::READABLE)
    }

    #[inline]
    pub(crate) fn not_writable(self) -> Self {
        Self(self.0 & !Self::WRITABLE)
    }
}

/// The socket of the connection that a slot serves.
///
/// Readiness style: a call either moves bytes at once or leaves everything as it was, so a dropped future loses nothing. No
/// waker is kept; the worker polls the slot at the next event.
pub(crate) struct SlotIo<'c, 'm> {
    pub(crate) stream: Stream,
    pub(crate) cell: &'c SlotCell<'m>,
}

impl SlotIo<'_, '_> {
    /// Takes one system call from what this turn may spend. Without any left the slot waits for the worker's next turn, so
    /// that one fast client can't hold up the others.
    #[inline]
    fn spend(&self) -> bool {
        let left = self.cell.budget.get();
        if left == 0 {
            self.cell.spent.set(true);
            return false;
        }
        self.cell.budget.set(left - 1);
        true
    }

    #[inline]
    fn poll_read(&self, buffer: &mut [u8]) -> Poll<Result<usize, Lost>> {
        let hints: &Cell<Hints> = &self.cell.hints;
        self.cell.writing.set(false);
        if !hints.get().readable() || !self.spend() {
            return Poll::Pending;
        }
        loop {
            match self.stream.read(buffer) {
                Ok(count) => {
                    if count < buffer.len() {
                        hints.set(hints.get().after_short_read());
                    }
                    // Not before something is here: a watch that is told earlier closes without looking for a request.
                    if self.cell.last.get() {
                        self.cell.watch.close_after_answer();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    hints.set(hints.get().not_readable());
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(Lost(error.kind()))),
            }
        }
    }

    #[inline]
    fn poll_write(&self, bytes: &[u8]) -> Poll<Result<usize, Lost>> {
        let hints: &Cell<Hints> = &self.cell.hints;
        self.cell.writing.set(true);
        if !hints.get().writable() || !self.spend() {
            return Poll::Pending;
        }
        loop {
            match self.stream.write(bytes) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    hints.set(hints.get().not_writable());
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(Lost(error.kind()))),
            }
        }
    }
}

impl ErrorType for SlotIo<'_, '_> {
    type Error = Lost;
}

impl Read for SlotIo<'_, '_> {
    #[inline]
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Lost> {
        poll_fn(|_| self.poll_read(buffer)).await
    }
}

impl Write for SlotIo<'_, '_> {
    #[inline]
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        poll_fn(|_| self.poll_write(bytes)).await
    }

    /// Nothing is held back: what was written is the kernel's.
    #[inline]
    async fn flush(&mut self) -> Result<(), Lost> {
        Ok(())
    }
}

/// The connection broke.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost(io::ErrorKind);

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the connection broke: {}", self.0)
    }
}

impl error::Error for Lost {}

impl embedded_io_async::Error for Lost {
    fn kind(&self) -> ErrorKind {
        match self.0 {
            io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted => ErrorKind::ConnectionAborted,
            io::ErrorKind::NotConnected => ErrorKind::NotConnected,
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            _ => ErrorKind::Other,
        }
    }
}

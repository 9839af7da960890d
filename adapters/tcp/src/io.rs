//! A non-blocking socket as the engine's reader and writer.

use std::{
    error, fmt,
    io::{self, Read as _, Write as _},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
#[cfg(all(feature = "files", target_os = "linux"))]
use std::{future::poll_fn, os::fd::AsFd};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use mio::{
    Interest, Registry, Token, event,
    net::{TcpStream, UnixStream},
};
use socket2::SockRef;

#[cfg(all(feature = "files", target_os = "linux"))]
use crate::reactor::Reactor;
use crate::{connections::Connection, slots::SlotCell, tls::TlsStream};

/// A connection's socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(TlsStream),
}

impl Stream {
    /// Registers both directions, edge-triggered, for the connection's whole life: one system call.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, token, both),
            Self::Unix(stream) => registry.register(stream, token, both),
            Self::Tls(stream) => registry.register(stream.socket_mut(), token, both),
        }
    }

    /// Reads what the socket has, whatever that is.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
            Self::Tls(stream) => stream.socket().read(buffer),
        }
    }

    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
            Self::Tls(stream) => stream.socket().write(bytes),
        }
    }

    /// What went wrong since the last time that it was asked.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
            Self::Tls(stream) => stream.socket().take_error(),
        }
    }

    /// Closes the connection so that the peer can't take what it got for everything: with a reset, where there is such a thing.
    pub(crate) fn reset(self) {
        let socket = match &self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.socket(),
            Self::Unix(_) => return,
        };
        // Closed in any case; without this, in an orderly way.
        let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(stream) => stream.socket().shutdown(Shutdown::Write),
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
    /// The end of the stream is known to follow: bytes and the end may have been told in one event, and then no other will come.
    const ENDED: u8 = 4;

    /// A socket that is being connected.
    pub(crate) const NONE: Self = Self(0);

    /// A socket just accepted: there is room to write; what there is to read will be told. So is an idle one.
    pub(crate) const NEW: Self = Self(Self::WRITABLE);

    /// The same after something came.
    pub(crate) const READY: Self = Self(Self::WRITABLE | Self::READABLE);

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
            bits |= Self::ENDED;
        }
        Self(bits)
    }

    #[inline]
    pub(crate) fn readable(self) -> bool {
        self.0 & (Self::READABLE | Self::ENDED) != 0
    }

    #[inline]
    pub(crate) fn writable(self) -> bool {
        self.0 & Self::WRITABLE != 0
    }

    /// After a read that gave less than was asked for: nothing is left but the end, if that is known to follow.
    #[inline]
    pub(crate) fn after_short_read(self) -> Self {
        Self(self.0 & !Self::READABLE)
    }

    #[inline]
    pub(crate) fn not_readable(self) -> Self {
        Self(self.0 & !(Self::READABLE | Self::ENDED))
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
#[derive(Clone, Copy)]
pub(crate) struct SlotIo<'c, 'm> {
    pub(crate) stream: &'c Stream,
    pub(crate) connection: &'c Connection<'m>,
    pub(crate) cell: &'c SlotCell<'m>,
}

impl SlotIo<'_, '_> {
    #[inline(always)]
    fn poll_read(&self, buffer: &mut [u8]) -> Poll<Result<usize, Lost>> {
        if let Stream::Tls(stream) = self.stream {
            return stream.read(self, buffer);
        }
        if !self.may_read() {
            return self.read_waits();
        }
        match self.stream.read(buffer) {
            Ok(count) => {
                self.note_read(count, buffer.len());
                self.note_input();
                Poll::Ready(Ok(count))
            }
            Err(error) => self.read_failed(&error),
        }
    }

    #[inline(always)]
    fn poll_write(&self, bytes: &[u8]) -> Poll<Result<usize, Lost>> {
        if let Stream::Tls(stream) = self.stream {
            return stream.write(self, bytes);
        }
        if !self.may_write() {
            return self.write_waits();
        }
        match self.stream.write(bytes) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => self.write_failed(&error),
        }
    }

    /// Sends some of the file that a handler put into the slot's place.
    #[cfg(all(feature = "files", target_os = "linux"))]
    #[cold]
    fn send_file(&self) -> Poll<Result<usize, Lost>> {
        let Ok(reactor) = Reactor::current() else { return Poll::Ready(Ok(0)) };
        let slot = self.cell.number;
        let socket = match self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            // What goes out has to be encrypted.
            Stream::Tls(_) => {
                reactor.transfers.refuse(slot);
                return Poll::Ready(Ok(0));
            }
        };
        if !self.may_write() {
            return self.write_waits();
        }
        match reactor.transfers.send(slot, socket) {
            Ok(()) => Poll::Ready(Ok(0)),
            Err(error) => self.write_failed(&error.into()),
        }
    }

    /// Whether there may be something to read, and this turn has a system call left for it.
    #[inline(always)]
    pub(crate) fn may_read(&self) -> bool {
        self.connection.hints.get().readable() && self.cell.spend()
    }

    #[inline(always)]
    pub(crate) fn may_write(&self) -> bool {
        self.connection.hints.get().writable() && self.cell.spend()
    }

    /// A read gave so many bytes of those that it could.
    #[inline(always)]
    pub(crate) fn note_read(&self, count: usize, wanted: usize) {
        if count < wanted {
            self.connection.hints.set(self.connection.hints.get().after_short_read());
        }
    }

    /// Something came for the engine.
    #[inline(always)]
    pub(crate) fn note_input(&self) {
        // Not before something is here: a watch that is told earlier closes without looking for a request.
        if self.cell.last.get() {
            self.cell.watch.close_after_answer();
        }
    }

    #[cold]
    pub(crate) fn read_failed(&self, error: &io::Error) -> Poll<Result<usize, Lost>> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.connection.hints.set(self.connection.hints.get().not_readable()),
            io::ErrorKind::Interrupted => self.cell.spent.set(true),
            _ => return Poll::Ready(Err(Lost)),
        }
        self.read_waits()
    }

    #[cold]
    pub(crate) fn write_failed(&self, error: &io::Error) -> Poll<Result<usize, Lost>> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.connection.hints.set(self.connection.hints.get().not_writable()),
            io::ErrorKind::Interrupted => self.cell.spent.set(true),
            _ => return Poll::Ready(Err(Lost)),
        }
        self.write_waits()
    }

    #[cold]
    pub(crate) fn read_waits(&self) -> Poll<Result<usize, Lost>> {
        self.cell.writing.set(false);
        Poll::Pending
    }

    #[cold]
    pub(crate) fn write_waits(&self) -> Poll<Result<usize, Lost>> {
        self.cell.writing.set(true);
        Poll::Pending
    }
}

impl ErrorType for SlotIo<'_, '_> {
    type Error = Lost;
}

impl Read for SlotIo<'_, '_> {
    #[inline(always)]
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Lost>> {
        Reading { io: self, buffer }
    }
}

impl Write for SlotIo<'_, '_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Lost>> {
        Writing { io: self, bytes }
    }

    /// Nothing is held back: what was written is the kernel's, or in a record that goes there by itself. A file that lies in the slot's
    /// place is sent on.
    #[inline]
    async fn flush(&mut self) -> Result<(), Lost> {
        #[cfg(all(feature = "files", target_os = "linux"))]
        poll_fn(|_| self.send_file()).await?;
        Ok(())
    }
}

/// One read. (A type, since an `async fn` would keep a state that there is nothing to tell about.)
struct Reading<'b, 'i, 'c, 'm> {
    io: &'i SlotIo<'c, 'm>,
    buffer: &'b mut [u8],
}

impl Future for Reading<'_, '_, '_, '_> {
    type Output = Result<usize, Lost>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let io = self.io;
        io.poll_read(self.buffer)
    }
}

/// One write.
struct Writing<'b, 'i, 'c, 'm> {
    io: &'i SlotIo<'c, 'm>,
    bytes: &'b [u8],
}

impl Future for Writing<'_, '_, '_, '_> {
    type Output = Result<usize, Lost>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.io.poll_write(self.bytes)
    }
}

/// The connection broke. Why makes no difference: it is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection broke")
    }
}

impl error::Error for Lost {}

impl embedded_io_async::Error for Lost {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

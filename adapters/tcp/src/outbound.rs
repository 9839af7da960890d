//! Sockets that a handler opens.

use std::{
    cell::Cell,
    error, fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    path::Path,
    task::{Context, Poll},
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use midge::Failure;

use crate::{
    io::{Hints, Stream},
    reactor::{Place, Reactor, Way, WorkerError},
};

/// How many reads and writes in a row find something to do before others have their turn.
const BUDGET: u8 = 16;

/// A socket of either kind, on the poll of the worker whose handler opened it.
pub(crate) struct Socket {
    // Closed before its place is free: an event for it can't be taken for another's.
    stream: Stream,
    place: Place,
    budget: Cell<u8>,
}

impl Socket {
    pub(crate) async fn connect_tcp(address: SocketAddr) -> Result<Self, StreamError> {
        let place = Place::reserve(&Reactor::current()?)?;
        let stream = mio::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let socket = Self::new(Stream::Tcp(stream), place)?;
        socket.connected().await?;
        Ok(socket)
    }

    pub(crate) async fn connect_unix(path: &Path) -> Result<Self, StreamError> {
        let place = Place::reserve(&Reactor::current()?)?;
        let socket = Self::new(Stream::Unix(mio::net::UnixStream::connect(path)?), place)?;
        socket.connected().await?;
        Ok(socket)
    }

    fn new(mut stream: Stream, place: Place) -> Result<Self, StreamError> {
        stream.register(place.reactor.registry(), place.token())?;
        Ok(Self { stream, place, budget: Cell::new(BUDGET) })
    }

    /// Something came, or the end did, while nobody waited for anything: a connection that is kept for later is of no use then.
    pub(crate) fn is_stale(&self) -> bool {
        self.place.hints().readable()
    }

    fn shutdown_write(&self) -> Result<(), StreamError> {
        Ok(self.stream.shutdown_write()?)
    }

    /// A socket that is being connected becomes writable when it is, and when it can't be.
    async fn connected(&self) -> Result<(), StreamError> {
        poll_fn(|context| {
            if !self.place.hints().writable() {
                self.place.wait(Way::Out, context.waker());
                return Poll::Pending;
            }
            Poll::Ready(match self.stream.take_error() {
                Ok(None) => Ok(()),
                Ok(Some(error)) | Err(error) => Err(error.into()),
            })
        })
        .await
    }

    pub(crate) async fn read(&self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let count = poll_fn(|context| self.poll(context, Way::In, |stream| stream.read(buffer))).await?;
        if count > 0 && count < buffer.len() {
            // What comes later will be told.
            self.place.set_hints(self.place.hints().after_short_read());
        }
        Ok(count)
    }

    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<usize, StreamError> {
        poll_fn(|context| self.poll(context, Way::Out, |stream| stream.write(bytes))).await
    }

    /// Does something if that is possible now. It either moves bytes or leaves everything as it was.
    fn poll(
        &self,
        context: &mut Context<'_>,
        way: Way,
        mut act: impl FnMut(&Stream) -> io::Result<usize>,
    ) -> Poll<Result<usize, StreamError>> {
        let ready = |hints: Hints| if way == Way::In { hints.readable() } else { hints.writable() };
        while ready(self.place.hints()) {
            let Some(left) = self.budget.get().checked_sub(1) else {
                // On in the worker's next turn.
                self.budget.set(BUDGET);
                context.waker().wake_by_ref();
                return Poll::Pending;
            };
            match act(&self.stream) {
                Ok(count) => {
                    self.budget.set(left);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let hints = self.place.hints();
                    self.place.set_hints(if way == Way::In { hints.not_readable() } else { hints.not_writable() });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        self.budget.set(BUDGET);
        self.place.wait(way, context.waker());
        Poll::Pending
    }
}

/// What is the same for the two kinds of streams.
macro_rules! stream {
    ($name:ident) => {
        impl $name {
            /// Reads what there is, at most what `buffer` holds; waits while there is nothing. 0 is the end of the stream.
            ///
            /// # Errors
            ///
            /// The connection broke.
            pub async fn read(&self, buffer: &mut [u8]) -> Result<usize, StreamError> {
                self.0.read(buffer).await
            }

            /// Writes as much of `bytes` as the system takes; waits while it takes nothing.
            ///
            /// # Errors
            ///
            /// The connection broke.
            pub async fn write(&self, bytes: &[u8]) -> Result<usize, StreamError> {
                self.0.write(bytes).await
            }

            /// Writes all of `bytes`.
            ///
            /// # Errors
            ///
            /// The connection broke.
            pub async fn write_all(&self, bytes: &[u8]) -> Result<(), StreamError> {
                let mut rest = bytes;
                while !rest.is_empty() {
                    match self.0.write(rest).await? {
                        0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                        count => rest = rest.get(count..).unwrap_or_default(),
                    }
                }
                Ok(())
            }

            /// Says that nothing more will be written; reading goes on.
            ///
            /// # Errors
            ///
            /// The connection is gone already.
            pub fn finish(&self) -> Result<(), StreamError> {
                self.0.shutdown_write()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl_io!($name, |stream| &stream.0);
        impl_io!(&$name, |stream| &stream.0);
    };
}

/// The traits of `embedded_io_async`. A shared reference has them too, so that both directions can be used at the same time.
macro_rules! impl_io {
    ($type:ty, |$stream:ident| $socket:expr) => {
        impl ErrorType for $type {
            type Error = StreamError;
        }

        impl Read for $type {
            async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
                let $stream = self;
                $socket.read(buffer).await
            }
        }

        impl Write for $type {
            async fn write(&mut self, bytes: &[u8]) -> Result<usize, StreamError> {
                let $stream = self;
                $socket.write(bytes).await
            }

            /// Nothing is held back: what was written is the kernel's.
            async fn flush(&mut self) -> Result<(), StreamError> {
                Ok(())
            }
        }
    };
}

/// A TCP connection that a handler opened.
///
/// It works on its worker's poll, edge-triggered, and takes one of the worker's places for [sockets](crate::Server::outbound); dropping
/// it closes the connection. It can't leave its thread. No call has a deadline of its own: put a [`timeout`](crate::timeout) around one,
/// or around several. A call whose future is dropped has moved no byte.
///
/// ```
/// # async fn example() -> Result<(), midge::Failure> {
/// use std::time::Duration;
/// use midge_tcp::{TcpStream, timeout};
///
/// let address = std::net::SocketAddr::from(([127, 0, 0, 1], 6379));
/// let redis = timeout(Duration::from_secs(1), TcpStream::connect(address)).await??;
/// redis.write_all(b"PING\r\n").await?;
/// let mut reply = [0; 64];
/// let count = redis.read(&mut reply).await?;
/// # let _ = count;
/// # Ok(())
/// # }
/// ```
pub struct TcpStream(Socket);

impl TcpStream {
    /// Connects to `address`; what is written goes out at once (`TCP_NODELAY`). Names aren't resolved here: that would block the worker.
    ///
    /// # Errors
    ///
    /// The connection is refused or can't be made; the worker has no more room for sockets; or the caller runs on no worker.
    pub async fn connect(address: SocketAddr) -> Result<Self, StreamError> {
        Socket::connect_tcp(address).await.map(Self)
    }
}

stream!(TcpStream);

/// A connection to a Unix socket that a handler opened. As [`TcpStream`] but for the address.
pub struct UnixStream(Socket);

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// Nobody listens there, or more connections wait there than its backlog takes ([`io::ErrorKind::WouldBlock`] on Linux); the worker has
    /// no more room for sockets; or the caller runs on no worker.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, StreamError> {
        Socket::connect_unix(path.as_ref()).await.map(Self)
    }
}

stream!(UnixStream);

impl_io!(&Socket, |socket| &**socket);

/// Why a stream can't be opened or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// There is no worker, or it has no room.
    Worker(WorkerError),
    /// What the system said.
    Io(io::Error),
}

impl fmt::Display for StreamError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(error) => error.fmt(formatter),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl error::Error for StreamError {}

impl embedded_io_async::Error for StreamError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Worker(_) => ErrorKind::OutOfMemory,
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => ErrorKind::ConnectionRefused,
                io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
                io::ErrorKind::ConnectionAborted => ErrorKind::ConnectionAborted,
                io::ErrorKind::NotConnected => ErrorKind::NotConnected,
                io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
                io::ErrorKind::WriteZero => ErrorKind::WriteZero,
                io::ErrorKind::TimedOut => ErrorKind::TimedOut,
                _ => ErrorKind::Other,
            },
        }
    }
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<WorkerError> for StreamError {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

/// 502, or as [`WorkerError`].
impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Worker(error) => error.into(),
            StreamError::Io(_) => Self::new(502).because("a connection to another server failed"),
        }
    }
}

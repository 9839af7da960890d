//! Listening sockets: bound once, and one for each worker.

use std::{
    fmt, fs, io, iter,
    net::{SocketAddr, TcpListener as StdTcpListener},
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
    },
    path::{Path, PathBuf},
};

use midge::Peer;
use mio::{
    Registry, Token, event,
    net::{TcpListener, UnixListener},
};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::{error::Error, io::Stream};

/// An address that is listened on, with the first worker's socket.
pub(crate) enum Bound {
    Tcp { address: SocketAddr, only_v6: bool, listener: StdTcpListener },
    Unix { file: SocketFile, listener: StdUnixListener },
}

impl Bound {
    /// Binds all `addresses`. One that this machine does not have (a name may resolve to an IPv6 address where there is no
    /// IPv6) is passed over as long as another can be had.
    pub(crate) fn tcp(addresses: &[SocketAddr], backlog: i32) -> Result<Vec<Self>, Error> {
        let mut bound: Vec<Self> = Vec::with_capacity(addresses.len());
        let mut missing = None;
        // `[::]` alone takes IPv4 too; beside an IPv4 address it would collide with it.
        let only_v6 = addresses.len() > 1;
        let mut port = 0;
        for address in addresses {
            let mut address = *address;
            if address.port() == 0 {
                // Asked for any port on several addresses: the same for all.
                address.set_port(port);
            }
            match listen_tcp(address, only_v6, backlog, Claim::Exclusive).and_then(|listener| {
                let address = listener.local_addr()?;
                Ok(Self::Tcp { address, only_v6, listener })
            }) {
                Ok(socket) => {
                    port = socket.address().map_or(port, |address| address.port());
                    bound.push(socket);
                }
                Err(error) => {
                    let error_kind = error.kind();
                    let error = Error::new(format!("cannot listen on {address}"), error);
                    // A kernel without IPv6 says "unsupported" rather than "not available".
                    if matches!(error_kind, io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
                        || address.is_ipv6() && error_kind != io::ErrorKind::AddrInUse
                    {
                        missing = missing.or(Some(error));
                    } else {
                        return Err(error);
                    }
                }
            }
        }
        match missing {
            Some(error) if bound.is_empty() => Err(error),
            _ => Ok(bound),
        }
    }

    /// Binds a Unix socket, in the place of one that nobody listens on any more.
    pub(crate) fn unix(path: &Path, backlog: i32) -> Result<Self, Error> {
        let fail = |error| Error::new(format!("cannot listen on unix:{}", path.display()), error);
        remove_stale(path).map_err(fail)?;
        let listener = listen_unix(path, backlog).map_err(fail)?;
        let file = SocketFile::of(path).map_err(fail)?;
        Ok(Self::Unix { file, listener })
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { address, .. } => Some(*address),
            Self::Unix { .. } => None,
        }
    }

    /// Sets the backlog of the first worker's socket.
    pub(crate) fn set_backlog(&self, backlog: i32) -> Result<(), Error> {
        match self {
            Self::Tcp { listener, .. } => SockRef::from(listener).listen(backlog),
            Self::Unix { listener, .. } => SockRef::from(listener).listen(backlog),
        }
        .map_err(|error| Error::new(format!("cannot set the backlog of {self}"), error))
    }

    /// A socket for each worker: on TCP one of its own, among which the kernel distributes the connections; of a Unix socket
    /// there is only one, and the workers race for its connections.
    pub(crate) fn for_workers(
        self,
        workers: usize,
        backlog: i32,
    ) -> Result<(Vec<Listener>, Option<SocketFile>), Error> {
        let name = self.to_string();
        let fail = |error| Error::new(format!("cannot listen on {name} with {workers} workers"), error);
        match self {
            Self::Tcp { address, only_v6, listener } => {
                let others = (1..workers).map(|_| listen_tcp(address, only_v6, backlog, Claim::Shared));
                let listeners = iter::once(Ok(listener)).chain(others).collect::<io::Result<Vec<_>>>().map_err(fail)?;
                Ok((listeners.into_iter().map(TcpListener::from_std).map(Listener::Tcp).collect(), None))
            }
            Self::Unix { file, listener } => {
                let others =
                    (1..workers).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>().map_err(fail)?;
                let listeners = iter::once(listener).chain(others);
                Ok((listeners.map(UnixListener::from_std).map(Listener::Unix).collect(), Some(file)))
            }
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => write!(formatter, "http://{address}"),
            Self::Unix { file, .. } => write!(formatter, "unix:{}", file.path.display()),
        }
    }
}

/// One worker's listening socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                // An answer goes out in one write: waiting to fill a segment would only delay it. Best effort.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Ip(canonical(peer))))
            }
            Self::Unix(listener) => listener.accept().map(|(stream, _)| (Stream::Unix(stream), Peer::Unix)),
        }
    }
}

impl event::Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, interest: mio::Interest) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, interest),
            Self::Unix(listener) => listener.register(registry, token, interest),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: mio::Interest) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.reregister(registry, token, interest),
            Self::Unix(listener) => listener.reregister(registry, token, interest),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.deregister(registry),
            Self::Unix(listener) => listener.deregister(registry),
        }
    }
}

/// The file of a Unix socket; removed when the server is done, unless another has taken its place.
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| metadata.dev() == self.device && metadata.ino() == self.inode);
        if ours {
            // A file left behind is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who may listen on an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Nobody yet: an address that another program listens on, a server of this kind included, is refused.
    Exclusive,
    /// Other sockets of this server.
    Shared,
}

fn listen_tcp(address: SocketAddr, only_v6: bool, backlog: i32, claim: Claim) -> io::Result<StdTcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // So that connections that are still winding down from an earlier run don't refuse the address to this one.
    socket.set_reuse_address(true)?;
    // Linux looks at the flag when it compares sockets, not when it binds one: set after binding, it lets the other workers in
    // without having let this socket in beside a stranger's. Elsewhere it has to be set first.
    let bind_first = claim == Claim::Exclusive && cfg!(target_os = "linux");
    if bind_first {
        socket.bind(&address.into())?;
        socket.set_reuse_port(true)?;
    } else {
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
    }
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn listen_unix(path: &Path, backlog: i32) -> io::Result<StdUnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Removes a socket file that refuses connections: its server is gone.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// The peer's address, an IPv4 one written as such even if it came to an IPv6 socket.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => peer,
        },
        SocketAddr::V4(_) => peer,
    }
}

//! The server: its settings, and the threads that run it.

use std::{
    env, fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use midge::{Handler, Limits};

use crate::{
    connections::MOST,
    error::Error,
    listener::Bound,
    reactor::{MOST_OUTBOUND, Sizes},
    shutdown::{Handle, Shutdown},
    signals::Signals,
    tls::{Reload, Tls},
    worker::Parts,
};

/// Where [`Server::from_env`] listens when nothing is said.
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8_080;

/// A server that is bound to its addresses, and about to [`run`](Server::run).
///
/// Every setting has a default that serves well; memory is what they cost, and it is set aside at start.
///
/// ```no_run
/// use midge::{Failure, Request, Response, Sent};
/// use midge_tcp::Server;
///
/// async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
/// }
///
/// fn main() -> Result<(), midge_tcp::Error> {
///     let server = Server::bind("127.0.0.1:8080")?;
///     println!("listening on {server}");
///     server.workers(4).run(hello)
/// }
/// ```
#[must_use = "a server serves when it is run"]
pub struct Server {
    bound: Vec<Bound>,
    addresses: Vec<SocketAddr>,
    config: Config,
    shutdown: Arc<Shutdown>,
}

/// The settings, as the workers see them.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    workers: usize,
    pub(crate) connections: usize,
    pub(crate) slots: usize,
    pub(crate) outside: Sizes,
    pub(crate) input_bytes: usize,
    pub(crate) output_bytes: usize,
    pub(crate) arena_bytes: usize,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    backlog: i32,
    pub(crate) grace: Duration,
    handle_signals: bool,
}

impl Config {
    const DEFAULT: Self = Self {
        workers: 0,
        connections: 16_384,
        slots: 256,
        outside: Sizes { timers: 1_024, outbound: 256, calls: 64 },
        input_bytes: 32_768,
        output_bytes: 16_384,
        arena_bytes: 16_384,
        limits: Limits::DEFAULT,
        tls: None,
        backlog: 1_024,
        grace: Duration::from_secs(10),
        handle_signals: true,
    };

    fn check(&self) -> Result<(), Error> {
        let least_input = self.limits.head_bytes as usize;
        let least_output = self.limits.response_head_bytes as usize;
        if self.slots == 0 || self.connections == 0 {
            return Err(Error::setting("a server needs at least one slot and room for one connection"));
        }
        if self.slots > MOST || self.connections > MOST {
            return Err(Error::setting(format!("a worker can have no more than {MOST} slots or connections")));
        }
        if self.outside.timers > MOST || self.outside.outbound > MOST_OUTBOUND || self.outside.calls > MOST {
            return Err(Error::setting(format!(
                "a worker can have no more than {MOST} timers or calls, and {MOST_OUTBOUND} outbound sockets"
            )));
        }
        if self.input_bytes <= least_input {
            return Err(Error::setting(format!(
                "input_bytes ({}) must be more than limits.head_bytes ({least_input})",
                self.input_bytes
            )));
        }
        if self.output_bytes <= least_output {
            return Err(Error::setting(format!(
                "output_bytes ({}) must be more than limits.response_head_bytes ({least_output})",
                self.output_bytes
            )));
        }
        Ok(())
    }
}

impl Server {
    /// Binds TCP sockets to `address`: to all of them if there are several (`localhost` may be one of IPv6 and one of IPv4), or
    /// to those that this machine has. Port 0 takes a free one, which [`local_addr`](Self::local_addr) tells.
    ///
    /// `[::]` alone takes IPv4 connections too; given together with other addresses it takes only IPv6. From now on clients
    /// can connect; they are served once the server runs.
    ///
    /// # Errors
    ///
    /// An address that can't be resolved, that another program listens on, or that this machine does not have.
    pub fn bind(address: impl ToSocketAddrs + fmt::Debug) -> Result<Self, Error> {
        let name = format!("{address:?}");
        Self::bind_named(address, name.trim_matches('"'))
    }

    fn bind_named(address: impl ToSocketAddrs, name: &str) -> Result<Self, Error> {
        let fail = |error| Error::new(format!("cannot listen on {name}"), error);
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for resolved in address.to_socket_addrs().map_err(fail)? {
            if !addresses.contains(&resolved) {
                addresses.push(resolved);
            }
        }
        if addresses.is_empty() {
            return Err(fail(io::Error::from(io::ErrorKind::AddrNotAvailable)));
        }
        Ok(Self::new(Bound::tcp(&addresses, Config::DEFAULT.backlog)?))
    }

    /// Binds a Unix socket to `path`. A socket file that nobody listens on any more is replaced; the file is removed when the
    /// server is done. Who may connect is decided by the permissions of the directory and the file.
    ///
    /// # Errors
    ///
    /// A path that is in use, too long for a socket, or in a directory that can't be written to.
    pub fn bind_unix(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self::new(vec![Bound::unix(path.as_ref(), Config::DEFAULT.backlog)?]))
    }

    /// Binds to what the environment says, an empty variable counting as none:
    ///
    /// - `AWS_LAMBDA_HTTP_ENDPOINT`, which AWS Lambda sets for Web Functions: the `host:port` that the server must listen on,
    ///   and that the platform waits for. It goes first, because the platform knows no other.
    /// - `HOST`, a name or an address (IPv6 without brackets or with them), by default `127.0.0.1`,
    /// - and `PORT`, by default 8080.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind), and a variable that can't be understood.
    pub fn from_env() -> Result<Self, Error> {
        let (host, port) = endpoint(
            variable("AWS_LAMBDA_HTTP_ENDPOINT")?.as_deref(),
            variable("HOST")?.as_deref(),
            variable("PORT")?.as_deref(),
        )?;
        Self::bind_named((host.as_str(), port), &format!("{host}:{port}"))
    }

    fn new(bound: Vec<Bound>) -> Self {
        let addresses = bound.iter().filter_map(Bound::address).collect();
        Self { bound, addresses, config: Config::DEFAULT, shutdown: Arc::default() }
    }

    /// Number of workers, each a thread with its own listeners, connections and slots. Default, and for 0: one for each
    /// processor that this process may use.
    ///
    /// The first worker runs on the thread that calls [`run`](Self::run).
    pub const fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// Connections that each worker holds at most. Default 16,384, each costing less than 100 bytes.
    ///
    /// With all places taken, a new connection takes that of the one that has been idle longest, if that is a second or
    /// more; else it waits in the backlog until one closes.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.config.connections = connections;
        self
    }

    /// Requests that each worker serves at the same time at most. Default 256. Each slot costs its buffers (which
    /// the system provides when they are first used) and the size of the handler's future.
    ///
    /// Connections that are ready while all slots are taken wait in order. While some wait, a slot that has been taken
    /// for a tenth of a second by an incomplete request head, or for less the more are waiting, is taken back: that
    /// request is answered 408.
    pub const fn slots(mut self, slots: usize) -> Self {
        self.config.slots = slots;
        self
    }

    /// Timers that each worker's handlers may run at the same time: one for each [`sleep`](crate::sleep), [`timeout`](crate::timeout) and
    /// [call](crate::Client::call) with a deadline that has to wait. Default 1,024, each costing less than 50 bytes once it is used.
    pub const fn timers(mut self, timers: usize) -> Self {
        self.config.outside.timers = timers;
        self
    }

    /// Sockets that each worker's handlers may have open at the same time ([`TcpStream`](crate::TcpStream),
    /// [`UnixStream`](crate::UnixStream), [`Client`](crate::Client)), with the connections that clients keep for later. Those give way, the
    /// oldest first, when there is no other room. Default 256, each costing less than 150 bytes once it is used.
    pub const fn outbound(mut self, sockets: usize) -> Self {
        self.config.outside.outbound = sockets;
        self
    }

    /// Calls that each worker's handlers may make at the same time through [`Client`](crate::Client)s. Default 64. Each has 48 KiB of
    /// buffers, which the system provides when they are first used.
    pub const fn calls(mut self, calls: usize) -> Self {
        self.config.outside.calls = calls;
        self
    }

    /// Bytes of each slot's input buffer, which must be more than [`Limits::head_bytes`]. Default 32,768.
    pub const fn input_bytes(mut self, bytes: usize) -> Self {
        self.config.input_bytes = bytes;
        self
    }

    /// Bytes of each slot's output buffer, which must be more than [`Limits::response_head_bytes`]. Default 16,384.
    pub const fn output_bytes(mut self, bytes: usize) -> Self {
        self.config.output_bytes = bytes;
        self
    }

    /// Bytes of each slot's arena, the handler's scratch memory for one request. Default 16,384.
    #[cfg(feature = "arena")]
    pub const fn arena_bytes(mut self, bytes: usize) -> Self {
        self.config.arena_bytes = bytes;
        self
    }

    /// Every limit and every deadline of a connection. Default [`Limits::DEFAULT`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Speaks TLS on every connection. Only for TCP: a Unix socket is refused when the server [runs](Self::run).
    #[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.config.tls = Some(tls);
        self
    }

    /// Connections that the kernel keeps for each listener until they are accepted; the system may allow fewer (on Linux,
    /// `net.core.somaxconn`). Default 1,024.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.config.backlog = if connections > i32::MAX as u32 { i32::MAX } else { connections as i32 };
        self
    }

    /// How long requests in flight may take to finish after the server was asked to shut down; then they are cut. Default 10 s.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Whether SIGTERM and SIGINT shut the server down as [`Handle::shutdown`] does. A second signal ends the process at
    /// once, with status 128 and the signal's number. Default true.
    ///
    /// Signals belong to the process: of several servers in one, each that handles them shuts down. Once one has come, a
    /// further one ends the process also after [`run`](Self::run) returned; if none came, those signals do nothing from then on.
    pub const fn handle_signals(mut self, handle: bool) -> Self {
        self.config.handle_signals = handle;
        self
    }

    /// The first TCP address that is listened on, with its real port; none on a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// All TCP addresses that are listened on.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The means to shut this server down from another thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.shutdown)
    }

    /// Serves `handler` until the server is shut down, by its [`Handle`] or by a signal: then it stops accepting, closes
    /// idle connections, lets the requests in flight finish within the [grace period](Self::grace), and returns.
    ///
    /// A handler that panics has its request answered 500, or cut if the head of an answer is out; a line goes to
    /// stderr, and nobody else is harmed. A handler whose client is gone is dropped where it waits.
    ///
    /// # Errors
    ///
    /// Settings that can't work together, something that the system would not give, or a worker whose poll failed.
    pub fn run<H: Handler + Sync>(self, handler: H) -> Result<(), Error> {
        self.config.check()?;
        let Self { bound, config, shutdown, .. } = self;
        if config.tls.is_some() && bound.iter().any(|bound| bound.address().is_none()) {
            return Err(Error::setting("TLS is for TCP: a Unix socket can't have it"));
        }
        let workers = match config.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };

        // All that can be refused is asked for before the first thread starts.
        let mut listeners: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        let mut files = Vec::new();
        for bound in bound {
            if config.backlog != Config::DEFAULT.backlog {
                bound.set_backlog(config.backlog)?;
            }
            let (sockets, file) = bound.for_workers(workers, config.backlog)?;
            files.extend(file);
            for (socket, listeners) in sockets.into_iter().zip(&mut listeners) {
                listeners.push(socket);
            }
        }
        let start = |error| Error::new(format!("cannot start {workers} workers"), error);
        let mut signals = if config.handle_signals { Some(Signals::new().map_err(start)?) } else { None };
        let renewed = config.tls.as_ref().filter(|_| config.handle_signals);
        let _reload = renewed.map(Reload::start).transpose().map_err(start)?;
        let mut parts = listeners
            .into_iter()
            .enumerate()
            .map(|(number, listeners)| Parts::new(number, listeners, signals.take(), &config))
            .collect::<io::Result<Vec<_>>>()
            .map_err(start)?;
        shutdown.watch(parts.iter().map(|parts| Arc::clone(&parts.alarm)).collect());

        let (handler, config, shutdown) = (&handler, &config, &*shutdown);
        let work = |parts: Parts| {
            // A worker that fails, or panics, takes the others with it: in good order.
            let _last = AskOnDrop(shutdown);
            parts.run(handler, config, shutdown)
        };
        let first = if parts.is_empty() { None } else { Some(parts.remove(0)) };
        let result = thread::scope(|scope| {
            let mut threads = Vec::with_capacity(parts.len());
            for (number, parts) in parts.into_iter().enumerate() {
                let thread = thread::Builder::new().name(format!("midge-{}", number + 1));
                match thread.spawn_scoped(scope, move || work(parts)) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        shutdown.ask();
                        return Err(start(error));
                    }
                }
            }
            let stopped = |error| Error::new("a worker had to stop", error);
            let mut result = first.map_or(Ok(()), work).map_err(stopped);
            for thread in threads {
                let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
                result = result.and(ended.map_err(stopped));
            }
            result
        });
        shutdown.watch(Vec::new());
        drop(files);
        result
    }
}

/// `http://127.0.0.1:8080` (`https:` with TLS), or `unix:` and the path; several are separated by a blank.
impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, bound) in self.bound.iter().enumerate() {
            let separator = if number == 0 { "" } else { " " };
            match bound.address() {
                Some(address) if self.config.tls.is_some() => write!(formatter, "{separator}https://{address}")?,
                _ => write!(formatter, "{separator}{bound}")?,
            }
        }
        Ok(())
    }
}

struct AskOnDrop<'s>(&'s Shutdown);

impl Drop for AskOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ask();
    }
}

fn variable(name: &str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::setting(format!("the variable {name} is not text"))),
    }
}

/// Host and port from the three variables of [`Server::from_env`].
fn endpoint(lambda: Option<&str>, host: Option<&str>, port: Option<&str>) -> Result<(String, u16), Error> {
    let (host, port, name) = match lambda {
        Some(endpoint) => {
            let Some((host, port)) = endpoint.rsplit_once(':') else {
                return Err(Error::setting(format!(
                    "AWS_LAMBDA_HTTP_ENDPOINT={endpoint:?} is not of the form host:port"
                )));
            };
            (host, Some(port), "AWS_LAMBDA_HTTP_ENDPOINT")
        }
        None => (host.unwrap_or(DEFAULT_HOST), port, "PORT"),
    };
    let port = match port {
        Some(text) => text
            .parse()
            .map_err(|_| Error::setting(format!("{name}: {text:?} is not a port, a number from 0 to 65535")))?,
        None => DEFAULT_PORT,
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_honoured_and_the_platform_goes_first() {
        let ok = |lambda, host, port| endpoint(lambda, host, port).unwrap();
        assert_eq!(ok(None, None, None), ("127.0.0.1".to_owned(), 8_080));
        assert_eq!(ok(None, Some("::1"), Some("0")), ("::1".to_owned(), 0));
        assert_eq!(ok(None, Some("[::1]"), Some("81")), ("::1".to_owned(), 81));
        assert_eq!(ok(Some("0.0.0.0:3000"), Some("::1"), Some("81")), ("0.0.0.0".to_owned(), 3_000));
        assert_eq!(ok(Some("[::]:3000"), None, None), ("::".to_owned(), 3_000));
        for (lambda, port, text) in [
            (Some("localhost"), None, "AWS_LAMBDA_HTTP_ENDPOINT=\"localhost\" is not of the form host:port"),
            (Some("a:b"), None, "AWS_LAMBDA_HTTP_ENDPOINT: \"b\" is not a port, a number from 0 to 65535"),
            (None, Some("65536"), "PORT: \"65536\" is not a port, a number from 0 to 65535"),
        ] {
            assert_eq!(endpoint(lambda, None, port).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let run = |change: fn(Config) -> Config| change(Config::DEFAULT).check();
        assert!(run(|config| config).is_ok());
        assert!(run(|config| Config { slots: 0, ..config }).is_err());
        assert!(run(|config| Config { connections: 0, ..config }).is_err());
        assert!(run(|config| Config { input_bytes: 16_384, ..config }).is_err());
        assert!(run(|config| Config { output_bytes: 4_096, ..config }).is_err());
    }
}

//! Asking other servers over HTTP/1.1, from a handler.

mod call;
mod error;
pub(crate) mod pool;

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use midge::{Limits, client::Host};

use self::pool::Target;
pub use self::{
    call::{Answer, Call, CallRequest, Upload},
    error::{ClientError, ClientErrorKind},
};
use crate::error::Error;

/// A server to ask: its addresses, and how long it may take. Over plain TCP or a Unix socket: **no TLS**.
///
/// It is made before the server starts, since names are resolved here and block, and used by handlers on all workers. Connections are kept
/// for the next call, on the worker that opened them; buffers and places come from the worker's tables
/// ([`Server::calls`](crate::Server::calls), [`Server::outbound`](crate::Server::outbound)), so that a call allocates nothing.
///
/// ```no_run
/// use std::time::Duration;
/// use midge::{Failure, Method, Request, Response, Sent};
/// use midge_tcp::{Client, Server};
///
/// fn main() -> Result<(), midge_tcp::Error> {
///     let prices = Client::new("127.0.0.1:9000")?;
///     Server::bind("127.0.0.1:8080")?.run(async |_request: Request<'_>, response: Response<'_>| {
///         let mut call = prices.call()?.deadline(Duration::from_secs(2));
///         let mut answer = call.request(Method::Get, "/price").header("accept", "text/plain").send().await?;
///         let price = answer.all(1_000).await?;
///         response.status(200).body(price).await
///     })
/// }
/// ```
///
/// # When it is sent again
///
/// A request goes out once. Only if it was sent over a connection that was kept, and that one ended before a byte of the answer came, it
/// is sent once more over a new one; provided that its method is idempotent (RFC 9110, section 9.2.2) and that its body was given whole
/// and fitted the buffer. A kept connection that is known to have ended is not used in the first place.
#[derive(Debug)]
pub struct Client {
    host: String,
    targets: Vec<Target>,
    limits: Limits,
    connect_time: Duration,
}

impl Client {
    /// Whom to ask, as `host:port`, `host` (port 80), or either behind `http://`. A name is resolved now, and not again: that blocks, so it
    /// is for the program's start. Its addresses are tried in order.
    ///
    /// # Errors
    ///
    /// A name that has no address, an address that is none, or one that asks for TLS (`https://`).
    pub fn new(address: &str) -> Result<Self, Error> {
        let wrong = |what| Error::setting(format!("cannot ask {address:?}: {what}"));
        let host = match address.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest.strip_suffix('/').unwrap_or(rest),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(wrong("there is no TLS here; ask a proxy that speaks it"));
            }
            Some(_) => return Err(wrong("only http is spoken here")),
            None => address,
        };
        let checked = Host::new(host).map_err(|_| wrong("wanted host:port"))?.as_str();
        let has_port = checked.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let resolved =
            if has_port { checked.to_socket_addrs() } else { (checked.trim_matches(['[', ']']), 80).to_socket_addrs() };
        let unresolved = |error| Error::new(format!("cannot resolve {address:?}"), error);
        let mut targets = Vec::new();
        for target in resolved.map_err(unresolved)?.map(Target::Tcp) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            return Err(wrong("it has no address"));
        }
        Ok(Self::with(host.to_owned(), targets))
    }

    /// Whom to ask, at an address that is known. It is its own `Host`.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self::with(address.to_string(), vec![Target::Tcp(address)])
    }

    /// Whom to ask, at a Unix socket. `Host` is `localhost`.
    #[must_use]
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::with("localhost".to_owned(), vec![Target::Unix(path.as_ref().into())])
    }

    fn with(host: String, targets: Vec<Target>) -> Self {
        Self { host, targets, limits: LIMITS, connect_time: Duration::from_secs(10) }
    }

    /// What goes into `Host`.
    ///
    /// # Errors
    ///
    /// It is not `name` or `name:port`.
    pub fn host(mut self, host: &str) -> Result<Self, Error> {
        Host::new(host).map_err(|error| Error::setting(format!("cannot ask for {host:?}: {error}")))?;
        host.clone_into(&mut self.host);
        Ok(self)
    }

    /// The limits of an answer: [`head_bytes`](Limits::head_bytes), [`header_fields`](Limits::header_fields) (100 at most), those of chunks
    /// and trailers, and [`body_bytes`](Limits::body_bytes). Default [`Limits::DEFAULT`], but bodies of any length.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a connection to one address may take to be made. Default 10 s.
    #[must_use]
    pub const fn connect_time(mut self, time: Duration) -> Self {
        self.connect_time = time;
        self
    }

    /// Begins a call, with buffers for it. It has no deadline unless [`Call::deadline`] gives it one.
    ///
    /// # Errors
    ///
    /// All of the worker's [`calls`](crate::Server::calls) are being made, or the caller runs on no worker.
    pub fn call(&self) -> Result<Call<'_>, ClientError> {
        Call::new(self)
    }
}

/// `http://` and the host.
impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}", self.host)
    }
}

const LIMITS: Limits = Limits { body_bytes: u64::MAX, ..Limits::DEFAULT };

#[cfg(test)]
mod tests {
    use super::Client;

    #[test]
    fn an_address_is_read_in_every_form() {
        let cases = [
            ("127.0.0.1:9000", "http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("HTTP://127.0.0.1", "http://127.0.0.1", "127.0.0.1:80"),
            ("[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
            ("[::1]", "http://[::1]", "[::1]:80"),
        ];
        for (address, text, target) in cases {
            let client = Client::new(address).unwrap();
            assert_eq!((client.to_string(), client.targets[0].to_string()), (text.to_owned(), target.to_owned()));
        }
        assert!(!Client::new("localhost:80").unwrap().targets.is_empty());
        assert_eq!(Client::unix("/a/b").targets[0].to_string(), "unix:/a/b");
        assert_eq!(Client::unix("/a/b").host("a.example").unwrap().to_string(), "http://a.example");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let cases = [
            ("https://127.0.0.1", "no TLS"),
            ("ftp://127.0.0.1", "only http"),
            ("", "wanted host:port"),
            ("http://a b", "wanted host:port"),
            ("127.0.0.1:80/path", "wanted host:port"),
            ("127.0.0.1:99999", "wanted host:port"),
            ("127.0.0.1\r\nx: y", "wanted host:port"),
        ];
        for (address, reason) in cases {
            let error = Client::new(address).unwrap_err().to_string();
            assert!(error.contains(reason) || error.contains("cannot resolve"), "{address:?}: {error}");
        }
        assert!(Client::unix("/a").host("a/b").is_err());
    }
}

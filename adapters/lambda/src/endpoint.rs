//! Where the Runtime API is.

use std::{
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    ops::Range,
};

use crate::Error;

/// What `AWS_LAMBDA_RUNTIME_API` says, in any of the forms that platform and emulators write: `host:port`, with a scheme, with a
/// path before the API's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    authority: Range<usize>,
    prefix: Range<usize>,
    addresses: [Option<SocketAddr>; 4],
}

impl Endpoint {
    /// Reads the variable's value, and looks up the host.
    ///
    /// # Errors
    ///
    /// [`Error::Endpoint`].
    pub fn parse(text: String) -> Result<Self, Error> {
        match Self::parts(&text) {
            Ok((authority, prefix, addresses)) => Ok(Self { text, authority, prefix, addresses }),
            Err(why) => Err(Error::Endpoint { given: text, why }),
        }
    }

    /// For `Host`.
    pub fn authority(&self) -> &str {
        self.text.get(self.authority.clone()).unwrap_or_default()
    }

    /// What stands before the API's own path, without a slash at its end; nothing, as a rule.
    pub fn prefix(&self) -> &str {
        self.text.get(self.prefix.clone()).unwrap_or_default()
    }

    /// Where to connect to, in this order.
    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().copied().flatten()
    }

    /// A connection to the first address that takes one.
    ///
    /// # Errors
    ///
    /// None does: what the last one said.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.addresses() {
            match TcpStream::connect(address) {
                Ok(stream) => return stream.set_nodelay(true).map(|()| stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn parts(text: &str) -> Result<Parts, &'static str> {
        let start = match text.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => scheme.len() + 3,
            Some(_) => return Err("only http is spoken here"),
            None => 0,
        };
        let rest = text.get(start..).unwrap_or_default();
        let slash = rest.find('/').unwrap_or(rest.len());
        let (authority, prefix) = rest.split_at(slash);
        let is_visible = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@');
        if authority.is_empty() || !rest.as_bytes().iter().all(is_visible) {
            return Err("wanted host:port");
        }
        let end = start + slash + prefix.trim_end_matches('/').len();
        Ok((start..start + slash, start + slash..end, Self::resolve(authority)?))
    }

    fn resolve(authority: &str) -> Result<[Option<SocketAddr>; 4], &'static str> {
        let mut addresses = [None; 4];
        // As a rule it is an address.
        if let Ok(address) = authority.parse() {
            addresses[0] = Some(address);
            return Ok(addresses);
        }
        let resolved = match authority.rsplit_once(':') {
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => authority.to_socket_addrs(),
            _ => (authority, 80).to_socket_addrs(),
        };
        let resolved = resolved.map_err(|_| "the host has no address")?;
        for (place, address) in addresses.iter_mut().zip(resolved) {
            *place = Some(address);
        }
        Ok(addresses)
    }
}

/// The authority, the prefix, and the addresses.
type Parts = (Range<usize>, Range<usize>, [Option<SocketAddr>; 4]);

#[cfg(test)]
mod tests {
    use super::Endpoint;
    use crate::Error;

    #[test]
    fn every_form_of_the_variable_is_read() {
        let cases = [
            ("127.0.0.1:9001", "127.0.0.1:9001", ""),
            ("http://127.0.0.1:9001", "127.0.0.1:9001", ""),
            ("HTTP://127.0.0.1:9001/", "127.0.0.1:9001", ""),
            ("http://127.0.0.1:9200/.rt/boot", "127.0.0.1:9200", "/.rt/boot"),
            ("127.0.0.1:9200/.rt/boot/", "127.0.0.1:9200", "/.rt/boot"),
            ("[::1]:9001", "[::1]:9001", ""),
        ];
        for (text, authority, prefix) in cases {
            match Endpoint::parse(text.to_owned()) {
                Ok(endpoint) => {
                    assert_eq!((endpoint.authority(), endpoint.prefix()), (authority, prefix), "{text}");
                    assert_eq!(
                        endpoint.addresses().next().map(|address| address.to_string()).as_deref(),
                        Some(authority),
                        "{text}"
                    );
                }
                Err(error) => assert_eq!(error.to_string(), "", "{text}"),
            }
        }
        let portless = Endpoint::parse("127.0.0.1".to_owned())
            .map(|endpoint| endpoint.addresses().next().map(|address| address.port()));
        assert!(matches!(portless, Ok(Some(80))));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in
            ["", "http://", "https://127.0.0.1:9001", "/path", "a b:80", "127.0.0.1:9001\r\nx: y", "127.0.0.1:99999"]
        {
            assert!(matches!(Endpoint::parse(text.to_owned()), Err(Error::Endpoint { .. })), "{text:?}");
        }
    }
}

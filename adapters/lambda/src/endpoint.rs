//! Where the Runtime API is.

use std::net::{SocketAddr, ToSocketAddrs as _};

use crate::Error;

/// What `AWS_LAMBDA_RUNTIME_API` says, in any of the forms that platform and emulators write: `host:port`, with a scheme, with a
/// path before the API's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) addresses: Vec<SocketAddr>,
    /// For `Host`.
    pub(crate) authority: String,
    /// Without a slash at its end; empty, as a rule.
    pub(crate) prefix: String,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why| Error::Endpoint { given: text.to_owned(), why };
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(bad("only http is spoken here")),
            None => text,
        };
        let (authority, prefix) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let is_visible = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@');
        if authority.is_empty() || !rest.as_bytes().iter().all(is_visible) {
            return Err(bad("wanted host:port"));
        }
        let resolved = match authority.rsplit_once(':') {
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => authority.to_socket_addrs(),
            _ => (authority, 80).to_socket_addrs(),
        };
        let addresses: Vec<SocketAddr> = resolved.map_err(|_| bad("the host has no address"))?.collect();
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { addresses, authority: authority.to_owned(), prefix })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]
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
            match Endpoint::parse(text) {
                Ok(endpoint) => {
                    assert_eq!((&*endpoint.authority, &*endpoint.prefix), (authority, prefix), "{text}");
                    assert_eq!(endpoint.addresses[0].to_string(), authority, "{text}");
                }
                Err(error) => assert_eq!(error.to_string(), "", "{text}"),
            }
        }
        let portless = Endpoint::parse("127.0.0.1").map(|endpoint| endpoint.addresses[0].port());
        assert!(matches!(portless, Ok(80)));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in
            ["", "http://", "https://127.0.0.1:9001", "/path", "a b:80", "127.0.0.1:9001\r\nx: y", "127.0.0.1:99999"]
        {
            assert!(matches!(Endpoint::parse(text), Err(Error::Endpoint { .. })), "{text:?}");
        }
    }
}

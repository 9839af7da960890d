//! TLS: certificates and their renewal here, records in [`records`], connections in [`stream`].
//!
//! One [`Tls`] holds what the workers share: the configuration that new connections are given. A connection keeps the one that it
//! began with.

mod records;
mod reload;
mod stream;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

#[cfg(feature = "tls-aws-lc")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "tls-aws-lc"))]
use rustls::crypto::ring as provider;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};

pub(crate) use self::{
    records::{Records, RecordsMemory},
    reload::Reload,
    stream::{TlsStream, settle},
};
use crate::{Error, io::Stream};

/// A certificate, its key, and what is to be agreed with clients: TLS 1.3 or 1.2, by rustls, and HTTP/1.1 (ALPN
/// `http/1.1`, or `http/1.0` from clients that know no other).
///
/// Both files are PEM: the certificate of this server first, then those that lead to a root; and one private key (PKCS #8, PKCS #1 or SEC1,
/// not encrypted). They are read again on SIGHUP, if the server [handles signals](crate::Server::handle_signals), or by
/// [`reload`](Tls::reload): connections from then on get the new certificate, on all workers; those that are there keep the old one.
///
/// ```no_run
/// # async fn hello(_: midge::Request<'_>, response: midge::Response<'_>) -> Result<midge::Sent, midge::Failure> {
/// #     response.status(200).body(b"hello").await
/// # }
/// # fn main() -> Result<(), midge_tcp::Error> {
/// let tls = midge_tcp::Tls::from_pem_files("cert.pem", "key.pem")?;
/// midge_tcp::Server::bind("0.0.0.0:443")?.tls(tls).run(hello)
/// # }
/// ```
///
/// # What it costs
///
/// Unlike everything else in this crate, rustls allocates: for each connection, for each handshake, and for each record that is read or
/// written. The handshake's signature is computed on the worker that serves the connection. docs/tls.md has the figures.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the certificate chain and the private key.
    ///
    /// # Errors
    ///
    /// A file that can't be read or holds nothing of its kind, and a key that isn't the certificate's: the message names the file.
    pub fn from_pem_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        let (certificate, key) = (certificate.into(), key.into());
        let config = RwLock::new(load(&certificate, &key)?);
        Ok(Self { shared: Arc::new(Shared { certificate, key, config }) })
    }

    /// Reads both files again. If that fails, everything stays as it was.
    ///
    /// It reads files, and so may block: call it from a thread that is none of the server's.
    ///
    /// # Errors
    ///
    /// As [`from_pem_files`](Self::from_pem_files).
    pub fn reload(&self) -> Result<(), Error> {
        let config = load(&self.shared.certificate, &self.shared.key)?;
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// What a connection that begins now is given.
    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shared.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { certificate, key, .. } = &*self.shared;
        f.debug_struct("Tls").field("certificate", certificate).field("key", key).finish_non_exhaustive()
    }
}

/// A connection that was just accepted, under TLS if the server speaks that.
pub(crate) fn wrap(stream: Stream, tls: Option<&Tls>) -> io::Result<Stream> {
    match (stream, tls) {
        (Stream::Tcp(socket), Some(tls)) => Ok(Stream::Tls(TlsStream::new(socket, tls)?)),
        (stream, _) => Ok(stream),
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("the certificate", certificate, error))?;
    if chain.is_empty() {
        return Err(unreadable("the certificate", certificate, pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("the private key", key, error))?;
    let unfit = |error: rustls::Error| {
        let (certificate, key) = (certificate.display(), key.display());
        Error::setting(format!("the certificate in {certificate} and the private key in {key} can't be used: {error}"))
    };
    let provider = Arc::new(provider::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unfit)?;
    // A client that offers none of these, or HTTP/2 alone, is refused (RFC 7301, section 3.2); one that offers nothing is not.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    // Sessions are resumed from what the client keeps, so that nothing is kept here. Tickets of an older certificate end with it.
    config.ticketer = provider::Ticketer::new().map_err(unfit)?;
    Ok(Arc::new(config))
}

fn unreadable(what: &str, file: &Path, error: pem::Error) -> Error {
    let file = file.display();
    match error {
        pem::Error::Io(error) => Error::setting(format!("cannot read {what} {file}: {error}")),
        pem::Error::NoItemsFound => Error::setting(format!("{file} holds no PEM section with {what}")),
        error => Error::setting(format!("{file} is not good PEM: {error}")),
    }
}

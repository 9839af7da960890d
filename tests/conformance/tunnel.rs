//! A tunnel that puts TLS around connections: what speaks plainly to it speaks TLS to the server.
//!
//! An end that was said in TLS is passed on as an end, and one that wasn't as a reset: so an answer that was cut looks cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::SockRef;

/// Opens a tunnel to `server`, whose certificate is `trusted`; it lasts as long as the process. Gives where it begins.
pub fn open(server: SocketAddr, trusted: CertificateDer<'static>) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for plain in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            // One that fails is seen by its client.
            thread::spawn(move || drop(carry(plain, server, config)));
        }
    });
    address
}

fn carry(plain: TcpStream, server: SocketAddr, config: Arc<ClientConfig>) -> io::Result<()> {
    let mut secure = TcpStream::connect(server)?;
    for socket in [&plain, &secure] {
        socket.set_nodelay(true)?;
    }
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while session.is_handshaking() || session.wants_write() {
        session.complete_io(&mut secure)?;
    }
    let session = Mutex::new(session);
    thread::scope(|scope| {
        let back = scope.spawn(|| {
            let ended = answers(&secure, &session, &plain);
            if ended.is_err() {
                let _ = SockRef::from(&plain).set_linger(Some(Duration::ZERO));
            }
            // Whoever still waits for the client waits in vain.
            let _ = plain.shutdown(if ended.is_err() { Shutdown::Both } else { Shutdown::Write });
            ended
        });
        // Fails when the server closed.
        let _ = requests(&plain, &session, &secure);
        let _ = secure.shutdown(Shutdown::Write);
        let _ = back.join();
    });
    Ok(())
}

fn requests(mut plain: &TcpStream, session: &Mutex<ClientConnection>, mut secure: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 65_536];
    loop {
        let count = plain.read(&mut buffer)?;
        let mut records = Vec::new();
        {
            let mut session = session.lock().unwrap();
            match count {
                0 => session.send_close_notify(),
                _ => session.writer().write_all(&buffer[..count])?,
            }
            while session.wants_write() {
                session.write_tls(&mut records)?;
            }
        }
        secure.write_all(&records)?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// Until the server said its end. An end that it did not say is an error.
fn answers(mut secure: &TcpStream, session: &Mutex<ClientConnection>, mut plain: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16_384];
    loop {
        let count = secure.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut records, mut content) = (&buffer[..count], Vec::new());
        let mut over = false;
        {
            let mut session = session.lock().unwrap();
            while !records.is_empty() && !over {
                session.read_tls(&mut records)?;
                over = session.process_new_packets().map_err(io::Error::other)?.peer_has_closed();
                // "Would block" is all that is left to say when all was read.
                let _ = session.reader().read_to_end(&mut content);
            }
        }
        plain.write_all(&content)?;
        if over {
            return Ok(());
        }
    }
}

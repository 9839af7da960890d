//! TLS over real sockets, with rustls's own client.

#![cfg(any(feature = "tls", feature = "tls-aws-lc"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    future::poll_fn,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::PathBuf,
    process,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};

use common::{Client, beside, server};
use midge::{Failure, Limits, Request, Response, Sent};
use midge_tcp::{Server, Tls};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};

/// `/echo` answers with the body, `/big` with eight million bytes, `/cut` with a body of no known length that is cut, `/upgrade` says how
/// what it read ended. `/pieces/N` answers in so many pieces, each with a write of its own, and `/fails` begins an answer that it doesn't end.
async fn handler(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/echo" => {
            let mut body = response.status(200).stream().await?;
            body.flush().await?;
            let mut bytes = [0; 5_000];
            loop {
                match request.body().read(&mut bytes).await? {
                    0 => return body.finish().await,
                    count => body.write(&bytes[..count]).await?,
                }
                body.flush().await?;
            }
        }
        "/big" => {
            let mut body = response.status(200).length(BIG as u64).stream().await?;
            for number in 0..BIG / BLOCK {
                body.write(block(number)).await?;
            }
            body.finish().await
        }
        "/cut" => {
            let mut body = response.status(200).stream().await?;
            body.write("as much as there is").await?;
            body.flush().await?;
            Err(Failure::new(500))
        }
        "/upgrade" => {
            let mut upgraded = response.status(101).upgrade("raw").await?;
            let mut bytes = [0; 64];
            loop {
                match upgraded.read(&mut bytes).await {
                    Ok(0) => {
                        upgraded.write("whole").await?;
                        return upgraded.finish().await;
                    }
                    Ok(_) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        "/fails" => {
            let _begun = response.status(200).header("x-begun", "x".repeat(200)).stream().await?;
            let mut waited = false;
            poll_fn(|context| match std::mem::replace(&mut waited, true) {
                true => Poll::Ready(()),
                false => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            })
            .await;
            Err(Failure::new(500))
        }
        path if path.starts_with("/pieces/") => {
            let count: usize = path["/pieces/".len()..].parse().unwrap();
            let mut body = response.status(200).length(count as u64).stream().await?;
            for _ in 0..count {
                body.write("x").await?;
                body.flush().await?;
            }
            body.finish().await
        }
        _ => response.status(200).header("content-type", "text/plain").body(b"hello").await,
    }
}

const BIG: usize = 8_000_000;
const BLOCK: usize = 1_000;
const FAILS: &str = "GET /fails HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn block(number: usize) -> [u8; BLOCK] {
    let mut block = [number as u8; BLOCK];
    block[..8].copy_from_slice(&(number as u64).to_be_bytes());
    block
}

/// A certificate in files of their own, removed in the end.
struct Certificate {
    name: &'static str,
    directory: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new(name: &'static str) -> Self {
        let directory = std::env::temp_dir().join(format!("midge-tls-{}-{name}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let der = write(&directory);
        Self { name, directory, der }
    }

    fn cert(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    fn tls(&self) -> Tls {
        Tls::from_pem_files(self.cert(), self.key()).unwrap()
    }

    /// Another certificate in the same place.
    fn renew(&mut self) {
        self.der = write(&self.directory);
    }

    fn server(&self) -> (Server, SocketAddr) {
        let (server, address) = server();
        (server.tls(self.tls()), address)
    }

    fn config(&self, version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    fn connect(&self, address: SocketAddr) -> Client<Secure> {
        Client::new(secure(self.config(&TLS13, &[b"http/1.1"]), TcpStream::connect(address).unwrap()))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn write(directory: &std::path::Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

type Secure<S = TcpStream> = StreamOwned<ClientConnection, S>;

fn secure<S: Read + Write>(config: ClientConfig, socket: S) -> Secure<S> {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

#[test]
fn both_versions_agree_on_http_1_1_and_keep_the_connection() {
    let certificate = Certificate::new("versions");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        for version in [&TLS12, &TLS13] {
            for (offered, agreed) in [
                ("h2 http/1.1", Some("http/1.1")),
                ("http/1.0 http/1.1", Some("http/1.1")),
                ("http/1.0", Some("http/1.0")),
                ("", None),
            ] {
                let offered: Vec<_> = offered.split_whitespace().map(str::as_bytes).collect();
                let socket = TcpStream::connect(address).unwrap();
                let mut client = Client::new(secure(certificate.config(version, &offered), socket));
                for _ in 0..3 {
                    assert_eq!(client.get("/").body, "hello");
                }
                assert_eq!(client.reader.get_ref().conn.alpn_protocol(), agreed.map(str::as_bytes));
            }
            let socket = TcpStream::connect(address).unwrap();
            let refused = secure(certificate.config(version, &[b"h2"]), socket).flush().unwrap_err();
            assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
        }
    })
    .unwrap();
}

/// A session is resumed by its ticket, with nothing kept here.
#[test]
fn sessions_are_resumed() {
    let certificate = Certificate::new("resumed");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        for version in [&TLS12, &TLS13] {
            let config = Arc::new(certificate.config(version, &[]));
            let mut kinds = Vec::new();
            for _ in 0..2 {
                let name = ServerName::try_from("localhost").unwrap();
                let connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
                let mut client = Client::new(StreamOwned::new(connection, TcpStream::connect(address).unwrap()));
                assert_eq!(client.get("/").body, "hello");
                kinds.push(client.reader.get_ref().conn.handshake_kind());
            }
            assert_eq!(kinds, [Some(rustls::HandshakeKind::Full), Some(rustls::HandshakeKind::Resumed)]);
        }
    })
    .unwrap();
}

#[test]
fn a_megabyte_goes_both_ways() {
    let certificate = Certificate::new("megabyte");
    let (server, address) = certificate.server();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    beside(server, handler, || {
        for version in [&TLS12, &TLS13] {
            let mut stream = secure(certificate.config(version, &[]), TcpStream::connect(address).unwrap());
            // Until its end, and that end is said: without a goodbye this read would fail.
            let head = format!(
                "POST /echo HTTP/1.0\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut reading = stream.sock.try_clone().unwrap();
            // A piece at a time, so that neither side waits for the other.
            let mut answer = vec![0; 150];
            let mut head = 0;
            while !answer[..head].ends_with(b"\r\n\r\n") {
                if head == 0 {
                    stream.write_all(&bytes[..10_000]).unwrap();
                }
                head += stream.read(&mut answer[head..=head]).unwrap();
            }
            answer.clear();
            for piece in bytes[10_000..].chunks(10_000) {
                stream.write_all(piece).unwrap();
                let mut buffer = [0; 10_000];
                stream.read_exact(&mut buffer).unwrap();
                answer.extend_from_slice(&buffer);
            }
            stream.read_to_end(&mut answer).unwrap();
            assert!(answer == bytes);
            // What is left behind the goodbye is the end of the socket.
            assert_eq!(reading.read(&mut [0]).unwrap(), 0);
        }
    })
    .unwrap();
}

/// Records that the socket takes in parts, over and over.
#[test]
fn an_answer_larger_than_any_buffer_comes_whole() {
    let certificate = Certificate::new("larger");
    let (server, address) = certificate.server();
    // Those that are read last have to wait for as long as it takes.
    let limits = Limits { write_rate: 0, ..Limits::DEFAULT };
    beside(server.limits(limits), handler, || {
        let mut clients: Vec<_> = (0..4).map(|_| certificate.connect(address)).collect();
        for client in &mut clients {
            client.ask("/big");
        }
        for client in &mut clients {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.reader.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let mut body = vec![0; BIG];
            client.reader.read_exact(&mut body).unwrap();
            assert!(body.chunks(BLOCK).enumerate().all(|(number, bytes)| bytes == block(number)));
            assert_eq!(client.get("/").body, "hello");
        }
    })
    .unwrap();
}

/// Nothing that may be in a record is taken back: wherever a worker's turn ends, between sealing a head and sending it as well.
#[test]
fn an_answer_that_fails_when_its_head_was_sealed_is_cut_and_not_replaced() {
    let certificate = Certificate::new("sealed");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        let mut cut = 0;
        for pieces in 0..40 {
            let mut client = certificate.connect(address);
            client.send(format!("GET /pieces/{pieces} HTTP/1.1\r\nHost: a\r\n\r\n{FAILS}"));
            assert_eq!(client.answer().unwrap().body, "x".repeat(pieces));
            let rest = String::from_utf8(ending(&mut client).unwrap()).unwrap();
            let (head, body) = rest.split_once("\r\n\r\n").unwrap();
            // A head that the turn had no room left for is replaced, as a whole.
            if head.starts_with("HTTP/1.1 500 ") {
                assert!(!head.contains("x-begun") && body == "500 Internal Server Error\n", "{pieces}: {rest}");
                continue;
            }
            assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("x-begun: xx"), "{pieces}: {rest}");
            assert_eq!(body, "", "{pieces}");
            cut += 1;
        }
        assert!(cut > 20, "{cut}");
    })
    .unwrap();
}

#[test]
fn a_client_that_takes_nothing_is_reset() {
    let certificate = Certificate::new("takes-nothing");
    let (server, address) = certificate.server();
    let limits = Limits { write_grace: Duration::from_millis(300), write_rate: u32::MAX, ..Limits::DEFAULT };
    beside(server.limits(limits), handler, || {
        let mut client = certificate.connect(address);
        client.ask("/big");
        let error = loop {
            match client.reader.get_ref().sock.take_error().unwrap() {
                Some(error) => break error,
                None => thread::yield_now(),
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    })
    .unwrap();
}

#[test]
fn requests_in_one_record_and_one_request_in_many() {
    let certificate = Certificate::new("records");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        let mut client = certificate.connect(address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
        for _ in 0..100 {
            assert_eq!(client.answer().unwrap().body, "hello");
        }
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" {
            client.send([*byte]);
        }
        assert_eq!(client.answer().unwrap().body, "hello");
    })
    .unwrap();
}

/// A socket that moves one byte at a time.
struct Dripping(TcpStream);

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

impl Write for Dripping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..1])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn a_handshake_and_records_byte_by_byte() {
    let certificate = Certificate::new("dripping");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        for version in [&TLS12, &TLS13] {
            let socket = TcpStream::connect(address).unwrap();
            socket.set_nodelay(true).unwrap();
            let mut client = Client::new(secure(certificate.config(version, &[]), Dripping(socket)));
            for _ in 0..2 {
                assert_eq!(client.get("/").body, "hello");
            }
        }
    })
    .unwrap();
}

/// Neither with plain HTTP nor with anything else: an alert, an orderly end, and the next client is served.
#[test]
fn what_is_not_tls_gets_an_alert_and_an_end() {
    let certificate = Certificate::new("garbage");
    let (server, address) = certificate.server();
    beside(server.slots(1), handler, || {
        let hello = hello(&certificate);
        let mut broken = hello.clone();
        broken[5] = 0xff;
        let inputs: [&[u8]; 4] =
            [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[0xff; 40_000], &broken, b"\x16\x03\x01\xff\xff\x01\x00\x00\x00"];
        for input in inputs {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(input).unwrap();
            let mut said = Vec::new();
            socket.read_to_end(&mut said).unwrap();
            // One alert record, and it is fatal.
            assert_eq!((said[0], said.len(), said[5]), (21, 7, 2), "{said:?}");
            drop(socket);
            assert_eq!(certificate.connect(address).get("/").body, "hello");
        }
        // In the midst of a connection.
        let mut client = certificate.connect(address);
        assert_eq!(client.get("/").body, "hello");
        client.reader.get_mut().sock.write_all(&[23, 3, 3, 0, 40, 1, 2, 3]).unwrap();
        client.reader.get_mut().sock.write_all(&[0; 100]).unwrap();
        let error = client.reader.read(&mut [0; 10]).unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
    })
    .unwrap();
}

/// The bytes that a client begins with.
fn hello(certificate: &Certificate) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(certificate.config(&TLS13, &[])), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// One that doesn't finish its handshake has no more time than one that doesn't finish its head, and keeps nobody out.
#[test]
fn half_a_handshake_is_ended_by_the_heads_deadline() {
    let certificate = Certificate::new("half");
    let (server, address) = certificate.server();
    let limits = Limits { head_time: Duration::from_millis(300), ..Limits::DEFAULT };
    beside(server.slots(1).limits(limits), handler, || {
        let hello = hello(&certificate);
        // Half of the first message, half of a record's header, and a whole message whose answer isn't answered.
        for part in [hello.len() / 2, 3, hello.len()] {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(&hello[..part]).unwrap();
            let mut said = Vec::new();
            socket.read_to_end(&mut said).unwrap();
            assert_eq!(said.is_empty(), part < hello.len());
        }
        // In the midst of a record behind the handshake.
        let mut client = certificate.connect(address);
        assert_eq!(client.get("/").body, "hello");
        client.reader.get_mut().sock.write_all(&[23, 3, 3, 1]).unwrap();
        assert!(client.is_at_end());
    })
    .unwrap();
}

/// The deadline is far away, and there is one slot: the one that is slow gives way to the one that waits.
#[test]
fn half_a_handshake_gives_its_slot_to_whoever_waits() {
    let certificate = Certificate::new("gives-way");
    let (server, address) = certificate.server();
    let limits = Limits { head_time: Duration::from_secs(3_600), ..Limits::DEFAULT };
    beside(server.slots(1).limits(limits), handler, || {
        let hello = hello(&certificate);
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(&hello[..hello.len() / 2]).unwrap();
        assert_eq!(certificate.connect(address).get("/").body, "hello");
        assert_eq!(slow.read_to_end(&mut Vec::new()).unwrap(), 0);
    })
    .unwrap();
}

/// What an idle connection keeps is no slot.
#[test]
fn more_connections_than_slots_take_turns() {
    let certificate = Certificate::new("turns");
    let (server, address) = certificate.server();
    beside(server.slots(1), handler, || {
        let mut clients: Vec<_> = (0..20).map(|_| certificate.connect(address)).collect();
        for _ in 0..3 {
            for client in &mut clients {
                assert_eq!(client.get("/").body, "hello");
            }
        }
    })
    .unwrap();
}

/// How a client sees that a connection ended.
fn ending(client: &mut Client<Secure>) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    client.reader.read_to_end(&mut rest).map(|_| rest)
}

#[test]
fn an_answer_that_is_whole_ends_with_a_goodbye_and_one_that_was_cut_does_not() {
    let certificate = Certificate::new("goodbye");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        let mut whole = certificate.connect(address);
        whole.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(whole.answer().unwrap().body, "hello");
        assert_eq!(ending(&mut whole).unwrap(), b"");

        // Its end is the connection's end: nothing else shows that it was cut.
        let mut cut = certificate.connect(address);
        cut.send("GET /cut HTTP/1.0\r\n\r\n");
        let error = ending(&mut cut).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
    })
    .unwrap();
}

#[test]
fn idle_connections_are_told_goodbye_in_time_and_when_the_server_ends() {
    let certificate = Certificate::new("idle");
    let (server, address) = certificate.server();
    let limits = Limits { idle_time: Duration::from_millis(200), ..Limits::DEFAULT };
    beside(server.limits(limits), handler, || {
        let mut client = certificate.connect(address);
        assert_eq!(client.get("/").body, "hello");
        assert_eq!(ending(&mut client).unwrap(), b"");
    })
    .unwrap();

    let (server, address) = certificate.server();
    let mut client = None;
    beside(server, handler, || {
        let mut connected = certificate.connect(address);
        assert_eq!(connected.get("/").body, "hello");
        client = Some(connected);
    })
    .unwrap();
    assert_eq!(ending(&mut client.unwrap()).unwrap(), b"");
}

#[test]
fn a_client_that_says_goodbye_is_answered_so_and_one_that_only_leaves_is_not_taken_for_done() {
    let certificate = Certificate::new("leaves");
    let (server, address) = certificate.server();
    beside(server, handler, || {
        for says_goodbye in [true, false] {
            let mut client = certificate.connect(address);
            client.send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nsome");
            assert_eq!(client.answer().unwrap().status(), 101);
            let stream = client.reader.get_mut();
            if says_goodbye {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
            stream.sock.shutdown(Shutdown::Write).unwrap();
            let end = ending(&mut client);
            if says_goodbye {
                assert_eq!(end.unwrap(), b"whole");
            } else {
                assert!(end.is_err());
            }
        }
    })
    .unwrap();
}

#[test]
fn a_new_certificate_is_for_new_connections_and_a_bad_one_for_none() {
    let mut certificate = Certificate::new("renewed");
    let tls = certificate.tls();
    let (server, address) = server();
    beside(server.workers(2).tls(tls.clone()), handler, || {
        let mut old = certificate.connect(address);
        assert_eq!(old.get("/").body, "hello");

        let config = certificate.config(&TLS13, &[]);
        certificate.renew();
        tls.reload().unwrap();
        // Enough to reach both workers.
        for _ in 0..64 {
            assert_eq!(certificate.connect(address).get("/").body, "hello");
        }
        let error = secure(config, TcpStream::connect(address).unwrap()).flush().unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(old.get("/").body, "hello");

        for (file, content, wanted) in [
            (certificate.key(), "", "holds no PEM section with the private key"),
            (certificate.cert(), "no certificate", "holds no PEM section with the certificate"),
            (certificate.cert(), "-----BEGIN CERTIFICATE-----\n!\n", "is not good PEM"),
        ] {
            let good = fs::read(&file).unwrap();
            fs::write(&file, content).unwrap();
            let error = tls.reload().unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains(certificate.name) && !error.contains('\n'), "{error}");
            assert_eq!(certificate.connect(address).get("/").body, "hello");
            fs::write(&file, good).unwrap();
        }
    })
    .unwrap();
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let [one, other] = ["one", "other"].map(Certificate::new);
    let error = Tls::from_pem_files(one.cert(), other.key()).unwrap_err().to_string();
    assert!(error.contains("can't be used") && error.contains("one") && error.contains("other"), "{error}");
    let error = Tls::from_pem_files(one.directory.join("none.pem"), one.key()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the certificate ") && error.contains("none.pem"), "{error}");

    let path = one.directory.join("socket");
    let server = Server::bind_unix(path).unwrap().handle_signals(false).tls(one.tls());
    let error = server.run(handler).unwrap_err().to_string();
    assert!(error.contains("Unix socket"), "{error}");

    let (server, address) = one.server();
    assert_eq!(server.to_string(), format!("https://{address}"));
}

//! What TLS allocates, per connection and per request: all of it is rustls's own. `--nocapture` prints the figures of docs/tls.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process,
    sync::Arc,
    thread,
};

use midge::{Failure, Request, Response, Sent};
use midge_counting_allocator::{Counting, held_by_this_thread, of_this_thread};
use midge_tcp::{Server, Tls};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const COUNT: usize = 200;

/// What the worker has asked for, and what it holds.
#[derive(Clone, Copy)]
struct Tally {
    allocations: i64,
    bytes: i64,
}

async fn handler(_: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    // One allocation, which the worker has given back by the time of the next.
    let text = format!("{:>12}{:>12}", of_this_thread(), held_by_this_thread());
    response.status(200).body(text).await
}

#[test]
fn what_a_connection_and_a_request_cost() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = ["cert", "key"].map(|name| std::env::temp_dir().join(format!("midge-{}-{name}.pem", process::id())));
    fs::write(&files[0], made.cert.pem()).unwrap();
    fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::from_pem_files(&files[0], &files[1]).unwrap();
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();

    let server = Server::bind("127.0.0.1:0").unwrap().workers(1).slots(4).connections(1_024).handle_signals(false);
    let server = server.tls(tls);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    thread::scope(|scope| {
        let running = scope.spawn(move || server.run(handler));
        let shut_down = OnDrop(|| handle.shutdown());
        for version in [&TLS12, &TLS13] {
            let config = config(version, &roots);
            let mut asking = Client::connect(address, &config);
            asking.tally();

            let before = asking.tally();
            let mut idle: Vec<_> = (0..COUNT).map(|_| Client::connect(address, &config)).collect();
            for client in &mut idle {
                client.tally();
            }
            let connected = asking.tally();
            for _ in 0..COUNT {
                asking.tally();
            }
            let asked = asking.tally();
            drop(idle);
            // Those that are gone are seen to before, or together with, whoever comes after them.
            for _ in 0..10 {
                Client::connect(address, &config).tally();
            }
            let gone = asking.tally();

            let count = COUNT as i64;
            // The handler's own is one.
            let per_request = (asked.allocations - connected.allocations) / count - 1;
            let per_connection = (connected.allocations - before.allocations) / count - 1 - per_request;
            let bytes = (connected.bytes - before.bytes) / count;
            println!(
                "{:?}: {per_connection} allocations for a connection, {bytes} bytes while it is idle, {per_request} allocations for a request",
                version.version
            );
            assert!((1..=6).contains(&per_request), "{per_request}");
            assert!((1..=400).contains(&per_connection), "{per_connection}");
            assert!((500..=6_000).contains(&bytes), "{bytes}");
            assert_eq!(asked.bytes, connected.bytes, "a request leaves nothing behind");
            assert!(gone.bytes - before.bytes < 20 * bytes, "a connection leaves nothing behind");
        }
        drop(shut_down);
        running.join().unwrap().unwrap();
    });
}

fn config(version: &'static SupportedProtocolVersion, roots: &RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    // A whole handshake each time.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self(StreamOwned::new(connection, TcpStream::connect(address).unwrap()))
    }

    fn tally(&mut self) -> Tally {
        self.0.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        let mut numbers = [0; 24];
        self.0.read_exact(&mut numbers).unwrap();
        let number = |text: &[u8]| String::from_utf8_lossy(text).trim().parse().unwrap();
        Tally { allocations: number(&numbers[..12]), bytes: number(&numbers[12..]) }
    }
}

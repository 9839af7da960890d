//! Files that go out past the output buffer. What the kernel counts for the worker's thread tells how they went: `sendfile` is a write for it, and
//! what the standard library sends to a socket is none.

#![cfg(all(feature = "files", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::PathBuf,
    process,
};

use common::{Client, beside, server};
use midge::{Failure, Request, Response, Sent};
use midge_tcp::{Server, files::Files};

/// A directory with files of the lengths that are their names; removed in the end.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, lengths: &[usize]) -> Self {
        let tree = Self(std::env::temp_dir().join(format!("midge-sendfile-{}-{name}", process::id())));
        fs::create_dir_all(&tree.0).unwrap();
        for length in lengths {
            fs::write(tree.0.join(length.to_string()), content(*length)).unwrap();
        }
        tree
    }

    /// The files, and at `/written` what the worker's thread wrote so far that was no message to a socket.
    fn handler(&self) -> impl midge::Handler + Sync + Send + use<> {
        let files = Files::new(&self.0).unwrap();
        async move |request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
            match request.path() {
                "/written" => {
                    let counts = fs::read_to_string("/proc/thread-self/io").unwrap();
                    let written = counts.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().to_owned();
                    response.status(200).body(written).await
                }
                path => files.serve(path, &request, response).await,
            }
        }
    }

    fn serve(&self, test: impl FnOnce(SocketAddr)) {
        let (server, address) = server();
        beside(server, self.handler(), || test(address)).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(length: usize) -> Vec<u8> {
    // A prime number of bytes, so that no two buffers or pages are alike.
    let block: Vec<u8> = (0..16_385_u32).flat_map(u32::to_be_bytes).take(65_537).collect();
    let mut content = block.repeat(length / block.len() + 1);
    content.truncate(length);
    content
}

fn written<S: Read + Write>(client: &mut Client<S>) -> u64 {
    client.get("/written").body.parse().unwrap()
}

/// Reads a head, in lower case.
fn head<S: Read + Write>(client: &mut Client<S>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.reader.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

/// Asks, and gives the head, the body, and how much of the answer went past the buffer.
fn fetch<S: Read + Write>(client: &mut Client<S>, path: &str, fields: &str) -> (String, Vec<u8>, u64) {
    let before = written(client);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let head = head(client);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    client.reader.read_exact(&mut body).unwrap();
    let past = written(client) - before;
    (head, body, past)
}

const MEGABYTE: usize = 1_000_000;
const HUNDRED: usize = 100_000_000;
const SMALL: usize = 15_360;

#[test]
fn large_files_and_ranges_go_past_the_buffer_byte_for_byte() {
    let tree = Tree::new("large", &[SMALL, SMALL + 1, MEGABYTE, HUNDRED]);
    tree.serve(|address| {
        let mut client = Client::connect(address);
        for length in [SMALL + 1, MEGABYTE, HUNDRED] {
            let (_, body, past) = fetch(&mut client, &format!("/{length}"), "");
            assert!(body == content(length), "{length}");
            assert_eq!(past, length as u64);
        }
        let whole = content(MEGABYTE);
        for (range, wanted) in [("500001-", 500_001..MEGABYTE), ("1-15361", 1..15_362), ("-20001", 979_999..MEGABYTE)] {
            let (head, body, past) = fetch(&mut client, "/1000000", &format!("Range: bytes={range}\r\n"));
            assert!(head.starts_with("http/1.1 206 ") && body == whole[wanted.clone()], "{range}");
            assert_eq!(past, wanted.len() as u64);
        }
        // What one buffer holds is read into it.
        let (_, body, past) = fetch(&mut client, "/15360", "");
        assert!(body == content(SMALL));
        assert_eq!(past, 0);
    });
}

#[test]
fn what_is_pipelined_behind_a_large_file_follows_it() {
    let tree = Tree::new("pipelined", &[5, MEGABYTE]);
    tree.serve(|address| {
        let mut client = Client::connect(address);
        let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send([ask("GET", "/5"), ask("HEAD", "/1000000"), ask("GET", "/1000000")].concat());
        client.send([ask("GET", "/1000000"), ask("GET", "/5")].concat());
        let body = |client: &mut Client, length: usize| {
            let head = head(client);
            assert!(head.starts_with("http/1.1 200 ") && head.contains(&format!("content-length: {length}\r\n")));
            let mut body = vec![0; length];
            client.reader.read_exact(&mut body).unwrap();
            assert!(body == content(length));
        };
        body(&mut client, 5);
        assert!(head(&mut client).contains("content-length: 1000000\r\n"));
        body(&mut client, MEGABYTE);
        body(&mut client, MEGABYTE);
        body(&mut client, 5);
    });
}

/// A client of HTTP/1.0 too is sent a file in this way, and its end.
#[test]
fn an_old_client_is_sent_a_large_file() {
    let tree = Tree::new("old", &[MEGABYTE]);
    tree.serve(|address| {
        let mut client = Client::connect(address);
        client.send("GET /1000000 HTTP/1.0\r\n\r\n");
        head(&mut client);
        let mut body = Vec::new();
        client.reader.read_to_end(&mut body).unwrap();
        assert!(body == content(MEGABYTE));
    });
}

/// No socket holds a hundred megabytes: the answer waits for its reader, while others are served; and is given up with him.
#[test]
fn others_are_served_while_a_reader_is_slow_or_goes_away() {
    let tree = Tree::new("slow", &[5, HUNDRED]);
    tree.serve(|address| {
        let mut slow = Client::connect(address);
        slow.ask("/100000000");
        head(&mut slow);
        let mut gone = Client::connect(address);
        gone.ask("/100000000");
        head(&mut gone);
        let mut other = Client::connect(address);
        assert_eq!(other.get("/5").status(), 200);
        drop(gone);
        assert_eq!(other.get("/5").status(), 200);
        let mut body = vec![0; HUNDRED];
        slow.reader.read_exact(&mut body).unwrap();
        assert!(body == content(HUNDRED));
        assert_eq!(slow.get("/5").status(), 200);
    });
}

#[test]
fn a_file_that_shrinks_under_way_is_cut_and_closed() {
    let tree = Tree::new("shrinks", &[5, HUNDRED]);
    tree.serve(|address| {
        let mut client = Client::connect(address);
        client.ask("/100000000");
        head(&mut client);
        OpenOptions::new().write(true).open(tree.0.join("100000000")).unwrap().set_len(100).unwrap();
        let mut rest = Vec::new();
        let _ = client.reader.read_to_end(&mut rest);
        assert!(rest.len() < HUNDRED, "{}", rest.len());
        assert_eq!(Client::connect(address).get("/5").status(), 200);
    });
}

/// Many more than there are slots at a time, one after the other in each: no place is left taken.
#[test]
fn few_slots_serve_many_large_files() {
    let tree = Tree::new("slots", &[MEGABYTE]);
    let (server, address) = server();
    beside(server.slots(2), tree.handler(), || {
        for _ in 0..3 {
            let mut clients: Vec<Client> = (0..5).map(|_| Client::connect(address)).collect();
            clients.iter_mut().for_each(|client| client.ask("/1000000"));
            for client in &mut clients {
                head(client);
                let mut body = vec![0; MEGABYTE];
                client.reader.read_exact(&mut body).unwrap();
                assert!(body == content(MEGABYTE));
            }
        }
    })
    .unwrap();
}

#[test]
fn a_unix_socket_is_sent_files_in_the_same_way() {
    let tree = Tree::new("unix", &[MEGABYTE]);
    let path = tree.0.join("socket");
    let server = Server::bind_unix(&path).unwrap().handle_signals(false).workers(1);
    beside(server, tree.handler(), || {
        let mut client = Client::new(UnixStream::connect(&path).unwrap());
        let (_, body, past) = fetch(&mut client, "/1000000", "");
        assert!(body == content(MEGABYTE));
        assert_eq!(past, MEGABYTE as u64);
    })
    .unwrap();
}

/// A request that another handler makes in memory isn't answered past its own buffer into the socket of the one that it serves.
#[test]
fn a_request_in_memory_gets_its_file_in_memory() {
    let tree = Tree::new("memory", &[MEGABYTE]);
    let files = Files::new(&tree.0).unwrap();
    let handler = async |request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let mut scratch = midge::testing::Scratch::new();
        let inner = async |_: Request<'_>, response: Response<'_>| files.serve("/1000000", &request, response).await;
        let message = b"GET /1000000 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-20000\r\n\r\n";
        let answer = midge::testing::call(&inner, message, &mut scratch).map_err(|_| Failure::new(500))?;
        response.status(200).body(answer.body().len().to_string()).await
    };
    let (server, address) = server();
    beside(server, handler, || {
        let mut client = Client::connect(address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-20000\r\n\r\n");
        assert_eq!(client.answer().unwrap().body, "20001");
    })
    .unwrap();
}

/// What goes out under TLS is encrypted first, and so read.
#[cfg(any(feature = "tls", feature = "tls-aws-lc"))]
#[test]
fn under_tls_files_are_read() {
    use std::{net::TcpStream, sync::Arc};

    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring::default_provider};

    let tree = Tree::new("tls", &[MEGABYTE]);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let paths = ["cert", "key"].map(|name| tree.0.join(name));
    fs::write(&paths[0], made.cert.pem()).unwrap();
    fs::write(&paths[1], made.signing_key.serialize_pem()).unwrap();
    let tls = midge_tcp::Tls::from_pem_files(&paths[0], &paths[1]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    let (server, address) = server();
    beside(server.tls(tls), tree.handler(), || {
        let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut client = Client::new(StreamOwned::new(session, TcpStream::connect(address).unwrap()));
        for _ in 0..2 {
            let (_, body, past) = fetch(&mut client, "/1000000", "");
            assert!(body == content(MEGABYTE));
            assert_eq!(past, 0);
        }
    })
    .unwrap();
}

/// A file that is sent is closed with its answer, whole or cut.
#[test]
fn no_descriptor_is_left_open() {
    let tree = Tree::new("descriptors", &[5, MEGABYTE, HUNDRED]);
    let names = ["1000000", "100000000"].map(|name| tree.0.join(name));
    let open = || {
        let entries = fs::read_dir("/proc/self/fd").unwrap();
        entries
            .filter(|entry| fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|path| names.contains(&path)))
            .count()
    };
    tree.serve(|address| {
        let mut client = Client::connect(address);
        for _ in 0..5 {
            assert!(fetch(&mut client, "/1000000", "").1 == content(MEGABYTE));
        }
        assert_eq!(open(), 0);
        let mut gone = Client::connect(address);
        gone.ask("/100000000");
        head(&mut gone);
        assert_eq!(open(), 1);
        drop(gone);
        // The worker sees that at one of its next turns.
        while open() > 0 {
            assert_eq!(client.get("/5").status(), 200);
        }
    });
    assert_eq!(open(), 0);
}

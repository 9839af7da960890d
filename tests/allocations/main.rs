//! After its first requests of a kind, a server allocates nothing for 10,000 more of them.
//!
//! Each test runs a server of one worker on a thread of its own and asks it, by a request, how often that thread asked for memory.
//! `--nocapture` shows the whole process's count too, which has the client's and the other tests' share in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod data;
mod handler;
mod outside;
mod routed;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use midge::Handler;
use midge_counting_allocator::{Counting, of_the_process};
use midge_tcp::Server;

use handler::handler;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REQUESTS: usize = 10_000;

/// How many requests come first: more than anything at start that grows would take.
const WARM_UP: usize = 100;

/// A client that is not answered fails its test, and doesn't hang.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_plain_request() {
    nothing_is_allocated(1, |client| client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"Hello, World!"));
}

#[test]
fn a_head_request() {
    nothing_is_allocated(1, |client| {
        client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"content-length: 13\r\n\r\n");
    });
}

#[test]
fn requests_in_a_pipeline() {
    let burst = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(16);
    nothing_is_allocated(16, |client| {
        client.send(&burst);
        for _ in 0..16 {
            client.expect(b"Hello, World!");
        }
    });
}

#[test]
fn an_upload_in_chunks() {
    let mut upload = b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..16 {
        upload.extend_from_slice(b"100;part=yes\r\n");
        upload.extend_from_slice(&[b'x'; 256]);
        upload.extend_from_slice(b"\r\n");
    }
    upload.extend_from_slice(b"0\r\nChecked: yes\r\n\r\n");
    nothing_is_allocated(1, |client| client.ask(&upload, b"4096 bytes, trailers 1"));
}

#[test]
fn a_body_in_one_piece() {
    let mut upload = b"POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 8192\r\n\r\n".to_vec();
    upload.extend_from_slice(&[b'x'; 8_192]);
    nothing_is_allocated(1, |client| client.ask(&upload, b"8192 bytes in one piece"));
}

#[test]
fn a_streamed_answer() {
    nothing_is_allocated(1, |client| client.ask(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n0\r\n\r\n"));
}

#[test]
fn a_failure() {
    nothing_is_allocated(1, |client| client.ask(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", b"nothing here"));
}

#[test]
fn a_route_with_everything_around_it() {
    let fields =
        "Host: a\r\nOrigin: https://a\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
    let get = format!("GET /routed/users/a%20b HTTP/1.1\r\n{fields}");
    nothing_is_allocated(1, |client| client.ask(get.as_bytes(), b"\r\n\r\na b"));
    let delete = format!("DELETE /routed/users/1 HTTP/1.1\r\n{fields}");
    nothing_is_allocated(1, |client| client.ask(delete.as_bytes(), b"\"status\":405}\n"));
    let post = format!("POST /routed/users HTTP/1.1\r\nContent-Length: 3\r\n{fields}Ada");
    nothing_is_allocated(1, |client| client.ask(post.as_bytes(), b"\r\n\r\nAda"));
}

#[test]
fn a_new_connection_each() {
    nothing_is_allocated(1, |client| {
        client.reconnect();
        client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"Hello, World!");
    });
}

#[test]
fn a_malformed_request() {
    nothing_is_allocated(1, |client| {
        client.reconnect();
        client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"HTTP/1.1 400 ");
        client.expect_end();
        client.reconnect();
    });
}

#[test]
fn a_change_of_protocol() {
    nothing_is_allocated(1, |client| {
        client.ask(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", b"\r\n\r\n");
        client.ask(b"to and fro", b"to and fro");
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.expect_end();
        client.reconnect();
    });
}

#[test]
fn files() {
    let ask = |path: &str, fields: &str| format!("GET /files{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let parts = ask("/megabyte.txt", "Range: bytes=999990-\r\n");
    let unchanged = ask("/megabyte.txt", "If-None-Match: *\r\n");
    nothing_is_allocated(5, |client| {
        client.ask(&parts, b"xxxxxxxxxx");
        client.ask(&unchanged, b"304 Not Modified");
        client.expect(b"\r\n\r\n");
        client.ask(&ask("/none", ""), b"404 Not Found\n");
        client.ask(&ask("/%2e%2e/etc/passwd", ""), b"404 Not Found\n");
        client.ask(&ask("/directory", ""), b"location: ./directory/\r\n");
        client.expect(b"\r\n\r\n");
    });
    // Longer than every buffer.
    let whole = ask("/megabyte.txt", "");
    nothing_is_allocated(100, |client| {
        client.ask(&whole, b"\r\n\r\n");
        client.skip(1_000_000);
    });
    let directory = std::env::temp_dir().join(format!("midge-allocations-{}", std::process::id()));
    std::fs::remove_dir_all(directory).unwrap();
}

/// With a message there and back: to the one who said it, and to all who are there.
#[test]
fn websockets() {
    for path in ["echo", "chat"] {
        nothing_is_allocated(1, |client| {
            let head = format!(
                "GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            client.ask(head.as_bytes(), b"\r\n\r\n");
            client.ask(b"\x81\x85\0\0\0\0Hello", b"\x81\x05Hello");
            client.ask(b"\x88\x80\0\0\0\0", b"\x88\0");
            client.expect_end();
            client.reconnect();
        });
    }
}

#[cfg(feature = "arena")]
#[test]
fn scratch_memory_within_the_arena() {
    nothing_is_allocated(1, |client| client.ask(b"GET /arena HTTP/1.1\r\nHost: a\r\n\r\n", b"sum 499500"));
}

#[test]
fn a_query_cookies_and_what_is_accepted() {
    let request = b"GET /data/head?name=A+%4c HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\nAccept: text/plain\r\n\r\n";
    nothing_is_allocated(1, |client| client.ask(request, b"5\r\nA L 2\r\n0\r\n\r\n"));
}

#[test]
fn a_form() {
    let request = post("/data/form", "application/x-www-form-urlencoded", "a=b&name=Ada+%4covelace");
    nothing_is_allocated(1, |client| client.ask(&request, b"Ada Lovelace"));
}

#[test]
fn json_in_and_out() {
    let request = post("/data/json", "application/json", r#"{"name":"Ada \u0022Lovelace\"","age":36}"#);
    nothing_is_allocated(1, |client| client.ask(&request, br#"{"name":"Ada \"Lovelace\"","age":37}"#));
}

#[test]
fn json_that_is_longer_than_the_output() {
    nothing_is_allocated(20, |client| {
        client.ask(b"GET /data/large-json HTTP/1.1\r\nHost: a\r\n\r\n", b"\"age\":36}]");
    });
}

#[test]
fn json_that_is_refused() {
    let request = post("/data/bad-json", "application/json", r#"{"name":"Ada","age":3600}"#);
    nothing_is_allocated(1, |client| client.ask(&request, b", at byte 20\n"));
    let request = post("/data/bad-json", "application/json", "[");
    nothing_is_allocated(1, |client| client.ask(&request, b", at byte 1\n"));
}

#[test]
fn ranges_and_conditions() {
    let ask = |fields: &str| format!("GET /data/select HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let (part, unchanged) = (ask("Range: bytes=2-3,4-5\r\n"), ask("If-None-Match: \"v0\", W/\"v1\"\r\n"));
    nothing_is_allocated(2, |client| {
        client.ask(&part, b"\r\n\r\n2345");
        client.ask(&unchanged, b"HTTP/1.1 304 ");
        client.expect(b"\r\n\r\n");
    });
}

#[test]
fn events() {
    let request = b"GET /data/events HTTP/1.1\r\nHost: a\r\n\r\n";
    nothing_is_allocated(1, |client| client.ask(request, b"\r\n0\r\n\r\n"));
}

#[test]
fn a_form_of_several_parts() {
    let part = format!("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n{}\r\n", "y".repeat(3_000));
    let request = post("/data/parts", "multipart/form-data; boundary=x", &format!("{part}{part}--x--\r\n"));
    nothing_is_allocated(1, |client| client.ask(&request, b"6000 bytes in parts"));
}

#[test]
fn a_redirect() {
    let request = b"GET /data/redirect HTTP/1.1\r\nHost: a\r\n\r\n";
    nothing_is_allocated(1, |client| client.ask(request, b"location: /data/elsewhere\r\n"));
}

fn post(path: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

/// What is counted is there to be counted: a handler that allocates once is seen to, exactly as often as it is called.
#[test]
fn a_handler_that_allocates_is_seen() {
    let allocated = allocated_by(1, |client| {
        client.ask(b"GET /vec HTTP/1.1\r\nHost: a\r\n\r\n", b"100 bytes on the heap");
    });
    assert_eq!(allocated, REQUESTS as u64);
}

fn nothing_is_allocated(per_turn: usize, turn: impl FnMut(&mut Client)) {
    assert_eq!(allocated_by(per_turn, turn), 0, "allocations on the worker's thread, for {REQUESTS} requests");
}

/// How often the worker asks for memory in as many turns as make 10,000 requests.
fn allocated_by(per_turn: usize, turn: impl FnMut(&mut Client)) -> u64 {
    allocated_with(handler, WARM_UP, REQUESTS / per_turn, turn)
}

/// The same for another handler, which answers `/allocations` too, and another number of turns.
fn allocated_with(
    handler: impl Handler + Sync + Send,
    warm_up: usize,
    turns: usize,
    mut turn: impl FnMut(&mut Client),
) -> u64 {
    let server = Server::bind("127.0.0.1:0").unwrap().workers(1).slots(4).connections(64).handle_signals(false);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    thread::scope(|scope| {
        let running = scope.spawn(move || server.run(handler));
        // A turn that panics must not leave the server running, or the scope would never end.
        let shut_down = OnDrop(|| handle.shutdown());
        let (mut client, mut asking) = (Client::connect(address), Client::connect(address));
        for _ in 0..warm_up {
            turn(&mut client);
            asking.allocations();
        }
        let (before, process_before) = (asking.allocations(), of_the_process());
        for _ in 0..turns {
            turn(&mut client);
        }
        let (after, process_after) = (asking.allocations(), of_the_process());
        println!(
            "{turns} turns: {} allocations on the worker's thread, {} in the whole process",
            after - before,
            process_after - process_before
        );
        drop((client, asking, shut_down));
        running.join().unwrap().unwrap();
        after - before
    })
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A client that reads up to the text it waits for.
struct Client {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        Self { address, stream: stream(address), received: Vec::new() }
    }

    fn reconnect(&mut self) {
        self.stream = stream(self.address);
        self.received.clear();
    }

    fn ask(&mut self, request: &[u8], wanted: &[u8]) {
        self.send(request);
        self.expect(wanted);
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads up to and with `wanted`, and gives what came before it.
    fn expect(&mut self, wanted: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.received.windows(wanted.len()).position(|window| window == wanted) {
                let before = self.received[..at].to_vec();
                self.received.drain(..at + wanted.len());
                return before;
            }
            let mut buffer = [0; 16_384];
            let count = self.stream.read(&mut buffer).unwrap();
            let so_far = String::from_utf8_lossy(&self.received);
            assert!(count > 0, "the connection ended before {:?}: {so_far}", wanted.escape_ascii().to_string());
            self.received.extend_from_slice(&buffer[..count]);
        }
    }

    /// Reads so many bytes and forgets them.
    fn skip(&mut self, count: usize) {
        let known = count.min(self.received.len());
        self.received.drain(..known);
        let mut left = count - known;
        let mut buffer = vec![0; 65_536];
        while left > 0 {
            let room = left.min(buffer.len());
            let count = self.stream.read(&mut buffer[..room]).unwrap();
            assert!(count > 0, "the connection ended {left} bytes early");
            left -= count;
        }
    }

    fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
    }

    /// How often the worker has asked for memory so far.
    fn allocations(&mut self) -> u64 {
        self.ask(b"GET /allocations HTTP/1.1\r\nHost: a\r\n\r\n", b"allocations so far: ");
        let digits = self.expect(b"\n");
        String::from_utf8(digits).unwrap().parse().unwrap()
    }
}

fn stream(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

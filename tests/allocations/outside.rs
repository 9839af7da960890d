//! Handlers that wait for time, open sockets and ask other servers allocate nothing either.

use std::{
    future::pending,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use midge::{Failure, Handler, Request, Response, Sent};
use midge_examples::proxy::Proxy;
use midge_tcp::{Client as HttpClient, Server, TcpStream, sleep, timeout};

use crate::{Client, OnDrop, REQUESTS, WARM_UP, allocated_with, handler::handler};

/// Waits, connects, or asks the backend, by path.
struct Outside {
    proxy: Proxy,
    echo: SocketAddr,
}

impl Handler for Outside {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match request.path() {
            "/allocations" => handler(request, response).await,
            "/time" => {
                sleep(Duration::from_millis(1)).await?;
                let late = timeout(Duration::from_millis(1), pending::<()>()).await;
                response.status(200).body(if late.is_err() { "waited" } else { "?" }).await
            }
            "/socket" => {
                let stream = TcpStream::connect(self.echo).await?;
                stream.write_all(b"to and fro").await?;
                let mut reply = [0; 16];
                let count = stream.read(&mut reply).await?;
                response.status(200).body(reply.get(..count).unwrap_or_default()).await
            }
            _ => self.proxy.handle(request, response).await,
        }
    }
}

/// As `nothing_is_allocated`, with a backend.
fn nothing_is_allocated(turns: usize, warm_up: usize, turn: impl FnMut(&mut Client)) {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let echo_address = echo.local_addr().unwrap();
    let backend = Server::bind("127.0.0.1:0").unwrap().workers(1).slots(4).handle_signals(false);
    let (to, handle) = (backend.local_addr().unwrap(), backend.handle());
    let proxy = Proxy::new(HttpClient::at(to), Some(Duration::from_secs(100)));
    thread::scope(|scope| {
        let running = scope.spawn(move || backend.run(handler));
        scope.spawn(move || {
            while let Ok((mut peer, _)) = echo.accept() {
                let mut bytes = [0; 16];
                match peer.read(&mut bytes) {
                    Ok(count @ 1..) => peer.write_all(&bytes[..count]).unwrap(),
                    _ => break,
                }
            }
        });
        let shut_down = OnDrop(|| {
            handle.shutdown();
            // A connection that says nothing ends the echo.
            drop(std::net::TcpStream::connect(echo_address));
        });
        let outside = Outside { proxy, echo: echo_address };
        assert_eq!(allocated_with(outside, warm_up, turns, turn), 0, "allocations on the worker's thread");
        drop(shut_down);
        running.join().unwrap().unwrap();
    });
}

#[test]
fn a_sleep_and_a_time_out() {
    nothing_is_allocated(500, 5, |client| client.ask(b"GET /time HTTP/1.1\r\nHost: a\r\n\r\n", b"waited"));
}

#[test]
fn an_outbound_connection() {
    nothing_is_allocated(REQUESTS / 10, WARM_UP, |client| {
        client.ask(b"GET /socket HTTP/1.1\r\nHost: a\r\n\r\n", b"to and fro");
    });
}

#[test]
fn a_call_to_another_server() {
    nothing_is_allocated(REQUESTS, WARM_UP, |client| {
        client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n", b"Hello, World!");
    });
}

#[test]
fn a_call_that_streams_both_ways() {
    let upload = b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    nothing_is_allocated(REQUESTS / 10, WARM_UP, |client| {
        client.ask(upload, b"5 bytes, trailers 0");
        client.ask(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n0\r\n\r\n");
    });
}

/// A hundred million bytes up and a hundred million down: what is in memory at a time is the buffers that were set aside at start.
#[test]
fn a_hundred_megabytes_each_way() {
    const LARGE: usize = 100_000_000;
    let block = vec![b'x'; 1_000_000];
    let mut sent = 0;
    nothing_is_allocated(1, 1, |client| {
        // The first turn warms up, with less.
        let length = if sent == 0 { 1_000_000 } else { LARGE };
        client.send(format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        for _ in 0..length / block.len() {
            client.send(&block);
        }
        client.expect(format!("{length} bytes, trailers 0").as_bytes());
        client.send(format!("GET /bytes/{length} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        client.expect(b"\r\n\r\n");
        client.skip(length);
        sent += length;
    });
    assert_eq!(sent, LARGE + 1_000_000);
}

//! How connections end, over real sockets: to make room, with a reset, and handed over to another protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    time::Duration,
};

use common::{Client, Gate, beside, server};
use midge::{Failure, Limits, Request, Response, Sent};

#[test]
fn with_the_table_full_the_connection_that_was_idle_longest_makes_room() {
    let gate = Gate::default();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/wait" {
            gate.pass().await;
        }
        response.status(200).body(b"served").await
    };
    let (server, address) = server();
    beside(server.connections(3), handler, || {
        // Busy for longer than the others are idle.
        let mut busy = Client::connect(address);
        busy.ask("/wait");
        gate.wait_for(1);
        let mut first = Client::connect(address);
        assert_eq!(first.get("/").body, "served");
        let mut second = Client::connect(address);
        assert_eq!(second.get("/").body, "served");

        assert_eq!(Client::connect(address).get("/").body, "served");
        assert!(first.is_at_end());
        assert_eq!(second.get("/").body, "served");
        gate.open();
        assert_eq!(busy.answer().unwrap().body, "served");
    })
    .unwrap();
}

#[test]
fn idle_connections_are_closed_in_time_though_a_busy_one_is_older() {
    let gate = Gate::default();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/wait" {
            gate.pass().await;
        }
        response.status(200).body(b"served").await
    };
    let (server, address) = server();
    let limits = Limits { idle_time: Duration::from_millis(50), ..Limits::DEFAULT };
    beside(server.limits(limits), handler, || {
        let mut busy = Client::connect(address);
        busy.ask("/wait");
        gate.wait_for(1);
        for _ in 0..3 {
            let mut idle = Client::connect(address);
            idle.ask("/");
            assert_eq!(idle.answer().unwrap().body, "served");
            // Against hanging only.
            idle.reader.get_ref().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            assert_eq!(idle.reader.read(&mut [0]).unwrap(), 0);
        }
        // By now it would have been idle for too long itself.
        gate.open();
        assert_eq!(busy.answer().unwrap().body, "served");
    })
    .unwrap();
}

#[test]
fn a_head_that_does_not_come_is_given_up_at_its_deadline() {
    let handler = async |_: Request<'_>, response: Response<'_>| response.status(204).empty().await;
    let (server, address) = server();
    let limits = Limits { head_time: Duration::from_millis(50), ..Limits::DEFAULT };
    beside(server.limits(limits), handler, || {
        let mut slow = Client::connect(address);
        slow.send("GET / HT");
        // Against hanging only.
        slow.reader.get_ref().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(slow.answer().unwrap().status(), 408);
        assert_eq!(Client::connect(address).get("/").status(), 204);
    })
    .unwrap();
}

#[test]
fn an_answer_that_ends_with_the_connection_is_cut_with_a_reset() {
    let handler = async |request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let mut body = response.status(200).stream().await?;
        body.write(b"not all").await?;
        body.flush().await?;
        if request.path() == "/cut" { Err(Failure::new(500)) } else { body.finish().await }
    };
    let (server, address) = server();
    beside(server, handler, || {
        for (path, wanted) in [("/", Ok(())), ("/cut", Err(io::ErrorKind::ConnectionReset))] {
            let mut client = Client::connect(address);
            client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
            let mut answer = Vec::new();
            let ended = client.reader.read_to_end(&mut answer).map(|_| ()).map_err(|error| error.kind());
            assert_eq!(ended, wanted, "{path}");
            let text = String::from_utf8(answer).unwrap();
            // What came before a reset may be lost with it.
            if wanted.is_ok() {
                assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\nnot all"), "{text}");
            }
        }
        // The slot and the worker are as good as before.
        let mut client = Client::connect(address);
        client.send("GET / HTTP/1.0\r\n\r\n");
        assert!(client.answer().is_some());
    })
    .unwrap();
}

#[test]
fn an_upgraded_connection_belongs_to_its_handler_both_ways() {
    let handler = async |_: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let mut raw = response.status(101).upgrade("shout").await?;
        let mut buffer = [0; 16];
        loop {
            match raw.read(&mut buffer).await? {
                0 => break,
                count => raw.write(buffer[..count].to_ascii_uppercase()).await?,
            }
        }
        raw.write(b"bye").await?;
        raw.finish().await
    };
    let (server, address) = server();
    beside(server.slots(1), handler, || {
        for _ in 0..2 {
            let mut client = Client::connect(address);
            // The first words come with the request itself.
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nearly");
            let answer = client.answer().unwrap();
            assert_eq!(answer.status(), 101);
            assert!(answer.head.contains("\r\nupgrade: shout\r\n"), "{answer:?}");
            let mut hear = |words: &str, wanted: &[u8]| {
                client.reader.get_mut().write_all(words.as_bytes()).unwrap();
                let mut heard = vec![0; wanted.len()];
                client.reader.read_exact(&mut heard).unwrap();
                assert_eq!(heard, wanted);
            };
            hear("", b"EARLY");
            for words in ["once ", "GET / HTTP/1.1\r\n\r\n", "again"] {
                hear(words, words.to_ascii_uppercase().as_bytes());
            }
            client.reader.get_ref().shutdown(Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            client.reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"bye");
        }
    })
    .unwrap();
}

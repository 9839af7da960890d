//! `Expect: 100-continue` (RFC 9110, section 10.1.1), interim answers, and what comes of them.

use std::{
    convert::Infallible,
    future::pending,
    io,
    pin::pin,
    sync::mpsc,
    task::{Context, Waker},
    thread,
};

use embedded_io_async::{ErrorType, Read, Write};
use midge::{Failure, Field, ManualClock, Peer, Request, Response, Slot, Watch, serve};
use midge_tests::wire::{Asked, Connection, Ending, PATIENCE, read};

use crate::support::{
    Events, Honest, OnDrop, PATIENT, attack, beside, contains, every_slot_serves, rest, rogue, talk, until,
};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Go CVE-2024-24791 is about clients; this is the server's half.
#[test]
fn a_100_goes_out_when_the_handler_reads_and_once() {
    attack(
        |server| server.slots(2).limits(PATIENT),
        |app, address| {
            for (path, body) in [("/", "Content-Length: 10\r\n"), ("/count", "Transfer-Encoding: chunked\r\n")] {
                let stream = rogue(address, format!("POST {path} HTTP/1.1\r\nHost: a\r\n{body}").as_bytes());
                stream.set_nonblocking(true).unwrap();
                Honest::connect(address);
                // The head isn't complete: no handler runs, and nothing is said.
                assert_eq!(read(&mut &stream, &mut [0]).unwrap(), Err(Ending::Open));
                stream.set_nonblocking(false).unwrap();
                io::Write::write_all(&mut &stream, b"Expect: 100-Continue\r\n\r\n").unwrap();
                assert_eq!(until(&stream, b"\r\n\r\n"), CONTINUE);
                for byte in if path == "/" { b"0123456789".chunks(1) } else { b"1\r\nx\r\n0\r\n\r\n".chunks(1) } {
                    io::Write::write_all(&mut &stream, byte).unwrap();
                }
                let answer = until(&stream, if path == "/" { b"0123456789" } else { b"\r\n\r\n1" });
                assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && !contains(&answer, b"100"));
            }
            assert_eq!(app.events.count("called"), 2);
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn a_handler_that_does_not_read_refuses_and_what_follows_is_not_a_request() {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
            for framing in [format!("Content-Length: {}\r\n", smuggled.len()), "Transfer-Encoding: chunked\r\n".into()]
            {
                let head = format!("POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n");
                let stream = rogue(address, head.as_bytes());
                let mut received = until(&stream, b"ignored");
                // Nobody can tell whether this is the body or the next request.
                let _ = io::Write::write_all(&mut &stream, smuggled.as_bytes());
                let (more, ending) = rest(&stream);
                received.extend(more);
                assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n") && contains(&received, b"connection: close"));
                assert!(!contains(&received, b"100 Continue") && !contains(&received, b"hello"));
                assert_eq!(ending, Ending::Eof);
            }
            assert_eq!(app.seen(), ["POST /ignore"; 2]);
            every_slot_serves(address, 1);
        },
    );
}

#[test]
fn no_100_goes_to_those_who_do_not_wait_for_one() {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |_, address| {
            for request in [
                // The body is there already.
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                // There is none.
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
                // It is refused by its length alone.
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10000000000\r\n\r\n",
                // HTTP/1.0 knows no interim answers.
                "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
                // No other expectation is met.
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\nok",
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\nContent-Length: 2\r\n\r\nok",
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
            ] {
                let (received, ending) = rest(&rogue(address, request.as_bytes()));
                assert!(!contains(&received, b"100 Continue"), "{request}: {}", received.escape_ascii());
                assert!(received.starts_with(b"HTTP/1.1 ") && ending == Ending::Eof, "{request}");
            }
        },
    );
}

/// Once an answer has begun, a 100 may not follow it; the handler waits for the body, and the worker for events.
#[test]
fn a_handler_that_reads_after_its_answer_began_waits_without_spinning() {
    struct Silent(&'static [u8], mpsc::Sender<Vec<u8>>);
    impl ErrorType for Silent {
        type Error = Infallible;
    }
    impl Read for Silent {
        async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
            if self.0.is_empty() {
                return pending().await;
            }
            let (now, later) = self.0.split_at(buffer.len().min(self.0.len()));
            buffer[..now.len()].copy_from_slice(now);
            self.0 = later;
            Ok(now.len())
        }
    }
    impl Write for Silent {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }
        async fn flush(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    let (written, writes) = mpsc::channel();
    let (returned, returns) = mpsc::channel();
    // On a thread that is left behind if it never returns.
    thread::spawn(move || {
        let echo = async |request: Request<'_>, response: Response<'_>| {
            let mut body = response.status(200).stream().await?;
            let mut content = request.into_body();
            while let Some(chunk) = content.chunk().await? {
                body.write(&chunk).await?;
            }
            body.finish().await
        };
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        let (clock, watch, mut io) = (ManualClock::new(), Watch::new(), Silent(head, written));
        let (mut input, mut output, mut fields) = ([0; 8_000], [0; 8_000], [Field::EMPTY; 64]);
        let mut slot = Slot::new(&mut input, &mut output, &mut fields);
        let mut serving = pin!(serve(&mut io, &echo, &mut slot, &PATIENT, &clock, Peer::Unknown, &watch));
        let polled = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        returned.send(polled.is_pending()).unwrap();
    });
    assert_eq!(returns.recv_timeout(PATIENCE), Ok(true), "one poll of a connection that waits never returned");
    let written: Vec<u8> = writes.try_iter().flatten().collect();
    assert!(written.starts_with(b"HTTP/1.1 200 OK\r\n") && !contains(&written, b"100"), "{}", written.escape_ascii());
}

#[test]
fn a_client_that_sends_after_the_answer_began_is_echoed() {
    let echo = async |request: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        body.flush().await?;
        let mut content = request.into_body();
        while let Some(chunk) = content.chunk().await? {
            body.write(&chunk).await?;
            body.flush().await?;
        }
        body.finish().await
    };
    beside(
        |server| server.slots(2).limits(PATIENT),
        echo,
        |address| {
            let mut client = Connection::connect(address).unwrap();
            client.ask(Asked::new("POST"), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n").unwrap();
            for byte in 0..100 {
                client.send(&[byte; 4]).unwrap();
            }
            assert_eq!(client.receive().unwrap().content, (0..100).flat_map(|byte| [byte; 4]).collect::<Vec<_>>());
        },
    );
}

#[test]
fn early_hints_come_first_and_alone_and_not_to_http_1_0() {
    let handler = async |mut request: Request<'_>, mut response: Response<'_>| {
        for hint in ["</a.css>", "</b.css>"] {
            response.interim(103).header("link", hint).send().await?;
        }
        let body = request.body().all().await?;
        response.interim(102).send().await?;
        if body == b"fail" {
            return Err(Failure::new(422));
        }
        response.status(200).body(body).await
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let mut client = Connection::connect(address).unwrap();
            for (body, expect, status) in
                [("good", "", 200), ("fail", "", 422), ("good", "Expect: 100-continue\r\n", 200)]
            {
                let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n{expect}\r\n");
                client.ask(Asked::new("POST"), head.as_bytes()).unwrap();
                // The hints are there while the handler waits for the body.
                let mut interim = [0; 60];
                assert!(client.stream().peek(&mut interim).unwrap() > 0 && interim.starts_with(b"HTTP/1.1 103 "));
                if !expect.is_empty() {
                    let mut seen = [0; 1_000];
                    while !contains(&seen, CONTINUE) {
                        client.stream().peek(&mut seen).unwrap();
                    }
                }
                client.send(body.as_bytes()).unwrap();
                let answer = client.receive().unwrap();
                let statuses: Vec<_> = answer.interim.iter().map(|head| head.status).collect();
                let wanted: &[u16] = if expect.is_empty() { &[103, 103, 102] } else { &[103, 103, 100, 102] };
                assert_eq!((answer.head.status, &statuses[..]), (status, wanted));
                assert_eq!(answer.interim[1].value("link"), Some(&b"</b.css>"[..]));
            }
            drop(client);
            let old = talk(address, b"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\ngood");
            assert_eq!(old, [(200, "good".to_owned())]);
        },
    );
}

#[test]
fn a_handler_that_never_answers_is_dropped_with_its_server() {
    let events = Events::default();
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let _dropped = OnDrop(|| events.note("dropped"));
        events.note("called");
        pending::<()>().await;
        response.status(200).empty().await
    };
    let mut client = None;
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            client = Some(rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
            events.wait_for("called", 1);
        },
    );
    assert_eq!(events.count("dropped"), 1);
    let (received, ending) = rest(&client.unwrap());
    assert_eq!(received, b"");
    assert_ne!(ending, Ending::Open);
}

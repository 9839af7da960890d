//! What becomes of an exchange whose time is over, by how far it has come. `slow` has those of heads, bodies and idling.

use std::io::Read as _;

use midge::{Limits, Request, Response};
use midge_tests::wire::{Asked, Ending};

use crate::support::{
    Events, Gate, HUGE, Honest, OnDrop, PATIENT, SHORT, answers, attack, beside, contains, drip, every_slot_serves,
    is_truncated, rest, rogue, until,
};

#[test]
fn a_request_that_takes_too_long_is_answered_503_and_its_handler_dropped() {
    let limits = Limits { request_time: Some(SHORT), ..PATIENT };
    attack(
        |server| server.slots(2).limits(limits),
        |app, address| {
            let mut honest = Honest::connect(address);
            let waiting = [
                // The handler waits for something of its own, or for a body that does not come.
                rogue(address, b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
                rogue(address, b"POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"),
            ];
            for (received, ending) in drip(&mut honest, &waiting, b"") {
                assert_eq!((answers(&received, &[Asked::new("GET")])[0].head.status, ending), (503, Ending::Eof));
            }
            app.events.wait_for("ended", 2);
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn an_answer_that_takes_too_long_is_cut() {
    let limits = Limits { request_time: Some(SHORT), ..PATIENT };
    let (gate, events) = (Gate::default(), Events::default());
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        if request.method().as_str() == "POST" {
            return response.status(200).body(request.body().all().await?).await;
        }
        let mut body = response.status(200).stream().await?;
        body.write("begun").await?;
        body.flush().await?;
        let _dropped = OnDrop(|| events.note("dropped"));
        gate.pass().await;
        body.finish().await
    };
    beside(
        |server| server.slots(2).limits(limits),
        handler,
        |address| {
            for (version, wanted) in [("1.1", Ending::Eof), ("1.0", Ending::Reset)] {
                let stream = rogue(address, format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n").as_bytes());
                let (received, ending) = rest(&stream);
                assert_eq!(ending, wanted);
                assert!(contains(&received, b"begun"));
                let asked = Asked { method: "GET".to_owned(), http10: version == "1.0" };
                assert!(is_truncated(asked, &received, ending));
            }
            assert_eq!(events.count("dropped"), 2);
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn an_answer_that_began_is_cut_when_the_body_is_too_slow() {
    let limits = Limits { body_grace: SHORT, body_rate: u32::MAX, ..PATIENT };
    let echo = async |request: Request<'_>, response: Response<'_>| {
        if request.method().as_str() == "GET" {
            return response.status(200).body("hello").await;
        }
        let mut body = response.status(200).stream().await?;
        let mut content = request.into_body();
        while let Some(chunk) = content.chunk().await? {
            body.write(&chunk).await?;
            body.flush().await?;
        }
        body.finish().await
    };
    beside(
        |server| server.slots(2).limits(limits),
        echo,
        |address| {
            let mut honest = Honest::connect(address);
            let slow = rogue(address, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun");
            let mut received = until(&slow, b"begun");
            let [(more, ending)] = &drip(&mut honest, &[slow], b"a")[..] else { panic!("one for one") };
            received.extend_from_slice(more);
            assert_eq!(*ending, Ending::Eof);
            assert!(is_truncated(Asked::new("POST"), &received, *ending));
        },
    );
}

/// Time that the handler takes is not the client's: it may think for longer than a client may dawdle.
#[test]
fn a_slow_handler_is_no_slow_client() {
    let limits = Limits {
        head_time: SHORT,
        body_grace: SHORT,
        write_grace: SHORT,
        body_rate: u32::MAX,
        write_rate: u32::MAX,
        idle_time: SHORT,
        ..PATIENT
    };
    attack(
        |server| server.slots(2).limits(limits),
        |app, address| {
            let patient = rogue(address, b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            app.events.wait_for("called", 1);
            // Three deadlines pass, one after the other.
            for _ in 0..3 {
                assert_eq!(rest(&rogue(address, b"")), (Vec::new(), Ending::Eof));
            }
            app.gate.open();
            let (received, ending) = rest(&patient);
            assert_eq!(
                (&answers(&received, &[Asked::new("GET")])[0].content[..], ending),
                (&b"through"[..], Ending::Eof)
            );
        },
    );
}

/// A client that takes a large answer at the least rate is not cut, and a fast one never is.
#[test]
fn a_fast_reader_of_a_huge_answer_gets_all_of_it() {
    let limits = Limits { write_grace: SHORT, body_grace: SHORT, ..PATIENT };
    attack(
        |server| server.slots(2).limits(limits),
        |_, address| {
            let mut stream = rogue(address, b"GET /huge HTTP/1.0\r\n\r\n");
            until(&stream, b"\r\n\r\n");
            let (mut left, mut buffer) = (HUGE, vec![0; 1 << 20]);
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                left = left.saturating_sub(count);
            }
            // `until` took a part of it.
            assert!(left < 4_096, "{left} bytes are missing");
        },
    );
}

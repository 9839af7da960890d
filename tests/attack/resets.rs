//! Clients that go away with a reset, in every state that a connection has.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use midge_tests::wire::{Ending, read};

use crate::support::{App, Honest, PATIENT, attack, contains, every_slot_serves, reset, rogue, until};

/// Few slots, and fewer places for connections than there are resets: one that isn't given back is missed.
const SLOTS: usize = 3;
const CONNECTIONS: usize = 16;
const RESETS: usize = 60;

/// Resets many connections that `enter` brought to some state, with an honest request between.
fn in_state(mut enter: impl FnMut(&App, SocketAddr, usize) -> TcpStream) {
    attack(
        |server| server.slots(SLOTS).connections(CONNECTIONS).limits(PATIENT),
        |app, address| {
            let mut honest = Honest::connect(address);
            for round in 1..=RESETS {
                let stream = enter(app, address, round);
                // Whatever the client sent before has been seen once this is answered.
                honest.is_answered();
                reset(stream);
                honest.is_answered();
            }
            app.events.wait_for("ended", app.events.count("called"));
            every_slot_serves(address, SLOTS);
        },
    );
}

#[test]
fn before_the_first_byte() {
    in_state(|_, address, _| rogue(address, b""));
}

#[test]
fn in_the_head() {
    in_state(|app, address, _| {
        assert_eq!(app.seen(), [""; 0]);
        rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\nX:")
    });
}

#[test]
fn in_a_body_of_declared_length() {
    in_state(|app, address, round| {
        let stream = rogue(address, b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhello");
        app.events.wait_for("read", round);
        stream
    });
}

#[test]
fn in_a_chunked_body() {
    in_state(|app, address, round| {
        let stream =
            rogue(address, b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4");
        app.events.wait_for("read", round);
        stream
    });
}

#[test]
fn while_the_handler_works() {
    in_state(|app, address, round| {
        let stream = rogue(address, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
        app.events.wait_for("called", round);
        stream
    });
}

#[test]
fn while_the_answer_is_written() {
    in_state(|_, address, _| {
        let mut stream = rogue(address, b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.read_exact(&mut [0; 20_000]).unwrap();
        stream
    });
}

#[test]
fn between_two_requests() {
    in_state(|_, address, _| {
        let stream = rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        until(&stream, b"hello");
        stream
    });
}

#[test]
fn while_an_unread_body_is_thrown_away() {
    in_state(|_, address, _| {
        let stream = rogue(address, b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhello");
        until(&stream, b"ignored");
        stream
    });
}

#[test]
fn while_the_close_lingers() {
    in_state(|_, address, _| {
        let mut stream = rogue(address, b"BAD\r\n\r\n");
        until(&stream, b"\r\n\r\n400 Bad Request");
        let mut buffer = [0; 1_000];
        while let Ok(count) = read(&mut stream, &mut buffer).unwrap() {
            assert!(!contains(&buffer[..count], b"HTTP/1.1"));
        }
        stream
    });
}

#[test]
fn in_a_pipelined_burst() {
    in_state(|_, address, _| {
        let stream = rogue(address, &b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
        until(&stream, b"HTTP/1.1 200 OK\r\n");
        stream
    });
}

#[test]
fn after_an_upgrade_was_refused_and_more_was_sent() {
    in_state(|_, address, _| {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
        let mut stream = rogue(address, head.as_bytes());
        until(&stream, b"hello");
        stream.write_all(b"\x00\x01\x02").unwrap();
        assert!(contains(&until(&stream, b"\r\n\r\n"), b" 400 "));
        stream
    });
}

/// Those whose clients went away while they waited for a slot are forgotten, and those behind them served.
#[test]
fn while_waiting_for_a_slot() {
    attack(
        |server| server.slots(1).connections(CONNECTIONS).limits(PATIENT),
        |app, address| {
            let busy = rogue(address, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
            app.events.wait_for("called", 1);
            let gone: Vec<_> = (0..10).map(|_| rogue(address, b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
            let patient = rogue(address, b"GET /patient HTTP/1.1\r\nHost: a\r\n\r\n");
            gone.into_iter().for_each(reset);
            app.gate.open();
            assert!(contains(&until(&busy, b"through"), b"200"));
            assert!(contains(&until(&patient, b"hello"), b"200"));
            assert!(app.seen().contains(&"GET /patient".to_owned()));
            let mut buffer = [0; 1];
            patient.set_nonblocking(true).unwrap();
            assert_eq!(read(&mut &patient, &mut buffer).unwrap(), Err(Ending::Open), "it is kept");
            every_slot_serves(address, 1);
        },
    );
}

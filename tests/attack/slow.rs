//! Clients that are slow on purpose: Slowloris and its kin.

use std::{
    future::poll_fn,
    io::{Read as _, Write as _},
    net::Shutdown,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use midge::{Handler as _, Limits, Request, Response};
use midge_tests::wire::{Asked, Ending, PATIENCE};
use socket2::SockRef;

use crate::support::{
    App, Honest, NEVER, PATIENT, SHORT, answers, attack, beside, contains, drip, every_slot_serves, is_truncated, rest,
    rogue, until,
};

#[test]
fn slow_heads_are_refused_while_others_are_served() {
    let limits = Limits { head_time: SHORT, ..PATIENT };
    attack(
        |server| server.slots(8).limits(limits),
        |app, address| {
            let mut honest = Honest::connect(address);
            let slow: Vec<_> = (0..7).map(|_| rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\nX: ")).collect();
            for (received, ending) in drip(&mut honest, &slow, b"a") {
                assert_eq!((answers(&received, &[Asked::new("GET")])[0].head.status, ending), (408, Ending::Eof));
            }
            every_slot_serves(address, 8);
            assert!(app.seen().iter().all(|seen| seen == "POST /"), "a part of a head reached the handler");
        },
    );
}

#[test]
fn slow_heads_cannot_keep_all_slots_however_long_a_head_may_take() {
    attack(
        |server| server.slots(2).limits(PATIENT),
        |_, address| {
            let mut honest = Honest::connect(address);
            let slow: Vec<_> = (0..9).map(|_| rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\nX: ")).collect();
            let mut given_way = 0;
            for (received, ending) in drip(&mut honest, &slow, b"a") {
                let status = answers(&received, &[Asked::new("GET")])[0].head.status;
                // The last one keeps nobody waiting, until it is too large.
                assert!(matches!(status, 408 | 431) && ending == Ending::Eof, "{status} {ending:?}");
                given_way += usize::from(status == 408);
            }
            assert!(given_way >= slow.len() - 1, "{given_way} gave way");
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn slow_bodies_are_refused_while_others_are_served() {
    let limits = Limits { body_grace: SHORT, body_rate: u32::MAX, ..PATIENT };
    // With the second number the slow ones hold all slots, and an honest client waits until they are refused.
    for slots in [4, 3] {
        attack(
            |server| server.slots(slots).limits(limits),
            |app, address| {
                let mut honest = Honest::connect(address);
                let slow = [
                    rogue(address, b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"),
                    rogue(address, b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"),
                    rogue(address, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n"),
                ];
                app.events.wait_for("called", slow.len());
                for (received, ending) in drip(&mut honest, &slow, b"a") {
                    assert_eq!((answers(&received, &[Asked::new("POST")])[0].head.status, ending), (408, Ending::Eof));
                }
                every_slot_serves(address, slots);
            },
        );
    }
}

#[test]
fn a_slow_body_that_nobody_wants_is_cut_too() {
    let limits = Limits { body_grace: SHORT, ..PATIENT };
    attack(
        |server| server.slots(1).limits(limits),
        |_, address| {
            let slow = rogue(address, b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
            assert!(contains(&until(&slow, b"ignored"), b"HTTP/1.1 200 OK\r\n"));
            let mut honest = Honest::connect(address);
            assert_eq!(drip(&mut honest, &[slow], b"a"), [(Vec::new(), Ending::Eof)]);
            every_slot_serves(address, 1);
        },
    );
}

#[test]
fn a_client_that_never_reads_is_reset_while_others_are_served() {
    let limits = Limits { write_grace: SHORT, write_rate: u32::MAX, ..PATIENT };
    attack(
        |server| server.slots(3).limits(limits),
        |app, address| {
            let mut honest = Honest::connect(address);
            let deaf = [(); 2].map(|()| rogue(address, b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n"));
            app.events.wait_for("called", 2);
            let began = Instant::now();
            while app.events.count("ended") < 2 {
                honest.is_answered();
                assert!(began.elapsed() < PATIENCE, "the handler still writes to a client that doesn't read");
            }
            for client in deaf {
                let (received, ending) = rest(&client);
                assert_eq!(ending, Ending::Reset);
                assert!(is_truncated(Asked::new("GET"), &received, ending));
            }
            every_slot_serves(address, 3);
        },
    );
}

#[test]
fn a_client_that_reads_byte_by_byte_is_reset_while_others_are_served() {
    let limits = Limits { write_grace: SHORT, write_rate: u32::MAX, ..PATIENT };
    attack(
        |server| server.slots(2).limits(limits),
        |app, address| {
            let mut honest = Honest::connect(address);
            let mut slow = rogue(address, b"");
            SockRef::from(&slow).set_recv_buffer_size(4_096).unwrap();
            slow.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            app.events.wait_for("called", 1);
            let (began, mut received) = (Instant::now(), Vec::new());
            while app.events.count("ended") < 1 {
                honest.is_answered();
                let mut byte = [0];
                received.extend_from_slice(if slow.read(&mut byte).unwrap_or(0) == 1 { &byte } else { b"" });
                assert!(began.elapsed() < PATIENCE, "the handler still writes to a client that hardly reads");
            }
            let (more, ending) = rest(&slow);
            received.extend(more);
            assert_eq!(ending, Ending::Reset);
            assert!(is_truncated(Asked::new("GET"), &received, ending));
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn connections_that_idle_too_long_are_closed_without_a_word() {
    let limits = Limits { idle_time: SHORT, ..PATIENT };
    attack(
        |server| server.slots(1).limits(limits),
        |_, address| {
            let mut honest = Honest::connect(address);
            let answered = rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            until(&answered, b"hello");
            // Empty lines are no part of a request.
            let idle = [rogue(address, b""), rogue(address, b"\r\n\r\n"), answered];
            for result in drip(&mut honest, &idle, b"") {
                assert_eq!(result, (Vec::new(), Ending::Eof));
            }
            every_slot_serves(address, 1);
        },
    );
}

#[test]
fn a_client_that_never_closes_is_not_waited_for() {
    // The one by time, the other by what it still sends.
    for limits in [
        Limits { linger_time: SHORT, linger_bytes: u32::MAX, ..PATIENT },
        Limits { linger_time: NEVER, linger_bytes: 1_000, ..PATIENT },
    ] {
        attack(
            |server| server.slots(1).limits(limits),
            |_, address| {
                let mut honest = Honest::connect(address);
                let rude = rogue(address, b"BAD\r\n\r\n");
                let (received, ending) = rest(&rude);
                assert_eq!((answers(&received, &[Asked::new("GET")])[0].head.status, ending), (400, Ending::Eof));
                let began = Instant::now();
                while (&rude).write(b"more").is_ok() {
                    honest.is_answered();
                    assert!(began.elapsed() < PATIENCE, "it lingers for ever");
                }
                every_slot_serves(address, 1);
            },
        );
    }
}

/// hyper #4085 spun on a half-closed connection; here its handler is polled no more often than something happens.
#[test]
fn a_half_closed_client_is_waited_for_without_spinning_and_gets_its_answer() {
    let polls = AtomicUsize::new(0);
    let app = App::default();
    let inner = &app;
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let mut handling = pin!(inner.handle(request, response));
        poll_fn(|context| {
            polls.fetch_add(1, Ordering::Relaxed);
            handling.as_mut().poll(context)
        })
        .await
    };
    beside(
        |server| server.slots(4).limits(PATIENT),
        handler,
        |address| {
            let half = rogue(address, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
            half.shutdown(Shutdown::Write).unwrap();
            app.events.wait_for("called", 1);
            let mut honest = Honest::connect(address);
            for _ in 0..999 {
                honest.is_answered();
            }
            app.gate.open();
            let (received, ending) = rest(&half);
            let answers = answers(&received, &[Asked::new("GET")]);
            assert_eq!((&answers[0].content[..], answers.len(), ending), (&b"through"[..], 1, Ending::Eof));
            // One for each honest request, and for the half-closed: the first, the gate, and the end that was told.
            let polls = polls.load(Ordering::Relaxed);
            assert!(polls <= 1_000 + 5, "{polls} polls for 1,001 requests");
            every_slot_serves(address, 4);
        },
    );
}

#[test]
fn a_message_that_a_half_close_cuts_is_refused() {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            for part in [
                "GET / HTTP/1.1\r\nHost: a\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
                "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n",
            ] {
                let half = rogue(address, part.as_bytes());
                half.shutdown(Shutdown::Write).unwrap();
                let (received, ending) = rest(&half);
                let answers = answers(&received, &[Asked::new("GET")]);
                assert_eq!((answers[0].head.status, answers.len(), ending), (400, 1, Ending::Eof), "{part}");
                Honest::connect(address);
            }
            assert_eq!(app.events.count("called"), app.events.count("ended"));
            every_slot_serves(address, 1);
        },
    );
}

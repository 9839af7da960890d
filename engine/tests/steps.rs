//! A connection driven by hand, step by step.
//!
//! Invariant: each step says what `Step` documents, at once: nothing waits for the client while an answer is there for it, and no
//! head is looked at more often than its lines and its end ask for.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::{Bench, DATE_LINE, HOST, Stop};
use midge::{
    Cause, Clock, Connection, Field, Handler, Instant, Limits, ManualClock, Request, RequestContext, Response,
    ResponseError, Slot, State, Step,
};

const SMALL: Limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };

/// Gives `test` a connection whose buffers have these sizes, at second 1.
fn with(input: usize, output: usize, limits: &Limits, test: impl FnOnce(&mut Connection<'_, '_>, &ManualClock)) {
    let (mut input, mut output, mut fields) = (vec![0xaa; input], vec![0x55; output], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let clock = ManualClock::new();
    clock.set_unix_seconds(784_111_777);
    clock.set(Instant::from_millis(1_000));
    test(&mut Connection::new(&mut slot, limits, clock.now()), &clock);
}

fn send(connection: &mut Connection<'_, '_>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    connection.space()[..bytes.len()].copy_from_slice(bytes);
    connection.filled(bytes.len());
}

/// Runs a handler that never waits.
fn serve(connection: &mut Connection<'_, '_>, clock: &ManualClock, handler: &impl Handler) {
    let context = RequestContext::default();
    context.date.set(clock.date());
    let verdict = {
        let exchange = connection.exchange(&context);
        let future = pin!(handler.handle(exchange.request(), exchange.response()));
        let Poll::Ready(result) = future.poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
        exchange.ended(result)
    };
    connection.finish(verdict, clock.now());
}

/// Takes all that is pending.
fn take(connection: &mut Connection<'_, '_>) -> String {
    let text = String::from_utf8(connection.pending().to_vec()).unwrap();
    connection.wrote(text.len());
    text
}

async fn ok(_: Request<'_>, response: Response<'_>) -> Result<midge::Sent, midge::Failure> {
    response.status(200).body("ok").await
}

fn answer() -> String {
    format!("HTTP/1.1 200 OK\r\n{DATE_LINE}content-length: 2\r\n\r\nok")
}

fn head() -> String {
    format!("GET / HTTP/1.1\r\n{HOST}")
}

#[test]
fn what_is_pending_goes_out_before_the_rest_of_a_head_or_body_is_waited_for() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        assert_eq!(connection.step(clock), Step::Idle);
        send(connection, head() + "GE");
        assert_eq!(connection.step(clock), Step::Exchange);
        serve(connection, clock, &ok);
        assert_eq!((connection.state(), connection.step(clock)), (State::Idle, Step::Write));
        assert_eq!((connection.state(), take(connection)), (State::Head, answer()));
        assert_eq!(connection.step(clock), Step::Read);
    });
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, format!("POST / HTTP/1.1\r\nContent-Length: 5\r\n{HOST}he"));
        assert_eq!(connection.step(clock), Step::Exchange);
        serve(connection, clock, &ok);
        assert_eq!((connection.state(), connection.step(clock)), (State::Drain, Step::Write));
        assert_eq!(take(connection), answer());
        assert_eq!(connection.step(clock), Step::Read);
        send(connection, "llo");
        assert_eq!((connection.step(clock), connection.state()), (Step::Idle, State::Idle));
    });
}

#[test]
fn empty_lines_are_no_request_that_is_waited_for() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, "\r\n\r\n");
        assert_eq!((connection.step(clock), connection.state()), (Step::Idle, State::Idle));
        assert_eq!(connection.deadline(), Some(clock.now().after(SMALL.idle_time)));
        send(connection, "\r\nG");
        assert_eq!((connection.step(clock), connection.state()), (Step::Read, State::Head));
        assert_eq!(connection.deadline(), Some(clock.now().after(SMALL.head_time)));
    });
}

#[test]
fn a_client_that_closed_its_side_is_not_waited_for() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, "GET / HT");
        assert_eq!(connection.step(clock), Step::Read);
        send(connection, "");
        assert_eq!((connection.step(clock), connection.state()), (Step::Write, State::Linger));
        assert!(take(connection).starts_with("HTTP/1.1 400 "));
        assert_eq!((connection.step(clock), connection.state()), (Step::Close, State::Closed));
    });
    // One that may still send is.
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, "nonsense\r\n");
        assert_eq!(connection.step(clock), Step::Write);
        take(connection);
        assert_eq!((connection.step(clock), connection.state()), (Step::Linger, State::Linger));
        assert_eq!(connection.deadline(), Some(clock.now().after(SMALL.linger_time)));
        send(connection, "");
        assert_eq!(connection.step(clock), Step::Close);
    });
}

#[test]
fn a_connection_that_is_closed_for_being_idle_is_closed_at_once_and_a_close_lingers() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        assert_eq!(connection.step(clock), Step::Idle);
        connection.expire(clock);
        assert_eq!((connection.step(clock), connection.deadline()), (Step::Close, None));
    });
    with(1_024, 1_024, &SMALL, |connection, clock| {
        assert_eq!(connection.step(clock), Step::Idle);
        connection.close(clock.now());
        assert_eq!((connection.step(clock), connection.state()), (Step::Linger, State::Linger));
        connection.expire(clock);
        assert_eq!(connection.step(clock), Step::Close);
    });
}

/// RFC 9112 leaves open when a wrong head is refused. Here: with its first bytes, with its first line, and with its end, so that one that
/// comes byte by byte costs no more than it has bytes.
#[test]
fn a_head_that_dribbles_in_is_looked_at_with_its_first_bytes_its_first_line_and_its_end() {
    let refused = |pieces: &[&str]| {
        let mut count = 0;
        with(1_024, 1_024, &SMALL, |connection, clock| {
            for piece in pieces {
                send(connection, piece);
                count += 1;
                match connection.step(clock) {
                    Step::Read => {}
                    Step::Write => return assert!(connection.pending().starts_with(b"HTTP/1.1 400 ")),
                    other => panic!("{other:?}"),
                }
            }
            count = 0;
        });
        count
    };
    assert_eq!(refused(&["G@(T"]), 1);
    // What is there wasn't wrong, and what comes is looked at with the line's end.
    assert_eq!(refused(&["G", "(T", " / HTTP/1.1", "\r\n"]), 4);
    assert_eq!(refused(&["GET / HTTP/1.1\r\na b: c\r\n", "d: e\r\n"]), 1);
    assert_eq!(refused(&["GET /", " HTTP/1.1\r\na b: c\r\n", "d: e\r\n"]), 2);
    assert_eq!(refused(&["GET /", " HTTP/1.1\r\n", "a b: c\r\n", "d: e\r\n"]), 0);
    assert_eq!(refused(&["GET /", " HTTP/1.1\r\n", "a b: c\r\n", "d: e\r\n", "\r\n"]), 5);
    // A line that is as long as one may be is looked at without its end.
    let limits = Limits { request_line_bytes: 100, ..SMALL };
    with(1_024, 1_024, &limits, |connection, clock| {
        for (length, step) in [(1, Step::Read), (98, Step::Read), (1, Step::Write)] {
            send(connection, "G".repeat(length));
            assert_eq!(connection.step(clock), step, "{length}");
        }
        assert!(connection.pending().starts_with(b"HTTP/1.1 "), "{}", take(connection));
    });
}

#[test]
fn another_answer_is_begun_where_its_head_and_a_refusal_have_room() {
    // What an answer's head may have, and 256 bytes for the body of one that refuses.
    let room = 256 + 256;
    for (spare, step) in [(room, Step::Exchange), (room - 1, Step::Write)] {
        with(1_024, answer().len() + spare, &SMALL, |connection, clock| {
            send(connection, head() + &head());
            assert_eq!(connection.step(clock), Step::Exchange);
            serve(connection, clock, &ok);
            assert_eq!(connection.step(clock), step);
        });
    }
}

#[test]
fn a_time_that_is_forever_is_no_deadline() {
    let limits = Limits { idle_time: Duration::MAX, ..SMALL };
    with(1_024, 1_024, &limits, |connection, clock| {
        assert_eq!((connection.step(clock), connection.deadline()), (Step::Idle, None));
    });
}

#[test]
fn trailers_that_nobody_asked_for_are_waited_for_while_they_can_still_be_whole() {
    let post = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{HOST}0\r\n");
    let with_trailer = |trailer: &str, test: &dyn Fn(&mut Connection<'_, '_>, &ManualClock)| {
        with(512, 1_024, &SMALL, |connection, clock| {
            send(connection, format!("{post}{trailer}"));
            assert_eq!(connection.step(clock), Step::Exchange);
            serve(connection, clock, &ok);
            assert_eq!((connection.step(clock), connection.state()), (Step::Write, State::Drain));
            assert_eq!(take(connection), answer());
            assert_eq!((connection.step(clock), connection.state()), (Step::Read, State::Drain));
            test(connection, clock);
        });
    };
    with_trailer("a: b\r\n", &|connection, clock| {
        send(connection, "\r\nG");
        assert_eq!((connection.step(clock), connection.state()), (Step::Read, State::Head));
    });
    with_trailer("a: b\r\n", &|connection, clock| {
        send(connection, "");
        assert_eq!((connection.step(clock), connection.state()), (Step::Close, State::Closed));
    });
    // They fill the buffer.
    with_trailer("a: ", &|connection, clock| {
        while !matches!(connection.step(clock), Step::Linger) {
            assert_eq!(connection.step(clock), Step::Read);
            let room = connection.space().len();
            assert!(room > 0, "a read without room");
            send(connection, "x".repeat(room));
        }
        assert_eq!(connection.state(), State::Linger);
    });
}

#[test]
fn a_connection_says_how_much_is_there() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, head() + "GET");
        assert_eq!(connection.step(clock), Step::Exchange);
        serve(connection, clock, &ok);
        assert_eq!(connection.step(clock), Step::Write);
        connection.wrote(5);
        let pending = answer().len() - 5;
        assert_eq!(connection.pending(), &answer().as_bytes()[5..]);
        let wanted = format!("Connection {{ state: Head, buffered: 3, pending: {pending}, .. }}");
        assert_eq!(format!("{connection:?}"), wanted);
    });
}

/// A connection that ends may leave anything in its slot.
#[test]
fn a_slot_forgets_the_connection_before() {
    let (mut input, mut output, mut fields) = ([0xaa; 1_024], [0x55; 1_024], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let clock = ManualClock::new();
    clock.set_unix_seconds(784_111_777);
    let expects = format!("POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{HOST}");
    for left in ["", "GET / HTTP/1.1\r\nHo", "nonsense\r\n\r\n", &expects, &(head() + "GET")] {
        for ends in [false, true] {
            let mut connection = Connection::new(&mut slot, &SMALL, clock.now());
            send(&mut connection, left);
            if left.is_empty() || ends {
                connection.filled(0);
            }
            if connection.step(&clock) == Step::Exchange {
                serve(&mut connection, &clock, &ok);
                connection.step(&clock);
            }
            let mut connection = Connection::new(&mut slot, &SMALL, clock.now());
            assert_eq!((connection.step(&clock), connection.state()), (Step::Idle, State::Idle), "{left}");
            assert!(connection.pending().is_empty());
            for _ in 0..2 {
                send(&mut connection, head());
                assert_eq!(connection.step(&clock), Step::Exchange, "{left}");
                serve(&mut connection, &clock, &ok);
                assert_eq!((connection.step(&clock), take(&mut connection)), (Step::Write, answer()), "{left}");
                assert_eq!((connection.step(&clock), connection.state()), (Step::Idle, State::Idle), "{left}");
            }
        }
    }
}

/// A client that sends its body without being told to needs not be told (RFC 9110, section 10.1.1).
#[test]
fn a_body_that_is_there_before_it_is_asked_for_is_not_asked_for() {
    let gather = async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body().all().await?;
        response.status(200).body(body).await
    };
    for (early, wanted) in [("he", None), ("", Some("HTTP/1.1 100 Continue\r\n\r\n"))] {
        with(1_024, 1_024, &SMALL, |connection, clock| {
            send(connection, format!("POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{HOST}"));
            assert_eq!(connection.step(clock), Step::Exchange);
            let context = RequestContext::default();
            let exchange = connection.exchange(&context);
            let put = |bytes: &str| {
                exchange.fill(|space| {
                    space[..bytes.len()].copy_from_slice(bytes.as_bytes());
                    (bytes.len(), ())
                })
            };
            let drain = || exchange.drain(|bytes| (bytes.len(), String::from_utf8(bytes.to_vec()).unwrap()));
            put(early).unwrap();
            let mut future = pin!(gather.handle(exchange.request(), exchange.response()));
            let mut task = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut task).is_pending() && exchange.want().input);
            assert_eq!(drain().as_deref(), wanted, "{early}");
            put(&"hello"[early.len()..]).unwrap();
            assert!(matches!(future.poll(&mut task), Poll::Ready(Ok(_))));
            assert!(drain().unwrap().ends_with("\r\n\r\nhello"));
        });
    }
}

/// Below what `Slot::new` asks of an output buffer, a head that waits for its body may leave no room to ask for it: then it isn't asked for.
#[test]
fn a_body_is_asked_for_if_there_is_room_for_that() {
    let limits = Limits { response_head_bytes: 1_024, ..Limits::DEFAULT };
    let line = "HTTP/1.1 200 OK\r\nx: \r\n".len();
    let ask = "HTTP/1.1 100 Continue\r\n\r\n";
    for room in [200, 153, 152, 129, 128, 127, 26, 25, 24, 1, 0] {
        let pad = "y".repeat(512 - line - room);
        let handler = async |mut request: Request<'_>, response: Response<'_>| {
            let head = response.status(200).header("x", &pad);
            let body = request.body().all().await?;
            head.body(body).await
        };
        let head = format!("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n{HOST}");
        for open in [false, true] {
            let mut bench = Bench::sized(1_024, 512, 8, limits);
            bench.open = open;
            let pieces: &[&[u8]] = if open { &[head.as_bytes()] } else { &[head.as_bytes(), b"hi"] };
            let outcome = bench.run(&handler, pieces);
            let (first, rest) = outcome.text().split_at(if room >= ask.len() { ask.len() } else { 0 });
            assert_eq!(first, &ask[..first.len()], "{room}");
            if open {
                assert_eq!((rest, outcome.stop), ("", Stop::Waits(State::Exchange)), "{room}");
            } else if room >= 128 || outcome.statuses() == [200] {
                let wanted = format!("HTTP/1.1 200 OK\r\nx: {pad}\r\n{DATE_LINE}content-length: 2\r\n\r\nhi");
                assert_eq!(rest, wanted, "{room}");
            } else {
                // The engine's own lines have no room.
                assert_eq!(outcome.statuses(), [500], "{room}: {outcome:?}");
            }
        }
    }
}

#[test]
fn an_upgraded_connection_is_answered_once_its_handler_says_so() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, format!("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: a\r\n{HOST}"));
        assert_eq!(connection.step(clock), Step::Exchange);
        let context = RequestContext::default();
        let exchange = connection.exchange(&context);
        let mut task = Context::from_waker(Waker::noop());
        let mut upgrade = pin!(exchange.response().status(101).upgrade("a"));
        assert!(upgrade.as_mut().poll(&mut task).is_pending());
        assert!(exchange.drain(|bytes| (bytes.len(), bytes.starts_with(b"HTTP/1.1 101 "))).unwrap());
        let Poll::Ready(Ok(upgraded)) = upgrade.poll(&mut task) else { panic!("it waits") };
        assert!(exchange.is_upgraded() && !exchange.is_answered());
        assert!(pin!(upgraded.finish()).poll(&mut task).is_ready());
        assert!(!exchange.is_upgraded() && exchange.is_answered());
        // What frames by itself isn't a connection.
        assert!(exchange.answer_head().is_none());
    });
}

#[test]
fn an_answer_that_fields_were_added_to_is_begun_once() {
    with(1_024, 1_024, &SMALL, |connection, clock| {
        send(connection, head());
        assert_eq!(connection.step(clock), Step::Exchange);
        let context = RequestContext::default();
        let exchange = connection.exchange(&context);
        let _begun = exchange.response().with("x-one", "1").status(200);
        let mut again = pin!(exchange.response().status(200).body("ok"));
        let Poll::Ready(Err(failure)) = again.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it is answered twice")
        };
        assert_eq!(failure.cause(), Cause::Response(ResponseError::Twice));
    });
}

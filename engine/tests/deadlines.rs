//! Every deadline, on a made-up clock.
//!
//! Invariant: the connection says in `Watch::deadline` until when it waits; at that time, and not a millisecond before, it gives
//! the answer that `Limits` documents, and that time is what the limits say: counted from where they say.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    mem,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::{Bench, HOST, Outcome, Stop, Wire, to_the_deadline};
use midge::{
    Clock, Ended, Failure, Field, Handler, Instant, Limits, ManualClock, Peer, Request, Response, Sent, Slot, State,
    Watch, linger, serve,
};

const POST: &str = "POST / HTTP/1.1\r\nContent-Length: 100000\r\n";

async fn ok(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).body("ok").await
}

async fn read(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    while request.body().chunk().await?.is_some() {}
    response.status(200).body("read").await
}

/// Waits for what is none of the engine's business, until it is polled again.
async fn wait() {
    let mut waited = false;
    poll_fn(|_| if mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Serves what `wire` brings, with `between` before each poll but the first, until nothing is left to do.
fn polled(handler: &impl Handler, wire: &mut Wire, mut between: impl FnMut(&ManualClock, &Watch)) -> Stop {
    let (mut input, mut output, mut fields) = ([0; 1024], [0; 1024], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };
    let (clock, watch) = (ManualClock::new(), Watch::new());
    clock.set_unix_seconds(784_111_777);
    let mut serving = pin!(serve(wire, handler, &mut slot, &limits, &clock, Peer::Unknown, &watch));
    for _ in 0..1_000 {
        if let Poll::Ready(ended) = serving.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Stop::Ended(ended.unwrap());
        }
        between(&clock, &watch);
    }
    Stop::Waits(watch.state())
}

/// Serves a client that sends these pieces, `tick` apart, and then nothing. Gives what came, and when it ended.
fn until_over(bench: &mut Bench, handler: &impl Handler, tick: u64, pieces: &[&[u8]]) -> (Outcome, u64) {
    let mut wire = Wire::new(pieces);
    wire.open = true;
    wire.take = bench.take;
    bench.clock.set(Instant::from_millis(1_000));
    wire.tick = Some((Rc::clone(&bench.clock), Duration::from_millis(tick)));
    let stop = bench.drive(handler, &mut wire, 1_000_000, to_the_deadline);
    (Outcome { out: wire.out, stop }, bench.clock.now().as_millis() - 1_000)
}

fn status_and_time(bench: &mut Bench, handler: &impl Handler, tick: u64, pieces: &[&[u8]]) -> (Vec<u16>, Stop, u64) {
    let (outcome, time) = until_over(bench, handler, tick, pieces);
    assert!(outcome.statuses().is_empty() || outcome.says_close(), "{outcome:?}");
    (outcome.statuses(), outcome.stop, time)
}

const LINGER: Stop = Stop::Ended(Ended::Linger);
const CLOSE: Stop = Stop::Ended(Ended::Close);
const RESET: Stop = Stop::Ended(Ended::Reset);

#[test]
fn idle_time_closes_without_a_word() {
    let mut bench = Bench::with(Limits { idle_time: Duration::from_millis(7_777), ..Limits::DEFAULT });
    assert_eq!(status_and_time(&mut bench, &ok, 0, &[]), (vec![], CLOSE, 7_777));
    // From the last answer on.
    let (outcome, time) = until_over(&mut bench, &ok, 500, &[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
    assert_eq!((outcome.statuses(), outcome.stop, time), (vec![200], CLOSE, 500 + 7_777));
    assert_eq!(status_and_time(&mut Bench::new(), &ok, 0, &[]).2, 60_000);
}

#[test]
fn head_time_counts_from_the_first_byte_however_the_rest_drips() {
    let mut bench = Bench::with(Limits { head_time: Duration::from_millis(3_000), ..Limits::DEFAULT });
    assert_eq!(status_and_time(&mut bench, &ok, 0, &[b"G"]), (vec![408], LINGER, 3_000));
    assert_eq!(status_and_time(&mut bench, &ok, 0, &[b"\r"]), (vec![408], LINGER, 3_000));
    let head = format!("GET / HTTP/1.1\r\n{HOST}");
    for length in 1..head.len() {
        let drips: Vec<&[u8]> = head.as_bytes()[..length].chunks(1).collect();
        let (statuses, stop, time) = status_and_time(&mut bench, &ok, 10, &drips);
        assert_eq!((statuses, stop, time), (vec![408], LINGER, 3_010), "{length} bytes");
    }
    let drips: Vec<&[u8]> = head.as_bytes().chunks(1).collect();
    let (outcome, _) = until_over(&mut bench, &ok, 10, &drips);
    assert_eq!(outcome.statuses(), [200]);
    // What was there is wrong in itself: that is said, and not that it was slow.
    assert_eq!(status_and_time(&mut bench, &ok, 0, &[b"GET / HTTP/1.1\r\nbad name: x\r\n"]).0, [400]);
    assert_eq!(status_and_time(&mut Bench::new(), &ok, 0, &[b"G"]).2, 10_000);
}

#[test]
fn a_second_head_has_its_own_head_time() {
    let mut bench = Bench::with(Limits { head_time: Duration::from_millis(3_000), ..Limits::DEFAULT });
    let head = format!("GET / HTTP/1.1\r\n{HOST}");
    let (outcome, time) = until_over(&mut bench, &ok, 2_000, &[&head.as_bytes()[..9], &head.as_bytes()[9..], b"GET"]);
    assert_eq!((outcome.statuses(), outcome.stop, time), (vec![200, 408], LINGER, 9_000));
}

#[test]
fn a_silent_body_is_refused_when_its_grace_is_over() {
    let limits = Limits { body_grace: Duration::from_millis(4_000), body_rate: 500, ..Limits::DEFAULT };
    let head = format!("{POST}{HOST}abc");
    assert_eq!(status_and_time(&mut Bench::with(limits), &read, 0, &[head.as_bytes()]), (vec![408], LINGER, 4_000));
    let chunked = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{HOST}5\r\nab");
    assert_eq!(status_and_time(&mut Bench::with(limits), &read, 0, &[chunked.as_bytes()]), (vec![408], LINGER, 4_000));
    let gather = async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body().all().await?;
        response.status(200).body(body).await
    };
    let head = format!("POST / HTTP/1.1\r\nContent-Length: 9\r\n{HOST}abc");
    assert_eq!(status_and_time(&mut Bench::with(limits), &gather, 0, &[head.as_bytes()]), (vec![408], LINGER, 4_000));
    // Off.
    let limits = Limits { body_rate: 0, ..limits };
    let (outcome, time) = until_over(&mut Bench::with(limits), &gather, 0, &[head.as_bytes()]);
    assert_eq!((outcome.stop, time), (Stop::Waits(State::Exchange), 0));
}

#[test]
fn a_dripping_body_is_refused_and_one_at_the_least_rate_is_not() {
    let limits = Limits { body_grace: Duration::from_millis(4_000), body_rate: 500, ..Limits::DEFAULT };
    let head = format!("{POST}{HOST}");
    let mut pieces = vec![head.as_bytes()];
    pieces.resize(100, b"x");
    // A byte a second buys two milliseconds each: the fourth second's byte comes still, the fifth's does not.
    let (statuses, stop, time) = status_and_time(&mut Bench::with(limits), &read, 1_000, &pieces);
    assert_eq!((statuses, stop), (vec![408], LINGER));
    // The head takes a second too; the last byte to come on time is read before the time is looked at.
    assert!((5_000..=7_000).contains(&time), "{time}");
    // Five hundred bytes a second, and a bit less.
    let second = [b'x'; 500];
    let mut pieces = vec![head.as_bytes()];
    pieces.resize(201, &second);
    let (outcome, time) = until_over(&mut Bench::with(limits), &read, 1_000, &pieces);
    assert_eq!(outcome.statuses(), [200]);
    assert!(time >= 200_000);
    let (outcome, _) = until_over(&mut Bench::with(limits), &read, 1_100, &pieces);
    assert_eq!(outcome.statuses(), [408]);
}

#[test]
fn a_slow_body_behind_a_head_that_is_out_is_cut() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        while let Some(chunk) = request.body().chunk().await? {
            body.write(&chunk).await?;
            body.flush().await?;
        }
        body.finish().await
    };
    for (version, stop) in [("1.1", LINGER), ("1.0", RESET)] {
        let head = format!("POST / HTTP/{version}\r\nContent-Length: 9\r\n{HOST}abc");
        let (outcome, time) = until_over(&mut Bench::new(), &handler, 0, &[head.as_bytes()]);
        assert_eq!((outcome.statuses(), outcome.stop, time), (vec![200], stop, 10_000));
        assert!(!outcome.text().ends_with("0\r\n\r\n"), "{outcome:?}");
    }
}

#[test]
fn a_client_that_takes_nothing_is_reset() {
    let limits = Limits { write_grace: Duration::from_millis(6_000), ..Limits::DEFAULT };
    let large = async |_: Request<'_>, response: Response<'_>| response.status(200).body([b'x'; 100_000]).await;
    let head = format!("GET / HTTP/1.1\r\n{HOST}");
    for handler_waits in [false, true] {
        let mut bench = Bench::with(limits);
        bench.take = 0;
        let (outcome, time) = match handler_waits {
            true => until_over(&mut bench, &large, 0, &[head.as_bytes()]),
            false => until_over(&mut bench, &ok, 0, &[head.as_bytes()]),
        };
        assert_eq!((outcome.out.len(), outcome.stop, time), (0, RESET, 6_000));
    }
}

#[test]
fn request_time_answers_503_or_cuts() {
    let limits = Limits { request_time: Some(Duration::from_millis(2_500)), ..Limits::DEFAULT };
    let head = format!("GET / HTTP/1.1\r\n{HOST}");
    let told = Cell::new(None);
    let silent = async |request: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> {
        told.set(request.deadline());
        pending().await
    };
    let (outcome, time) =
        until_over(&mut Bench::with(Limits { idle_time: Duration::MAX, ..limits }), &silent, 100, &[head.as_bytes()]);
    assert_eq!((outcome.statuses(), time), (vec![503], 2_600));
    assert_eq!(told.get(), Some(Instant::from_millis(1_000 + 2_600)));

    let begun = async |_: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let mut body = response.status(200).stream().await?;
        body.write("begun").await?;
        body.flush().await?;
        pending().await
    };
    for (version, stop) in [("1.1", LINGER), ("1.0", RESET)] {
        let head = format!("GET / HTTP/{version}\r\n{HOST}");
        let (outcome, time) = until_over(&mut Bench::with(limits), &begun, 100, &[head.as_bytes()]);
        assert_eq!((outcome.statuses(), outcome.stop, time), (vec![200], stop, 2_600));
        assert!(!outcome.text().ends_with("0\r\n\r\n"), "{outcome:?}");
    }
    let none = async |request: Request<'_>, response: Response<'_>| {
        assert_eq!(request.deadline(), None);
        response.status(200).empty().await
    };
    assert_eq!(Bench::new().run(&none, &[head.as_bytes()]).statuses(), [200]);
}

#[test]
fn request_time_also_ends_an_answer_that_never_waits() {
    let limits = Limits { request_time: Some(Duration::from_millis(2_500)), ..Limits::DEFAULT };
    let mut bench = Bench::with(limits);
    let clock = Rc::clone(&bench.clock);
    let endless = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        for _ in 0..1_000 {
            clock.advance(Duration::from_millis(100));
            body.write([b'x'; 1_000]).await?;
            body.flush().await?;
        }
        body.finish().await
    };
    let (outcome, _) = until_over(&mut bench, &endless, 0, &[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
    assert!(outcome.out.len() < 100_000, "{} bytes", outcome.out.len());
}

#[test]
fn expire_makes_the_deadline_that_is_waited_for_pass() {
    let mut bench = Bench::new();
    let head = format!("{POST}{HOST}abc");
    let mut wire = Wire::new(&[head.as_bytes()]);
    wire.open = true;
    let expired = Cell::new(0);
    bench.drive(&read, &mut wire, 100, |(_, watch)| {
        watch.expire();
        expired.set(expired.get() + 1);
        expired.get() < 3
    });
    let outcome = Outcome { out: wire.out, stop: LINGER };
    assert_eq!(outcome.statuses(), [408]);
}

/// It was late, but came: the wait that was to end is over, and whatever is waited for next has its own time.
#[test]
fn a_head_that_comes_as_its_wait_expires_is_served() {
    let waits = async |_: Request<'_>, response: Response<'_>| {
        wait().await;
        response.status(200).body("ok").await
    };
    let post = format!("POST / HTTP/1.1\r\nContent-Length: 3\r\n{HOST}");
    let get = format!("GET / HTTP/1.1\r\n{HOST}");
    let bad = "GET / HTTP/1.1\r\nbad name: x\r\n\r\n";
    let kept = (Stop::Waits(State::Idle), vec![200]);
    expires_with_the_head(&waits, &get, &[], &kept);
    expires_with_the_head(&read, &post, &[b"a", b"bc"], &kept);
    // Nothing waits but the connection, for its next request or the rest of that,
    expires_with_the_head(&ok, &get, &[], &kept);
    expires_with_the_head(&ok, &format!("{get}GET"), &[&get.as_bytes()[3..]], &(kept.0, vec![200, 200]));
    // or an answer, for its client.
    expires_with_the_head(&ok, bad, &[], &(LINGER, vec![400]));
}

/// Makes the wait for a head expire as its second half comes, which `rest` follows.
fn expires_with_the_head(handler: &impl Handler, head: &str, rest: &[&[u8]], wanted: &(Stop, Vec<u16>)) {
    let (first, second) = head.as_bytes().split_at(16);
    for take in [usize::MAX, 1] {
        let mut wire = Wire::new(&[&[first, second], rest].concat());
        (wire.open, wire.take) = (true, take);
        let mut expired = false;
        let stop = polled(handler, &mut wire, |_, watch| {
            if watch.state() == State::Head && !mem::replace(&mut expired, true) {
                watch.expire();
            }
        });
        let outcome = Outcome { out: wire.out, stop };
        assert_eq!((stop, outcome.statuses()), *wanted, "{outcome:?}");
        assert!(expired);
    }
}

#[test]
fn a_handler_that_waited_by_itself_sees_the_time_as_it_is() {
    let told = Cell::new(None);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        wait().await;
        request.limit_time(Duration::from_secs(2));
        told.set(request.deadline());
        wait().await;
        response.status(200).body("ok").await
    };
    let mut wire = Wire::new(&[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
    wire.open = true;
    polled(&handler, &mut wire, |clock, watch| {
        if watch.state() == State::Exchange && told.get().is_none() {
            clock.set(Instant::from_millis(3_000));
            clock.set_unix_seconds(784_111_777 + 3);
        }
    });
    assert_eq!(told.get(), Some(Instant::from_millis(5_000)));
    let outcome = Outcome { out: wire.out, stop: LINGER };
    assert_eq!(outcome.statuses(), [200]);
    assert!(outcome.text().contains("\r\ndate: Sun, 06 Nov 1994 08:49:40 GMT\r\n"), "{outcome:?}");
}

#[test]
fn a_request_behind_an_answer_that_had_to_wait_sees_the_time_as_it_is() {
    let times = Cell::new([Instant::default(); 3]);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        request.limit_time(Duration::from_secs(3_600));
        let [_, second, third] = times.get();
        times.set([second, third, request.deadline().unwrap()]);
        response.status(200).body([b'x'; 500]).await
    };
    let mut wire = Wire::new(&[format!("GET / HTTP/1.1\r\n{HOST}").repeat(3).as_bytes()]);
    (wire.open, wire.take) = (true, 100);
    let mut polls = 0;
    polled(&handler, &mut wire, |clock, _| {
        polls += 1;
        clock.set(Instant::from_millis(polls * 1_000));
        clock.set_unix_seconds(784_111_777 + polls);
    });
    let outcome = Outcome { out: wire.out, stop: LINGER };
    assert_eq!(outcome.statuses(), [200; 3]);
    let dates: Vec<_> = outcome.text().lines().filter_map(|line| line.strip_prefix("date: ")).collect();
    for (time, date) in times.get().into_iter().zip(dates) {
        let seconds = time.as_millis() / 1_000 - 3_600;
        assert_eq!(date, midge::Date::from_unix_seconds(784_111_777 + seconds).to_string());
    }
    let [first, second, third] = times.get();
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
}

#[test]
fn a_body_that_is_drained_has_the_bodys_grace() {
    let limits = Limits { body_grace: Duration::from_millis(4_000), ..Limits::DEFAULT };
    let head = format!("POST / HTTP/1.1\r\nContent-Length: 9\r\n{HOST}abc");
    let (outcome, time) = until_over(&mut Bench::with(limits), &ok, 0, &[head.as_bytes()]);
    assert_eq!((outcome.statuses(), outcome.stop, time), (vec![200], LINGER, 4_000));
    let head = format!("{head}defghiGET / HTTP/1.1\r\n{HOST}");
    assert_eq!(until_over(&mut Bench::with(limits), &ok, 0, &[head.as_bytes()]).0.statuses(), [200, 200]);
}

#[test]
fn closing_says_so_in_the_next_answer_and_closes_an_idle_connection() {
    let mut bench = Bench::new();
    let head = format!("GET / HTTP/1.1\r\n{HOST}");
    let closing = async |_: Request<'_>, response: Response<'_>| response.status(200).body("ok").await;
    let twice = format!("{head}{head}");
    let mut wire = Wire::new(&[b"", twice.as_bytes()]);
    wire.open = true;
    let polls = Cell::new(0);
    let stop = bench.drive(&closing, &mut wire, 100, |(_, watch)| {
        watch.close_after_answer();
        polls.set(polls.get() + 1);
        polls.get() < 3
    });
    let outcome = Outcome { out: wire.out, stop };
    assert_eq!(outcome.statuses(), [200, 200]);
    // Idle by then, and told: it is closed at the next chance that it gets, the next deadline at the latest.
    assert!(matches!(stop, Stop::Waits(State::Idle)), "{outcome:?}");

    // While the handler waits.
    let (waits, seen) = (Cell::new(4), Rc::clone(&bench.clock));
    let waiting = async |_: Request<'_>, response: Response<'_>| {
        poll_fn(|_| match waits.replace(waits.get().max(1) - 1) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
        seen.advance(Duration::from_millis(1));
        response.status(200).body("ok").await
    };
    let mut wire = Wire::new(&[twice.as_bytes()]);
    let stop = bench.drive(&waiting, &mut wire, 100, |(_, watch)| {
        watch.close_after_answer();
        true
    });
    let outcome = Outcome { out: wire.out, stop };
    assert_eq!((outcome.statuses(), outcome.says_close(), stop), (vec![200], true, LINGER));
}

#[test]
fn a_lingering_close_ends_with_the_client_or_its_limits() {
    let limits = Limits { linger_bytes: 1_000, linger_time: Duration::from_millis(1_500), ..Limits::DEFAULT };
    let watch = Watch::new();
    for (pieces, open, wanted) in [
        (vec![[b'x'; 100]; 3], false, 0),
        (vec![[b'x'; 100]; 3], true, 1_500),
        (vec![[b'x'; 100]; 30], true, 0),
        (vec![], true, 1_500),
    ] {
        let clock = ManualClock::new();
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
        let mut wire = Wire::new(&pieces);
        wire.open = open;
        watch.reset();
        let mut lingering = pin!(linger(&mut wire, &limits, &clock, &watch));
        let mut context = Context::from_waker(Waker::noop());
        for turn in 0.. {
            match lingering.as_mut().poll(&mut context) {
                Poll::Ready(ended) => {
                    ended.unwrap();
                    break;
                }
                Poll::Pending if turn > 20 => clock.set(watch.deadline().unwrap()),
                Poll::Pending => {}
            }
        }
        assert_eq!(clock.now().as_millis(), wanted);
    }
}

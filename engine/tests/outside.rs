//! What handlers around other ones add to an answer, limit, and are told afterwards.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[allow(dead_code)]
mod common;

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    time::Duration,
};

use common::{Bench, HOST, Outcome as Seen, Stop, Wire, to_the_deadline};
use midge::{
    Ended, Failure, Handler, Instant, Limits, Request, Response, ResponseError, Sent,
    around::{BodyLimit, TimeLimit},
    testing::{Scratch, call},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn ok(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).header("x-own", "1").body("ok").await
}

async fn fails(_request: Request<'_>, _response: Response<'_>) -> Result<Sent, Failure> {
    Err(Failure::new(404))
}

async fn fails_late(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut body = response.status(200).header("x-own", "1").stream().await?;
    body.write("some").await?;
    Err(Failure::new(404))
}

async fn echo(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let body = request.body().all().await?;
    response.status(200).body(body).await
}

/// Adds two fields to whatever `inner` answers.
async fn added(inner: impl Handler, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    inner.handle(request, response.with("x-one", "1").with_fmt("x-two", format_args!("{}", 2))).await
}

#[test]
fn added_fields_are_in_every_answer_once_and_in_front() {
    for (inner, status) in [(0, 200), (1, 404), (2, 404)] {
        let handler = async |request: Request<'_>, mut response: Response<'_>| {
            // An interim answer doesn't have them.
            response.interim(103).header("link", "</a>").send().await?;
            match inner {
                0 => added(ok, request, response).await,
                1 => added(fails, request, response).await,
                _ => added(fails_late, request, response).await,
            }
        };
        let mut bench = Bench::new();
        let mut wire = Wire::new(&[GET.as_bytes()]);
        bench.drive(&handler, &mut wire, 100, to_the_deadline);
        let text = String::from_utf8(wire.out).unwrap();
        let (interim, last) = text.split_once("\r\n\r\n").unwrap();
        assert!(!interim.contains("x-one"), "{text}");
        assert!(last.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert_eq!(last.matches("\r\nx-one: 1\r\nx-two: 2\r\n").count(), 1, "{text}");
        assert_eq!(last.matches("x-own").count(), usize::from(status == 200), "{text}");
    }
}

#[test]
fn fields_added_before_an_interim_answer_wait_for_the_final_one() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut response = response.with("x-one", "1");
        response.interim(103).header("link", "</a>").send().await?;
        response.status(200).body("ok").await
    };
    let mut scratch = Scratch::new();
    let answer = call(&handler, GET.as_bytes(), &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.interims(), answer.header("x-one")), (200, &[103][..], Some("1")));
}

#[test]
fn added_fields_are_there_while_the_client_waits_to_be_told_to_go_on() {
    let handler = async |request: Request<'_>, response: Response<'_>| added(echo, request, response).await;
    let mut bench = Bench::new();
    let head = format!("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n{HOST}");
    let mut wire = Wire::new(&[head.as_bytes(), b"hi"]);
    bench.drive(&handler, &mut wire, 100, to_the_deadline);
    let text = String::from_utf8(wire.out).unwrap();
    assert!(text.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-one: 1\r\nx-two: 2\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nhi"), "{text}");
}

#[test]
fn added_fields_are_not_the_next_request_s() {
    let count = Cell::new(0);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        count.set(count.get() + 1);
        if count.get() == 1 { added(ok, request, response).await } else { ok(request, response).await }
    };
    let mut scratch = Scratch::new();
    let requests = format!("{GET}{GET}");
    let answer = call(&handler, requests.as_bytes(), &mut scratch).unwrap();
    assert_eq!(answer.header("x-one"), Some("1"));
    assert!(answer.rest().starts_with(b"HTTP/1.1 200") && !answer.rest().windows(5).any(|bytes| bytes == b"x-one"));
}

#[test]
fn a_bad_field_is_an_error_of_the_head_s_and_never_goes_out() {
    let cases: [(&str, &str, ResponseError); 6] = [
        ("x y", "1", ResponseError::FieldName),
        ("", "1", ResponseError::FieldName),
        ("x", "a\r\nb: c", ResponseError::FieldValue),
        ("content-length", "1", ResponseError::Reserved),
        ("date", "1", ResponseError::Reserved),
        ("x", &"v".repeat(1_024), ResponseError::HeadTooLarge),
    ];
    for (name, value, expected) in cases {
        let handler = async |request: Request<'_>, response: Response<'_>| {
            let result = ok.handle(request, response.with("x-good", "1").with(name, value)).await;
            assert_eq!(result.as_ref().err().map(Failure::cause), Some(midge::Cause::Response(expected)), "{name:?}");
            result
        };
        let mut scratch = Scratch::new();
        let answer = call(&handler, GET.as_bytes(), &mut scratch).unwrap();
        assert_eq!((answer.status(), answer.header("x-good"), answer.header("b")), (500, Some("1"), None), "{name:?}");
    }
}

#[test]
fn the_outcome_tells_status_and_bytes() {
    let stream = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(201).stream().await?;
        for _ in 0..100 {
            body.write([b'x'; 1_000]).await?;
        }
        body.flush().await?;
        body.write("end").await?;
        body.finish().await
    };
    let told = Cell::new((0, 0));
    let watch = |status: u16, bytes: u64| told.set((status, bytes));
    let cases: [(&str, u8, (u16, u64)); 9] = [
        (GET, 0, (200, 2)),
        (GET, 1, (404, 0)),
        (GET, 2, (404, 4)),
        (GET, 3, (201, 100_003)),
        ("GET / HTTP/1.0\r\n\r\n", 3, (201, 100_003)),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 0, (200, 0)),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 3, (201, 0)),
        (GET, 4, (200, 4)),
        (GET, 5, (500, 0)),
    ];
    for (request, inner, expected) in cases {
        let handler = async |request: Request<'_>, response: Response<'_>| {
            let outcome = response.outcome();
            assert_eq!((outcome.begun(), outcome.body_bytes(), outcome.can_restart()), (None, 0, true));
            let result = match inner {
                0 => ok(request, response).await,
                1 => fails(request, response).await,
                2 => fails_late(request, response).await,
                3 => stream(request, response).await,
                4 => {
                    let mut body = response.status(200).length(10).stream().await?;
                    body.write("some").await?;
                    body.flush().await?;
                    // The head is out: the answer stays what it is.
                    Err(Failure::new(404))
                }
                _ => ok(request, response.with("x", "\n")).await,
            };
            watch(outcome.status(&result).code(), outcome.body_bytes());
            assert_eq!(outcome.request().path(), "/");
            result
        };
        let mut bench = Bench::new();
        let mut wire = Wire::new(&[request.as_bytes()]);
        bench.drive(&handler, &mut wire, 1_000, to_the_deadline);
        assert_eq!(told.get(), expected, "{request:?} {inner}");
    }
}

#[test]
fn the_outcome_counts_one_answer_s_bytes_whoever_asks_and_how_often() {
    for watchers in [1, 2] {
        let told = RefCell::new(Vec::new());
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let outcomes: Vec<_> = (0..watchers).map(|_| response.outcome()).collect();
            let mut body = response.status(200).stream().await?;
            body.write("some").await?;
            body.flush().await?;
            assert!(outcomes.iter().all(|outcome| outcome.body_bytes() == 4));
            body.write("more").await?;
            let sent = body.finish().await;
            told.borrow_mut().extend(outcomes.iter().map(|outcome| outcome.body_bytes()));
            sent
        };
        Bench::new().run(&handler, &[GET.repeat(3).as_bytes()]);
        assert_eq!(told.take(), vec![8; 3 * watchers]);
    }
}

/// They are a part of the head, which has its limit.
#[test]
fn added_fields_count_as_the_head_s_bytes() {
    // The engine's own lines have 128 bytes of the limit.
    let limits = Limits { response_head_bytes: 128 + 100, ..Limits::DEFAULT };
    let room = 100 - "HTTP/1.1 200 OK\r\nx: \r\n".len();
    for (length, fits) in [(1, true), (room - 1, true), (room, true), (room + 1, false), (room + 100, false)] {
        let value = "v".repeat(length);
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let result = response.with("x", &value).status(200).body("ok").await;
            let error = (!fits).then_some(midge::Cause::Response(ResponseError::HeadTooLarge));
            assert_eq!(result.as_ref().err().map(Failure::cause), error, "{length}");
            result
        };
        let outcome = Bench::sized(1_024, 1_024, 8, limits).run(&handler, &[GET.as_bytes()]);
        let begins = outcome.text().starts_with(&format!("HTTP/1.1 200 OK\r\nx: {value}\r\n"));
        // The failure would begin with them, too.
        assert_eq!((begins, outcome.out.is_empty()), (fits, !fits), "{length}: {outcome:?}");
    }
}

#[test]
fn an_answer_is_begun_anew_unless_it_is_out() {
    for flushed in [false, true] {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let outcome = response.outcome();
            let mut body = response.with("x-one", "1").status(200).header("x-own", "1").stream().await?;
            body.write("some").await?;
            if flushed {
                body.flush().await?;
            }
            match outcome.restart() {
                Some(response) => response.status(418).body("teapot").await,
                None => Err(Failure::new(500)),
            }
        };
        let mut scratch = Scratch::new();
        let answer = call(&handler, GET.as_bytes(), &mut scratch);
        if flushed {
            assert!(answer.is_err());
        } else {
            let answer = answer.unwrap();
            assert_eq!((answer.status(), answer.body()), (418, b"teapot".as_slice()));
            assert_eq!((answer.header("x-one"), answer.header("x-own")), (Some("1"), None));
        }
    }
}

fn until_over(bench: &mut Bench, handler: &impl Handler, pieces: &[&[u8]]) -> (Seen, u64) {
    let mut wire = Wire::new(pieces);
    wire.open = true;
    bench.clock.set(Instant::from_millis(1_000));
    wire.tick = Some((Rc::clone(&bench.clock), Duration::from_millis(100)));
    let stop = bench.drive(handler, &mut wire, 1_000_000, to_the_deadline);
    (Seen { out: wire.out, stop }, midge::Clock::now(&*bench.clock).as_millis() - 1_000)
}

#[test]
fn a_time_limit_counts_from_the_request_and_answers_503() {
    let told = Cell::new(None);
    let silent = async |request: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> {
        told.set(request.deadline());
        pending().await
    };
    let get = GET.as_bytes();
    let time = Duration::from_millis;
    let forever = Limits { idle_time: Duration::MAX, ..Limits::DEFAULT };
    // The second request comes 100 ms after the first, and has its own time.
    let count = Cell::new(0);
    let handler = TimeLimit::new(time(2_500), async |request: Request<'_>, response: Response<'_>| {
        count.set(count.get() + 1);
        if count.get() == 1 { ok(request, response).await } else { silent(request, response).await }
    });
    let (seen, ended) = until_over(&mut Bench::with(forever), &handler, &[get, get]);
    assert_eq!((seen.statuses(), ended), (vec![200, 503], 200 + 2_500));
    assert_eq!(told.get(), Some(Instant::from_millis(1_000 + 200 + 2_500)));

    // The shorter of two counts, whichever is set first; and the host's, if that is shorter still.
    for (outer, inner, host, expected) in
        [(300, 900, None, 300), (900, 300, None, 300), (900, 500, Some(200), 200), (100, 500, Some(200), 100)]
    {
        let handler = TimeLimit::new(time(outer), TimeLimit::new(time(inner), &silent));
        let limits = Limits { request_time: host.map(time), ..forever };
        let (seen, ended) = until_over(&mut Bench::with(limits), &ByRef(&handler), &[get]);
        assert_eq!((seen.statuses(), ended), (vec![503], 100 + expected), "{outer} {inner} {host:?}");
    }
}

/// A handler by reference.
struct ByRef<'h, H>(&'h H);

impl<H: Handler> Handler for ByRef<'_, H> {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        self.0.handle(request, response).await
    }
}

#[test]
fn a_time_limit_cuts_an_answer_that_is_out_and_leaves_the_next_request_alone() {
    let handler = TimeLimit::new(Duration::from_millis(300), async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        body.write("some").await?;
        body.flush().await?;
        pending::<Result<Sent, Failure>>().await
    });
    let (seen, ended) = until_over(&mut Bench::new(), &handler, &[GET.as_bytes()]);
    assert_eq!((seen.statuses(), seen.stop, ended), (vec![200], Stop::Ended(Ended::Linger), 400));
    assert!(!seen.text().ends_with("0\r\n\r\n"));

    // A limit that was set for one request is none for the next.
    let count = Cell::new(0);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            request.limit_time(Duration::from_millis(300));
        } else {
            assert_eq!(request.deadline(), None);
        }
        ok(request, response).await
    };
    let (seen, _) = until_over(&mut Bench::new(), &handler, &[GET.as_bytes(), GET.as_bytes()]);
    assert_eq!((seen.statuses(), count.get()), (vec![200, 200], 2));
}

#[test]
fn a_body_limit_stands_for_what_is_gathered_and_what_is_streamed() {
    let drain = async |mut request: Request<'_>, response: Response<'_>| {
        let mut bytes = 0;
        while let Some(chunk) = request.body().chunk().await? {
            bytes += chunk.len();
        }
        response.status(200).header_fmt("x-bytes", format_args!("{bytes}")).empty().await
    };
    let post =
        |length: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
    let chunked = |length: usize| {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{}\r\n0\r\n\r\n", length, "x".repeat(length))
    };
    let mut scratch = Scratch::new();
    let mut status =
        |handler: &dyn Fn(&[u8], &mut Scratch) -> u16, request: String| handler(request.as_bytes(), &mut scratch);
    let gathered =
        |request: &[u8], scratch: &mut Scratch| call(&BodyLimit::new(10, echo), request, scratch).unwrap().status();
    let streamed =
        |request: &[u8], scratch: &mut Scratch| call(&BodyLimit::new(10, drain), request, scratch).unwrap().status();
    for (length, expected) in [(0, 200), (10, 200), (11, 413), (5_000, 413)] {
        assert_eq!(status(&gathered, post(length)), expected, "{length}");
        assert_eq!(status(&streamed, post(length)), expected, "{length}");
        if length > 0 {
            assert_eq!(status(&gathered, chunked(length)), expected, "{length}");
            assert_eq!(status(&streamed, chunked(length)), expected, "{length}");
        }
    }
    // More than by default, and the default.
    let more =
        |request: &[u8], scratch: &mut Scratch| call(&BodyLimit::new(20_000, echo), request, scratch).unwrap().status();
    let default = |request: &[u8], scratch: &mut Scratch| call(&echo, request, scratch).unwrap().status();
    assert_eq!(status(&more, post(20_000)), 200);
    assert_eq!(status(&more, post(20_001)), 413);
    assert_eq!(status(&default, post(16_384)), 200);
    assert_eq!(status(&default, post(16_385)), 413);
    // The innermost counts.
    let nested = |request: &[u8], scratch: &mut Scratch| {
        call(&BodyLimit::new(1, BodyLimit::new(10, echo)), request, scratch).unwrap().status()
    };
    assert_eq!(status(&nested, post(10)), 200);
    assert_eq!(status(&nested, post(11)), 413);
}

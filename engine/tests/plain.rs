//! Exchanges that don't travel as HTTP/1.1.
//!
//! Invariant: what a host that frames by itself is told and given is the handler's answer, whatever room there is for it and whatever the
//! exchange before it left behind.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::{
    cell::Cell,
    future::poll_fn,
    mem,
    pin::pin,
    task::{Context, Poll, Waker},
};

use midge::{
    Exchange, ExchangeState, Failure, Handler, Head, Limits, PlainEnd, PlainHead, PlainMemory, Reject, Request,
    RequestContext, Response, Sent, Span, around::Problems,
};

const LIMITS: Limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };

/// What a host is told of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    length: Option<u64>,
    lines: String,
    body: String,
    end: PlainEnd,
}

/// Serves one request whose body comes in these pieces, and takes at most `take` bytes of the answer at a time.
fn serve(
    state: &mut ExchangeState,
    handler: &impl Handler,
    method: &str,
    length: Option<u64>,
    pieces: &[&str],
    output: usize,
    take: usize,
) -> Answer {
    let bytes = format!("{method}/a");
    let end = u16::try_from(method.len()).unwrap();
    let (target, authority) = (Span::new(end.into(), (end + 1).into()), Span::new((end + 1).into(), (end + 2).into()));
    let head = PlainHead { method: Span::new(0, end.into()), target, authority, body: length };
    let (mut input, mut output) = ([0xaa; 64], vec![0x55; output]);
    let memory = PlainMemory { input: &mut input, filled: 0, state, output: &mut output };
    let context = RequestContext::default();
    let exchange = Exchange::plain(Head::plain(bytes.as_bytes(), &[], head), memory, &context, &LIMITS);
    assert!(exchange.answer_head().is_none() && exchange.drain(|_| (0, ())).is_none());
    let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
    let (mut body, mut pieces) = (Vec::new(), pieces.iter());
    let mut drain = || {
        while exchange
            .drain(|bytes| {
                let count = bytes.len().min(take);
                body.extend_from_slice(&bytes[..count]);
                (count, ())
            })
            .is_some()
        {}
    };
    let result = loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break result;
        }
        let want = exchange.want();
        assert!(want.input || want.output, "it waits for nothing");
        if want.output {
            drain();
        }
        if want.input {
            match pieces.next() {
                Some(piece) => exchange
                    .fill(|space| {
                        space[..piece.len()].copy_from_slice(piece.as_bytes());
                        (piece.len(), ())
                    })
                    .unwrap(),
                None => exchange.end_of_input(),
            }
        }
    };
    let end = exchange.end(result);
    drain();
    let head = exchange.answer_head().unwrap();
    let lines = String::from_utf8(head.lines().to_vec()).unwrap();
    let fields: String =
        head.fields().map(|(name, value)| format!("{name}: {}\r\n", str::from_utf8(value).unwrap())).collect();
    assert_eq!(lines, fields);
    Answer { status: head.status().code(), length: head.length(), lines, body: String::from_utf8(body).unwrap(), end }
}

fn get(handler: &impl Handler) -> Answer {
    serve(&mut ExchangeState::new(), handler, "GET", Some(0), &[], 512, usize::MAX)
}

const LINE: &str = "x-one: 1\r\n";

fn answered(status: u16, length: Option<u64>, lines: &str, body: &str) -> Answer {
    Answer { status, length, lines: lines.into(), body: body.into(), end: PlainEnd::Answered }
}

#[test]
fn an_answer_has_a_status_fields_and_a_body_whose_length_is_told_if_it_is_known() {
    let whole =
        async |_: Request<'_>, response: Response<'_>| response.status(200).header("x-one", "1").body("ok").await;
    let streams = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(201).header("x-one", "1").stream().await?;
        body.write("o").await?;
        body.flush().await?;
        body.write("k").await?;
        body.finish().await
    };
    let declares = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(202).header("x-one", "1").length(2).stream().await?;
        body.write("ok").await?;
        body.trailer("x", "left out").await?;
        body.finish().await
    };
    assert_eq!(get(&whole), answered(200, Some(2), LINE, "ok"));
    assert_eq!(get(&streams), answered(201, None, LINE, "ok"));
    assert_eq!(get(&declares), answered(202, Some(2), LINE, "ok"));
    let head = |handler: &dyn Fn(&mut ExchangeState) -> Answer| handler(&mut ExchangeState::new());
    assert_eq!(head(&|state| serve(state, &whole, "HEAD", Some(0), &[], 512, 1)), answered(200, Some(2), LINE, ""));
    assert_eq!(head(&|state| serve(state, &streams, "HEAD", Some(0), &[], 512, 1)), answered(201, None, LINE, ""));
    for status in [204, 304] {
        let empty =
            async |_: Request<'_>, response: Response<'_>| response.status(status).header("x-one", "1").empty().await;
        assert_eq!(get(&empty), answered(status, Some(0), LINE, ""));
    }
}

/// The head stays where it is while the body goes out behind it.
#[test]
fn a_body_passes_through_whatever_room_the_head_leaves() {
    let text: String = (0..1_000).map(|number| number.to_string()).collect();
    for declared in [None, Some(text.len() as u64)] {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let head = response.status(200).header("x-one", "1");
            let head = if let Some(length) = declared { head.length(length) } else { head };
            let mut body = head.stream().await?;
            for piece in text.as_bytes().chunks(97) {
                body.write(piece).await?;
            }
            body.finish().await
        };
        let whole =
            async |_: Request<'_>, response: Response<'_>| response.status(200).header("x-one", "1").body(&text).await;
        for (room, take) in [(1, 1), (1, 9), (5, 3), (200, 70), (200, 1_000), (5_000, 1_000)] {
            let mut state = ExchangeState::new();
            // The exchange before left bytes and a head behind.
            serve(&mut state, &whole, "HEAD", Some(0), &[], LINE.len() + room, 1);
            let answer = serve(&mut state, &handler, "GET", Some(0), &[], LINE.len() + room, take);
            assert_eq!(answer, answered(200, declared, LINE, &text), "{room} {take}");
            let answer = serve(&mut state, &whole, "GET", Some(0), &[], LINE.len() + room, take);
            assert_eq!(answer, answered(200, Some(text.len() as u64), LINE, &text), "{room} {take}");
        }
    }
}

#[test]
fn what_the_exchange_before_left_is_forgotten() {
    let mut state = ExchangeState::new();
    let (mut input, mut output) = ([0; 64], [0; 512]);
    let memory = PlainMemory { input: &mut input, filled: 7, state: &mut state, output: &mut output };
    let head =
        PlainHead { method: Span::new(0, 4), target: Span::new(4, 5), authority: Span::new(5, 6), body: Some(9) };
    let context = RequestContext::default();
    {
        let exchange = Exchange::plain(Head::plain(b"POST/a", &[], head), memory, &context, &LIMITS);
        let head = exchange.response().status(404).header("x-two", "2");
        let Poll::Ready(Ok(mut body)) = pin!(head.length(5).stream()).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("it waits")
        };
        assert!(pin!(body.write("hel")).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(exchange.drain(|bytes| (1, bytes.len())), Some(3));
    }
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body().all().await?;
        response.status(200).body(body).await
    };
    let answer = serve(&mut state, &handler, "POST", Some(2), &["o", "k"], 512, 1);
    assert_eq!(answer, answered(200, Some(2), "", "ok"));
}

#[test]
fn a_body_of_unknown_length_ends_with_the_input_and_a_declared_one_must_be_there() {
    let reject = Cell::new(None);
    let echo = async |mut request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let body = request.body().all().await;
        reject.set(body.as_ref().err().map(|error| error.reject()));
        let body = body?;
        assert!(request.body().trailers().is_some_and(|trailers| trailers.is_empty()));
        response.status(200).body(body).await
    };
    let mut state = ExchangeState::new();
    for pieces in [&["he", "llo"][..], &["hello"], &["h", "e", "l", "l", "o"]] {
        assert_eq!(serve(&mut state, &echo, "POST", None, pieces, 512, 1), answered(200, Some(5), "", "hello"));
        assert_eq!(serve(&mut state, &echo, "POST", Some(5), pieces, 512, 1), answered(200, Some(5), "", "hello"));
    }
    assert_eq!(serve(&mut state, &echo, "POST", None, &[], 512, 1), answered(200, Some(0), "", ""));
    assert_eq!(serve(&mut state, &echo, "POST", Some(5), &["he"], 512, 1).status, 400);
    assert_eq!(reject.take(), Some(Reject::Truncated));
}

/// What the host was shown may be with the client by now.
#[test]
fn a_failure_behind_a_head_that_was_shown_is_cut_whoever_handles_it() {
    let fails = async |_: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let _begun = response.status(200).header("x-one", "1").stream().await?;
        let mut waited = false;
        poll_fn(|_| if mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        Err(Failure::new(500))
    };
    let problems = Problems::new(fails);
    for shown in [true, false] {
        let mut state = ExchangeState::new();
        let (mut input, mut output) = ([0; 64], [0; 512]);
        let head =
            PlainHead { method: Span::new(0, 3), target: Span::new(3, 4), authority: Span::new(4, 5), body: Some(0) };
        let memory = PlainMemory { input: &mut input, filled: 0, state: &mut state, output: &mut output };
        let context = RequestContext::default();
        let exchange = Exchange::plain(Head::plain(b"GET/a", &[], head), memory, &context, &LIMITS);
        let mut future = pin!(problems.handle(exchange.request(), exchange.response()));
        let mut task = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut task).is_pending());
        if shown {
            assert_eq!(exchange.answer_head().unwrap().status().code(), 200);
        }
        let Poll::Ready(result) = future.as_mut().poll(&mut task) else { panic!("it waits") };
        assert_eq!(result.is_err(), shown);
        assert_eq!(exchange.end(result), if shown { PlainEnd::Cut } else { PlainEnd::Answered });
        let mut body = Vec::new();
        while exchange.drain(|bytes| (bytes.len(), body.extend_from_slice(bytes))).is_some() {}
        let text = String::from_utf8(body).unwrap();
        assert_eq!(text.contains("Internal Server Error"), !shown, "{text}");
        assert_eq!(exchange.answer_head().unwrap().status().code(), if shown { 200 } else { 500 });
    }
}

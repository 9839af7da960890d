//! Server-sent events.
//!
//! Invariant: a client that reads as the WHATWG's HTML standard says (section 9.2.6) gets the very events that were sent, and each has gone out before the
//! next is made.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::Poll,
    time::Duration,
};

use common::{Bench, HOST, Random};
use midge::{Failure, Limits, Request, Response, ResponseError, ServerEvent, testing};

/// Type, data and last id of the events that a client sees, and the time that it was told.
type Seen = (Vec<(String, String, String)>, Option<u64>);

/// The standard's algorithm.
fn client(stream: &str) -> Seen {
    let (mut events, mut retry) = (Vec::new(), None);
    let (mut kind, mut data, mut id) = (String::new(), String::new(), String::new());
    let unified = stream.replace("\r\n", "\n").replace('\r', "\n");
    for line in unified.split_terminator('\n') {
        if line.is_empty() {
            if let Some(data) = data.strip_suffix('\n') {
                let kind = if kind.is_empty() { "message" } else { &kind };
                events.push((kind.to_owned(), data.to_owned(), id.clone()));
            }
            (kind, data) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => kind = value.to_owned(),
            "data" => data += &format!("{value}\n"),
            "id" if !value.contains('\0') => id = value.to_owned(),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                retry = value.parse().ok()
            }
            _ => {}
        }
    }
    (events, retry)
}

#[test]
fn a_client_sees_what_was_sent() {
    let mut random = Random::new(2);
    let pieces = ["a", " ", ":", "\n", "\r", "\r\n", "data: x", "\u{e9}", "\0", "event"];
    for _ in 0..5_000 {
        let mut text = |count: u64, allowed: &[&str]| {
            (0..random.below(count)).map(|_| allowed[random.below(allowed.len() as u64) as usize]).collect::<String>()
        };
        let (kind, id, data) = (text(4, &["a", " ", ":", "\u{e9}"]), text(4, &["1", " ", ":"]), text(8, &pieces));
        let event = ServerEvent::new().event(&kind).id(&id).retry(Duration::from_millis(1_500));
        let wanted_kind = if kind.is_empty() { "message" } else { &kind };
        let wanted = (wanted_kind.to_owned(), data.replace("\r\n", "\n").replace('\r', "\n"), id.clone());
        assert_eq!(client(&event.data(&data).to_string()), (vec![wanted.clone()], Some(1_500)), "{data:?}");
        // Whatever pieces it is formatted in.
        let (front, back) = data.split_at((0..=data.len() / 2).rev().find(|at| data.is_char_boundary(*at)).unwrap());
        assert_eq!(
            client(&event.data_fmt(format_args!("{front}{back}")).to_string()).0,
            [wanted],
            "{front:?} {back:?}"
        );
    }
    assert_eq!(ServerEvent::new().id_fmt(format_args!("{}-{}", 1, 2)).to_string(), "id: 1-2\n\n");
    assert_eq!(ServerEvent::new().data("").to_string(), "data: \n\n");
    assert_eq!(client("id: 1\n\nevent: x\n\ndata: y\n\n").0, [("message".to_owned(), "y".to_owned(), "1".to_owned())]);
}

#[test]
fn the_answer_is_an_event_stream_that_is_not_stored() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut events = response.status(200).events().await?;
        events.comment("hello\ndata: not data").await?;
        events.comment("").await?;
        events.send(&ServerEvent::new().id("1")).await?;
        events.send(&ServerEvent::new().data("one\rtwo")).await?;
        events.finish().await
    };
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(&handler, format!("GET / HTTP/1.1\r\n{HOST}").as_bytes(), &mut scratch).unwrap();
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = ": hello\n: data: not data\n\n: \n\nid: 1\n\ndata: one\ndata: two\n\n";
    assert_eq!(std::str::from_utf8(answer.body()).unwrap(), body);
    assert_eq!(client(body).0, [("message".to_owned(), "one\ntwo".to_owned(), "1".to_owned())]);
}

#[test]
fn an_event_that_would_end_its_line_is_refused() {
    let bad = ["a\nb", "a\rb", "\r\n"];
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut events = response.status(200).events().await?;
        for text in bad {
            for event in [ServerEvent::new().event(text).data("x"), ServerEvent::new().id(text).data("x")] {
                assert_eq!(events.send(&event).await.unwrap_err(), Failure::from(ResponseError::Event));
            }
        }
        assert!(events.send(&ServerEvent::new().id("a\0b")).await.is_err());
        assert!(events.send(&ServerEvent::new().id_fmt(format_args!("{}{}", 1, '\n'))).await.is_err());
        events.send(&ServerEvent::new().event("a\0b").data("y")).await?;
        events.finish().await
    };
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(&handler, format!("GET / HTTP/1.1\r\n{HOST}").as_bytes(), &mut scratch).unwrap();
    assert_eq!(answer.body(), b"event: a\0b\ndata: y\n\n");
}

/// The handler waits between its events: each is with the client by then.
#[test]
fn each_event_has_gone_out_before_the_next() {
    let long = "x".repeat(3_000);
    let sent = RefCell::new(Vec::new());
    let round = Cell::new(0);
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut events = response.status(200).events().await?;
        for count in 0..4 {
            events.send(&ServerEvent::new().data_fmt(format_args!("{count} {long}"))).await?;
            sent.borrow_mut().push(count);
            round.set(count + 1);
            poll_fn(|_| if round.get() == 0 { Poll::Ready(()) } else { Poll::Pending }).await;
        }
        events.finish().await
    };
    let mut bench = Bench::sized(4_096, 400, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    bench.open = true;
    let mut wire = common::Wire::new(&[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
    (wire.take, wire.open) = (100, true);
    // Where nothing moves any more, the handler waits for us: it goes on, as with a timer.
    bench.drive(&handler, &mut wire, u64::MAX, |_| {
        let goes_on = round.get() != 0;
        round.set(0);
        goes_on
    });
    assert_eq!(sent.into_inner(), [0, 1, 2, 3]);
    assert!(wire.out.ends_with(b"0\r\n\r\n"));
}

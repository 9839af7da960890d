//! Bodies that the host sends itself, past the output buffer.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::{Bench, HOST, Outcome, Past, Stop, Wire, to_the_deadline};
use midge::{
    Clock as _, Ended, Exchange, ExchangeState, Failure, Handler, Head, Limits, PlainEnd, PlainHead, PlainMemory,
    Request, RequestContext, Response, Sent, Span,
};

const LENGTH: u64 = 100_000;

/// Serves requests to a client whose host takes `room` bytes past the buffer. Gives the time that passed, too.
fn serve(bench: &mut Bench, past: &Rc<Past>, room: u64, handler: &impl Handler, requests: &str) -> (Outcome, u64) {
    let mut wire = Wire::new(&[requests.as_bytes()]);
    wire.past = Rc::clone(past);
    (wire.take, wire.open) = (bench.take, bench.open);
    past.room.set(room);
    let start = bench.clock.now();
    let stop = bench.drive(handler, &mut wire, 1_000_000, to_the_deadline);
    (Outcome { out: wire.out, stop }, bench.clock.now().as_millis() - start.as_millis())
}

/// Sends the body past the buffer but for its first and last bytes.
async fn mixed(past: &Past, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    if request.path() == "/short" {
        return response.status(200).body("short").await;
    }
    let mut body = response.status(200).length(LENGTH).stream().await?;
    body.write("<<").await?;
    let mut left = LENGTH - 4;
    while left > 0 {
        let sent = body.write_past(|asking, most| {
            assert_eq!((asking.path(), most), (request.path(), left + 2));
            past.poll(left)
        });
        match sent.await?.unwrap() {
            0 => {
                body.write("w".repeat(left as usize)).await?;
                left = 0;
            }
            count => left -= count,
        }
    }
    body.write(">>").await?;
    body.finish().await
}

/// They stand in the answer where they belong, between those that are written, and between the answers before and behind it.
#[test]
fn bytes_past_the_buffer_go_out_in_their_order() {
    for take in [usize::MAX, 50_000, 997, 1] {
        let past = Rc::new(Past::default());
        let handler = async |request: Request<'_>, response: Response<'_>| mixed(&past, request, response).await;
        let mut bench = Bench::new();
        bench.take = take;
        let ask = |path: &str| format!("GET {path} HTTP/1.1\r\n{HOST}");
        let requests = [ask("/short"), ask("/long"), ask("/long"), ask("/short")].concat();
        let (outcome, _) = serve(&mut bench, &past, u64::MAX, &handler, &requests);
        assert_eq!((outcome.statuses(), outcome.stop), (vec![200; 4], Stop::Ended(Ended::Close)));
        let body =
            format!("content-length: {LENGTH}\r\n\r\n<<{}>>HTTP/1.1 200 OK\r\n", "p".repeat(LENGTH as usize - 4));
        assert_eq!(outcome.text().matches(&body).count(), 2);
        assert!(outcome.text().ends_with("\r\n\r\nshort"));
    }
}

/// Where nothing may go past the buffer, nobody is asked, and what is written instead is the answer.
#[test]
fn nothing_goes_past_where_the_length_is_unknown_or_the_client_takes_none() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let head = response.status(200);
        let mut body = if request.path() == "/" { head.stream().await? } else { head.length(3).stream().await? };
        let asked = body.write_past(|_, _| -> Poll<Result<u64, ()>> { panic!("nobody is asked") }).await?;
        assert_eq!(asked, Ok(0));
        body.write("abc").await?;
        assert_eq!(body.write_past(|_, _| -> Poll<Result<u64, ()>> { panic!("it is over") }).await?, Ok(0));
        body.finish().await
    };
    for (request, end) in [
        ("GET / HTTP/1.1", "\r\n\r\n0003\r\nabc\r\n0\r\n\r\n"),
        ("GET / HTTP/1.0", "\r\n\r\nabc"),
        ("HEAD / HTTP/1.1", "\r\n\r\n"),
        ("HEAD /length HTTP/1.1", "content-length: 3\r\n\r\n"),
    ] {
        let outcome = Bench::new().run(&handler, &[format!("{request}\r\n{HOST}").as_bytes()]);
        assert_eq!((outcome.statuses(), outcome.text().ends_with(end)), (vec![200], true), "{request}: {outcome:?}");
    }
}

#[test]
fn a_client_of_http_1_0_is_sent_a_body_past_the_buffer() {
    let past = Rc::new(Past::default());
    let handler = async |request: Request<'_>, response: Response<'_>| mixed(&past, request, response).await;
    let (outcome, _) = serve(&mut Bench::new(), &past, u64::MAX, &handler, "GET / HTTP/1.0\r\n\r\n");
    assert!(outcome.text().ends_with(&format!("<<{}>>", "p".repeat(LENGTH as usize - 4))), "{:?}", outcome.stop);
}

/// What went past the buffer earns time, as any byte does, and a client that takes no more is given up when it is used up.
#[test]
fn a_client_that_takes_no_more_is_given_up_by_the_write_rate() {
    let grace = Duration::from_secs(3);
    let mut bench = Bench::with(Limits { write_grace: grace, write_rate: 1_000, ..Limits::DEFAULT });
    bench.open = true;
    let past = Rc::new(Past::default());
    let handler = async |request: Request<'_>, response: Response<'_>| mixed(&past, request, response).await;
    for room in [0, 20_000] {
        let (outcome, time) = serve(&mut bench, &past, room, &handler, &format!("GET / HTTP/1.1\r\n{HOST}"));
        assert_eq!(outcome.stop, Stop::Ended(Ended::Reset), "{outcome:?}");
        let out = outcome.out.len() as u64;
        // A thousand bytes earn a second; the head's are among them.
        assert_eq!(time, 3_000 + out, "{room}");
        assert!(outcome.text().ends_with('p') == (room > 0) && out < LENGTH);
    }
}

/// What the host's part says ends the wait; then the answer is cut.
#[test]
fn an_error_of_the_hosts_cuts_the_answer() {
    let past = Rc::new(Past::default());
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).length(LENGTH).stream().await?;
        assert_eq!(body.write_past(|_, _| past.poll(1_000)).await?, Ok(1_000));
        assert_eq!(body.write_past(|_, _| Poll::Ready(Err("over"))).await?, Err("over"));
        // More than is left can't have been sent.
        assert_eq!(body.write_past(|_, _| Poll::Ready(Ok::<_, ()>(u64::MAX))).await?, Ok(LENGTH - 1_000));
        assert_eq!(body.write_past(|_, _| Poll::Ready(Ok::<_, ()>(1))).await?, Ok(0));
        Err::<Sent, _>(Failure::new(500))
    };
    let ask = format!("GET / HTTP/1.1\r\n{HOST}");
    let (outcome, _) = serve(&mut Bench::new(), &past, u64::MAX, &handler, &[&ask[..], &ask].concat());
    assert_eq!((outcome.statuses(), outcome.text().ends_with('p')), (vec![200], true));
    assert!(matches!(outcome.stop, Stop::Ended(Ended::Linger | Ended::Close)), "{:?}", outcome.stop);
}

/// A host that doesn't speak HTTP/1.1 takes the body from the buffer.
#[test]
fn nothing_goes_past_the_buffer_of_a_plain_exchange() {
    let head = PlainHead { method: Span::new(0, 3), target: Span::new(3, 4), authority: Span::new(4, 5), body: None };
    let head = Head::plain(b"GET/a", &[], head);
    let (mut input, mut output, mut state) = ([0; 64], [0; 256], ExchangeState::new());
    let memory = PlainMemory { input: &mut input, filled: 0, state: &mut state, output: &mut output };
    let (limits, context) = (Limits::DEFAULT, RequestContext::default());
    let exchange = Exchange::plain(head, memory, &context, &limits);
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).length(3).stream().await?;
        let asked = body.write_past(|_, _| -> Poll<Result<u64, ()>> { panic!("nobody is asked") }).await?;
        assert_eq!(asked, Ok(0));
        body.write("abc").await?;
        body.finish().await
    };
    let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
    let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
    assert_eq!(exchange.end(result), PlainEnd::Answered);
    assert_eq!(exchange.drain(|body| (body.len(), body.to_vec())).unwrap(), b"abc");
}

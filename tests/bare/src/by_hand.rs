//! A connection and its exchange without `serve`: what a host of another kind does.

use core::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use midge::{
    Clock, Connection, Date, Exchange, ExchangeState, Failure, Field, Head, Instant, Limits, ManualClock, Peer,
    PlainEnd, PlainHead, PlainMemory, Reject, Request, RequestContext, RequestId, Response, Sent, Slot, Span, State,
    Step, Verdict,
};

use crate::{
    checks::{Checks, Text, check},
    io::{at_once, put},
    served::find,
};

const FILE: u32 = 3;

/// Calls them all.
pub fn reach(checks: &mut Checks) {
    // As their documentation says of addresses with 32 bits.
    check!(checks, Slot::SIZE <= 1_528);
    check!(checks, Connection::SIZE <= 40);
    check!(checks, Exchange::SIZE <= 72);
    exchanged(checks);
    refused(checks);
    given_up(checks);
    plain(checks);
}

/// A request whose body comes late, answered by a handler that is polled here.
fn exchanged(checks: &mut Checks) {
    let (mut input, mut output, mut fields) = ([0; 1_024], [0; 1_024], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let (limits, clock, now) = (Limits::DEFAULT, ManualClock::new(), Instant::from_millis(black_box(1)));
    clock.set(now);
    let mut connection = Connection::new(&mut slot, &limits, now);
    check!(checks, connection.step(&clock) == Step::Idle && connection.state() == State::Idle);
    check!(checks, connection.deadline() == Some(now.after(limits.idle_time)));

    let request = black_box(&b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"[..]);
    let count = put(request, connection.space());
    connection.filled(count);
    check!(checks, connection.step(&clock) == Step::Exchange && connection.state() == State::Exchange);
    let context = RequestContext { peer: Peer::Unix, id: RequestId::Text("r-1"), ..RequestContext::default() };
    let exchange = connection.exchange(&context);
    context.date.set(Some(Date::from_unix_seconds(0)));
    exchange.close_after();
    context.now.set(now);
    exchange.request().limit_time(Duration::from_secs(1));
    let second = Duration::from_secs(1);
    check!(checks, exchange.time_limit() == Some(second) && exchange.deadline() == Some(now.after(second)));

    let mut waits = Context::from_waker(Waker::noop());
    let mut future = pin!(echo(exchange.request(), exchange.response()));
    check!(checks, future.as_mut().poll(&mut waits).is_pending());
    check!(checks, exchange.want().input);
    check!(checks, exchange.drain(taken).is_some_and(|sent| find(sent.as_str().as_bytes(), b" 100 ").is_some()));
    check!(checks, exchange.fill(|space| (put(b"hello", space), ())).is_some());
    exchange.end_of_input();
    check!(checks, matches!(future.as_mut().poll(&mut waits), Poll::Ready(Ok(_))));
    let Some(sent) = exchange.drain(taken) else { return check!(checks, false) };
    let sent = sent.as_str();
    check!(checks, sent.contains("\r\nconnection: close\r\n") && sent.ends_with("\r\n\r\nhello"));
    check!(checks, sent.contains("\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
}

/// A head that never ends is refused when its time is over.
fn refused(checks: &mut Checks) {
    let (mut input, mut output, mut fields) = ([0; 1_024], [0; 1_024], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let (limits, clock) = (Limits { head_time: Duration::from_secs(1), ..Limits::DEFAULT }, ManualClock::new());
    let mut connection = Connection::new(&mut slot, &limits, clock.now());
    let count = put(black_box(b"GET / HTTP/1.1\r\nHost"), connection.space());
    connection.filled(count);
    check!(checks, connection.step(&clock) == Step::Read && connection.state() == State::Head);
    check!(checks, connection.deadline() == Some(Instant::from_millis(1_000)));
    clock.advance(Duration::from_secs(1));
    connection.expire(&clock);
    check!(checks, connection.step(&clock) == Step::Write);
    check!(checks, connection.pending().starts_with(b"HTTP/1.1 408 "));
    let count = connection.pending().len();
    connection.wrote(count);
    check!(checks, connection.pending().is_empty() && connection.step(&clock) == Step::Linger);
}

/// An exchange that its driver ends: a body that is refused, and then an answer that nobody takes.
fn given_up(checks: &mut Checks) {
    let (mut input, mut output, mut fields) = ([0; 1_024], [0; 1_024], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let (limits, clock) = (Limits::DEFAULT, ManualClock::new());
    let mut connection = Connection::new(&mut slot, &limits, clock.now());
    let count = put(black_box(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"), connection.space());
    connection.filled(count);
    check!(checks, connection.step(&clock) == Step::Exchange);
    let context = RequestContext::default();
    let verdict = {
        let exchange = connection.exchange(&context);
        exchange.refuse_body(Reject::BodyTimeout);
        check!(checks, !exchange.is_upgraded());
        check!(checks, !exchange.is_answered());
        let Some(result) = at_once(echo(exchange.request(), exchange.response())) else { return check!(checks, false) };
        check!(checks, result.as_ref().is_err_and(|failure| failure.status().code() == 408));
        check!(checks, exchange.ended(result) == Verdict::Close);
        exchange.give_up();
        Verdict::Reset
    };
    connection.finish(verdict, clock.now());
    check!(checks, connection.step(&clock) == Step::Reset);
}

/// A request that did not come as HTTP/1.1, and an answer that does not go out as it.
fn plain(checks: &mut Checks) {
    let bytes = black_box(&b"POST/fn?qexample.comx-idr-2"[..]);
    let head = PlainHead { method: Span::new(0, 4), target: Span::new(4, 9), authority: Span::new(9, 20), body: None };
    let table = [Field::new(Span::new(20, 24), Span::new(24, 27))];
    let head = Head::plain(bytes, &table, head);
    let (mut input, mut output) = (*b"hello...", [0; 256]);
    let mut state = ExchangeState::new();
    let memory = PlainMemory { input: &mut input, filled: 5, state: &mut state, output: &mut output };
    let limits = Limits::DEFAULT;
    let context = RequestContext::default();
    let exchange = Exchange::plain(head, memory, &context, &limits);
    exchange.end_of_input();
    check!(checks, exchange.request().query() == Some("q") && exchange.request().header("x-id") == Some("r-2"));
    let Some(result) = at_once(echo(exchange.request(), exchange.response())) else { return check!(checks, false) };
    check!(checks, exchange.end(result) == PlainEnd::Answered);
    check!(checks, exchange.added_lines(<[u8]>::is_empty));
    let Some(answer) = exchange.answer_head() else { return check!(checks, false) };
    check!(checks, answer.status().code() == 200 && answer.length() == Some(5));
    check!(checks, answer.lines() == b"x-echo: yes\r\n" && answer.fields().eq([("x-echo", &b"yes"[..])]));
    drop(answer);
    let whole = exchange
        .whole_answer(|whole| whole.lines == b"x-echo: yes\r\n" && whole.body == b"hello" && whole.length == Some(5));
    check!(checks, whole == Some(true));
    check!(checks, exchange.drain(taken).is_some_and(|sent| sent.as_str() == "hello"));
}

async fn echo(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let body = request.body().all().await?;
    response.status(200).header("x-echo", "yes").body(body).await
}

/// Takes all of what may go out.
fn taken(pending: &[u8]) -> (usize, Text) {
    (pending.len(), Text::of(format_args!("{}", str::from_utf8(pending).unwrap_or_default())))
}

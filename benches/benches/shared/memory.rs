//! Exchanges in memory: a request in, an answer out, again and again over one connection.

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use criterion::{BenchmarkGroup, measurement::WallTime};
use midge::{Clock, Connection, Field, Handler, Limits, ManualClock, RequestContext, Slot, Step};

/// Takes an answer's bytes, in one piece or several, as a socket would.
pub type Sink<'s> = &'s mut dyn FnMut(&[u8]);

/// An answer, as anyone reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// In order, with names in small letters.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Has a request answered once and looks at the answer, and then as often as criterion likes.
pub fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    wanted: &Answer,
    mut exchange: impl FnMut(Sink<'_>),
) {
    let mut answer = Vec::new();
    exchange(&mut |bytes| answer.extend_from_slice(bytes));
    assert_eq!(read(&answer).as_ref(), Some(wanted), "{name}: {:?}", String::from_utf8_lossy(&answer));
    group.bench_function(name, |b| b.iter(|| exchange(&mut |bytes| _ = black_box(bytes))));
}

/// Reads an answer whose body is all that follows its head; `None` if it isn't well-formed.
fn read(bytes: &[u8]) -> Option<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else { return None };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut fields: Vec<_> =
        head.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
    fields.sort();
    Some(Answer { status: head.code?, fields, body: bytes.get(length..)?.to_vec() })
}

/// Gives `run` a function that has `handler` answer `request` over one connection of midge's.
pub fn with_midge<H: Handler>(handler: &H, request: &[u8], run: impl FnOnce(&mut dyn FnMut(Sink<'_>))) {
    let (mut input, mut output, mut fields) = ([0; 32_768], [0; 16_384], [Field::EMPTY; 132]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields);
    let (limits, clock, context) = (Limits::DEFAULT, ManualClock::new(), RequestContext::default());
    let mut connection = Connection::new(&mut slot, &limits, clock.now());
    run(&mut |sink| exchange(&mut connection, &clock, &context, handler, black_box(request), sink));
}

/// A host in memory: what `serve` does, without sockets and without a waker, for handlers that are ready at once.
fn exchange<H: Handler>(
    connection: &mut Connection<'_, '_>,
    clock: &ManualClock,
    context: &RequestContext<'_>,
    handler: &H,
    request: &[u8],
    sink: Sink<'_>,
) {
    if let Some(space) = connection.space().get_mut(..request.len()) {
        space.copy_from_slice(request);
    }
    connection.filled(request.len());
    loop {
        match connection.step(clock) {
            Step::Exchange => {
                let exchange = connection.exchange(context);
                let verdict = {
                    let answering = pin!(handler.handle(exchange.request(), exchange.response()));
                    let Poll::Ready(result) = answering.poll(&mut Context::from_waker(Waker::noop())) else { return };
                    exchange.ended(result)
                };
                connection.finish(verdict, clock.now());
            }
            Step::Write => {
                let pending = connection.pending();
                sink(pending);
                let count = pending.len();
                connection.wrote(count);
            }
            _ => return,
        }
    }
}

/// Has http-net read `request` and `respond` to it. What it answers with is written into `out`.
pub fn by_http_net(
    connection: &mut http_net::ServerConn,
    request: &[u8],
    out: &mut Vec<u8>,
    respond: impl Fn(&mut http_net::ServerConn, &mut Vec<u8>),
    sink: Sink<'_>,
) {
    assert_eq!(connection.feed(request), request.len());
    out.clear();
    loop {
        match connection.poll() {
            Ok(http_net::ServerEvent::Request(head)) => _ = black_box(head.path()),
            Ok(http_net::ServerEvent::RequestEnd) => respond(connection, out),
            Ok(http_net::ServerEvent::Body(_)) => {}
            _ => return sink(out),
        }
    }
}

/// Has ureq-proto read `request` and answer it.
pub fn by_ureq(
    request: &[u8],
    response: impl FnOnce() -> Option<ureq_proto::http::Response<()>>,
    body: &[u8],
    out: &mut [u8],
    sink: Sink<'_>,
) -> Option<()> {
    use ureq_proto::server::{RecvRequestResult, Reply, SendResponseResult};

    let mut reply = Reply::new().ok()?;
    black_box(reply.try_request(request).ok()?.1?.uri().path());
    let RecvRequestResult::ProvideResponse(reply) = reply.proceed()? else { return None };
    let mut reply = reply.provide(response()?).ok()?;
    let mut written = reply.write(out).ok()?;
    if let SendResponseResult::SendBody(mut reply) = reply.proceed() {
        written += reply.write(body, out.get_mut(written..)?).ok()?.1;
    }
    sink(out.get(..written)?);
    Some(())
}

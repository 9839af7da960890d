//! Handlers that call everything of a request and an answer, served from a pool of slots and by `testing::call`.

use core::{cell::Cell, hint::black_box, pin::pin, task::Poll, time::Duration};

use embedded_io_async::{Read, Write};
use midge::{
    BodyFraming, Ended, Failure, FieldLines, Handler, Instant, Limits, ManualClock, Method, Peer, Request, RequestId,
    Response, Sent, SlotPool, State, Version, Watch, linger, serve, serve_ready,
    testing::{self, Scratch},
};

use crate::{
    checks::{Checks, Text, check},
    io::{Silent, Wire, at_once},
    values::body_error,
};

const FILE: u32 = 2;

/// Calls them all.
pub fn reach(checks: &mut Checks) {
    served(checks);
    called(checks);
    lingered(checks);
}

/// All handlers in one burst, each on its path: whatever they find wrong is answered 500.
fn served(checks: &mut Checks) {
    let pool = SlotPool::<2, 4_096, 4_096, 24>::new();
    check!(checks, pool.free() == 2);
    let Some(mut pooled) = pool.take() else { return check!(checks, false) };
    let mut slot = pooled.slot();
    let (clock, watch) = (ManualClock::new(), Watch::new());
    clock.set_unix_seconds(784_111_777);
    let limits = Limits { request_time: Some(Duration::from_secs(9)), ..Limits::DEFAULT };

    for (request, wanted) in black_box(&REQUESTS) {
        let mut wire = Wire::new(request);
        watch.reset();
        watch.set_next_id(7);
        let ended = at_once(serve(&mut wire, &Everything, &mut slot, &limits, &clock, Peer::Unix, &watch));
        check!(checks, matches!(ended, Some(Ok(Ended::Close | Ended::Linger))));
        check!(checks, watch.state() == State::Closed || watch.state() == State::Linger);
        check!(checks, find(wire.received(), b"HTTP/1.1 500").is_none());
        check!(checks, find(wire.received(), wanted).is_some());
    }

    let mut wire = Wire::new(black_box(b"GET /head?q HTTP/1.1\r\nHost: a\r\nAccept: 1\r\nAccept: 2\r\n\r\n"));
    watch.reset();
    watch.set_next_id(7);
    let ready = at_once(serve_ready(&mut wire, &Everything, &mut slot, &limits, &clock, Peer::Unix, &watch));
    check!(checks, matches!(ready, Some(Ok(Ended::Idle))) && watch.state() == State::Idle);
    watch.close_after_answer();
    check!(checks, find(wire.received(), b"Sun, 06 Nov 1994 08:49:37 GMT").is_some());
}

/// `testing::call`, and what its answer tells.
fn called(checks: &mut Checks) {
    let mut scratch = Scratch::new();
    let request = black_box(&b"GET /interim HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n"[..]);
    let Ok(answer) = testing::call(&Everything, request, &mut scratch) else { return check!(checks, false) };
    check!(checks, answer.status() == 200 && answer.interims() == [103] && answer.body() == b"hinted");
    check!(checks, answer.header("x-count") == Some("12") && answer.headers().get("server") == Some(&b"midge"[..]));
    check!(checks, answer.rest().starts_with(b"HTTP/1.1 404"));

    // A body that is larger than what may be gathered of it.
    let request = black_box(&b"POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n"[..]);
    let mut refused = None;
    let handler = Refused(Cell::new(None));
    check!(checks, testing::call(&handler, request, &mut scratch).is_ok_and(|answer| answer.status() == 413));
    if let Some(error) = handler.0.take() {
        refused = Some(error);
        body_error(checks, error);
    }
    check!(checks, refused.is_some());
}

fn lingered(checks: &mut Checks) {
    let (clock, watch) = (ManualClock::new(), Watch::new());
    let mut wire = Wire::new(black_box(b"what a client still sends"));
    let done = at_once(linger(&mut wire, &Limits::DEFAULT, &clock, &watch));
    check!(checks, matches!(done, Some(Ok(()))));

    // One that neither sends nor closes is waited for until the deadline, or until the host says that it has passed.
    let mut silent = Silent;
    let mut lingering = pin!(linger(&mut silent, &Limits::DEFAULT, &clock, &watch));
    check!(checks, at_once(lingering.as_mut()).is_none());
    check!(checks, watch.deadline() == Some(Instant::from_millis(0).after(Limits::DEFAULT.linger_time)));
    watch.expire();
    check!(checks, matches!(at_once(lingering.as_mut()), Some(Ok(()))));
}

/// Keeps why it could not read its body.
struct Refused(Cell<Option<midge::BodyError>>);

impl Handler for Refused {
    async fn handle(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match request.body().all().await {
            Ok(body) => response.status(200).body(body).await,
            Err(error) => {
                self.0.set(Some(error));
                Err(error.into())
            }
        }
    }
}

/// One handler for each path.
struct Everything;

impl Handler for Everything {
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        everything(request, response)
    }
}

async fn everything(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/head" => {
            head_is_read(&request)?;
            response.status(200).body("read").await
        }
        "/interim" => interim(response).await,
        "/chunk" => {
            let mut bytes = 0;
            while let Some(chunk) = request.body().chunk().await? {
                holds(chunk.as_ref().len() == chunk.len())?;
                bytes += chunk.len();
            }
            holds(bytes == 10 && request.body().is_over() && request.content_length().is_none())?;
            let trailers = request.body().trailers().ok_or(Failure::new(500))?;
            holds(trailers.get("checked") == Some(b"yes"))?;
            response.status(200).body("chunked").await
        }
        "/read" => {
            let mut buffer = [0; 4];
            holds(request.body().read(&mut buffer).await? == 4 && buffer == *b"hell")?;
            let mut body = request.into_body();
            holds(Read::read(&mut body, &mut buffer).await? == 1)?;
            response.status(200).close().body("read").await
        }
        "/all" => {
            let body = request.body().all().await?;
            response.status(200).body(body).await
        }
        "/all-mut" => {
            let body = request.body().all_mut().await?;
            body.make_ascii_uppercase();
            response.status(200).body(body).await
        }
        "/empty" => response.status(204).empty().await,
        "/stream" => {
            let mut body = response.status(200).stream().await?;
            body.write("one ").await?;
            body.flush().await?;
            body.write("two").await?;
            body.trailer("checked", "yes").await?;
            body.finish().await
        }
        "/length" => {
            let mut body = response.status(200).length(6).stream().await?;
            body.write("leng").await?;
            let put = body.write_with(|space| {
                space.copy_from_slice(b"th");
                Ok::<_, Failure>(2)
            });
            holds(put.await?? == 2)?;
            // Nothing is left, and so nobody asked.
            holds(body.write_past(|_, _| Poll::Ready(Ok::<_, Failure>(1))).await?? == 0)?;
            body.finish().await
        }
        "/upgrade" => upgrade(response).await,
        "/offer" => response.status(426).offer_upgrade("check").empty().await,
        _ => Err(Failure::new(404).because("no such check")),
    }
}

fn head_is_read(request: &Request<'_>) -> Result<(), Failure> {
    let (head, headers) = (request.head(), request.headers());
    holds(request.method() == Method::Get && head.method() == Method::Get)?;
    holds(request.target() == "/head?q" && head.target() == "/head?q" && head.path() == "/head")?;
    holds(request.query() == Some("q") && head.query() == Some("q"))?;
    holds(request.authority() == "a" && head.authority() == "a")?;
    holds(request.version() == Version::Http11 && head.version() == Version::Http11)?;
    holds(headers.len() == 3 && !headers.is_empty() && head.fields().len() == 3)?;
    holds(headers.get("host") == Some(b"a") && request.header("ACCEPT") == Some("1"))?;
    holds(headers.all("accept").count() == 2 && headers.iter().count() == 3)?;
    holds(head.framing().body == BodyFraming::Length(0) && request.content_length() == Some(0))?;
    holds(!request.offers_upgrade("websocket"))?;
    holds(request.peer() == Peer::Unix && request.id() == RequestId::Number(7))?;
    holds(request.deadline() == Some(Instant::from_millis(9_000)))?;
    holds(Text::of(format_args!("{request:?}")).as_str().contains("/head?q"))
}

async fn interim(mut response: Response<'_>) -> Result<Sent, Failure> {
    const SERVER: FieldLines = FieldLines::new("server: midge\r\n");
    response.interim(103).header("link", "</a.css>; rel=preload").send().await?;
    let head = response.status(200).lines(SERVER).header("content-type", "text/plain");
    head.header_fmt("x-count", format_args!("{}", black_box(12))).body("hinted").await
}

async fn upgrade(response: Response<'_>) -> Result<Sent, Failure> {
    let mut upgraded = response.status(101).upgrade("check").await?;
    let mut buffer = [0; 2];
    holds(upgraded.read(&mut buffer).await? == 2)?;
    upgraded.write(buffer).await?;
    upgraded.flush().await?;
    holds(Read::read(&mut upgraded, &mut buffer).await? == 2)?;
    Write::write(&mut upgraded, &buffer).await?;
    Write::flush(&mut upgraded).await?;
    {
        let (mut reader, mut writer) = upgraded.split();
        holds(reader.read(&mut buffer).await? == 2)?;
        writer.write(&buffer).await?;
        writer.flush().await?;
    }
    upgraded.finish().await
}

/// A failure that the client sees, unless it holds.
fn holds(that: bool) -> Result<(), Failure> {
    if that { Ok(()) } else { Err(Failure::new(500)) }
}

/// Where `needle` stands in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// What is sent, and what has to be in the answer.
const REQUESTS: [(&[u8], &[u8]); 11] = [
    (b"GET /head?q HTTP/1.1\r\nHost: a\r\nAccept: 1\r\nAccept: 2\r\n\r\n", b"\r\n\r\nread"),
    (b"GET /interim HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 103 "),
    (
        b"POST /chunk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
          5\r\nhello\r\n5\r\nworld\r\n0\r\nChecked: yes\r\n\r\n",
        b"\r\n\r\nchunked",
    ),
    (b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"\r\n\r\nread"),
    (b"POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"\r\n\r\nhello"),
    (b"POST /all-mut HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"\r\n\r\nHELLO"),
    (b"GET /empty HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 204 "),
    (b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\nchecked: yes\r\n\r\n"),
    (b"GET /length HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\nlength"),
    (b"GET /offer HTTP/1.1\r\nHost: a\r\n\r\n", b"upgrade: check\r\n"),
    (b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: check\r\n\r\nabcdef", b"\r\n\r\nabcdef"),
];

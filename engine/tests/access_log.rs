//! The access log's lines.

#![cfg(feature = "log")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    cell::{Cell, RefCell},
    future::pending,
    sync::Once,
    time::Duration,
};

use common::{Bench, Wire, to_the_deadline};
use log::{Level, LevelFilter, Log, Metadata, Record};
use midge::{
    Failure, Handler, Request, Response, Sent,
    around::{AccessLog, TimeLimit, WithRequestId},
};

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Keep;

impl Log for Keep {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        assert_eq!(record.target(), "midge::access");
        LINES.with_borrow_mut(|lines| lines.push((record.level(), record.args().to_string())));
    }

    fn flush(&self) {}
}

/// The lines that a request logs, with the clock 1,234 microseconds later whenever it is asked.
fn lines(inner: impl Handler, request: &str) -> Vec<(Level, String)> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keep).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
    LINES.take();
    let now = Cell::new(Duration::ZERO);
    let clock = || now.replace(now.get() + Duration::from_micros(1_234));
    let handler = AccessLog::new(clock, TimeLimit::new(Duration::from_secs(1), inner));
    let mut bench = Bench::new();
    let mut wire = Wire::new(&[request.as_bytes()]);
    wire.open = true;
    bench.drive(&handler, &mut wire, 1_000, to_the_deadline);
    LINES.take()
}

const GET: &str = "GET /a?b=%22 HTTP/1.1\r\nHost: a\r\n\r\n";

async fn ok(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).body("hello").await
}

#[test]
fn each_request_is_one_line() {
    let line = "unknown 0000000000000001 \"GET /a?b=%22 HTTP/1.1\" 200 5 1234us";
    assert_eq!(lines(ok, GET), [(Level::Info, line.into())]);
    let head = "HEAD / HTTP/1.0\r\nX-Request-Id: r-1\r\n\r\n";
    assert_eq!(
        lines(WithRequestId::new(ok), head),
        [(Level::Info, "unknown r-1 \"HEAD / HTTP/1.0\" 200 0 1234us".into())]
    );
    // A name that could break the line isn't let in.
    let forged = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\" 200 0\r\n\r\n";
    assert_eq!(lines(ok, forged), [(Level::Info, "unknown 0000000000000001 \"GET / HTTP/1.1\" 200 5 1234us".into())]);
}

#[test]
fn failures_are_logged_with_what_the_client_sees() {
    let fails = |status: u16| {
        async move |_: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> { Err(Failure::new(status)) }
    };
    let line = |rest: &str| format!("unknown 0000000000000001 \"GET /a?b=%22 HTTP/1.1\" {rest}");
    assert_eq!(lines(fails(404), GET), [(Level::Info, line("404 0 1234us"))]);
    assert_eq!(lines(fails(500), GET), [(Level::Warn, line("500 0 1234us"))]);
    let cut = async |_: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let mut body = response.status(200).stream().await?;
        body.write("some").await?;
        body.flush().await?;
        Err(Failure::new(500))
    };
    assert_eq!(lines(cut, GET), [(Level::Warn, line("200 4 1234us cut"))]);
    // Behind a complete answer it is nothing to the client, whether or not some of that is still here.
    let after = async |request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let _sent = ok(request, response).await?;
        Err(Failure::new(409))
    };
    assert_eq!(lines(after, GET), [(Level::Info, line("200 5 1234us"))]);
}

#[test]
fn what_is_dropped_is_logged_too() {
    let line = |rest: &str| format!("unknown 0000000000000001 \"GET /a?b=%22 HTTP/1.1\" {rest}");
    let silent = async |_: Request<'_>, _: Response<'_>| pending::<Result<Sent, Failure>>().await;
    // What the host answered in its place; its client went away without an answer.
    assert_eq!(lines(silent, GET), [(Level::Warn, line("503 51 1234us dropped"))]);
    let gone = AccessLog::new(|| Duration::ZERO, silent);
    LINES.take();
    {
        let mut bench = Bench::new();
        let mut wire = Wire::new(&[GET.as_bytes()]);
        wire.open = true;
        bench.drive(&gone, &mut wire, 10, |_| false);
    }
    assert_eq!(LINES.take(), [(Level::Warn, line("- 0 0us dropped"))]);
    let begun = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        body.write("some").await?;
        body.flush().await?;
        pending::<Result<Sent, Failure>>().await
    };
    assert_eq!(lines(begun, GET), [(Level::Warn, line("200 4 1234us dropped"))]);
}

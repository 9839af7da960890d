//! A whole exchange in memory, over a connection that is kept: a request read, a handler run, its answer written. midge against http-net,
//! hyper and ureq-proto.
//!
//! `204 to 453 bytes` is what http-net's own documentation has a figure for. ureq-proto has no connection: each of its requests begins anew.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

#[path = "shared/memory.rs"]
mod memory;
mod shared;

use std::{
    cell::RefCell,
    convert::Infallible,
    hint::black_box,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::Full;
use http_net::ServerConn;
use hyper::{rt::ReadBufCursor, server::conn::http1, service::service_fn};
use memory::{Answer, Sink, by_http_net, by_ureq, measure, with_midge};
use midge::{FieldLines, Request, Response};
use midge_benches::requests::{SCRIPT, SMALL};
use ureq_proto::http;

const TEXT: &[u8] = b"Hello, World!";
const LINES: FieldLines = FieldLines::new("content-type: text/plain\r\n");

fn exchange(c: &mut Criterion) {
    for (name, request, body) in
        [("200 to 40 bytes", SMALL, TEXT), ("200 to 453 bytes", SCRIPT, TEXT), ("204 to 453 bytes", SCRIPT, b"")]
    {
        let wanted = wanted(body);
        let mut group = c.benchmark_group(format!("exchange/{name}"));
        group.throughput(Throughput::Elements(1));

        let hello = async |request: Request<'_>, response: Response<'_>| {
            black_box(request.path());
            if body.is_empty() {
                return response.status(204).empty().await;
            }
            response.status(200).lines(LINES).body(body).await
        };
        with_midge(&hello, request, |exchange| measure(&mut group, "midge", &wanted, exchange));

        let (mut connection, mut out) = (ServerConn::new(), Vec::with_capacity(4_096));
        let response = match body {
            b"" => http_net::Response::new(204),
            _ => http_net::Response::new(200).header("content-type", "text/plain").body(body),
        };
        measure(&mut group, "http-net", &wanted, |sink| {
            let write =
                |connection: &mut ServerConn, out: &mut Vec<u8>| connection.respond(&response, out).unwrap_or_default();
            by_http_net(&mut connection, black_box(request), &mut out, write, sink);
        });

        with_hyper(body, request, |exchange| measure(&mut group, "hyper", &wanted, exchange));

        let mut out = [0; 4_096];
        measure(&mut group, "ureq-proto", &wanted, |sink| {
            by_ureq(black_box(request), || for_ureq(body), body, &mut out, sink).unwrap_or_default();
        });
        group.finish();
    }
}

fn wanted(body: &[u8]) -> Answer {
    if body.is_empty() {
        return Answer { status: 204, fields: Vec::new(), body: Vec::new() };
    }
    let fields = [("content-length", "13"), ("content-type", "text/plain")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Answer { status: 200, fields, body: body.to_vec() }
}

fn for_ureq(body: &[u8]) -> Option<http::Response<()>> {
    if body.is_empty() {
        return http::Response::builder().status(204).body(()).ok();
    }
    let response = http::Response::builder().status(200).header("content-type", "text/plain");
    response.header("content-length", http::HeaderValue::from(body.len())).body(()).ok()
}

/// Gives `run` a function that has hyper answer `request` over one connection.
fn with_hyper(body: &'static [u8], request: &[u8], run: impl FnOnce(&mut dyn FnMut(Sink<'_>))) {
    let wire = Rc::new(RefCell::new(Ends { request: Vec::new(), answer: Vec::new() }));
    let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
        black_box(request.uri().path());
        let response = hyper::Response::builder();
        let response = match body {
            b"" => response.status(204),
            _ => response.header("content-type", "text/plain"),
        };
        Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(body))).unwrap_or_default())
    });
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false);
    let mut connection = pin!(builder.serve_connection(Wire(Rc::clone(&wire)), service));
    run(&mut |sink| {
        wire.borrow_mut().request.extend_from_slice(black_box(request));
        let polled = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "{polled:?}");
        let mut ends = wire.borrow_mut();
        sink(&ends.answer);
        ends.answer.clear();
    });
}

/// What hyper has yet to read, and what it wrote.
struct Ends {
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// hyper's side of a connection whose other side is in [`Ends`].
struct Wire(Rc<RefCell<Ends>>);

impl hyper::rt::Read for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut ends = self.0.borrow_mut();
        if ends.request.is_empty() {
            return Poll::Pending;
        }
        let count = ends.request.len().min(buf.remaining());
        buf.put_slice(ends.request.get(..count).unwrap_or_default());
        ends.request.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().answer.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

criterion_group!(name = benches; config = shared::criterion(); targets = exchange);
criterion_main!(benches);

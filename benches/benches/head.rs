//! Reading a request's head: midge against httparse alone, picohttpparser, http-net and ureq-proto.
//!
//! They don't do the same. httparse and picohttpparser find the lines and where names and values begin; midge and http-net also check
//! the target and `Host`, and decide where the message ends; ureq-proto copies all of it into the `http` crate's types. midge's and
//! http-net's share of that can't be asked for apart.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod shared;

use std::{hint::black_box, mem::MaybeUninit};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_net::{FieldSpan, Parsed};
use midge::{Clock, Connection, Field, Limits, ManualClock, RequestContext, Slot, Step};
use midge_bench_pico as pico;
use midge_benches::requests::{BROWSER, LARGE, SMALL};

fn head(c: &mut Criterion) {
    for (name, request) in [("40 bytes", SMALL), ("700 bytes", BROWSER), ("2 KiB", LARGE)] {
        let wanted = with_httparse(request, read_all);
        assert!(wanted.is_some());
        let mut group = c.benchmark_group(format!("head/{name}"));
        group.throughput(Throughput::Bytes(request.len() as u64));

        let (mut input, mut output, mut fields) = ([0; 32_768], [0; 16_384], [Field::EMPTY; 132]);
        let mut slot = Slot::new(&mut input, &mut output, &mut fields);
        assert_eq!(with_midge(&mut slot, request, true, read_all), wanted);
        group.bench_function("midge", |b| b.iter(|| with_midge(&mut slot, request, false, count)));

        group.bench_function("httparse", |b| b.iter(|| with_httparse(black_box(request), count)));

        assert_eq!(with_pico(request, &mut pico::Fields::new(), read_all), wanted);
        let mut fields = pico::Fields::new();
        group.bench_function("picohttpparser", |b| b.iter(|| with_pico(black_box(request), &mut fields, count)));

        let (limits, mut spans) = (http_net::Limits::new(), [FieldSpan::default(); 100]);
        assert_eq!(with_http_net(request, &limits, &mut spans, read_all), wanted);
        group.bench_function("http-net", |b| {
            b.iter(|| with_http_net(black_box(request), &limits, &mut spans, count));
        });

        assert_eq!(with_ureq(request).map(|(length, request)| seen_in_types(length, &request)), wanted.map(sorted));
        group.bench_function("ureq-proto", |b| b.iter(|| with_ureq(black_box(request))));
        group.finish();
    }
}

/// What a reader found in a head.
#[derive(Debug, PartialEq)]
struct Seen {
    length: usize,
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// Reads on a connection that has read its like before. The bytes stay where they are in its buffer, and only the first call puts them there.
fn with_midge<R>(slot: &mut Slot<'_>, request: &[u8], put: bool, read: impl FnOnce(Found<'_, '_>) -> R) -> Option<R> {
    let (limits, clock, context) = (Limits::DEFAULT, ManualClock::new(), RequestContext::default());
    let mut connection = Connection::new(slot, &limits, clock.now());
    if put {
        connection.space().get_mut(..request.len())?.copy_from_slice(request);
    }
    connection.filled(black_box(request.len()));
    if connection.step(&clock) != Step::Exchange {
        return None;
    }
    let exchange = connection.exchange(&context);
    let seen = exchange.request();
    let mut fields = seen.headers().bytes();
    // There is nothing behind the head.
    let (length, method, target, count) = (request.len(), seen.method().as_str(), seen.target(), fields.len());
    Some(read(Found { length, method, target, count, fields: &mut fields }))
}

fn with_httparse<R>(request: &[u8], read: impl FnOnce(Found<'_, '_>) -> R) -> Option<R> {
    // The others don't clear their tables either.
    let mut fields = [const { MaybeUninit::uninit() }; 100];
    let mut parsed = httparse::Request::new(&mut []);
    let httparse::Status::Complete(length) = parsed.parse_with_uninit_headers(request, &mut fields).ok()? else {
        return None;
    };
    let found = Found {
        length,
        method: parsed.method?,
        target: parsed.path?,
        count: parsed.headers.len(),
        fields: &mut parsed.headers.iter().map(|field| (field.name.as_bytes(), field.value)),
    };
    Some(read(found))
}

fn with_pico<R>(request: &[u8], fields: &mut pico::Fields, read: impl FnOnce(Found<'_, '_>) -> R) -> Option<R> {
    let head = pico::parse_request(request, fields)?;
    let part = |(start, length): (usize, usize)| request.get(start..start + length).unwrap_or_default();
    let text = |span| str::from_utf8(part(span)).unwrap_or_default();
    let pair = |index| fields.name_and_value(index, request).map(|[name, value]| (part(name), part(value)));
    let found = Found {
        length: head.length,
        method: text(head.method),
        target: text(head.target),
        count: head.fields,
        fields: &mut (0..head.fields).filter_map(pair),
    };
    Some(read(found))
}

fn with_http_net<R>(
    request: &[u8],
    limits: &http_net::Limits,
    spans: &mut [FieldSpan],
    read: impl FnOnce(Found<'_, '_>) -> R,
) -> Option<R> {
    let Ok(Parsed::Complete { head, len }) = http_net::parse_request_head(request, limits, spans) else { return None };
    let view = head.view();
    let headers = view.headers();
    let found = Found {
        length: len,
        method: view.method_str(),
        target: view.target(),
        count: headers.len(),
        fields: &mut headers.map(|(name, value)| (name.as_bytes(), value)),
    };
    Some(read(found))
}

fn with_ureq(request: &[u8]) -> Option<(usize, ureq_proto::http::Request<()>)> {
    ureq_proto::parser::try_parse_request::<100>(request).ok().flatten()
}

/// A head as each of them gives it.
struct Found<'f, 'i> {
    length: usize,
    method: &'f str,
    target: &'f str,
    count: usize,
    fields: &'i mut dyn Iterator<Item = (&'f [u8], &'f [u8])>,
}

fn read_all(found: Found<'_, '_>) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<_> = found.fields.map(|(name, value)| (text(name), value.to_vec())).collect();
    assert_eq!(fields.len(), found.count);
    Seen { length: found.length, method: found.method.into(), target: found.target.into(), fields }
}

/// What is looked at where time is taken: enough that no reader's work is left out.
fn count(found: Found<'_, '_>) -> usize {
    found.length + found.method.len() + found.target.len() + found.count
}

/// The `http` crate's types have names in small letters, and in an order of their own.
fn seen_in_types(length: usize, request: &ureq_proto::http::Request<()>) -> Seen {
    let fields = request.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    sorted(Seen { length, method, target, fields: fields.collect() })
}

fn sorted(mut seen: Seen) -> Seen {
    for (name, _) in &mut seen.fields {
        name.make_ascii_lowercase();
    }
    seen.fields.sort();
    seen
}

criterion_group!(name = benches; config = shared::criterion(); targets = head);
criterion_main!(benches);

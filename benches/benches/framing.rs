//! Deciding where a request's message ends. The decision alone is midge's: no peer's can be asked for apart from reading a head. So beside
//! it stand whole heads that are hardly more than their framing, read by midge, http-net and ureq-proto.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod shared;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_net::{FieldSpan, Parsed};
use midge::{
    BodyFraming, Clock, Connection, Facts, Field, Framing, Limits, ManualClock, RequestContext, Slot, Step, Version,
    framing,
};
use ureq_proto::{
    BodyMode,
    server::{RecvRequestResult, Reply},
};

/// What a reader says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Length(u64),
    Chunked,
    Refused,
}

/// A request's name here, its fields, and what they say.
type Case = (&'static str, &'static [(&'static str, &'static str)], Verdict);

const CASES: [Case; 4] = [
    ("no body", &[("Host", "a"), ("Connection", "keep-alive")], Verdict::Length(0)),
    ("length", &[("Host", "a"), ("Content-Length", "1234"), ("Connection", "keep-alive, foo")], Verdict::Length(1_234)),
    ("chunked", &[("Host", "a"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive")], Verdict::Chunked),
    ("both", &[("Host", "a"), ("Content-Length", "1234"), ("Transfer-Encoding", "chunked")], Verdict::Refused),
];

fn decision(c: &mut Criterion) {
    for (name, fields, wanted) in CASES {
        let mut group = c.benchmark_group(format!("framing/decision, {name}"));
        group.throughput(Throughput::Elements(1));
        assert_eq!(decide(fields), wanted);
        group.bench_function("midge", |b| b.iter(|| decide(black_box(fields))));
        group.finish();
    }
}

fn whole(c: &mut Criterion) {
    for (name, fields, wanted) in CASES {
        // ureq-proto takes a POST that says nothing of its body for a chunked one.
        let method = if wanted == Verdict::Length(0) { "GET" } else { "POST" };
        let mut request = format!("{method} / HTTP/1.1\r\n").into_bytes();
        for (name, value) in fields {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        let mut group = c.benchmark_group(format!("framing/whole, {name}"));
        group.throughput(Throughput::Elements(1));

        let (mut input, mut output, mut table) = ([0; 32_768], [0; 16_384], [Field::EMPTY; 132]);
        let mut slot = Slot::new(&mut input, &mut output, &mut table);
        assert_eq!(with_midge(&mut slot, &request), wanted);
        group.bench_function("midge", |b| b.iter(|| with_midge(&mut slot, black_box(&request))));

        let (limits, mut spans) = (http_net::Limits::new(), [FieldSpan::default(); 100]);
        assert_eq!(with_http_net(&request, &limits, &mut spans), wanted);
        group.bench_function("http-net", |b| b.iter(|| with_http_net(black_box(&request), &limits, &mut spans)));

        // It goes on with the one, where the others refuse both.
        if wanted != Verdict::Refused {
            assert_eq!(with_ureq(&request), wanted);
            group.bench_function("ureq-proto", |b| b.iter(|| with_ureq(black_box(&request))));
        }
        group.finish();
    }
}

fn decide(fields: &[(&str, &str)]) -> Verdict {
    let mut facts = Facts::new(Version::Http11);
    for (name, value) in fields {
        facts.note(name.as_bytes(), value.as_bytes());
    }
    framing(&facts).map_or(Verdict::Refused, verdict)
}

fn verdict(framing: Framing) -> Verdict {
    match framing.body {
        BodyFraming::Length(bytes) => Verdict::Length(bytes),
        BodyFraming::Chunked => Verdict::Chunked,
    }
}

/// Reads on a connection that has read its like before.
fn with_midge(slot: &mut Slot<'_>, request: &[u8]) -> Verdict {
    let (limits, clock, context) = (Limits::DEFAULT, ManualClock::new(), RequestContext::default());
    let mut connection = Connection::new(slot, &limits, clock.now());
    if let Some(space) = connection.space().get_mut(..request.len()) {
        space.copy_from_slice(request);
    }
    connection.filled(request.len());
    match connection.step(&clock) {
        Step::Exchange => verdict(connection.exchange(&context).request().head().framing()),
        // Its answer, 400, has been written too.
        _ => Verdict::Refused,
    }
}

fn with_http_net(request: &[u8], limits: &http_net::Limits, spans: &mut [FieldSpan]) -> Verdict {
    match http_net::parse_request_head(request, limits, spans) {
        Ok(Parsed::Complete { head, .. }) => match head.view().framing() {
            http_net::BodyFraming::Length(bytes) => Verdict::Length(bytes),
            http_net::BodyFraming::Chunked => Verdict::Chunked,
            _ => Verdict::Length(0),
        },
        _ => Verdict::Refused,
    }
}

fn with_ureq(request: &[u8]) -> Verdict {
    let decided = || {
        let mut reply = Reply::new().ok()?;
        reply.try_request(request).ok()?.1?;
        match reply.proceed()? {
            RecvRequestResult::RecvBody(reply) => Some(reply.body_mode()),
            _ => Some(BodyMode::NoBody),
        }
    };
    match decided() {
        Some(BodyMode::LengthDelimited(bytes)) => Verdict::Length(bytes),
        Some(BodyMode::Chunked) => Verdict::Chunked,
        Some(_) => Verdict::Length(0),
        None => Verdict::Refused,
    }
}

criterion_group!(name = benches; config = shared::criterion(); targets = decision, whole);
criterion_main!(benches);

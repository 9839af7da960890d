//! A Lambda event (API Gateway, payload format 2.0) to its request, through a handler, and the answer back to JSON: midge's Lambda host against
//! `aws_lambda_events` and serde_json, which lambda_http is made of.
//!
//! lambda_http itself does what stands in [`by_types`] and more: it parses the query, keeps parameters and context as extensions, tells six
//! kinds of event apart by trying them, and boxes two futures.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

#[allow(dead_code, unused_imports, reason = "the host needs more of it, and tests it")]
#[path = "../../adapters/lambda/src/event/mod.rs"]
mod event;
mod shared;

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    encodings::Body,
    http::{self, HeaderValue, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event::Renderer;
use midge::{Exchange, ExchangeState, Field, Handler, Head, Limits, PlainMemory, Request, RequestContext, Response};

const GET: &str = include_str!("../../tests/lambda/event-2k.json");

/// Room before an event, as the host leaves it.
const ROOM: usize = 4_096;

fn event(c: &mut Criterion) {
    let picture: Vec<u8> = (0..6_144_u32).map(|at| (at % 251) as u8).collect();
    let upload = GET.replace(
        "\"isBase64Encoded\":false",
        &format!("\"body\":\"{}\",\"isBase64Encoded\":true", STANDARD.encode(&picture)),
    );
    assert!(upload.len() > GET.len() + picture.len());
    for (name, event) in [("2 KiB", GET), ("6 KiB of base64, echoed", &upload)] {
        let event = event.trim_end().as_bytes();
        let mut group = c.benchmark_group(format!("event/{name}"));
        group.throughput(Throughput::Bytes(event.len() as u64));

        let mut memory = Memory::new();
        let told = by_midge(&describe, event, &mut memory).map(json);
        assert_eq!(told, by_types(event, describe_typed).map(|answer| json(&answer)));
        assert!(told.is_some());
        let answered = by_midge(&answer, event, &mut memory).map(json);
        assert_eq!(answered, by_types(event, answer_typed).map(|answer| json(&answer)));
        assert!(answered.is_some());

        group.bench_function("midge", |b| {
            b.iter(|| by_midge(&answer, black_box(event), &mut memory).map(<[u8]>::len));
        });
        group.bench_function("aws_lambda_events", |b| b.iter(|| by_types(black_box(event), answer_typed)));
        group.finish();
    }
}

/// The host's memory, set aside at start.
struct Memory {
    event: Vec<u8>,
    table: [Field; 100],
    state: ExchangeState,
    output: [u8; 16_384],
    json: Vec<u8>,
}

impl Memory {
    fn new() -> Self {
        Self {
            event: vec![0; 65_536],
            table: [Field::EMPTY; 100],
            state: ExchangeState::new(),
            output: [0; 16_384],
            json: vec![0; 65_536],
        }
    }
}

/// The Lambda host without its connection. That the event is copied to where it is read stands for reading it from there.
fn by_midge<'m, H: Handler>(handler: &H, event: &[u8], memory: &'m mut Memory) -> Option<&'m [u8]> {
    let end = ROOM + event.len();
    memory.event.get_mut(ROOM..end)?.copy_from_slice(event);
    let read = event::read(&mut memory.event, ROOM, ROOM..end, &mut memory.table).ok()?;
    let (head, body, _) = read.split(&mut memory.event);
    let filled = body.len();
    let plain = PlainMemory { input: body, filled, state: &mut memory.state, output: &mut memory.output };
    let head = Head::plain(head, memory.table.get(..read.fields)?, read.head());
    let context = RequestContext::default();
    let exchange = Exchange::plain(head, plain, &context, &Limits::DEFAULT);
    let mut renderer = Renderer::new(read.source, &mut memory.json);
    let Poll::Ready(result) =
        pin!(handler.handle(exchange.request(), exchange.response())).poll(&mut Context::from_waker(Waker::noop()))
    else {
        return None;
    };
    exchange.end(result);
    let answer = exchange.answer_head()?;
    renderer.begin(answer.status(), answer.lines()).ok()?;
    drop(answer);
    while exchange.drain(|piece| (piece.len(), renderer.body(piece))).transpose().ok()?.is_some() {}
    let length = renderer.end().ok()?;
    memory.json.get(..length)
}

/// The same by the types that lambda_http has for events, in the order of its own mapping.
fn by_types(
    event: &[u8],
    handler: impl FnOnce(http::Request<Body>) -> Option<http::Response<Body>>,
) -> Option<Vec<u8>> {
    let event: ApiGatewayV2httpRequest = serde_json::from_slice(event).ok()?;
    let mut target = event.raw_path?;
    if let Some(query) = event.raw_query_string.filter(|query| !query.is_empty()) {
        target.push('?');
        target.push_str(&query);
    }
    let body = event.body.map_or_else(Body::default, |body| Body::from_maybe_encoded(event.is_base64_encoded, &body));
    let mut request = http::Request::builder().uri(target).body(body).ok()?;
    *request.method_mut() = event.request_context.http.method;
    *request.headers_mut() = event.headers;
    if let Some(cookies) = event.cookies {
        request.headers_mut().insert(header::COOKIE, HeaderValue::from_str(&cookies.join("; ")).ok()?);
    }
    let (parts, body) = handler(request)?.into_parts();
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = parts.status.as_u16().into();
    response.headers = parts.headers;
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = Some(body);
    serde_json::to_vec(&response).ok()
}

/// The body, echoed; a greeting to a request without one.
async fn answer(mut request: Request<'_>, response: Response<'_>) -> Result<midge::Sent, midge::Failure> {
    black_box(request.path());
    let body = request.body().all().await?;
    if body.is_empty() {
        return response.status(200).header("content-type", "application/json").body(r#"{"message":"Hello"}"#).await;
    }
    response.status(200).header("content-type", "application/octet-stream").body(body).await
}

fn answer_typed(request: http::Request<Body>) -> Option<http::Response<Body>> {
    black_box(request.uri().path());
    let (kind, body) = match request.into_body() {
        Body::Empty => ("application/json", Body::Text(r#"{"message":"Hello"}"#.to_owned())),
        body => ("application/octet-stream", body),
    };
    http::Response::builder().status(200).header("content-type", kind).body(body).ok()
}

/// What a handler sees of a request, as text.
async fn describe(mut request: Request<'_>, response: Response<'_>) -> Result<midge::Sent, midge::Failure> {
    let mut lines: Vec<_> = request.headers().iter().map(|(name, value)| line(name, value)).collect();
    lines.sort();
    let (method, target) = (request.method().as_str().to_owned(), request.target().to_owned());
    let body = request.body().all().await?;
    // Its bytes come back from the other handler.
    let text = format!("{method} {target}\n{}\n{} bytes", lines.join("\n"), body.len());
    response.status(200).header("content-type", "text/plain").body(text).await
}

fn describe_typed(request: http::Request<Body>) -> Option<http::Response<Body>> {
    let mut lines: Vec<_> =
        request.headers().iter().map(|(name, value)| line(name.as_str(), value.as_bytes())).collect();
    lines.sort();
    let body: &[u8] = request.body();
    let text = format!("{} {}\n{}\n{} bytes", request.method(), request.uri(), lines.join("\n"), body.len());
    http::Response::builder().status(200).header("content-type", "text/plain").body(Body::Text(text)).ok()
}

fn line(name: &str, value: &[u8]) -> String {
    format!("{name}: {}", String::from_utf8_lossy(value))
}

/// An answer without what is empty in it, and what the platform takes for granted.
fn json(answer: &[u8]) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, value| match name.as_str() {
            "cookies" => value.as_array().is_none_or(|cookies| !cookies.is_empty()),
            "multiValueHeaders" => value.as_object().is_none_or(|fields| !fields.is_empty()),
            _ => true,
        });
    }
    value
}

criterion_group!(name = benches; config = shared::criterion(); targets = event);
criterion_main!(benches);

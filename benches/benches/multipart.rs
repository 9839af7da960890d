//! A form with a file of 64 KiB, through the whole engine in memory: by midge's reader, and for comparison the same bytes read by `Body::chunk` alone.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod shared;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use midge::{
    Failure, Request, Response, Sent,
    testing::{self, Scratch},
};

async fn parts(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let (mut memory, mut bytes) = ([0; 4_096], 0);
    let mut form = request.multipart(&mut memory)?;
    while let Some(mut part) = form.next().await? {
        while let Some(chunk) = part.chunk().await? {
            bytes += chunk.len();
        }
    }
    if bytes == FILE { response.status(204).empty().await } else { Err(Failure::new(500)) }
}

async fn chunks(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut bytes = 0;
    while let Some(chunk) = request.body().chunk().await? {
        bytes += chunk.len();
    }
    if bytes > FILE { response.status(204).empty().await } else { Err(Failure::new(500)) }
}

fn upload(c: &mut Criterion) {
    // Line ends all over, as in a text: each may be where a boundary begins.
    let file = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(FILE / 64);
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n";
    let body = format!("--{BOUNDARY}\r\n{head}{file}\r\n--{BOUNDARY}--\r\n");
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let length = body.len();
    let request =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut scratch = Scratch::new();
    let mut group = c.benchmark_group("multipart");
    group.throughput(Throughput::Bytes(FILE as u64));
    group.bench_function("parts", |b| {
        b.iter(|| {
            assert!(testing::call(&parts, request.as_bytes(), &mut scratch).is_ok_and(|answer| answer.status() == 204));
        });
    });
    group.bench_function("body alone", |b| {
        b.iter(|| {
            assert!(
                testing::call(&chunks, request.as_bytes(), &mut scratch).is_ok_and(|answer| answer.status() == 204)
            );
        });
    });
    group.finish();
}

const FILE: usize = 65_536;
const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

criterion_group!(name = benches; config = shared::criterion(); targets = upload);
criterion_main!(benches);

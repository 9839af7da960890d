//! Decoding 64 KiB of a chunked body in chunks of 1 byte to 64 KiB: midge against http-net, picohttpparser and ureq-proto.
//!
//! midge and http-net say where the payload is and leave it there, picohttpparser moves it to the front of the buffer, and ureq-proto copies
//! it into another one. hyper's decoder can't be had without its connection.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod shared;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http_net::ChunkedDecoder;
use midge::{ChunkStep, Chunked, Limits};
use midge_bench_pico as pico;
use ureq_proto::server::{RecvRequestResult, Reply, state::RecvBody};

const BODY: usize = 65_536;

fn chunked(c: &mut Criterion) {
    let body: Vec<u8> = (0..BODY).map(|at| (at % 251) as u8).collect();
    for size in [1, 16, 256, 4_096, BODY] {
        let wire = in_chunks(&body, size);
        let mut group = c.benchmark_group(format!("chunked/{size} B"));
        group.throughput(Throughput::Bytes(BODY as u64));

        let mut decoded = Vec::new();
        assert_eq!(with_midge(&wire, |piece| decoded.extend_from_slice(piece)), Some(wire.len()));
        assert_eq!(decoded, body);
        group.bench_function("midge", |b| {
            b.iter(|| {
                with_midge(black_box(&wire), |piece| {
                    black_box(piece);
                })
            })
        });

        let limits = http_net::Limits::new();
        decoded.clear();
        assert_eq!(with_http_net(&wire, &limits, |piece| decoded.extend_from_slice(piece)), Some(wire.len()));
        assert_eq!(decoded, body);
        group.bench_function("http-net", |b| {
            b.iter(|| {
                with_http_net(black_box(&wire), &limits, |piece| {
                    black_box(piece);
                })
            });
        });

        let mut copy = wire.clone();
        assert_eq!(pico::decode_chunked(&mut copy), Some(BODY));
        assert_eq!(copy.get(..BODY), Some(&body[..]));
        group.bench_function("picohttpparser", |b| {
            b.iter_batched_ref(|| wire.clone(), |bytes| pico::decode_chunked(bytes), BatchSize::LargeInput);
        });

        let mut out = vec![0; BODY];
        assert_eq!(begun().and_then(|reply| with_ureq(reply, &wire, &mut out)), Some((wire.len(), BODY)));
        assert_eq!(out, body);
        group.bench_function("ureq-proto", |b| {
            b.iter_batched(
                begun,
                |reply| reply.and_then(|reply| with_ureq(reply, black_box(&wire), &mut out)),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn in_chunks(body: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in body.chunks(size) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

/// Gives how many bytes the body took.
fn with_midge(wire: &[u8], mut take: impl FnMut(&[u8])) -> Option<usize> {
    let (mut decoder, mut at, limits) = (Chunked::new(), 0, Limits::DEFAULT);
    loop {
        match decoder.step(wire.get(at..)?, usize::MAX, &limits).ok()? {
            ChunkStep::Data { start, len } => {
                take(wire.get(at + start..at + start + len)?);
                at += start + len;
            }
            // There are no trailers, whose reader is another one.
            ChunkStep::Last { consumed } if wire.get(at + consumed..)? == b"\r\n" => return Some(at + consumed + 2),
            _ => return None,
        }
    }
}

fn with_http_net(wire: &[u8], limits: &http_net::Limits, mut take: impl FnMut(&[u8])) -> Option<usize> {
    let (mut decoder, mut at) = (ChunkedDecoder::new(limits), 0);
    loop {
        match decoder.decode(wire.get(at..)?, false).ok()? {
            http_net::ChunkStep::Data { skip, len } => {
                take(wire.get(at + skip..at + skip + len)?);
                at += skip + len;
            }
            http_net::ChunkStep::Done { consumed } => return Some(at + consumed),
            _ => return None,
        }
    }
}

/// A request whose body comes next.
fn begun() -> Option<Reply<RecvBody>> {
    let mut reply = Reply::new().ok()?;
    reply.try_request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?.1?;
    match reply.proceed()? {
        RecvRequestResult::RecvBody(reply) => Some(reply),
        _ => None,
    }
}

/// Gives how many bytes the body took, and its length.
fn with_ureq(mut reply: Reply<RecvBody>, wire: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
    let (mut from, mut to) = (0, 0);
    while !reply.is_ended() {
        let (read, written) = reply.read(wire.get(from..)?, out.get_mut(to..)?).ok()?;
        if read == 0 {
            return None;
        }
        from += read;
        to += written;
    }
    Some((from, to))
}

criterion_group!(name = benches; config = shared::criterion(); targets = chunked);
criterion_main!(benches);

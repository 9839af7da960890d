//! JSON: reading and writing a document of about 1 KiB, against serde_json (which allocates) and serde-json-core (which doesn't).
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod shared;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use midge::json;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Order<'a> {
    id: u64,
    customer: &'a str,
    paid: bool,
    total: f64,
    #[serde(borrow)]
    lines: [Line<'a>; 8],
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Line<'a> {
    article: &'a str,
    count: u32,
    price: f64,
    note: Option<&'a str>,
}

const ORDER: Order<'_> = Order {
    id: 9_007_199_254_740_991,
    customer: "Ada Lovelace, 12 St James's Square, London",
    paid: true,
    total: 1_234.56,
    lines: [Line { article: "Analytical Engine, mill and store", count: 12, price: 102.88, note: None }; 8],
};

fn read(c: &mut Criterion) {
    let document = serde_json::to_vec(&ORDER).unwrap_or_default();
    assert_eq!(json::read::<Order<'_>>(&mut document.clone()), Ok(ORDER));
    let mut group = c.benchmark_group("json/read");
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("midge", |b| {
        let total = |mut document: Vec<u8>| json::read::<Order<'_>>(&mut document).map(|order| order.total);
        b.iter_batched(|| document.clone(), total, BatchSize::SmallInput);
    });
    group.bench_function("serde_json", |b| {
        let total = |document: Vec<u8>| serde_json::from_slice::<Order<'_>>(&document).map(|order| order.total).ok();
        b.iter_batched(|| document.clone(), total, BatchSize::SmallInput);
    });
    group.bench_function("serde-json-core", |b| {
        let total =
            |document: Vec<u8>| serde_json_core::from_slice::<Order<'_>>(&document).map(|(order, _)| order.total).ok();
        b.iter_batched(|| document.clone(), total, BatchSize::SmallInput);
    });
    group.finish();
}

fn write(c: &mut Criterion) {
    let length = serde_json::to_vec(&ORDER).map_or(0, |document| document.len());
    let mut buffer = [0; 2_048];
    assert_eq!(json::length(&ORDER), Some(length as u64));
    let mut group = c.benchmark_group("json/write");
    group.throughput(Throughput::Bytes(length as u64));
    group.bench_function("midge", |b| {
        b.iter(|| json::write(black_box(&ORDER), &mut buffer).map(str::len));
    });
    group.bench_function("midge, measured only", |b| {
        b.iter(|| json::length(black_box(&ORDER)));
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| serde_json::to_writer(&mut buffer[..], black_box(&ORDER)).is_ok());
    });
    group.bench_function("serde-json-core", |b| {
        b.iter(|| serde_json_core::to_slice(black_box(&ORDER), &mut buffer).ok());
    });
    group.finish();
}

criterion_group!(name = benches; config = shared::criterion(); targets = read, write);
criterion_main!(benches);

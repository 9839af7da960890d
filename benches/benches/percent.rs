//! Queries and forms: decoding, against `form_urlencoded`.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod shared;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use midge::{Form, Pairs};

const PLAIN: &str = "name=Ada&city=London&year=1843&note=G&page=12&sort=asc";
const ENCODED: &str = "name=Ada+Lovelace&city=S%C3%A3o%20Paulo&q=a%26b%3Dc%2520d&note=%E2%82%AC+100&page=12";

fn pairs(c: &mut Criterion) {
    for (name, text) in [("plain", PLAIN), ("encoded", ENCODED)] {
        let mut group = c.benchmark_group(format!("percent/{name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        let wanted: usize = form_urlencoded::parse(text.as_bytes()).map(|(name, value)| name.len() + value.len()).sum();
        group.bench_function("midge, pair by pair", |b| {
            let mut buffer = [0; 256];
            let mut sum = || {
                let mut length = 0;
                for (name, value) in Pairs::new(black_box(text)).iter() {
                    length += name.decode(&mut buffer).map_or(0, str::len);
                    length += value.decode(&mut buffer).map_or(0, str::len);
                }
                length
            };
            assert_eq!(sum(), wanted);
            b.iter(sum);
        });
        group.bench_function("midge, in place", |b| {
            let mut body = [0; 256];
            let mut sum = || {
                let Some(body) = body.get_mut(..text.len()) else { return 0 };
                body.copy_from_slice(black_box(text).as_bytes());
                Form::decode(body).map_or(0, |form| form.iter().map(|(name, value)| name.len() + value.len()).sum())
            };
            assert_eq!(sum(), wanted);
            b.iter(sum);
        });
        group.bench_function("form_urlencoded", |b| {
            b.iter(|| {
                let pairs = form_urlencoded::parse(black_box(text).as_bytes());
                pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>()
            });
        });
        group.finish();
    }
}

criterion_group!(name = benches; config = shared::criterion(); targets = pairs);
criterion_main!(benches);

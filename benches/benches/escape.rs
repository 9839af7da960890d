//! What the Lambda host does to strings where they stand: base64 decoded and encoded, JSON's escapes read and written. Against base64 (which it
//! is built on), base64-simd and data-encoding, and against serde_json.
//!
//! What overwrites its input is given a fresh copy each time, which isn't measured. Of the others, base64 and data-encoding need a second
//! buffer; serde_json allocates one for a string with an escape.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

#[allow(dead_code, reason = "the host needs more of it")]
#[path = "../../adapters/lambda/src/event/base64.rs"]
mod base64;
#[allow(dead_code, reason = "the host needs more of it")]
#[path = "../../adapters/lambda/src/event/error.rs"]
mod error;
#[allow(dead_code, reason = "the host needs more of it")]
#[path = "../../adapters/lambda/src/event/escape.rs"]
mod escape;
#[allow(dead_code, reason = "the host needs more of it")]
#[path = "../../adapters/lambda/src/event/json.rs"]
mod json;
#[allow(dead_code, unused_imports, reason = "the host needs more of it, and tests it")]
#[path = "../../adapters/lambda/src/event/scan.rs"]
mod scan;
mod shared;

/// What [`escape`] looks for here.
mod render {
    /// There is no room.
    #[derive(Debug)]
    pub(crate) struct TooLarge;
}

use std::hint::black_box;

use ::base64::{Engine, engine::general_purpose::STANDARD};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use data_encoding::BASE64;

use escape::Writer;
use json::Json;

/// Bytes of what is encoded.
const LENGTH: usize = 6_144;

fn decode(c: &mut Criterion) {
    let raw = bytes();
    let encoded = STANDARD.encode(&raw).into_bytes();
    let mut group = c.benchmark_group("escape/base64 decoded");
    group.throughput(Throughput::Bytes(encoded.len() as u64));

    let mut copy = encoded.clone();
    assert_eq!(base64::decode_in_place(&mut copy), Some(LENGTH));
    assert_eq!(copy.get(..LENGTH), Some(&raw[..]));
    group.bench_function("midge, in place", |b| {
        b.iter_batched_ref(|| encoded.clone(), |bytes| base64::decode_in_place(bytes), BatchSize::SmallInput);
    });
    let mut copy = encoded.clone();
    assert_eq!(base64_simd::STANDARD.decode_inplace(&mut copy).ok().as_deref(), Some(&raw[..]));
    group.bench_function("base64-simd, in place", |b| {
        b.iter_batched_ref(
            || encoded.clone(),
            |bytes| base64_simd::STANDARD.decode_inplace(bytes).map_or(0, |decoded| decoded.len()),
            BatchSize::SmallInput,
        );
    });
    let mut out = [0; LENGTH];
    assert_eq!(STANDARD.decode_slice(&encoded, &mut out), Ok(LENGTH));
    assert_eq!(out, raw[..]);
    group.bench_function("base64", |b| b.iter(|| STANDARD.decode_slice(black_box(&encoded), &mut out)));
    out.fill(0);
    assert_eq!(BASE64.decode_mut(&encoded, &mut out).ok(), Some(LENGTH));
    assert_eq!(out, raw[..]);
    group.bench_function("data-encoding", |b| b.iter(|| BASE64.decode_mut(black_box(&encoded), &mut out).ok()));
    group.finish();
}

fn encode(c: &mut Criterion) {
    let raw = bytes();
    let wanted = STANDARD.encode(&raw).into_bytes();
    let mut group = c.benchmark_group("escape/base64 encoded");
    group.throughput(Throughput::Bytes(LENGTH as u64));

    let mut place = raw.clone();
    place.resize(wanted.len(), 0);
    let unencoded = place.clone();
    assert_eq!(base64::encode_in_place(&mut place, 0, LENGTH), Some(wanted.len()));
    assert_eq!(place, wanted);
    group.bench_function("midge, in place", |b| {
        b.iter_batched_ref(
            || unencoded.clone(),
            |bytes| base64::encode_in_place(bytes, 0, LENGTH),
            BatchSize::SmallInput,
        );
    });
    let mut out = vec![0; wanted.len()];
    assert_eq!(base64_simd::STANDARD.encode(&raw, base64_simd::Out::from_slice(&mut out)), wanted);
    group.bench_function("base64-simd", |b| {
        b.iter(|| base64_simd::STANDARD.encode(black_box(&raw), base64_simd::Out::from_slice(&mut out)).len());
    });
    out.fill(0);
    assert_eq!(STANDARD.encode_slice(&raw, &mut out), Ok(wanted.len()));
    assert_eq!(out, wanted);
    group.bench_function("base64", |b| b.iter(|| STANDARD.encode_slice(black_box(&raw), &mut out)));
    out.fill(0);
    BASE64.encode_mut(&raw, &mut out);
    assert_eq!(out, wanted);
    group.bench_function("data-encoding", |b| b.iter(|| BASE64.encode_mut(black_box(&raw), &mut out)));
    group.finish();
}

fn unescape(c: &mut Criterion) {
    for (name, text) in texts() {
        let document = serde_json::to_vec(&text).unwrap_or_default();
        let mut group = c.benchmark_group(format!("escape/JSON read, {name}"));
        group.throughput(Throughput::Bytes(document.len() as u64));

        let mut copy = document.clone();
        let length = read_in_place(&mut copy);
        assert_eq!(length.and_then(|length| copy.get(1..=length)), Some(text.as_bytes()));
        group.bench_function("midge, Lambda's events", |b| {
            b.iter_batched_ref(|| document.clone(), |bytes| read_in_place(bytes), BatchSize::SmallInput);
        });
        assert_eq!(midge::json::read::<&str>(&mut document.clone()), Ok(&*text));
        group.bench_function("midge, JSON bodies", |b| {
            b.iter_batched_ref(
                || document.clone(),
                |bytes| midge::json::read::<&str>(bytes).map(str::len),
                BatchSize::SmallInput,
            );
        });
        assert_eq!(serde_json::from_slice::<String>(&document).ok().as_ref(), Some(&text));
        group.bench_function("serde_json", |b| {
            b.iter(|| serde_json::from_slice::<String>(black_box(&document)).ok());
        });
        group.finish();
    }
}

fn write(c: &mut Criterion) {
    for (name, text) in texts() {
        let wanted = serde_json::to_vec(&text).unwrap_or_default();
        let mut out = vec![0; 2 * wanted.len()];
        let mut group = c.benchmark_group(format!("escape/JSON written, {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));

        let length = escaped(&text, &mut out).unwrap_or_default();
        assert_eq!(out.get(..length), wanted.get(1..wanted.len() - 1));
        group.bench_function("midge, Lambda's answers", |b| b.iter(|| escaped(black_box(&text), &mut out)));
        assert_eq!(midge::json::write(&text, &mut out).map(str::as_bytes), Some(&wanted[..]));
        group.bench_function("midge, JSON bodies", |b| {
            b.iter(|| midge::json::write(black_box(&text), &mut out).map(str::len));
        });
        group.bench_function("serde_json", |b| {
            b.iter(|| serde_json::to_writer(&mut out[..], black_box(&text)).is_ok());
        });
        group.finish();
    }
}

/// The length of the string that a document is, once it is unescaped where it stands.
fn read_in_place(document: &mut [u8]) -> Option<usize> {
    let mut json = Json::new(document, 0);
    let text = json.string::<true>().ok()?;
    json.finish().ok()?;
    Some(text.span.end() - text.span.start())
}

/// Writes what stands between a string's quotes, and gives its length.
fn escaped(text: &str, out: &mut [u8]) -> Option<usize> {
    let mut writer = Writer { out, at: 0 };
    writer.escaped(text.as_bytes()).ok()?;
    Some(writer.at)
}

/// Bytes that look like nothing.
fn bytes() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..LENGTH).map(|_| next()).collect()
}

/// Text without anything to escape, and a page with quotes and line ends.
fn texts() -> [(&'static str, String); 2] {
    let plain =
        "The Analytical Engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves. ";
    let page = "<li class=\"name\"><a href=\"/notes/g?page=7\">Note G</a></li>\n\t<li>The calculation of Bernoulli's numbers</li>\n";
    [("plain", plain.repeat(40)), ("a page", page.repeat(40))]
}

criterion_group!(name = benches; config = shared::criterion(); targets = decode, encode, unescape, write);
criterion_main!(benches);

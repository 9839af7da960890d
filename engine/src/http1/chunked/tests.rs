//! The chunk-line reader, against literal rows, against its limits, and against a model written from the grammar of
//! RFC 9112, section 7.1.
//!
//! Invariant: for every input and every way to cut it, the reader gives the payload, the end and the error that
//! the grammar gives, and the error at the first byte after which no continuation could be valid.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

extern crate std;

use std::{string::ToString, vec, vec::Vec};

use super::{ChunkError, Chunked, Step};
use crate::http1::limits::Limits;

mod model;

use model::{Line, Places, model, model_line};

const LIMITS: Limits = Limits { body_bytes: u64::MAX, ..Limits::DEFAULT };

/// What a body comes to: from the reader and from the model alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    /// Bit n: byte n is payload.
    payload: Places,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// More bytes are needed, that many of them payload of a chunk already announced.
    Incomplete(u64),
    /// The last chunk's line ended before this byte.
    Last(usize),
    Failed(ChunkError),
}

/// A reader, the outcome so far, and how much it was given.
#[derive(Clone, Copy)]
struct Reader {
    chunked: Chunked,
    outcome: Outcome,
    given: usize,
    steps: usize,
}

impl Reader {
    fn new() -> Self {
        let outcome = Outcome { payload: 0, end: End::Incomplete(0) };
        Self { chunked: Chunked::new(), outcome, given: 0, steps: 0 }
    }

    /// Steps through all of `bytes`, or to the end.
    fn give(&mut self, bytes: &[u8], max: usize, limits: &Limits) {
        let mut at = 0;
        while !matches!(self.outcome.end, End::Last(_)) {
            self.steps += 1;
            match self.chunked.step(&bytes[at..], max, limits) {
                Ok(Step::Data { start, len }) => {
                    assert!(len >= 1 && len <= max && at + start + len <= bytes.len());
                    for place in at + start..at + start + len {
                        self.outcome.payload |= 1u64.checked_shl((self.given + place) as u32).unwrap_or(0);
                    }
                    self.outcome.end = End::Incomplete(self.chunked.remaining_in_chunk());
                    at += start + len;
                }
                Ok(Step::More) => {
                    self.outcome.end = End::Incomplete(self.chunked.remaining_in_chunk());
                    break;
                }
                Ok(Step::Last { consumed }) => self.outcome.end = End::Last(self.given + at + consumed),
                Err(error) => {
                    self.outcome.end = End::Failed(error);
                    break;
                }
            }
        }
        self.given += bytes.len();
    }

    fn read(pieces: &[&[u8]], max: usize, limits: &Limits) -> Outcome {
        let mut reader = Self::new();
        for piece in pieces {
            reader.give(piece, max, limits);
        }
        reader.outcome
    }

    fn whole(bytes: &[u8]) -> Outcome {
        Self::read(&[bytes], usize::MAX, &LIMITS)
    }
}

// Literal rows.

/// The payload and the end of a body given whole.
fn body(bytes: &[u8]) -> (Vec<u8>, End) {
    let outcome = Reader::whole(bytes);
    let payload = bytes.iter().enumerate().filter(|(place, _)| outcome.payload >> place & 1 == 1);
    (payload.map(|(_, byte)| *byte).collect(), outcome.end)
}

#[test]
fn well_formed_bodies_give_their_payload_and_end_after_the_last_chunk_line() {
    for (bytes, payload, consumed) in [
        (&b"0\r\n"[..], &b""[..], 3),
        (b"000\r\n\r\n", b"", 5),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", 13),
        (b"5\r\nhello\r\n6\r\n world\r\n0\r\nT: v\r\n\r\n", b"hello world", 24),
        (b"00A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", b"01234567890123456789", 37),
        (b"000000001\r\nx\r\n0\r\n", b"x", 17),
        (b"0000000000000000000000000001\r\nx\r\n0\r\n", b"x", 36),
        (b"2\r\n\r\n\r\n0\r\n", b"\r\n", 10),
        (b"5;a=b;c\r\nhello\r\n0;d=\"x;\\\"y\"\r\n\r\n", b"hello", 29),
        (b"5 ; a = b\r\nhello\r\n0\r\n\r\n", b"hello", 21),
        (b"1\t \t;\t!#$%&'*+-.^_`|~09AZaz\r\nx\r\n0\r\n", b"x", 35),
        (b"1;a=\"\"\r\nx\r\n0;a=\"\\\\\" ;b\r\n", b"x", 24),
        (b"1;a=\"\t \x80\xff\\\xff\\\t\"\r\nx\r\n0\r\n", b"x", 22),
    ] {
        assert_eq!(body(bytes), (payload.to_vec(), End::Last(consumed)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_size_line_with_anything_but_the_grammar_is_refused_at_that_byte() {
    // The last byte of each row is the first that can't be right.
    for row in [
        &b"\r"[..],
        b"\n",
        b" ",
        b";",
        b"\0",
        b"x",
        b"-",
        b"+",
        b"0x",
        b"5\n",
        b"5\r5",
        b"5\r\r",
        b"5 \r",
        b"5\t\n",
        b"5 5",
        b"5\x0b",
        b"5\0",
        b"5=",
        b"5\"",
        b"5;\r",
        b"5; \r",
        b"5;;",
        b"5;=",
        b"5;\"",
        b"5;a\n",
        b"5;a\rb",
        b"5;a \r",
        b"5;a b",
        b"5;a\0",
        b"5;a\x7f",
        b"5;a\x80",
        b"5;a(",
        b"5;a=\r",
        b"5;a= \r",
        b"5;a=;",
        b"5;a==",
        b"5;a=b=",
        b"5;a=b\"",
        b"5;a=b c",
        b"5;a=b \r",
        b"5;a=b\n",
        b"5;a=\"\r",
        b"5;a=\"\n",
        b"5;a=\"\0",
        b"5;a=\"\x1f",
        b"5;a=\"\x7f",
        b"5;a=\"\\\r",
        b"5;a=\"\\\x7f",
        b"5;a=\"b\"c",
        b"5;a=\"b\" \r",
        b"5;a=\"b\"=",
        b"5\r\nhello\r\n\r",
        b"0;\r",
    ] {
        let end = row.len() - 1;
        assert!(matches!(body(&row[..end]).1, End::Incomplete(_)), "{}", row.escape_ascii());
        assert_eq!(body(row).1, End::Failed(ChunkError::Line), "{}", row.escape_ascii());
        let ended = [row, b"\r\n"].concat();
        assert_eq!(body(&ended).1, End::Failed(ChunkError::Line), "{}", ended.escape_ascii());
    }
}

#[test]
fn chunk_data_is_followed_by_cr_lf_and_nothing_else() {
    for row in [&b"5\r\nhelloX"[..], b"5\r\nhello\n", b"5\r\nhello0", b"5\r\nhello\rX", b"5\r\nhello\r\r"] {
        let end = row.len() - 1;
        assert_eq!(body(&row[..end]), (b"hello".to_vec(), End::Incomplete(0)), "{}", row.escape_ascii());
        assert_eq!(body(row), (b"hello".to_vec(), End::Failed(ChunkError::DataEnd)), "{}", row.escape_ascii());
    }
}

#[test]
fn a_size_is_exact_up_to_64_bits_and_an_error_beyond() {
    for (line, size) in [
        (&b"7fffffff\r\n"[..], 0x7fff_ffff),
        (b"ffffffff\r\n", 0xffff_ffff),
        (b"100000000\r\n", 0x1_0000_0000),
        (b"7fffffffffffffff\r\n", i64::MAX as u64),
        (b"8000000000000000\r\n", 1 << 63),
        (b"FFFFFFFFFFFFFFFF\r\n", u64::MAX),
        (b"0000FFFFFFFFFFFFFFFF;a\r\n", u64::MAX),
    ] {
        assert_eq!(body(line).1, End::Incomplete(size), "{}", line.escape_ascii());
    }
    assert_eq!(body(b"1000000000000000").1, End::Incomplete(0));
    for (line, place) in [
        (&b"10000000000000000"[..], 17),
        (b"10000000000000005\r\n", 17),
        (b"fffffffffffffffff", 17),
        (b"00010000000000000000", 20),
        (b"1\r\nx\r\n10000000000000000", 23),
    ] {
        assert_eq!(refused(line, &LIMITS), Some((ChunkError::SizeOverflow, place)), "{}", line.escape_ascii());
    }
}

#[test]
fn an_error_is_final() {
    for (error, bytes, limits) in [
        (ChunkError::Line, &b"x"[..], LIMITS),
        (ChunkError::SizeOverflow, b"10000000000000000", LIMITS),
        (ChunkError::DataEnd, b"1\r\nxx", LIMITS),
        (ChunkError::LineTooLong, b"5\r\n", Limits { chunk_line_bytes: 2, ..LIMITS }),
        (ChunkError::ExtensionsTooLong, b"5;a\r\n", Limits { chunk_extension_bytes: 1, ..LIMITS }),
        (ChunkError::BodyTooLong, b"5\r\n", Limits { body_bytes: 4, ..LIMITS }),
    ] {
        let mut reader = Reader::new();
        reader.give(bytes, 1, &limits);
        assert_eq!(reader.outcome.end, End::Failed(error));
        for later in [&b""[..], b"\r\n", b"0\r\n", b"5\r\nhello\r\n0\r\n"] {
            assert_eq!(reader.chunked.step(later, 9, &LIMITS), Err(error));
            assert_eq!(reader.chunked.remaining_in_chunk(), 0);
        }
        let text = error.to_string();
        assert!(text.contains("wanted"), "{text}");
    }
}

#[test]
fn the_end_is_final_and_no_bytes_ask_for_more() {
    let mut chunked = Chunked::new();
    assert_eq!(chunked.step(b"", 9, &LIMITS), Ok(Step::More));
    assert_eq!(chunked.step(b"2\r\n", 9, &LIMITS), Ok(Step::More));
    assert_eq!(chunked.remaining_in_chunk(), 2);
    assert_eq!(chunked.step(b"", 9, &LIMITS), Ok(Step::More));
    assert_eq!(chunked.step(b"xyz", 0, &LIMITS), Ok(Step::Data { start: 0, len: 1 }), "a max of 0 counts as 1");
    assert_eq!(chunked.remaining_in_chunk(), 1);
    assert_eq!(chunked.step(b"y\r\n0\r\nT: v\r\n", 9, &LIMITS), Ok(Step::Data { start: 0, len: 1 }));
    assert_eq!(chunked.step(b"\r\n0\r\nT: v\r\n", 9, &LIMITS), Ok(Step::Last { consumed: 5 }));
    assert_eq!(chunked.step(b"T: v\r\n", 9, &LIMITS), Ok(Step::Last { consumed: 0 }));
    assert_eq!(chunked.step(b"", 9, &LIMITS), Ok(Step::Last { consumed: 0 }));
}

#[test]
fn a_reader_is_three_words() {
    assert!(size_of::<Chunked>() <= 24);
}

// Limits, exact to the byte.

/// The error, and how many bytes had been given byte by byte when it came; whole and byte by byte must agree on it.
fn refused(bytes: &[u8], limits: &Limits) -> Option<(ChunkError, usize)> {
    let whole = Reader::read(&[bytes], usize::MAX, limits);
    let mut reader = Reader::new();
    for byte in bytes {
        reader.give(&[*byte], 1, limits);
        if let End::Failed(error) = reader.outcome.end {
            assert_eq!(whole, reader.outcome);
            return Some((error, reader.given));
        }
    }
    assert_eq!(whole, reader.outcome);
    None
}

#[test]
fn a_size_line_may_be_as_long_as_its_limit_and_each_line_anew() {
    for line in [&b"5\r\n"[..], b"00000005\r\n", b"000000005\r\n", b"5;abc=d\r\n", b"5 ;\ta=\"\\\"\"\r\n"] {
        let chunk = [line, b"hello\r\n"].concat();
        let bytes = [&chunk[..], &chunk, b"0\r\n"].concat();
        let bytes_of = |chunk_line_bytes| Limits { chunk_line_bytes, ..LIMITS };
        let length = line.len() as u32;
        assert_eq!(refused(&bytes, &bytes_of(length)), None, "{}", line.escape_ascii());
        for limit in 0..length {
            let wanted = Some((ChunkError::LineTooLong, limit as usize + 1));
            assert_eq!(refused(&bytes, &bytes_of(limit)), wanted, "{} {limit}", line.escape_ascii());
        }
    }
}

#[test]
fn a_line_limit_beyond_three_bytes_counts_as_three() {
    let limits = Limits { chunk_line_bytes: u32::MAX, ..LIMITS };
    let mut chunked = Chunked::new();
    assert_eq!(chunked.step(&vec![b'0'; 0xff_ffff - 2], 1, &limits), Ok(Step::More));
    assert_eq!({ chunked }.step(b"\r\n", 1, &limits), Ok(Step::Last { consumed: 2 }));
    assert_eq!(chunked.step(b"0\r\n", 1, &limits), Err(ChunkError::LineTooLong));
}

#[test]
fn extension_bytes_are_added_up_over_the_body() {
    let bytes = b"1;a=b\r\nx\r\n1\r\ny\r\n1 ;c\r\nz\r\n0;d=\"\"\r\n";
    let extensions = 4 + 3 + 5;
    let limit_of = |chunk_extension_bytes| Limits { chunk_extension_bytes, ..LIMITS };
    assert_eq!(refused(bytes, &limit_of(extensions)), None);
    // Where each byte of an extension stands.
    let places: Vec<usize> = [1..5, 17..20, 26..31].into_iter().flatten().collect();
    assert_eq!(places.len(), extensions as usize);
    for (limit, place) in (0..extensions).zip(places) {
        assert_eq!(refused(bytes, &limit_of(limit)), Some((ChunkError::ExtensionsTooLong, place + 1)), "{limit}");
    }
}

#[test]
fn a_flood_of_extensions_ends_at_the_limit() {
    let flood = b"1;abcdefgh=ijklmnop\r\nx\r\n".repeat(2_000);
    let (error, given) = refused(&flood, &Limits::DEFAULT).unwrap();
    assert_eq!(error, ChunkError::ExtensionsTooLong);
    assert!(given < 24 * (16_384 / 18 + 2), "{given}");
    let long = [b"5;", &[b'x'; 100_000][..]].concat();
    assert_eq!(refused(&long, &Limits::DEFAULT), Some((ChunkError::LineTooLong, 4_097)));
}

#[test]
fn a_body_may_be_as_long_as_its_limit_and_is_refused_before_the_payload_beyond() {
    let limit_of = |body_bytes| Limits { body_bytes, ..LIMITS };
    let bytes = b"5\r\nhello\r\n6;a\r\n world\r\n0\r\n";
    assert_eq!(refused(bytes, &limit_of(11)), None);
    for limit in 5..11 {
        assert_eq!(refused(bytes, &limit_of(limit)), Some((ChunkError::BodyTooLong, 15)), "{limit}");
    }
    for limit in 0..5 {
        assert_eq!(refused(bytes, &limit_of(limit)), Some((ChunkError::BodyTooLong, 3)), "{limit}");
    }
    assert_eq!(refused(b"0\r\n", &limit_of(0)), None);
    let near_the_maximum = b"1\r\nx\r\nffffffffffffffff\r\n";
    assert_eq!(refused(near_the_maximum, &LIMITS), Some((ChunkError::BodyTooLong, 24)));
    let at_the_maximum = b"1\r\nx\r\nfffffffffffffffe\r\n";
    assert_eq!(refused(at_the_maximum, &LIMITS), None);
}

// Cost.

#[test]
fn tiny_chunks_take_one_step_each() {
    const CHUNKS: usize = 200_000;
    let bytes = [&b"1\r\nx\r\n".repeat(CHUNKS)[..], b"0\r\n"].concat();

    let mut reader = Reader::new();
    reader.give(&bytes, usize::MAX, &LIMITS);
    assert_eq!(reader.outcome.end, End::Last(bytes.len()));
    assert_eq!(reader.steps, CHUNKS + 1);

    let mut reader = Reader::new();
    for byte in &bytes {
        reader.give(&[*byte], usize::MAX, &LIMITS);
    }
    assert_eq!(reader.outcome.end, End::Last(bytes.len()));
    // A byte of payload leaves an empty rest, which is one step more.
    assert_eq!(reader.steps, bytes.len() + CHUNKS);
}

#[test]
fn payload_is_handed_over_in_one_step() {
    let bytes = [b"f4240\r\n", &[b'\r'; 1_000_000][..], b"\r\n0\r\n"].concat();
    let mut chunked = Chunked::new();
    assert_eq!(chunked.step(&bytes, usize::MAX, &LIMITS), Ok(Step::Data { start: 7, len: 1_000_000 }));
    assert_eq!(chunked.step(&bytes[1_000_007..], usize::MAX, &LIMITS), Ok(Step::Last { consumed: 5 }));
}

// Every way to cut a body.

const CORPUS: [&[u8]; 12] = [
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    b"00A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n",
    b"5;a=b;c\r\nhello\r\n0;d=\"x;\\\"y\"\r\n\r\n",
    b"5 ; a = b\r\nhello\r\n0 ;\t e = \"\" ; f\r\n",
    b"000000001\r\n\r\r\n1\r\n\n\r\n0000000000\r\n",
    b"1\r\nx\r\n1\r\ny\r\n1\r\nz\r\n0\r\nT: v\r\n\r\n",
    b"5;a=\"\\\t\xff\"\r\nhello\r\nfffffffff\r\n",
    b"5\r\nhello\r\n ;a\r\n0\r\n",
    b"5\r\nhelloXX0\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n",
    b"5\nhello\r\n0\r\n",
    b"fffffffe\r\nhello",
];

#[test]
fn every_way_to_cut_a_body_gives_the_same() {
    for bytes in CORPUS {
        let wanted = Reader::whole(bytes);
        assert_eq!(wanted, model(bytes), "{}", bytes.escape_ascii());
        for max in [1, 2, 3, usize::MAX] {
            let each: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(Reader::read(&each, max, &LIMITS), wanted, "{}", bytes.escape_ascii());
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(
                        Reader::read(&pieces, max, &LIMITS),
                        wanted,
                        "{first} {second} {}",
                        bytes.escape_ascii()
                    );
                }
            }
        }
    }
}

// Every text, against the model.

#[test]
fn the_model_knows_the_examples_of_the_grammar() {
    assert_eq!(model_line(b"5\r\n"), Line::Size { size: 5, consumed: 3 });
    assert_eq!(model_line(b"1f ; a = \"\\\"\" ;b\r\nx"), Line::Size { size: 31, consumed: 18 });
    for incomplete in [&b""[..], b"5", b"5 ", b"5\r", b"5;", b"5;a\t", b"5;a=", b"5;a=\"", b"5;a=\"\\", b"5;a=\"\" "] {
        assert_eq!(model_line(incomplete), Line::Incomplete, "{}", incomplete.escape_ascii());
    }
    for error in [&b"\r"[..], b";", b"5\n", b"5 \r", b"5;\r", b"5;a \r", b"5;a=\r", b"5;a=\"\r", b"5;a=\"\\\r"] {
        assert_eq!(model_line(error), Line::Error, "{}", error.escape_ascii());
    }
}

/// Walks the texts over an alphabet depth first, each given whole and byte by byte, and compares both with the model.
struct Walk<'a> {
    alphabet: &'a [u8],
    length: usize,
    /// Whether texts go on after an error or the end.
    beyond_the_end: bool,
    texts: u64,
}

impl Walk<'_> {
    fn run(alphabet: &[u8], length: usize, beyond_the_end: bool) -> u64 {
        let mut walk = Walk { alphabet, length, beyond_the_end, texts: 0 };
        walk.from(&mut Vec::with_capacity(length), Reader::new());
        walk.texts
    }

    fn from(&mut self, text: &mut Vec<u8>, bytewise: Reader) {
        self.texts += 1;
        let wanted = model(text);
        assert_eq!(bytewise.outcome, wanted, "byte by byte: {}", text.escape_ascii());
        assert_eq!(Reader::whole(text), wanted, "whole: {}", text.escape_ascii());
        let goes_on = matches!(wanted.end, End::Incomplete(_));
        if text.len() == self.length || !(goes_on || self.beyond_the_end) {
            return;
        }
        for byte in self.alphabet {
            let mut bytewise = bytewise;
            bytewise.give(&[*byte], usize::MAX, &LIMITS);
            text.push(*byte);
            self.from(text, bytewise);
            text.pop();
        }
    }
}

/// Bytes of every part of a size line.
const FRAMING: &[u8] = b"05ax;\r\n \t=\"";

#[test]
fn every_text_over_the_framing_alphabet_equals_the_model() {
    // Those of up to 8 bytes are 235,794,769: too many for a build without optimisation.
    let length = if cfg!(debug_assertions) { 6 } else { 8 };
    let all = (0..=length as u32).map(|length| (FRAMING.len() as u64).pow(length)).sum();
    assert_eq!(Walk::run(FRAMING, length, true), all);
}

#[test]
fn every_text_up_to_its_first_error_equals_the_model() {
    Walk::run(FRAMING, 8, false);
}

#[test]
fn every_short_chunk_and_its_line_end_equals_the_model() {
    Walk::run(b"012;a\r\n", if cfg!(debug_assertions) { 9 } else { 10 }, false);
}

#[test]
fn every_byte_at_every_place_of_a_body_equals_the_model() {
    for valid in CORPUS {
        for place in 0..valid.len() {
            let mut bytes = valid.to_vec();
            for byte in 0..=u8::MAX {
                bytes[place] = byte;
                let wanted = model(&bytes);
                assert_eq!(Reader::whole(&bytes), wanted, "{}", bytes.escape_ascii());
                let (first, second) = bytes.split_at(place);
                assert_eq!(Reader::read(&[first, second], 1, &LIMITS), wanted, "{place} {}", bytes.escape_ascii());
            }
        }
    }
}

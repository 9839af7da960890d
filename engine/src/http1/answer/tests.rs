#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

extern crate std;

use std::{format, vec::Vec};

use super::{AnswerBody, AnswerError, AnswerFraming, AnswerHead, AnswerPiece};
use crate::http1::{chunked::ChunkError, fields::Field, limits::Limits, reject::Reject};

/// Status, framing, whether the connection is kept, and the head's length.
type Verdict = Result<Option<(u16, AnswerFraming, bool, usize)>, AnswerError>;

fn read(bytes: &[u8], to_head: bool) -> Verdict {
    let mut table = [Field::EMPTY; 100];
    AnswerHead::parse(bytes, &mut table, to_head, &Limits::DEFAULT)
        .map(|head| head.map(|head| (head.status().code(), head.framing(), head.keep_alive(), head.len())))
}

#[test]
fn the_framing_follows_rfc_9112_section_6_3() {
    use AnswerFraming::{Chunked, Length, Nothing, UntilEnd};
    let cases: [(&str, bool, AnswerFraming, bool); 12] = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", false, Length(5), true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", false, Chunked, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, UntilEnd, false),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, Nothing, true),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", false, Nothing, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", false, Nothing, true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, Nothing, true),
        ("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", false, Length(0), true),
        ("HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", false, Length(0), true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n", false, Length(5), false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", false, Length(5), false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n", false, Length(5), true),
    ];
    for (head, to_head, framing, keep) in cases {
        let status = head[9..12].parse().unwrap();
        assert_eq!(read(head.as_bytes(), to_head), Ok(Some((status, framing, keep, head.len()))), "{head:?}");
        // However the bytes are cut: not there until it is there whole, and what follows changes nothing.
        for cut in 0..head.len() {
            assert_eq!(read(&head.as_bytes()[..cut], to_head), Ok(None), "{head:?} cut at {cut}");
        }
        let followed = format!("{head}HTTP/1.1 ");
        assert_eq!(read(followed.as_bytes(), to_head), Ok(Some((status, framing, keep, head.len()))));
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let fields: [(&str, Reject); 11] = [
        ("content-length: 5\r\ntransfer-encoding: chunked", Reject::LengthAndEncoding),
        ("content-length: 5\r\ncontent-length: 5", Reject::ContentLengthRepeated),
        ("content-length: 5, 5", Reject::ContentLengthRepeated),
        ("content-length: +5", Reject::ContentLength),
        ("content-length: 99999999999999999999", Reject::ContentLength),
        ("transfer-encoding: gzip, chunked", Reject::TransferEncodingUnknown),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", Reject::TransferEncoding),
        ("transfer-encoding: identity", Reject::TransferEncoding),
        ("name : value", Reject::FieldName),
        ("name: va\u{0}lue", Reject::FieldValue),
        ("name: value\nother: value", Reject::BareLf),
    ];
    for (field, reject) in fields {
        let head = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
        assert_eq!(read(head.as_bytes(), false), Err(AnswerError::Message(reject)), "{field:?}");
    }
    let old = b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(read(old, false), Err(AnswerError::Message(Reject::EncodingInHttp10)));
}

#[test]
fn a_status_line_is_a_version_a_status_and_a_reason() {
    let lines: [&[u8]; 10] = [
        b"HTTP/2.0 200 OK\r\n",
        b"HTTP/1.1 20 OK\r\n",
        b"HTTP/1.1 2000\r\n",
        b"HTTP/1.1 099 Low\r\n",
        b"HTTP/1.1 600 High\r\n",
        b"HTTP/1.1  200 OK\r\n",
        b"HTTP/1.1 200 O\rK\r\n",
        b"HTTP/1.1 200 OK\n",
        b"http/1.1 200 OK\r\n",
        b"220 mail.example",
    ];
    for line in lines {
        let whole = [line, b"content-length: 0\r\n\r\n"].concat();
        assert_eq!(read(&whole, false), Err(AnswerError::StatusLine), "{}", line.escape_ascii());
    }
    // What can't become a status line is refused before its end comes.
    assert_eq!(read(b"SSH-", false), Err(AnswerError::StatusLine));
}

#[test]
fn a_head_is_bounded() {
    let long = format!("HTTP/1.1 200 OK\r\nname: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(read(long.as_bytes(), false), Err(AnswerError::HeadTooLarge));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert_eq!(read(many.as_bytes(), false), Err(AnswerError::Message(Reject::TooManyFields)));
}

/// The payload, and how many bytes the body took, when it is shown `piece` bytes more at a time.
fn body(framing: AnswerFraming, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, usize), AnswerError> {
    let (mut body, mut payload, mut at) = (AnswerBody::new(framing), Vec::new(), 0);
    let mut there = 0;
    loop {
        match body.step(&bytes[at..there], &Limits::DEFAULT)? {
            AnswerPiece::Data { start, len } => {
                payload.extend_from_slice(&bytes[at + start..at + start + len]);
                at += start + len;
            }
            AnswerPiece::More { consumed } => {
                at += consumed;
                if there == bytes.len() {
                    return body.end_of_stream().map(|()| (payload, at));
                }
                there = bytes.len().min(there + piece);
            }
            AnswerPiece::End { consumed } => return Ok((payload, at + consumed)),
        }
    }
}

#[test]
fn a_body_is_the_same_however_it_is_cut() {
    let plain = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n".as_slice();
    let trailed = b"b\r\nhello world\r\n0\r\na: b\r\nc: d\r\n\r\n".as_slice();
    for piece in 1..=40 {
        for chunked in [plain, trailed] {
            let followed = [chunked, b"HTTP/1.1 200"].concat();
            let expected = Ok((b"hello world".to_vec(), chunked.len()));
            assert_eq!(body(AnswerFraming::Chunked, &followed, piece), expected, "{piece} at a time");
        }
        assert_eq!(body(AnswerFraming::Length(3), b"abcHTTP", piece), Ok((b"abc".to_vec(), 3)));
        assert_eq!(body(AnswerFraming::UntilEnd, b"abc", piece), Ok((b"abc".to_vec(), 3)));
        assert_eq!(body(AnswerFraming::Nothing, b"abc", piece), Ok((Vec::new(), 0)));
    }
}

#[test]
fn a_body_that_breaks_off_or_is_malformed_is_an_error() {
    assert_eq!(body(AnswerFraming::Length(3), b"ab", 9), Err(AnswerError::Truncated));
    assert_eq!(body(AnswerFraming::Chunked, b"5\r\nhello\r\n", 99), Err(AnswerError::Truncated));
    assert_eq!(body(AnswerFraming::Chunked, b"0\r\n", 99), Err(AnswerError::Truncated));
    let chunk = |error| Err(AnswerError::Message(Reject::Chunk(error)));
    assert_eq!(body(AnswerFraming::Chunked, b"\r\nhello\r\n", 99), chunk(ChunkError::Line));
    assert_eq!(body(AnswerFraming::Chunked, b"5\r\nhelloo\r\n", 99), chunk(ChunkError::DataEnd));
    let trailer = |reject| Err(AnswerError::Message(reject));
    assert_eq!(body(AnswerFraming::Chunked, b"0\r\n\n", 99), trailer(Reject::Trailer));
    assert_eq!(body(AnswerFraming::Chunked, b"0\r\na : b\r\n\r\n", 99), trailer(Reject::Trailer));
    let long = format!("0\r\na: {}", "x".repeat(9_000));
    assert_eq!(body(AnswerFraming::Chunked, long.as_bytes(), 9_999), trailer(Reject::TrailersTooLarge));
}

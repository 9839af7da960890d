//! Invariant: an answer from a server (Lambda's Runtime API, a backend) is read the same however it is cut; a head that is accepted
//! says what httparse finds in the same bytes; its body ends where its fields say and not a byte later.
//!
//! Input: two bytes (whether the request was HEAD, where to cut), then the answer.

use midge::{AnswerBody, AnswerError, AnswerFraming, AnswerHead, AnswerPiece, Field, Limits};

use crate::{as_http11, number};

/// Reads one answer whole, cut and byte by byte.
pub fn check(mut data: &[u8]) {
    let to_head = number(&mut data, 2) == 1;
    let cut = number(&mut data, 256).max(1);
    let whole = read(data, usize::MAX, to_head);
    assert_eq!(read(data, cut, to_head), whole);
    assert_eq!(read(data, 1, to_head), whole);
    let Ok((Some(status), length, ..)) = whole else { return };

    let data = &as_http11(data);
    let mut table = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut table);
    assert_eq!(parsed.parse(data), Ok(httparse::Status::Complete(length)));
    assert_eq!(parsed.code, Some(status));
    let mut ours = [Field::EMPTY; 128];
    let Ok(Some(head)) = AnswerHead::parse(data, &mut ours, to_head, &Limits::DEFAULT) else { panic!("read before") };
    let fields = parsed.headers.iter().map(|field| (field.name, field.value));
    assert!(head.fields().iter().eq(fields));
    match head.framing() {
        AnswerFraming::Length(length) if !to_head => {
            let values: Vec<_> = head.fields().all("content-length").collect();
            assert!(
                values == [length.to_string().as_bytes()]
                    || length == 0
                    || matches!(values[..], [value] if value.starts_with(b"0"))
            );
        }
        AnswerFraming::Chunked => assert!(head.fields().all("content-length").next().is_none()),
        _ => {}
    }
}

type Read = Result<(Option<u16>, usize, Vec<u8>, Option<usize>), AnswerError>;

/// The status, the head's length, the body as far as it came, and where it ended if it did.
fn read(data: &[u8], cut: usize, to_head: bool) -> Read {
    let mut table = [Field::EMPTY; 128];
    let mut shown = cut.min(data.len());
    let (status, length, framing) = loop {
        match AnswerHead::parse(&data[..shown], &mut table, to_head, &Limits::DEFAULT)? {
            Some(head) => break (head.status().code(), head.len(), head.framing()),
            None if shown == data.len() => return Ok((None, 0, Vec::new(), None)),
            None => shown = shown.saturating_add(cut).min(data.len()),
        }
    };
    let (mut body, mut content, mut at) = (AnswerBody::new(framing), Vec::new(), length);
    loop {
        match body.step(&data[at..shown], &Limits::DEFAULT)? {
            AnswerPiece::Data { start, len } => {
                content.extend_from_slice(&data[at + start..][..len]);
                at += start + len;
            }
            AnswerPiece::More { consumed } => {
                at += consumed;
                if shown == data.len() {
                    let end = body.end_of_stream().is_ok().then_some(at);
                    return Ok((Some(status), length, content, end));
                }
                shown = shown.saturating_add(cut).min(data.len());
            }
            AnswerPiece::End { consumed } => return Ok((Some(status), length, content, Some(at + consumed))),
        }
    }
}

//! An answer that is streamed: chunks of a prelude, eight NULs and the body, and trailers where it fails.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use midge::Exchange;

use crate::{
    api::{ErrorKind, HEAD_ROOM, Post, What},
    context::Invocation,
    event::{Source, prelude},
    link::{Link, Lost, Stage},
    text::{Text, error_document},
};

/// A streamed answer on its way. What is to go out is put together in `out`.
///
/// ```text
///   | ... head | chunk: prelude | chunk: eight NULs | chunk: body | chunk: body | last chunk |
///   |--------- one write -------------------------------------------|- one for each flush ---|
/// ```
pub(crate) struct Stream<'o> {
    link: &'o Link,
    invocation: &'o Invocation,
    source: Source,
    out: &'o mut [u8],
    begun: bool,
}

impl<'o> Stream<'o> {
    pub(crate) const fn new(link: &'o Link, invocation: &'o Invocation, source: Source, out: &'o mut [u8]) -> Self {
        Self { link, invocation, source, out, begun: false }
    }

    /// Whether anything of the answer went out.
    pub(crate) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Sends what there is of the answer, and, if that is all, its end.
    pub(crate) fn push(&mut self, exchange: &Exchange<'_>, is_last: bool) -> Result<(), Lost> {
        let (mut start, mut end) = (HEAD_ROOM, HEAD_ROOM);
        if !self.begun {
            let Some(answer) = exchange.answer_head() else { return Ok(()) };
            let what = What::Response(&self.invocation.request_id);
            let post = Post { what, invocation_id: self.invocation.invocation_id(), length: None };
            let (head, rest) = self.out.split_at_mut_checked(HEAD_ROOM).unwrap_or_default();
            start = self.link.api.post_before(&post, head).ok_or_else(Lost::no_room)?;
            let content = rest.get_mut(SIZE_LINE..).unwrap_or_default();
            let length = prelude(self.source, content, answer.status(), answer.lines()).map_err(|_| Lost::no_room())?;
            end = close_chunk(self.out, HEAD_ROOM, length)?;
            end = chunk(self.out, end, &[0; 8])?;
            self.begun = true;
            self.link.stage.set(Stage::Streaming);
        }
        while let Some(done) = exchange.drain(|pending| match chunk(self.out, end, pending) {
            Ok(end) => (pending.len(), Ok(end)),
            Err(lost) => (0, Err(lost)),
        }) {
            end = done?;
        }
        if is_last {
            end = put(self.out, end, b"0\r\n\r\n")?;
        }
        match self.out.get(start..end) {
            Some(bytes) if !bytes.is_empty() => self.link.send(bytes),
            _ => Ok(()),
        }
    }

    /// Ends the answer where it is, so that the platform sees that it failed.
    pub(crate) fn fail(&mut self, kind: ErrorKind, message: &dyn fmt::Display) -> Result<(), Lost> {
        fail(self.link, kind, message, self.out)
    }
}

/// Ends a streamed answer with trailers that say how it failed.
pub(crate) fn fail(link: &Link, kind: ErrorKind, message: &dyn fmt::Display, memory: &mut [u8]) -> Result<(), Lost> {
    let mut document = [0; DOCUMENT_BYTES];
    let mut encoded = [0; DOCUMENT_BYTES.div_ceil(3) * 4];
    let document = error_document(&mut document, kind.0, message);
    let length = STANDARD.encode_slice(document, &mut encoded).map_err(|_| Lost::no_room())?;
    let mut text = Text::new(memory);
    text.push(b"0\r\nLambda-Runtime-Function-Error-Type: ");
    text.push(kind.0.as_bytes());
    text.push(b"\r\nLambda-Runtime-Function-Error-Body: ");
    text.push(encoded.get(..length).unwrap_or_default());
    text.push(b"\r\n\r\n");
    if text.is_cut() { Err(Lost::no_room()) } else { link.send(text.as_bytes()) }
}

/// Writes a chunk at `at`, and gives where it ends.
fn chunk(out: &mut [u8], at: usize, content: &[u8]) -> Result<usize, Lost> {
    put(out, at + SIZE_LINE, content)?;
    close_chunk(out, at, content.len())
}

/// Writes what goes around the `length` bytes of a chunk's content that stand at `at + SIZE_LINE`.
fn close_chunk(out: &mut [u8], at: usize, length: usize) -> Result<usize, Lost> {
    let mut line = *b"000000\r\n";
    for (digit, shift) in line.iter_mut().zip([20, 16, 12, 8, 4, 0]) {
        *digit = HEX.get(length >> shift & 0xf).copied().unwrap_or(b'0');
    }
    put(out, at, &line)?;
    put(out, at + SIZE_LINE + length, b"\r\n")
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Result<usize, Lost> {
    let end = at + bytes.len();
    out.get_mut(at..end).ok_or_else(Lost::no_room)?.copy_from_slice(bytes);
    Ok(end)
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Six digits and CR LF.
const SIZE_LINE: usize = 8;
/// Bytes of an error document that goes into a trailer.
const DOCUMENT_BYTES: usize = 1_536;

#[cfg(test)]
mod tests {
    use super::chunk;

    #[test]
    fn chunks_stand_one_behind_the_other() {
        let mut out = [0; 64];
        let end = chunk(&mut out, 2, b"hello").and_then(|end| chunk(&mut out, end, &[b'x'; 17]));
        assert!(matches!(end, Ok(44)));
        assert_eq!(&out[2..44], b"000005\r\nhello\r\n000011\r\nxxxxxxxxxxxxxxxxx\r\n");
        assert!(chunk(&mut out, 50, b"hello").is_err());
    }
}

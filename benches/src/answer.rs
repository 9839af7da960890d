//! The one answer that counts: `200` with the body that is wanted, framed by Content-Length or in chunks.

use std::fmt;

/// The body that every answer must carry where no other is wanted.
pub const BODY: &[u8] = b"Hello, World!";

/// More fields than any server under measurement sends.
const FIELDS: usize = 32;

/// Finds where answers end, and refuses every wrong one.
#[derive(Debug)]
pub struct Checker {
    body: Vec<u8>,
    /// The last answer that was checked in full. Until the date in it changes the next ones are the same bytes, and
    /// comparing them is cheap enough for the client not to be what is measured.
    known: Vec<u8>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::wanting(BODY.to_vec())
    }
}

impl Checker {
    /// A checker for answers with another body than [`BODY`].
    #[must_use]
    pub fn wanting(body: Vec<u8>) -> Self {
        Self { body, known: Vec::new() }
    }

    /// Bytes of the body that every answer must carry.
    #[must_use]
    pub fn body_length(&self) -> usize {
        self.body.len()
    }

    /// The length of the answer that `bytes` begin with, or `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// [`Wrong`] as soon as the bytes can no longer become the answer that is wanted.
    pub fn check(&mut self, bytes: &[u8]) -> Result<Option<usize>, Wrong> {
        if !self.known.is_empty() && bytes.starts_with(&self.known) {
            return Ok(Some(self.known.len()));
        }
        let Some(length) = whole(bytes, &self.body)? else { return Ok(None) };
        self.known.clear();
        self.known.extend_from_slice(bytes.get(..length).unwrap_or_default());
        Ok(Some(length))
    }
}

/// Why an answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not an HTTP/1.x response head.
    Head,
    /// Its status is another than 200.
    Status(u16),
    /// It has neither one Content-Length nor the one Transfer-Encoding `chunked`, or broken chunks, or trailers.
    Framing,
    /// Its body is another.
    Body,
    /// More came than was asked for.
    Surplus,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("wrong answer: not an HTTP/1.x response head"),
            Self::Status(status) => write!(f, "wrong answer: status {status}"),
            Self::Framing => f.write_str("wrong answer: not framed by one Content-Length or in chunks"),
            Self::Body => f.write_str("wrong answer: another body"),
            Self::Surplus => f.write_str("wrong answer: bytes that no request asked for"),
        }
    }
}

impl std::error::Error for Wrong {}

fn whole(bytes: &[u8], wanted: &[u8]) -> Result<Option<usize>, Wrong> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(status) = response.parse(bytes) else { return Err(Wrong::Head) };
    let httparse::Status::Complete(head) = status else { return Ok(None) };
    match response.code {
        Some(200) => {}
        code => return Err(Wrong::Status(code.unwrap_or(0))),
    }

    let one = |name: &str| {
        let mut values = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let first = values.next().map(|field| field.value);
        if values.next().is_some() { Err(Wrong::Framing) } else { Ok(first) }
    };
    let content = bytes.get(head..).unwrap_or_default();
    let length = match (one("content-length")?, one("transfer-encoding")?) {
        (Some(length), None) => {
            let declared = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()).ok_or(Wrong::Framing)?;
            if declared == wanted.len() { same(content, wanted)?.then_some(declared) } else { return Err(Wrong::Body) }
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => chunked(content, wanted)?,
        _ => return Err(Wrong::Framing),
    };
    Ok(length.map(|length| head + length))
}

/// The length of the chunks that `bytes` begin with, once they have ended and carried what was wanted.
fn chunked(bytes: &[u8], mut wanted: &[u8]) -> Result<Option<usize>, Wrong> {
    let mut rest = bytes;
    loop {
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((line, size))) => (line, usize::try_from(size).map_err(|_| Wrong::Body)?),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Wrong::Framing),
        };
        let (piece, later) = wanted.split_at_checked(size).ok_or(Wrong::Body)?;
        let data = rest.get(line..).unwrap_or_default();
        if !same(data, piece)? {
            return Ok(None);
        }
        let end = data.get(size..).unwrap_or_default();
        let Some(after) = end.strip_prefix(b"\r\n") else {
            return if b"\r\n".starts_with(end) { Ok(None) } else { Err(Wrong::Framing) };
        };
        if size == 0 {
            return if later.is_empty() { Ok(Some(bytes.len() - after.len())) } else { Err(Wrong::Body) };
        }
        (rest, wanted) = (after, later);
    }
}

/// Whether all that is wanted is there; an error if something else is.
fn same(bytes: &[u8], wanted: &[u8]) -> Result<bool, Wrong> {
    let bytes = bytes.get(..wanted.len()).unwrap_or(bytes);
    if wanted.starts_with(bytes) { Ok(bytes.len() == wanted.len()) } else { Err(Wrong::Body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 13\r\n\r\nHello, World!";

    fn check(bytes: &[u8]) -> Result<Option<usize>, Wrong> {
        Checker::default().check(bytes)
    }

    #[test]
    fn an_answer_ends_where_its_content_length_says() {
        let mut checker = Checker::default();
        let two = [GOOD, GOOD].concat();
        assert_eq!(checker.check(&two), Ok(Some(GOOD.len())));
        assert_eq!(checker.check(&two), Ok(Some(GOOD.len())));
        let later = [b"HTTP/1.1 200 OK\r\nDate: later\r\nContent-Length: 13\r\n\r\nHello, World!", GOOD].concat();
        assert_eq!(checker.check(&later), Ok(Some(GOOD.len() + 2)));
    }

    #[test]
    fn an_answer_in_chunks_ends_with_the_last_one() {
        let chunks =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n7\r\nHello, \r\n6;a=b\r\nWorld!\r\n0\r\n\r\n";
        for length in 0..chunks.len() {
            assert_eq!(check(chunks.get(..length).unwrap_or_default()), Ok(None), "{length}");
        }
        assert_eq!(check(&[chunks, GOOD].concat()), Ok(Some(chunks.len())));
    }

    #[test]
    fn another_body_can_be_wanted() {
        let mut checker = Checker::wanting(b"1048576".to_vec());
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n1048576";
        assert_eq!(checker.check(answer), Ok(Some(answer.len())));
        assert_eq!(checker.check(GOOD), Err(Wrong::Body));
    }

    #[test]
    fn every_beginning_of_an_answer_is_incomplete() {
        for length in 0..GOOD.len() {
            let mut checker = Checker::default();
            assert_eq!(checker.check(GOOD.get(..length).unwrap_or_default()), Ok(None), "{length}");
            assert_eq!(checker.check(GOOD), Ok(Some(GOOD.len())));
            assert_eq!(checker.check(GOOD.get(..length).unwrap_or_default()), Ok(None), "{length} after a whole one");
        }
    }

    #[test]
    fn every_other_answer_is_wrong() {
        let cases: [(&[u8], Wrong); 13] = [
            (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\n\r\nHello, World!", Wrong::Status(400)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, Worlds", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHi", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, World", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\n\r\nHello, World!", Wrong::Framing),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Length: 13\r\n\r\nHello, World!", Wrong::Framing),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nHello, World!", Wrong::Framing),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\nHello, World!",
                Wrong::Framing,
            ),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!!\r\n", Wrong::Framing),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nHello,\r\n0\r\n\r\n", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\nHello, World!", Wrong::Body),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\nA: b\r\n\r\n",
                Wrong::Framing,
            ),
            (b"Hello, World!", Wrong::Head),
        ];
        for (bytes, wrong) in cases {
            assert_eq!(check(bytes), Err(wrong), "{}", bytes.escape_ascii());
        }
    }
}

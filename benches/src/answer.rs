//! The one answer that counts: `200` with the body `Hello, World!`, framed by Content-Length.

use std::fmt;

/// The body that every answer must carry.
pub const BODY: &[u8] = b"Hello, World!";

/// More fields than any server under measurement sends.
const FIELDS: usize = 32;

/// Finds where answers end, and refuses every wrong one.
#[derive(Debug, Default)]
pub struct Checker {
    /// The last answer that was checked in full. Until the date in it changes the next ones are the same bytes, and
    /// comparing them is cheap enough for the client not to be what is measured.
    known: Vec<u8>,
}

impl Checker {
    /// The length of the answer that `bytes` begin with, or `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// [`Wrong`] as soon as the bytes can no longer become the answer that is wanted.
    pub fn check(&mut self, bytes: &[u8]) -> Result<Option<usize>, Wrong> {
        if !self.known.is_empty() && bytes.starts_with(&self.known) {
            return Ok(Some(self.known.len()));
        }
        let Some(length) = whole(bytes)? else { return Ok(None) };
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
    /// It has no single Content-Length, or a Transfer-Encoding.
    Framing,
    /// Its body is not [`BODY`].
    Body,
    /// More came than was asked for.
    Surplus,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("wrong answer: not an HTTP/1.x response head"),
            Self::Status(status) => write!(f, "wrong answer: status {status}"),
            Self::Framing => f.write_str("wrong answer: not framed by one Content-Length"),
            Self::Body => f.write_str("wrong answer: another body"),
            Self::Surplus => f.write_str("wrong answer: bytes that no request asked for"),
        }
    }
}

impl std::error::Error for Wrong {}

fn whole(bytes: &[u8]) -> Result<Option<usize>, Wrong> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(status) = response.parse(bytes) else { return Err(Wrong::Head) };
    let httparse::Status::Complete(head) = status else { return Ok(None) };
    match response.code {
        Some(200) => {}
        code => return Err(Wrong::Status(code.unwrap_or(0))),
    }

    let mut length = None;
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Wrong::Framing);
        }
        if field.name.eq_ignore_ascii_case("content-length") && length.replace(field.value).is_some() {
            return Err(Wrong::Framing);
        }
    }
    let declared: Option<usize> =
        length.and_then(|value| std::str::from_utf8(value).ok()).and_then(|text| text.parse().ok());
    match declared {
        None => return Err(Wrong::Framing),
        Some(declared) if declared != BODY.len() => return Err(Wrong::Body),
        Some(_) => {}
    }

    let body = bytes.get(head..).unwrap_or_default();
    if body.len() < BODY.len() {
        return if BODY.starts_with(body) { Ok(None) } else { Err(Wrong::Body) };
    }
    if body.starts_with(BODY) { Ok(Some(head + BODY.len())) } else { Err(Wrong::Body) }
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
        let cases: [(&[u8], Wrong); 8] = [
            (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\n\r\nHello, World!", Wrong::Status(400)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, Worlds", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHi", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, World", Wrong::Body),
            (b"HTTP/1.1 200 OK\r\n\r\nHello, World!", Wrong::Framing),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Length: 13\r\n\r\nHello, World!", Wrong::Framing),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n", Wrong::Framing),
            (b"Hello, World!", Wrong::Head),
        ];
        for (bytes, wrong) in cases {
            assert_eq!(check(bytes), Err(wrong), "{}", bytes.escape_ascii());
        }
    }
}

//! A form, decoded where it stands.

use core::fmt;

use crate::{
    exchange::{Request, failure::Failure},
    percent::{PercentEncoded, PercentError},
    shift::shift,
};

/// The pairs of a form (`application/x-www-form-urlencoded`, WHATWG URL standard, section 5.1), decoded in the memory that they came in.
///
/// ```
/// # use midge::{testing, Request, Response};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |mut request: Request<'_>, response: Response<'_>| {
///     let form = request.form().await?;
///     response.status(200).text(form.get("name").unwrap_or("nobody")).await
/// }
/// # ;
/// # let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\n\r\nname=Ada+L%2E";
/// # let answer = testing::call(&handler, request, &mut scratch)?;
/// # assert_eq!(answer.body(), b"Ada L.");
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Form<'a> {
    /// `name NAME_END value PAIR_END ...`, both of which are bytes that UTF-8 doesn't have.
    pairs: &'a [u8],
}

impl<'a> Form<'a> {
    /// Decodes a form in place. All of it is checked, so that every name and value that it gives is text.
    ///
    /// # Errors
    ///
    /// A `%` without two hexadecimal digits, or a name or value that isn't UTF-8.
    pub fn decode(body: &'a mut [u8]) -> Result<Self, PercentError> {
        let (mut read, mut written) = (0, 0);
        while read < body.len() {
            let rest = body.get(read..).unwrap_or_default();
            let end = memchr::memchr(b'&', rest).map_or(body.len(), |at| read + at);
            let pair = body.get(read..end).unwrap_or_default();
            if !pair.is_empty() {
                // Decoding never makes longer, and each mark takes the place of a `=` or `&`: they are never behind what is read.
                let equals = memchr::memchr(b'=', pair).map(|at| read + at);
                written = decode_within(body, read, equals.unwrap_or(end), written)?;
                if let Some(equals) = equals {
                    written = mark(body, written, NAME_END);
                    written = decode_within(body, equals + 1, end, written)?;
                }
                if end < body.len() {
                    written = mark(body, written, PAIR_END);
                }
            }
            read = end + 1;
        }
        let body: &'a [u8] = body;
        Ok(Self { pairs: body.get(..written).unwrap_or_default() })
    }

    /// Name and value of every pair, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.pieces().map(|(name, value)| (text(name), text(value)))
    }

    /// The value of the first pair with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The values of all pairs with this name, in order.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.pieces().filter(move |(each, _)| *each == name.as_bytes()).map(|(_, value)| text(value))
    }

    fn pieces(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.pairs;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (pair, behind) = cut(rest, PAIR_END);
            rest = behind;
            Some(cut(pair, NAME_END))
        })
    }
}

impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'x> Request<'x> {
    /// Reads the whole body as a form, decoded in place: up to
    /// [`Limits::body_in_memory_bytes`](crate::Limits::body_in_memory_bytes).
    ///
    /// # Errors
    ///
    /// 415 if `Content-Type` isn't `application/x-www-form-urlencoded`, 413 for a larger body, 400 for a malformed encoding, and what
    /// else keeps the body from being read.
    pub async fn form(&mut self) -> Result<Form<'x>, Failure> {
        if !self.content_type().is_some_and(|content| content.is("application", "x-www-form-urlencoded")) {
            return Err(Failure::new(415).because("this wants application/x-www-form-urlencoded"));
        }
        Ok(Form::decode(self.body().all_mut().await?)?)
    }
}

/// Decodes `body[from..to]` to `body[at..]`, where `at` isn't behind `from`, and gives where that ends. It is UTF-8.
fn decode_within(body: &mut [u8], from: usize, to: usize, at: usize) -> Result<usize, PercentError> {
    let (mut read, mut written) = (from, at);
    if memchr::memchr2(b'%', b'+', body.get(from..to).unwrap_or_default()).is_none() {
        shift(body, from, to, at);
        (read, written) = (to, at + to - from);
    }
    while read < to {
        let encoded = body.get(read..to).unwrap_or_default();
        let length = if encoded.starts_with(b"%") { 3 } else { 1 };
        let Some(byte) = PercentEncoded::form(encoded).bytes().next() else { break };
        let byte = byte?;
        if let Some(place) = body.get_mut(written) {
            *place = byte;
        }
        (read, written) = (read + length, written + 1);
    }
    match core::str::from_utf8(body.get(at..written).unwrap_or_default()) {
        Ok(_) => Ok(written),
        Err(_) => Err(PercentError::NotUtf8),
    }
}

fn mark(body: &mut [u8], at: usize, mark: u8) -> usize {
    if let Some(place) = body.get_mut(at) {
        *place = mark;
    }
    at + 1
}

/// What stands before and behind the first `mark`.
fn cut(bytes: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(mark, bytes) {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

/// It was found to be UTF-8 when it was decoded.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

const NAME_END: u8 = 0xff;
const PAIR_END: u8 = 0xfe;

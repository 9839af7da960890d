//! Field lines: read by httparse into a table of spans, looked up in the bytes they came in.

use core::fmt;

use super::reject::Reject;

/// Where one field line's name and value stand in the bytes of its message. A slot holds a table of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Field {
    /// A field that stands nowhere: what a table is filled with at start.
    pub const EMPTY: Self = Self { name: Span::EMPTY, value: Span::EMPTY };

    /// The field whose name and value stand at these places of the bytes that a [`Head`](crate::Head) is made over:
    /// for hosts whose requests don't come as HTTP/1.1.
    #[must_use]
    pub const fn new(name: Span, value: Span) -> Self {
        Self { name, value }
    }
}

/// A range of bytes, as a 32-bit offset and a 32-bit length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// The empty range at 0.
    pub const EMPTY: Self = Self { start: 0, length: 0 };

    /// The range from `start` up to, not including, `end`. Offsets past 4 GiB can't be told, and no message reaches them.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self::with_length(start, end.saturating_sub(start))
    }

    /// `length` bytes from `start` on. What [`Span::new`] says of large offsets holds here too.
    #[must_use]
    pub const fn with_length(start: usize, length: usize) -> Self {
        Self { start: start as u32, length: length as u32 }
    }

    /// The bytes of the range; none where it doesn't lie within `bytes`.
    #[must_use]
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start()..self.end()).unwrap_or_default()
    }

    /// The range as text; empty where it isn't UTF-8.
    #[must_use]
    #[inline]
    pub fn text(self, bytes: &[u8]) -> &str {
        core::str::from_utf8(self.of(bytes)).unwrap_or_default()
    }

    /// Offset of the first byte.
    #[must_use]
    pub const fn start(self) -> usize {
        self.start as usize
    }

    /// Offset after the last byte.
    #[must_use]
    pub const fn end(self) -> usize {
        (self.start as usize).saturating_add(self.length as usize)
    }
}

/// The fields of a head or of a trailer section, in the order they came.
///
/// ```
/// # use midge::{testing, Request, Response};
/// # let mut scratch = testing::Scratch::new();
/// let answer = testing::call(
///     &async |request: Request<'_>, response: Response<'_>| {
///         assert_eq!(request.headers().get("accept"), Some(&b"text/html"[..]));
///         assert_eq!(request.headers().all("COOKIE").count(), 2);
///         response.status(204).empty().await
///     },
///     b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n",
///     &mut scratch,
/// )?;
/// assert_eq!(answer.status(), 204);
/// # Ok::<(), midge::testing::CallError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    table: &'a [Field],
}

impl<'a> Fields<'a> {
    /// No fields at all.
    pub const NONE: Self = Self { bytes: &[], table: &[] };

    pub(crate) const fn new(bytes: &'a [u8], table: &'a [Field]) -> Self {
        Self { bytes, table }
    }

    /// The value of the first field with this name, whatever its case. Values are bytes: RFC 9110 (section 5.5) allows
    /// more than ASCII in them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// What stands in this place of the bytes that the fields stand in; empty where it isn't UTF-8.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        span.text(self.bytes)
    }

    /// The values of all fields with this name, in order.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        self.table
            .iter()
            .filter(move |field| field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |field| field.value.of(bytes))
    }

    /// Name and value of every field, in order, as the client wrote them; blanks around values are gone.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.table.iter().map(move |field| (field.name.text(bytes), field.value.of(bytes)))
    }

    /// The same with the names as bytes: for those who only compare them, and whom text would cost a check.
    pub fn bytes(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.table.iter().map(move |field| (field.name.of(bytes), field.value.of(bytes)))
    }

    /// Number of fields.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.bytes().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}\"{}\": \"{}\"", name.escape_ascii(), value.escape_ascii())?;
        }
        f.write_str("}")
    }
}

/// A section of field lines that was read whole.
pub(crate) struct Section {
    /// Number of fields.
    pub(crate) count: usize,
    /// Offset after the empty line.
    pub(crate) end: usize,
}

/// Reads field lines from `bytes[from..]` up to and with the empty line. Each goes into `table` and to `note`.
/// If something stands before them, it ends in CR LF.
///
/// `None` where the section doesn't end within `bytes`. httparse finds the fields, `BATCH` at a time, so that their number
/// is a limit and not an array's length; it takes LF for CR LF, which is looked for here.
#[inline]
pub(crate) fn read<'b, const BATCH: usize>(
    bytes: &'b [u8],
    from: usize,
    table: &mut [Field],
    mut note: impl FnMut(&'b [u8], &'b [u8], Field),
) -> Result<Option<Section>, Reject> {
    let base = bytes.as_ptr().addr();
    let mut batch = [httparse::EMPTY_HEADER; BATCH];
    let mut count = 0;
    let mut at = from;
    loop {
        let Some(rest) = bytes.get(at..) else { return Ok(None) };
        let end = match httparse::parse_headers(rest, &mut batch) {
            Ok(httparse::Status::Complete((length, headers))) => {
                let parsed = headers.len();
                Some((at + length, parsed))
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => None,
            Err(error) => return Err(reject(error)),
        };
        let Some(headers) = batch.get(..end.map_or(BATCH, |(_, parsed)| parsed)) else { return Ok(None) };
        let Some(entries) = table.get_mut(count..count + headers.len()) else { return Err(Reject::TooManyFields) };
        for (header, entry) in headers.iter().zip(entries) {
            let (name, value) = (header.name.as_bytes(), header.value);
            let name_start = name.as_ptr().addr().wrapping_sub(base);
            let value_start = value.as_ptr().addr().wrapping_sub(base);
            // Every line follows another one's line end, unless it is the first of all bytes.
            if bytes.get(name_start.wrapping_sub(2)).is_some_and(|byte| *byte != b'\r') {
                return Err(Reject::BareLf);
            }
            *entry = Field {
                name: Span::with_length(name_start, name.len()),
                value: Span::with_length(value_start, value.len()),
            };
            note(name, value, *entry);
        }
        count += headers.len();
        if let Some((end, _)) = end {
            // The last field's line end, if there is one, and the empty line's.
            let Some(ending) = bytes.get(..end) else { return Ok(None) };
            let is_strict =
                if count > 0 { ending.last_chunk() == Some(b"\r\n\r\n") } else { ending.last_chunk() == Some(b"\r\n") };
            return if is_strict { Ok(Some(Section { count, end })) } else { Err(Reject::BareLf) };
        }
        // The batch is full and there is more: go on after the last line that it holds.
        let last =
            headers.last().map_or(0, |header| header.value.as_ptr().addr().wrapping_sub(base) + header.value.len());
        let line_end = bytes.get(last..).and_then(|tail| memchr::memchr(b'\n', tail));
        match line_end {
            Some(offset) if last + offset + 1 > at => at = last + offset + 1,
            _ => return Err(Reject::FieldName),
        }
    }
}

/// Looks for an empty line in `bytes` from `scanned` on, and remembers how far it looked: a section that dribbles in is scanned once.
///
/// Takes LF for CR LF, so that a section that ends so is found, and then refused.
pub(crate) fn has_empty_line(bytes: &[u8], scanned: &mut usize) -> bool {
    let mut at = *scanned;
    while let Some(offset) = bytes.get(at..).and_then(|tail| memchr::memchr(b'\n', tail)) {
        let line_feed = at + offset;
        match bytes.get(line_feed + 1..) {
            Some([b'\n', ..] | [b'\r', b'\n', ..]) => return true,
            Some([] | [b'\r']) | None => {
                // The next line has only begun: look at it again.
                *scanned = line_feed;
                return false;
            }
            Some(_) => at = line_feed + 1,
        }
    }
    *scanned = bytes.len();
    false
}

#[cold]
fn reject(error: httparse::Error) -> Reject {
    match error {
        httparse::Error::HeaderValue => Reject::FieldValue,
        httparse::Error::NewLine => Reject::BareLf,
        _ => Reject::FieldName,
    }
}

//! Forms of several parts, files among them, read as they come.

mod names;
mod scanner;

use core::fmt;

use crate::{
    exchange::{
        Body, Request,
        failure::{BodyError, Failure},
    },
    http1::fields::{Field, Fields},
};

use self::{
    names::{Names, names},
    scanner::Scanner,
};
use super::media::MediaType;

/// The parts of a `multipart/form-data` body (RFC 7578), read one after the other, each as it comes.
///
/// It works in memory that the handler gives it: a part's head has to fit there, with a hundred bytes to spare, and as much of its content as is
/// left is seen at a time. 2 KiB is a good size; more makes for larger chunks.
///
/// ```
/// # use midge::{testing, Request, Response};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |mut request: Request<'_>, response: Response<'_>| {
///     let mut memory = [0; 2_048];
///     let mut form = request.multipart(&mut memory)?;
///     let mut bytes = 0;
///     while let Some(mut part) = form.next().await? {
///         if part.name() == "file" {
///             while let Some(chunk) = part.chunk().await? {
///                 bytes += chunk.len();
///             }
///         }
///     }
///     let mut body = response.status(200).stream().await?;
///     write!(body, "{bytes} bytes").await?;
///     body.finish().await
/// }
/// # ;
/// # let content = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello\r\n--x--\r\n";
/// # let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x";
/// # let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{content}", content.len());
/// # let answer = testing::call(&handler, request.as_bytes(), &mut scratch)?;
/// # assert_eq!(answer.body(), b"5 bytes");
/// # Ok::<(), testing::CallError>(())
/// ```
pub struct Multipart<'r, 'x> {
    body: &'r mut Body<'x>,
    /// The part's head, and behind it the window that its content is seen through.
    memory: &'r mut [u8],
    head: usize,
    scanner: Scanner,
    table: [Field; MAX_FIELDS],
    parts: u16,
    max_parts: u16,
}

impl<'x> Request<'x> {
    /// The parts of a `multipart/form-data` body, to be read in `memory`: see [`Multipart`].
    ///
    /// # Errors
    ///
    /// 415 if `Content-Type` isn't `multipart/form-data`, and 400 if it has no boundary, or one that can't be (RFC 2046, section 5.1.1).
    pub fn multipart<'r>(&'r mut self, memory: &'r mut [u8]) -> Result<Multipart<'r, 'x>, Failure> {
        let Some(content) = self.content_type().filter(|content| content.is("multipart", "form-data")) else {
            return Err(Failure::new(415).because("this wants multipart/form-data"));
        };
        let mut buffer = [0; MAX_BOUNDARY];
        let boundary = content.parameter("boundary").and_then(|boundary| boundary.decode(&mut buffer));
        let scanner =
            boundary.and_then(|boundary| Scanner::new(boundary.as_bytes())).ok_or(MultipartError::Boundary)?;
        let table = [Field::EMPTY; MAX_FIELDS];
        Ok(Multipart { body: self.body(), memory, head: 0, scanner, table, parts: 0, max_parts: 100 })
    }
}

impl<'x> Multipart<'_, 'x> {
    /// Lets the form have `parts` parts; without this, 100. Beyond: 413.
    #[must_use]
    pub const fn max_parts(mut self, parts: u16) -> Self {
        self.max_parts = parts;
        self
    }

    /// The next part; `None` after the last one. What the part before left unread is passed over.
    ///
    /// # Errors
    ///
    /// A body that isn't what it has to be, has too many parts, or can't be read. Every later call says the same.
    pub async fn next(&mut self) -> Result<Option<Part<'_, 'x>>, MultipartError> {
        let window = self.memory.get_mut(self.head..).unwrap_or_default();
        while self.scanner.chunk(self.body, window, usize::MAX).await?.is_some() {}
        if !self.scanner.has_part(self.body, window).await? {
            return Ok(None);
        }
        if self.parts == self.max_parts {
            return Err(self.scanner.fail(MultipartError::TooManyParts));
        }
        self.parts += 1;
        self.scanner.begin_head(self.memory, self.head);
        self.head = 0;
        let (length, count) = self.scanner.head(self.body, self.memory, &mut self.table).await?;
        self.head = length;
        let (head, window) = self.memory.split_at_mut_checked(length).unwrap_or_default();
        let table = self.table.get(..count).unwrap_or_default();
        let names = match names(head, table) {
            Ok(names) => names,
            Err(error) => return Err(self.scanner.fail(error)),
        };
        let fields = Fields::new(head, table);
        Ok(Some(Part { fields, names, window, body: self.body, scanner: &mut self.scanner }))
    }
}

impl fmt::Debug for Multipart<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// One part of a form. What it tells of its head lives beside its content.
pub struct Part<'p, 'x> {
    fields: Fields<'p>,
    names: Names,
    window: &'p mut [u8],
    body: &'p mut Body<'x>,
    scanner: &'p mut Scanner,
}

impl<'p> Part<'p, '_> {
    /// The name of the form's field.
    #[must_use]
    pub fn name(&self) -> &'p str {
        self.fields.text(self.names.name)
    }

    /// The name that the file has where it came from, if this is a file. It is the client's to choose: no path, and no promise of what is
    /// in it. Browsers write `%22`, `%0D` and `%0A` for a quote and line ends, and it is left at that.
    #[must_use]
    pub fn filename(&self) -> Option<&'p str> {
        self.names.filename.map(|filename| self.fields.text(filename))
    }

    /// The content's media type, if there is one (without it, `text/plain`).
    #[must_use]
    pub fn content_type(&self) -> Option<MediaType<'p>> {
        MediaType::parse(core::str::from_utf8(self.fields.get("content-type")?).ok()?)
    }

    /// All fields of the part's head.
    #[must_use]
    pub const fn headers(&self) -> Fields<'p> {
        self.fields
    }

    /// The next piece of the content, as long as it happened to come in; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, MultipartError> {
        match self.scanner.chunk(self.body, self.window, usize::MAX).await? {
            Some((start, end)) => Ok(Some(self.window.get(start..end).unwrap_or_default())),
            None => Ok(None),
        }
    }

    /// Reads some of the content into `buffer`, and gives the number of bytes: 0 at its end, or if `buffer` is empty.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, MultipartError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some((start, end)) = self.scanner.chunk(self.body, self.window, buffer.len()).await? else { return Ok(0) };
        if let (Some(to), Some(from)) = (buffer.get_mut(..end - start), self.window.get(start..end)) {
            to.copy_from_slice(from);
        }
        Ok(end - start)
    }

    /// The rest of the content in one piece, in `buffer`.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`], and [`MultipartError::TooLarge`] where it is longer than `buffer`.
    pub async fn all<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b mut [u8], MultipartError> {
        let mut length = 0;
        while let Some((start, end)) = self.scanner.chunk(self.body, self.window, usize::MAX).await? {
            let place = buffer.get_mut(length..length + end - start);
            let (Some(to), Some(from)) = (place, self.window.get(start..end)) else {
                return Err(MultipartError::TooLarge);
            };
            to.copy_from_slice(from);
            length += end - start;
        }
        Ok(buffer.get_mut(..length).unwrap_or_default())
    }
}

impl fmt::Debug for Part<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("headers", &self.fields).finish_non_exhaustive()
    }
}

/// Why the parts of a form can't be read to their end. A handler that passes it on answers 400, 413 for what is too large or too much, or as
/// the [`BodyError`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartError {
    /// The body can't be read.
    Body(BodyError),
    /// `Content-Type` has no boundary, or one that can't be.
    Boundary,
    /// Something else than a line end follows a boundary.
    Delimiter,
    /// The body ends before the last boundary.
    Truncated,
    /// A part's head is malformed.
    Head,
    /// A part's head doesn't fit into the memory that was given, or has more than eight fields.
    HeadTooLarge,
    /// A part without one `Content-Disposition: form-data` with a name, or with a transfer encoding.
    Disposition,
    /// More parts than [`Multipart::max_parts`].
    TooManyParts,
    /// A part is longer than the buffer that it was to be put into.
    TooLarge,
}

impl MultipartError {
    const fn message(self) -> &'static str {
        match self {
            Self::Body(error) => error.reject().message(),
            Self::Boundary => "multipart/form-data without a boundary, or with one that can't be",
            Self::Delimiter => "a boundary with something else than a line end behind it",
            Self::Truncated => "a form that ends before its last boundary",
            Self::Head => "a part whose head is malformed",
            Self::HeadTooLarge => "a part whose head is too large",
            Self::Disposition => {
                "a part without 'Content-Disposition: form-data' and a name, or with a transfer encoding"
            }
            Self::TooManyParts => "a form of too many parts",
            Self::TooLarge => "a part that is too large",
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for MultipartError {}

impl From<BodyError> for MultipartError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<MultipartError> for Failure {
    fn from(error: MultipartError) -> Self {
        let status = match error {
            MultipartError::Body(error) => return error.into(),
            MultipartError::HeadTooLarge | MultipartError::TooManyParts | MultipartError::TooLarge => 413,
            _ => 400,
        };
        Self::new(status).because(error.message())
    }
}

/// Fields of one part: it has three, and no more than that have a meaning.
const MAX_FIELDS: usize = 8;
/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY: usize = 70;

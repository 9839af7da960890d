//! What of a representation is sent, as the conditions and the range of its request have it: one decision for bytes from anywhere.

use core::ops::Range;

use crate::{
    exchange::{Request, Response, ResponseHead},
    http1::{date::Date, fields::Fields, method::Method, status::Status},
};

use super::{
    etag::{EntityTag, SentTag, tags},
    range::{Asked, asked},
};

/// What is to know of a representation to answer conditional and range requests for it.
///
/// ```
/// use midge::{EntityTag, Representation};
///
/// let representation = Representation::new(1_000).etag(EntityTag::strong("v1")).modified(784_111_777);
/// assert_eq!(representation.length(), 1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Representation<'a> {
    length: u64,
    etag: Option<EntityTag<'a>>,
    modified: Option<u64>,
    modified_is_strong: bool,
    has_ranges: bool,
}

impl<'a> Representation<'a> {
    /// A representation of `length` bytes, any range of which can be sent.
    #[must_use]
    pub const fn new(length: u64) -> Self {
        Self { length, etag: None, modified: None, modified_is_strong: false, has_ranges: true }
    }

    /// Names its version.
    #[must_use]
    pub const fn etag(mut self, tag: Option<EntityTag<'a>>) -> Self {
        self.etag = tag;
        self
    }

    /// When it was changed last, in seconds since 1970; not a time to come (RFC 9110, section 8.8.2.1).
    #[must_use]
    pub const fn modified(mut self, unix_seconds: u64) -> Self {
        self.modified = Some(unix_seconds);
        self
    }

    /// That it was not changed twice within the second of [`Representation::modified`]: known if that second is over since long (RFC 9110,
    /// section 8.8.2.2). Without it, `If-Range` with a date is never true, and the whole is sent.
    #[must_use]
    pub const fn modified_is_strong(mut self, is_strong: bool) -> Self {
        self.modified_is_strong = is_strong;
        self
    }

    /// It can only be sent whole.
    #[must_use]
    pub const fn without_ranges(mut self) -> Self {
        self.has_ranges = false;
        self
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

/// What the conditions and the range of a request come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// Nothing stands against the method: for `GET`, the whole is sent (200).
    Whole,
    /// These bytes are sent (206).
    Part(Range<u64>),
    /// The client has it already (304).
    NotModified,
    /// It isn't what the client takes it to be: nothing is done (412).
    PreconditionFailed,
    /// It has none of the bytes that are asked for (416).
    Unsatisfiable,
}

/// A decision, with the fields that go with it: see [`select`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<'a> {
    outcome: Selected,
    current: Option<Representation<'a>>,
}

/// Decides what is sent of the representation that there is at present, `None` if there is none. It is a pure function of its arguments.
///
/// The order is that of RFC 9110, section 13.2.2: `If-Match`, else `If-Unmodified-Since`; `If-None-Match`, else `If-Modified-Since`; `If-Range`;
/// `Range`. Several ranges are sent as one where they touch, overlap or have no more than 80 bytes between them, and otherwise not heeded; so are more
/// than 16, which section 14.2 permits. A date or range that is malformed isn't heeded either.
///
/// A method that changes something asks before it does it, and goes on if the outcome is [`Selected::Whole`]:
///
/// ```
/// # use midge::{EntityTag, Selected, Representation, Request, Response, testing};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |request: Request<'_>, response: Response<'_>| {
///     let current = Representation::new(5).etag(EntityTag::strong("v1"));
///     let selection = request.select(Some(&current));
///     if *selection.outcome() != Selected::Whole {
///         return response.selected(&selection).empty().await;
///     }
///     // ... store the new one ...
///     response.status(204).header("etag", "\"v2\"").empty().await
/// }
/// # ;
/// # let answer = testing::call(&handler, b"PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: \"v0\"\r\n\r\n", &mut scratch)?;
/// # assert_eq!(answer.status(), 412);
/// # let answer = testing::call(&handler, b"PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: \"v1\"\r\n\r\n", &mut scratch)?;
/// # assert_eq!(answer.status(), 204);
/// # Ok::<(), testing::CallError>(())
/// ```
#[must_use]
pub fn select<'a>(method: Method<'_>, fields: Fields<'_>, current: Option<&Representation<'a>>) -> Selection<'a> {
    Selection { outcome: decide(method, fields, current), current: current.copied() }
}

fn decide(method: Method<'_>, fields: Fields<'_>, current: Option<&Representation<'_>>) -> Selected {
    // Conditions are for methods that select or change a representation (RFC 9110, section 13.2.1).
    if matches!(method, Method::Connect | Method::Options | Method::Trace) {
        return Selected::Whole;
    }
    let is_read = matches!(method, Method::Get | Method::Head);
    let modified = current.and_then(|current| current.modified);
    if fields.get("if-match").is_some() {
        if !matches_any(fields, "if-match", current, |etag, sent| etag.is_strongly(sent)) {
            return Selected::PreconditionFailed;
        }
    } else if let (Some(since), Some(modified)) = (date(fields, "if-unmodified-since"), modified)
        && modified > since
    {
        return Selected::PreconditionFailed;
    }
    if fields.get("if-none-match").is_some() {
        if matches_any(fields, "if-none-match", current, |etag, sent| etag.is_weakly(sent)) {
            return if is_read { Selected::NotModified } else { Selected::PreconditionFailed };
        }
    } else if let (true, Some(since), Some(modified)) = (is_read, date(fields, "if-modified-since"), modified)
        && modified <= since
    {
        return Selected::NotModified;
    }
    match (method, current, only(fields, "range")) {
        (Method::Get, Some(current), Some(range)) if current.has_ranges && is_same(fields, current) => {
            match asked(range, current.length) {
                Asked::Ignored => Selected::Whole,
                Asked::Bytes(bytes) => Selected::Part(bytes),
                Asked::Unsatisfiable => Selected::Unsatisfiable,
            }
        }
        _ => Selected::Whole,
    }
}

/// Whether one of the field's tags is the current one's; `*` is, if there is a current one.
fn matches_any(
    fields: Fields<'_>,
    name: &str,
    current: Option<&Representation<'_>>,
    is_same: impl Fn(&EntityTag<'_>, SentTag<'_>) -> bool,
) -> bool {
    let Some(current) = current else { return false };
    if only(fields, name) == Some(b"*") {
        return true;
    }
    let Some(etag) = current.etag else { return false };
    fields.all(name).flat_map(tags).any(|tag| is_same(&etag, tag))
}

/// Whether `If-Range`, if there is one, has the current version's validator (RFC 9110, section 13.1.5).
fn is_same(fields: Fields<'_>, current: &Representation<'_>) -> bool {
    if fields.get("if-range").is_none() {
        return true;
    }
    let Some(value) = only(fields, "if-range") else { return false };
    match SentTag::read(value) {
        Some((tag, b"")) => current.etag.is_some_and(|etag| etag.is_strongly(tag)),
        _ => {
            let date = Date::parse_unix_seconds(value);
            date.is_some() && current.modified_is_strong && date == current.modified
        }
    }
}

/// The date in the only field with this name; a malformed one is no condition.
fn date(fields: Fields<'_>, name: &str) -> Option<u64> {
    Date::parse_unix_seconds(only(fields, name)?)
}

/// The value of the only field with this name.
fn only<'f>(fields: Fields<'f>, name: &str) -> Option<&'f [u8]> {
    let mut values = fields.all(name);
    values.next().filter(|_| values.next().is_none())
}

impl Selection<'_> {
    /// What it came to.
    #[must_use]
    pub const fn outcome(&self) -> &Selected {
        &self.outcome
    }

    /// The status that tells the client.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.outcome {
            Selected::Whole => Status::OK,
            Selected::Part(_) => Status::PARTIAL_CONTENT,
            Selected::NotModified => Status::NOT_MODIFIED,
            Selected::PreconditionFailed => Status::PRECONDITION_FAILED,
            Selected::Unsatisfiable => Status::RANGE_NOT_SATISFIABLE,
        }
    }

    /// The bytes of the representation that are sent; none where nothing is.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        match (&self.outcome, self.current) {
            (Selected::Whole, Some(current)) => 0..current.length,
            (Selected::Part(range), _) => range.clone(),
            _ => 0..0,
        }
    }

    /// What of `bytes`, the whole representation, is sent.
    #[must_use]
    pub fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let range = self.range();
        match (usize::try_from(range.start), usize::try_from(range.end)) {
            (Ok(start), Ok(end)) => bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

impl<'x> Request<'x> {
    /// Decides what is sent of the representation that there is at present, `None` if there is none: see [`select`].
    #[must_use]
    pub fn select<'a>(&self, current: Option<&Representation<'a>>) -> Selection<'a> {
        select(self.method(), self.headers(), current)
    }
}

impl<'x> Response<'x> {
    /// Begins the answer that was decided on: with the status, `etag`, `last-modified`, `accept-ranges` and `content-range` as they belong
    /// there, and the length of what is sent. What is to follow are fields such as `content-type`, and the bytes of [`Selection::range`]:
    ///
    /// ```
    /// # use midge::{EntityTag, Representation, Request, Response, testing};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |request: Request<'_>, response: Response<'_>| {
    ///     let bytes = b"Hello, World!";
    ///     let current = Representation::new(bytes.len() as u64).etag(EntityTag::strong("v1"));
    ///     let selection = request.select(Some(&current));
    ///     response.selected(&selection).header("content-type", "text/plain").body(selection.of(bytes)).await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=7-11\r\n\r\n", &mut scratch)?;
    /// # assert_eq!((answer.status(), answer.body()), (206, &b"World"[..]));
    /// # assert_eq!(answer.header("content-range"), Some("bytes 7-11/13"));
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"v1\"\r\n\r\n", &mut scratch)?;
    /// # assert_eq!((answer.status(), answer.body()), (304, &b""[..]));
    /// # Ok::<(), testing::CallError>(())
    /// ```
    pub fn selected(self, selection: &Selection<'_>) -> ResponseHead<'x> {
        let head = self.status(selection.status().code());
        let Some(current) = &selection.current else { return head };
        let is_sent = matches!(selection.outcome, Selected::Whole | Selected::Part(_));
        let mut head = match current.etag {
            Some(etag) if is_sent || selection.outcome == Selected::NotModified => {
                head.header_fmt("etag", format_args!("{etag}"))
            }
            _ => head,
        };
        // With a tag, a 304 has no need of the date (RFC 9110, section 15.4.5).
        if let Some(modified) = current.modified
            && (is_sent || (selection.outcome == Selected::NotModified && current.etag.is_none()))
        {
            head = head.header("last-modified", Date::from_unix_seconds(modified).as_bytes());
        }
        if is_sent || selection.outcome == Selected::Unsatisfiable {
            head = head.header("accept-ranges", if current.has_ranges { "bytes" } else { "none" });
        }
        let length = current.length;
        match &selection.outcome {
            Selected::Part(range) => {
                let last = range.end.saturating_sub(1);
                let head = head.header_fmt("content-range", format_args!("bytes {}-{last}/{length}", range.start));
                head.length(range.end.saturating_sub(range.start))
            }
            Selected::Unsatisfiable => head.header_fmt("content-range", format_args!("bytes */{length}")),
            Selected::Whole => head.length(length),
            Selected::NotModified | Selected::PreconditionFailed => head,
        }
    }
}

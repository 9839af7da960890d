//! Media types, as far as a handler has to know them to choose.

use core::fmt;

use crate::{exchange::Request, http1::token::is_tchar};

/// A media type (RFC 9110, section 8.3.1): `text/html; charset=utf-8`. Type, subtype and the names of parameters are compared without regard
/// to case.
///
/// ```
/// let media = midge::MediaType::parse("Text/HTML; Charset=\"UTF-8\"").expect("it is one");
/// assert!(media.is("text", "html"));
/// assert!(media.parameter("charset").is_some_and(|charset| charset.is_ignoring_case("utf-8")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaType<'a> {
    kind: &'a str,
    subtype: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// Reads a media type; `None` where `text` isn't one, its parameters included.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (essence, parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (kind, subtype) = essence.trim_matches(BLANKS).split_once('/')?;
        if !(is_token(kind) && is_token(subtype)) {
            return None;
        }
        let media = Self { kind, subtype, parameters };
        media.pieces().all(|piece| piece.is_some()).then_some(media)
    }

    /// The type: `text` of `text/html`, as it was written.
    #[must_use]
    pub const fn kind(&self) -> &'a str {
        self.kind
    }

    /// The subtype: `html` of `text/html`, as it was written.
    #[must_use]
    pub const fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// Whether it is `kind/subtype`, whatever its parameters.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether it is JSON: `application/json`, or any type with the suffix `+json` (RFC 6839, section 3.1).
    #[must_use]
    pub fn is_json(&self) -> bool {
        let suffix = self.subtype.len().checked_sub(5).and_then(|at| self.subtype.get(at..));
        self.is("application", "json") || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
    }

    /// The value of the first parameter with this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Parameter<'a>> {
        self.parameters().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Name and value of every parameter, in order.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a str, Parameter<'a>)> + use<'a> {
        self.pieces().flatten()
    }

    /// The parameters; `None` stands for one that is malformed.
    fn pieces(&self) -> impl Iterator<Item = Option<(&'a str, Parameter<'a>)>> + use<'a> {
        Parameters { rest: self.parameters }
    }
}

/// The value of a parameter: a token, or a string in quotes (RFC 9110, section 5.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Without the quotes around it, with the backslashes in it.
    raw: &'a str,
}

impl<'a> Parameter<'a> {
    /// The value, if no backslash stands in it; nearly all values are so.
    #[must_use]
    pub fn plain(&self) -> Option<&'a str> {
        if self.raw.contains('\\') { None } else { Some(self.raw) }
    }

    /// The value without its backslashes, borrowed if it has none, else in `buffer`; `None` where there is no room.
    pub fn decode<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b str>
    where
        'a: 'b,
    {
        if let Some(plain) = self.plain() {
            return Some(plain);
        }
        let mut length = 0;
        for char in self.chars() {
            let room = buffer.get_mut(length..length + char.len_utf8())?;
            length += char.encode_utf8(room).len();
        }
        let bytes: &'b [u8] = buffer;
        core::str::from_utf8(bytes.get(..length)?).ok()
    }

    /// Whether the value is `text`.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.chars().eq(text.chars())
    }

    /// Whether the value is `text`, whatever the case of ASCII letters.
    #[must_use]
    pub fn is_ignoring_case(&self, text: &str) -> bool {
        let lower = |char: char| char.to_ascii_lowercase();
        self.chars().map(lower).eq(text.chars().map(lower))
    }

    fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let mut chars = self.raw.chars();
        core::iter::from_fn(move || match chars.next()? {
            '\\' => chars.next(),
            char => Some(char),
        })
    }
}

impl fmt::Display for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|char| fmt::Write::write_char(f, char))
    }
}

impl<'x> Request<'x> {
    /// The media type of the body, as `Content-Type` says; `None` if there is no such field, several, or one that is malformed.
    #[must_use]
    pub fn content_type(&self) -> Option<MediaType<'x>> {
        let fields = self.headers();
        let mut values = fields.all("content-type");
        let value = values.next().filter(|_| values.next().is_none())?;
        MediaType::parse(core::str::from_utf8(value).ok()?)
    }
}

/// Reads `; name=value` again and again: blanks around `;`, none around `=`, and empty pieces passed over (RFC 9110, section 5.6.6).
/// What is malformed gives `None` once and ends it.
pub(super) struct Parameters<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(&'a str, Parameter<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches([' ', '\t', ';']);
        if self.rest.is_empty() {
            return None;
        }
        let piece = self.read();
        match &piece {
            Some((_, _, rest)) => self.rest = rest,
            None => self.rest = "",
        }
        Some(piece.map(|(name, value, _)| (name, value)))
    }
}

impl<'a> Parameters<'a> {
    fn read(&self) -> Option<(&'a str, Parameter<'a>, &'a str)> {
        let (name, rest) = self.rest.split_once('=')?;
        let (raw, rest) = match rest.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted)?,
            None => {
                let (token, rest) = rest.split_at(rest.find([' ', '\t', ';']).unwrap_or(rest.len()));
                (if is_token(token) { token } else { return None }, rest)
            }
        };
        let rest = rest.trim_start_matches(BLANKS);
        (is_token(name) && (rest.is_empty() || rest.starts_with(';'))).then_some((name, Parameter { raw }, rest))
    }
}

/// What stands before the closing quote, and behind it.
fn split_quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

/// Whether `text` is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// OWS (RFC 9110, section 5.6.3).
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

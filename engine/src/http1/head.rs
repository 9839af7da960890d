//! The request head: request line and fields, read once and checked once.

use super::{
    fields::{self, Field, Fields, Span},
    framing::{BodyFraming, Facts, Framing, framing, is},
    host::{Host, LastHost, ends_equal, is_host},
    limits::Limits,
    method::{Method, Version},
    reject::Reject,
    token::{is_target, is_tchar},
};

/// What a host knows of a request before its body: method, target, fields, and how the message is framed.
///
/// It borrows the bytes that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Head<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) table: &'b [Field],
    pub(crate) parts: Parts,
}

impl<'b> Head<'b> {
    /// The request's method.
    #[must_use]
    #[inline]
    pub fn method(&self) -> Method<'b> {
        match self.parts.method {
            Known::Get => Method::Get,
            Known::Head => Method::Head,
            Known::Post => Method::Post,
            Known::Other(span) => Method::from_token(span.text(self.bytes)),
        }
    }

    /// The request target as the client wrote it (RFC 9112, section 3.2).
    #[must_use]
    pub fn target(&self) -> &'b str {
        self.parts.target.text(self.bytes)
    }

    /// The target's path, still percent-encoded; `*` for `OPTIONS *`, and `/` where an absolute target has none.
    #[must_use]
    pub fn path(&self) -> &'b str {
        self.split_target().0
    }

    /// What follows the target's first `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.split_target().1
    }

    /// The authority that the request is for: the absolute target's, else `Host`'s; empty where HTTP/1.0 gives neither.
    #[must_use]
    pub fn authority(&self) -> &'b str {
        self.parts.authority.text(self.bytes)
    }

    /// The request's version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.parts.version
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> Fields<'b> {
        Fields::new(self.bytes, self.table)
    }

    /// How the message is framed.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.parts.framing
    }

    fn split_target(&self) -> (&'b str, Option<&'b str>) {
        let text = self.parts.path_and_query.text(self.bytes);
        let (path, query) = match memchr::memchr(b'?', text.as_bytes()) {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
            None => (text, None),
        };
        match path {
            // The path of `http://a` or `http://a?q`: `OPTIONS http://a` means the server itself (RFC 9112, section 3.2.4).
            "" if query.is_none() && matches!(self.method(), Method::Options) => ("*", None),
            "" => ("/", query),
            path => (path, query),
        }
    }
}

/// A head whose parts stand elsewhere: what an exchange holds.
#[derive(Clone, Copy)]
pub(crate) struct HeadRef<'b> {
    /// The bytes that the head stands in.
    pub(crate) bytes: &'b [u8],
    /// A table that begins with the head's fields.
    pub(crate) table: &'b [Field],
    pub(crate) parts: &'b Parts,
}

impl<'b> HeadRef<'b> {
    /// The head; only now is it cut out of what it stands in, since not every handler looks at it.
    #[inline]
    pub(crate) fn head(&self) -> Head<'b> {
        let parts = *self.parts;
        Head {
            bytes: self.bytes.get(parts.start..parts.start + parts.length).unwrap_or_default(),
            table: self.table.get(..parts.fields).unwrap_or_default(),
            parts,
        }
    }
}

/// A head without its bytes: spans, and the verdict on its framing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) method: Known,
    pub(crate) version: Version,
    pub(crate) target: Span,
    pub(crate) path_and_query: Span,
    pub(crate) authority: Span,
    pub(crate) framing: Framing,
    /// Whether more than the head may be read for the request.
    pub(crate) reads_on: bool,
    /// Number of fields in the table.
    pub(crate) fields: usize,
    /// Where the head begins in the bytes that it stands in.
    pub(crate) start: usize,
    /// Bytes of the head, its empty line included.
    pub(crate) length: usize,
}

impl Parts {
    /// The parts of no head.
    pub(crate) const NONE: Self = Self {
        method: Known::Get,
        version: Version::Http11,
        target: Span::EMPTY,
        path_and_query: Span::EMPTY,
        authority: Span::EMPTY,
        framing: Framing::DEFAULT,
        reads_on: false,
        fields: 0,
        start: 0,
        length: 0,
    };
}

/// The methods that the engine itself tells apart, and the name of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Get,
    Head,
    Post,
    Other(Span),
}

/// Reads a head from the front of `bytes` into `parts`; `false` where it isn't there whole.
///
/// `head_bytes` bounds it, since the memory at hand may be smaller than the limit. The verdict depends on nothing but
/// the bytes and the limits: a head that comes in pieces is read as one that comes at once.
#[inline(always)]
pub(crate) fn parse(
    bytes: &[u8],
    head_bytes: usize,
    table: &mut [Field],
    seen: &mut Seen,
    limits: &Limits,
    parts: &mut Parts,
) -> Result<bool, Reject> {
    let window = bytes.get(..head_bytes).unwrap_or(bytes);
    let (line, is_usual) = match usual_line(window, limits, parts) {
        Some(at) => (Some(at), true),
        None => (unusual_line(window, limits, parts)?, false),
    };
    let mut begun = match line {
        Some(at) => Begun { at, fields: 0, host: Host::Absent },
        None if window.len() < head_bytes => return Ok(false),
        None => return Err(Reject::RequestLineTooLong),
    };
    // Nearly all clients begin with `Host`.
    if limits.header_fields > 0
        && let Some(first) = table.first_mut()
        && let Some((host, at)) = seen.host.read_line(window, begun.at)
    {
        *first = host;
        // Programs often say nothing else.
        if is_usual && window.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            parts.authority = host.value;
            (parts.fields, parts.length) = (1, at + 2);
            (parts.framing, parts.reads_on) = (Framing::DEFAULT, false);
            return Ok(true);
        }
        begun = Begun { at, fields: 1, host: Host::Good(host.value) };
    }
    parse_fields(window, begun, head_bytes, table, seen, limits, parts)
}

/// How far a head was read.
struct Begun {
    at: usize,
    fields: usize,
    host: Host,
}

/// Reads the rest of a head.
#[inline(never)]
fn parse_fields(
    window: &[u8],
    begun: Begun,
    head_bytes: usize,
    table: &mut [Field],
    seen: &mut Seen,
    limits: &Limits,
    parts: &mut Parts,
) -> Result<bool, Reject> {
    let cap = usize::from(limits.header_fields).min(table.len());
    let table = table.get_mut(begun.fields..cap).unwrap_or_default();
    let version = parts.version;
    let mut found = Found { host: begun.host, facts: None };
    // Clearing the batch for many fields costs as much as reading one: the last request tells what to expect.
    let section = if seen.few {
        fields::read::<FEW>(window, begun.at, table, |name, value, field| found.field(version, name, value, field))?
    } else {
        fields::read::<MANY>(window, begun.at, table, |name, value, field| found.field(version, name, value, field))?
    };
    let Some(section) = section else {
        return if window.len() < head_bytes { Ok(false) } else { Err(Reject::HeadTooLarge) };
    };

    seen.few = section.count <= FEW;
    if let Some(host) = found.host.checked(window, version)?
        && parts.authority == Span::EMPTY
    {
        // It is the request's authority unless the target has one (RFC 9112, section 3.2.2).
        parts.authority = host;
    }
    (parts.fields, parts.length) = (begun.fields + section.count, section.end);
    if version == Version::Http11 && found.facts.is_none() {
        // Nothing was said about it.
        (parts.framing, parts.reads_on) = (Framing::DEFAULT, false);
        return Ok(true);
    }
    parts.decide(&found.facts.unwrap_or(Facts::new(version)), limits)
}

impl Parts {
    /// Sets the framing that the fields ask for.
    #[inline(never)]
    fn decide(&mut self, facts: &Facts, limits: &Limits) -> Result<bool, Reject> {
        self.framing = framing(facts)?;
        self.reads_on = self.framing.reads_on();
        match self.framing.body {
            BodyFraming::Length(length) if length > limits.body_bytes => Err(Reject::BodyTooLarge),
            _ => Ok(true),
        }
    }
}

/// What the fields of a head said so far.
struct Found {
    host: Host,
    /// What was said of the framing, if anything.
    facts: Option<Facts>,
}

impl Found {
    /// Takes in a field. Only names of the length and with the first letter of one that says anything here are looked at further.
    #[inline(always)]
    fn field(&mut self, version: Version, name: &[u8], value: &[u8], field: Field) {
        let starts = |letter: u8| name.first().is_some_and(|first| first | 0x20 == letter);
        match name.len() {
            4 if is(name, b"host") => self.host.add(field.value),
            // What browsers say of a connection is what HTTP/1.1 means anyway.
            10 if starts(b'c') && !(version == Version::Http11 && is(value, b"keep-alive")) => {
                self.note(version, name, value);
            }
            6 if starts(b'e') => self.note(version, name, value),
            7 if starts(b'u') => self.note(version, name, value),
            14 if starts(b'c') => self.note(version, name, value),
            17 if starts(b't') => self.note(version, name, value),
            _ => {}
        }
    }

    #[inline(never)]
    fn note(&mut self, version: Version, name: &[u8], value: &[u8]) {
        self.facts.get_or_insert_with(|| Facts::new(version)).note(name, value);
    }
}

/// Reads a request line of the form `GET /target HTTP/1.1`, as nearly all are, and gives the offset behind it. `None` says nothing.
#[inline]
fn usual_line(bytes: &[u8], limits: &Limits, parts: &mut Parts) -> Option<usize> {
    let (method, rest) = bytes.split_first_chunk()?;
    if u32::from_ne_bytes(*method) != u32::from_ne_bytes(*b"GET ") || rest.first() != Some(&b'/') {
        return None;
    }
    let length = rest.iter().position(|byte| !is_target(*byte))?;
    let ending: &[u8; 11] = rest.get(length..)?.first_chunk()?;
    let end = method.len() + length + ending.len();
    if !ends_equal::<8>(ending, b" HTTP/1.1\r\n") || end > limits.request_line_bytes as usize {
        return None;
    }
    parts.method = Known::Get;
    parts.version = Version::Http11;
    parts.target = Span::with_length(method.len(), length);
    parts.path_and_query = parts.target;
    parts.authority = Span::EMPTY;
    Some(end)
}

/// Reads any request line, and gives the offset behind it; `None` if it isn't there whole. The answer for a prefix is the answer for the
/// whole: bytes are judged from left to right.
#[inline(never)]
fn unusual_line(bytes: &[u8], limits: &Limits, parts: &mut Parts) -> Result<Option<usize>, Reject> {
    let cap = limits.request_line_bytes as usize;
    let bytes = bytes.get(..cap).unwrap_or(bytes);
    let Some((method, from)) = method(bytes)? else { return Ok(None) };
    let rest = bytes.get(from..).unwrap_or_default();
    let length = rest.iter().position(|byte| !is_target(*byte)).unwrap_or(rest.len());
    let space = from + length;
    if space >= cap {
        return Err(Reject::RequestLineTooLong);
    }
    match rest.get(length) {
        None => return Ok(None),
        Some(b' ') if length > 0 => {}
        Some(b' ' | b'\r' | b'\n' | b'\t') => return Err(Reject::RequestLine),
        Some(_) => return Err(Reject::Target),
    }
    let Some(version) = version(rest.get(length + 1..).unwrap_or_default())? else {
        return if bytes.len() < cap { Ok(None) } else { Err(Reject::RequestLineTooLong) };
    };
    (parts.method, parts.version) = (method, version);
    parts.target = Span::new(from, space);
    (parts.path_and_query, parts.authority) = target_form(bytes, method, parts.target)?;
    Ok(Some(space + b" HTTP/1.1\r\n".len()))
}

/// The method, and where the target starts.
fn method(bytes: &[u8]) -> Result<Option<(Known, usize)>, Reject> {
    let window = bytes.get(..=Method::MAX_LEN).unwrap_or(bytes);
    let length = window.iter().take_while(|byte| is_tchar(**byte)).count();
    match window.get(length) {
        Some(b' ') if length > 0 => {
            let method = match window.get(..length) {
                Some(b"GET") => Known::Get,
                Some(b"POST") => Known::Post,
                Some(b"HEAD") => Known::Head,
                _ => Known::Other(Span::new(0, length)),
            };
            Ok(Some((method, length + 1)))
        }
        Some(_) => Err(Reject::Method),
        None if length > Method::MAX_LEN => Err(Reject::MethodTooLong),
        None => Ok(None),
    }
}

/// `HTTP/` digit `.` digit CR LF (RFC 9112, section 2.3).
fn version(rest: &[u8]) -> Result<Option<Version>, Reject> {
    for (at, byte) in rest.iter().take(10).enumerate() {
        let fits = match at {
            0..=4 => b"HTTP/".get(at) == Some(byte),
            5 | 7 => byte.is_ascii_digit(),
            6 => *byte == b'.',
            8 => *byte == b'\r',
            _ => *byte == b'\n',
        };
        if !fits {
            return Err(match (at, byte) {
                (8, b'\n') => Reject::BareLf,
                (9, _) | (8, b' ' | b'\t') | (0, b' ' | b'\t') => Reject::RequestLine,
                // A target with a blank in it: what follows is no version.
                _ => Reject::Version,
            });
        }
    }
    match rest.get(..10) {
        None => Ok(None),
        Some([_, _, _, _, _, b'1', _, b'0', ..]) => Ok(Some(Version::Http10)),
        Some([_, _, _, _, _, b'1', ..]) => Ok(Some(Version::Http11)),
        Some(_) => Err(Reject::VersionUnsupported),
    }
}

/// Which of the four target forms it is (RFC 9112, section 3.2), and whether the method may have it. Gives the span of path
/// and query, and that of an absolute target's authority (empty otherwise).
fn target_form(bytes: &[u8], method: Known, span: Span) -> Result<(Span, Span), Reject> {
    let target = span.of(bytes);
    let name = match method {
        Known::Other(name) => name.of(bytes),
        _ => b"",
    };
    if name == b"CONNECT" {
        return Err(Reject::Connect);
    }
    if target.first() == Some(&b'/') {
        return Ok((span, Span::EMPTY));
    }
    if target == b"*" {
        return if name == b"OPTIONS" { Ok((span, Span::EMPTY)) } else { Err(Reject::Target) };
    }
    let scheme = match target {
        _ if target.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"http://")) => 7,
        _ if target.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"https://")) => 8,
        _ => 0,
    };
    if scheme == 0 {
        return Err(Reject::Target);
    }
    let after = target.get(scheme..).unwrap_or_default();
    let length = after.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
    let start = span.start() + scheme;
    let authority = Span::new(start, start + length);
    // An empty name before a port is none either (RFC 9110, section 4.2.1).
    if matches!(after.first(), None | Some(b'/' | b'?' | b':')) || !is_host(authority.of(bytes)) {
        return Err(Reject::HostInvalid);
    }
    Ok((Span::new(start + length, span.end()), authority))
}

/// What the last request was like: the next one nearly always is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    host: LastHost,
    /// Whether it had few fields.
    few: bool,
}

impl Seen {
    pub(crate) const NONE: Self = Self { host: LastHost::NONE, few: true };
}

/// Fields that httparse is given room for at a time: what a program sends, and what a browser does.
const FEW: usize = 4;
const MANY: usize = 12;

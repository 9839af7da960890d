//! The request head: request line and fields, read once and checked once.

use core::net::Ipv6Addr;

use super::{
    fields::{self, Field, Fields, Span},
    framing::{BodyFraming, Facts, Framing, framing, is},
    limits::Limits,
    method::{Method, Version},
    reject::Reject,
    token::is_tchar,
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
    pub(crate) bytes: &'b [u8],
    pub(crate) table: &'b [Field],
    pub(crate) parts: &'b Parts,
}

impl<'b> HeadRef<'b> {
    #[inline]
    pub(crate) const fn head(&self) -> Head<'b> {
        Head { bytes: self.bytes, table: self.table, parts: *self.parts }
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
    /// Number of fields in the table.
    pub(crate) fields: usize,
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
        fields: 0,
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
// A function of its own: inlined into the loop that serves, it would have no registers left.
#[inline(never)]
pub(crate) fn parse(
    bytes: &[u8],
    head_bytes: usize,
    table: &mut [Field],
    seen: &mut Seen,
    limits: &Limits,
    parts: &mut Parts,
) -> Result<bool, Reject> {
    let window = bytes.get(..head_bytes).unwrap_or(bytes);
    let fields_at = match usual_line(window, limits, parts) {
        Some(at) => at,
        None => match unusual_line(window, limits, parts)? {
            Some(at) => at,
            None if window.len() >= head_bytes => return Err(Reject::RequestLineTooLong),
            None => return Ok(false),
        },
    };

    let cap = usize::from(limits.header_fields).min(table.len());
    let Some(table) = table.get_mut(..cap) else { return Ok(false) };
    let version = parts.version;
    let mut found = Found { host: Host::Absent, facts: None };
    // Clearing the batch for many fields costs as much as reading one: the last request tells what to expect.
    let section = if seen.few {
        fields::read::<FEW>(window, fields_at, table, |name, value, field| found.field(version, name, value, field))?
    } else {
        fields::read::<MANY>(window, fields_at, table, |name, value, field| found.field(version, name, value, field))?
    };
    let Some(section) = section else {
        return if window.len() < head_bytes { Ok(false) } else { Err(Reject::HeadTooLarge) };
    };

    seen.few = section.count <= FEW;
    check_host(window, found.host, seen, parts)?;
    parts.framing = match found.facts {
        // Nothing was said about it.
        None if version == Version::Http11 => Framing::DEFAULT,
        None => framing(&Facts::new(version))?,
        Some(facts) => framing(&facts)?,
    };
    if let BodyFraming::Length(length) = parts.framing.body
        && length > limits.body_bytes
    {
        return Err(Reject::BodyTooLarge);
    }
    (parts.fields, parts.length) = (section.count, section.end);
    Ok(true)
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
            4 if is(name, b"host") => {
                self.host = match self.host {
                    Host::Absent => Host::Once(field.value),
                    _ => Host::Repeated,
                };
            }
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
    if ending != b" HTTP/1.1\r\n" || end > limits.request_line_bytes as usize {
        return None;
    }
    parts.method = Known::Get;
    parts.version = Version::Http11;
    parts.target = Span::new(method.len(), method.len() + length);
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
    if length == 0 || !is_host(authority.of(bytes)) {
        return Err(Reject::HostInvalid);
    }
    Ok((Span::new(start + length, span.end()), authority))
}

/// What is known of the `Host` field so far.
#[derive(Clone, Copy)]
enum Host {
    Absent,
    Once(Span),
    Repeated,
}

/// `Host` has to be there exactly once in HTTP/1.1, and well-formed wherever it is (RFC 9112, section 3.2). It is the request's
/// authority unless the target has one (section 3.2.2).
#[inline]
fn check_host(bytes: &[u8], host: Host, seen: &mut Seen, parts: &mut Parts) -> Result<(), Reject> {
    match host {
        Host::Once(span) if seen.admits(span.of(bytes)) => {
            if parts.authority == Span::EMPTY {
                parts.authority = span;
            }
            Ok(())
        }
        Host::Once(_) => Err(Reject::HostInvalid),
        Host::Repeated => Err(Reject::HostRepeated),
        Host::Absent if parts.version == Version::Http10 => Ok(()),
        Host::Absent => Err(Reject::HostMissing),
    }
}

/// What the last request was like: the next one nearly always is.
///
/// Its `Host` was found to be well-formed, and comparing is cheaper than reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    bytes: [u8; Self::MAX_LEN],
    length: usize,
    /// Whether the last request had few fields.
    few: bool,
}

impl Seen {
    /// A longer `Host` is read every time.
    const MAX_LEN: usize = 64;

    pub(crate) const NONE: Self = Self { bytes: [0; Self::MAX_LEN], length: 0, few: true };

    #[inline]
    fn admits(&mut self, value: &[u8]) -> bool {
        self.bytes.get(..self.length).is_some_and(|known| is_same(known, value)) || self.admits_new(value)
    }

    #[cold]
    fn admits_new(&mut self, value: &[u8]) -> bool {
        let is_host = is_host(value);
        if is_host && let Some(place) = self.bytes.get_mut(..value.len()) {
            place.copy_from_slice(value);
            self.length = value.len();
        }
        is_host
    }
}

/// Whether two texts are the same: without a call if they are as short as most hosts.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    match (one.first_chunk::<8>(), one.last_chunk::<8>(), other.first_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(start), Some(end), Some(other_start), Some(other_end)) if one.len() <= 16 => {
            one.len() == other.len() && start == other_start && end == other_end
        }
        _ => one == other,
    }
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2). The empty host is one.
pub(crate) fn is_host(value: &[u8]) -> bool {
    if value.first() == Some(&b'[') {
        return is_ip_literal(value);
    }
    match value.iter().position(|byte| !is_class(*byte, HOST)) {
        None => true,
        Some(at) => match value.get(at..) {
            Some([b':', port @ ..]) => is_port(port),
            Some([b'%', ..]) => is_percent_encoded_host(value),
            _ => false,
        },
    }
}

/// A host with percent-encoded bytes in it, and perhaps a port.
#[cold]
fn is_percent_encoded_host(value: &[u8]) -> bool {
    let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    let (host, port) = value.split_at_checked(end).unwrap_or_default();
    let allowed = host.iter().all(|byte| *byte == b'%' || is_class(*byte, HOST));
    allowed && percent_encoding_is_whole(host) && port.split_first().is_none_or(|(_, digits)| is_port(digits))
}

/// An IPv6 address in brackets, and perhaps a port. No zone, no future version of IP.
#[cold]
fn is_ip_literal(value: &[u8]) -> bool {
    let inside = value.get(1..).unwrap_or_default();
    let Some(end) = inside.iter().position(|byte| *byte == b']') else { return false };
    let (address, rest) = inside.split_at_checked(end).unwrap_or_default();
    let is_address = core::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    is_address
        && match rest {
            [b']'] => true,
            [b']', b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// `*DIGIT`, up to 65535.
#[inline]
fn is_port(port: &[u8]) -> bool {
    if port.len() > 5 {
        return false;
    }
    let mut number = 0_u32;
    for byte in port {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return false;
        }
        number = number * 10 + u32::from(digit);
    }
    number <= 65_535
}

/// Whether every `%` is followed by two hexadecimal digits.
fn percent_encoding_is_whole(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = rest.get(at + 3..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}

/// Whether a request target may hold this byte: visible ASCII but `"`, `#`, `<` and `>`. URIs have a few less (RFC 3986),
/// but browsers do send `|`, `{` and their like.
#[inline]
pub(crate) const fn is_target(byte: u8) -> bool {
    is_class(byte, TARGET)
}

#[inline]
const fn is_class(byte: u8, class: u8) -> bool {
    // The table has an entry for every byte.
    #[expect(clippy::indexing_slicing, reason = "256 entries")]
    let classes = CLASSES[byte as usize];
    classes & class != 0
}

/// Fields that httparse is given room for at a time: what a program sends, and what a browser does.
const FEW: usize = 4;
const MANY: usize = 12;

const TARGET: u8 = 1;
const HOST: u8 = 2;

/// One bit for each class that a byte is in.
#[expect(clippy::indexing_slicing, reason = "made by the compiler")]
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7f {
        if !matches!(byte, b'"' | b'#' | b'<' | b'>') {
            table[byte as usize] |= TARGET;
        }
        // reg-name: unreserved / sub-delims; pct-encoded is looked at apart (RFC 3986, section 3.2.2).
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
        {
            table[byte as usize] |= HOST;
        }
        byte += 1;
    }
    table
};

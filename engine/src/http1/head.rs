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

/// The methods that the engine itself tells apart, and the name of any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Get,
    Head,
    Post,
    Other(Span),
}

/// Reads a head from the front of `bytes`; `None` where it isn't there whole.
///
/// `head_bytes` bounds it, since the memory at hand may be smaller than the limit. The verdict depends on nothing but
/// the bytes and the limits: a head that comes in pieces is read as one that comes at once.
#[inline]
pub(crate) fn parse(
    bytes: &[u8],
    head_bytes: usize,
    table: &mut [Field],
    limits: &Limits,
) -> Result<Option<Parts>, Reject> {
    let window = bytes.get(..head_bytes).unwrap_or(bytes);
    let full = window.len() >= head_bytes;
    let Some(line) = request_line(window, limits)? else {
        return if full { Err(Reject::RequestLineTooLong) } else { Ok(None) };
    };

    let cap = usize::from(limits.header_fields).min(table.len());
    let mut facts = Facts::new(line.version);
    let mut host = Host::Absent;
    let section = fields::read(window, line.end, table.get_mut(..cap).unwrap_or_default(), |name, value, field| {
        if name.len() == 4 && is(name, b"host") {
            host = match host {
                Host::Absent => Host::Once(field.value),
                _ => Host::Repeated,
            };
        } else {
            facts.note(name, value);
        }
    })?;
    let Some(section) = section else {
        return if full { Err(Reject::HeadTooLarge) } else { Ok(None) };
    };

    let authority = host_authority(window, &line, host)?;
    let framing = framing(&facts)?;
    if let BodyFraming::Length(length) = framing.body
        && length > limits.body_bytes
    {
        return Err(Reject::BodyTooLarge);
    }
    Ok(Some(Parts {
        method: line.method,
        version: line.version,
        target: line.target,
        path_and_query: line.path_and_query,
        authority,
        framing,
        fields: section.count,
        length: section.end,
    }))
}

/// A request line, checked.
struct Line {
    method: Known,
    version: Version,
    target: Span,
    path_and_query: Span,
    /// The authority of an absolute target.
    authority: Option<Span>,
    /// Offset after the line end.
    end: usize,
}

/// Reads the request line. The answer for a prefix is the answer for the whole: bytes are judged from left to right.
#[inline]
fn request_line(bytes: &[u8], limits: &Limits) -> Result<Option<Line>, Reject> {
    let cap = limits.request_line_bytes as usize;
    let bytes = bytes.get(..cap).unwrap_or(bytes);
    let (method, from) = match bytes.first_chunk() {
        Some(b"GET ") => (Known::Get, 4),
        _ => match other_method(bytes)? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    let length = bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is_target(**byte)).count();
    let space = from + length;
    let end = space + b" HTTP/1.1\r\n".len();
    if bytes.get(space..end) == Some(b" HTTP/1.1\r\n") && bytes.get(from) == Some(&b'/') {
        let target = Span::new(from, space);
        return Ok(Some(Line {
            method,
            version: Version::Http11,
            target,
            path_and_query: target,
            authority: None,
            end,
        }));
    }
    unusual_line(bytes, cap, method, from, space)
}

/// A method other than `GET`, and where the target starts.
fn other_method(bytes: &[u8]) -> Result<Option<(Known, usize)>, Reject> {
    let window = bytes.get(..=Method::MAX_LEN).unwrap_or(bytes);
    let length = window.iter().take_while(|byte| is_tchar(**byte)).count();
    match window.get(length) {
        Some(b' ') if length > 0 => {
            let method = match window.get(..length) {
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

/// Every request line but the one in a thousand that isn't `METHOD /target HTTP/1.1`, and every one that is refused.
#[cold]
fn unusual_line(bytes: &[u8], cap: usize, method: Known, from: usize, space: usize) -> Result<Option<Line>, Reject> {
    if space >= cap {
        return Err(Reject::RequestLineTooLong);
    }
    match bytes.get(space) {
        None => return Ok(None),
        Some(b' ') if space > from => {}
        Some(b' ' | b'\r' | b'\n' | b'\t') => return Err(Reject::RequestLine),
        Some(_) => return Err(Reject::Target),
    }
    let rest = bytes.get(space + 1..).unwrap_or_default();
    let version = match version(rest)? {
        Some(version) => version,
        None if bytes.len() >= cap => return Err(Reject::RequestLineTooLong),
        None => return Ok(None),
    };
    let end = space + b" HTTP/1.1\r\n".len();
    let target = Span::new(from, space);
    let (path_and_query, authority) = target_form(bytes, method, target)?;
    Ok(Some(Line { method, version, target, path_and_query, authority, end }))
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
/// and query, and an absolute target's authority.
fn target_form(bytes: &[u8], method: Known, span: Span) -> Result<(Span, Option<Span>), Reject> {
    let target = span.of(bytes);
    let name = match method {
        Known::Other(name) => name.of(bytes),
        _ => b"",
    };
    if name == b"CONNECT" {
        return Err(Reject::Connect);
    }
    if target.first() == Some(&b'/') {
        return Ok((span, None));
    }
    if target == b"*" {
        return if name == b"OPTIONS" { Ok((span, None)) } else { Err(Reject::Target) };
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
    Ok((Span::new(start + length, span.end()), Some(authority)))
}

/// What is known of the `Host` field so far.
#[derive(Clone, Copy)]
enum Host {
    Absent,
    Once(Span),
    Repeated,
}

/// The request's authority: `Host` has to be there exactly once in HTTP/1.1, and well-formed wherever it is
/// (RFC 9112, section 3.2); an absolute target's authority goes before it (section 3.2.2).
#[inline]
fn host_authority(bytes: &[u8], line: &Line, host: Host) -> Result<Span, Reject> {
    match host {
        Host::Once(span) if is_host(span.of(bytes)) => Ok(line.authority.unwrap_or(span)),
        Host::Once(_) => Err(Reject::HostInvalid),
        Host::Repeated => Err(Reject::HostRepeated),
        Host::Absent if line.version == Version::Http10 => Ok(line.authority.unwrap_or(Span::EMPTY)),
        Host::Absent => Err(Reject::HostMissing),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2). The empty host is one.
#[inline]
pub(crate) fn is_host(value: &[u8]) -> bool {
    if value.first() == Some(&b'[') {
        return is_ip_literal(value);
    }
    let length = value.iter().take_while(|byte| is_class(**byte, HOST)).count();
    match value.get(length..) {
        Some([]) => !value.contains(&b'%') || percent_encoding_is_whole(value),
        Some([b':', port @ ..]) => is_port(port) && percent_encoding_is_whole(value),
        _ => false,
    }
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
    port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0')) <= 65_535
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
const fn is_target(byte: u8) -> bool {
    is_class(byte, TARGET)
}

#[inline]
const fn is_class(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

const TARGET: u8 = 1;
const HOST: u8 = 2;

/// One bit for each class that a byte is in.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7f {
        if !matches!(byte, b'"' | b'#' | b'<' | b'>') {
            table[byte as usize] |= TARGET;
        }
        // reg-name: unreserved / pct-encoded / sub-delims (RFC 3986, section 3.2.2).
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
        {
            table[byte as usize] |= HOST;
        }
        byte += 1;
    }
    table
};

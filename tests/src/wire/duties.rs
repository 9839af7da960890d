//! The response side of the checklist: what every answer owes, whatever was asked.

use std::fmt;

use super::date::is_imf_fixdate;
use super::{Asked, Field, Head};

/// A duty that an answer can fail, by its row in the checklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// The status line's grammar.
    R01,
    /// Content-Length and Transfer-Encoding where they may stand, in one form and not together.
    R02,
    /// A valid Date in 2xx, 3xx and 4xx.
    R03,
    /// Allow in 405, Upgrade in 426 and 101.
    R04,
    /// No content after HEAD, 204 and 304.
    R05,
    /// `close` is said by who closes, and done by who says it.
    R06,
    /// No reset in place of an end.
    R07,
    /// One final answer for each request.
    R08,
    /// The grammar of fields.
    R09,
    /// No interim answer to HTTP/1.0, nor after the final one.
    R10,
    /// The note under the rows: chunk lines take CRLF alone.
    ChunkLines,
    /// RFC 9112 section 8: an answer doesn't end in its middle.
    Complete,
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChunkLines => f.write_str("9112 7.1"),
            Self::Complete => f.write_str("9112 8"),
            row => write!(f, "{row:?}"),
        }
    }
}

/// A duty that an answer failed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which duty.
    pub duty: Duty,
    /// What was wrong with the answer.
    pub what: String,
}

impl Violation {
    pub(super) fn new(duty: Duty, what: impl Into<String>) -> Self {
        Self { duty, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.duty, self.what)
    }
}

impl std::error::Error for Violation {}

/// What a head by itself shows: R02, R03, R04 and R10.
pub(super) fn check_head(asked: Option<&Asked>, head: &Head, violations: &mut Vec<Violation>) {
    let mut fail = |duty, what: String| violations.push(Violation::new(duty, what));
    let status = head.status;
    let lengths: Vec<_> = head.values("content-length").collect();
    let codings: Vec<_> = head.values("transfer-encoding").collect();

    let bare = matches!(status, 100..=199 | 204) || asked.is_some_and(|asked| asked.tunnels(status));
    if bare && !(lengths.is_empty() && codings.is_empty()) {
        fail(Duty::R02, format!("a {status} with Content-Length or Transfer-Encoding"));
    }
    if !lengths.is_empty() && !codings.is_empty() {
        fail(Duty::R02, "Content-Length and Transfer-Encoding together".to_owned());
    }
    if !codings.is_empty() && asked.is_some_and(|asked| asked.http10) {
        fail(Duty::R02, "Transfer-Encoding to an HTTP/1.0 client".to_owned());
    }
    if lengths.len() > 1 || lengths.iter().any(|value| content_length(value).is_none()) {
        fail(Duty::R02, "a Content-Length that isn't one number".to_owned());
    }
    if codings.len() > 1 || codings.iter().any(|value| !value.eq_ignore_ascii_case(b"chunked")) {
        fail(Duty::R02, "a Transfer-Encoding other than chunked".to_owned());
    }

    let dates: Vec<_> = head.values("date").collect();
    if (200..500).contains(&status) && dates.len() != 1 {
        fail(Duty::R03, format!("a {status} with {} Date fields", dates.len()));
    }
    for date in dates.iter().filter(|date| !is_imf_fixdate(date)) {
        fail(Duty::R03, format!("Date: {}", date.escape_ascii()));
    }

    if status == 405 && head.value("allow").is_none() {
        fail(Duty::R04, "a 405 without Allow".to_owned());
    }
    if matches!(status, 101 | 426) && (head.value("upgrade").is_none() || !head.lists("connection", "upgrade")) {
        fail(Duty::R04, format!("a {status} without Upgrade, or without the option in Connection"));
    }

    if (100..200).contains(&status) {
        match asked {
            None => fail(Duty::R10, format!("a {status} after the final answer")),
            Some(asked) if asked.http10 => fail(Duty::R10, format!("a {status} to an HTTP/1.0 client")),
            Some(_) => {}
        }
    }
}

/// R02 for what follows a chunked answer: framing has no place in trailers.
pub(super) fn check_trailers(trailers: &[Field], violations: &mut Vec<Violation>) {
    for field in trailers {
        if ["content-length", "transfer-encoding"].iter().any(|name| field.name.eq_ignore_ascii_case(name)) {
            violations.push(Violation::new(Duty::R02, format!("{} in trailers", field.name)));
        }
    }
}

/// `1*DIGIT`, RFC 9110 section 8.6.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// R01, for a line without its end: `HTTP/1.x SP 3DIGIT SP [reason]`. The minor version, the status and the reason.
///
/// A line that is wrong but still shows its status is read, so that one fault doesn't hide the next.
pub(super) fn status_line(line: &[u8], violations: &mut Vec<Violation>) -> Option<(u8, u16, Vec<u8>)> {
    let mut fail = || violations.push(Violation::new(Duty::R01, format!("status line {}", line.escape_ascii())));
    let start = (line.len() >= 12).then(|| (&line[..7], line[7], line[8], &line[9..12])).filter(
        |(name, minor, space, status)| {
            *name == b"HTTP/1." && minor.is_ascii_digit() && *space == b' ' && status.iter().all(u8::is_ascii_digit)
        },
    );
    let Some((_, minor, _, digits)) = start else {
        fail();
        return None;
    };
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let reason = line[12..].strip_prefix(b" ");
    if !(100..600).contains(&status) || reason.is_none_or(|reason| !is_text(reason)) {
        fail();
    }
    Some((minor - b'0', status, reason.unwrap_or_default().to_vec()))
}

/// R09, for a line without its end: `field-name ":" OWS field-value OWS`.
pub(super) fn field_line(line: &[u8], violations: &mut Vec<Violation>) -> Field {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = colon.map_or((line, &[][..]), |colon| (&line[..colon], &line[colon + 1..]));
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    let value = &value[start..end];
    if colon.is_none() || name.is_empty() || !name.iter().all(is_tchar) || !is_text(value) {
        violations.push(Violation::new(Duty::R09, format!("field line {}", line.escape_ascii())));
    }
    Field { name: String::from_utf8_lossy(name).into_owned(), value: value.to_vec() }
}

/// `tchar`, RFC 9110 section 5.6.2.
fn is_tchar(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// What a reason and a field value are made of: HTAB, SP, VCHAR and obs-text.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..))
}

//! The decision: where a request's message ends, and what becomes of its connection.
//!
//! Everything that decides it is gathered in [`Facts`] while the fields are read; [`framing`] turns the facts into a verdict.
//! It is one pure function so that it can be tested as a table, exhaustively.

use super::{method::Version, reject::Reject};

/// What a request's head says of its framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The request's version.
    pub version: Version,
    /// `Content-Length`.
    pub content_length: ContentLength,
    /// `Transfer-Encoding`.
    pub transfer_encoding: TransferEncoding,
    /// The options that `Connection` lists.
    pub connection: ConnectionOptions,
    /// `Expect`.
    pub expect: Expect,
    /// Whether `Upgrade` is there.
    pub upgrade: bool,
}

/// What `Content-Length` says (RFC 9110, section 8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentLength {
    /// It isn't there.
    Absent,
    /// A number, given once.
    Bytes(u64),
    /// A number that 64 bits don't hold, given once.
    Overflow,
    /// Not a number.
    Invalid,
    /// More than one field, or a list.
    Repeated,
}

/// What `Transfer-Encoding` says (RFC 9112, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// It isn't there.
    Absent,
    /// Exactly `chunked`, once, in any case.
    Chunked,
    /// A list that ends in `chunked` and has other codings before it.
    Unknown,
    /// Anything else: no coding, a malformed one, `chunked` not last, or more than one field.
    Invalid,
}

/// The options of `Connection` that mean something to midge (RFC 9110, section 7.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionOptions {
    /// `close`
    pub close: bool,
    /// `keep-alive`
    pub keep_alive: bool,
    /// `upgrade`
    pub upgrade: bool,
}

/// What `Expect` says (RFC 9110, section 10.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It isn't there.
    Absent,
    /// `100-continue`.
    Continue,
    /// Anything else.
    Other,
}

/// The verdict on a request's framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// How its body is delimited.
    pub body: BodyFraming,
    /// Whether the client lets the connection be kept after the answer.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 (Continue) before it sends the body.
    pub expect_continue: bool,
    /// Whether the client offers to change the protocol.
    pub upgrade: bool,
}

impl Framing {
    /// The framing of a request in HTTP/1.1 that says nothing about it: no body, and the connection is kept.
    pub(crate) const DEFAULT: Self =
        Self { body: BodyFraming::Length(0), keep_alive: true, expect_continue: false, upgrade: false };

    /// Whether more than the head may be read for the request.
    #[inline]
    pub(crate) const fn reads_on(&self) -> bool {
        self.upgrade || !matches!(self.body, BodyFraming::Length(0))
    }
}

/// How a request body is delimited. A request is never delimited by the connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// This many bytes; 0 where there is no body.
    Length(u64),
    /// The chunked coding.
    Chunked,
}

/// Decides where a request's message ends (RFC 9112, section 6.3), or why it is refused.
///
/// What intermediaries and origins were seen to read differently is refused: both length and encoding, a repeated length even
/// of equal values, every coding but `chunked`, any coding in HTTP/1.0.
///
/// # Errors
///
/// The [`Reject`] that names what is wrong; the connection closes after its answer.
pub fn framing(facts: &Facts) -> Result<Framing, Reject> {
    let http11 = facts.version == Version::Http11;
    let body = match (facts.transfer_encoding, facts.content_length) {
        (TransferEncoding::Absent, ContentLength::Absent) => BodyFraming::Length(0),
        (TransferEncoding::Absent, ContentLength::Bytes(bytes)) => BodyFraming::Length(bytes),
        (TransferEncoding::Absent, ContentLength::Overflow) => return Err(Reject::BodyTooLarge),
        (TransferEncoding::Absent, ContentLength::Invalid) => return Err(Reject::ContentLength),
        (TransferEncoding::Absent, ContentLength::Repeated) => return Err(Reject::ContentLengthRepeated),
        _ if facts.version == Version::Http10 => return Err(Reject::EncodingInHttp10),
        (TransferEncoding::Chunked, ContentLength::Absent) => BodyFraming::Chunked,
        (TransferEncoding::Unknown, ContentLength::Absent) => return Err(Reject::TransferEncodingUnknown),
        (TransferEncoding::Invalid, ContentLength::Absent) => return Err(Reject::TransferEncoding),
        _ => return Err(Reject::LengthAndEncoding),
    };
    if facts.expect == Expect::Other {
        return Err(Reject::Expectation);
    }
    let keep_alive = !facts.connection.close && (http11 || facts.connection.keep_alive);
    // HTTP/1.0 knows neither expectations nor upgrades (RFC 9110, sections 10.1.1 and 7.8).
    let expect_continue = http11 && facts.expect == Expect::Continue && body != BodyFraming::Length(0);
    let upgrade = http11 && facts.connection.upgrade && facts.upgrade;
    Ok(Framing { body, keep_alive, expect_continue, upgrade })
}

impl Facts {
    /// The facts of a request without a field.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            content_length: ContentLength::Absent,
            transfer_encoding: TransferEncoding::Absent,
            connection: ConnectionOptions { close: false, keep_alive: false, upgrade: false },
            expect: Expect::Absent,
            upgrade: false,
        }
    }

    /// Takes in one field, with its name in any case and its value without blanks around it. Fields that don't frame are passed over.
    #[inline]
    pub fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            6 if is(name, b"expect") => self.note_expect(value),
            7 if is(name, b"upgrade") => self.upgrade = true,
            10 if is(name, b"connection") => self.note_connection(value),
            14 if is(name, b"content-length") => self.note_content_length(value),
            17 if is(name, b"transfer-encoding") => self.note_transfer_encoding(value),
            _ => {}
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        let wanted = self.expect == Expect::Absent && value.eq_ignore_ascii_case(b"100-continue");
        self.expect = if wanted { Expect::Continue } else { Expect::Other };
    }

    #[inline]
    fn note_connection(&mut self, value: &[u8]) {
        // Nearly every browser says exactly this.
        if is(value, b"keep-alive") {
            self.connection.keep_alive = true;
            return;
        }
        for option in elements(value) {
            self.connection.close |= is(option, b"close");
            self.connection.keep_alive |= is(option, b"keep-alive");
            self.connection.upgrade |= is(option, b"upgrade");
        }
    }

    fn note_content_length(&mut self, value: &[u8]) {
        self.content_length = match self.content_length {
            ContentLength::Absent => content_length(value),
            _ => ContentLength::Repeated,
        };
    }

    fn note_transfer_encoding(&mut self, value: &[u8]) {
        self.transfer_encoding = match self.transfer_encoding {
            TransferEncoding::Absent => transfer_encoding(value),
            _ => TransferEncoding::Invalid,
        };
    }
}

/// `1*DIGIT`, and nothing else: no sign, no blank, no list.
fn content_length(value: &[u8]) -> ContentLength {
    if value.is_empty() {
        return ContentLength::Invalid;
    }
    let mut bytes = 0_u64;
    for byte in value {
        if !byte.is_ascii_digit() {
            return if value.contains(&b',') { ContentLength::Repeated } else { ContentLength::Invalid };
        }
        bytes = bytes.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
    }
    // As many digits as always fit; more of them are counted again.
    if value.len() <= 19 { ContentLength::Bytes(bytes) } else { long_content_length(value) }
}

/// [`content_length`] of digits of which there are many.
#[cold]
fn long_content_length(digits: &[u8]) -> ContentLength {
    let next = |bytes: u64, digit: &u8| bytes.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')));
    digits.iter().try_fold(0, next).map_or(ContentLength::Overflow, ContentLength::Bytes)
}

fn transfer_encoding(value: &[u8]) -> TransferEncoding {
    if is(value, b"chunked") {
        return TransferEncoding::Chunked;
    }
    let (mut codings, mut chunked, mut last_is_chunked) = (0_u32, 0_u32, false);
    for coding in elements(value) {
        last_is_chunked = is(coding, b"chunked");
        chunked += u32::from(last_is_chunked);
        codings += 1;
        if coding.is_empty() {
            return TransferEncoding::Invalid;
        }
    }
    if last_is_chunked && chunked == 1 && codings > 1 { TransferEncoding::Unknown } else { TransferEncoding::Invalid }
}

/// The elements of a comma-separated list, without blanks around them (RFC 9110, section 5.6.1).
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(|element| element.trim_ascii())
}

/// Whether `bytes` are `lower`, in any case. `lower` is made of small letters, digits and `-`.
#[inline]
pub(crate) fn is<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else { return false };
    let mut differ = 0;
    for (byte, want) in bytes.iter().zip(lower) {
        // Bit 5 tells small letters from capitals, and nothing of what is no letter.
        let case = if want.is_ascii_lowercase() { 0x20 } else { 0 };
        differ |= (byte | case) ^ want;
    }
    differ == 0
}

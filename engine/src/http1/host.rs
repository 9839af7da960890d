//! `Host`: whom a request is for (RFC 9112, section 3.2; RFC 9110, section 7.2).

use super::{
    fields::{Field, Span},
    method::Version,
    reject::Reject,
    token::is_host_byte,
};

/// What is known of the `Host` field so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Absent,
    /// It stands there, and whether it is one is still to be found out.
    Once(Span),
    /// It stands there and is well-formed.
    Good(Span),
    Repeated,
}

impl Host {
    /// Another `Host` is there.
    #[inline]
    pub(crate) fn add(&mut self, value: Span) {
        *self = if matches!(self, Self::Absent) { Self::Once(value) } else { Self::Repeated };
    }

    /// Where the request's host stands, if it says one: `Host` has to be there exactly once in HTTP/1.1, and well-formed wherever it is.
    #[inline]
    pub(crate) fn checked(self, bytes: &[u8], version: Version) -> Result<Option<Span>, Reject> {
        match self {
            Self::Good(span) => Ok(Some(span)),
            Self::Once(span) if is_host(span.of(bytes)) => Ok(Some(span)),
            Self::Once(_) => Err(Reject::HostInvalid),
            Self::Repeated => Err(Reject::HostRepeated),
            Self::Absent if version == Version::Http10 => Ok(None),
            Self::Absent => Err(Reject::HostMissing),
        }
    }
}

/// The value of the last `Host` line that was read, with its line end: the next one is nearly always the same, and comparing is
/// cheaper than reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastHost {
    bytes: [u8; Self::MAX_LEN],
    length: usize,
}

impl LastHost {
    /// A longer one is read every time.
    const MAX_LEN: usize = 64;

    /// None that was read.
    pub(crate) const NONE: Self = Self { bytes: [0; Self::MAX_LEN], length: 0 };

    /// Reads a line `Host: name:port` at `from`, which is where nearly all clients have it, and gives it with the offset behind it.
    ///
    /// `None` says nothing: the line is another, or a `Host` in a rarer form, or isn't there whole. Since each byte of the value has to
    /// be held to the grammar of a host, httparse need not look at it before.
    #[inline]
    pub(crate) fn read_line(&mut self, bytes: &[u8], from: usize) -> Option<(Field, usize)> {
        let (name, rest) = bytes.get(from..)?.split_first_chunk()?;
        // Bit 5 is what tells small letters from capitals, and a byte that is a letter with it is one without.
        if u32::from_ne_bytes(*name) | 0x2020_2020 != u32::from_ne_bytes(*b"host") {
            return None;
        }
        let (separator, rest) = rest.split_first_chunk()?;
        if separator != b": " {
            return None;
        }
        let known = self.bytes.get(..self.length)?;
        let length = if known.len() > 2 && starts_with(rest, known) { known.len() - 2 } else { self.read_value(rest)? };
        let start = from + name.len() + separator.len();
        let field = Field { name: Span::with_length(from, name.len()), value: Span::with_length(start, length) };
        Some((field, start + length + 2))
    }

    /// Reads a value up to its line end, and remembers it.
    #[cold]
    fn read_value(&mut self, rest: &[u8]) -> Option<usize> {
        let length = memchr::memchr(b'\r', rest)?;
        let (value, ending) = rest.split_at_checked(length)?;
        if !ending.starts_with(b"\r\n") || value.is_empty() || !is_host(value) {
            return None;
        }
        if let Some(place) = self.bytes.get_mut(..length + 2) {
            place.copy_from_slice(rest.get(..length + 2)?);
            self.length = length + 2;
        }
        Some(length)
    }
}

/// Whether `bytes` start with `front`: without a call if that is as long as most hosts.
#[inline(always)]
fn starts_with(bytes: &[u8], front: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..front.len()) else { return false };
    match front.len() {
        8..=16 => ends_equal::<8>(bytes, front),
        17..=32 => ends_equal::<16>(bytes, front),
        _ => bytes == front,
    }
}

/// Whether the first `N` bytes of two texts are the same, and the last `N`.
#[inline]
pub(super) fn ends_equal<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2). The empty host is one.
pub(crate) fn is_host(value: &[u8]) -> bool {
    if value.first() == Some(&b'[') {
        return is_ip_literal(value);
    }
    match value.iter().position(|byte| !is_host_byte(*byte)) {
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
    let allowed = host.iter().all(|byte| *byte == b'%' || is_host_byte(*byte));
    allowed && percent_encoding_is_whole(host) && port.split_first().is_none_or(|(_, digits)| is_port(digits))
}

/// An IPv6 address in brackets, and perhaps a port. No zone, no future version of IP.
#[cold]
fn is_ip_literal(value: &[u8]) -> bool {
    let inside = value.get(1..).unwrap_or_default();
    let Some(end) = inside.iter().position(|byte| *byte == b']') else { return false };
    let (address, rest) = inside.split_at_checked(end).unwrap_or_default();
    is_ipv6(address)
        && match rest {
            [b']'] => true,
            [b']', b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// `IPv6address` (RFC 3986, section 3.2.2): eight groups, of which `::` stands for one or more, and an IPv4 address at the end for two.
///
/// The standard library's parser reads the same, and what it does about numbers that don't fit can't be seen never to panic.
fn is_ipv6(address: &[u8]) -> bool {
    let (mut rest, mut groups, mut elided) = (address, 0_usize, false);
    if let [b':', b':', behind @ ..] = rest {
        (rest, elided) = (behind, true);
    }
    while !(rest.is_empty() && elided) {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if !(1..=4).contains(&digits) {
            return false;
        }
        groups = groups.saturating_add(1);
        match rest.get(digits..) {
            Some([]) => break,
            Some([b':', b':', behind @ ..]) if !elided => (rest, elided) = (behind, true),
            Some([b':', behind @ ..]) if !behind.is_empty() => rest = behind,
            Some([b'.', ..]) if is_ipv4(rest) => {
                groups = groups.saturating_add(1);
                break;
            }
            _ => return false,
        }
    }
    if elided { groups < 8 } else { groups == 8 }
}

/// `IPv4address`: four numbers up to 255 without zeros in front.
fn is_ipv4(address: &[u8]) -> bool {
    let mut numbers = 0_usize;
    address.split(|byte| *byte == b'.').all(|number| {
        numbers = numbers.saturating_add(1);
        match number {
            [a] => a.is_ascii_digit(),
            [b'1'..=b'9', b] => b.is_ascii_digit(),
            [b'1', b, c] | [b'2', b @ b'0'..=b'4', c] => b.is_ascii_digit() && c.is_ascii_digit(),
            [b'2', b'5', c] => matches!(c, b'0'..=b'5'),
            _ => false,
        }
    }) && numbers == 4
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

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

    extern crate std;

    use core::net::Ipv6Addr;
    use std::{format, string::String, vec, vec::Vec};

    use super::*;
    use crate::http1::fields;

    /// What httparse makes of a line, if that is a well-formed `Host`.
    fn by_httparse(line: &[u8]) -> Option<(Field, usize)> {
        let section = [line, b"\r\n"].concat();
        let mut table = [Field::EMPTY; 2];
        let read = fields::read::<2>(&section, 0, &mut table, |_, _, _| {}).ok()??;
        let [field, _] = table;
        let is_good = read.count == 1
            && read.end == section.len()
            && field.name.of(&section).eq_ignore_ascii_case(b"host")
            && is_host(field.value.of(&section));
        is_good.then_some((field, line.len()))
    }

    #[test]
    fn what_is_read_of_a_host_line_is_what_httparse_reads() {
        const ALPHABET: [u8; 9] = *b"a1:% \t\r\n[";
        // One memory for all: a line that was read must not make another be taken for it.
        let (mut last, mut taken) = (LastHost::NONE, 0);
        let mut tails = vec![Vec::new()];
        for _ in 0..6 {
            for tail in &tails {
                for name in ["Host: ", "hOST: ", "Host:", "Hos\x54: ", "Hos\x14: "] {
                    let line = [name.as_bytes(), tail, b"\r\n"].concat();
                    if let Some(read) = last.read_line(&line, 0) {
                        let end = line.iter().position(|byte| *byte == b'\n').unwrap() + 1;
                        assert_eq!(Some(read), by_httparse(&line[..end]), "{}", line.escape_ascii());
                        taken += 1;
                    }
                }
            }
            tails = tails
                .iter()
                .flat_map(|tail| ALPHABET.iter().map(|byte| [tail, core::slice::from_ref(byte)].concat()))
                .collect();
        }
        assert!(taken > 1_000, "{taken}");
    }

    #[test]
    fn an_ipv6_address_is_what_the_standard_library_takes_for_one() {
        let mut good = 0;
        let mut check = |text: &str| {
            let known = text.parse::<Ipv6Addr>().is_ok();
            assert_eq!(is_ipv6(text.as_bytes()), known, "{text}");
            good += u32::from(known);
        };
        // Every text of up to six of these.
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            texts = texts
                .iter()
                .flat_map(|text| [":", ".", "0", "25", "256", "fFf0", "12345", "g"].map(|part| format!("{text}{part}")))
                .collect();
            texts.iter().for_each(|text| check(text));
        }
        // Every number of groups before and behind a gap.
        for (before, behind) in (0..10).flat_map(|before| (0..10).map(move |behind| (before, behind))) {
            for end in ["", "f", "1.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.4:1", ":"] {
                for gap in ["", ":", "::", ":::", "::1::"] {
                    let (before, behind) = (vec!["a"; before].join(":"), vec!["b:"; behind].concat());
                    check(&format!("{before}{gap}{behind}{end}"));
                }
            }
        }
        // Every number of an IPv4 address.
        for number in 0..1_300 {
            for text in [format!("{number}"), format!("{number:02}"), format!("{number:03}"), format!("{number}a")] {
                check(&format!("::{text}.1.1.1"));
                check(&format!("::1.1.1.{text}"));
            }
        }
        assert!(good > 1_000, "{good}");
    }

    #[test]
    fn a_known_host_is_no_other_host() {
        for length in 1..LastHost::MAX_LEN + 8 {
            let line = [b"Host: ".as_slice(), &vec![b'a'; length], b"\r\n"].concat();
            let wanted = (Field { name: Span::new(0, 4), value: Span::new(6, 6 + length) }, line.len());
            let mut last = LastHost::NONE;
            for _ in 0..2 {
                assert_eq!(last.read_line(&line, 0), Some(wanted));
            }
            for at in 0..line.len() {
                let cut = line.get(..at).unwrap();
                assert_eq!(last.read_line(cut, 0), None, "{}", cut.escape_ascii());
                for byte in *b"\0\t\r\n %:AaBb1[\x7f\x80\xff" {
                    let mut changed = line.clone();
                    changed[at] = byte;
                    let mut known = last;
                    let mut none = LastHost::NONE;
                    let fresh = none.read_line(&changed, 0);
                    assert_eq!(known.read_line(&changed, 0), fresh, "{}", changed.escape_ascii());
                }
            }
        }
    }
}

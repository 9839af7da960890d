//! The `Range` field (RFC 9110, section 14.2).

use core::ops::Range;

use crate::http1::framing::elements;

/// What a `Range` field asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing that is heeded: it isn't in bytes, is malformed, has too many ranges, or they are far from each other.
    Ignored,
    /// These bytes.
    Bytes(Range<u64>),
    /// None that there are.
    Unsatisfiable,
}

/// Reads a `Range` field's value for a representation of `length` bytes.
///
/// Several ranges are answered as one if they touch or nearly do (RFC 9110, section 15.3.7.2), and not heeded otherwise, which section 14.2
/// leaves to the server: nobody's parts are put together, so that a flood of ranges can't cost more than one answer does.
pub(super) fn asked(value: &[u8], length: u64) -> Asked {
    let Some((unit, set)) = split_once(value, b'=') else { return Asked::Ignored };
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return Asked::Ignored;
    }
    let mut ranges = [(0, 0); MAX_RANGES];
    let (mut specs, mut count) = (0, 0);
    let mut last: &[u8] = b"";
    for spec in elements(set).filter(|spec| !spec.is_empty()) {
        specs += 1;
        last = spec;
        let Some(range) = read(spec, length) else { return Asked::Ignored };
        if specs > MAX_RANGES {
            return Asked::Ignored;
        }
        if !range.is_empty()
            && let Some(place) = ranges.get_mut(count)
        {
            *place = (range.start, range.end);
            count += 1;
        }
    }
    let ranges = ranges.get_mut(..count).unwrap_or_default();
    ranges.sort_unstable();
    let mut rest = ranges.iter();
    let Some(&(start, mut end)) = rest.next() else {
        // A suffix of nothing is satisfiable, and can't be told in a `Content-Range`.
        let is_suffix = last.strip_prefix(b"-").and_then(number).is_some_and(|suffix| suffix > 0);
        let is_empty = length == 0 && specs == 1 && is_suffix;
        return if specs == 0 || is_empty { Asked::Ignored } else { Asked::Unsatisfiable };
    };
    for &(next_start, next_end) in rest {
        if next_start > end.saturating_add(GAP) {
            return Asked::Ignored;
        }
        end = end.max(next_end);
    }
    Asked::Bytes(start..end)
}

/// One range: `first-last`, `first-` or `-suffix`; empty where it can't be satisfied, `None` where it is malformed.
fn read(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let (first, last) = split_once(spec, b'-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(length.saturating_sub(suffix)..length);
    }
    let first = number(first)?;
    let end = if last.is_empty() {
        length
    } else {
        let last = number(last)?;
        if last < first {
            return None;
        }
        length.min(last.saturating_add(1))
    };
    Some(first..end.max(first))
}

/// A number, or the largest one where it is larger than that.
fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    if digits.is_empty() { None } else { Some(value) }
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(at, bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// Ranges of one request that are looked at.
const MAX_RANGES: usize = 16;
/// Bytes between two ranges that are sent along: about what the head of a part would take.
const GAP: u64 = 80;

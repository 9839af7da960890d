//! Invariant: what a request's conditions and range come to is what RFC 9110, section 13.2.2, says, step by step, of conditions that are read plainly; the
//! bytes that are sent are some of those that were asked for, with nothing between them that wasn't but a gap that is worth no second part.
//!
//! Input: four bytes (the method, the length, the validators, the date), then header lines.

use std::cell::RefCell;

use midge::{Date, EntityTag, Representation, Request, Response, Selected, testing};

use crate::{Lines, number};

/// Decides about one request.
pub fn check(mut data: &[u8]) {
    let method = ["GET", "HEAD", "PUT", "OPTIONS"][number(&mut data, 4)];
    let length = [0, 1, 10, 500, 10_000, u64::MAX][number(&mut data, 6)];
    let validators = number(&mut data, 64);
    let modified = NOW + number(&mut data, 3) as u64 - 1;
    let known = Known {
        length,
        tag: [None, Some((false, "x")), Some((true, "x")), Some((false, "")), Some((false, "\u{e9}"))]
            .get(validators % 8)
            .copied()
            .flatten(),
        modified: (validators & 8 != 0).then_some(modified),
        is_strong: validators & 16 != 0,
        has_ranges: validators & 32 == 0,
    };
    let fields: Lines = data.split(|byte| *byte == b'\n').filter_map(line).take(8).collect();
    let is_there = validators % 8 != 7;

    let mut current = Representation::new(length).modified_is_strong(known.is_strong);
    if let Some((is_weak, text)) = known.tag {
        current = current.etag(if is_weak { EntityTag::weak(text) } else { EntityTag::strong(text) });
    }
    if let Some(modified) = known.modified {
        current = current.modified(modified);
    }
    if !known.has_ranges {
        current = current.without_ranges();
    }
    let found = RefCell::new(None);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let selection = request.select(is_there.then_some(&current));
        *found.borrow_mut() = Some((selection.outcome().clone(), selection.range(), selection.status().code()));
        response.status(204).empty().await
    };
    let mut request = format!("{method} / HTTP/1.1\r\nHost: a\r\n").into_bytes();
    for (name, value) in &fields {
        request.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend_from_slice(b"\r\n");
    let mut scratch = testing::Scratch::new();
    testing::call(&handler, &request, &mut scratch).expect("a request");
    let (outcome, range, status) = found.into_inner().expect("the handler was called");
    let expected = decide(method, &fields, is_there.then_some(&known));
    let context = || format!("{} of {known:?}, {is_there}", request.escape_ascii());
    assert_eq!(outcome, expected, "{}", context());
    assert!(range.start <= range.end && range.end <= length, "{}", context());
    assert_eq!(status == 206, matches!(outcome, Selected::Part(_)), "{}", context());
}

const NOW: u64 = 784_111_777;
/// Fields by one letter, so that inputs are short.
const NAMES: [(&str, &str); 6] = [
    ("m", "If-Match"),
    ("n", "If-None-Match"),
    ("u", "If-Unmodified-Since"),
    ("s", "If-Modified-Since"),
    ("r", "Range"),
    ("i", "If-Range"),
];
const MAX_RANGES: usize = 16;
const GAP: u128 = 80;

#[derive(Debug)]
struct Known {
    length: u64,
    /// Whether it is weak, and its text.
    tag: Option<(bool, &'static str)>,
    modified: Option<u64>,
    is_strong: bool,
    has_ranges: bool,
}

/// `m:value`, or any field of these by name.
fn line(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    let (_, name) = NAMES.iter().find(|(short, long)| name == *short || name.eq_ignore_ascii_case(long))?;
    let value = line[colon + 1..].trim_ascii();
    let is_value = value.len() < 400 && value.iter().all(|byte| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t');
    is_value.then(|| ((*name).to_owned(), value.to_vec()))
}

// ---- RFC 9110, section 13.2.2, step by step

fn decide(method: &str, fields: &Lines, known: Option<&Known>) -> Selected {
    let all = |wanted: &str| {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &value[..]).collect::<Vec<_>>()
    };
    let date = |name: &str| match all(name)[..] {
        [value] => seconds(value),
        _ => None,
    };
    if method == "OPTIONS" {
        return Selected::Whole;
    }
    let is_read = matches!(method, "GET" | "HEAD");
    let modified = known.and_then(|known| known.modified);
    // 1 and 2.
    let matches = all("If-Match");
    if !matches.is_empty() {
        if !any_tag(&matches, known, true) {
            return Selected::PreconditionFailed;
        }
    } else if date("If-Unmodified-Since").is_some_and(|since| modified.is_some_and(|modified| modified > since)) {
        return Selected::PreconditionFailed;
    }
    // 3 and 4.
    let none = all("If-None-Match");
    let is_fresh = if none.is_empty() {
        is_read && date("If-Modified-Since").is_some_and(|since| modified.is_some_and(|modified| modified <= since))
    } else {
        any_tag(&none, known, false)
    };
    if is_fresh {
        return if is_read { Selected::NotModified } else { Selected::PreconditionFailed };
    }
    // 5.
    let (Some(known), [range], "GET") = (known, &all("Range")[..], method) else { return Selected::Whole };
    let is_same = match all("If-Range")[..] {
        [] => true,
        [value] => {
            let tag = known.tag.filter(|(is_weak, _)| !is_weak);
            let is_tag = tag.is_some_and(|(_, text)| value == format!("\"{text}\"").as_bytes());
            let is_date = !value.ends_with(b"\"")
                && known.is_strong
                && known.modified.is_some()
                && seconds(value) == known.modified;
            is_tag || is_date
        }
        _ => false,
    };
    if known.has_ranges && is_same { ranged(range, known.length.into()) } else { Selected::Whole }
}

/// A date, which another reader reads the same where it reads it at all.
fn seconds(value: &[u8]) -> Option<u64> {
    let found = Date::parse_unix_seconds(value)?;
    let text = std::str::from_utf8(value).expect("a date is ASCII");
    if let Ok(other) = httpdate::parse_http_date(text) {
        let other = other.duration_since(std::time::UNIX_EPOCH).expect("no earlier than midge's");
        assert_eq!(other.as_secs(), found, "{text}");
    }
    Some(found)
}

/// Whether one of the tags in the fields is the current one's.
fn any_tag(values: &[&[u8]], known: Option<&Known>, strongly: bool) -> bool {
    let Some(known) = known else { return false };
    if values == [b"*"] {
        return true;
    }
    let Some((is_weak, text)) = known.tag else { return false };
    let is_same = |(other_is_weak, other): &(bool, Vec<u8>)| {
        other == text.as_bytes() && !(strongly && (is_weak || *other_is_weak))
    };
    values.iter().flat_map(|value| tags(value)).any(|tag| is_same(&tag))
}

/// The tags of a list, up to the first thing that is none.
fn tags(value: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut tags = Vec::new();
    // Outside quotes and inside them, in turns.
    let pieces: Vec<_> = value.split(|byte| *byte == b'"').collect();
    for (index, piece) in pieces.windows(3).enumerate().step_by(2) {
        let [before, text, _] = piece else { unreachable!("three") };
        let is_weak = before.ends_with(b"W/");
        let separator = if is_weak { &before[..before.len() - 2] } else { before };
        let is_separator = separator.iter().all(|byte| b" \t,".contains(byte));
        let is_list = index == 0 || separator.contains(&b',');
        let is_text = text.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
        if !is_separator || !is_list || !is_text {
            break;
        }
        tags.push((is_weak, text.to_vec()));
    }
    tags
}

fn ranged(value: &[u8], length: u128) -> Selected {
    let text = String::from_utf8_lossy(value).into_owned();
    let Some((_, set)) = text.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes")) else {
        return Selected::Whole;
    };
    let specs: Vec<_> =
        set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()).collect();
    if specs.is_empty() || specs.len() > MAX_RANGES {
        return Selected::Whole;
    }
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // One that is too large for this is as good as any other that is.
        is_number.then(|| digits.parse::<u128>().unwrap_or(1 << 100).min(1 << 100))
    };
    let mut ranges = Vec::new();
    for spec in &specs {
        let Some((first, last)) = spec.split_once('-') else { return Selected::Whole };
        let range = match (number(first), number(last)) {
            (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
            (Some(first), None) if last.is_empty() => first..length,
            (Some(first), Some(last)) if is_ordered(spec) => first..length.min(last + 1),
            _ => return Selected::Whole,
        };
        if !range.is_empty() {
            ranges.push(range);
        }
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let Some(first) = ranges.first() else {
        // The last so many bytes of nothing are nothing, which no Content-Range can tell.
        let suffix = specs[0].strip_prefix('-').and_then(number);
        let is_empty_suffix = length == 0 && specs.len() == 1 && suffix.is_some_and(|suffix| suffix > 0);
        return if is_empty_suffix { Selected::Whole } else { Selected::Unsatisfiable };
    };
    let (start, mut end) = (first.start, first.end);
    for range in &ranges {
        if range.start > end + GAP {
            return Selected::Whole;
        }
        end = end.max(range.end);
    }
    let bound = |offset: u128| u64::try_from(offset).expect("within the length");
    Selected::Part(bound(start)..bound(end))
}

/// Whether the last byte isn't before the first one. Numbers beyond 64 bits are all the same to midge, as no representation is as long.
fn is_ordered(spec: &str) -> bool {
    let (first, last) = spec.split_once('-').expect("it was split before");
    let number = |digits: &str| digits.parse::<u64>().unwrap_or(u64::MAX);
    number(first) <= number(last)
}

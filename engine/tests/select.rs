//! Conditional and range requests.
//!
//! Invariant: the outcome is what RFC 9110, section 13.2.2, says of the conditions that are there, whatever their number; what is malformed is no condition;
//! and what goes out is the very part of the representation that its `Content-Range` says.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{cell::RefCell, ops::Range, time::Duration};

use common::Random;
use midge::{Date, EntityTag, Representation, Request, Response, Selected, testing};

/// 1994-11-06T08:49:37Z, the RFC's own.
const NOW: u64 = 784_111_777;
const IMF: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun Nov  6 08:49:38 1994";

fn outcomes(method: &str, fields: &str, currents: &[Option<Representation<'_>>]) -> Vec<Selected> {
    let found = RefCell::new(Vec::new());
    let handler = async |request: Request<'_>, response: Response<'_>| {
        found.borrow_mut().extend(currents.iter().map(|current| request.select(current.as_ref()).outcome().clone()));
        response.status(204).empty().await
    };
    let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut scratch = testing::Scratch::new();
    assert_eq!(testing::call(&handler, request.as_bytes(), &mut scratch).unwrap().status(), 204, "{request}");
    found.into_inner()
}

fn outcome(method: &str, fields: &str, current: Representation<'_>) -> Selected {
    outcomes(method, fields, &[Some(current)]).remove(0)
}

fn plain() -> Representation<'static> {
    Representation::new(10_000).etag(EntityTag::strong("xyzzy")).modified(NOW).modified_is_strong(true)
}

fn ranged(range: &str, length: u64) -> Selected {
    outcome("GET", &format!("Range: {range}\r\n"), Representation::new(length))
}

// ---- the RFC's examples

#[test]
fn entity_tags_are_compared_as_in_the_rfcs_table() {
    // RFC 9110, section 8.8.3.2: W/"1" and W/"1"; W/"1" and W/"2"; W/"1" and "1"; "1" and "1".
    let tags = [("W/\"1\"", true), ("W/\"2\"", false), ("\"1\"", true), ("\"2\"", false)];
    for (current, is_weak) in [(EntityTag::weak("1"), true), (EntityTag::strong("1"), false)] {
        for (sent, is_weakly) in tags {
            let is_strongly = is_weakly && !is_weak && !sent.starts_with('W');
            let current = Representation::new(9).etag(current);
            let strong = outcome("PUT", &format!("If-Match: {sent}\r\n"), current);
            assert_eq!(strong == Selected::Whole, is_strongly, "{current:?} {sent}");
            let weak = outcome("GET", &format!("If-None-Match: {sent}\r\n"), current);
            assert_eq!(weak == Selected::NotModified, is_weakly, "{current:?} {sent}");
        }
    }
}

#[test]
fn the_rfcs_conditions() {
    // RFC 9110, sections 13.1.1 to 13.1.5.
    let xyzzy = plain();
    let other = plain().etag(EntityTag::strong("other"));
    for list in ["\"xyzzy\"", "\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", "*"] {
        assert_eq!(outcome("PUT", &format!("If-Match: {list}\r\n"), xyzzy), Selected::Whole);
        let is_any = list == "*";
        let wanted = if is_any { Selected::Whole } else { Selected::PreconditionFailed };
        assert_eq!(outcome("PUT", &format!("If-Match: {list}\r\n"), other), wanted);
        assert_eq!(outcome("GET", &format!("If-None-Match: {list}\r\n"), xyzzy), Selected::NotModified);
        assert_eq!(outcome("PUT", &format!("If-None-Match: {list}\r\n"), xyzzy), Selected::PreconditionFailed);
        let wanted = if is_any { Selected::NotModified } else { Selected::Whole };
        assert_eq!(outcome("GET", &format!("If-None-Match: {list}\r\n"), other), wanted);
    }
    let weak = "If-None-Match: W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"\r\n";
    assert_eq!(outcome("GET", weak, xyzzy), Selected::NotModified);
    // `*`: nothing is overwritten, and nothing is changed that isn't there.
    assert_eq!(outcomes("PUT", "If-None-Match: *\r\n", &[None]), [Selected::Whole]);
    assert_eq!(outcomes("PUT", "If-Match: *\r\n", &[None]), [Selected::PreconditionFailed]);

    let since = Representation::new(9).modified(Date::parse_unix_seconds(b"Sat, 29 Oct 1994 19:43:31 GMT").unwrap());
    let later = Representation::new(9).modified(Date::parse_unix_seconds(b"Sat, 29 Oct 1994 19:43:32 GMT").unwrap());
    let field = "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n";
    assert_eq!([outcome("GET", field, since), outcome("GET", field, later)], [Selected::NotModified, Selected::Whole]);
    let field = "If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n";
    let wanted = [Selected::Whole, Selected::PreconditionFailed];
    assert_eq!([outcome("DELETE", field, since), outcome("DELETE", field, later)], wanted);
}

#[test]
fn the_rfcs_ranges() {
    // RFC 9110, section 14.1.2, of 10,000 bytes.
    for (range, wanted) in [
        ("bytes=0-499", 0..500),
        ("bytes=500-999", 500..1_000),
        ("bytes=-500", 9_500..10_000),
        ("bytes=9500-", 9_500..10_000),
        // More than one range, but the same bytes as one.
        ("bytes=500-600,601-999", 500..1_000),
        ("bytes=500-700,601-999", 500..1_000),
        ("bytes=0-0,1-1 , ,2-2", 0..3),
        ("bytes= 0-999", 0..1_000),
        ("BYTES=0-9", 0..10),
        ("bytes=0-99999", 0..10_000),
        ("bytes=-99999", 0..10_000),
        ("bytes=0-99999999999999999999999", 0..10_000),
        ("bytes=9999-9999", 9_999..10_000),
        ("bytes=10000-,0-4", 0..5),
        ("bytes=0-9,90-99", 0..100),
    ] {
        assert_eq!(ranged(range, 10_000), Selected::Part(wanted), "{range}");
    }
    // The first and the last byte: two parts.
    for range in ["bytes=0-0,-1", "bytes= 0-999, 4500-5499, -1000", "bytes=0-9,91-99"] {
        assert_eq!(ranged(range, 10_000), Selected::Whole, "{range}");
    }
    for range in ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=99999999999999999999999-", "bytes=10000-,-0"]
    {
        assert_eq!(ranged(range, 10_000), Selected::Unsatisfiable, "{range}");
    }
    for range in [
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=2-1",
        "bytes=0-1,2-1",
        "bytes=0-1;2-3",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=0 - 1",
        "bytes=--1",
        "seconds=0-1",
        "bytes 0-1",
        "0-1",
        "=0-1",
        "bytes=0x0-1",
        "exampleunit=1.2-4.3",
    ] {
        assert_eq!(ranged(range, 10_000), Selected::Whole, "{range}");
    }
    assert_eq!(ranged("bytes=0-", 0), Selected::Unsatisfiable);
    for range in ["bytes=-1", "bytes=-01", "bytes=,-1,"] {
        assert_eq!(ranged(range, 0), Selected::Whole, "{range}");
    }
    for range in ["bytes=-0", "bytes=-000", "bytes=-1,-1"] {
        assert_eq!(ranged(range, 0), Selected::Unsatisfiable, "{range}");
    }
    assert_eq!(outcome("GET", "Range: bytes=0-1\r\nRange: bytes=0-1\r\n", plain()), Selected::Whole);
    assert_eq!(outcome("GET", "Range: bytes=0-1\r\n", plain().without_ranges()), Selected::Whole);
}

#[test]
fn a_flood_of_ranges_is_not_heeded() {
    let flood = |count: usize| format!("bytes={}", vec!["0-"; count].join(","));
    assert_eq!(ranged(&flood(16), 100), Selected::Part(0..100));
    assert_eq!(ranged(&flood(17), 100), Selected::Whole);
    assert_eq!(ranged(&flood(4_000), 100), Selected::Whole);
}

// ---- every combination of conditions

/// A condition as a client may send it, and what it says of a representation: `None` where it is no condition.
struct Condition {
    field: &'static str,
    holds: fn(Option<&Known>) -> Option<bool>,
}

/// A representation, as the model knows it.
struct Known {
    current: Representation<'static>,
    /// `x` or another, and whether it is weak.
    tag: Option<(bool, bool)>,
    /// Modified before, at or after the date that is sent: -1, 0, 1.
    modified: Option<i8>,
    is_strong: bool,
}

fn tag_is(known: Option<&Known>, weakly: bool) -> bool {
    known.is_some_and(|known| known.tag.is_some_and(|(is_x, is_weak)| is_x && (weakly || !is_weak)))
}

const MATCH: [Condition; 5] = [
    Condition { field: "", holds: |_| None },
    Condition { field: "If-Match: \"y\", \"x\"\r\n", holds: |known| Some(tag_is(known, false)) },
    Condition { field: "If-Match: W/\"x\"\r\nIf-Match: \"y\"\r\n", holds: |_| Some(false) },
    Condition { field: "If-Match: *\r\n", holds: |known| Some(known.is_some()) },
    Condition { field: "If-Match: x\r\n", holds: |_| Some(false) },
];
const UNMODIFIED: [Condition; 3] = [
    Condition { field: "", holds: |_| None },
    Condition {
        field: "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        holds: |known| Some(known?.modified? <= 0),
    },
    Condition { field: "If-Unmodified-Since: 1994-11-06\r\n", holds: |_| None },
];
const NONE_MATCH: [Condition; 4] = [
    Condition { field: "", holds: |_| None },
    Condition { field: "If-None-Match: \"y\",, W/\"x\"\r\n", holds: |known| Some(!tag_is(known, true)) },
    Condition { field: "If-None-Match: *\r\n", holds: |known| Some(known.is_none()) },
    Condition { field: "If-None-Match: x\r\n", holds: |_| Some(true) },
];
const MODIFIED: [Condition; 3] = [
    Condition { field: "", holds: |_| None },
    Condition {
        field: "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
        holds: |known| Some(known?.modified? > 0),
    },
    Condition { field: "If-Modified-Since: now\r\n", holds: |_| None },
];
const IF_RANGE: [Condition; 6] = [
    Condition { field: "", holds: |_| Some(true) },
    Condition { field: "If-Range: \"x\"\r\n", holds: |known| Some(tag_is(known, false)) },
    Condition { field: "If-Range: W/\"x\"\r\n", holds: |_| Some(false) },
    Condition { field: "If-Range: \"x\", \"x\"\r\n", holds: |_| Some(false) },
    Condition {
        field: "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        holds: |known| Some(known.is_some_and(|known| known.is_strong && known.modified == Some(0))),
    },
    Condition { field: "If-Range: x\r\n", holds: |_| Some(false) },
];
const RANGES: [(&str, Option<Selected>); 4] = [
    ("", None),
    ("Range: bytes=1-2\r\n", Some(Selected::Part(1..3))),
    ("Range: bytes=9-\r\n", Some(Selected::Unsatisfiable)),
    ("Range: bytes=x\r\n", None),
];

fn representations() -> Vec<Option<Known>> {
    let mut all = vec![None];
    for tag in [None, Some((true, false)), Some((true, true)), Some((false, false))] {
        for modified in [None, Some(-1), Some(0), Some(1)] {
            for is_strong in [false, true] {
                let mut current = Representation::new(9).modified_is_strong(is_strong);
                if let Some((is_x, is_weak)) = tag {
                    let text = if is_x { "x" } else { "z" };
                    current = current.etag(if is_weak { EntityTag::weak(text) } else { EntityTag::strong(text) });
                }
                if let Some(difference) = modified {
                    current = current.modified(NOW.checked_add_signed(i64::from(difference)).unwrap());
                }
                all.push(Some(Known { current, tag, modified, is_strong }));
            }
        }
    }
    all
}

#[test]
fn every_combination_of_conditions_is_decided_in_the_rfcs_order() {
    let known = representations();
    let currents: Vec<_> = known.iter().map(|known| known.as_ref().map(|known| known.current)).collect();
    let mut seen = [0; 5];
    for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
        for (if_match, unmodified) in MATCH.iter().flat_map(|a| UNMODIFIED.iter().map(move |b| (a, b))) {
            for (none_match, modified) in NONE_MATCH.iter().flat_map(|a| MODIFIED.iter().map(move |b| (a, b))) {
                for (if_range, (range, ranged)) in IF_RANGE.iter().flat_map(|a| RANGES.iter().map(move |b| (a, b))) {
                    let fields =
                        [range, if_range.field, modified.field, none_match.field, unmodified.field, if_match.field]
                            .concat();
                    let found = outcomes(method, &fields, &currents);
                    for (known, found) in known.iter().map(Option::as_ref).zip(found) {
                        let is_read = method == "GET" || method == "HEAD";
                        let first = (if_match.holds)(known).or((unmodified.holds)(known));
                        let second = if none_match.field.is_empty() {
                            (modified.holds)(known).filter(|_| is_read)
                        } else {
                            (none_match.holds)(known)
                        };
                        let wanted = if method == "OPTIONS" {
                            Selected::Whole
                        } else if first == Some(false) {
                            Selected::PreconditionFailed
                        } else if second == Some(false) {
                            if is_read { Selected::NotModified } else { Selected::PreconditionFailed }
                        } else if method == "GET" && known.is_some() && (if_range.holds)(known) == Some(true) {
                            ranged.clone().unwrap_or(Selected::Whole)
                        } else {
                            Selected::Whole
                        };
                        assert_eq!(found, wanted, "{method} {fields:?} {:?}", known.map(|known| known.current));
                        let index = match found {
                            Selected::Whole => 0,
                            Selected::Part(_) => 1,
                            Selected::NotModified => 2,
                            Selected::PreconditionFailed => 3,
                            Selected::Unsatisfiable => 4,
                        };
                        seen[index] += 1;
                    }
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 1_000), "{seen:?}");
}

#[test]
fn random_ranges_are_the_union_of_what_is_asked_for() {
    let mut random = Random::new(3);
    let (mut parts, mut wholes) = (0, 0);
    for _ in 0..20_000 {
        let length = random.below(400);
        let mut bytes = vec![false; length as usize];
        let mut specs = Vec::new();
        for _ in 0..=random.below(4) {
            let (first, last) = (random.below(420), random.below(420));
            let range: Range<u64> = match random.below(3) {
                0 if first <= last => {
                    specs.push(format!("{first}-{last}"));
                    first..last + 1
                }
                1 => {
                    specs.push(format!("-{last}"));
                    length.saturating_sub(last)..length
                }
                _ => {
                    specs.push(format!("{first}-"));
                    first..length
                }
            };
            (range.start..range.end.min(length)).for_each(|byte| bytes[byte as usize] = true);
        }
        let first = bytes.iter().position(|asked| *asked);
        let last = bytes.iter().rposition(|asked| *asked);
        match (ranged(&format!("bytes={}", specs.join(", ")), length), first, last) {
            (Selected::Part(range), Some(first), Some(last)) => {
                assert_eq!(range, first as u64..last as u64 + 1, "{specs:?} of {length}");
                parts += 1;
            }
            (Selected::Unsatisfiable, None, None) => {}
            (Selected::Whole, None, None) if length == 0 => {}
            (Selected::Whole, Some(first), Some(last)) => {
                let hole = bytes[first..=last].split(|asked| *asked).map(<[bool]>::len).max().unwrap();
                assert!(hole > 80, "{specs:?} of {length}");
                wholes += 1;
            }
            other => panic!("{specs:?} of {length}: {other:?}"),
        }
    }
    assert!(parts > 1_000 && wholes > 100, "{parts} {wholes}");
}

// ---- what goes out

#[test]
fn an_answer_has_the_fields_that_belong_to_it() {
    let bytes: Vec<u8> = (0..=255).collect();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let tag = if request.path() == "/tagged" { EntityTag::weak("v") } else { None };
        let current = Representation::new(256).etag(tag).modified(NOW);
        let current = if request.path() == "/whole" { current.without_ranges() } else { current };
        let selection = request.select(Some(&current));
        assert_eq!(selection.of(&bytes).len() as u64, selection.range().end - selection.range().start);
        response.selected(&selection).body(selection.of(&bytes)).await
    };
    let modified = format!("last-modified: {IMF}\r\n");
    let tag = "etag: W/\"v\"\r\n";
    for (request, status, wanted, range) in [
        ("GET /", "200 OK", [&modified, "accept-ranges: bytes\r\n", "content-length: 256\r\n"].concat(), 0..256),
        ("HEAD /", "200 OK", [&modified, "accept-ranges: bytes\r\n", "content-length: 256\r\n"].concat(), 0..0),
        ("GET /whole", "200 OK", [&modified, "accept-ranges: none\r\n", "content-length: 256\r\n"].concat(), 0..256),
        (
            "GET /tagged",
            "200 OK",
            [tag, &modified, "accept-ranges: bytes\r\n", "content-length: 256\r\n"].concat(),
            0..256,
        ),
        (
            "GET /tagged Range: bytes=250-",
            "206 Partial Content",
            [tag, &modified, "accept-ranges: bytes\r\ncontent-range: bytes 250-255/256\r\n", "content-length: 6\r\n"]
                .concat(),
            250..256,
        ),
        (
            "GET / Range: bytes=256-",
            "416 Range Not Satisfiable",
            "accept-ranges: bytes\r\ncontent-range: bytes */256\r\ncontent-length: 0\r\n".to_owned(),
            0..0,
        ),
        ("GET /tagged If-None-Match: \"v\"", "304 Not Modified", tag.to_owned(), 0..0),
        ("GET / If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304 Not Modified", modified.clone(), 0..0),
        ("GET /tagged If-Match: \"v\"", "412 Precondition Failed", "content-length: 0\r\n".to_owned(), 0..0),
    ] {
        let (line, field) = request
            .split_at(request.char_indices().filter(|(_, char)| *char == ' ').nth(1).map_or(request.len(), |at| at.0));
        let field = if field.is_empty() { String::new() } else { format!("{}\r\n", field.trim()) };
        let mut bench = common::Bench::new();
        bench.open = true;
        let out = bench.run(&handler, &[format!("{line} HTTP/1.1\r\nHost: a\r\n{field}\r\n").as_bytes()]).out;
        let body = &bytes[range];
        let head = String::from_utf8(out[..out.len() - body.len()].to_vec()).unwrap();
        assert_eq!(head.replace(common::DATE_LINE, ""), format!("HTTP/1.1 {status}\r\n{wanted}\r\n"), "{request}");
        assert!(out.ends_with(body), "{request}");
    }
}

#[test]
fn a_tag_is_visible_and_has_no_quote() {
    for text in ["", "v1", "!#~", "\u{e9}", "\\"] {
        assert_eq!(EntityTag::strong(text).unwrap().opaque(), text);
        assert!(EntityTag::weak(text).unwrap().is_weak() && !EntityTag::strong(text).unwrap().is_weak());
    }
    for text in ["\"", "a b", "a\r\n", "\t", "\u{7f}"] {
        assert!(EntityTag::strong(text).is_none() && EntityTag::weak(text).is_none());
    }
}

// ---- dates

#[test]
fn dates_are_read_in_three_forms() {
    for text in [IMF, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Mon, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!(Date::parse_unix_seconds(text.as_bytes()), Some(NOW), "{text}");
    }
    assert_eq!(Date::parse_unix_seconds(BEFORE.as_bytes()), Some(NOW - 1));
    assert_eq!(Date::parse_unix_seconds(AFTER.as_bytes()), Some(NOW + 1));
    assert_eq!(Date::parse_unix_seconds(b"Sun, 06 Nov 1994 08:49:60 GMT"), Some(NOW + 23));
    assert_eq!(Date::parse_unix_seconds(b"Friday, 01-Jan-70 00:00:00 GMT"), Some(0));
    assert_eq!(
        Date::parse_unix_seconds(b"Tuesday, 31-Dec-69 00:00:00 GMT"),
        Date::parse_unix_seconds(b"Tue, 31 Dec 2069 00:00:00 GMT")
    );
    for text in [
        "",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 30 Feb 1996 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 29 Feb 1995 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994  8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sundae, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 94",
        "Sunday Nov  6 08:49:37 1994",
        "Sun, 06 Nov +994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "784111777",
    ] {
        assert_eq!(Date::parse_unix_seconds(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn dates_are_read_as_httpdate_reads_them() {
    let mut random = Random::new(9);
    for _ in 0..50_000 {
        // Up to the year 2069, which is as far as two digits tell.
        let seconds = random.below(1 << 31) + random.below(1_000_000_000);
        let imf = Date::from_unix_seconds(seconds);
        assert_eq!(Date::parse_unix_seconds(imf.as_bytes()), Some(seconds));
        let text = imf.as_str().to_owned();
        let (day, month, year, clock) = (&text[5..7], &text[8..11], &text[12..16], &text[17..25]);
        let long = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let weekday = long.iter().find(|long| long.starts_with(&text[..3])).unwrap();
        let rfc_850 = format!("{weekday}, {day}-{month}-{} {clock} GMT", &year[2..]);
        let asctime = format!("{} {month} {:>2} {clock} {year}", &text[..3], day.trim_start_matches('0'));
        for form in [text.clone(), rfc_850, asctime] {
            let model = httpdate::parse_http_date(&form).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(Date::parse_unix_seconds(form.as_bytes()).map(Duration::from_secs), Some(model), "{form}");
            // With one byte changed, it is refused or still the model's.
            let mut changed = form.into_bytes();
            let at = random.below(changed.len() as u64) as usize;
            changed[at] = b"0123456789 ,:-GMTJanSunday\xe9"[random.below(27) as usize];
            if let (Some(found), Ok(text)) = (Date::parse_unix_seconds(&changed), std::str::from_utf8(&changed))
                && let Ok(model) = httpdate::parse_http_date(text)
            {
                assert_eq!(Duration::from_secs(found), model.duration_since(std::time::UNIX_EPOCH).unwrap(), "{text}");
            }
        }
    }
}

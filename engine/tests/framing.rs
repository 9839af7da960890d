//! Where a request ends: `Facts` and `framing`, against a model written from the grammar.
//!
//! Invariant: for every sequence of framing fields, the verdict is the model's, in whatever order fields of different
//! names stand; no sequence gives both a length and a coding a meaning; a refusal is answered 400, 413, 417 or 501.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "common/model.rs"]
mod model;

use midge::{Facts, Reject, Version, framing};
use model::model;

type Line = (&'static str, &'static [u8]);

const LENGTHS: [&[u8]; 26] = [
    b"0",
    b"5",
    b"005",
    b"18446744073709551615",
    b"18446744073709551616",
    b"18446744073709551621",
    b"99999999999999999999999999999999999999999999",
    b"000000000000000000000000000000000000000000007",
    b"9223372036854775808",
    b"",
    b"+5",
    b"-5",
    b"-0",
    b"0x5",
    b"5 5",
    b"5\t",
    b"5, 5",
    b"5,",
    b",5",
    b",",
    b"5, 6",
    b"5;q=1",
    b"5.0",
    b"1e3",
    b"\xd9\xa5",
    b"five",
];

const CODINGS: [&[u8]; 26] = [
    b"chunked",
    b"CHUNKED",
    b"Chunked",
    b"",
    b",",
    b"identity",
    b"gzip",
    b"xchunked",
    b"chunkedx",
    b"chunked;q=1",
    b"chunked ;q=1",
    b"\"chunked\"",
    b"chunked,",
    b",chunked",
    b", chunked",
    b"chunked, chunked",
    b"chunked, gzip",
    b"gzip, chunked",
    b"gzip,chunked",
    b"gzip\t,\tCHUNKED",
    b"gzip, , chunked",
    b"gzip, chunked, chunked",
    b"gzip, deflate, chunked",
    b"chunked, gzip, chunked",
    b"chunked\x0b",
    b"chunke",
];

const OPTIONS: [&[u8]; 14] = [
    b"close",
    b"CLOSE",
    b"keep-alive",
    b"Keep-Alive",
    b"upgrade",
    b"close, keep-alive",
    b"keep-alive , Upgrade",
    b"foo, close",
    b"",
    b",,close,",
    b"closed",
    b"keep-alive;q=1",
    b"keep_alive",
    b"content-length",
];

const EXPECTATIONS: [&[u8]; 7] =
    [b"100-continue", b"100-CONTINUE", b"200-ok", b"", b"100-continue, 100-continue", b"100-continue;a", b"100"];

const UPGRADES: [&[u8]; 2] = [b"websocket", b""];

/// Names that look like framing and are not.
const LOOKALIKES: [Line; 5] = [
    ("Transfer_Encoding", b"chunked"),
    ("Content-Lengths", b"5"),
    ("Conn3ction", b"close"),
    ("Expects", b"100-continue"),
    ("X", b"close"),
];

#[test]
fn every_sequence_of_up_to_three_framing_fields_has_the_models_verdict() {
    let mut lines: Vec<Line> = LOOKALIKES.to_vec();
    lines.extend(LENGTHS.map(|value| ("Content-Length", value)));
    lines.extend(CODINGS.map(|value| ("transfer-ENCODING", value)));
    lines.extend(OPTIONS.map(|value| ("connection", value)));
    lines.extend(EXPECTATIONS.map(|value| ("EXPECT", value)));
    lines.extend(UPGRADES.map(|value| ("Upgrade", value)));

    let mut accepted = 0_u64;
    for version in [Version::Http10, Version::Http11] {
        accepted += u64::from(compare(version, &[]));
        for first in &lines {
            accepted += u64::from(compare(version, &[*first]));
            for second in &lines {
                accepted += u64::from(compare(version, &[*first, *second]));
                for third in &lines {
                    accepted += u64::from(compare(version, &[*first, *second, *third]));
                }
            }
        }
    }
    // The greater part must not be refused, or the test says little.
    assert!(accepted > 40_000, "{accepted}");
}

/// All lists of up to three values for each name, a few values each, all names together.
#[test]
fn every_choice_of_lists_has_the_models_verdict_in_every_order_of_the_names() {
    let lengths = lists("Content-Length", &[b"5", b"0", b"5, 5", b"x"], 3);
    let codings = lists("Transfer-Encoding", &[b"chunked", b"gzip, chunked", b"identity", b""], 3);
    let options = lists("Connection", &[b"close", b"keep-alive", b"a, upgrade"], 2);
    let expectations = lists("Expect", &[b"100-continue", b"200-ok"], 2);
    let upgrades = lists("Upgrade", &[b"websocket"], 1);
    for version in [Version::Http10, Version::Http11] {
        for length in &lengths {
            for coding in &codings {
                // With both, nothing else matters, and a tenth of what else there is will do.
                let step = if length.is_empty() || coding.is_empty() { 1 } else { 10 };
                for option in options.iter().step_by(step) {
                    for expectation in &expectations {
                        for upgrade in &upgrades {
                            let groups: [&[Line]; 5] = [length, coding, option, expectation, upgrade];
                            let forwards: Vec<Line> = groups.concat();
                            compare(version, &forwards);
                            let turns = groups.iter().map(|group| group.len()).max().unwrap();
                            let turn = |turn| groups.iter().rev().filter_map(move |group| group.get(turn).copied());
                            let interleaved: Vec<Line> = (0..turns).flat_map(turn).collect();
                            compare(version, &interleaved);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn names_are_framing_in_any_case_and_at_no_other_spelling() {
    let names = ["content-length", "transfer-encoding", "connection", "expect", "upgrade"];
    for name in names {
        let none = Facts::new(Version::Http11);
        for at in 0..name.len() {
            for byte in 0x21..0x7f_u8 {
                let mut spelled = name.as_bytes().to_vec();
                spelled[at] = byte;
                let mut facts = none;
                facts.note(&spelled, b"close");
                let same = spelled.eq_ignore_ascii_case(name.as_bytes());
                assert_eq!(facts != none, same, "{}", spelled.escape_ascii());
            }
        }
        let mut facts = none;
        facts.note(&name.as_bytes()[1..], b"close");
        facts.note(format!("{name}s").as_bytes(), b"close");
        assert_eq!(facts, none);
    }
}

/// Fields are read without them; whoever notes a value otherwise has it refused.
#[test]
fn a_coding_with_blanks_around_it_is_malformed() {
    for value in [" chunked", "chunked\t", " chunked "] {
        let mut facts = Facts::new(Version::Http11);
        facts.note(b"transfer-encoding", value.as_bytes());
        assert_eq!(framing(&facts), Err(Reject::TransferEncoding), "{value:?}");
    }
}

fn lists(name: &'static str, values: &[&'static [u8]], longest: u32) -> Vec<Vec<Line>> {
    let mut all = vec![Vec::new()];
    let mut last: Vec<Vec<Line>> = vec![Vec::new()];
    for _ in 0..longest {
        last =
            last.iter().flat_map(|list| values.iter().map(|value| [&list[..], &[(name, *value)]].concat())).collect();
        all.extend_from_slice(&last);
    }
    all
}

/// Compares, and gives whether it was accepted.
fn compare(version: Version, lines: &[Line]) -> bool {
    let mut facts = Facts::new(version);
    for (name, value) in lines {
        facts.note(name.as_bytes(), value);
    }
    let verdict = framing(&facts);
    assert_eq!(verdict, model(version, lines), "{version} {lines:?}");
    if let Err(reject) = verdict {
        assert!(matches!(reject.status().code(), 400 | 413 | 417 | 501), "{reject:?}");
    }
    verdict.is_ok()
}

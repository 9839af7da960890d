//! Invariant: for any list of fields, the verdict on where the message ends is the model's, which is written from the RFC's grammar.
//!
//! Input: one byte for the version, then `name: value` lines that end with LF. A name that is one letter stands for a framing field.

use midge::{Facts, Version, framing};

use crate::{model, number};

/// Judges one list of fields both ways.
pub fn check(mut data: &[u8]) {
    let version = if number(&mut data, 2) == 0 { Version::Http11 } else { Version::Http10 };
    let lines: Vec<(&str, &[u8])> = data.split(|byte| *byte == b'\n').take(16).filter_map(line).collect();
    let mut facts = Facts::new(version);
    for (name, value) in &lines {
        facts.note(name.as_bytes(), value);
    }
    assert_eq!(framing(&facts), model::model(version, &lines), "{version} {lines:?}");
}

fn line(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (std::str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].trim_ascii());
    // Field values never hold these: the field reader refuses them.
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return None;
    }
    let name = match name {
        "l" => "Content-Length",
        "t" => "Transfer-Encoding",
        "c" => "Connection",
        "e" => "Expect",
        "u" => "Upgrade",
        name => name,
    };
    Some((name, value))
}

//! The JSON reader against `serde_json`: it takes the same documents, and sees the same strings in them.

use serde_json::{Map, Value};

use crate::{
    event::json::{Json, MAX_DEPTH, Stop, Text},
    random::Random,
};

#[test]
fn random_documents_are_read_as_serde_json_reads_them() {
    let mut accepted = 0;
    for seed in 0..6_000 {
        let mut random = Random::new(seed);
        let mut document = Vec::new();
        value(&mut random, &mut document, 0);
        blank(&mut random, &mut document);
        for _ in 0..random.below(4) {
            mutate(&mut random, &mut document);
        }
        accepted += usize::from(compare(&document));
    }
    assert!((1_500..5_500).contains(&accepted), "not much of a test: {accepted} documents were valid");
}

#[test]
fn documents_at_the_edges_are_read_as_serde_json_reads_them() {
    let documents: &[&[u8]] = &[
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"{}x",
        b"{} {}",
        b"[1,]",
        b"{\"a\":1,}",
        b"[,1]",
        b"{,}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{1:2}",
        b"01",
        b"-",
        b"-0",
        b"+1",
        b"1.",
        b".5",
        b"1e",
        b"1e+",
        b"1E-7",
        b"1.5e3",
        b"0x1",
        b"1_0",
        b"NaN",
        b"Infinity",
        b"-01",
        b"tru",
        b"truE",
        b"true1",
        b"nul",
        b"falsefalse",
        b"'a'",
        b"\"",
        b"\"\\",
        b"\"\\u",
        b"\"\\u12",
        b"\"\\u123g\"",
        b"\"\\x\"",
        b"\"\\u0000\"",
        b"\"\\ud800\"",
        b"\"\\udc00\"",
        b"\"\\ud800\\u0041\"",
        b"\"\\ud800\\ud800\"",
        b"\"\\ud83d\\ude00\"",
        b"\"\\uD83D\\uDE00\"",
        b"\"\\ud83dx\"",
        b"\"\\ud83d\\n\"",
        b"\"\\ud83d\\",
        b"\"\\ud83d\"",
        b"\"\x00\"",
        b"\"\x1f\"",
        b"\"\x7f\"",
        b"\"\t\"",
        b"\"\n\"",
        b"\"\x80\"",
        b"\"\xc0\x80\"",
        b"\"\xc3\xa4\"",
        b"\"\xc3\"",
        b"\"\xe0\x80\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf0\x9f\x98\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xf8\x88\x80\x80\x80\"",
        b"\"\xff\"",
        b"\"\xc3\xa4\\n\xc3\xa4\"",
        b"\xc3\xa4",
        b"[1 2]",
        b"{\"a\":1 \"b\":2}",
        b"[}",
        b"{]",
        b"[[]",
        b"{}}",
        b"/**/1",
        b"\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
        b"\x0c1",
        b"\xa01",
        b"{\"a\":1,\"a\":2}",
        b"\"a\"\"b\"",
        b"\"seven..\\n\"",
        b"\"eight...\\n and more than eight behind it\"",
    ];
    for document in documents {
        compare(document);
    }
}

#[test]
fn nesting_ends_where_the_limit_says() {
    let nested = |depth: u32| {
        let (open, close): (Vec<_>, Vec<_>) =
            (0..depth).map(|level| if level % 3 == 0 { ("[", "]") } else { ("{\"a\":", "}") }).unzip();
        let close: Vec<_> = close.into_iter().rev().collect();
        format!("{}1{}", open.concat(), close.concat()).into_bytes()
    };
    assert!(compare(&nested(MAX_DEPTH)));
    assert!(!compare(&nested(MAX_DEPTH + 1)));
    assert!(!compare(&b"[".repeat(1 << 20)));
    // Depth is what is open, not what was opened.
    assert!(compare(format!("[{}1]", "[],{\"a\":[]},".repeat(500)).as_bytes()));
}

#[test]
fn every_byte_is_judged_the_same_wherever_it_stands_in_a_string() {
    for byte in 0..=0xff {
        for before in 0..72 {
            for escape in ["", "\\n"] {
                let mut document = format!("\"{escape}{}", "x".repeat(before)).into_bytes();
                document.push(byte);
                document.extend_from_slice(b"\xa4yyyyyyyyyy\"");
                compare(&document);
                document.remove(document.len() - 12);
                compare(&document);
            }
        }
    }
}

#[test]
fn every_unicode_escape_is_the_character_that_serde_json_sees() {
    for unit in 0..=0xffff_u32 {
        compare(format!("\"\\u{unit:04x}\"").as_bytes());
        compare(format!("\"a\\ud801\\u{unit:04X}b\"").as_bytes());
    }
}

/// Reads a document both ways, in place and not, and says whether it is valid.
#[track_caller]
fn compare(document: &[u8]) -> bool {
    let expected = serde_json::from_slice::<Value>(document);
    if expected.as_ref().is_err_and(|error| error.to_string().contains("number out of range")) {
        // Fits the grammar, but not serde_json's numbers.
        return false;
    }
    let shown = || document.escape_ascii();
    for base in [0, 3] {
        let with_base = [&b"[[["[..base], document].concat();
        for in_place in [true, false] {
            let mut bytes = with_base.clone();
            let mut json = Json::new(&mut bytes, base);
            let read = walk(&mut json, in_place).and_then(|value| json.finish().map(|()| value));
            match (&read, &expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{}", shown()),
                (Err(Stop), Err(_)) => assert!(!json.error().to_string().is_empty()),
                _ => panic!("{}: {read:?}, but serde_json {expected:?} ({:?})", shown(), json.error()),
            }
            assert!(in_place || bytes == with_base, "changed: {}", shown());
        }
        let mut bytes = with_base.clone();
        let mut json = Json::new(&mut bytes, base);
        let skipped = json.skip().and_then(|()| json.finish());
        assert_eq!(skipped.is_ok(), expected.is_ok(), "skip of {}", shown());
        assert_eq!(bytes, with_base);
    }
    expected.is_ok()
}

/// Makes a tree of a document with the reader's own steps.
fn walk(json: &mut Json<'_>, in_place: bool) -> Result<Value, Stop> {
    match json.peek()? {
        b'{' => {
            json.open()?;
            let (mut first, mut object) = (true, Map::new());
            loop {
                let key = if in_place { json.key::<true>(&mut first)? } else { json.key::<false>(&mut first)? };
                let Some(key) = key else { return Ok(Value::Object(object)) };
                let key = text(json, key, in_place);
                object.insert(key, walk(json, in_place)?);
            }
        }
        b'[' => {
            json.open()?;
            let (mut first, mut array) = (true, Vec::new());
            while json.item(&mut first)? {
                array.push(walk(json, in_place)?);
            }
            Ok(Value::Array(array))
        }
        b'"' => {
            let string = if in_place { json.string::<true>()? } else { json.string::<false>()? };
            Ok(Value::String(text(json, string, in_place)))
        }
        _ => {
            let start = json.at();
            json.scalar()?;
            Ok(serde_json::from_slice(&json.bytes()[start..json.at()]).unwrap())
        }
    }
}

fn text(json: &Json<'_>, text: Text, in_place: bool) -> String {
    let content = text.span.of(json.bytes());
    if in_place {
        return String::from_utf8(content.to_vec()).unwrap();
    }
    assert_eq!(text.escaped, content.contains(&b'\\'));
    let mut out = vec![0; content.len()];
    let length = text.unescaped(json.bytes(), &mut out).unwrap();
    assert!(length == 0 || text.unescaped(json.bytes(), &mut out[..length - 1]).is_none());
    out.truncate(0);
    out.resize(length, 0);
    assert_eq!(text.unescaped(json.bytes(), &mut out), Some(length));
    String::from_utf8(out).unwrap()
}

fn value(random: &mut Random, out: &mut Vec<u8>, depth: usize) {
    blank(random, out);
    match random.below(if depth < 6 { 8 } else { 5 }) {
        0 => out.extend_from_slice(random.pick(&[&b"null"[..], b"true", b"false"])),
        1 => number(random, out),
        2..5 => string(random, out),
        5 | 6 => {
            out.push(b'{');
            for index in 0..random.below(5) {
                if index > 0 {
                    out.push(b',');
                }
                blank(random, out);
                string(random, out);
                blank(random, out);
                out.push(b':');
                value(random, out, depth + 1);
                blank(random, out);
            }
            blank(random, out);
            out.push(b'}');
        }
        _ => {
            out.push(b'[');
            for index in 0..random.below(5) {
                if index > 0 {
                    out.push(b',');
                }
                value(random, out, depth + 1);
                blank(random, out);
            }
            blank(random, out);
            out.push(b']');
        }
    }
}

fn number(random: &mut Random, out: &mut Vec<u8>) {
    let (mantissa, fraction, exponent) = (random.below(100_000), random.below(1000), random.below(40));
    let text = match random.below(5) {
        0 => format!("{mantissa}"),
        1 => format!("-{mantissa}.{fraction}"),
        2 => format!("{mantissa}e{exponent}"),
        3 => format!("{mantissa}.{fraction}E-{exponent}"),
        _ => "0".to_owned(),
    };
    out.extend_from_slice(text.as_bytes());
}

fn string(random: &mut Random, out: &mut Vec<u8>) {
    out.push(b'"');
    let plain = random.below(3) == 0;
    let longest = if random.below(4) == 0 { 150 } else { 24 };
    for _ in 0..random.below(longest) {
        match if plain { 0 } else { random.below(8) } {
            0..4 => out.push(random.pick(b"abcdefgh 0123/:,{}[]'-")),
            4 => out.extend_from_slice(random.pick(&[
                &b"\\n"[..],
                b"\\\"",
                b"\\\\",
                b"\\/",
                b"\\b",
                b"\\f",
                b"\\r",
                b"\\t",
            ])),
            5 => {
                let unit = random.pick(&[0x41, 0xe4, 0x20ac, 0, 0x2028]);
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
            6 => out.extend_from_slice(random.pick(&["ä", "€", "😀", "\u{7f}"]).as_bytes()),
            _ => out.extend_from_slice(b"\\ud83d\\uDE00"),
        }
    }
    out.push(b'"');
}

fn blank(random: &mut Random, out: &mut Vec<u8>) {
    if random.below(6) == 0 {
        out.push(random.pick(b" \t\r\n"));
    }
}

/// Changes a document by one byte.
fn mutate(random: &mut Random, document: &mut Vec<u8>) {
    let at = random.below(document.len().max(1));
    let byte = random.pick(b"\"\\{}[]:,0.-eu \n\x00\x80\xc3\xed\xff");
    match random.below(4) {
        _ if document.is_empty() => document.push(byte),
        0 => {
            document.remove(at);
        }
        1 => document.insert(at, byte),
        2 => document[at] = byte,
        _ => document.truncate(at),
    }
}

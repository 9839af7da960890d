//! Invariant: an event that the Lambda host takes is JSON by `serde_json`'s judgement, and what is called no JSON is none; every
//! span of the request that it makes lies in its buffer and holds what a request may hold; the body is what `serde_json` and
//! `base64` make of it, and each field what `serde_json` makes of it; bytes around the event stay as they were.
//!
//! Input: the event.

use base64::{Engine, engine::general_purpose::STANDARD};
use midge::{Field, Head};
use serde_json::Value;

use self::reader::read;

/// The Lambda host's own reader, which has no public face.
#[allow(dead_code, missing_docs, unused_imports)]
#[path = "../../adapters/lambda/src/event/mod.rs"]
pub(crate) mod reader;

const ROOM: usize = 2048;

/// Reads one event, and holds it against `serde_json`.
pub fn check(data: &[u8]) {
    let mut buffer = vec![0; ROOM];
    buffer.extend_from_slice(b"between");
    let start = buffer.len();
    buffer.extend_from_slice(data);
    let end = buffer.len();
    buffer.extend_from_slice(b"\"behind");
    let mut table = [Field::EMPTY; 64];
    let result = read(&mut buffer, ROOM, start..end, &mut table);
    assert_eq!(&buffer[ROOM..start], b"between");
    assert_eq!(&buffer[end..], b"\"behind");

    let document = serde_json::from_slice::<Value>(data);
    let is_whole = is_json(&document);
    let event = match result {
        Ok(event) => event,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            match error.error_type() {
                // Depth has a limit of the reader's own.
                "Runtime.UnmarshalError" => assert!(document.is_err() || error.to_string().contains("deep"), "{error}"),
                "Runtime.UnsupportedEvent" => assert!(is_whole, "{error}"),
                _ => {}
            }
            return;
        }
    };
    assert!(is_whole, "taken, and no JSON");
    let (head, body, tail) = event.split(&mut buffer);
    let context = event.request_context(head, tail);
    assert!(is_json(&serde_json::from_slice(context)) && context.starts_with(b"{"), "{}", context.escape_ascii());
    let head = Head::plain(head, &table[..event.fields], event.head());
    assert!(head.target() == "*" || head.target().starts_with('/'), "{}", head.target());
    assert!(head.target().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(!head.method().as_str().is_empty());
    for (name, value) in head.fields().iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(value.iter().all(|byte| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t'));
    }
    let Ok(Value::Object(document)) = document else { return };
    let expected = match (document.get("body"), document.get("isBase64Encoded")) {
        (Some(Value::String(body)), Some(Value::Bool(true))) => STANDARD.decode(body).expect("taken as base64"),
        (Some(Value::String(body)), _) => body.clone().into_bytes(),
        _ => Vec::new(),
    };
    assert_eq!(body.escape_ascii().to_string(), expected.escape_ascii().to_string());
    // Of arrays and strings the reader takes one, and cookies are put together.
    let strings = document.get("headers").filter(|_| document.get("multiValueHeaders").is_none_or(Value::is_null));
    for (name, value) in strings.and_then(Value::as_object).into_iter().flatten() {
        let Some(value) = value.as_str() else { continue };
        let is_there = head.fields().all(name).any(|given| given == value.trim_ascii().as_bytes());
        assert!(is_there || name.eq_ignore_ascii_case("cookie"), "{name}: {value:?} is lost: {:?}", head.fields());
    }
}

fn is_json(read: &serde_json::Result<Value>) -> bool {
    match read {
        Ok(_) => true,
        // Fit the grammar, but not serde_json's numbers or its depth.
        Err(error) => {
            error.to_string().contains("number out of range") || error.to_string().contains("recursion limit")
        }
    }
}

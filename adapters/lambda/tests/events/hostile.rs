//! No input makes the reader panic, and none is taken that isn't JSON.

use midge::{Field, Head};
use serde_json::Value;

use crate::{
    corpus::{ROOM, compact, corpus, read_in_buffer},
    event::{
        Event, Source,
        error::{EventError, NotHttp},
        read,
    },
};

#[test]
fn every_truncation_is_refused_as_json() {
    for (name, (bytes, expected)) in corpus() {
        let compact = compact(&bytes);
        let prefixes = [bytes.trim_ascii_end(), &compact]
            .into_iter()
            .flat_map(|document| (0..document.len()).map(|length| &document[..length]));
        for prefix in prefixes {
            let mut table = [Field::EMPTY; 32];
            let error = read_in_buffer(prefix, &mut table).1.expect_err(&name);
            let length = prefix.len();
            // What is wrong with a value may be told before the event's end is missed.
            let is_json = expected.get("request").is_none() && error.error_type() == "Runtime.InvalidEvent";
            assert!(is_json || error.error_type() == "Runtime.UnmarshalError", "{name} up to {length}: {error:?}");
        }
    }
}

#[test]
fn every_changed_byte_is_judged_as_serde_json_judges_it() {
    let often = *b"{}[],:0eu\x00\x7f\x80\xff\xc3 n/";
    let (mut read, mut refused) = (0, 0);
    for (name, (event, _)) in corpus() {
        let bytes = compact(&event);
        for at in 0..bytes.len() {
            for byte in [b'"', b'\\', bytes[at] ^ 1, often[at % often.len()]] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                let mut table = [Field::EMPTY; 32];
                let (mut buffer, result) = read_in_buffer(&changed, &mut table);
                let is_json = match &result {
                    Ok(event) => {
                        check(event, &mut buffer, &table);
                        read += 1;
                        true
                    }
                    Err(error) => {
                        refused += 1;
                        // What is wrong with a value of the right syntax is told before the rest is looked at.
                        match error.error_type() {
                            "Runtime.UnmarshalError" => false,
                            "Runtime.UnsupportedEvent" => true,
                            _ => continue,
                        }
                    }
                };
                assert_eq!(is_json, is_valid(&changed), "{name} at {at}: {byte:#04x}: {result:?}");
            }
        }
    }
    assert!(read > 10_000 && refused > 10_000, "{read} read, {refused} refused");
}

#[test]
fn a_body_before_everything_else_is_moved_behind_it() {
    for body in
        ["", "x", "a longer body, longer than all that is behind it: ................................................"]
    {
        for flag in ["false", "true"] {
            let encoded = if flag == "true" { "QUJD" } else { body };
            let event = format!(
                r#"{{"body":"{encoded}","isBase64Encoded":{flag},"httpMethod":"PUT","path":"/p","headers":{{"a":"1","host":"h"}},"requestContext":{{"elb":{{}}}}}}"#
            );
            let mut table = [Field::EMPTY; 8];
            let (mut buffer, result) = read_in_buffer(event.as_bytes(), &mut table);
            let event = result.unwrap();
            check(&event, &mut buffer, &table);
            let (head, body_bytes, tail) = event.split(&mut buffer);
            assert_eq!(&*body_bytes, if flag == "true" { b"ABC" } else { body.as_bytes() });
            assert_eq!(event.request_context(head, tail), br#"{"elb":{}}"#);
            let head = Head::plain(head, &table[..event.fields], event.head());
            assert_eq!((head.method().as_str(), head.target(), head.authority()), ("PUT", "/p", "h"));
            assert_eq!(head.fields().iter().collect::<Vec<_>>(), [("a", &b"1"[..]), ("host", b"h")]);
        }
    }
}

#[test]
fn base64_bodies_of_every_length_are_decoded_in_place() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    for length in (0..40_usize).chain(760..780).chain(1530..1545).chain([5000]) {
        let body: Vec<u8> = (0..length).map(|index| (index * 7 % 256) as u8).collect();
        let mut encoded = vec![0; length.div_ceil(3) * 4];
        STANDARD.encode_slice(&body, &mut encoded).unwrap();
        let encoded = String::from_utf8(encoded).unwrap();
        for (flag, expected) in
            [("true", Some(&body[..])), ("false", Some(encoded.as_bytes())), ("null", Some(encoded.as_bytes()))]
        {
            let event = format!(
                r#"{{"isBase64Encoded":{flag},"body":"{encoded}","httpMethod":"PUT","path":"/","requestContext":{{"elb":{{}}}}}}"#
            );
            let (mut buffer, result) = read_in_buffer(event.as_bytes(), &mut []);
            assert_eq!(Some(&*result.unwrap().split(&mut buffer).1), expected, "{length}");
        }
        // Without its last character it is none.
        let cut = encoded.get(..encoded.len().saturating_sub(1)).unwrap();
        let event = format!(
            r#"{{"isBase64Encoded":true,"body":"{cut}","httpMethod":"PUT","path":"/","requestContext":{{"elb":{{}}}}}}"#
        );
        let result = read_in_buffer(event.as_bytes(), &mut []).1;
        assert_eq!(result.err(), (length > 0).then_some(EventError::Base64), "{length}");
    }
}

#[test]
fn what_has_no_room_is_refused() {
    let event = br#"{"httpMethod":"GET","path":"/a b","queryStringParameters":{"q":"1"},"headers":{"a":"1","b":"2","host":"example.com"},"requestContext":{"elb":{}}}"#;
    // "GET", "/a%20b?q=1" and "example.com".
    for room in 0..26 {
        let mut buffer = vec![0; room];
        buffer.extend_from_slice(event);
        let end = buffer.len();
        let result = read(&mut buffer, room, room..end, &mut [Field::EMPTY; 3]);
        match (room, result) {
            (0..3, Err(EventError::Method)) | (3..24, Err(EventError::TargetTooLong)) => {}
            (24.., Ok(event)) => assert_eq!(event.target.of(&buffer), b"/a%20b?q=1"),
            (_, result) => panic!("{room}: {result:?}"),
        }
    }
    for fields in 0..3 {
        let result = read_in_buffer(event, &mut [Field::EMPTY; 3][..fields]).1;
        assert_eq!(result.err(), Some(EventError::TooManyFields));
    }
    // `cookies` needs a place of its own.
    let event =
        br#"{"rawPath":"/","cookies":["a=1","b=2"],"headers":{"a":"1"},"requestContext":{"http":{"method":"GET"}}}"#;
    assert_eq!(read_in_buffer(event, &mut [Field::EMPTY; 1]).1.err(), Some(EventError::TooManyFields));
    assert_eq!(read_in_buffer(event, &mut [Field::EMPTY; 2]).1.map(|event| event.fields), Ok(2));
    // A document that isn't in the buffer at all.
    assert_eq!(read(&mut [0; 8], ROOM, 4..9, &mut []).err(), Some(EventError::Truncated));
}

#[test]
fn of_two_members_with_one_name_the_later_counts() {
    let event = br#"{"path":"/1","path":"/2","headers":{"a":"1","b":"2"},"headers":{"c":"3"},"httpMethod":"GET","httpMethod":"PUT","requestContext":{"http":{"method":"X"}},"requestContext":{"elb":{}}}"#;
    let mut table = [Field::EMPTY; 4];
    let (mut buffer, result) = read_in_buffer(event, &mut table);
    let event = result.unwrap();
    assert_eq!(event.source, Source::AlbSingle);
    let (head, _, _) = event.split(&mut buffer);
    let head = Head::plain(head, &table[..event.fields], event.head());
    assert_eq!((head.method().as_str(), head.target()), ("PUT", "/2"));
    assert_eq!(head.fields().iter().collect::<Vec<_>>(), [("c", &b"3"[..])]);
}

#[test]
fn every_error_says_what_is_wrong_in_one_line() {
    let at = 7;
    let errors = [
        EventError::Truncated,
        EventError::Syntax { at },
        EventError::Escape { at },
        EventError::Surrogate { at },
        EventError::Utf8 { at },
        EventError::TooDeep { at },
        EventError::Type { member: "headers", at },
        EventError::NotHttp(NotHttp::Records),
        EventError::NotHttp(NotHttp::Authorizer),
        EventError::NotHttp(NotHttp::WebSocket),
        EventError::NotHttp(NotHttp::LatticeV1),
        EventError::NotHttp(NotHttp::Unknown),
        EventError::Missing("path"),
        EventError::Method,
        EventError::Field { at },
        EventError::Base64,
        EventError::TooManyFields,
        EventError::TargetTooLong,
    ];
    for (index, error) in errors.iter().enumerate() {
        let text = error.to_string();
        assert!(text.starts_with("the event") && !text.contains('\n'), "{text}");
        assert!(errors.iter().skip(index + 1).all(|other| other.to_string() != text), "{text}");
        let name = error.error_type().strip_prefix("Runtime.").unwrap();
        assert!(
            name.len() > 1
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().all(|c| c.is_ascii_alphabetic())
        );
    }
}

/// Looks at every part of a request that was read.
fn check(event: &Event, buffer: &mut [u8], table: &[Field]) {
    assert!(event.body.start() <= event.body.end() && event.body.end() <= buffer.len());
    for span in [event.method, event.target, event.authority] {
        assert!(span.start() <= span.end() && span.end() <= ROOM, "{span:?} of {event:?}");
    }
    let body = event.body;
    let (head, part, tail) = event.split(buffer);
    assert_eq!((part.len(), head.len()), (body.end() - body.start(), body.start()));
    let context = event.request_context(head, tail);
    assert!(context.starts_with(b"{") && is_valid(context), "{}", context.escape_ascii());
    let head = Head::plain(head, &table[..event.fields], event.head());
    assert!(!head.method().as_str().is_empty());
    assert!(
        head.target().starts_with('/') && head.target().bytes().all(|byte| byte.is_ascii_graphic()),
        "{}",
        head.target()
    );
    for (name, value) in head.fields().iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'), "{name}");
        assert!(!value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'), "{}", value.escape_ascii());
    }
}

/// Whether `serde_json` takes a document. What has only numbers beyond its own is valid, too.
fn is_valid(document: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(document) {
        Ok(_) => true,
        Err(error) => error.to_string().contains("number out of range"),
    }
}

//! JSON bodies, against serde_json.
//!
//! Invariant: a document is read exactly if serde_json reads it (nesting aside, and numbers that no float holds), to the same value, whatever the type; what is
//! skipped is checked as what is read. What is written is the same document as serde_json reads.

#![cfg(feature = "json")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{collections::BTreeMap, fmt::Debug};

use common::{Bench, HOST, Random};
use midge::{
    Failure, Handler, Limits, Request, Response, ResponseError, Sent,
    json::{self, Fault, MAX_DEPTH},
    testing,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    unsigned: u8,
    signed: i64,
    float: f64,
    text: String,
    letter: char,
    flag: bool,
    #[serde(default)]
    maybe: Option<u32>,
    list: Vec<i32>,
    pair: (u8, String),
    map: BTreeMap<String, u8>,
    numbered: BTreeMap<u16, bool>,
    nothing: (),
    wide: u128,
    kinds: Vec<Kind>,
    wrapped: Wrapped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(u8),
    Tuple(u8, u8),
    Struct { a: u8 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(Box<str>);

fn example() -> Everything {
    Everything {
        unsigned: 255,
        signed: i64::MIN,
        float: -1.5e-7,
        text: "\u{1d11e} \"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}\u{e9}".to_owned(),
        letter: '\u{1f600}',
        flag: true,
        maybe: Some(7),
        list: vec![-1, 0, 1],
        pair: (1, "two".to_owned()),
        map: BTreeMap::from([("a".to_owned(), 1), ("b\n".to_owned(), 2)]),
        numbered: BTreeMap::from([(1, true), (65_535, false)]),
        nothing: (),
        wide: u128::MAX,
        kinds: vec![Kind::Unit, Kind::New(1), Kind::Tuple(2, 3), Kind::Struct { a: 4 }],
        wrapped: Wrapped("in".into()),
    }
}

fn read<T: DeserializeOwned>(document: &[u8]) -> Result<T, json::Error> {
    json::read(&mut document.to_vec())
}

/// Reads the same as serde_json, and skips what it reads.
fn same<T: DeserializeOwned + PartialEq + Debug>(document: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Skipped {}
    let wanted = serde_json::from_slice::<T>(document);
    let found = read::<T>(document);
    let name = document.escape_ascii().to_string();
    match (&found, &wanted) {
        (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{name}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{name}: {found:?}, and not {wanted:?}"),
    }
    let member = [b"{\"skipped\":", document, b"}"].concat();
    let skipped = read::<Skipped>(&member);
    let wanted = serde_json::from_slice::<BTreeMap<String, Value>>(&member).map(|map| map.len());
    assert_eq!(skipped.is_ok(), wanted.is_ok_and(|members| members == 1), "skipped {name}: {:?}", skipped.err());
    found.is_ok()
}

#[test]
fn every_type_is_read_and_written_as_serde_json_does() {
    let document = serde_json::to_vec(&example()).unwrap();
    assert!(same::<Everything>(&document));
    assert!(same::<Everything>(&serde_json::to_vec_pretty(&example()).unwrap()));
    let without_u128: Value = serde_json::from_slice(&serde_json::to_vec(&example().kinds).unwrap()).unwrap();
    let mut buffer = [0; 1_024];
    assert_eq!(json::write(&without_u128, &mut buffer), Some(&*serde_json::to_string(&example().kinds).unwrap()));
}

#[test]
fn what_json_is_and_is_not() {
    for document in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "0.1e1",
        "1e308",
        "\"\"",
        "\"a\"",
        "\"\\u0041\\n\"",
        "\"\\ud834\\udd1e\"",
        "[]",
        "{}",
        "[1,2]",
        " [ 1 , 2 ] ",
        "{\"a\":1}",
        "{ \"a\" : { \"b\" : [ ] } }",
        "\t\r\n1 ",
        "[[[[]]]]",
        "\"\u{e9}\u{1d11e}\"",
        "{\"a\":1,\"a\":2}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "[{\"a\":[{}]},[]]",
    ] {
        assert!(same::<Value>(document.as_bytes()), "{document}");
    }
    for document in [
        "",
        " ",
        "nul",
        "nulll",
        "tru",
        "True",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1.e1",
        "-01",
        "0x1",
        "1 2",
        "NaN",
        "Infinity",
        "1e309",
        "-1e999",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\\ud834\"",
        "\"\\ud834x\"",
        "\"\\ud834\\u0041\"",
        "\"\\udd1e\"",
        "\"\\udd1e\\ud834\"",
        "\"\\ud834\\ud834\"",
        "\"\\ud834\\n\"",
        "\"\n\"",
        "\"\0\"",
        "'a'",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{,}",
        "{\"a\":}",
        "[}",
        "{]",
        "[1}",
        "//",
        "1//",
        "\u{feff}1",
        "--1",
        "1-",
        "\u{a0}1",
    ] {
        assert!(!same::<Value>(document.as_bytes()), "{document}");
    }
    for document in
        [&b"\"\xff\""[..], b"\"\xc3\"", b"\"\xc3\\n\"", b"\"\\n\xff\"", b"\xff", b"[\"\xed\xa0\x80\"]", b"{\"\xff\":1}"]
    {
        assert!(!same::<Value>(document));
    }
}

#[test]
fn every_cut_of_a_document_is_refused() {
    let document = serde_json::to_vec(&example()).unwrap();
    for end in 0..document.len() {
        let error = read::<Everything>(&document[..end]).unwrap_err();
        assert!(error.offset() <= end, "{end}: {error}");
        assert!(!same::<Value>(&document[..end]));
    }
}

#[test]
fn random_documents_are_read_as_serde_json_does() {
    let mut random = Random::new(5);
    let document = serde_json::to_vec(&example()).unwrap();
    let bytes = b"{}[]:,\"\\u0123456789abcdefDd8+-.eE nrtfals\n\xc3\xa9\xff\0";
    let (mut good, mut bad) = (0, 0);
    for _ in 0..30_000 {
        let mut mutated = document.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(mutated.len() as u64) as usize;
            let byte = bytes[random.below(bytes.len() as u64) as usize];
            match random.below(3) {
                0 => mutated[at] = byte,
                1 => mutated.insert(at, byte),
                _ => drop(mutated.remove(at)),
            }
        }
        let is_good = same::<Value>(&mutated);
        (good, bad) = (good + u32::from(is_good), bad + u32::from(!is_good));
        // Duplicate and missing members, and values out of range, are for the type to say.
        assert_eq!(read::<Everything>(&mutated).ok(), serde_json::from_slice(&mutated).ok());
    }
    assert!(good > 1_000 && bad > 1_000, "{good} {bad}");
    for length in 0..6 {
        for _ in 0..4_000 {
            let random_bytes: Vec<u8> = (0..length).map(|_| bytes[random.below(bytes.len() as u64) as usize]).collect();
            same::<Value>(&random_bytes);
        }
    }
}

#[test]
fn strings_with_escapes_are_borrowed_too() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        name: &'a str,
        #[serde(borrow)]
        more: BTreeMap<&'a str, &'a str>,
    }
    let mut document = br#"{"name":"\u00e9\n\ud83d\ude00x\"","more":{"\u0061":"\/","b":""}}"#.to_vec();
    let value: Borrowed<'_> = json::read(&mut document).unwrap();
    assert_eq!(value.name, "\u{e9}\n\u{1f600}x\"");
    assert_eq!(value.more, BTreeMap::from([("a", "/"), ("b", "")]));
}

#[test]
fn nesting_is_limited_whether_it_is_read_or_skipped() {
    let nested = |depth: u32| [vec![b'['; depth as usize], vec![b']'; depth as usize]].concat();
    assert!(read::<Value>(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read::<Value>(&nested(MAX_DEPTH + 1)).unwrap_err().fault(), Fault::Depth);
    assert_eq!(read::<Value>(&vec![b'['; 1_000_000]).unwrap_err().offset(), MAX_DEPTH as usize);
    #[derive(Debug, Deserialize)]
    struct Skipped {}
    let member = |depth| [b"{\"a\":", &nested(depth)[..], b"}"].concat();
    assert!(read::<Skipped>(&member(MAX_DEPTH - 1)).is_ok());
    assert_eq!(read::<Skipped>(&member(MAX_DEPTH)).unwrap_err().fault(), Fault::Depth);
    let objects = |depth: usize| ["{\"a\":".repeat(depth), "1".into(), "}".repeat(depth)].concat();
    assert!(read::<Value>(objects(MAX_DEPTH as usize).as_bytes()).is_ok());
    assert_eq!(read::<Value>(objects(MAX_DEPTH as usize + 1).as_bytes()).unwrap_err().fault(), Fault::Depth);
}

#[test]
fn an_error_says_what_and_where() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Small {
        a: u8,
        b: [u8; 2],
    }
    for (document, fault, at) in [
        (r#"{"a":1,"b":[1,2]} x"#, Fault::Behind, 18),
        (r#"{"a":1,"b":[1,2]"#, Fault::End, 16),
        (r#"{"a":  300,"b":[1,2]}"#, Fault::Other, 7),
        (r#"{"a":"x","b":[1,2]}"#, Fault::Other, 5),
        (r#"{"b":[1,2]}"#, Fault::Missing("b"), 0),
        (r#"{"a":1,"b":[1,2,3]}"#, Fault::Other, 15),
        (r#"{"a":1,"a":2,"b":[1,2]}"#, Fault::Twice("a"), 5),
        (r#"{"a":1,"c":2}"#, Fault::Unknown, 5),
        (r#"{"a":1.5,"b":[1,2]}"#, Fault::Other, 5),
        (r#"{"a":01}"#, Fault::Number, 6),
        (r#"{"a":x}"#, Fault::Value, 5),
        (r#"{"a"=1}"#, Fault::Colon, 4),
        (r#"{a:1}"#, Fault::Name, 1),
        (r#"{"a":1;}"#, Fault::ObjectEnd, 6),
        (r#"{"a":1,"b":[1;2]}"#, Fault::ArrayEnd, 13),
        (r#"{"\x":1}"#, Fault::Escape, 2),
        ("{\"\n\":1}", Fault::Control, 2),
    ] {
        let error = read::<Small>(document.as_bytes()).unwrap_err();
        if let Fault::Missing(_) = fault {
            assert_eq!((error.fault(), error.offset()), (Fault::Missing("a"), document.len() - 1));
            assert_eq!(error.to_string(), "JSON without a member that belongs there (\"a\"), at byte 10");
            let failure = Failure::from(error);
            assert_eq!(failure.to_string(), "400 Bad Request: the body lacks a member: a");
            assert_eq!(failure.explain(&mut [0; 64]), Some("the body lacks a member: a"));
            assert_eq!((failure.explain(&mut [0; 25]), Failure::new(404).explain(&mut [0; 64])), (None, None));
            continue;
        }
        assert_eq!((error.fault(), error.offset()), (fault, at), "{document}");
        assert!(error.to_string().ends_with(&format!(", at byte {at}")));
        let failure = Failure::from(error);
        let mut buffer = [0; 128];
        let explained = failure.explain(&mut buffer).unwrap();
        assert_eq!(failure.to_string(), format!("400 Bad Request: {explained}"));
        assert!(explained.ends_with(&format!(", at byte {at}")), "{explained}");
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct User<'a> {
    name: &'a str,
    age: u8,
}

async fn birthday(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut user: User<'_> = request.json().await?;
    user.age += 1;
    response.status(200).json(&user).await
}

fn posted(content_type: &str, body: &str) -> (u16, String, String) {
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{content_type}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(&birthday, request.as_bytes(), &mut scratch).unwrap();
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status(), answer.header("content-type").unwrap_or_default().to_owned(), body)
}

#[test]
fn a_body_is_json_if_it_says_so() {
    const JSON: &str = "Content-Type: application/json\r\n";
    const BODY: &str = r#"{"name":"Ad\u0061","age":36}"#;
    for content_type in
        [JSON, "Content-Type: Application/JSON; charset=utf-8\r\n", "Content-Type: application/merge-patch+json\r\n"]
    {
        let (status, content_type, body) = posted(content_type, BODY);
        assert_eq!((status, &*content_type, &*body), (200, "application/json", r#"{"name":"Ada","age":37}"#));
    }
    for content_type in
        ["", "Content-Type: text/plain\r\n", "Content-Type: application/jsonx\r\n", "Content-Type: json\r\n"]
    {
        let (status, _, body) = posted(content_type, BODY);
        assert_eq!((status, &*body), (415, "415 Unsupported Media Type: this wants application/json\n"));
    }
    assert_eq!(posted(JSON, &format!("{{\"name\":\"{}\",\"age\":1}}", "x".repeat(20_000))).0, 413);
    let text = "text/plain; charset=utf-8".to_owned();
    let wrong =
        "400 Bad Request: JSON with a value of another type or range than belongs there, at byte 21\n".to_owned();
    assert_eq!(posted(JSON, r#"{"name":"Ada","age": 1000}"#), (400, text.clone(), wrong));
    let missing = "400 Bad Request: the body lacks a member: age\n".to_owned();
    assert_eq!(posted(JSON, r#"{"name":"Ada"}"#), (400, text.clone(), missing));
    let empty = "400 Bad Request: malformed JSON: it ends too early, at byte 0\n".to_owned();
    assert_eq!(posted(JSON, ""), (400, text, empty));
}

#[test]
fn a_body_is_the_same_json_however_it_is_cut() {
    let body = r#"{"name":"A\u00e9\ud83d\ude00","age":36}"#;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for cut in 1..body.len() {
        let (front, back) = body.split_at(cut);
        let chunks = format!("{:x}\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n", front.len(), back.len());
        let request = format!("{head}{chunks}");
        let (front, back) = request.as_bytes().split_at(head.len() + cut);
        let outcome = Bench::new().run(&birthday, &[front, back]);
        assert!(outcome.text().ends_with("{\"name\":\"A\u{e9}\u{1f600}\",\"age\":37}"), "{cut}: {outcome:?}");
    }
}

fn written(handler: &impl Handler, method: &str, output: usize, take: usize) -> Vec<u8> {
    let mut bench = Bench::sized(4096, output, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    bench.take = take;
    bench.open = true;
    bench.run(handler, &[format!("{method} / HTTP/1.1\r\n{HOST}").as_bytes()]).out
}

#[test]
fn a_value_of_any_length_is_written_with_its_length() {
    for count in [0, 1, 50, 3_000] {
        let users: Vec<_> = (0..count).map(|age| User { name: "A\"\u{e9}\n", age: age as u8 }).collect();
        let wanted = serde_json::to_vec(&users).unwrap();
        let handler = async |_: Request<'_>, response: Response<'_>| response.status(200).json(&users).await;
        for (output, take) in [(400, usize::MAX), (400, 333), (1_024, 100), (8_192, usize::MAX)] {
            let out = written(&handler, "GET", output, take);
            let length = format!("content-length: {}\r\n\r\n", wanted.len());
            let head = String::from_utf8_lossy(&out[..out.len() - wanted.len()]).into_owned();
            assert!(head.ends_with(&length) && head.contains("content-type: application/json\r\n"), "{head}");
            assert!(out.ends_with(&wanted), "{count} {output} {take}");
            let head_alone = written(&handler, "HEAD", output, take);
            assert_eq!(head_alone, out[..out.len() - wanted.len()]);
        }
    }
}

#[test]
fn what_is_written_is_what_serde_json_reads() {
    let mut random = Random::new(11);
    let mut buffer = vec![0; 4_096];
    let floats = [0.0, -0.0, 0.1, 1e300, 1e21, 1e-7, f64::MAX, f64::MIN_POSITIVE, 5e-324, 123_456_789.125, 1.0, -1.5];
    for round in 0..5_000 {
        let bits = random.below(1 << 31) << 33 | random.below(1 << 31) << 2 | random.below(4);
        let float = if round < floats.len() { floats[round] } else { f64::from_bits(bits) };
        // Every control character, the escapes, and characters of each length.
        let text: String = (0..random.below(20))
            .map(|_| match random.below(4) {
                0 => char::from(random.below(0x80) as u8),
                1 => char::from_u32(0x80 + random.below(0x700) as u32).unwrap(),
                2 => char::from_u32(0xe000 + random.below(0x1000) as u32).unwrap(),
                _ => char::from_u32(0x1_0000 + random.below(0x1000) as u32).unwrap(),
            })
            .collect();
        let map = BTreeMap::from([(text.as_str(), (float, bits, bits as i64, text.chars().next()))]);
        let written = json::write(&map, &mut buffer).unwrap();
        let read: BTreeMap<String, (Option<f64>, u64, i64, Option<char>)> = serde_json::from_str(written).unwrap();
        let (found, unsigned, signed, letter) = read[&text];
        // What is no number is null, as with serde_json; -0 is 0, as with JSON.stringify.
        assert_eq!(found, float.is_finite().then_some(float), "{written}");
        assert_eq!((unsigned, signed, letter), (bits, bits as i64, text.chars().next()), "{written}");
        assert_eq!(json::length(&map), Some(written.len() as u64));
    }
}

#[test]
fn a_short_value_is_made_once() {
    struct Counted(std::cell::Cell<u32>, usize);
    impl Serialize for Counted {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_str(&"x".repeat(self.1))
        }
    }
    let made = |length: usize, method: &str| {
        let value = Counted(std::cell::Cell::new(0), length);
        let handler = async |_: Request<'_>, response: Response<'_>| response.status(200).json(&value).await;
        let out = written(&handler, method, 8_192, usize::MAX);
        let body = if method == "HEAD" { String::new() } else { format!("\"{}\"", "x".repeat(length)) };
        let end = format!("content-length: {}\r\n\r\n{body}", length + 2);
        assert!(String::from_utf8(out).unwrap().ends_with(&end), "{length} {method}");
        value.0.get()
    };
    assert_eq!((made(1_000, "GET"), made(0, "GET")), (1, 1));
    // Tried once, measured once, written once.
    assert_eq!((made(2_000, "GET"), made(1, "HEAD")), (3, 3));
}

#[test]
fn a_value_that_cant_be_written_is_an_error_before_the_head_goes_out() {
    let map = BTreeMap::from([((1, 2), 3)]);
    assert_eq!((json::length(&map), json::write(&map, &mut [0; 64])), (None, None));
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let failure = response.status(200).json(&map).await.unwrap_err();
        assert_eq!(failure, Failure::from(ResponseError::Format));
        Err(failure)
    };
    assert!(written(&handler, "GET", 1_024, usize::MAX).starts_with(b"HTTP/1.1 500 "));
    assert_eq!(json::write("four", &mut [0; 5]), None);
    assert_eq!(json::write("four", &mut [0; 6]), Some("\"four\""));
}

#[test]
fn a_value_that_changes_while_it_is_written_is_cut() {
    struct Shrinks(std::cell::Cell<usize>);
    impl Serialize for Shrinks {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() - 100);
            serializer.serialize_str(&"x".repeat(self.0.get()))
        }
    }
    let handler = async |_: Request<'_>, response: Response<'_>| {
        response.status(200).json(&Shrinks(std::cell::Cell::new(2_000))).await
    };
    let out = written(&handler, "GET", 400, usize::MAX);
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains("content-length: 1802\r\n") && out.len() < 1_800, "{text}");
}

//! Answers to JSON: whatever the body and however it comes, the platform gets the same bytes out of it again.

use base64::{Engine, engine::general_purpose::STANDARD};
use midge::Status;
use serde_json::{Value, json};

use crate::{
    event::{Renderer, Source, TooLarge, prelude},
    random::Random,
};

const SOURCES: [Source; 6] =
    [Source::RestApi, Source::HttpApi, Source::FunctionUrl, Source::AlbSingle, Source::AlbMulti, Source::Lattice];

#[test]
fn every_body_comes_back_out_however_it_is_split() {
    let (mut text, mut turned) = (0, 0);
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let body = body(&mut random);
        let lines = random.pick(&["content-type: text/plain\r\n", "content-type: image/png\r\n", ""]);
        let mut pieces = Vec::new();
        let mut rest = &body[..];
        while !rest.is_empty() {
            let longest = 1 + random.below(60);
            let (piece, tail) = rest.split_at(1 + random.below(rest.len().min(longest)));
            pieces.push(piece);
            rest = tail;
        }
        let whole = render(Source::HttpApi, lines, &[&body], 1 << 16).unwrap();
        assert_eq!(render(Source::HttpApi, lines, &pieces, 1 << 16).unwrap(), whole, "{}", body.escape_ascii());
        let answer: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(body_of(&answer), body);
        let is_text = lines.contains("text") && std::str::from_utf8(&body).is_ok();
        assert_eq!(answer["isBase64Encoded"], json!(!is_text && !body.is_empty()));
        text += usize::from(is_text);
        turned += usize::from(lines.contains("text") && !is_text);
    }
    assert!(text > 300 && turned > 300, "{text} texts, {turned} that were none");
}

#[test]
fn every_byte_of_a_text_is_escaped_where_it_has_to_be() {
    for byte in 0..0x80_u8 {
        for before in 0..9 {
            let body = format!("{}{}{}", "x".repeat(before), char::from(byte), "y".repeat(9)).into_bytes();
            let answer = render(Source::HttpApi, "content-type: text/plain\r\n", &[&body], 4096).unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!((body_of(&answer), &answer["isBase64Encoded"]), (body, &json!(false)));
        }
    }
}

#[test]
fn a_text_that_turns_out_to_be_none_is_made_base64_from_its_beginning() {
    // So long that pieces of the conversion meet, with escapes before, and the fault at every place.
    let text = "\"quoted\"\\\n".repeat(400);
    for before in (0..40).chain(760..780).chain([3_000, 4_000]) {
        for fault in [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3\x28", b"\xe2\x82(", b"\xed\xa0\x80"] {
            let body = [&text.as_bytes()[..before], fault].concat();
            for pieces in [vec![&body[..]], vec![&body[..before], fault], body.chunks(1).collect()] {
                let answer = render(Source::AlbSingle, "content-type: text/plain\r\n", &pieces, 1 << 14).unwrap();
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                assert_eq!((body_of(&answer), &answer["isBase64Encoded"]), (body.clone(), &json!(true)), "{before}");
            }
        }
    }
}

#[test]
fn an_answer_that_has_no_room_is_an_error_and_one_that_just_fits_is_none() {
    let lines = "content-type: text/plain\r\nset-cookie: a\r\nset-cookie: b\r\nx: \"1\"\r\nx: 2\r\n";
    for source in SOURCES {
        for body in [&b"caf\xc3\xa9 \"au lait\"\n and more"[..], b"", b"text \"first\", and then \xff none"] {
            let whole = render(source, lines, &[body], 4096).unwrap();
            // What turns binary needs no more room than both of its forms.
            let text_form = whole.len() + body.len();
            for room in 0..whole.len() {
                assert_eq!(render(source, lines, &[body], room), Err(TooLarge), "{room} of {}", whole.len());
            }
            if std::str::from_utf8(body).is_ok() {
                assert_eq!(render(source, lines, &[body], whole.len()).as_ref(), Ok(&whole));
            } else {
                assert_eq!(render(source, lines, &[body], text_form).as_ref(), Ok(&whole));
            }
        }
    }
    let whole = streamed(Source::HttpApi, lines, 4096).unwrap();
    for room in 0..whole.len() {
        assert_eq!(streamed(Source::HttpApi, lines, room), Err(TooLarge));
    }
    assert_eq!(streamed(Source::HttpApi, lines, whole.len()), Ok(whole));
}

#[test]
fn text_is_what_its_type_says_unless_it_is_encoded() {
    let text = [
        "text/html",
        "Text/CSV ; header=present",
        "application/json",
        "APPLICATION/JSON;charset=utf-8",
        "application/xml",
        "application/javascript",
        "application/problem+json",
        "image/svg+xml",
        "application/atom+XML",
    ];
    let binary = [
        "",
        "image/png",
        "application/octet-stream",
        "application/jsonp",
        "application/jso",
        "xtext/plain",
        "json",
        "font/woff2",
        "text",
    ];
    for (types, encoded) in [(&text[..], false), (&binary[..], true)] {
        for media_type in types {
            let lines = format!("content-type: {media_type}\r\n");
            assert_eq!(is_encoded(&lines), encoded, "{media_type}");
        }
    }
    assert!(is_encoded("content-type: text/plain\r\nContent-Encoding: gzip\r\n"));
    assert!(!is_encoded("content-type: text/plain\r\ncontent-encoding: identity\r\n"));
    assert!(!is_encoded("CONTENT-TYPE: text/plain\r\n"));
}

#[test]
fn repeated_fields_stay_together_and_keep_their_order() {
    // Names that share what they are told apart by at first, too.
    let lines =
        "a1: 1\r\nb: 2\r\nA1: 3\r\na2: 4\r\na1: 5\r\nc1: 6\r\nset-cookie: x=1, y\r\nSet-Cookie: z\r\nb: \"7\"\r\n";
    let answer = |source| -> Value { serde_json::from_slice(&render(source, lines, &[], 4096).unwrap()).unwrap() };
    let joined = json!({"a1": "1, 3, 5", "b": "2, \"7\"", "a2": "4", "c1": "6"});
    assert_eq!(answer(Source::HttpApi)["headers"], joined);
    assert_eq!(answer(Source::FunctionUrl)["cookies"], json!(["x=1, y", "z"]));
    let arrays =
        json!({"a1": ["1", "3", "5"], "b": ["2", "\"7\""], "a2": ["4"], "c1": ["6"], "set-cookie": ["x=1, y", "z"]});
    assert_eq!(answer(Source::RestApi)["multiValueHeaders"], arrays);
    assert_eq!(answer(Source::AlbMulti)["multiValueHeaders"], arrays);
    assert_eq!(answer(Source::AlbSingle)["headers"]["b"], "2, \"7\"");
}

#[test]
fn many_cookies_of_a_single_value_balancer_all_have_names_of_their_own() {
    let lines: String = (0..100).map(|number| format!("set-cookie: n={number}\r\n")).collect();
    let answer = render(Source::AlbSingle, &lines, &[], 1 << 14).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let headers = answer["headers"].as_object().unwrap();
    assert_eq!(headers.len(), 100);
    assert!(headers.keys().all(|name| name.eq_ignore_ascii_case("set-cookie")));
}

/// The names are told apart by their case alone, and so by none that a handler has given them.
#[test]
fn cookies_of_a_single_value_balancer_that_came_in_several_cases_have_names_of_their_own() {
    let lines: String = (0..512)
        .map(|bits: usize| {
            let name: String = "set-cookie"
                .char_indices()
                .map(|(at, letter)| if bits >> (at % 9) & 1 == 1 { letter.to_ascii_uppercase() } else { letter })
                .collect();
            format!("{name}: {bits}\r\n")
        })
        .collect();
    let answer = render(Source::AlbSingle, &lines, &[], 1 << 14).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let mut values: Vec<usize> =
        answer["headers"].as_object().unwrap().values().map(|value| value.as_str().unwrap().parse().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, (0..512).collect::<Vec<_>>());
    // There is no name for one more.
    assert_eq!(render(Source::Lattice, &(lines + "set-cookie: x\r\n"), &[], 1 << 14), Err(TooLarge));
}

#[test]
fn a_value_that_is_not_utf8_goes_out_as_latin_1() {
    let mut out = [0; 256];
    let mut renderer = Renderer::new(Source::HttpApi, &mut out);
    renderer.begin(Status::OK, b"x: caf\xe9\r\ny: caf\xc3\xa9\r\n").unwrap();
    let length = renderer.end().unwrap();
    let answer: Value = serde_json::from_slice(&out[..length]).unwrap();
    assert_eq!(answer["headers"], json!({"x": "café", "y": "café"}));
}

#[test]
fn the_prelude_always_has_all_its_members() {
    let lines = "content-type: text/plain\r\nx: 1\r\nX: 2\r\nset-cookie: a\r\nset-cookie: b\r\n";
    let read = |source, lines| -> Value { serde_json::from_slice(&streamed(source, lines, 4096).unwrap()).unwrap() };
    let joined = json!({
        "statusCode": 200, "headers": {"content-type": "text/plain", "x": "1, 2"}, "multiValueHeaders": {}, "cookies": ["a", "b"],
    });
    let arrays = json!({
        "statusCode": 200, "headers": {}, "multiValueHeaders": {"content-type": ["text/plain"], "x": ["1", "2"]}, "cookies": ["a", "b"],
    });
    for source in SOURCES {
        assert_eq!(read(source, lines), if source == Source::RestApi { arrays.clone() } else { joined.clone() });
        assert_eq!(read(source, ""), json!({"statusCode": 200, "headers": {}, "multiValueHeaders": {}, "cookies": []}));
    }
}

fn render(source: Source, lines: &str, pieces: &[&[u8]], room: usize) -> Result<Vec<u8>, TooLarge> {
    let mut out = vec![0; room];
    let mut renderer = Renderer::new(source, &mut out);
    renderer.begin(Status::OK, lines.as_bytes())?;
    for piece in pieces {
        renderer.body(piece)?;
    }
    let length = renderer.end()?;
    out.truncate(length);
    Ok(out)
}

fn streamed(source: Source, lines: &str, room: usize) -> Result<Vec<u8>, TooLarge> {
    let mut out = vec![0; room];
    let length = prelude(source, &mut out, Status::OK, lines.as_bytes())?;
    out.truncate(length);
    Ok(out)
}

fn is_encoded(lines: &str) -> bool {
    let answer = render(Source::HttpApi, lines, &[b"body"], 4096).unwrap();
    serde_json::from_slice::<Value>(&answer).unwrap()["isBase64Encoded"].as_bool().unwrap()
}

fn body_of(answer: &Value) -> Vec<u8> {
    let body = answer["body"].as_str().unwrap();
    if answer["isBase64Encoded"] == json!(false) {
        return body.into();
    }
    let mut out = vec![0; body.len()];
    let length = STANDARD.decode_slice(body, &mut out).unwrap();
    out.truncate(length);
    out
}

/// A body that is text, or nearly.
fn body(random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..random.below(120) {
        body.extend_from_slice(random.pick(&[
            &b"plain"[..],
            b"\"",
            b"\\",
            b"\n",
            b"\0",
            "ä".as_bytes(),
            "€".as_bytes(),
            "😀".as_bytes(),
            b"\x7f",
        ]));
    }
    if random.below(2) == 0 && !body.is_empty() {
        let at = random.below(body.len());
        body[at] = random.pick(b"\xff\x80\xc3\xe2\xf0x");
    }
    body
}

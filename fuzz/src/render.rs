//! Invariant: whatever a handler answers, what goes to the platform is JSON that gives status, fields and body back, however the body
//! was split; an answer that has no room is an error and never cut short.
//!
//! Input: four bytes (the source, the room, the pieces' length, the status), field lines, an empty line, the body.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use midge::Status;
use serde_json::Value;

use crate::{
    event::reader::{Renderer, Source, TooLarge, prelude},
    number,
};

const SOURCES: [Source; 6] =
    [Source::RestApi, Source::HttpApi, Source::FunctionUrl, Source::AlbSingle, Source::AlbMulti, Source::Lattice];

/// More than any answer takes that fits into an input.
const ROOM: usize = 1 << 16;

/// Renders one answer, whole and in pieces, with and without room.
pub fn check(mut data: &[u8]) {
    let source = SOURCES[number(&mut data, SOURCES.len())];
    let room = number(&mut data, 256);
    let piece = number(&mut data, 64) + 1;
    let status = Status::new(200 + number(&mut data, 256) as u16).unwrap_or(Status::OK);
    let end = data.windows(2).position(|window| window == b"\n\n").unwrap_or(data.len());
    let (head, rest) = data.split_at(end);
    let body = rest.get(2..).unwrap_or_default();
    let mut lines = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        // As the engine writes them: a token, a value without control characters.
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let is_text = |byte: &u8| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t';
        if !name.is_empty() && name.iter().all(is_token) && value.iter().all(is_text) {
            lines.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
        }
    }

    let whole = render(source, status, &lines, &[body], ROOM).expect("there is room");
    let pieces: Vec<&[u8]> = body.chunks(piece).collect();
    assert_eq!(render(source, status, &lines, &pieces, ROOM).as_ref(), Ok(&whole));
    if let Ok(tight) = render(source, status, &lines, &pieces, room) {
        assert_eq!(tight, whole);
    }
    let answer: Value = serde_json::from_slice(&whole).expect("JSON");
    assert_eq!(answer["statusCode"], status.code());
    let text = answer["body"].as_str().expect("a body");
    let given = match answer["isBase64Encoded"].as_bool().expect("a flag") {
        true => STANDARD.decode(text).expect("base64"),
        false => text.as_bytes().to_vec(),
    };
    assert_eq!(given, body);
    let fields = Fields::of(&lines);
    match source {
        Source::RestApi | Source::AlbMulti => fields.are_arrays(&answer["multiValueHeaders"], true),
        Source::HttpApi | Source::FunctionUrl => {
            fields.are_joined(&answer["headers"], false);
            fields.are_cookies(&answer["cookies"]);
        }
        Source::AlbSingle | Source::Lattice => fields.are_joined(&answer["headers"], true),
    }

    let mut out = vec![0; ROOM];
    let length = prelude(source, &mut out, status, &lines).expect("there is room");
    let prelude: Value = serde_json::from_slice(&out[..length]).expect("JSON");
    assert_eq!(prelude["statusCode"], status.code());
    fields.are_cookies(&prelude["cookies"]);
    // A REST API takes arrays, and all others what is joined.
    let (joined, arrays) =
        if source == Source::RestApi { (&Fields::default(), &fields) } else { (&fields, &Fields::default()) };
    joined.are_joined(&prelude["headers"], false);
    arrays.are_arrays(&prelude["multiValueHeaders"], false);
}

/// What was answered, by name in small letters, each with its values in their order.
#[derive(Default)]
struct Fields {
    others: BTreeMap<String, Vec<String>>,
    cookies: Vec<String>,
}

impl Fields {
    fn of(lines: &[u8]) -> Self {
        let mut fields = Self::default();
        for line in lines.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r")) {
            let colon = line.iter().position(|byte| *byte == b':').expect("a field");
            let name = String::from_utf8(line[..colon].to_ascii_lowercase()).expect("a token");
            let value = &line[colon + 2..];
            // What isn't UTF-8 is ISO-8859-1.
            let value =
                String::from_utf8(value.to_vec()).unwrap_or_else(|_| value.iter().copied().map(char::from).collect());
            match name.as_str() {
                "set-cookie" => fields.cookies.push(value),
                _ => fields.others.entry(name).or_default().push(value),
            }
        }
        fields
    }

    /// The members of an object whose names don't differ in case alone, and the values of those that are named as cookies are, in any case.
    fn split(object: &Value) -> (BTreeMap<String, &Value>, Vec<&Value>) {
        let (mut others, mut cookies) = (BTreeMap::new(), Vec::new());
        for (name, value) in object.as_object().expect("an object") {
            match name.to_ascii_lowercase() {
                name if name == "set-cookie" => cookies.push(value),
                other => assert!(others.insert(other, value).is_none(), "{name} comes twice"),
            }
        }
        (others, cookies)
    }

    /// Each name has an array; cookies too, if they are among them.
    fn are_arrays(&self, object: &Value, cookies: bool) {
        let (others, given) = Self::split(object);
        let others: BTreeMap<_, _> = others.into_iter().map(|(name, values)| (name, texts(values))).collect();
        assert_eq!(others, self.others);
        let given: Vec<_> = given.into_iter().map(texts).collect();
        assert_eq!(given, if cookies && !self.cookies.is_empty() { vec![self.cookies.clone()] } else { vec![] });
    }

    /// Each name has one list; each cookie a name of its own, if they are among them.
    fn are_joined(&self, object: &Value, cookies: bool) {
        let (others, given) = Self::split(object);
        let others: BTreeMap<_, _> = others.into_iter().map(|(name, value)| (name, text(value))).collect();
        let joined = self.others.iter().map(|(name, values)| (name.clone(), values.join(", ")));
        assert_eq!(others, joined.collect());
        // An object has no order.
        let (mut given, mut wanted): (Vec<_>, _) = (given.into_iter().map(text).collect(), self.cookies.clone());
        given.sort();
        wanted.sort();
        assert_eq!(given, if cookies { wanted } else { vec![] });
    }

    fn are_cookies(&self, array: &Value) {
        assert_eq!(texts(array), self.cookies);
    }
}

fn texts(array: &Value) -> Vec<String> {
    array.as_array().expect("an array").iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn render(source: Source, status: Status, lines: &[u8], pieces: &[&[u8]], room: usize) -> Result<Vec<u8>, TooLarge> {
    let mut out = vec![0; room];
    let mut renderer = Renderer::new(source, &mut out);
    renderer.begin(status, lines)?;
    for piece in pieces {
        renderer.body(piece)?;
    }
    let length = renderer.end()?;
    out.truncate(length);
    Ok(out)
}

//! Invariant: whatever a handler answers, what goes to the platform is JSON that gives status, fields and body back, however the body
//! was split; an answer that has no room is an error and never cut short.
//!
//! Input: four bytes (the source, the room, the pieces' length, the status), field lines, an empty line, the body.

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

    let mut out = vec![0; ROOM];
    let length = prelude(source, &mut out, status, &lines).expect("there is room");
    let prelude: Value = serde_json::from_slice(&out[..length]).expect("JSON");
    assert_eq!(prelude["statusCode"], status.code());
    assert!(prelude["headers"].is_object() && prelude["cookies"].is_array());
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

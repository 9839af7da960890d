//! Every event of the corpus gives the request that stands beside it, and the handler's answer goes back as it says there.

use std::{collections::BTreeMap, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use midge::{Field, Head, Status};
use serde_json::{Value, json};

use crate::event::{Event, Renderer, Source, error::EventError, read};

/// Room before an event, and something between that must stay as it is.
pub(crate) const ROOM: usize = 2048;
pub(crate) const BETWEEN: &[u8] = b"what the platform's own head would be";

/// The corpus: each event, and what is expected of it.
pub(crate) fn corpus() -> BTreeMap<String, (Vec<u8>, Value)> {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/events"));
    let mut corpus = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".event.json") {
            let expected = fs::read(path.with_file_name(format!("{name}.expected.json"))).unwrap();
            corpus.insert(name.to_owned(), (fs::read(&path).unwrap(), serde_json::from_slice(&expected).unwrap()));
        }
    }
    assert!(corpus.len() > 60, "the corpus is incomplete: {}", corpus.len());
    corpus
}

/// The event without the blanks between its members, as the platform sends it.
pub(crate) fn compact(event: &[u8]) -> Vec<u8> {
    let (mut compact, mut in_string, mut escaped) = (Vec::new(), false, false);
    for byte in event {
        in_string ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        if in_string || !byte.is_ascii_whitespace() {
            compact.push(*byte);
        }
    }
    assert!(compact.len() < event.len());
    compact
}

/// Reads an event from a buffer that is laid out as the host's.
pub(crate) fn read_in_buffer(event: &[u8], table: &mut [Field]) -> (Vec<u8>, Result<Event, EventError>) {
    let mut buffer = vec![0; ROOM];
    buffer.extend_from_slice(BETWEEN);
    let start = buffer.len();
    buffer.extend_from_slice(event);
    let end = buffer.len();
    buffer.extend_from_slice(b"\"behind");
    let result = read(&mut buffer, ROOM, start..end, table);
    assert_eq!(&buffer[ROOM..start], BETWEEN);
    assert_eq!(&buffer[end..], b"\"behind");
    (buffer, result)
}

#[test]
fn every_event_gives_its_request() {
    let both = |(name, (event, expected)): (String, (Vec<u8>, Value))| {
        let compact = compact(&event);
        [(name.clone(), event, expected.clone()), (format!("{name}, compact"), compact, expected)]
    };
    for (name, bytes, expected) in corpus().into_iter().flat_map(both) {
        let mut table = [Field::EMPTY; 100];
        let (mut buffer, result) = read_in_buffer(&bytes, &mut table);
        let Some(expected_request) = expected.get("request") else {
            let error = result.expect_err(&name);
            let (shown, expected) = (format!("{error:?}"), expected["error"].as_str().unwrap());
            assert!(
                shown == expected || shown.starts_with(&format!("{expected} {{")),
                "{name}: {shown}, not {expected}"
            );
            continue;
        };
        let event = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&request(&event, &mut buffer, &table), expected_request, "{name}");

        let (head, _, tail) = event.split(&mut buffer);
        let context = event.request_context(head, tail);
        let original: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(context).unwrap(), original["requestContext"], "{name}");
        assert!(bytes.windows(context.len()).any(|window| window == context), "{name}: not as it was written");
    }
}

#[test]
fn every_answer_takes_the_form_of_its_source() {
    for (name, (bytes, expected)) in corpus() {
        let Some(answer) = expected.get("answer") else { continue };
        let mut table = [Field::EMPTY; 100];
        let source = read_in_buffer(&bytes, &mut table).1.unwrap().source;
        let body = bytes_of(&answer["body"]);
        let whole = render(source, answer, &[&body]);
        assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap(), expected["response"], "{name}");
        let pieces: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(render(source, answer, &pieces), whole, "{name}: byte by byte");
    }
}

#[test]
fn every_source_is_in_the_corpus_with_everything_that_it_can_send() {
    let corpus = corpus();
    for source in ["http-api", "function-url", "rest-api", "alb", "alb-multi", "lattice"] {
        for what in ["get", "binary"] {
            assert!(corpus.contains_key(&format!("{source}-{what}")), "{source}-{what}");
        }
        assert!(
            corpus.contains_key(&format!("{source}-null")) || corpus.contains_key(&format!("{source}-empty")),
            "{source}"
        );
    }
}

/// What a handler sees of an event, and what the host does, in the corpus's form.
fn request(event: &Event, buffer: &mut [u8], table: &[Field]) -> Value {
    let (head_bytes, body, _) = event.split(buffer);
    let head = Head::plain(head_bytes, &table[..event.fields], event.head());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields: Vec<Value> = head.fields().iter().map(|(name, value)| json!([name, text(value)])).collect();
    let body = match String::from_utf8(body.to_vec()) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": encoded(body) }),
    };
    json!({
        "source": format!("{:?}", event.source),
        "method": head.method().as_str(),
        "target": head.target(),
        "authority": head.authority(),
        "fields": fields,
        "body": body,
        "client": event.client.map(|client| client.to_string()),
    })
}

fn encoded(bytes: &[u8]) -> String {
    let mut out = vec![0; bytes.len().div_ceil(3) * 4];
    let length = STANDARD.encode_slice(bytes, &mut out).unwrap();
    out.truncate(length);
    String::from_utf8(out).unwrap()
}

/// A body of the corpus: text, or an object with `base64`.
fn bytes_of(body: &Value) -> Vec<u8> {
    let Some(encoded) = body.get("base64") else { return body.as_str().unwrap().into() };
    let encoded = encoded.as_str().unwrap();
    let mut out = vec![0; encoded.len()];
    let length = STANDARD.decode_slice(encoded, &mut out).unwrap();
    out.truncate(length);
    out
}

fn render(source: Source, answer: &Value, pieces: &[&[u8]]) -> Vec<u8> {
    let mut lines = String::new();
    for field in answer["fields"].as_array().unwrap() {
        lines += &format!("{}: {}\r\n", field[0].as_str().unwrap(), field[1].as_str().unwrap());
    }
    let status = Status::new(answer["status"].as_u64().unwrap().try_into().unwrap()).unwrap();
    let mut out = vec![0; 1 << 16];
    let mut renderer = Renderer::new(source, &mut out);
    renderer.begin(status, lines.as_bytes()).unwrap();
    for piece in pieces {
        renderer.body(piece).unwrap();
    }
    let length = renderer.end().unwrap();
    out.truncate(length);
    out
}

//! Invariant: a head that is accepted says, field for field, what httparse finds in the same bytes, and nothing in it breaks the
//! rules that a strict origin holds a request to; a head is read the same whether it comes whole or in two pieces.
//!
//! Input: one byte (where to cut), then the head.

use midge::{Connection, Field, Limits, ManualClock, RequestContext, Slot, Step};

use crate::{Lines, as_http11, number};

/// Reads one head whole and cut, and looks at it in another way.
pub fn check(mut data: &[u8]) {
    let cut = number(&mut data, 256);
    let whole = read(&[data]);
    let (first, second) = data.split_at(cut.min(data.len()));
    assert_eq!(read(&[first, second]), whole);
    let Some(head) = whole else { return };
    let data = &as_http11(skip_empty_lines(data));

    let mut table = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut table);
    assert!(matches!(parsed.parse(data), Ok(httparse::Status::Complete(_))), "httparse refuses it");
    assert_eq!(parsed.method, Some(&*head.method));
    assert_eq!(parsed.path, Some(&*head.target));
    assert_eq!(parsed.version, Some(if head.version == "1.0" { 0 } else { 1 }));
    let fields = parsed.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec()));
    assert_eq!(fields.collect::<Vec<_>>(), head.fields);

    assert!(head.target.bytes().all(|byte| byte.is_ascii_graphic()));
    for (name, value) in &head.fields {
        assert!(
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        );
        assert!(value.iter().all(|byte| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t'));
        assert!(value.trim_ascii() == value);
    }
    let hosts = head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count();
    assert!(hosts == 1 || (hosts == 0 && head.version == "1.0"), "{hosts} hosts");
    if head.target.starts_with('/') {
        let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
        assert_eq!(format!("{}{query}", head.path), head.target);
    }
    assert!(head.method != "CONNECT");
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    path: String,
    query: Option<String>,
    authority: String,
    version: &'static str,
    fields: Lines,
}

/// What a handler would be shown; nothing if the head is refused or not there whole.
fn read(pieces: &[&[u8]]) -> Option<Seen> {
    let (mut input, mut output, mut table) = ([0x5a; 20_000], [0x5a; 9_000], [Field::EMPTY; 132]);
    let (clock, limits, context) = (ManualClock::new(), Limits::DEFAULT, RequestContext::default());
    let mut slot = Slot::new(&mut input, &mut output, &mut table);
    let mut connection = Connection::new(&mut slot, &limits, midge::Clock::now(&clock));
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let mut rest = *piece;
        while !rest.is_empty() {
            match connection.step(&clock) {
                Step::Exchange => break,
                Step::Idle | Step::Read => {}
                _ => return None,
            }
            let space = connection.space();
            let count = rest.len().min(space.len());
            assert!(count > 0, "no room to read on");
            space[..count].copy_from_slice(&rest[..count]);
            connection.filled(count);
            rest = &rest[count..];
        }
    }
    if connection.step(&clock) != Step::Exchange {
        return None;
    }
    let exchange = connection.exchange(&context);
    let request = exchange.request();
    Some(Seen {
        method: request.method().as_str().to_owned(),
        target: request.target().to_owned(),
        path: request.path().to_owned(),
        query: request.query().map(str::to_owned),
        authority: request.authority().to_owned(),
        version: request.version().as_str(),
        fields: request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
    })
}

fn skip_empty_lines(mut data: &[u8]) -> &[u8] {
    while let Some(rest) = data.strip_prefix(b"\r\n") {
        data = rest;
    }
    data
}

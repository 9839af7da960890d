//! Invariant: the parts that midge finds in a form, their names and their content, are those that a plain reading of RFC 2046, section 5.1.1,
//! and RFC 7578 finds in the whole body, however it is cut and read and however little memory there is; what the plain reading refuses is
//! refused for the same reason, and until then nothing was given out but what stands there.
//!
//! Input: four bytes (the boundary, the memory, where to cut, how to read), then the body.

use std::cell::RefCell;

use midge::{Limits, MultipartError, Request, Response};

use crate::{common::Bench, number};

/// Reads one body whole, cut, byte by byte and in little memory.
pub fn check(mut data: &[u8]) {
    let boundary = BOUNDARIES[number(&mut data, BOUNDARIES.len())];
    let memory = number(&mut data, 256);
    let cut = number(&mut data, 256);
    let by = number(&mut data, 40);
    let (front, back) = data.split_at(cut.min(data.len()));
    for memory in [memory, ENOUGH] {
        let expected = plain(data, boundary, memory);
        let cuts = [vec![data], vec![front, back], data.chunks(1).collect(), data.chunks(cut.max(1)).collect()];
        for (pieces, by) in cuts.iter().zip([0, by, 0, by]) {
            let found = read(boundary, pieces, memory, by);
            let context = || format!("\"{}\" {boundary} {memory} {by}", data.escape_ascii());
            // A head of too many lines may be malformed, too: either is a reason.
            let either = [Some(MultipartError::Head), Some(MultipartError::HeadTooLarge)];
            let is_either = expected.end == either[1] && either.contains(&found.end);
            assert!(is_either || found.end == expected.end, "{:?}, {:?}: {}", found.end, expected.end, context());
            let (complete, begun) = found.parts.split_at(found.parts.len() - usize::from(found.is_inside));
            let known = if expected.is_inside { expected.parts.len() - 1 } else { expected.parts.len() };
            assert_eq!(complete, &expected.parts[..known], "{}", context());
            // Where the body breaks off, as much of the last part as had to come was given out, and nothing else.
            assert_eq!(begun.len(), expected.parts.len() - known, "{}", context());
            if let ([begun], Some(last)) = (begun, expected.parts.last()) {
                assert_eq!((&begun.name, &begun.filename), (&last.name, &last.filename), "{}", context());
                assert!(last.content.starts_with(&begun.content), "{}", context());
                assert!(last.content.len() - begun.content.len() < boundary.len() + 4, "{}", context());
            }
        }
    }
}

const BOUNDARIES: [&str; 5] = ["x", "--", "x'y", "a b", "----WebKitFormBoundary7MA4YWxkTrZu0gW"];
const ENOUGH: usize = 8_192;
const MAX_PARTS: usize = 4;
const MAX_FIELDS: usize = 8;
/// Bytes that a part's head leaves of the memory, beside a delimiter.
const WINDOW: usize = 16;

#[derive(Debug, Default)]
struct Form {
    parts: Vec<Part>,
    /// The last part has no end.
    is_inside: bool,
    end: Option<MultipartError>,
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    filename: Option<String>,
    fields: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
}

// ---- midge

/// What midge finds: piece by piece, or `by` bytes at a time.
fn read(boundary: &str, pieces: &[&[u8]], memory: usize, by: usize) -> Form {
    let form = RefCell::new(Form::default());
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let end = by_midge(&mut request, &form, memory, by).await.err();
        form.borrow_mut().end = end;
        response.status(204).empty().await
    };
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=\"{boundary}\"\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let mut bench = Bench::sized(head.len() + 300, 1_024, 16, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    let pieces: Vec<_> = [head.as_bytes()].into_iter().chain(pieces.iter().copied()).collect();
    assert_eq!(bench.run(&handler, &pieces).statuses(), [204]);
    form.into_inner()
}

async fn by_midge(
    request: &mut Request<'_>,
    found: &RefCell<Form>,
    memory: usize,
    by: usize,
) -> Result<(), MultipartError> {
    let mut memory = vec![0xaa; memory];
    let mut form = request.multipart(&mut memory).expect("a form with a boundary").max_parts(MAX_PARTS as u16);
    loop {
        let next = form.next().await;
        let Some(mut part) = next? else { break };
        let fields = part.headers().iter().map(field).collect();
        let (name, filename) = (part.name().to_owned(), part.filename().map(str::to_owned));
        found.borrow_mut().parts.push(Part { name, filename, fields, content: Vec::new() });
        found.borrow_mut().is_inside = true;
        let push = |bytes: &[u8]| {
            assert!(!bytes.is_empty());
            found.borrow_mut().parts.last_mut().expect("it was begun").content.extend_from_slice(bytes);
        };
        if by == 0 {
            while let Some(chunk) = part.chunk().await? {
                push(chunk);
            }
        } else {
            let mut buffer = vec![0; by];
            while let count @ 1.. = part.read(&mut buffer).await? {
                push(&buffer[..count]);
            }
        }
        found.borrow_mut().is_inside = false;
    }
    assert!(form.next().await?.is_none(), "a part behind the last one");
    Ok(())
}

// ---- a plain reading

/// What the whole body holds, with so much memory for heads.
fn plain(body: &[u8], boundary: &str, memory: usize) -> Form {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter needs no line end before it.
    let front = if memory < 2 { "" } else { "\r\n" };
    let body = [front.as_bytes(), body].concat();
    let mut form = Form::default();
    form.end = match delimiter.get(..memory) {
        // Not even the beginning of a delimiter has its place.
        Some(begun) if memory < delimiter.len() => {
            let is_full = memory == 0 || find(&body, begun).is_some();
            Some(if is_full { MultipartError::HeadTooLarge } else { MultipartError::Truncated })
        }
        _ => plain_parts(&body, &delimiter, memory, &mut form).err(),
    };
    form
}

fn plain_parts(body: &[u8], delimiter: &[u8], memory: usize, form: &mut Form) -> Result<(), MultipartError> {
    let mut at = find(body, delimiter).ok_or(MultipartError::Truncated)? + delimiter.len();
    loop {
        let behind = &body[at..];
        let padding = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match &behind[padding..] {
            [b'-', b'-', ..] if padding == 0 => return Ok(()),
            [b'\r', b'\n', ..] => at += padding + 2,
            [] | [b'\r'] => return Err(MultipartError::Truncated),
            [b'-'] if padding == 0 => return Err(MultipartError::Truncated),
            _ => return Err(MultipartError::Delimiter),
        }
        if form.parts.len() == MAX_PARTS {
            return Err(MultipartError::TooManyParts);
        }
        let room = memory.saturating_sub(delimiter.len() + WINDOW);
        let (length, part) = head(&body[at..], room)?;
        form.parts.push(part);
        at += length;
        let end = find(&body[at..], delimiter);
        let content = &body[at..at + end.unwrap_or(body.len() - at)];
        form.parts.last_mut().expect("pushed").content = content.to_vec();
        if end.is_none() {
            form.is_inside = true;
            return Err(MultipartError::Truncated);
        }
        at += content.len() + delimiter.len();
    }
}

/// A part's head, of at most `room` bytes: its length, and the part without its content.
fn head(bytes: &[u8], room: usize) -> Result<(usize, Part), MultipartError> {
    if bytes.len() >= 2 && room >= 2 && bytes.starts_with(b"\r\n") {
        return Err(MultipartError::Disposition);
    }
    // A line feed alone ends no line; whoever takes it for an end finds a malformed line first.
    let behind = |end: &[u8]| find(bytes, end).map(|at| at + end.len());
    let end = [&b"\n\r\n"[..], b"\n\n"].into_iter().filter_map(behind).min();
    let Some(end) = end.filter(|end| *end <= room) else {
        return Err(if bytes.len() < room { MultipartError::Truncated } else { MultipartError::HeadTooLarge });
    };
    let head = &bytes[..end];
    let mut lines = Vec::new();
    if head.iter().filter(|byte| **byte == b'\n').count() > MAX_FIELDS + 1 {
        return Err(MultipartError::HeadTooLarge);
    }
    let mut rest = head;
    while rest != b"\r\n" {
        let end = find(rest, b"\r\n").ok_or(MultipartError::Head)?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        let colon = line.iter().position(|byte| *byte == b':').ok_or(MultipartError::Head)?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        let is_value = value.iter().all(|byte| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t');
        if !is_token(name) || !is_value {
            return Err(MultipartError::Head);
        }
        lines.push((std::str::from_utf8(name).expect("a token"), value));
    }
    let all = |wanted: &str| {
        let found = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let is_plain =
        |value: &[u8]| ["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain.as_bytes()));
    let is_encoded = !all("content-transfer-encoding").into_iter().all(is_plain);
    let [disposition] = all("content-disposition")[..] else { return Err(MultipartError::Disposition) };
    let names = if is_encoded { None } else { names(disposition) };
    let (name, filename) = names.ok_or(MultipartError::Disposition)?;
    let fields = lines.into_iter().map(field).collect();
    Ok((end, Part { name, filename, fields, content: Vec::new() }))
}

/// A field line, but for the names in it, whose escapes midge replaces where they stand.
fn field((name, value): (&str, &[u8])) -> (String, Vec<u8>) {
    let is_names = name.eq_ignore_ascii_case("content-disposition");
    (name.to_owned(), if is_names { Vec::new() } else { value.to_vec() })
}

/// `form-data`, then parameters: the name and the file's name.
fn names(value: &[u8]) -> Option<(String, Option<String>)> {
    // At semicolons that don't stand in quotes.
    let (mut pieces, mut quoted, mut escaped) = (vec![Vec::new()], false, false);
    for (at, byte) in value.iter().enumerate() {
        let escapes = quoted && !escaped && *byte == b'\\' && matches!(value.get(at + 1), Some(b'"' | b'\\'));
        match byte {
            b';' if !quoted => {
                pieces.push(Vec::new());
                continue;
            }
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = escapes;
        pieces.last_mut()?.push(*byte);
    }
    let mut pieces = pieces.iter().map(|piece| trim(piece));
    if quoted || !pieces.next()?.eq_ignore_ascii_case(b"form-data") {
        return None;
    }
    let (mut name, mut filename) = (None, None);
    let pieces: Vec<_> = pieces.collect();
    for (index, piece) in pieces.iter().enumerate() {
        // A semicolon at the end is forgiven.
        if piece.is_empty() && index + 1 == pieces.len() {
            continue;
        }
        let equals = piece.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&piece[..equals], unquoted(&piece[equals + 1..])?);
        if !is_token(key) {
            return None;
        }
        let place = match &*key.to_ascii_lowercase() {
            b"name" => &mut name,
            b"filename" => &mut filename,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    Some((text(name?)?, filename.map(text).map_or(Some(None), |name| name.map(Some))?))
}

fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = value.strip_prefix(b"\"") else { return is_token(value).then(|| value.to_vec()) };
    let (mut text, mut rest) = (Vec::new(), quoted);
    loop {
        match rest {
            [b'"'] => return Some(text),
            [b'\\', escaped @ (b'"' | b'\\'), behind @ ..] => {
                text.push(*escaped);
                rest = behind;
            }
            [] | [b'"', ..] => return None,
            [byte, behind @ ..] => {
                text.push(*byte);
                rest = behind;
            }
        }
    }
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |at| at + 1);
    &bytes[start..end]
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

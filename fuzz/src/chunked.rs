//! Invariant: a chunked body is decoded to the same payload, the same end and the same error however it is cut; what is accepted is
//! what a plain reading of RFC 9112, section 7.1, accepts, byte for byte; and no limit is exceeded.
//!
//! Input: three bytes (the limits on a line, on extensions, and where to cut), then the body.

use midge::{ChunkError, ChunkStep, Chunked, Limits};

use crate::number;

/// Decodes one body in three ways, and reads it in a fourth.
pub fn check(mut data: &[u8]) {
    let mut limits = Limits { body_bytes: 1 << 20, ..Limits::DEFAULT };
    if let line @ 1.. = number(&mut data, 64) {
        limits.chunk_line_bytes = line as u32;
    }
    if let extensions @ 1.. = number(&mut data, 64) {
        limits.chunk_extension_bytes = extensions as u32;
    }
    let cut = number(&mut data, 256);
    let whole = decode(data, usize::MAX, usize::MAX, &limits);
    assert_eq!(decode(data, cut.max(1), usize::MAX, &limits), whole, "cut every {cut}");
    assert_eq!(decode(data, 1, 1, &limits), whole, "byte by byte");
    if !matches!(
        whole.1,
        End::Failed(ChunkError::LineTooLong | ChunkError::ExtensionsTooLong | ChunkError::BodyTooLong)
    ) {
        assert_eq!(read(data), whole);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Behind so many bytes.
    Last(usize),
    Incomplete,
    Failed(ChunkError),
}

fn decode(data: &[u8], cut: usize, max: usize, limits: &Limits) -> (Vec<u8>, End) {
    let (mut decoder, mut payload, mut at) = (Chunked::new(), Vec::new(), 0);
    let mut shown = cut.min(data.len());
    loop {
        match decoder.step(&data[at..shown], max, limits) {
            Ok(ChunkStep::Data { start, len }) => {
                assert!(len > 0 && len <= max);
                payload.extend_from_slice(&data[at + start..][..len]);
                at += start + len;
            }
            Ok(ChunkStep::More) => {
                if shown == data.len() {
                    return (payload, End::Incomplete);
                }
                at = shown;
                shown = shown.saturating_add(cut).min(data.len());
            }
            Ok(ChunkStep::Last { consumed }) => {
                at += consumed;
                assert_eq!(decoder.step(&data[at..], max, limits), Ok(ChunkStep::Last { consumed: 0 }));
                return (payload, End::Last(at));
            }
            Err(error) => {
                assert_eq!(decoder.step(b"0\r\n", max, limits), Err(error), "an error stays");
                return (payload, End::Failed(error));
            }
        }
    }
}

/// The same by looking at the whole text, line by line.
fn read(data: &[u8]) -> (Vec<u8>, End) {
    let (mut rest, mut payload) = (data, Vec::new());
    loop {
        let (size, length) = match size_line(rest) {
            Ok(Some(line)) => line,
            Ok(None) => return (payload, End::Incomplete),
            Err(error) => return (payload, End::Failed(error)),
        };
        rest = &rest[length..];
        if size == 0 {
            return (payload, End::Last(data.len() - rest.len()));
        }
        let there = rest.len().min(size);
        payload.extend_from_slice(&rest[..there]);
        match &rest[there..] {
            [] | [b'\r'] => return (payload, End::Incomplete),
            [b'\r', b'\n', behind @ ..] => rest = behind,
            _ => return (payload, End::Failed(ChunkError::DataEnd)),
        }
    }
}

/// Size and length of the size line in front; nothing if more is needed.
fn size_line(text: &[u8]) -> Result<Option<(usize, usize)>, ChunkError> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 {
        return if text.is_empty() { Ok(None) } else { Err(ChunkError::Line) };
    }
    let hex = std::str::from_utf8(&text[..digits]).unwrap().trim_start_matches('0');
    if hex.len() > 16 {
        return Err(ChunkError::SizeOverflow);
    }
    let size = if hex.is_empty() { 0 } else { u64::from_str_radix(hex, 16).unwrap() };
    let mut at = digits;
    let blanks = |mut at: usize| {
        while matches!(text.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        at
    };
    let token = |mut at: usize| {
        while text.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)) {
            at += 1;
        }
        at
    };
    loop {
        let semicolon = blanks(at);
        match text.get(semicolon) {
            None => return Ok(None),
            Some(b';') => {}
            // Blanks stand only in front of a semicolon.
            Some(b'\r') if semicolon == at => break,
            Some(_) => return Err(ChunkError::Line),
        }
        let name = blanks(semicolon + 1);
        at = token(name);
        if at == name {
            return if at == text.len() { Ok(None) } else { Err(ChunkError::Line) };
        }
        let equals = blanks(at);
        match text.get(equals) {
            None => return Ok(None),
            Some(b'=') => {}
            Some(_) => continue,
        }
        let value = blanks(equals + 1);
        match text.get(value) {
            None => return Ok(None),
            Some(b'"') => match quoted(&text[value + 1..])? {
                Some(length) => at = value + 1 + length,
                None => return Ok(None),
            },
            Some(_) => {
                at = token(value);
                if at == value {
                    return Err(ChunkError::Line);
                }
            }
        }
    }
    match &text[at..] {
        [_] => Ok(None),
        [_, b'\n', ..] => Ok(Some((usize::try_from(size).unwrap(), at + 2))),
        _ => Err(ChunkError::Line),
    }
}

/// Bytes of a quoted string behind its first quote.
fn quoted(text: &[u8]) -> Result<Option<usize>, ChunkError> {
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok(Some(at + 1)),
            b'\\' => match bytes.next() {
                None => return Ok(None),
                Some((_, b'\t' | b' '..=0x7e | 0x80..)) => {}
                Some(_) => return Err(ChunkError::Line),
            },
            b'\t' | b' '..=0x7e | 0x80.. => {}
            _ => return Err(ChunkError::Line),
        }
    }
    Ok(None)
}

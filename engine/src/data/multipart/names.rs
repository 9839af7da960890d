//! What a part's `Content-Disposition` says (RFC 7578, section 4.2).

use crate::{
    data::media::is_token,
    http1::fields::{Field, Span},
};

use super::MultipartError;

/// Where a part's names stand in its head. They are UTF-8.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) name: Span,
    pub(super) filename: Option<Span>,
}

/// Finds a part's names in its head. Escapes are replaced by what they stand for, where they stand.
pub(super) fn names(head: &mut [u8], table: &[Field]) -> Result<Names, MultipartError> {
    let is = |field: &Field, name: &[u8]| field.name.of(head).eq_ignore_ascii_case(name);
    // Deprecated, and sent by nobody but those who mean no encoding by it (RFC 7578, section 4.7).
    let is_encoded = table.iter().any(|field| {
        let plain = [&b"7bit"[..], b"8bit", b"binary"];
        is(field, b"content-transfer-encoding")
            && !plain.iter().any(|plain| field.value.of(head).eq_ignore_ascii_case(plain))
    });
    let mut dispositions = table.iter().filter(|field| is(field, b"content-disposition"));
    let (Some(field), None, false) = (dispositions.next(), dispositions.next(), is_encoded) else {
        return Err(MultipartError::Disposition);
    };
    read(head, field.value).ok_or(MultipartError::Disposition)
}

/// Reads `form-data; name="..."; filename="..."`.
fn read(head: &mut [u8], value: Span) -> Option<Names> {
    let (mut at, end) = (value.start(), value.end());
    let kind = token(head, at, end);
    at += kind.len();
    if !kind.eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut filename) = (None, None);
    loop {
        at = blanks(head, at, end);
        if at == end {
            let (name, is_text) = (name?, |span: Span| core::str::from_utf8(span.of(head)).is_ok());
            return (is_text(name) && filename.is_none_or(is_text)).then_some(Names { name, filename });
        }
        if head.get(at) != Some(&b';') {
            return None;
        }
        at = blanks(head, at + 1, end);
        let key = token(head, at, end);
        let length = key.len();
        // `filename*` is not for forms, and passed over (RFC 7578, section 4.2).
        let place = match key {
            _ if key.eq_ignore_ascii_case("name") => Some(&mut name),
            _ if key.eq_ignore_ascii_case("filename") => Some(&mut filename),
            "" if at == end => continue,
            _ => None,
        };
        if !is_token(key) || head.get(at + length) != Some(&b'=') {
            return None;
        }
        let (span, behind) = parameter(head, at + length + 1, end)?;
        at = behind;
        match place {
            Some(Some(_)) => return None,
            Some(place) => *place = Some(span),
            None => {}
        }
    }
}

/// A parameter's value, a token or in quotes: where it stands, and what is behind it.
fn parameter(head: &mut [u8], at: usize, end: usize) -> Option<(Span, usize)> {
    if head.get(at) != Some(&b'"') {
        let length = token(head, at, end).len();
        return (length > 0).then_some((Span::new(at, at + length), at + length));
    }
    let start = at + 1;
    let (mut read, mut written) = (start, start);
    while read < end {
        let mut byte = *head.get(read)?;
        match (byte, head.get(read + 1)) {
            (b'"', _) => return Some((Span::new(start, written), read + 1)),
            // Only these two: elsewhere, a backslash is one of the name's own characters to browsers.
            (b'\\', Some(escaped @ (b'"' | b'\\'))) if read + 1 < end => {
                byte = *escaped;
                read += 1;
            }
            _ => {}
        }
        *head.get_mut(written)? = byte;
        (read, written) = (read + 1, written + 1);
    }
    None
}

fn blanks(head: &[u8], at: usize, end: usize) -> usize {
    let rest = head.get(at..end).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The token at `at`; empty where there is none.
fn token(head: &[u8], at: usize, end: usize) -> &str {
    let rest = head.get(at..end).unwrap_or_default();
    let length = rest.iter().take_while(|byte| crate::http1::token::is_tchar(**byte)).count();
    rest.get(..length).and_then(|token| core::str::from_utf8(token).ok()).unwrap_or_default()
}

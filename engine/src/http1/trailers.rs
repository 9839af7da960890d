//! The trailer section behind a chunked body (RFC 9112, section 7.1.2).

use super::{
    fields::{self, Field, Section},
    limits::Limits,
    reject::Reject,
};

/// Reads a trailer section from the front of `bytes`; `None` where it isn't there whole. A field whose name `allows` refuses, refuses it.
///
/// `scanned` remembers how far it was looked through for its end.
pub(crate) fn read(
    bytes: &[u8],
    scanned: &mut usize,
    table: &mut [Field],
    limits: &Limits,
    allows: impl Fn(&[u8]) -> bool,
) -> Result<Option<Section>, Reject> {
    let window = bytes.get(..limits.trailer_bytes as usize).unwrap_or(bytes);
    match window {
        [b'\r', b'\n', ..] => return Ok(Some(Section { count: 0, end: 2 })),
        [b'\n', ..] => return Err(Reject::Trailer),
        [b'\r', second, ..] if *second != b'\n' => return Err(Reject::Trailer),
        _ => {}
    }
    let mut section = None;
    if fields::has_empty_line(window, scanned) {
        let cap = usize::from(limits.trailer_fields).min(table.len());
        let mut allowed = true;
        let table = table.get_mut(..cap).unwrap_or_default();
        section = match fields::read::<8>(window, 0, table, |name, _, _| allowed &= allows(name)) {
            Ok(section) if allowed => section,
            Err(Reject::TooManyFields) => return Err(Reject::TrailersTooLarge),
            _ => return Err(Reject::Trailer),
        };
    }
    match section {
        None if window.len() >= limits.trailer_bytes as usize => Err(Reject::TrailersTooLarge),
        section => Ok(section),
    }
}

/// Whether a request's trailer may have this name: fields that frame, route or manage the connection have no business behind the body
/// that they are about (RFC 9110, section 6.5.1).
pub(crate) fn is_allowed(name: &[u8]) -> bool {
    const FORBIDDEN: [&[u8]; 8] =
        [b"content-length", b"transfer-encoding", b"host", b"connection", b"trailer", b"te", b"upgrade", b"expect"];
    !FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

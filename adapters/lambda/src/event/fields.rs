//! Reads the objects of strings that header fields, cookies and query parameters come in.

use core::net::{IpAddr, SocketAddr};

use midge::{Field, Head, PlainHead, Span};

use super::{
    error::EventError,
    json::{Json, Stop, Text},
    target::is_token,
};

/// Header fields that were read, and what has to be known of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Headers {
    /// Number of fields.
    pub(super) count: usize,
    /// Where they begin, or before that.
    pub(super) start: usize,
    /// Where the last one ends, or behind that; 0 if there is none.
    pub(super) end: usize,
    /// The first `host`.
    pub(super) host: Option<Span>,
    /// The last `x-forwarded-for`.
    pub(super) forwarded_for: Option<Span>,
    /// Whether there is a `cookie`.
    pub(super) has_cookie: bool,
}

impl Headers {
    /// Reads an object of header fields into `table`; false for `null`. Whether there is a DEL in them, [`no_delete`] looks.
    pub(super) fn read(
        &mut self,
        json: &mut Json<'_>,
        member: &'static str,
        table: &mut [Field],
    ) -> Result<bool, Stop> {
        *self = Self::default();
        if !opened(json, member)? {
            return Ok(false);
        }
        let table_length = table.len();
        self.start = json.at();
        let mut first = true;
        loop {
            // Names of letters are tokens, and plain characters make a value.
            let mut places = table.get_mut(self.count..).unwrap_or_default().iter_mut();
            let name = json.members::<true>(&mut first, |member| {
                if matches!(member.edges(), [..=b' ', _] | [_, ..=b' ']) || !member.has_letters() {
                    return false;
                }
                let Some(place) = places.next() else { return false };
                *place = Field::new(member.name_span(), member.value_span());
                self.note(member.name(), member.value_span());
                true
            })?;
            self.count = table_length - places.len();
            let Some(name) = name else {
                self.end = if self.count > 0 { json.at() } else { 0 };
                return Ok(true);
            };
            if json.peek()? == b'"' {
                let value = json.string::<true>()?;
                self.push(json, table, name.span, value)?;
            } else {
                values::<false>(json, member, |json, value| self.push(json, table, name.span, value))?;
            }
        }
    }

    /// Takes in a field that isn't plain.
    #[inline(never)]
    fn push(&mut self, json: &mut Json<'_>, table: &mut [Field], name: Span, value: Text) -> Result<(), Stop> {
        if !is_token(name.of(json.bytes())) {
            return Err(json.field_error(name));
        }
        let value = field_value(json, value)?;
        match table.get_mut(self.count) {
            Some(place) => *place = Field::new(name, value),
            None => return Err(json.stop(EventError::TooManyFields)),
        }
        self.count += 1;
        self.note(name.of(json.bytes()), value);
        Ok(())
    }

    #[inline(always)]
    fn note(&mut self, name: &[u8], value: Span) {
        // Made of letters and `-`, whose case is in one bit.
        fn is<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
            let same = |(byte, wanted): (&u8, &u8)| *byte | (wanted & 0x20) == *wanted;
            name.first_chunk::<N>().is_some_and(|name| name.iter().zip(wanted).fold(true, |all, pair| all & same(pair)))
        }
        // One look at the length passes over nearly all of them.
        const LENGTHS: u64 = 1 << "host".len() | 1 << "cookie".len() | 1 << "x-forwarded-for".len();
        if name.len() > 63 || LENGTHS >> name.len() & 1 == 0 {
            return;
        }
        match name.len() {
            4 if self.host.is_none() && is(name, b"host") => self.host = Some(value),
            6 => self.has_cookie |= is(name, b"cookie"),
            15 if is(name, b"x-forwarded-for") => self.forwarded_for = Some(value),
            _ => {}
        }
    }

    /// Puts one `cookie` field in the place of all that are there.
    pub(super) fn set_cookie(
        &mut self,
        bytes: &[u8],
        table: &mut [Field],
        cookie: Field,
        end: usize,
    ) -> Result<(), EventError> {
        let mut kept = 0;
        for index in 0..if self.has_cookie { self.count } else { 0 } {
            let Some(field) = table.get(index).copied() else { break };
            let is_cookie =
                looked_up(bytes, &[field]).next().is_some_and(|(name, _)| name.eq_ignore_ascii_case("cookie"));
            if let Some(place) = table.get_mut(kept)
                && !is_cookie
            {
                *place = field;
                kept += 1;
            }
        }
        if !self.has_cookie {
            kept = self.count;
        }
        *table.get_mut(kept).ok_or(EventError::TooManyFields)? = cookie;
        self.count = kept + 1;
        self.end = self.end.max(end);
        Ok(())
    }
}

/// Moves every field that stands behind `from` to `by` bytes before where it was.
pub(super) fn move_fields(bytes: &[u8], table: &mut [Field], from: usize, by: usize) {
    let base = bytes.as_ptr().addr();
    for field in table {
        let moved = |part: &[u8]| {
            let start = part.as_ptr().addr() - base;
            let start = if start >= from { start - by } else { start };
            Span::new(start, start + part.len())
        };
        let spans =
            looked_up(bytes, &[*field]).next().map(|(name, value)| Field::new(moved(name.as_bytes()), moved(value)));
        *field = spans.unwrap_or(*field);
    }
}

/// Names and values of fields.
fn looked_up<'b>(bytes: &'b [u8], fields: &'b [Field]) -> impl Iterator<Item = (&'b str, &'b [u8])> {
    let head = PlainHead { method: Span::EMPTY, target: Span::EMPTY, authority: Span::EMPTY, body: None };
    Head::plain(bytes, fields, head).fields().iter()
}

/// Reads an array of cookies into what one `cookie` field with all of them would have as its value (RFC 6265, section 4.2.1), where
/// they stand; `None` if there are none.
pub(super) fn cookies(json: &mut Json<'_>) -> Result<Option<Span>, Stop> {
    if json.null()? {
        return Ok(None);
    }
    if json.peek()? != b'[' {
        return Err(json.wrong_type("cookies"));
    }
    json.open()?;
    // All that were read so far, as one.
    let mut joined = Span::EMPTY;
    let (mut any, mut first) = (false, true);
    loop {
        let cookie = match json.plain_item(&mut first) {
            Some(span) => span_of_value(json, span),
            None if json.item(&mut first)? => {
                if json.peek()? != b'"' {
                    return Err(json.wrong_type("cookies"));
                }
                let text = json.string::<true>()?;
                field_value(json, text)?
            }
            None => break,
        };
        if any {
            // What stands between two strings is longer than what is put there.
            let end = json.overwrite(joined.end(), b"; ");
            let end = json.shift(cookie, end);
            joined = Span::with_length(joined.start(), end - joined.start());
        } else {
            (joined, any) = (cookie, true);
        }
    }
    Ok(any.then_some(joined))
}

/// Looks for a DEL in cookies and in fields: JSON's strings may have one as it is, but no field's value (RFC 9110, section 5.5).
pub(super) fn no_delete(
    json: &mut Json<'_>,
    headers: &Headers,
    table: &[Field],
    cookies: Option<Span>,
) -> Result<(), Stop> {
    let fields = Span::new(headers.start, headers.end);
    // One look at all of them, and at what is between them: nearly none has it.
    let all = match cookies {
        Some(cookies) if headers.count > 0 => {
            Span::new(headers.start.min(cookies.start()), headers.end.max(cookies.end()))
        }
        Some(cookies) => cookies,
        None => fields,
    };
    if !has_delete(json.bytes(), all) {
        return Ok(());
    }
    let fields = table.get(..headers.count).unwrap_or_default();
    let in_cookies = cookies.filter(|cookies| has_delete(json.bytes(), *cookies));
    match in_cookies.or_else(|| value_with_delete(json.bytes(), fields)) {
        Some(value) => Err(json.field_error(value)),
        None => Ok(()),
    }
}

fn has_delete(bytes: &[u8], span: Span) -> bool {
    memchr::memchr(0x7f, span.of(bytes)).is_some()
}

/// The first value that has a DEL in it.
#[cold]
fn value_with_delete(bytes: &[u8], fields: &[Field]) -> Option<Span> {
    let mut spans = looked_up(bytes, fields).map(|(_, value)| {
        let start = value.as_ptr().addr() - bytes.as_ptr().addr();
        Span::new(start, start + value.len())
    });
    spans.find(|span| has_delete(bytes, *span))
}

/// Reads an object of query parameters, so that each of its strings ends with [`END`](super::json::END): what is between its
/// brackets; `None` if there are none.
pub(super) fn parameters(json: &mut Json<'_>, member: &'static str) -> Result<Option<Span>, Stop> {
    if !opened(json, member)? {
        return Ok(None);
    }
    let start = json.at();
    let (mut any, mut first) = (false, true);
    loop {
        // Where names and values end.
        let mut ends = [[0_u32; 2]; 16];
        let mut places = ends.iter_mut();
        let name = json.members::<true>(&mut first, |member| match places.next() {
            Some(place) => {
                *place = member.ends();
                true
            }
            None => false,
        })?;
        let count = 16 - places.len();
        for [name, value] in ends.iter().take(count) {
            json.mark(*name as usize);
            json.mark(*value as usize);
            any = true;
        }
        let Some(name) = name else { break };
        json.mark_end(name);
        values::<true>(json, member, |_, _| {
            any = true;
            Ok(())
        })?;
    }
    Ok(any.then(|| Span::new(start, json.at() - 1)))
}

/// Passes the beginning of an object of strings; false for `null`.
fn opened(json: &mut Json<'_>, member: &'static str) -> Result<bool, Stop> {
    if json.null()? {
        return Ok(false);
    }
    if json.peek()? != b'{' {
        return Err(json.wrong_type(member));
    }
    json.open()?;
    Ok(true)
}

/// Reads a member's value: a string, an array of strings, `null`. `each` gets every string.
/// With `MARK`, what strings leave over when they are unescaped is overwritten (see [`Json::mark_end`]).
#[inline(never)]
fn values<const MARK: bool>(
    json: &mut Json<'_>,
    member: &'static str,
    mut each: impl FnMut(&mut Json<'_>, Text) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let in_array = match json.peek()? {
        b'[' => {
            json.open()?;
            true
        }
        b'"' => false,
        _ if json.null()? => return Ok(()),
        _ => return Err(json.wrong_type(member)),
    };
    let mut first = true;
    while !in_array || json.item(&mut first)? {
        if in_array && json.peek()? != b'"' {
            return Err(json.wrong_type(member));
        }
        let text = json.string::<true>()?;
        if MARK {
            json.mark_end(text);
        }
        each(json, text)?;
        if !in_array {
            break;
        }
    }
    Ok(())
}

/// The value of a field, without the blanks around it. Only an escape can bring in what no value has (RFC 9110, section 5.5),
/// but for DEL, which [`no_delete`] looks for.
#[inline(always)]
fn field_value(json: &mut Json<'_>, text: Text) -> Result<Span, Stop> {
    if text.control && text.span.of(json.bytes()).iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(json.field_error(text.span));
    }
    Ok(span_of_value(json, text.span))
}

/// A value without the blanks around it.
#[inline(always)]
fn span_of_value(json: &Json<'_>, span: Span) -> Span {
    match span.of(json.bytes()) {
        [..=b' ', ..] | [.., ..=b' '] => trimmed(json.bytes(), span),
        _ => span,
    }
}

#[inline(never)]
fn trimmed(bytes: &[u8], span: Span) -> Span {
    let value = span.of(bytes);
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let leading = value.iter().take_while(is_blank).count();
    let trailing = value.iter().skip(leading).rev().take_while(is_blank).count();
    Span::new(span.start() + leading, span.end() - trailing)
}

/// The last address of an `X-Forwarded-For`: what the nearest proxy saw. It may come with a port.
pub(super) fn last_address(value: &[u8]) -> Option<SocketAddr> {
    let last = value.rsplit(|byte| *byte == b',').next()?.trim_ascii();
    let with_port = || core::str::from_utf8(last).ok()?.parse().ok();
    address(last).or_else(with_port)
}

/// An address without a port.
pub(super) fn address(text: &[u8]) -> Option<SocketAddr> {
    let address: IpAddr = core::str::from_utf8(text).ok()?.parse().ok()?;
    Some(SocketAddr::new(address, 0))
}

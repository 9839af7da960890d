//! Answers to the JSON that an event's source wants.

use midge::Status;

use super::{Source, base64, escape::Writer, json::Json, scan::plain};

/// The answer has no room: it is larger than the platform takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Writes an answer as JSON: [`Renderer::begin`], the body's pieces, [`Renderer::end`].
///
/// Text is escaped while it is written, all else becomes base64. A body that was announced as text and turns out not to be UTF-8 is
/// made base64 where it stands, from its beginning: `isBase64Encoded` comes last.
pub(crate) struct Renderer<'o> {
    writer: Writer<'o>,
    source: Source,
    /// Where the body's content begins.
    body: usize,
    is_text: bool,
    /// Bytes of the body that can't be written yet: an unfinished character of a text, or less than the three that base64 needs.
    held: [u8; 4],
    held_length: usize,
}

impl<'o> Renderer<'o> {
    /// Renders an answer for an event from `source` into `out`, whose length is the limit.
    pub(crate) const fn new(source: Source, out: &'o mut [u8]) -> Self {
        Self { writer: Writer { out, at: 0 }, source, body: 0, is_text: false, held: [0; 4], held_length: 0 }
    }

    /// Writes the head: a status, and fields as lines of `name: value` CR LF, as `PlainAnswer::lines` has them.
    pub(crate) fn begin(&mut self, status: Status, lines: &[u8]) -> Result<(), TooLarge> {
        let writer = &mut self.writer;
        writer.put(b"{\"statusCode\":")?;
        writer.put(&status.digits())?;
        if let Source::AlbSingle | Source::AlbMulti = self.source {
            writer.put(b",\"statusDescription\":\"")?;
            writer.put(&status.digits())?;
            writer.put(b" ")?;
            writer.put(status.reason().as_bytes())?;
            writer.put(b"\"")?;
        }
        let form = match self.source {
            Source::RestApi | Source::AlbMulti => Form::Arrays,
            Source::HttpApi | Source::FunctionUrl => Form::Joined,
            Source::AlbSingle | Source::Lattice => Form::Cased,
        };
        writer.put(if form == Form::Arrays { b",\"multiValueHeaders\":" } else { b",\"headers\":" })?;
        let start = writer.at;
        let (overview, distinct) = distinct_fields(writer, lines, form)?;
        if !distinct {
            writer.at = start;
            fields(writer, lines, overview.repeated, form)?;
        }
        match form {
            // Always: an emulator asks for it.
            Form::Joined if overview.set_cookie => {
                writer.put(b",\"cookies\":")?;
                cookies(writer, lines)?;
                writer.put(b",\"body\":\"")?;
            }
            Form::Joined => writer.put(b",\"cookies\":[],\"body\":\"")?,
            _ => writer.put(b",\"body\":\"")?,
        }
        self.body = writer.at;
        self.is_text = overview.is_text();
        Ok(())
    }

    /// Writes the next piece of the body.
    pub(crate) fn body(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        if !self.is_text {
            return self.binary(piece);
        }
        let mut rest = piece;
        if self.held_length == 0 {
            // Up to its first character that isn't simply itself there is nothing to escape, nor to check.
            let (plain, behind) = rest.split_at_checked(plain(rest)).unwrap_or_default();
            self.writer.put(plain)?;
            if behind.is_empty() {
                return Ok(());
            }
            rest = behind;
        }
        // A character that began in the piece before.
        while self.held_length > 0
            && let Some((byte, tail)) = rest.split_first()
        {
            self.hold_byte(*byte);
            rest = tail;
            let character = self.held.get(..self.held_length).unwrap_or_default();
            match core::str::from_utf8(character) {
                Ok(_) => {
                    self.writer.put(character)?;
                    self.held_length = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => {
                    self.turn_binary()?;
                    return self.binary(rest);
                }
            }
        }
        match core::str::from_utf8(rest) {
            Ok(_) => self.writer.escaped(rest),
            Err(error) => {
                let (text, behind) = rest.split_at_checked(error.valid_up_to()).unwrap_or_default();
                self.writer.escaped(text)?;
                if error.error_len().is_none() {
                    self.hold(behind);
                    return Ok(());
                }
                self.turn_binary()?;
                self.binary(behind)
            }
        }
    }

    /// Ends the answer, and gives its length.
    pub(crate) fn end(mut self) -> Result<usize, TooLarge> {
        if self.is_text && self.held_length > 0 {
            self.turn_binary()?;
        }
        if self.held_length > 0 {
            let rest = self.held.get(..self.held_length).unwrap_or_default();
            self.writer.at +=
                base64::encode(rest, self.writer.out.get_mut(self.writer.at..).unwrap_or_default()).ok_or(TooLarge)?;
        }
        let encoded = !self.is_text && self.writer.at > self.body;
        self.writer.put(if encoded { b"\",\"isBase64Encoded\":true}" } else { b"\",\"isBase64Encoded\":false}" })?;
        Ok(self.writer.at)
    }

    /// Holds one more byte back.
    fn hold_byte(&mut self, byte: u8) {
        if let Some(place) = self.held.get_mut(self.held_length) {
            *place = byte;
        }
        self.held_length += 1;
    }

    /// Writes bytes as base64, three at a time.
    fn binary(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        let mut rest = piece;
        while self.held_length > 0
            && let Some((byte, tail)) = rest.split_first()
        {
            self.hold_byte(*byte);
            rest = tail;
            if self.held_length == 3 {
                let three = self.held;
                self.held_length = 0;
                self.triples(three.get(..3).unwrap_or_default())?;
            }
        }
        let (triples, behind) = rest.split_at_checked(rest.len() / 3 * 3).unwrap_or_default();
        self.triples(triples)?;
        if !behind.is_empty() {
            self.hold(behind);
        }
        Ok(())
    }

    fn triples(&mut self, raw: &[u8]) -> Result<(), TooLarge> {
        if !raw.is_empty() {
            let out = self.writer.out.get_mut(self.writer.at..).unwrap_or_default();
            self.writer.at += base64::encode(raw, out).ok_or(TooLarge)?;
        }
        Ok(())
    }

    /// Makes what was written as text base64.
    #[cold]
    fn turn_binary(&mut self) -> Result<(), TooLarge> {
        self.is_text = false;
        let (held, held_length) = (self.held, self.held_length);
        self.held_length = 0;
        let (start, end) = (self.body, self.writer.at);
        // The string as it would stand if it ended here, unescaped as an event's would be.
        self.writer.put(b"\"")?;
        let string = self.writer.out.get_mut(..end + 1).unwrap_or_default();
        let raw = Json::new(string, start - 1).string::<true>().map_err(|_| TooLarge)?.span;
        let whole = (raw.end() - start) / 3 * 3;
        let mut behind = [0; 2];
        let rest = self.writer.out.get(start + whole..raw.end()).unwrap_or_default();
        let behind = behind.get_mut(..rest.len()).unwrap_or_default();
        behind.copy_from_slice(rest);
        self.writer.at = base64::encode_in_place(self.writer.out, start, start + whole).ok_or(TooLarge)?;
        self.binary(behind)?;
        self.binary(held.get(..held_length).unwrap_or_default())
    }

    fn hold(&mut self, bytes: &[u8]) {
        if let Some(place) = self.held.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            self.held_length = bytes.len();
        }
    }
}

/// Writes the JSON that stands before a streamed answer to an event from `source`: status and fields, given as for
/// [`Renderer::begin`]. Gives its length.
pub(crate) fn prelude(source: Source, out: &mut [u8], status: Status, lines: &[u8]) -> Result<usize, TooLarge> {
    let overview = Overview::of(lines);
    let mut writer = Writer { out, at: 0 };
    writer.put(b"{\"statusCode\":")?;
    writer.put(&status.digits())?;
    // Only a REST API knows the one with arrays, and puts both together.
    let (joined, arrays) = if source == Source::RestApi { (&b""[..], lines) } else { (lines, &b""[..]) };
    writer.put(b",\"headers\":")?;
    fields(&mut writer, joined, overview.repeated, Form::Joined)?;
    writer.put(b",\"multiValueHeaders\":")?;
    fields(&mut writer, arrays, overview.repeated, Form::ArraysWithoutCookies)?;
    writer.put(b",\"cookies\":")?;
    cookies(&mut writer, lines)?;
    writer.put(b"}")?;
    Ok(writer.at)
}

/// How fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One string for a name, repeated fields as one list (RFC 9110, section 5.3); no cookies.
    Joined,
    /// The same, but each `set-cookie` under a name that differs in case: they can't be joined (RFC 6265, section 3), and names
    /// in an object can't repeat.
    Cased,
    /// An array for each name.
    Arrays,
    /// An array for each name; no cookies.
    ArraysWithoutCookies,
}

impl Form {
    /// What stands between a name and its first value, and after the last one.
    const fn brackets(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Joined | Self::Cased => (b"\":\"", b"\""),
            Self::Arrays | Self::ArraysWithoutCookies => (b"\":[\"", b"\"]"),
        }
    }
}

/// Writes fields as long as no name comes twice and none is a cookie, as most answers' are: in one pass, which looks at what has to
/// be known of them as well. Says whether they were all.
fn distinct_fields<'l>(writer: &mut Writer<'_>, lines: &'l [u8], form: Form) -> Result<(Overview<'l>, bool), TooLarge> {
    let (open, close) = form.brackets();
    let mut overview = Overview::default();
    let all = Lines { rest: lines };
    for (name, value) in all {
        overview.note(name, value);
        if overview.repeated != 0 || overview.set_cookie {
            return Ok((Overview::of(lines), false));
        }
        writer.put(if name.as_ptr() == lines.as_ptr() { b"{\"" } else { b",\"" })?;
        writer.put(name)?;
        writer.put(open)?;
        writer.value(value)?;
        writer.put(close)?;
    }
    writer.put(if overview.seen == 0 { b"{}" } else { b"}" })?;
    Ok((overview, true))
}

/// Writes fields of which some are repeated.
fn fields(writer: &mut Writer<'_>, lines: &[u8], repeated: u64, form: Form) -> Result<(), TooLarge> {
    let all = Lines { rest: lines };
    let (mut separator, mut cookies) = (&b"{"[..], 0);
    for (index, (name, value)) in all.enumerate() {
        let is_cookie = is_set_cookie(name);
        if is_cookie && matches!(form, Form::Joined | Form::ArraysWithoutCookies) {
            continue;
        }
        let may_repeat = repeated & mark(name) != 0 && !(is_cookie && form == Form::Cased);
        let same = |(other, _): &(&[u8], &[u8])| may_repeat && other.eq_ignore_ascii_case(name);
        if may_repeat && all.take(index).any(|field| same(&field)) {
            continue;
        }
        writer.put(separator)?;
        writer.put(b"\"")?;
        separator = b",";
        if is_cookie && form == Form::Cased {
            cased(writer, cookies)?;
            cookies += 1;
        } else {
            // A name is a token: there is nothing to escape in it.
            writer.put(name)?;
        }
        let (open, close) = form.brackets();
        let between = if let Form::Joined | Form::Cased = form { &b", "[..] } else { &b"\",\""[..] };
        writer.put(open)?;
        writer.value(value)?;
        if may_repeat {
            for (_, value) in all.skip(index + 1).filter(same) {
                writer.put(between)?;
                writer.value(value)?;
            }
        }
        writer.put(close)?;
    }
    writer.put(if separator == b"{" { b"{}" } else { b"}" })
}

/// Writes `set-cookie` with the case of its letters as the bits of `number` say, and not as the field's own name has it: two of them would come
/// out the same. There are as many ways as nine letters have; more cookies than that would be lost.
fn cased(writer: &mut Writer<'_>, number: usize) -> Result<(), TooLarge> {
    let mut bits = number;
    for byte in b"set-cookie" {
        let mut byte = *byte;
        if byte != b'-' {
            if bits & 1 == 1 {
                byte = byte.to_ascii_uppercase();
            }
            bits >>= 1;
        }
        writer.put(&[byte])?;
    }
    if bits == 0 { Ok(()) } else { Err(TooLarge) }
}

/// Writes the values of all `set-cookie` as an array.
fn cookies(writer: &mut Writer<'_>, lines: &[u8]) -> Result<(), TooLarge> {
    let mut separator = &b"[\""[..];
    for (_, value) in (Lines { rest: lines }).filter(|(name, _)| is_set_cookie(name)) {
        writer.put(separator)?;
        writer.value(value)?;
        separator = b"\",\"";
    }
    writer.put(if separator == b"[\"" { b"[]" } else { b"\"]" })
}

fn is_set_cookie(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"set-cookie")
}

/// What has to be known of the fields.
#[derive(Default)]
struct Overview<'l> {
    /// The marks of all names.
    seen: u64,
    /// The marks of names that there may be several of.
    repeated: u64,
    set_cookie: bool,
    content_type: &'l [u8],
    /// Whether the body is compressed, or encoded otherwise.
    encoded: bool,
}

impl<'l> Overview<'l> {
    fn of(lines: &'l [u8]) -> Self {
        let mut overview = Self::default();
        (Lines { rest: lines }).for_each(|(name, value)| overview.note(name, value));
        overview
    }

    #[inline]
    fn note(&mut self, name: &[u8], value: &'l [u8]) {
        let mark = mark(name);
        self.repeated |= self.seen & mark;
        self.seen |= mark;
        match name.len() {
            10 => self.set_cookie |= is_set_cookie(name),
            12 if name == b"content-type" || name.eq_ignore_ascii_case(b"content-type") => self.content_type = value,
            16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                self.encoded |= !value.eq_ignore_ascii_case(b"identity");
            }
            _ => {}
        }
    }

    /// Whether the body is text, as its type says.
    fn is_text(&self) -> bool {
        if self.encoded {
            return false;
        }
        if self
            .content_type
            .first_chunk()
            .is_some_and(|start: &[u8; 5]| start == b"text/" || start.eq_ignore_ascii_case(b"text/"))
        {
            return true;
        }
        let end = memchr::memchr(b';', self.content_type).unwrap_or(self.content_type.len());
        let media_type = self.content_type.get(..end).unwrap_or_default().trim_ascii();
        let ends = |suffix: &[u8]| {
            let start = media_type.len().saturating_sub(suffix.len());
            media_type.get(start..).unwrap_or_default().eq_ignore_ascii_case(suffix)
        };
        ends(b"+json") || ends(b"+xml") || TEXT_TYPES.iter().any(|text| media_type.eq_ignore_ascii_case(text))
    }
}

/// A bit that is the same for names that are the same but for case, and most often another for another name.
fn mark(name: &[u8]) -> u64 {
    let end = |byte: Option<&u8>| byte.copied().unwrap_or_default() | 0x20;
    let hash = usize::from(end(name.first())) ^ usize::from(end(name.last())) << 2 ^ name.len();
    1 << (hash % 64)
}

/// The fields of lines of `name: value` CR LF.
#[derive(Clone, Copy)]
struct Lines<'l> {
    rest: &'l [u8],
}

impl<'l> Iterator for Lines<'l> {
    type Item = (&'l [u8], &'l [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let colon = self.rest.iter().position(|byte| *byte == b':')?;
        let (name, rest) = self.rest.split_at_checked(colon)?;
        let value = rest.get(2..)?;
        // Mostly the line end is the first byte that isn't simply itself.
        let mut end = plain(value);
        if value.get(end) != Some(&b'\r') {
            end = memchr::memchr(b'\r', value)?;
        }
        self.rest = value.get(end + 2..)?;
        Some((name, value.get(..end)?))
    }
}

const TEXT_TYPES: [&[u8]; 6] = [
    b"application/json",
    b"application/xml",
    b"application/javascript",
    b"application/x-javascript",
    b"application/ecmascript",
    b"application/x-ndjson",
];

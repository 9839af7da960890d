//! A strict JSON reader (RFC 8259) over a mutable slice: one pass, strings unescaped where they stand.

use midge::{Span, json_escape};

use super::{
    error::EventError,
    scan::{WINDOW, Window, begins_with_letters, digits, plain, plain_blocks, put, shift_plain, special},
};

/// How many arrays and objects may stand within each other.
pub(crate) const MAX_DEPTH: u32 = 127;

/// A reader at some place of a document. What it has passed was valid JSON.
pub(crate) struct Json<'b> {
    bytes: &'b mut [u8],
    /// The document begins here; what is before it is never looked at.
    base: usize,
    at: usize,
    depth: u32,
    fault: Option<EventError>,
}

/// Says that the document is not what it should be; the reader says how. As small as it is, results fit into registers.
#[derive(Debug, Clone, Copy)]
pub struct Stop;

/// A member of an object that is as plain as [`Json::members`] wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'b> {
    /// The document from the name on, and the beginning of that.
    text: &'b [u8],
    window: &'b Window,
    name_length: usize,
    /// Offset in `text` of the quote behind the value.
    end: usize,
    /// Where the name begins.
    at: usize,
    edges: [u8; 2],
}

impl<'b> Member<'b> {
    #[inline(always)]
    pub(crate) fn name(&self) -> &'b [u8] {
        self.window.get(..self.name_length).unwrap_or_default()
    }

    /// Whether the name is made of letters and `-`, of one at least.
    #[inline(always)]
    pub(crate) fn has_letters(&self) -> bool {
        begins_with_letters(self.window, self.name_length)
    }

    #[inline(always)]
    pub(crate) fn value(&self) -> &'b [u8] {
        self.text.get(self.name_length + 3..self.end).unwrap_or_default()
    }

    /// The value's first byte and its last, or the quotes of an empty one.
    #[inline(always)]
    pub(crate) const fn edges(&self) -> [u8; 2] {
        self.edges
    }

    /// Where the name and the value end.
    #[inline(always)]
    pub(crate) const fn ends(&self) -> [u32; 2] {
        // As in a span: no document is as long as what doesn't fit.
        [(self.at + self.name_length) as u32, (self.at + self.end) as u32]
    }

    #[inline(always)]
    pub(crate) const fn name_span(&self) -> Span {
        Span::with_length(self.at, self.name_length)
    }

    #[inline(always)]
    pub(crate) const fn value_span(&self) -> Span {
        // Two quotes and a colon stand between them.
        Span::with_length(self.at + self.name_length + 3, self.end.wrapping_sub(self.name_length + 3))
    }
}

/// A string that was read: where its content is, between the quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    /// The content.
    pub(crate) span: Span,
    /// Whether the content has (if it was left as it is) or had (if it was unescaped) escapes in it.
    pub(crate) escaped: bool,
    /// Whether one of them stands for a control character.
    pub(crate) control: bool,
}

impl<'b> Json<'b> {
    /// A reader of the document that takes up `bytes[base..]`.
    pub(crate) const fn new(bytes: &'b mut [u8], base: usize) -> Self {
        Self { bytes, base, at: base, depth: 0, fault: None }
    }

    /// The slice that spans count in.
    #[inline]
    pub(crate) const fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Offset in the slice of what comes next.
    #[inline]
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Why the reader stopped.
    pub(crate) fn error(&self) -> EventError {
        self.fault.unwrap_or(EventError::Truncated)
    }

    /// Stops for `error`.
    #[cold]
    pub(crate) const fn stop(&mut self, error: EventError) -> Stop {
        self.fault = Some(error);
        Stop
    }

    /// The first byte of what comes next, which is not passed; blanks before it are.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Result<u8, Stop> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte > b' ' => Ok(*byte),
            _ => self.peek_blank(),
        }
    }

    #[inline(never)]
    fn peek_blank(&mut self) -> Result<u8, Stop> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(self.truncated()),
            }
        }
    }

    /// Passes the document's end: nothing but blanks may follow.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(self.syntax()),
        }
    }

    /// Passes the bracket that an array or object begins with. [`Json::key`] or [`Json::item`] follow until they say that it is over.
    #[inline]
    pub(crate) fn open(&mut self) -> Result<(), Stop> {
        if self.depth == MAX_DEPTH {
            return Err(self.stop(EventError::TooDeep { at: self.at - self.base }));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Passes the bracket that an array or object ends with.
    #[inline]
    const fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Passes an object's members that are as the platform writes most of them: no blanks, a short name and a string of plain
    /// characters. `each` gets them; the first one that it gives false for is not passed, nor any behind it.
    ///
    /// Then as [`Json::key`], for the member that is to be read next.
    #[inline(always)]
    pub(crate) fn members<const IN_PLACE: bool>(
        &mut self,
        first: &mut bool,
        mut each: impl FnMut(Member<'_>) -> bool,
    ) -> Result<Option<Text>, Stop> {
        let document = self.bytes.len();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let name = if *first { rest.strip_prefix(b"\"") } else { rest.strip_prefix(b",\"") };
        // From a name's first byte on.
        let Some(mut text) = name else {
            if let ([b'}', ..], false) = (rest, *first) {
                self.close();
                return Ok(None);
            }
            return self.key::<IN_PLACE>(first);
        };
        while let Some(window) = text.first_chunk() {
            let at = document - text.len();
            // A bit for each quote, if all else is plain: the name's, the value's first and its last.
            let quotes = special(window);
            let name_length = quotes.trailing_zeros() as usize;
            let between = window.get(name_length..).and_then(|behind| behind.first_chunk()).map_or(0, word);
            if between & THREE != three(b"\":\"") {
                if between & TWO == two(b"\":") {
                    self.at = at + name_length + 2;
                    *first = false;
                    return Ok(Some(Text::plain(Span::with_length(at, name_length))));
                }
                break;
            }
            let quotes = quotes & quotes.wrapping_sub(1);
            let value_end = quotes & quotes.wrapping_sub(1);
            let end = if value_end == 0 {
                let from = WINDOW.max(name_length + 3);
                text.get(from..).and_then(|text| plain_blocks(text).ok()).map_or(document, |length| from + length)
            } else {
                value_end.trailing_zeros() as usize
            };
            if let Some((tail, next)) = text.get(end - 1..).and_then(|tail| tail.split_first_chunk())
                && let tail = word(tail)
                && tail >> 8 & 0xff == u32::from(b'"')
                && each(Member { text, window, name_length, end, at, edges: [(between >> 24) as u8, tail as u8] })
            {
                if tail >> 16 == two(b",\"") {
                    text = next;
                    continue;
                }
                (self.at, *first) = (at + end + 1, false);
                if tail >> 16 & 0xff == u32::from(b'}') {
                    self.close();
                    return Ok(None);
                }
                return self.key::<IN_PLACE>(first);
            }
            self.at = at + name_length + 2;
            *first = false;
            return Ok(Some(Text::plain(Span::with_length(at, name_length))));
        }
        // What stands before the name was passed.
        (self.at, *first) = (document - text.len() - 1, true);
        self.key::<IN_PLACE>(first)
    }

    /// Passes what stands before an object's next member's value, and gives the member's name; `None` after the last one.
    /// `first` is true before the first member. Unescapes the name where it stands if `IN_PLACE`.
    pub(crate) fn key<const IN_PLACE: bool>(&mut self, first: &mut bool) -> Result<Option<Text>, Stop> {
        if !self.next(first, b'}')? {
            return Ok(None);
        }
        let name = self.string::<IN_PLACE>()?;
        if self.peek()? != b':' {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Passes what stands before an array's next value; false after the last one. `first` is true before the first.
    #[inline]
    pub(crate) fn item(&mut self, first: &mut bool) -> Result<bool, Stop> {
        self.next(first, b']')
    }

    /// Passes an array's next value if it is a string of plain characters, and no blank before it; gives that.
    #[inline]
    pub(crate) fn plain_item(&mut self, first: &mut bool) -> Option<Span> {
        let rest = self.bytes.get(self.at..)?;
        let text = if *first { rest.strip_prefix(b"\"")? } else { rest.strip_prefix(b",\"")? };
        let (start, length) = (self.bytes.len() - text.len(), plain(text));
        if text.get(length) != Some(&b'"') {
            return None;
        }
        (self.at, *first) = (start + length + 1, false);
        Some(Span::with_length(start, length))
    }

    #[inline]
    fn next(&mut self, first: &mut bool, close: u8) -> Result<bool, Stop> {
        let byte = self.peek()?;
        if byte == close {
            self.close();
            return Ok(false);
        }
        if *first {
            *first = false;
        } else if byte == b',' {
            self.at += 1;
        } else {
            return Err(self.syntax());
        }
        Ok(true)
    }

    /// Passes one value of any type.
    pub(crate) fn skip(&mut self) -> Result<(), Stop> {
        match self.peek()? {
            b'"' => self.string::<false>().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => self.scalar(),
        }
    }

    fn skip_nested(&mut self) -> Result<(), Stop> {
        // One bit for each open bracket, the innermost lowest: whether it is an object's.
        let (outside, mut objects) = (self.depth, 0_u128);
        loop {
            let mut first = false;
            match self.peek()? {
                b'"' => {
                    self.string::<false>()?;
                }
                byte @ (b'{' | b'[') => {
                    self.open()?;
                    objects = objects << 1 | u128::from(byte == b'{');
                    first = true;
                }
                _ => self.scalar()?,
            }
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                let goes_on = if objects & 1 == 1 {
                    self.members::<false>(&mut first, |_| true)?.is_some()
                } else {
                    self.item(&mut first)?
                };
                if goes_on {
                    break;
                }
                objects >>= 1;
                first = false;
            }
        }
    }

    /// Passes `null`, if it comes next.
    #[inline]
    pub(crate) fn null(&mut self) -> Result<bool, Stop> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.scalar()?;
        Ok(true)
    }

    /// Passes a number, `true`, `false` or `null`.
    pub(crate) fn scalar(&mut self) -> Result<(), Stop> {
        match self.peek()? {
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.syntax()),
        }
    }

    #[inline]
    fn word<const N: usize>(&mut self, word: &[u8; N]) -> Result<(), Stop> {
        if self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) == Some(word) {
            self.at += N;
            return Ok(());
        }
        Err(self.other_word(word))
    }

    #[cold]
    fn other_word(&mut self, word: &[u8]) -> Stop {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let same = rest.iter().zip(word).take_while(|(byte, expected)| byte == expected).count();
        self.at += same;
        if same == rest.len() { self.truncated() } else { self.syntax() }
    }

    fn number(&mut self) -> Result<(), Stop> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = digits(rest);
        self.at += count;
        match rest.get(count) {
            _ if count > 0 => Ok(()),
            Some(_) => Err(self.syntax()),
            None => Err(self.truncated()),
        }
    }

    /// Passes a string. All of it is checked; `IN_PLACE` unescapes it where it stands, and else it is left as it is.
    #[inline(always)]
    pub(crate) fn string<const IN_PLACE: bool>(&mut self) -> Result<Text, Stop> {
        if self.bytes.get(self.at) != Some(&b'"') && self.peek()? != b'"' {
            return Err(self.syntax());
        }
        let start = self.at + 1;
        let end = start + self.bytes.get(start..).map_or(0, plain);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Text::plain(Span::with_length(start, end - start)));
        }
        self.string_from::<IN_PLACE>(start, end)
    }

    /// Passes the rest of a string from its first byte on that is not a plain character.
    #[inline(never)]
    fn string_from<const IN_PLACE: bool>(&mut self, start: usize, from: usize) -> Result<Text, Stop> {
        let (mut at, mut escaped, mut control) = (from, false, false);
        // Where the content ends so far; behind `at` as soon as an escape was replaced.
        let mut end = from;
        loop {
            match self.bytes.get(at) {
                None => return Err(self.truncated()),
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Text { span: Span::with_length(start, end - start), escaped, control });
                }
                Some(b'\\') => {
                    escaped = true;
                    let (length, behind, character) = self.escape::<IN_PLACE>(at, end)?;
                    control |= character.is_control();
                    (at, end) = (at + length, behind);
                }
                Some(0x80..) => {
                    let length = self.beyond_ascii(at)?;
                    if IN_PLACE && escaped {
                        self.bytes.copy_within(at..at + length, end);
                    }
                    at += length;
                    end += length;
                }
                Some(_) => {
                    self.at = at;
                    return Err(self.syntax());
                }
            }
            if IN_PLACE && escaped {
                (at, end) = shift_plain(self.bytes, at, end);
            } else {
                at += self.bytes.get(at..).map_or(0, plain);
                end = at;
            }
        }
    }

    /// Reads an escape, whose character is written to `end`: the escape's length, where the character ends, and the character.
    #[inline]
    fn escape<const IN_PLACE: bool>(&mut self, at: usize, end: usize) -> Result<(usize, usize, char), Stop> {
        let escape = json_escape(self.bytes.get(at..).unwrap_or_default());
        let (character, length) = escape.map_err(|error| self.stop(EventError::of_escape(error, at - self.base)))?;
        let end = match u8::try_from(character) {
            _ if !IN_PLACE => end,
            Ok(byte @ ..0x80) => put(self.bytes, end, &[byte]),
            _ => put(self.bytes, end, character.encode_utf8(&mut [0; 4]).as_bytes()),
        };
        Ok((length, end, character))
    }

    /// Length of the characters beyond ASCII that begin here.
    fn beyond_ascii(&mut self, at: usize) -> Result<usize, Stop> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let length = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
        match core::str::from_utf8(rest.get(..length).unwrap_or_default()) {
            Ok(_) => Ok(length),
            // Cut off at the document's end, or by what can't follow?
            Err(error) if error.error_len().is_none() && length == rest.len() => Err(self.truncated()),
            Err(error) => Err(self.stop(EventError::Utf8 { at: at + error.valid_up_to() - self.base })),
        }
    }

    /// Overwrites all that was passed since the content of a string that was unescaped, with a byte that no string has in it: so
    /// the string can be found again without a list of strings.
    #[inline]
    pub(crate) fn mark_end(&mut self, text: Text) {
        if let Some(over) = self.bytes.get_mut(text.span.end()..self.at) {
            over.fill(END);
        }
    }

    /// The same for a string without escapes, which ends at `end`.
    #[inline]
    pub(crate) fn mark(&mut self, end: usize) {
        if let Some(quote) = self.bytes.get_mut(end) {
            *quote = END;
        }
    }

    /// Puts `bytes` over what was passed already, and gives where they end.
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) -> usize {
        if at + bytes.len() <= self.at { put(self.bytes, at, bytes) } else { at }
    }

    /// Moves a string's content to an earlier place, and gives where it ends there.
    pub(crate) fn shift(&mut self, span: Span, to: usize) -> usize {
        if to > span.start() || span.end() > self.bytes.len() {
            return to;
        }
        self.bytes.copy_within(span.start()..span.end(), to);
        to + span.end() - span.start()
    }

    /// Stops for a value of the wrong type, or for what is wrong with its JSON.
    #[cold]
    pub(crate) fn wrong_type(&mut self, member: &'static str) -> Stop {
        let at = self.at - self.base;
        match self.skip() {
            Ok(()) => self.stop(EventError::Type { member, at }),
            Err(stop) => stop,
        }
    }

    /// Stops for a name or value that no field has.
    #[cold]
    pub(crate) const fn field_error(&mut self, span: Span) -> Stop {
        self.stop(EventError::Field { at: span.start() - self.base })
    }

    /// Stops for a byte that can't come next.
    #[cold]
    pub(crate) const fn syntax(&mut self) -> Stop {
        self.stop(EventError::Syntax { at: self.at - self.base })
    }

    #[cold]
    const fn truncated(&mut self) -> Stop {
        self.stop(EventError::Truncated)
    }
}

impl Text {
    /// A string without escapes.
    #[inline(always)]
    pub(super) const fn plain(span: Span) -> Self {
        Self { span, escaped: false, control: false }
    }

    /// What a string that was left as it is stands for, written into `out`: its length; `None` if it is longer than `out`.
    pub(crate) fn unescaped(self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut rest = self.span.of(bytes);
        if !self.escaped {
            out.get_mut(..rest.len())?.copy_from_slice(rest);
            return Some(rest.len());
        }
        let mut length = 0;
        while let Some(first) = rest.first() {
            let mut utf8 = [*first, 0, 0, 0];
            let (character, used) = match first {
                b'\\' => {
                    let (character, used) = json_escape(rest).ok()?;
                    (character.encode_utf8(&mut utf8).as_bytes(), used)
                }
                _ => (utf8.get(..1)?, 1),
            };
            out.get_mut(length..length + character.len())?.copy_from_slice(character);
            length += character.len();
            rest = rest.get(used..)?;
        }
        Some(length)
    }
}

/// Four bytes as a number: one comparison tells what several of them are.
#[inline(always)]
const fn word(bytes: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*bytes)
}

/// What the lower part of a [`word`] is if it begins with two bytes.
const fn two([first, second]: &[u8; 2]) -> u32 {
    word(&[*first, *second, 0, 0])
}

/// The same for three.
const fn three([first, second, third]: &[u8; 3]) -> u32 {
    word(&[*first, *second, *third, 0])
}

/// The bytes that [`two`] and [`three`] have.
const TWO: u32 = 0xffff;
const THREE: u32 = 0xff_ffff;

/// What [`Json::mark_end`] writes: a byte that UTF-8 doesn't have.
pub(super) const END: u8 = 0xff;

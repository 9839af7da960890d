//! From a document to a value.

use core::{mem, str};

use serde_core::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor},
    forward_to_deserialize_any,
};

use super::{
    error::{Error, Fault},
    nested::{Elements, Members, Variant},
    text,
};

/// How deep arrays and objects may stand in each other.
pub const MAX_DEPTH: u32 = 64;

/// Reads all of `document` as one value, in place: strings that the value borrows stand where they stood, unescaped. What is left in `document` is
/// no JSON any more.
///
/// # Errors
///
/// What isn't JSON (RFC 8259), or isn't the value that is wanted; see [`Error::offset`].
pub fn read<'de, T: Deserialize<'de>>(document: &'de mut [u8]) -> Result<T, Error> {
    let mut reader = Reader { rest: document, at: 0, base: 0, depth: 0, value: 0 };
    let value = T::deserialize(&mut reader).map_err(|error| match error.fault() {
        Fault::Missing(_) => error.or_at(reader.offset()),
        _ => error.or_at(reader.value),
    })?;
    match reader.peek() {
        Ok(_) => Err(reader.error(Fault::Behind)),
        Err(_) => Ok(value),
    }
}

/// A document that is being read.
pub(super) struct Reader<'de> {
    /// What strings weren't yet taken from.
    rest: &'de mut [u8],
    /// How far `rest` was read.
    at: usize,
    /// Where `rest` stands in the document.
    base: usize,
    depth: u32,
    /// Where the value that was begun last stands in the document.
    value: usize,
}

impl<'de> Reader<'de> {
    fn offset(&self) -> usize {
        self.base + self.at
    }

    #[cold]
    pub(super) fn error(&self, fault: Fault) -> Error {
        Error::new(fault, self.offset())
    }

    /// The next byte that isn't blank.
    pub(super) fn peek(&mut self) -> Result<u8, Error> {
        let rest = self.rest.get(self.at..).unwrap_or_default();
        match rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            Some(blanks) => {
                self.at += blanks;
                rest.get(blanks).copied().ok_or_else(|| self.error(Fault::End))
            }
            None => {
                self.at = self.rest.len();
                Err(self.error(Fault::End))
            }
        }
    }

    /// Passes the byte that was peeked.
    pub(super) fn pass(&mut self) {
        self.at += 1;
    }

    /// Passes what stands before the next element or member; `false` at the end, whose bracket is left to be passed. `first` is true before the first one.
    pub(super) fn goes_on(&mut self, first: &mut bool, close: u8, fault: Fault) -> Result<bool, Error> {
        let byte = self.peek()?;
        if byte == close && *first {
            return Ok(false);
        }
        if mem::take(first) {
            return Ok(true);
        }
        match byte {
            b',' => {
                self.pass();
                // Whatever follows has to begin a value or a name: a closing bracket does not.
                Ok(true)
            }
            _ if byte == close => Ok(false),
            _ => Err(self.error(fault)),
        }
    }

    /// Passes a colon.
    pub(super) fn colon(&mut self) -> Result<(), Error> {
        if self.peek()? != b':' {
            return Err(self.error(Fault::Colon));
        }
        self.pass();
        Ok(())
    }

    /// Enters an array or an object, whose bracket was peeked.
    pub(super) fn enter(&mut self) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(Fault::Depth));
        }
        self.depth += 1;
        self.pass();
        Ok(())
    }

    /// Leaves an array or an object at its bracket.
    pub(super) fn leave(&mut self, close: u8, fault: Fault) -> Result<(), Error> {
        match self.peek()? {
            byte if byte == close => {}
            // A value of fixed length was read, and there is more.
            b',' => return Err(self.error(Fault::Other)),
            _ => return Err(self.error(fault)),
        }
        self.depth -= 1;
        self.pass();
        Ok(())
    }

    /// The string whose quote was peeked.
    pub(super) fn string(&mut self) -> Result<&'de str, Error> {
        let start = self.at + 1;
        let base = self.base;
        let span = text::read::<true>(self.rest, start).map_err(|(fault, at)| Error::new(fault, base + at))?;
        let length = span.close + 1;
        let rest = mem::take(&mut self.rest);
        let (front, rest) = rest.split_at_mut_checked(length).unwrap_or_default();
        (self.rest, self.at, self.base) = (rest, 0, self.base + length);
        let front: &'de [u8] = front;
        str::from_utf8(front.get(start..span.end).unwrap_or_default()).map_err(|error| {
            let (fault, at) = text::not_utf8(start, error);
            Error::new(fault, base + at)
        })
    }

    /// Passes `word`, whose first letter was peeked.
    fn word(&mut self, word: &[u8]) -> Result<(), Error> {
        for letter in word {
            match self.rest.get(self.at) {
                Some(byte) if byte == letter => self.pass(),
                Some(_) => return Err(self.error(Fault::Value)),
                None => return Err(self.error(Fault::End)),
            }
        }
        Ok(())
    }

    /// Passes a number, which was peeked: its text, and whether it is an integer.
    fn number(&mut self) -> Result<(&str, bool), Error> {
        let start = self.at;
        let mut is_integer = true;
        self.at += usize::from(self.rest.get(self.at) == Some(&b'-'));
        if self.rest.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.rest.get(self.at) == Some(&b'.') {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.rest.get(self.at) {
            is_integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.rest.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        if let Some(b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z') = self.rest.get(self.at) {
            return Err(self.error(Fault::Number));
        }
        Ok((str::from_utf8(self.rest.get(start..self.at).unwrap_or_default()).unwrap_or_default(), is_integer))
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.rest.get(self.at) {
            self.at += 1;
        }
        match self.rest.get(self.at) {
            _ if self.at > start => Ok(()),
            Some(_) => Err(self.error(Fault::Number)),
            None => Err(self.error(Fault::End)),
        }
    }

    /// A number, as the smallest type that holds it: a float where it isn't an integer of 64 bits.
    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let at = self.offset();
        let (text, is_integer) = self.number()?;
        if is_integer && text != "-0" {
            if let Ok(number) = text.parse::<u64>() {
                return visitor.visit_u64(number);
            }
            if let Ok(number) = text.parse::<i64>() {
                return visitor.visit_i64(number);
            }
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(Error::new(Fault::Number, at)),
        }
    }

    /// Passes one value of any type, all of it checked. It needs no stack for what is nested.
    fn skip(&mut self) -> Result<(), Error> {
        // One bit for each open bracket, the innermost lowest: whether it is an object's. MAX_DEPTH bits are enough.
        let (outside, mut objects) = (self.depth, 0_u64);
        loop {
            let mut first = false;
            match self.peek()? {
                b'"' => self.skip_string()?,
                byte @ (b'{' | b'[') => {
                    self.enter()?;
                    objects = objects << 1 | u64::from(byte == b'{');
                    first = true;
                }
                _ => self.scalar()?,
            }
            // Up to where the next value begins.
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                let (close, fault) = if objects & 1 == 1 { (b'}', Fault::ObjectEnd) } else { (b']', Fault::ArrayEnd) };
                if self.goes_on(&mut first, close, fault)? {
                    if objects & 1 == 1 {
                        self.name_is_next()?;
                        self.skip_string()?;
                        self.colon()?;
                    }
                    break;
                }
                self.leave(close, fault)?;
                objects >>= 1;
                first = false;
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), Error> {
        let (start, base) = (self.at + 1, self.base);
        let checked = text::read::<false>(self.rest, start).and_then(|span| {
            match str::from_utf8(self.rest.get(start..span.end).unwrap_or_default()) {
                Ok(_) => Ok(span),
                Err(error) => Err(text::not_utf8(start, error)),
            }
        });
        let span = checked.map_err(|(fault, at)| Error::new(fault, base + at))?;
        self.at = span.close + 1;
        Ok(())
    }

    /// Passes `null`, `true`, `false` or a number.
    fn scalar(&mut self) -> Result<(), Error> {
        match self.peek()? {
            b'n' => self.word(b"null"),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'-' | b'0'..=b'9' => {
                let at = self.offset();
                let is_number = self.number()?.0.parse::<f64>().is_ok_and(f64::is_finite);
                if is_number { Ok(()) } else { Err(Error::new(Fault::Number, at)) }
            }
            _ => Err(self.error(Fault::Value)),
        }
    }

    /// A name's quote has to come next.
    pub(super) fn name_is_next(&mut self) -> Result<(), Error> {
        if self.peek()? == b'"' { Ok(()) } else { Err(self.error(Fault::Name)) }
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let value = visitor.visit_seq(Elements { reader: self, first: true })?;
        self.leave(b']', Fault::ArrayEnd)?;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let value = visitor.visit_map(Members { reader: self, first: true })?;
        self.leave(b'}', Fault::ObjectEnd)?;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let byte = self.peek()?;
        self.value = self.offset();
        match byte {
            b'"' => visitor.visit_borrowed_str(self.string()?),
            b'{' => self.object(visitor),
            b'[' => self.array(visitor),
            b'n' => self.word(b"null").and_then(|()| visitor.visit_unit()),
            b't' => self.word(b"true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word(b"false").and_then(|()| visitor.visit_bool(false)),
            b'-' | b'0'..=b'9' => self.visit_number(visitor),
            _ => Err(self.error(Fault::Value)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek()? == b'n' {
            self.value = self.offset();
            self.word(b"null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let byte = self.peek()?;
        self.value = self.offset();
        match byte {
            b'"' => visitor.visit_enum(Variant { reader: self, has_content: false }),
            b'{' => {
                self.enter()?;
                self.name_is_next()?;
                let value = visitor.visit_enum(Variant { reader: self, has_content: true })?;
                self.leave(b'}', Fault::ObjectEnd)?;
                Ok(value)
            }
            _ => {
                self.skip()?;
                Err(Error::custom(""))
            }
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.integer()? {
            Some(text) => visitor.visit_i128(text.parse().map_err(Error::custom)?),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.integer()? {
            Some(text) => visitor.visit_u128(text.parse().map_err(Error::custom)?),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

impl Reader<'_> {
    /// The text of an integer, if a number comes next. One that isn't an integer gives an error where it is read as one.
    fn integer(&mut self) -> Result<Option<&str>, Error> {
        if !matches!(self.peek()?, b'-' | b'0'..=b'9') {
            return Ok(None);
        }
        self.value = self.offset();
        self.number().map(|(text, _)| Some(text))
    }
}

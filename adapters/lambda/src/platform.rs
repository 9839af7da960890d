//! What midge's other program for the platform, `midge-extension`, shares with this host. Not part of the interface that a version
//! number promises.

use std::{
    fmt,
    io::{self, Write as _},
};

use midge::Span;

use crate::event::json::Json;
pub use crate::{
    endpoint::Endpoint,
    event::json::Stop,
    text::{Escaped, Text, error_document},
};

/// A strict reader of JSON (RFC 8259) over bytes that it may change: strings are unescaped where they stand. Nothing is allocated.
///
/// **What it has passed was valid JSON**, and what it could not pass ends it: nothing can be read behind a [`Stop`].
pub struct Reader<'b>(Json<'b>);

impl<'b> Reader<'b> {
    /// A reader of the one document that `bytes` are.
    #[must_use]
    pub const fn new(bytes: &'b mut [u8]) -> Self {
        Self(Json::new(bytes, 0))
    }

    /// What a span that was read stands for; empty for one of another document.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        str::from_utf8(span.of(self.0.bytes())).unwrap_or_default()
    }

    /// The first byte of what comes next, which tells its type. Passes only the blanks before it.
    ///
    /// # Errors
    ///
    /// The document ends here.
    pub fn peek(&mut self) -> Result<u8, Stop> {
        self.0.peek()
    }

    /// Passes the bracket that an array or object begins with: then [`element`](Self::element) or [`member`](Self::member) follow
    /// until they say that it is over.
    ///
    /// # Errors
    ///
    /// Neither comes next, or it stands in too many others.
    pub fn open(&mut self, bracket: u8) -> Result<(), Stop> {
        if self.0.peek()? != bracket {
            return Err(self.0.syntax());
        }
        self.0.open()
    }

    /// The name of an object's next member, whose value comes next; `None` behind the last one. `first` is true before the first.
    ///
    /// # Errors
    ///
    /// No member can be read here.
    pub fn member(&mut self, first: &mut bool) -> Result<Option<Span>, Stop> {
        Ok(self.0.key::<true>(first)?.map(|name| name.span))
    }

    /// Whether another element of an array comes next. `first` is true before the first.
    ///
    /// # Errors
    ///
    /// Neither an element nor the array's end can be read here.
    pub fn element(&mut self, first: &mut bool) -> Result<bool, Stop> {
        self.0.item(first)
    }

    /// Passes a value, and gives where it stands if it is a string: what is between the quotes, unescaped.
    ///
    /// # Errors
    ///
    /// No value can be read here.
    pub fn string(&mut self) -> Result<Option<Span>, Stop> {
        match self.0.peek()? {
            b'"' => Ok(Some(self.0.string::<true>()?.span)),
            _ => self.0.skip().map(|()| None),
        }
    }

    /// Passes a value, and gives where it stands if it is a number.
    ///
    /// # Errors
    ///
    /// No value can be read here.
    pub fn number(&mut self) -> Result<Option<Span>, Stop> {
        match self.0.peek()? {
            b'-' | b'0'..=b'9' => {
                let start = self.0.at();
                self.0.scalar()?;
                Ok(Some(Span::new(start, self.0.at())))
            }
            _ => self.0.skip().map(|()| None),
        }
    }

    /// Passes a value.
    ///
    /// # Errors
    ///
    /// No value can be read here.
    pub fn skip(&mut self) -> Result<(), Stop> {
        self.0.skip()
    }

    /// Passes the document's end: nothing but blanks may follow.
    ///
    /// # Errors
    ///
    /// Something does.
    pub fn finish(&mut self) -> Result<(), Stop> {
        self.0.finish()
    }
}

/// One line of `program` on stderr, which the platform keeps in the function's log.
#[cold]
pub fn log(program: &str, what: fmt::Arguments<'_>) {
    // One write, since others may write too. A line that doesn't fit is cut; nobody is to be told if stderr is gone.
    let mut memory = [b'\n'; 1_024];
    let (text, _end) = memory.split_at_mut(1_023);
    let mut line = Text::new(text);
    let _ = fmt::write(&mut line, format_args!("{program}: {what}"));
    let length = line.as_bytes().len();
    let _ = io::stderr().write_all(memory.get(..=length).unwrap_or_default());
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test that panics has failed, and says where")]
mod tests {
    use super::{Reader, Stop};

    #[test]
    fn a_document_is_read_member_by_member() {
        let mut bytes = br#" {"a\u0062": "x\ny", "n": -1.5e3, "s": [1, {"z": null}], "t": true} "#.to_vec();
        let mut reader = Reader::new(&mut bytes);
        let mut read = || -> Result<Vec<String>, Stop> {
            let (mut found, mut first) = (Vec::new(), true);
            reader.open(b'{')?;
            while let Some(name) = reader.member(&mut first)? {
                let name = reader.text(name).to_owned();
                let value = match name.as_str() {
                    "ab" => reader.string()?,
                    "n" | "t" => reader.number()?,
                    _ => reader.skip().map(|()| None)?,
                };
                found.push(format!("{name}={}", value.map_or("-", |span| reader.text(span))));
            }
            reader.finish()?;
            Ok(found)
        };
        assert_eq!(read().unwrap_or_else(|_| panic!("it is JSON")), ["ab=x\ny", "n=-1.5e3", "s=-", "t=-"]);
    }

    #[test]
    fn what_is_no_json_stops_it() {
        for text in ["", "[", "{\"a\"}", "{\"a\":1,}", "[1]"] {
            let mut bytes = text.as_bytes().to_vec();
            let mut reader = Reader::new(&mut bytes);
            let (mut first, mut stopped) = (true, reader.open(b'{').is_err());
            while !stopped {
                match reader.member(&mut first) {
                    Ok(Some(_)) => stopped = reader.skip().is_err(),
                    Ok(None) => panic!("{text}"),
                    Err(Stop) => stopped = true,
                }
            }
        }
        let mut bytes = b"1 2".to_vec();
        let mut reader = Reader::new(&mut bytes);
        assert!(reader.number().is_ok() && reader.finish().is_err());
    }
}

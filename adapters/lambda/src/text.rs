//! Text put together in memory that is there already.

use std::fmt;

/// A buffer that is written from left to right. What doesn't fit is left out, and [`Text::is_cut`] says so.
pub struct Text<'b> {
    buffer: &'b mut [u8],
    length: usize,
    cut: bool,
}

impl<'b> Text<'b> {
    /// An empty text in `buffer`.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0, cut: false }
    }

    /// Puts `bytes` behind what is there, or nothing of them if they don't fit.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.length..self.length + bytes.len()) {
            Some(place) if !self.cut => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => self.cut = true,
        }
    }

    /// In decimal digits.
    pub fn push_number(&mut self, number: usize) {
        let (mut digits, mut rest) = ([b'0'; 20], number);
        let mut length = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            (rest, length) = (rest / 10, length + 1);
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(20 - length..).unwrap_or_default());
    }

    /// Whether something was left out.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Write for Text<'_> {
    /// Text is cut between characters.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.buffer.len() - self.length;
        let fits = (0..=text.len().min(room)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.push(text.get(..fits).unwrap_or_default().as_bytes());
        self.cut |= fits < text.len();
        Ok(())
    }
}

/// Escapes what is written through it as the inside of a JSON string.
pub struct Escaped<'t, 'b>(pub &'t mut Text<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' => self.0.push(b"\\\""),
                '\\' => self.0.push(b"\\\\"),
                '\n' => self.0.push(b"\\n"),
                '\0'..='\u{1f}' => write!(self.0, "\\u{:04x}", character as u32)?,
                _ => self.0.push(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(())
    }
}

/// The platform's error document. A message that doesn't fit is cut.
pub fn error_document<'b>(buffer: &'b mut [u8], kind: &str, message: &dyn fmt::Display) -> &'b [u8] {
    const END: &[u8] = b"\",\"stackTrace\":[]}";
    let room = buffer.len().saturating_sub(END.len());
    let mut text = Text::new(buffer.get_mut(..room).unwrap_or_default());
    text.push(b"{\"errorType\":\"");
    text.push(kind.as_bytes());
    text.push(b"\",\"errorMessage\":\"");
    // A message whose own formatting fails is as good as one that was cut.
    let _ = fmt::write(&mut Escaped(&mut text), format_args!("{message}"));
    let end = text.length + END.len();
    if let Some(place) = buffer.get_mut(end - END.len()..end) {
        place.copy_from_slice(END);
    }
    buffer.get(..end).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]
mod tests {
    use super::{Text, error_document};

    #[test]
    fn a_number_is_written_as_the_library_writes_it() {
        for number in [0, 7, 10, 99, 1_000, 6_291_556, usize::MAX] {
            let mut memory = [0; 20];
            let mut text = Text::new(&mut memory);
            text.push_number(number);
            assert_eq!(text.as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn an_error_document_is_json_whatever_the_message() {
        let document = error_document(&mut [0; 256], "Function.Panic", &"a \"b\" \\ \n\u{1} é").to_vec();
        let text = String::from_utf8(document).unwrap_or_default();
        let expected =
            "{\"errorType\":\"Function.Panic\",\"errorMessage\":\"a \\\"b\\\" \\\\ \\n\\u0001 é\",\"stackTrace\":[]}";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_message_that_does_not_fit_is_cut_between_characters() {
        for size in 64..90 {
            let document = error_document(&mut [0; 90][..size], "Function.Panic", &"\"é\"é\"é\"é\"é\"é").to_vec();
            let text = String::from_utf8(document).unwrap_or_default();
            let message = text.strip_prefix("{\"errorType\":\"Function.Panic\",\"errorMessage\":\"");
            let message = message.and_then(|rest| rest.strip_suffix("\",\"stackTrace\":[]}"));
            let message = message.unwrap_or("neither");
            assert!("\\\"é\\\"é\\\"é\\\"é\\\"é\\\"é".starts_with(message), "{message:?} of {size}");
            assert!(!message.ends_with('\\'), "{message:?} of {size}");
        }
    }
}

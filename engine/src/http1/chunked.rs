//! The framing of a chunked body: size lines with their extensions, and the line end after each chunk's data
//! (RFC 9112, section 7.1). The trailer section after the last chunk is the caller's to read.
//!
//! ```text
//! chunked-body  = *chunk last-chunk trailer-section CRLF
//! chunk         = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//! chunk-size    = 1*HEXDIG
//! last-chunk    = 1*"0" [ chunk-ext ] CRLF
//! chunk-ext     = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
//! ```
//!
//! Nothing but this grammar is read: a line ends with CR LF (a bare LF is excused for the start line and fields alone,
//! section 2.2), blanks stand only where BWS does, and what a sender and a lenient recipient could read differently is
//! an error at its first byte.

use core::{error::Error, fmt};

use super::{limits::Limits, token::is_tchar};

/// Decodes the framing of one chunked body (RFC 9112, section 7.1).
///
/// Give [`step`](Self::step) the bytes received, drop what it consumed, and call it again with what follows. However
/// the bytes are cut, the payload, the end and the error are the same. Extensions are checked, counted and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunked {
    /// In a size line, the size read so far; in the data, what is still to come of it.
    size: u64,
    /// Sizes of all chunks so far, this one included once its line ended.
    total: u64,
    /// Bytes of extensions in all lines so far.
    extensions: u32,
    /// Bytes of this line so far: a little-endian number of three bytes, which keeps the whole at 24.
    line: [u8; 3],
    state: State,
}

/// What one call of [`Chunked::step`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `start..start + len` of the bytes given is payload, and everything up to its end is consumed.
    Data {
        /// Bytes of framing before the payload.
        start: usize,
        /// Bytes of payload: at least 1, at most the `max` given.
        len: usize,
    },
    /// All bytes given were framing and are consumed: more are needed.
    More,
    /// The last chunk's line ended: the trailer section follows.
    Last {
        /// Bytes up to the end of that line.
        consumed: usize,
    },
}

/// Why a chunked body can't be read any further. Where it ends is unknown then: the connection can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkError {
    /// A size line breaks the grammar. Answer: 400.
    Line,
    /// A chunk's size does not fit 64 bits. Answer: 400.
    SizeOverflow,
    /// A size line is longer than [`Limits::chunk_line_bytes`]. Answer: 400.
    LineTooLong,
    /// The extensions of all lines are longer than [`Limits::chunk_extension_bytes`]. Answer: 413.
    ExtensionsTooLong,
    /// A chunk's data is not followed by CR LF. Answer: 400.
    DataEnd,
    /// The sizes of all chunks add up to more than [`Limits::body_bytes`]. Answer: 413.
    BodyTooLong,
}

/// Where in the module's grammar the body stands. Each comment names what may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The size's first digit.
    LineStart,
    /// A digit, or what follows a size: a blank, `;`, CR.
    Size,
    /// A blank or `;`.
    BeforeSemicolon,
    /// A blank, or the first byte of an extension's name.
    BeforeName,
    /// A byte of the name, or what follows it: a blank, `=`, `;`, CR.
    Name,
    /// A blank, `=` or `;`.
    AfterName,
    /// A blank, or the first byte of a token or a quoted string.
    BeforeValue,
    /// A byte of the token, or what follows it: a blank, `;`, CR.
    Value,
    /// A byte of the quoted string, `\`, or the closing quote.
    Quoted,
    /// The second byte of a quoted pair.
    Escaped,
    /// A blank, `;`, CR.
    AfterQuoted,
    /// The LF of a size line.
    LineEnd,
    /// Payload.
    Data,
    /// The CR after a chunk's data.
    DataCr,
    /// The LF after a chunk's data.
    DataLf,
    /// Nothing: the last chunk's line ended.
    Done,
    /// Nothing: framing was lost.
    Failed(ChunkError),
}

impl Chunked {
    /// At the first byte of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, total: 0, extensions: 0, line: [0; 3], state: State::LineStart }
    }

    /// Reads framing up to the next payload, the end, or the end of `bytes`. The payload itself is not looked at, and at
    /// most `max` bytes of it are given (a `max` of 0 counts as 1).
    ///
    /// After the last chunk's line every further call consumes nothing and gives [`Step::Last`] again.
    ///
    /// # Errors
    ///
    /// As [`ChunkError`] lists, at the first byte that allows no other verdict: a size beyond
    /// [`Limits::body_bytes`] at the end of its line, before any of its payload. Every further call gives the same error.
    /// A [`Limits::chunk_line_bytes`] above 16,777,215 counts as that.
    #[inline]
    pub fn step(&mut self, bytes: &[u8], max: usize, limits: &Limits) -> Result<Step, ChunkError> {
        let start = if self.state == State::Data { 0 } else { self.framing(bytes, limits)? };
        match self.state {
            State::Data if start < bytes.len() => {
                let given = (bytes.len() - start).min(max.max(1));
                let len = usize::try_from(self.size).map_or(given, |size| size.min(given));
                self.size -= len as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                Ok(Step::Data { start, len })
            }
            State::Done => Ok(Step::Last { consumed: start }),
            _ => Ok(Step::More),
        }
    }

    /// How many bytes of payload are still to come of the chunk whose size line ended last: 0 between chunks.
    #[must_use]
    pub const fn remaining_in_chunk(&self) -> u64 {
        if matches!(self.state, State::Data) { self.size } else { 0 }
    }

    /// Reads framing up to payload, the end or the end of `bytes`; gives how many bytes that took.
    #[inline]
    fn framing(&mut self, bytes: &[u8], limits: &Limits) -> Result<usize, ChunkError> {
        // Nearly every line is a short size and no more, and came whole, with the line end of the data before it.
        let line = match (self.state, bytes) {
            (State::LineStart, line) | (State::DataCr, [b'\r', b'\n', line @ ..]) => line,
            _ => return self.framing_by_byte(bytes, limits),
        };
        match plain_line(line) {
            Some((size, length)) if length <= line_limit(limits) => {
                self.size = size;
                self.chunk_begins(limits).map_err(|error| self.fail(error))?;
                Ok(bytes.len() - line.len() + length)
            }
            _ => self.framing_by_byte(bytes, limits),
        }
    }

    /// As [`framing`](Self::framing), for every line and from every state.
    #[inline(never)]
    fn framing_by_byte(&mut self, bytes: &[u8], limits: &Limits) -> Result<usize, ChunkError> {
        let mut rest = bytes;
        loop {
            match self.state {
                State::Data | State::Done => break,
                State::Failed(error) => return Err(error),
                _ => {}
            }
            let Some((&byte, tail)) = rest.split_first() else { break };
            rest = tail;
            self.byte(byte, limits).map_err(|error| self.fail(error))?;
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes one byte of framing.
    fn byte(&mut self, byte: u8, limits: &Limits) -> Result<(), ChunkError> {
        match (self.state, byte) {
            (State::DataCr, b'\r') => self.state = State::DataLf,
            (State::DataLf, b'\n') => self.state = State::LineStart,
            (State::DataCr | State::DataLf, _) => return Err(ChunkError::DataEnd),
            _ => return self.line_byte(byte, limits),
        }
        Ok(())
    }

    /// Takes one byte of a size line.
    fn line_byte(&mut self, byte: u8, limits: &Limits) -> Result<(), ChunkError> {
        self.count_line_byte(limits)?;
        let state = self.state.after(byte).ok_or(ChunkError::Line)?;
        match state {
            State::Size => {
                let digit = hex_digit(byte).ok_or(ChunkError::Line)?;
                let size = self.size.checked_mul(16).and_then(|size| size.checked_add(digit));
                self.size = size.ok_or(ChunkError::SizeOverflow)?;
            }
            State::Data => return self.chunk_begins(limits),
            State::LineEnd => {}
            // Everything between the size and the line end is an extension's.
            _ => {
                if self.extensions >= limits.chunk_extension_bytes {
                    return Err(ChunkError::ExtensionsTooLong);
                }
                self.extensions += 1;
            }
        }
        self.state = state;
        Ok(())
    }

    fn count_line_byte(&mut self, limits: &Limits) -> Result<(), ChunkError> {
        let [a, b, c] = self.line;
        let line = u32::from_le_bytes([a, b, c, 0]);
        if line as usize >= line_limit(limits) {
            return Err(ChunkError::LineTooLong);
        }
        let [a, b, c, _] = (line + 1).to_le_bytes();
        self.line = [a, b, c];
        Ok(())
    }

    /// At the end of a size line: payload follows, or nothing when the size is 0.
    fn chunk_begins(&mut self, limits: &Limits) -> Result<(), ChunkError> {
        match self.total.checked_add(self.size) {
            Some(total) if total <= limits.body_bytes => self.total = total,
            _ => return Err(ChunkError::BodyTooLong),
        }
        self.line = [0; 3];
        self.state = if self.size == 0 { State::Done } else { State::Data };
        Ok(())
    }

    /// Nothing that follows may be read as framing.
    fn fail(&mut self, error: ChunkError) -> ChunkError {
        self.state = State::Failed(error);
        error
    }
}

impl Default for Chunked {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// The state after one more byte of a size line: `None` when the grammar has no such line. `Data` stands for the
    /// line's end, whatever its size.
    const fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::LineStart | Self::Size, b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f') => Self::Size,

            // What ends an element also starts the next one.
            (Self::Size | Self::Name | Self::Value | Self::AfterQuoted, b'\r') => Self::LineEnd,
            (
                Self::Size | Self::BeforeSemicolon | Self::Name | Self::AfterName | Self::Value | Self::AfterQuoted,
                b';',
            ) => Self::BeforeName,
            (Self::Name | Self::AfterName, b'=') => Self::BeforeValue,

            // BWS commits to what must follow it.
            (Self::Size | Self::BeforeSemicolon | Self::Value | Self::AfterQuoted, b' ' | b'\t') => {
                Self::BeforeSemicolon
            }
            (Self::Name | Self::AfterName, b' ' | b'\t') => Self::AfterName,
            (Self::BeforeName | Self::BeforeValue, b' ' | b'\t') => self,

            (Self::BeforeName | Self::Name, _) if is_tchar(byte) => Self::Name,
            (Self::BeforeValue | Self::Value, _) if is_tchar(byte) => Self::Value,

            // RFC 9110, section 5.6.4: qdtext and quoted-pair, both with obs-text.
            (Self::BeforeValue, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::AfterQuoted,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Self::Quoted,

            (Self::LineEnd, b'\n') => Self::Data,
            _ => return None,
        })
    }
}

impl ChunkError {
    /// What was wrong, and what is wanted.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Line => "malformed chunk line: wanted hexadecimal digits, extensions if any, and CR LF",
            Self::SizeOverflow => "chunk size too large: wanted one that fits 64 bits",
            Self::LineTooLong => "chunk line too long: wanted its line end within the limit",
            Self::ExtensionsTooLong => "too many bytes of chunk extensions: wanted no more than the limit in one body",
            Self::DataEnd => "no line end after chunk data: wanted CR LF where the chunk's size is used up",
            Self::BodyTooLong => "chunked body too long: wanted chunk sizes that add up to the limit at most",
        }
    }
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for ChunkError {}

/// The size and the length of a line that is up to 8 digits and CR LF.
#[inline]
fn plain_line(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (digits, &byte) in bytes.iter().take(9).enumerate() {
        let Some(digit) = hex_digit(byte) else {
            let ends = byte == b'\r' && digits > 0 && bytes.get(digits + 1) == Some(&b'\n');
            return ends.then_some((size, digits + 2));
        };
        size = size << 4 | digit;
    }
    None
}

/// The bytes that a size line may have: no more than its three-byte count can tell.
fn line_limit(limits: &Limits) -> usize {
    limits.chunk_line_bytes.min(0xff_ffff) as usize
}

fn hex_digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests;

//! Puts a request target together.

use super::json::END;

/// A target that is being written.
pub(super) struct Target<'b> {
    room: &'b mut [u8],
    at: usize,
    /// Whether all of it had room.
    fits: bool,
    has_query: bool,
}

/// What query parameters are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    /// As the client wrote them, percent-encoded.
    Raw,
    /// Decoded.
    Decoded,
}

impl<'b> Target<'b> {
    /// A target that begins at `room[start]`.
    pub(super) const fn new(room: &'b mut [u8], start: usize) -> Self {
        Self { room, at: start, fits: true, has_query: false }
    }

    /// Writes the path: what can't stand in one is encoded, what is encoded already stays.
    pub(super) fn path(&mut self, path: &[u8]) {
        if path.first() != Some(&b'/') {
            self.put(b'/');
        }
        let mut rest = self.as_is(path, PATH);
        while let Some((byte, tail)) = rest.split_first() {
            let is_escape = || matches!(tail, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
            if is_class(*byte, PATH) || (*byte == b'%' && is_escape()) {
                self.put(*byte);
            } else {
                self.encoded(*byte);
            }
            rest = tail;
        }
    }

    /// Writes a query that came as such; none if it is empty. Only what no target can hold is encoded.
    pub(super) fn query(&mut self, query: &[u8]) {
        if !query.is_empty() {
            self.put(b'?');
            self.all(query, QUERY);
        }
    }

    /// Writes the parameters of an object in an event, which was read so that each of its strings ends with [`END`].
    pub(super) fn parameters(&mut self, object: &[u8], form: Parameters) {
        let class = if form == Parameters::Raw { QUERY } else { PARAMETER };
        let (mut rest, mut name) = (object, None);
        let mut in_array = false;
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'"' => {
                    let end = memchr::memchr(END, tail).unwrap_or(tail.len());
                    let (text, behind) = tail.split_at_checked(end).unwrap_or_default();
                    rest = behind;
                    match name {
                        None => name = Some(text),
                        Some(name) => self.parameter(name, text, class),
                    }
                }
                b'[' => in_array = true,
                b']' => in_array = false,
                b',' if !in_array => name = None,
                _ => {}
            }
        }
    }

    fn parameter(&mut self, name: &[u8], value: &[u8], class: u8) {
        self.put(if self.has_query { b'&' } else { b'?' });
        self.has_query = true;
        self.all(name, class);
        self.put(b'=');
        self.all(value, class);
    }

    /// Where the target ends; `None` if there wasn't room.
    pub(super) fn end(&self) -> Option<usize> {
        self.fits.then_some(self.at)
    }

    fn all(&mut self, bytes: &[u8], class: u8) {
        for byte in self.as_is(bytes, class) {
            if is_class(*byte, class) {
                self.put(*byte);
            } else {
                self.encoded(*byte);
            }
        }
    }

    /// Writes `bytes`, if none of them has to be encoded; gives what is left.
    #[inline]
    fn as_is<'t>(&mut self, bytes: &'t [u8], class: u8) -> &'t [u8] {
        if bytes.iter().fold(class, |all, byte| all & class_of(*byte)) == 0 {
            return bytes;
        }
        match self.room.get_mut(self.at..self.at + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.fits = false,
        }
        &[]
    }

    #[inline]
    fn put(&mut self, byte: u8) {
        match self.room.get_mut(self.at) {
            Some(place) => {
                *place = byte;
                self.at += 1;
            }
            None => self.fits = false,
        }
    }

    fn encoded(&mut self, byte: u8) {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
        self.put(b'%');
        self.put(digit(byte >> 4));
        self.put(digit(byte & 15));
    }
}

/// Whether `bytes` are a token (RFC 9110, section 5.6.2): a method, a field's name.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().fold(TOKEN, |all, byte| all & class_of(*byte)) != 0
}

#[inline]
const fn is_class(byte: u8, class: u8) -> bool {
    class_of(byte) & class != 0
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for every u8")]
const fn class_of(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// Stands in a path as it is; `%` only in an escape.
const PATH: u8 = 1;
/// Stands in a query as it is.
const QUERY: u8 = 2;
/// Stands in a parameter's name or value that was decoded as it is: what means nothing there (RFC 3986, section 3.4), neither to
/// URIs nor to forms.
const PARAMETER: u8 = 4;
/// Is a `tchar`.
const TOKEN: u8 = 8;

/// The classes by byte. A target is visible ASCII but `"`, `#`, `<` and `>`, as on a connection.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7f {
        let target = !matches!(byte, b'"' | b'#' | b'<' | b'>');
        let parameter = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'*' | b'/' | b':' | b'@' | b',');
        let path = target && !matches!(byte, b'?' | b'%');
        let token = byte.is_ascii_alphanumeric() || is_token_mark(byte);
        #[expect(clippy::indexing_slicing, reason = "the loop ends before the table does")]
        {
            table[byte as usize] =
                class(path, PATH) | class(target, QUERY) | class(parameter, PARAMETER) | class(token, TOKEN);
        }
        byte += 1;
    }
    table
};

const fn is_token_mark(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

const fn class(is_in: bool, class: u8) -> u8 {
    if is_in { class } else { 0 }
}

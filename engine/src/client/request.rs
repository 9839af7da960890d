//! A request, written into a buffer from which it goes out.

use core::fmt::{self, Write};

use crate::{
    exchange::{
        FieldLines,
        failure::ResponseError,
        output::{Name, check_name, is_value},
    },
    http1::{
        host::is_host,
        method::Method,
        token::{is_target, is_tchar},
        trailers,
    },
};

use super::error::RequestError;

/// Whom a request is for: `name` or `name:port`, as it goes into `Host`. Checked once, so that it need not be for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a>(&'a str);

impl<'a> Host<'a> {
    /// The host with this name, and a port if it isn't the scheme's own.
    ///
    /// # Errors
    ///
    /// [`RequestError::Host`] where that is no host.
    pub fn new(text: &'a str) -> Result<Self, RequestError> {
        // A server may be asked for no name at all, but not with a URL (RFC 9110, section 4.2.1).
        let has_name = !matches!(text.as_bytes(), [] | [b':', ..]);
        if has_name && is_host(text.as_bytes()) { Ok(Self(text)) } else { Err(RequestError::Host) }
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

/// A request whose head is being written.
///
/// What is wrong with the head (a name, a value, its size) is said by the method that ends it, and then there is nothing to send.
/// Those methods say how the body is delimited; no field does.
#[must_use = "a request is sent when its head was ended, by empty(), length() or chunked()"]
pub struct RequestHead<'b> {
    bytes: Buffer<'b>,
    error: Option<RequestError>,
    /// The method is one whose requests have a body as a rule (RFC 9110, section 8.6).
    has_body: bool,
}

impl<'b> RequestHead<'b> {
    /// Begins a request in `buffer`, which has to hold the head and, if the body is streamed, what is sent of it at a time.
    pub fn new(buffer: &'b mut [u8], method: Method<'_>, target: &str, host: Host<'_>) -> Self {
        Self::with_target(buffer, method, &[target], host)
    }

    /// The same with a target that is in several pieces.
    pub fn with_target(buffer: &'b mut [u8], method: Method<'_>, target: &[&str], host: Host<'_>) -> Self {
        let name = method.as_str().as_bytes();
        let mut bytes = Buffer { bytes: buffer, end: 0, full: false };
        bytes.put(name);
        bytes.put(b" ");
        let start = bytes.end;
        target.iter().for_each(|piece| bytes.put(piece.as_bytes()));
        let is_good = is_good_target(bytes.from(start), &method);
        bytes.put(b" HTTP/1.1\r\nhost: ");
        bytes.put(host.0.as_bytes());
        bytes.put(b"\r\n");
        let error = if !is_method(&method, name) {
            Some(RequestError::Method)
        } else if !bytes.full && !is_good {
            Some(RequestError::Target)
        } else {
            None
        };
        Self { bytes, error, has_body: matches!(method, Method::Post | Method::Put | Method::Patch) }
    }

    /// Adds a field. `host`, `content-length`, `transfer-encoding`, `connection`, `keep-alive`, `upgrade`, `te` and `expect` are
    /// refused.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Err(error) = self.bytes.field(name.as_bytes(), value.as_ref()) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Adds a field whose value is formatted in place: `head.header_fmt("if-match", format_args!("\"{version}\""))`.
    pub fn header_fmt(mut self, name: &str, value: fmt::Arguments<'_>) -> Self {
        let checked = check_field(name.as_bytes(), b"");
        self.bytes.put(name.as_bytes());
        self.bytes.put(b": ");
        let start = self.bytes.end;
        // What doesn't fit, the buffer remembers.
        let _ = self.bytes.write_fmt(value);
        let formatted = if is_value(self.bytes.from(start)) { Ok(()) } else { Err(RequestError::FieldValue) };
        self.bytes.put(b"\r\n");
        if let Err(error) = checked.and(formatted) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Adds field lines that were checked when the program was compiled.
    pub fn lines(mut self, lines: FieldLines) -> Self {
        self.bytes.put(lines.as_bytes());
        self
    }

    /// Ends the head of a request without a body. `POST`, `PUT` and `PATCH` say that it has length 0.
    ///
    /// # Errors
    ///
    /// What was wrong with the head.
    pub fn empty(self) -> Result<RequestBytes<'b>, RequestError> {
        if self.has_body {
            return self.length(0);
        }
        self.end(b"\r\n", Framing::Length(0))
    }

    /// Ends the head of a request with a body of so many bytes.
    ///
    /// # Errors
    ///
    /// What was wrong with the head.
    pub fn length(mut self, bytes: u64) -> Result<RequestBytes<'b>, RequestError> {
        self.bytes.put(b"content-length: ");
        self.bytes.put_number(bytes);
        self.end(b"\r\n\r\n", Framing::Length(bytes))
    }

    /// Ends the head of a request whose body is sent in chunks, since its length isn't known.
    ///
    /// # Errors
    ///
    /// What was wrong with the head.
    pub fn chunked(self) -> Result<RequestBytes<'b>, RequestError> {
        self.end(b"transfer-encoding: chunked\r\n\r\n", Framing::Chunked { open: None })
    }

    fn end(mut self, last: &[u8], framing: Framing) -> Result<RequestBytes<'b>, RequestError> {
        self.bytes.put(last);
        match self.error {
            Some(error) => Err(error),
            None if self.bytes.full => Err(RequestError::HeadTooLarge),
            None => Ok(RequestBytes { bytes: self.bytes, sent: 0, framing, is_whole: true }),
        }
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("error", &self.error).finish_non_exhaustive()
    }
}

/// A request on its way: the bytes that are still to go out stand in the buffer that the head was begun in.
///
/// ```text
///   | sent | pending               | room |
///          | ... | 00002a CRLF data CRLF  |    a chunk is closed when its bytes are asked for
/// ```
pub struct RequestBytes<'b> {
    bytes: Buffer<'b>,
    sent: usize,
    framing: Framing,
    /// Nothing of it was overwritten yet.
    is_whole: bool,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks; where the one begins that is being written.
    Chunked { open: Option<usize> },
    /// The last chunk is written, and trailers may follow.
    Trailers,
    /// There is no more.
    Over,
}

impl<'b> RequestBytes<'b> {
    /// Takes as much of a piece of the body as there is room for, and gives how much; 0 when what is pending has to go out first.
    ///
    /// # Errors
    ///
    /// [`RequestError::Length`]: more bytes than the declared length, or behind the end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, RequestError> {
        if let Framing::Length(left) = self.framing
            && bytes.len() as u64 > left
        {
            return Err(RequestError::Length);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = self.space()?;
        let count = room.len().min(bytes.len());
        if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.commit(count);
        Ok(count)
    }

    /// The room for the next bytes of the body, to be filled in place and then taken with [`commit`](Self::commit). It is empty when
    /// what is pending has to go out first.
    ///
    /// # Errors
    ///
    /// [`RequestError::Length`] when the body is over.
    pub fn space(&mut self) -> Result<&mut [u8], RequestError> {
        self.make_room(SIZE_LINE + 1 + LINE_END);
        let end = match &mut self.framing {
            Framing::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                self.bytes.bytes.len().min(self.bytes.end.saturating_add(most))
            }
            Framing::Chunked { open } => {
                let last = self.bytes.bytes.len().saturating_sub(LINE_END);
                let start = match *open {
                    Some(start) => start,
                    None if self.bytes.end + SIZE_LINE < last => {
                        *open = Some(self.bytes.end);
                        self.bytes.end += SIZE_LINE;
                        self.bytes.end - SIZE_LINE
                    }
                    None => return Ok(&mut []),
                };
                last.min(start + SIZE_LINE + LARGEST_CHUNK)
            }
            Framing::Trailers | Framing::Over => return Err(RequestError::Length),
        };
        Ok(self.bytes.bytes.get_mut(self.bytes.end..end).unwrap_or_default())
    }

    /// Takes `count` bytes of what [`space`](Self::space) gave as written.
    pub fn commit(&mut self, count: usize) {
        let count = count.min(self.bytes.bytes.len().saturating_sub(self.bytes.end));
        self.bytes.end += count;
        if let Framing::Length(left) = &mut self.framing {
            *left = left.saturating_sub(count as u64);
        }
    }

    /// Ends the body. False when what is pending has to go out first.
    ///
    /// # Errors
    ///
    /// [`RequestError::Length`]: fewer bytes than the declared length.
    pub fn finish(&mut self) -> Result<bool, RequestError> {
        self.close_chunk();
        let end: &[u8] = match self.framing {
            Framing::Length(0) | Framing::Over => b"",
            Framing::Length(_) => return Err(RequestError::Length),
            Framing::Chunked { .. } => b"0\r\n\r\n",
            Framing::Trailers => b"\r\n",
        };
        let done = self.append(end);
        if done {
            self.framing = Framing::Over;
        }
        Ok(done)
    }

    /// Adds a trailer field behind a chunked body; no more of the body can follow. False when what is pending has to go out first.
    ///
    /// # Errors
    ///
    /// [`RequestError::Trailer`] as that says.
    pub fn trailer(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<bool, RequestError> {
        self.close_chunk();
        let (name, value) = (name.as_bytes(), value.as_ref());
        let last: &[u8] = match self.framing {
            Framing::Chunked { .. } => b"0\r\n",
            Framing::Trailers => b"",
            Framing::Length(_) | Framing::Over => return Err(RequestError::Trailer),
        };
        let length = last.len() + name.len() + b": \r\n".len() + value.len();
        if check_field(name, value).is_err() || !trailers::is_allowed(name) || length > self.bytes.bytes.len() {
            return Err(RequestError::Trailer);
        }
        if !self.make_room(length) {
            return Ok(false);
        }
        for part in [last, name, b": ", value, b"\r\n"] {
            self.bytes.put(part);
        }
        self.framing = Framing::Trailers;
        Ok(true)
    }

    /// What is to go out.
    pub fn pending(&mut self) -> &[u8] {
        self.close_chunk();
        self.bytes.bytes.get(self.sent..self.bytes.end).unwrap_or_default()
    }

    /// Says that so many bytes of [`pending`](Self::pending) went out.
    pub fn sent(&mut self, count: usize) {
        self.sent = self.bytes.end.min(self.sent.saturating_add(count));
    }

    /// Whether all of the request was written; some of it may still be pending.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.framing, Framing::Over | Framing::Length(0))
    }

    /// Makes everything pending again, to be sent over another connection; false, and nothing changes, if it isn't all there any
    /// more.
    pub const fn rewind(&mut self) -> bool {
        if self.is_whole {
            self.sent = 0;
        }
        self.is_whole
    }

    /// Writes `bytes` whole, or nothing where there is no room for all of them.
    fn append(&mut self, bytes: &[u8]) -> bool {
        let fits = self.make_room(bytes.len());
        if fits {
            self.bytes.put(bytes);
        }
        fits
    }

    /// Whether there is room for so many bytes; what went out gives way for it.
    fn make_room(&mut self, wanted: usize) -> bool {
        if self.bytes.bytes.len().saturating_sub(self.bytes.end) >= wanted {
            return true;
        }
        if self.sent == self.bytes.end && self.sent > 0 && !matches!(self.framing, Framing::Chunked { open: Some(_) }) {
            (self.sent, self.bytes.end, self.is_whole) = (0, 0, false);
        }
        self.bytes.bytes.len().saturating_sub(self.bytes.end) >= wanted
    }

    /// Writes what goes around the data of the chunk that is open. A chunk without data would end the body: it is taken back.
    fn close_chunk(&mut self) {
        let Framing::Chunked { open: Some(start) } = self.framing else { return };
        self.framing = Framing::Chunked { open: None };
        let length = self.bytes.end - start - SIZE_LINE;
        if length == 0 {
            self.bytes.end = start;
            return;
        }
        let mut line = *b"000000\r\n";
        for (digit, shift) in line.iter_mut().zip([20, 16, 12, 8, 4, 0]) {
            *digit = HEX.get(length >> shift & 0xf).copied().unwrap_or(b'0');
        }
        if let Some(place) = self.bytes.bytes.get_mut(start..start + SIZE_LINE) {
            place.copy_from_slice(&line);
        }
        // `space` left room for it.
        self.bytes.put(b"\r\n");
    }
}

impl fmt::Debug for RequestBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBytes")
            .field("pending", &(self.bytes.end - self.sent))
            .field("framing", &self.framing)
            .finish_non_exhaustive()
    }
}

/// Bytes that are put one behind the other, or remembered not to have fitted.
struct Buffer<'b> {
    bytes: &'b mut [u8],
    end: usize,
    full: bool,
}

impl Buffer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        match self.end.checked_add(bytes.len()).and_then(|end| self.bytes.get_mut(self.end..end)) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.end += bytes.len();
            }
            None => self.full = true,
        }
    }

    fn put_number(&mut self, number: u64) {
        let (mut digits, mut rest) = ([0; 20], number);
        let mut start = digits.len();
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            start = index;
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(start..).unwrap_or_default());
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), RequestError> {
        check_field(name, value)?;
        for part in [name, b": ", value, b"\r\n"] {
            self.put(part);
        }
        Ok(())
    }

    fn from(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.end).unwrap_or_default()
    }
}

impl Write for Buffer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        if self.full { Err(fmt::Error) } else { Ok(()) }
    }
}

fn check_field(name: &[u8], value: &[u8]) -> Result<(), RequestError> {
    match check_name(name) {
        Name::Plain | Name::Date => {}
        Name::Refused(ResponseError::Reserved) => return Err(RequestError::Reserved),
        Name::Refused(_) => return Err(RequestError::FieldName),
    }
    if is_engines(name) {
        return Err(RequestError::Reserved);
    }
    if is_value(value) { Ok(()) } else { Err(RequestError::FieldValue) }
}

/// Whether a request's field is the engine's for another reason than that it frames: it routes, or it asks for what isn't read here.
pub(crate) const fn is_engines(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"host") || name.eq_ignore_ascii_case(b"te") || name.eq_ignore_ascii_case(b"expect")
}

fn is_method(method: &Method<'_>, name: &[u8]) -> bool {
    let is_token = !name.is_empty() && name.len() <= Method::MAX_LEN && name.iter().all(|byte| is_tchar(*byte));
    is_token && *method != Method::Connect && name != b"CONNECT"
}

fn is_good_target(target: &[u8], method: &Method<'_>) -> bool {
    let is_form = match target {
        [b'/', ..] => true,
        b"*" => *method == Method::Options,
        _ => [&b"http://"[..], b"https://"].iter().any(|scheme| {
            let rest = target.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
            rest.and_then(|_| target.get(scheme.len()..)).is_some_and(|rest| {
                let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
                length > 0 && rest.first() != Some(&b':') && rest.get(..length).is_some_and(is_host)
            })
        }),
    };
    is_form && target.iter().all(|byte| is_target(*byte))
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Six digits and CR LF.
const SIZE_LINE: usize = 8;
/// CR LF behind a chunk's data.
const LINE_END: usize = 2;
/// What six digits can say.
const LARGEST_CHUNK: usize = 0xff_ffff;

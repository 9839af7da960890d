//! Answers, read off the wire and checked.
//!
//! This reader is independent of midge and of httparse, so that no fault of theirs can hide in it. It checks the
//! response side of the checklist (rows R01 to R10 and the note) on every answer. [`Reader`] does no I/O;
//! [`Connection`] puts it on a socket.

mod connection;
mod date;
mod duties;

use std::collections::VecDeque;

pub use connection::{Connection, Fault, PATIENCE, read};
pub use date::is_imf_fixdate;
pub use duties::{Duty, Violation};

/// What was asked: where an answer ends, and what it may hold, depends on its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Whether the request was HTTP/1.0.
    pub http10: bool,
}

impl Asked {
    /// An HTTP/1.1 request by `method`.
    #[must_use]
    pub fn new(method: &str) -> Self {
        Self { method: method.to_owned(), http10: false }
    }

    /// The same as HTTP/1.0.
    #[must_use]
    pub fn http10(self) -> Self {
        Self { http10: true, ..self }
    }

    fn tunnels(&self, status: u16) -> bool {
        self.method == "CONNECT" && (200..300).contains(&status)
    }
}

/// A field line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, in the case it came in.
    pub name: String,
    /// The value, without the blanks around it.
    pub value: Vec<u8>,
}

/// A status line and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The digit after `HTTP/1.`.
    pub minor: u8,
    /// The status.
    pub status: u16,
    /// The reason phrase, which may be empty.
    pub reason: Vec<u8>,
    /// The fields, in order.
    pub fields: Vec<Field>,
}

impl Head {
    /// The first value of `name`, in any case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// All values of `name`, in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| &field.value[..])
    }

    /// Whether the list in `name` holds `token`.
    #[must_use]
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| {
            value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }

    /// Whether the connection ends with this answer, by what it says.
    #[must_use]
    pub fn says_close(&self) -> bool {
        self.lists("connection", "close") || (self.minor == 0 && !self.lists("connection", "keep-alive"))
    }
}

/// How the end of an answer's content was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no content, by method or status.
    Bodiless,
    /// Content-Length.
    Length,
    /// Chunked.
    Chunked,
    /// The end of the connection.
    Close,
}

/// A final answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The interim answers that came before it.
    pub interim: Vec<Head>,
    /// Status and fields.
    pub head: Head,
    /// The content, without its framing.
    pub content: Vec<u8>,
    /// The fields after a chunked content.
    pub trailers: Vec<Field>,
    /// How the content was framed.
    pub framing: Framing,
}

/// What came after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing yet: the connection is open.
    Open,
    /// The end.
    Eof,
    /// A reset.
    Reset,
}

/// Takes bytes, gives answers, and keeps what was wrong with them.
#[derive(Debug, Default)]
pub struct Reader {
    asked: VecDeque<Asked>,
    buffer: Vec<u8>,
    at: usize,
    phase: Phase,
    interim: Vec<Head>,
    current: Option<Response>,
    last: Option<(Head, Framing)>,
    violations: Vec<Violation>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Head,
    Length(u64),
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Close,
    /// What follows isn't HTTP any more.
    Tunnel,
    /// What follows can't be read: where the answer ends is unknown.
    Broken,
}

impl Reader {
    /// A reader to which nothing was asked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a request, in the order in which answers are due.
    pub fn ask(&mut self, asked: Asked) {
        self.asked.push_back(asked);
    }

    /// Forgets the requests that are still to be answered.
    pub fn forget(&mut self) {
        self.asked.clear();
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next final answer, if it is complete.
    pub fn response(&mut self) -> Option<Response> {
        while self.step()? {}
        self.complete()
    }

    /// Takes the end; `half_closed` tells that the client had ended its side, which excuses a server that closes.
    /// Gives the answer that the end completes, if there is one.
    pub fn end(&mut self, ending: Ending, half_closed: bool) -> Option<Response> {
        if ending == Ending::Reset {
            self.fail(Duty::R07, "reset");
        }
        let response = match self.phase {
            Phase::Close if ending == Ending::Eof => self.complete(),
            Phase::Tunnel | Phase::Broken => return None,
            Phase::Head if self.rest().is_empty() => None,
            _ => {
                self.fail(Duty::Complete, format!("cut off in {:?}, then {ending:?}", self.phase));
                return None;
            }
        };
        let says_close = self.says_close();
        if ending == Ending::Eof && !half_closed && self.last.is_some() && !says_close {
            self.fail(Duty::R06, "closed without having said so");
        }
        if ending == Ending::Open && says_close {
            self.fail(Duty::R06, "said close and doesn't");
        }
        response
    }

    /// Whether the last whole answer says that the connection ends.
    #[must_use]
    pub fn says_close(&self) -> bool {
        self.last.as_ref().is_some_and(|(head, _)| head.says_close())
    }

    /// Whether bytes of an answer that isn't complete have come.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.phase != Phase::Head || !self.rest().is_empty()
    }

    /// Whether the connection has become something else, by 101 or CONNECT.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.phase == Phase::Tunnel
    }

    /// The interim answers that came since the last final one.
    #[must_use]
    pub fn interim(&self) -> &[Head] {
        &self.interim
    }

    /// The bytes not read yet; after an upgrade, those of the other protocol.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// All that was wrong so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// One element of the message: `Some(true)` when there may be more of it, `Some(false)` when it is complete, `None`
    /// when bytes are missing.
    fn step(&mut self) -> Option<bool> {
        match self.phase {
            Phase::Head => self.head(),
            Phase::Length(0) => Some(false),
            Phase::Length(left) => self.data(left).map(|left| self.enter(Phase::Length(left))),
            Phase::ChunkLine => self.chunk_line(),
            Phase::ChunkData(0) => Some(self.enter(Phase::ChunkEnd)),
            Phase::ChunkData(left) => self.data(left).map(|left| self.enter(Phase::ChunkData(left))),
            Phase::ChunkEnd => self.chunk_end(),
            Phase::Trailers => self.trailers(),
            Phase::Close => self.data(u64::MAX).map(|_| true),
            Phase::Tunnel | Phase::Broken => None,
        }
    }

    fn head(&mut self) -> Option<bool> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let known = rest.len().min(5);
        if rest[..known] != b"HTTP/"[..known] {
            let what = format!("no status line: {}", rest[..rest.len().min(40)].escape_ascii());
            let duty = match &self.last {
                Some((_, Framing::Bodiless)) => Duty::R05,
                Some((head, _)) if head.says_close() => Duty::R06,
                _ => Duty::R01,
            };
            return self.broken(duty, what);
        }
        let end = rest.iter().enumerate().position(|(at, byte)| {
            *byte == b'\n' && (rest[at + 1..].starts_with(b"\n") || rest[at + 1..].starts_with(b"\r\n"))
        })?;
        if self.says_close() {
            self.fail(Duty::R06, "an answer after close");
        }
        let lines: Vec<Vec<u8>> = self.rest()[..end].split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let mut fields = Vec::new();
        let mut status = None;
        for (at, line) in lines.iter().enumerate() {
            let duty = if at == 0 { Duty::R01 } else { Duty::R09 };
            let line = line.strip_suffix(b"\r").unwrap_or_else(|| {
                self.violations.push(Violation::new(duty, "a line that ends in LF alone"));
                line
            });
            if at == 0 {
                status = duties::status_line(line, &mut self.violations);
            } else {
                fields.push(duties::field_line(line, &mut self.violations));
            }
        }
        let blank = if self.rest()[end + 1] == b'\n' { 1 } else { 2 };
        if blank == 1 {
            self.fail(Duty::R09, "a head that ends in LF alone");
        }
        let Some((minor, status, reason)) = status else {
            self.phase = Phase::Broken;
            return None;
        };
        self.at += end + 1 + blank;
        self.enter_content(Head { minor, status, reason, fields })
    }

    /// Decides how the answer goes on: RFC 9112 section 6.3.
    fn enter_content(&mut self, head: Head) -> Option<bool> {
        let asked = self.asked.front().cloned();
        duties::check_head(asked.as_ref(), &head, &mut self.violations);
        if (100..200).contains(&head.status) && head.status != 101 {
            self.interim.push(head);
            return Some(true);
        }
        if self.asked.pop_front().is_none() && head.status != 408 {
            self.fail(Duty::R08, format!("a {} that nobody asked for", head.status));
        }
        let asked = asked.unwrap_or_else(|| Asked::new("GET"));
        let tunnel = head.status == 101 || asked.tunnels(head.status);
        let length = head.value("content-length").and_then(duties::content_length);
        let (framing, phase) = if tunnel {
            (Framing::Bodiless, Phase::Tunnel)
        } else if asked.method == "HEAD" || matches!(head.status, 204 | 304) {
            (Framing::Bodiless, Phase::Length(0))
        } else if head.lists("transfer-encoding", "chunked") {
            (Framing::Chunked, Phase::ChunkLine)
        } else if let Some(length) = length {
            (Framing::Length, Phase::Length(length))
        } else {
            (Framing::Close, Phase::Close)
        };
        let interim = std::mem::take(&mut self.interim);
        self.current = Some(Response { interim, head, content: Vec::new(), trailers: Vec::new(), framing });
        self.phase = phase;
        Some(!tunnel)
    }

    /// Takes up to `left` bytes of content; gives what is left then.
    fn data(&mut self, left: u64) -> Option<u64> {
        let rest = &self.buffer[self.at..];
        let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        if count == 0 {
            return None;
        }
        if let Some(response) = &mut self.current {
            response.content.extend_from_slice(&rest[..count]);
        }
        self.at += count;
        Some(left - count as u64)
    }

    fn chunk_line(&mut self) -> Option<bool> {
        let line = self.line()?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits]).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let extension = line[digits..].strip_suffix(b"\r\n");
        let clean = |extension: &[u8]| !extension.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        match (size, extension) {
            (Some(size), Some(extension))
                if clean(extension) && (extension.is_empty() || extension.starts_with(b";")) =>
            {
                Some(self.enter(if size == 0 { Phase::Trailers } else { Phase::ChunkData(size) }))
            }
            _ => self.broken(Duty::ChunkLines, format!("chunk line {}", line.escape_ascii())),
        }
    }

    fn chunk_end(&mut self) -> Option<bool> {
        let end = self.rest().get(..2)?;
        if end != b"\r\n" {
            let what = format!("{} after a chunk's data", end.escape_ascii());
            return self.broken(Duty::ChunkLines, what);
        }
        self.at += 2;
        Some(self.enter(Phase::ChunkLine))
    }

    fn trailers(&mut self) -> Option<bool> {
        let line = self.line()?;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return self.broken(Duty::ChunkLines, format!("trailer line {}", line.escape_ascii()));
        };
        let Some(response) = &mut self.current else { return None };
        if line.is_empty() {
            duties::check_trailers(&response.trailers, &mut self.violations);
            return Some(false);
        }
        response.trailers.push(duties::field_line(line, &mut self.violations));
        Some(true)
    }

    /// Takes a line with its end.
    fn line(&mut self) -> Option<Vec<u8>> {
        let length = self.rest().iter().position(|byte| *byte == b'\n')? + 1;
        let line = self.rest()[..length].to_vec();
        self.at += length;
        Some(line)
    }

    fn complete(&mut self) -> Option<Response> {
        if self.phase != Phase::Tunnel {
            self.phase = Phase::Head;
        }
        let response = self.current.take();
        if let Some(response) = &response {
            self.last = Some((response.head.clone(), response.framing));
        }
        response
    }

    fn enter(&mut self, phase: Phase) -> bool {
        self.phase = phase;
        true
    }

    fn broken(&mut self, duty: Duty, what: String) -> Option<bool> {
        self.fail(duty, what);
        self.phase = Phase::Broken;
        None
    }

    fn fail(&mut self, duty: Duty, what: impl Into<String>) {
        self.violations.push(Violation::new(duty, what));
    }
}

#[cfg(test)]
mod tests;

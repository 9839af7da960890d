//! An answer, read from a buffer into which it comes.

use core::fmt;

use crate::{
    http1::{
        answer::{AnswerBody, AnswerError, AnswerFraming, AnswerHead, AnswerPiece, Outline},
        fields::{self, Field},
        limits::Limits,
        reject::Reject,
    },
    shift::shift,
};

/// Reads an answer's head. Interim answers before it are passed over.
///
/// Whoever drives it reads into [`space`](Self::space), says how much came ([`received`](Self::received)) until that says that the
/// head is there, and takes it ([`into_parts`](Self::into_parts)).
pub struct AnswerReader<'b> {
    buffer: &'b mut [u8],
    table: &'b mut [Field],
    limits: &'b Limits,
    /// The request was `HEAD`.
    to_head: bool,
    /// Where the head begins: behind the interim ones.
    start: usize,
    filled: usize,
    /// How far the head was looked through for its end.
    scanned: usize,
    interims: u16,
    has_begun: bool,
    head: Option<Outline>,
}

impl<'b> AnswerReader<'b> {
    /// Reads into `buffer`, which holds the answer's head and behind it a part of its body; `table` has an entry for each field that is
    /// let in. Of the limits, [`head_bytes`](Limits::head_bytes), [`header_fields`](Limits::header_fields), those of chunks and
    /// trailers, and [`body_bytes`](Limits::body_bytes) count; what is over one is an error.
    pub const fn new(buffer: &'b mut [u8], table: &'b mut [Field], limits: &'b Limits) -> Self {
        Self {
            buffer,
            table,
            limits,
            to_head: false,
            start: 0,
            filled: 0,
            scanned: 0,
            interims: 0,
            has_begun: false,
            head: None,
        }
    }

    /// Says that the request's method is `HEAD`: its answer has no body, whatever its fields say.
    #[must_use]
    pub const fn to_head(mut self, to_head: bool) -> Self {
        self.to_head = to_head;
        self
    }

    /// The room for the next bytes. It is empty when what is there has to be read first.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 && self.head.is_none() {
            shift(self.buffer, self.start, self.filled, 0);
            self.filled -= self.start;
            (self.start, self.scanned) = (0, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Says that `count` bytes came into [`space`](Self::space). True when the final answer's head is there.
    ///
    /// # Errors
    ///
    /// What came is no answer, is over a limit, changes to a protocol that nobody asked for, or has more than
    /// [`MAX_INTERIMS`](Self::MAX_INTERIMS) interim answers before the final one.
    #[inline]
    pub fn received(&mut self, count: usize) -> Result<bool, AnswerError> {
        if self.head.is_some() {
            self.filled = self.buffer.len().min(self.filled.saturating_add(count));
            return Ok(true);
        }
        self.filled = self.buffer.len().min(self.filled.saturating_add(count));
        self.has_begun |= self.filled > 0;
        let is_full = self.filled == self.buffer.len();
        // A head that comes in one piece is tried at once; of one that dribbles in, only the end is looked for.
        let bytes = self.buffer.get(self.start..self.filled).unwrap_or_default();
        let is_worth_it = self.scanned == 0 || fields::has_empty_line(bytes, &mut self.scanned);
        if !is_worth_it && !is_full && bytes.len() < self.limits.head_bytes as usize {
            return Ok(false);
        }
        self.parse()
    }

    /// Whether a byte of an answer came: from then on the request must not be sent once more.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the final answer's head is there.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.head.is_some()
    }

    /// The head, and what reads the body behind it; `None` while the head isn't there.
    #[inline]
    #[must_use]
    pub fn into_parts(self) -> Option<(AnswerHead<'b>, AnswerContent<'b>)> {
        let outline = self.head?;
        let end = self.start + outline.length;
        let (head, rest) = self.buffer.split_at_mut_checked(end)?;
        let head: &'b [u8] = head;
        let head = AnswerHead::again(outline, head.get(self.start..)?, self.table);
        let content = AnswerContent {
            buffer: rest,
            limits: self.limits,
            body: AnswerBody::new(outline.framing),
            offset: end,
            kept: 0,
            data: (0, 0),
            at: 0,
            filled: self.filled - end,
            left: self.limits.body_bytes,
            is_over: false,
            keep_alive: head.keep_alive(),
        };
        Some((head, content))
    }

    /// Says that the connection ended before the head was there.
    ///
    /// # Errors
    ///
    /// What is there can't become a head any more; otherwise the connection was just closed.
    #[cold]
    pub fn ended(&mut self) -> Result<(), AnswerError> {
        if self.head.is_none() && self.filled > self.start {
            self.parse()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn parse(&mut self) -> Result<bool, AnswerError> {
        loop {
            let bytes = self.buffer.get(self.start..self.filled).unwrap_or_default();
            let Some(head) = AnswerHead::parse(bytes, self.table, self.to_head, self.limits)? else {
                // A status line that goes wrong is seen at once; of the fields, only the end is looked for from here on.
                self.scanned = memchr::memchr(b'\n', bytes).unwrap_or(0);
                let is_full = self.start == 0 && self.filled == self.buffer.len();
                return if is_full { Err(AnswerError::HeadTooLarge) } else { Ok(false) };
            };
            let outline = head.outline();
            let Outline { status, framing, length, .. } = outline;
            if status.code() == 101 {
                return Err(AnswerError::Upgrade);
            }
            if status.is_interim() {
                if self.interims >= Self::MAX_INTERIMS {
                    return Err(AnswerError::Interims);
                }
                self.interims += 1;
                self.start += length;
                self.scanned = 0;
                continue;
            }
            if matches!(framing, AnswerFraming::Length(bytes) if bytes > self.limits.body_bytes) {
                return Err(Reject::BodyTooLarge.into());
            }
            // The body is read through what the head leaves of the buffer.
            if self.buffer.len() - self.start - length < LEAST_ROOM && framing != AnswerFraming::Nothing {
                return Err(AnswerError::HeadTooLarge);
            }
            self.head = Some(outline);
            return Ok(true);
        }
    }
}

impl AnswerReader<'_> {
    /// The most interim answers before a final one.
    pub const MAX_INTERIMS: u16 = 32;
}

impl fmt::Debug for AnswerReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerReader")
            .field("received", &self.filled)
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

/// Reads an answer's body, piece by piece where it came in, or gathers it in front of what is still to be read.
///
/// ```text
///   | kept | ... | data | not looked at | space |
/// ```
pub struct AnswerContent<'b> {
    buffer: &'b mut [u8],
    limits: &'b Limits,
    body: AnswerBody,
    /// Where `buffer` begins in the one that the answer was read into.
    offset: usize,
    kept: usize,
    /// The last piece of data: its start and end.
    data: (usize, usize),
    /// What lies before this was looked at.
    at: usize,
    filled: usize,
    /// How many bytes of the body are allowed.
    left: u64,
    is_over: bool,
    keep_alive: bool,
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There are bytes of it: [`AnswerContent::data`].
    Data,
    /// More has to be received.
    More,
    /// It is over.
    End,
}

impl<'b> AnswerContent<'b> {
    /// Looks at what comes next.
    ///
    /// # Errors
    ///
    /// The body is malformed or over a limit.
    #[inline]
    pub fn step(&mut self) -> Result<Content, AnswerError> {
        if self.is_over {
            return Ok(Content::End);
        }
        match self.body.step(self.buffer.get(self.at..self.filled).unwrap_or_default(), self.limits)? {
            AnswerPiece::Data { start, len } => {
                self.left = self.left.checked_sub(len as u64).ok_or(Reject::BodyTooLarge)?;
                let start = self.at + start;
                self.at = start + len;
                self.data = (start, self.at);
                Ok(Content::Data)
            }
            AnswerPiece::More { consumed } => {
                self.at += consumed;
                self.data = (self.at, self.at);
                Ok(Content::More)
            }
            AnswerPiece::End { consumed } => {
                self.at += consumed;
                self.data = (self.at, self.at);
                self.is_over = true;
                Ok(Content::End)
            }
        }
    }

    /// The bytes that [`Content::Data`] told of.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.buffer.get(self.data.0..self.data.1).unwrap_or_default()
    }

    /// Keeps at most `most` bytes of [`data`](Self::data) behind those that were kept before, and gives how many.
    #[inline]
    pub fn keep(&mut self, most: usize) -> usize {
        let (start, end) = self.data;
        let count = (end - start).min(most);
        // It moves forwards, if at all, and never into what wasn't looked at yet.
        if start != self.kept {
            shift(self.buffer, start, start + count, self.kept);
        }
        self.kept += count;
        self.data = (self.at, self.at);
        count
    }

    /// What was kept.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        self.buffer.get(..self.kept).unwrap_or_default()
    }

    /// What was kept, for as long as the buffer lives.
    #[must_use]
    pub fn into_kept(self) -> &'b [u8] {
        let buffer: &'b [u8] = self.buffer;
        buffer.get(..self.kept).unwrap_or_default()
    }

    /// Where what was kept begins in the buffer that the answer was read into.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The room for the next bytes, after [`Content::More`].
    ///
    /// # Errors
    ///
    /// There is none: what was kept fills the buffer, or a trailer section does.
    pub fn space(&mut self) -> Result<&mut [u8], AnswerError> {
        if self.at == self.filled {
            (self.at, self.filled) = (self.kept, self.kept);
        } else if self.at > self.kept {
            shift(self.buffer, self.at, self.filled, self.kept);
            self.filled -= self.at - self.kept;
            self.at = self.kept;
        }
        self.data = (self.at, self.at);
        match self.buffer.get_mut(self.filled..) {
            Some(space) if !space.is_empty() => Ok(space),
            _ if self.kept > 0 => Err(Reject::BodyTooLarge.into()),
            _ => Err(Reject::TrailersTooLarge.into()),
        }
    }

    /// Says that `count` bytes came into [`space`](Self::space).
    pub fn received(&mut self, count: usize) {
        self.filled = self.buffer.len().min(self.filled.saturating_add(count));
    }

    /// Says that the connection ended.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Truncated`], unless the body ends there.
    pub fn ended(&mut self) -> Result<(), AnswerError> {
        self.keep_alive = false;
        self.body.end_of_stream()?;
        self.is_over = true;
        Ok(())
    }

    /// Whether the connection can take the next request: the body was read to its end, the server keeps the connection, and nothing came
    /// behind the answer that nobody asked for. (Whether the request went out whole, its writer knows.)
    #[must_use]
    pub const fn can_reuse(&self) -> bool {
        self.is_over && self.keep_alive && self.at == self.filled
    }
}

impl fmt::Debug for AnswerContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerContent")
            .field("kept", &self.kept)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

/// Bytes that a head must leave of the buffer for the body.
const LEAST_ROOM: usize = 64;

//! Finds the boundaries in a body that is seen through a window.

use memchr::{memchr, memmem};

use crate::{
    exchange::Body,
    http1::{
        fields::{self, Field},
        reject::Reject,
    },
    shift::shift,
};

use super::{MAX_BOUNDARY, MultipartError};

/// How far a body was read.
///
/// `window[start..end]` was read and not yet taken. The window is the memory behind the head of the part that is being read.
pub(super) struct Scanner {
    /// CR LF, two hyphens and the boundary.
    delimiter: [u8; MAX_BOUNDARY + 4],
    length: usize,
    start: usize,
    end: usize,
    /// Up to where `window[start..]` was found to be content, so that it isn't searched again where it is taken bit by bit.
    content: usize,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing was read.
    Begin,
    /// What comes is content, or what stands before the first part.
    Content,
    /// A delimiter was passed, but not what is behind it.
    Delimiter,
    /// And behind it, padding: a line end has to follow.
    Padding,
    /// The last delimiter was passed. What follows is nobody's.
    End,
    Failed(MultipartError),
}

impl Scanner {
    /// A scanner for this boundary; `None` where it can't be one (RFC 2046, section 5.1.1).
    pub(super) fn new(boundary: &[u8]) -> Option<Self> {
        let is_bchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
        if boundary.is_empty() || boundary.ends_with(b" ") || !boundary.iter().all(is_bchar) {
            return None;
        }
        let mut delimiter = [0; MAX_BOUNDARY + 4];
        let length = boundary.len() + 4;
        let (front, rest) = delimiter.split_first_chunk_mut()?;
        *front = *b"\r\n--";
        rest.get_mut(..boundary.len())?.copy_from_slice(boundary);
        Some(Self { delimiter, length, start: 0, end: 0, content: 0, stage: Stage::Begin })
    }

    fn delimiter(&self) -> &[u8] {
        self.delimiter.get(..self.length).unwrap_or_default()
    }

    /// Remembers what is wrong.
    #[cold]
    pub(super) fn fail(&mut self, error: MultipartError) -> MultipartError {
        self.stage = Stage::Failed(error);
        error
    }

    /// Where the next piece of the content stands in `window`, `max` bytes at most; `None` at its end.
    pub(super) async fn chunk(
        &mut self,
        body: &mut Body<'_>,
        window: &mut [u8],
        max: usize,
    ) -> Result<Option<(usize, usize)>, MultipartError> {
        loop {
            match self.stage {
                Stage::Begin => {
                    // The first delimiter may stand at the very beginning, without a line end before it.
                    if let Some(place) = window.first_chunk_mut() {
                        *place = *b"\r\n";
                        self.end = 2;
                    }
                    self.stage = Stage::Content;
                }
                Stage::Content => {}
                Stage::Delimiter | Stage::Padding | Stage::End => return Ok(None),
                Stage::Failed(error) => return Err(error),
            }
            if self.start < self.content {
                let start = self.start;
                self.start = start.saturating_add(max).min(self.content);
                return Ok(Some((start, self.start)));
            }
            let seen = window.get(self.start..self.end).unwrap_or_default();
            let length = match memmem::find(seen, self.delimiter()) {
                Some(0) => {
                    self.start += self.length;
                    self.stage = Stage::Delimiter;
                    return Ok(None);
                }
                Some(at) => at,
                None => seen.len() - self.possible_delimiter(seen),
            };
            if length > 0 {
                self.content = self.start + length;
                continue;
            }
            self.fill(body, window).await?;
        }
    }

    /// Number of bytes at the end of `seen` that may be the beginning of a delimiter.
    fn possible_delimiter(&self, seen: &[u8]) -> usize {
        let mut rest = seen.get(seen.len().saturating_sub(self.length - 1)..).unwrap_or_default();
        while let Some(at) = memchr(b'\r', rest) {
            rest = rest.get(at..).unwrap_or_default();
            if self.delimiter().starts_with(rest) {
                return rest.len();
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        0
    }

    /// Passes what is behind a delimiter: whether a part follows.
    pub(super) async fn has_part(&mut self, body: &mut Body<'_>, window: &mut [u8]) -> Result<bool, MultipartError> {
        loop {
            let is_padded = match self.stage {
                Stage::Delimiter => false,
                Stage::Padding => true,
                Stage::Failed(error) => return Err(error),
                _ => return Ok(false),
            };
            match window.get(self.start..self.end).unwrap_or_default() {
                [b'-', b'-', ..] if !is_padded => {
                    self.stage = Stage::End;
                    return Ok(false);
                }
                [b'\r', b'\n', ..] => {
                    self.start += 2;
                    return Ok(true);
                }
                // Padding that a gateway may have added (RFC 2046, section 5.1.1).
                [b' ' | b'\t', ..] => {
                    self.start += 1;
                    self.stage = Stage::Padding;
                }
                [] | [b'\r'] => self.fill(body, window).await?,
                [b'-'] if !is_padded => self.fill(body, window).await?,
                _ => return Err(self.fail(MultipartError::Delimiter)),
            }
        }
    }

    /// Moves what was read behind the head of one part to the front of all memory, where the next head belongs.
    pub(super) fn begin_head(&mut self, memory: &mut [u8], head: usize) {
        shift(memory, head + self.start, head + self.end, 0);
        (self.start, self.end, self.content) = (0, self.end - self.start, 0);
    }

    /// Reads a part's head to the front of `memory`: its length, and the number of its fields. Then the window is what is behind it.
    pub(super) async fn head(
        &mut self,
        body: &mut Body<'_>,
        memory: &mut [u8],
        table: &mut [Field],
    ) -> Result<(usize, usize), MultipartError> {
        // Whatever the head leaves has to hold a delimiter, and more.
        let cap = memory.len().saturating_sub(self.length + MIN_WINDOW);
        let mut scanned = 0;
        loop {
            let seen = memory.get(..self.end.min(cap)).unwrap_or_default();
            if seen.starts_with(b"\r\n") {
                // No field at all, and so no name.
                return Err(self.fail(MultipartError::Disposition));
            }
            if fields::has_empty_line(seen, &mut scanned) {
                return match fields::read::<8>(seen, 0, table, |_, _, _| {}) {
                    Ok(Some(section)) => {
                        self.end -= section.end;
                        self.stage = Stage::Content;
                        Ok((section.end, section.count))
                    }
                    Err(Reject::TooManyFields) => Err(self.fail(MultipartError::HeadTooLarge)),
                    _ => Err(self.fail(MultipartError::Head)),
                };
            }
            if self.end >= cap {
                return Err(self.fail(MultipartError::HeadTooLarge));
            }
            self.fill(body, memory).await?;
        }
    }

    /// Reads more of the body into the window.
    async fn fill(&mut self, body: &mut Body<'_>, window: &mut [u8]) -> Result<(), MultipartError> {
        if self.end == window.len() {
            shift(window, self.start, self.end, 0);
            (self.start, self.end, self.content) = (0, self.end - self.start, 0);
        }
        let room = window.get_mut(self.end..).unwrap_or_default();
        if room.is_empty() {
            return Err(self.fail(MultipartError::HeadTooLarge));
        }
        match body.read(room).await {
            Ok(0) => Err(self.fail(MultipartError::Truncated)),
            Ok(count) => {
                self.end += count;
                Ok(())
            }
            Err(error) => Err(self.fail(error.into())),
        }
    }
}

/// Bytes of content that are seen at once, at least.
const MIN_WINDOW: usize = 16;

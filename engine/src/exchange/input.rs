//! The request's side of an exchange: the bytes behind the head, and what they decode to.

use core::mem;

use crate::{
    http1::{
        decode::{Decoder, Piece},
        fields::{Field, Fields},
        limits::Limits,
        reject::Reject,
        trailers,
    },
    shift::shift,
};

/// How far the input of a connection was received, read and decoded. It lasts from request to request.
///
/// `buffer[start..end]` was received and not yet decoded. What [`Input::gather`] puts together stands before it, in
/// `buffer[..gathered]`.
#[derive(Debug)]
pub(crate) struct InputState {
    pub(crate) start: usize,
    pub(crate) end: usize,
    gathered: usize,
    /// Bytes that were handed out for good from the front of the buffer: it begins that much later than it did.
    taken: usize,
    pub(crate) decoder: Decoder,
    /// The client, or the host, has nothing more to send.
    pub(crate) ended: bool,
    /// Whether the client waits for a 100 (Continue).
    pub(crate) expects: bool,
    /// Whether a byte of the body was ever there: a client that sends needs no 100 (Continue).
    arrived: bool,
    /// How far a head or a trailer section was looked through for its end.
    pub(crate) scanned: usize,
    /// Where the trailer section stands in the buffer, and its number of fields.
    trailers: Option<(usize, usize)>,
}

impl InputState {
    /// Nothing was received.
    pub(crate) const NEW: Self = Self {
        start: 0,
        end: 0,
        gathered: 0,
        taken: 0,
        decoder: Decoder::Length(0),
        ended: false,
        expects: false,
        arrived: false,
        scanned: 0,
        trailers: None,
    };

    /// Forgets what was received. What one request's body needs is set when it is turned to.
    #[inline]
    pub(crate) fn reset(&mut self) {
        (self.start, self.end, self.scanned) = (0, 0, 0);
        self.decoder = Decoder::Length(0);
        (self.trailers, self.expects) = (None, false);
        self.ended = false;
    }

    /// Turns to the body of a request whose head is behind it: from now on, offsets count from the head's end, and
    /// [`InputState::leave`] ends that.
    #[inline]
    pub(crate) fn enter(&mut self, length: usize, decoder: Decoder, expects: bool) -> usize {
        let base = self.start + length;
        (self.start, self.end) = (0, self.end.saturating_sub(base));
        (self.decoder, self.expects) = (decoder, expects);
        self.arrived = self.end > 0;
        (self.gathered, self.taken, self.scanned) = (0, 0, 0);
        base
    }

    /// Counts offsets from the whole buffer's beginning again.
    #[inline]
    pub(crate) fn leave(&mut self, base: usize) {
        self.start += base + self.taken;
        self.end += base + self.taken;
        (self.trailers, self.expects) = (None, false);
    }
}

/// The input buffer behind a request's head, while the request is served.
pub(crate) struct Input<'b> {
    pub(crate) state: &'b mut InputState,
    pub(crate) buffer: &'b mut [u8],
    /// The field table behind the head's fields.
    pub(crate) table: &'b mut [Field],
}

/// What there is of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// These bytes of the buffer are its next bytes, and are taken as read.
    Data { start: usize, end: usize },
    /// Nothing without more input.
    Need,
    /// It is over.
    End,
}

impl<'b> Input<'b> {
    /// Room for more input. Empty only where what is there must be read first.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.state.end == self.buffer.len() || self.state.start == self.state.end {
            shift(self.buffer, self.state.start, self.state.end, self.state.gathered);
            self.state.end = self.state.gathered + (self.state.end - self.state.start);
            self.state.start = self.state.gathered;
        }
        self.buffer.get_mut(self.state.end..).unwrap_or_default()
    }

    /// `count` bytes were put into [`Input::space`].
    pub(crate) fn filled(&mut self, count: usize) {
        self.state.end = (self.state.end + count).min(self.buffer.len());
        self.state.arrived |= count > 0;
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self) {
        self.state.ended = true;
    }

    /// The rest of the body is refused.
    pub(crate) fn fail(&mut self, reject: Reject) {
        let _ = self.state.decoder.fail(reject);
    }

    /// Reads on with the bytes of the changed protocol.
    pub(crate) fn upgrade(&mut self) {
        self.state.decoder = Decoder::UntilEnd;
        self.state.trailers = None;
    }

    /// The next bytes of the body, `max` at most.
    #[inline]
    pub(crate) fn next(&mut self, max: usize, limits: &Limits) -> Result<Next, Reject> {
        loop {
            let bytes = self.buffer.get(self.state.start..self.state.end).unwrap_or_default();
            match self.state.decoder.next(bytes, max, limits)? {
                Piece::Data { skip, len } => {
                    let start = self.state.start + skip;
                    self.state.start = start + len;
                    return Ok(Next::Data { start, end: self.state.start });
                }
                Piece::Need { skip } => {
                    self.state.start += skip;
                    return self.need();
                }
                Piece::Trailers { skip } => {
                    self.state.start += skip;
                    if !self.read_trailers(limits)? {
                        return self.need();
                    }
                }
                Piece::End => return Ok(Next::End),
            }
        }
    }

    /// Bytes that [`Input::next`] gave.
    pub(crate) fn bytes(&self, start: usize, end: usize) -> &[u8] {
        self.buffer.get(start..end).unwrap_or_default()
    }

    /// Puts the whole body together at the buffer's front: `None` where more input is needed. Then [`Input::take_gathered`].
    /// `reserve` bytes of the buffer stay free behind it.
    pub(crate) fn gather(&mut self, limit: usize, reserve: usize, limits: &Limits) -> Result<Option<()>, Reject> {
        let room = limit.min(self.buffer.len().saturating_sub(reserve));
        loop {
            if let Decoder::Length(left) = self.state.decoder
                && left > room.saturating_sub(self.state.gathered) as u64
            {
                self.fail(Reject::BodyTooLarge);
            }
            match self.next(usize::MAX, limits)? {
                Next::Data { start, end } => {
                    if end - start > room.saturating_sub(self.state.gathered) {
                        self.fail(Reject::BodyTooLarge);
                        continue;
                    }
                    if start != self.state.gathered {
                        shift(self.buffer, start, end, self.state.gathered);
                    }
                    self.state.gathered += end - start;
                }
                Next::Need if self.state.end == self.buffer.len() && self.state.start == self.state.gathered => {
                    self.fail(Reject::BodyTooLarge);
                }
                Next::Need => return Ok(None),
                Next::End => return Ok(Some(())),
            }
        }
    }

    /// What was gathered, for as long as the request lives.
    pub(crate) fn take_gathered(&mut self) -> &'b mut [u8] {
        let gathered = mem::take(&mut self.state.gathered);
        if let Some((at, _)) = &mut self.state.trailers {
            *at = at.saturating_sub(gathered);
        }
        self.split_off(gathered)
    }

    /// The trailer fields: `None` before the body was read to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<Fields<'b>> {
        if !self.state.decoder.is_over() {
            return None;
        }
        let Some((at, count)) = self.state.trailers else { return Some(Fields::NONE) };
        self.state.trailers = None;
        let front: &'b [u8] = self.split_off(self.state.start);
        let table: &'b mut [Field] = mem::take(&mut self.table);
        let table: &'b [Field] = table;
        Some(Fields::new(front.get(at..).unwrap_or_default(), table.get(..count).unwrap_or_default()))
    }

    /// Whether the body was read to its end.
    #[inline]
    pub(crate) const fn is_over(&self) -> bool {
        self.state.decoder.is_over()
    }

    /// Whether a byte of the body was there yet.
    pub(crate) const fn arrived(&self) -> bool {
        self.state.arrived
    }

    /// Whether no more than `limit` bytes of the body are still to come, as far as that can be told.
    #[inline]
    pub(crate) const fn is_drainable(&self, limit: u32) -> bool {
        match self.state.decoder {
            Decoder::Length(left) => left <= limit as u64,
            Decoder::Chunked(_) | Decoder::Trailers => true,
            Decoder::UntilEnd | Decoder::Failed(_) => false,
        }
    }

    /// Takes the first `length` bytes off the buffer.
    fn split_off(&mut self, length: usize) -> &'b mut [u8] {
        let buffer = mem::take(&mut self.buffer);
        let length = length.min(buffer.len());
        let (front, rest) = buffer.split_at_mut(length);
        self.buffer = rest;
        self.state.taken += length;
        self.state.start = self.state.start.saturating_sub(length);
        self.state.end = self.state.end.saturating_sub(length);
        front
    }

    #[cold]
    fn need(&mut self) -> Result<Next, Reject> {
        match self.state.decoder {
            _ if !self.state.ended => Ok(Next::Need),
            Decoder::UntilEnd => {
                self.state.decoder = Decoder::Length(0);
                Ok(Next::End)
            }
            _ => self.state.decoder.fail(Reject::Truncated).map(|_| Next::End),
        }
    }

    /// Reads the trailer section: `false` where it isn't there whole.
    #[cold]
    fn read_trailers(&mut self, limits: &Limits) -> Result<bool, Reject> {
        let at = self.state.start;
        let bytes = self.buffer.get(at..self.state.end).unwrap_or_default();
        let full = bytes.len() == self.buffer.len() - self.state.gathered;
        match trailers::read(bytes, &mut self.state.scanned, self.table, limits, trailers::is_allowed) {
            Ok(Some(section)) => {
                self.state.start += section.end;
                if section.count > 0 {
                    self.state.trailers = Some((at, section.count));
                }
                self.state.decoder = Decoder::Length(0);
                Ok(true)
            }
            Ok(None) if full => self.refuse_trailers(Reject::TrailersTooLarge),
            Ok(None) => Ok(false),
            Err(reject) => self.refuse_trailers(reject),
        }
    }

    fn refuse_trailers(&mut self, reject: Reject) -> Result<bool, Reject> {
        self.state.decoder.fail(reject).map(|_| false)
    }
}

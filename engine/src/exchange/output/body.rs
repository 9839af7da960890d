//! The body of an answer, delimited as its head said, and its trailers.

use super::{
    Delimiter, Given, Output, OutputState, Stage,
    lines::{Name, check_name, is_value},
    wire::{CHUNK_HEAD, CHUNK_RESERVE, MAX_CHUNK},
};
use crate::exchange::failure::ResponseError;

impl Output<'_> {
    /// Ends the head and the whole answer with `body` where the host frames by itself, if there is nothing unusual about it and there is room:
    /// what [`Output::end_head`], [`Output::write`] and [`Output::finish`] would do.
    #[inline]
    pub(crate) fn plain_answer(&mut self, body: &[u8]) -> bool {
        let OutputState { wire: None, stage: Stage::Head, fault: None, fields: Given { length: None, .. }, .. } =
            self.state
        else {
            return false;
        };
        if self.state.form.head_request || !self.state.status.has_body() {
            return false;
        }
        let start = self.state.end;
        let Some(place) = self.buffer.get_mut(start..start + body.len()) else { return false };
        place.copy_from_slice(body);
        (self.state.floor, self.state.sent, self.state.end) = (start, start, start + body.len());
        self.state.committed = self.state.end;
        self.state.length = Some(body.len() as u64);
        self.state.stage = Stage::Done;
        true
    }

    /// Takes in as much of `bytes` as there is room for, and says how much that was.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, ResponseError> {
        let written = match self.state.stage {
            Stage::Body(Delimiter::Nothing(None)) => bytes.len(),
            Stage::Body(Delimiter::Nothing(Some(left))) => {
                let left = left.checked_sub(bytes.len() as u64).ok_or(ResponseError::Length)?;
                self.state.stage = Stage::Body(Delimiter::Nothing(Some(left)));
                bytes.len()
            }
            Stage::Body(Delimiter::Length(left)) => {
                if bytes.len() as u64 > left {
                    return Err(ResponseError::Length);
                }
                let written = self.put_some(bytes, 0);
                self.state.stage = Stage::Body(Delimiter::Length(left - written as u64));
                self.state.committed = self.state.end;
                written
            }
            Stage::Body(Delimiter::Chunked(open)) => self.write_chunk(open, bytes),
            Stage::Body(Delimiter::End) | Stage::Raw => {
                let written = self.put_some(bytes, 0);
                self.streamed(written);
                self.state.committed = self.state.end;
                written
            }
            Stage::Fresh | Stage::Prepared | Stage::Head | Stage::Done => return Err(ResponseError::Twice),
        };
        Ok(written)
    }

    /// Where the next bytes of the body may be put, for [`Output::filled`] to take in: none while there is no room.
    pub(crate) fn space(&mut self) -> Result<&mut [u8], ResponseError> {
        let free = self.buffer.len().saturating_sub(self.state.end);
        let room = match self.state.stage {
            Stage::Body(Delimiter::Length(0) | Delimiter::Nothing(Some(0))) => return Err(ResponseError::Length),
            Stage::Body(Delimiter::Length(left) | Delimiter::Nothing(Some(left))) => {
                free.min(usize::try_from(left).unwrap_or(usize::MAX))
            }
            Stage::Body(Delimiter::Nothing(None) | Delimiter::End) => free,
            Stage::Body(Delimiter::Chunked(open)) => {
                let room = self.room_in_chunk(open);
                if room == 0 {
                    self.flush();
                }
                room
            }
            Stage::Raw | Stage::Fresh | Stage::Prepared | Stage::Head | Stage::Done => {
                return Err(ResponseError::Twice);
            }
        };
        let start = match self.state.stage {
            Stage::Body(Delimiter::Chunked(None)) if room > 0 => self.state.end + CHUNK_HEAD,
            _ => self.state.end,
        };
        Ok(self.buffer.get_mut(start..start + room).unwrap_or_default())
    }

    /// Takes in the first `count` bytes of [`Output::space`].
    pub(crate) fn filled(&mut self, count: usize) {
        let moved = count as u64;
        match &mut self.state.stage {
            // They stand where the next ones will be put.
            Stage::Body(Delimiter::Nothing(left)) => *left = left.map(|left| left.saturating_sub(moved)),
            Stage::Body(Delimiter::Chunked(open)) => {
                if open.is_none() && count > 0 {
                    *open = Some(self.state.end);
                    self.put(b"0000\r\n");
                }
                self.state.end += count;
            }
            Stage::Body(Delimiter::Length(left)) => {
                *left = left.saturating_sub(moved);
                self.state.end += count;
                self.state.committed = self.state.end;
            }
            _ => {
                self.state.end += count;
                self.state.committed = self.state.end;
            }
        }
    }

    /// Whether the bytes go to a connection as they are.
    pub(crate) const fn is_on_the_wire(&self) -> bool {
        self.state.wire.is_some()
    }

    /// So many bytes of a body of declared length were sent, and were never in the buffer.
    pub(crate) fn passed(&mut self, count: u64) {
        if let Stage::Body(Delimiter::Length(left)) = &mut self.state.stage {
            *left = left.saturating_sub(count);
        }
    }

    /// Bytes that the open chunk, or a new one, has room for.
    fn room_in_chunk(&self, open: Option<usize>) -> usize {
        let free = self.buffer.len().saturating_sub(self.state.end);
        match open {
            Some(start) => {
                let chunk = self.state.end.saturating_sub(start + CHUNK_HEAD);
                free.saturating_sub(CHUNK_RESERVE).min(MAX_CHUNK.saturating_sub(chunk))
            }
            None => free.saturating_sub(CHUNK_HEAD + CHUNK_RESERVE).min(MAX_CHUNK),
        }
    }

    /// Takes in as much of the body's last bytes as there is room for, and off `rest`, and ends the body with the last of them. `false` where
    /// that has to wait for room.
    #[inline(never)]
    pub(crate) fn end_with(&mut self, rest: &mut &[u8]) -> Result<bool, ResponseError> {
        let written = self.write(rest)?;
        *rest = rest.get(written..).unwrap_or_default();
        if rest.is_empty() { self.finish() } else { Ok(false) }
    }

    /// Lets everything that was written go out.
    pub(crate) fn flush(&mut self) {
        if let Some(wire) = self.state.wire {
            (wire.close_chunk)(self);
        }
    }

    /// Ends the body. `false` where the end has to wait for room.
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<bool, ResponseError> {
        match self.state.stage {
            Stage::Body(Delimiter::Length(0) | Delimiter::End | Delimiter::Nothing(None | Some(0))) => {}
            // Nothing at all was written: the length alone is told.
            Stage::Body(Delimiter::Nothing(left)) if left == self.state.length => {}
            Stage::Body(Delimiter::Length(_) | Delimiter::Nothing(_)) => return Err(ResponseError::Length),
            Stage::Body(Delimiter::Chunked(_)) => {
                if !self.end_chunked() {
                    return Ok(false);
                }
                self.put(b"\r\n");
                self.state.committed = self.state.end;
            }
            Stage::Raw | Stage::Fresh | Stage::Prepared | Stage::Head | Stage::Done => {
                return Err(ResponseError::Twice);
            }
        }
        self.state.stage = Stage::Done;
        Ok(true)
    }

    /// Begins the trailer section: `false` where it has to wait for room.
    pub(crate) fn begin_trailers(&mut self) -> bool {
        match self.state.stage {
            Stage::Body(Delimiter::Chunked(_)) => self.end_chunked(),
            // Elsewhere there is no place for trailers: they are left out (RFC 9110, section 6.5.1).
            _ => true,
        }
    }

    /// Writes one trailer field into an open trailer section. `false` where it has to wait for room.
    pub(crate) fn trailer(&mut self, name: &[u8], value: &[u8]) -> Result<bool, ResponseError> {
        match check_name(name) {
            Name::Plain if is_value(value) => {}
            Name::Plain => return Err(ResponseError::FieldValue),
            Name::Date => return Err(ResponseError::Reserved),
            Name::Refused(error) => return Err(error),
        }
        if !matches!(self.state.stage, Stage::Body(Delimiter::Chunked(_))) {
            return Ok(true);
        }
        let length = name.len() + value.len() + 4;
        if length + 2 > self.buffer.len() {
            return Err(ResponseError::HeadTooLarge);
        }
        // The empty line that ends the section always has its room.
        if self.buffer.len() - self.state.end < length + 2 {
            self.state.committed = self.state.end;
            return Ok(false);
        }
        for part in [name, b": ", value, b"\r\n"] {
            self.put(part);
        }
        Ok(true)
    }

    /// Ends the trailer section and with it the body.
    pub(crate) fn end_trailers(&mut self) -> Result<bool, ResponseError> {
        if matches!(self.state.stage, Stage::Body(Delimiter::Chunked(_))) {
            self.put(b"\r\n");
            self.state.committed = self.state.end;
            self.state.stage = Stage::Done;
            return Ok(true);
        }
        self.finish()
    }

    #[cold]
    fn write_chunk(&mut self, open: Option<usize>, bytes: &[u8]) -> usize {
        self.state.wire.map_or(0, |wire| (wire.write_chunk)(self, open, bytes))
    }

    #[cold]
    fn end_chunked(&mut self) -> bool {
        self.state.wire.is_none_or(|wire| (wire.end_chunked)(self))
    }

    /// Ends an upgraded connection.
    pub(crate) fn finish_raw(&mut self) {
        self.state.stage = Stage::Done;
    }
}

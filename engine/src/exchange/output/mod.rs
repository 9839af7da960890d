//! The answer's side of an exchange: one buffer, written from left to right in the form that goes out.

use core::cell::Cell;

use crate::{
    http1::{date::Date, status::Status},
    shift::shift,
};

use super::{
    extras::{Extras, Flags},
    failure::ResponseError,
};

mod body;
mod lines;
mod outside;
mod wire;

pub(crate) use self::lines::{Name, check_name, is_value};
use self::{
    lines::{MAX_DIGITS, OWN_LINES, put_number},
    wire::{HTTP1, Wire},
};

/// How far the answer in an output buffer has come. It lasts from request to request.
///
/// ```text
///   0 ... sent ... committed ... end ... buffer.len()
///         |-- may go out --|-- a head or chunk being written --|
/// ```
///
/// A rejected head or an unfinished chunk lies behind `committed`, and so can't reach the wire.
#[derive(Debug)]
pub(crate) struct OutputState {
    pub(crate) sent: usize,
    pub(crate) committed: usize,
    end: usize,
    /// Where this answer begins; `None` once a byte of its final head went out.
    begun: Option<usize>,
    stage: Stage,
    /// What the head's fields were found to be, until the head is complete.
    fields: Given,
    /// What was wrong with the head, until the handler asks.
    fault: Option<ResponseError>,
    status: Status,
    /// How HTTP/1.1 writes it; `None` in a plain exchange, whose host frames by itself: only `name: value` lines and a raw body.
    wire: Option<&'static Wire>,
    form: Form,
    /// The body's length, once the head is complete.
    length: Option<u64>,
    /// Where the body begins in a plain answer, whose head stays in the buffer; 0 on the wire.
    floor: usize,
    /// Whether there is nothing about the answer so far that [`Output::answer`] would have to look at.
    usual: bool,
    /// Which of the extras hold for this request.
    pub(crate) flags: Flags,
    pub(crate) extras: Extras,
    /// How an answer is begun that fields were added to: set by what adds them, so that a program that never does has no code for it.
    begin: Option<fn(&mut Output<'_>, Option<Status>)>,
}

impl OutputState {
    /// Nothing was written.
    pub(crate) const NEW: Self = Self {
        sent: 0,
        committed: 0,
        end: 0,
        begun: None,
        stage: Stage::Done,
        fields: Given { date: false, length: None },
        fault: None,
        status: Status::OK,
        wire: None,
        form: Form { http11: true, head_request: false, room: 0 },
        length: None,
        floor: 0,
        usual: false,
        flags: Flags::NONE,
        extras: Extras::NEW,
        begin: None,
    };

    /// Nothing was written, and what will be is HTTP/1.1.
    pub(crate) const HTTP1: Self = Self { wire: Some(&HTTP1), ..Self::NEW };

    /// Forgets what was written. What one answer needs is set when it is turned to.
    #[inline]
    pub(crate) fn reset(&mut self, head_bytes: u32) {
        (self.sent, self.committed) = (0, 0);
        self.form.room = (head_bytes as usize).saturating_sub(OWN_LINES);
    }

    /// Forgets everything, as far as it can be read, for a plain exchange.
    pub(crate) fn renew(&mut self, head_bytes: u32) {
        self.reset(head_bytes);
        (self.status, self.length, self.floor) = (Status::OK, None, 0);
        self.wire = None;
    }

    /// Turns to another answer, behind what is there of the answers before it.
    #[inline]
    pub(crate) fn enter(&mut self, http11: bool, head_request: bool) {
        self.begun = Some(self.committed);
        self.end = self.committed;
        self.stage = Stage::Fresh;
        self.fields = Given { date: false, length: None };
        self.fault = None;
        (self.form.http11, self.form.head_request) = (http11, head_request);
        self.usual = self.is_usual();
        self.flags = Flags::NONE;
    }

    /// Whether an answer in this form is like nearly all answers.
    #[inline]
    const fn is_usual(&self) -> bool {
        self.wire.is_some() && self.form.http11 && !self.form.head_request && !self.flags.has(Flags::WATCHED)
    }
}

/// The output buffer, while an answer is written.
pub(crate) struct Output<'b> {
    pub(crate) state: &'b mut OutputState,
    pub(crate) buffer: &'b mut [u8],
}

/// What an answer goes out as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// Whether the client reads the chunked coding.
    pub(crate) http11: bool,
    /// Whether the request was `HEAD`.
    pub(crate) head_request: bool,
    /// Bytes that one head may have, but for the engine's own lines.
    pub(crate) room: usize,
}

/// How far the answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing of it is there but interim answers.
    Fresh,
    /// The same, but there are fields that it begins with.
    Prepared,
    /// The status line is there.
    Head,
    /// The head is complete, and the body is delimited so.
    Body(Delimiter),
    /// The protocol was changed: bytes go out as they are.
    Raw,
    /// The answer is complete.
    Done,
}

/// How an answer's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// This many bytes are still to be written.
    Length(u64),
    /// The chunked coding. The open chunk, if there is one, begins at this offset.
    Chunked(Option<usize>),
    /// The connection's end, or whatever the host does with a body of unknown length.
    End,
    /// Whatever is written is left out: `HEAD`. With the declared length, which is checked all the same.
    Nothing(Option<u64>),
}

/// Fields that the engine writes unless the handler did, and what it has to know for the rest.
#[derive(Debug, Clone, Copy, Default)]
struct Given {
    date: bool,
    length: Option<u64>,
}

/// What the last lines of a head depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    pub(crate) date: Option<Date>,
    /// Whether the connection is kept.
    pub(crate) keep: bool,
}

/// The body that a head announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Of this length.
    Length(u64),
    /// Of a length that isn't known.
    Unknown,
}

impl Output<'_> {
    // ---- the head

    /// Writes the status line.
    #[inline(always)]
    pub(crate) fn begin(&mut self, status: Option<Status>) {
        if self.state.stage != Stage::Fresh {
            return self.begin_late(status);
        }
        if self.state.end != self.state.committed || self.state.fault.is_some() {
            self.forget_interim();
        }
        self.state.stage = Stage::Head;
        let Some(status) = status.filter(|status| !status.is_interim() || status.code() == 101) else {
            return self.fault(ResponseError::Status);
        };
        self.state.status = status;
        self.state.usual &= status.has_body();
        self.status_line(status);
    }

    #[cold]
    fn begin_late(&mut self, status: Option<Status>) {
        match self.state.begin {
            Some(begin) if self.state.stage == Stage::Prepared => begin(self, status),
            _ => self.fault(ResponseError::Twice),
        }
    }

    #[inline(always)]
    fn status_line(&mut self, status: Status) {
        match self.state.wire {
            Some(_) if SHORTCUTS && status == Status::OK => self.put(b"HTTP/1.1 200 OK\r\n"),
            Some(wire) => (wire.status_line)(self, status),
            None => {}
        }
    }

    /// Writes one field of the handler's.
    #[inline]
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) {
        match check_name(name) {
            Name::Plain => {}
            Name::Date => (self.state.fields.date, self.state.usual) = (true, false),
            Name::Refused(error) => return self.fault(error),
        }
        if !is_value(value) {
            return self.fault(ResponseError::FieldValue);
        }
        let length = name.len() + value.len() + 4;
        let cap = self.head_cap();
        match self.buffer.get_mut(self.state.end..self.state.end + length) {
            Some(line) if self.state.end + length <= cap => {
                let (to_name, rest) = line.split_at_mut(name.len());
                to_name.copy_from_slice(name);
                if let [colon, space, to_value @ .., cr, lf] = rest {
                    (*colon, *space, *cr, *lf) = (b':', b' ', b'\r', b'\n');
                    to_value.copy_from_slice(value);
                }
                self.state.end += length;
            }
            _ => self.fault(ResponseError::HeadTooLarge),
        }
    }

    /// Writes field lines that were checked when the program was compiled.
    // Inlined wherever it is called, so that lines of a known length are copied without a call.
    #[inline(always)]
    pub(crate) fn lines(&mut self, lines: &[u8]) {
        if self.state.end + lines.len() <= self.head_cap() {
            self.put(lines);
        } else {
            self.fault(ResponseError::HeadTooLarge);
        }
    }

    /// Writes one field whose value is formatted in place.
    pub(crate) fn field_fmt(&mut self, name: &[u8], value: core::fmt::Arguments<'_>) {
        let start = self.state.end;
        self.field(name, b"");
        if self.state.fault.is_some() {
            return;
        }
        // Over the line end that the empty value was given.
        self.state.end -= 2;
        let value_start = self.state.end;
        let cap = self.head_cap().saturating_sub(2);
        let mut writer = lines::Writer { output: self, cap };
        if core::fmt::write(&mut writer, value).is_err() {
            self.state.end = start;
            return self.fault(ResponseError::HeadTooLarge);
        }
        if !is_value(self.buffer.get(value_start..self.state.end).unwrap_or_default()) {
            self.state.end = start;
            return self.fault(ResponseError::FieldValue);
        }
        self.put(b"\r\n");
    }

    /// Declares the length of the body that will be written.
    pub(crate) fn declare(&mut self, length: u64) {
        self.state.fields.length = Some(length);
        self.state.usual = false;
    }

    /// Ends the head and the whole answer with `body`, if there is nothing unusual about it and there is room.
    ///
    /// It writes what [`Output::end_head`], [`Output::write`] and [`Output::finish`] would.
    #[inline]
    pub(crate) fn answer(&mut self, body: &[u8], date: &Cell<Option<Date>>) -> bool {
        if !(self.state.usual && self.state.stage == Stage::Head) {
            return false;
        }
        let Some(free) = self.buffer.get_mut(self.state.end..) else { return false };
        let Some((lines, free)) = free.split_first_chunk_mut::<{ USUAL_LINES.len() }>() else { return false };
        *lines = *USUAL_LINES;
        let Some(date) = date.get() else { return false };
        if let Some(place) = lines.get_mut(6..6 + Date::LEN) {
            place.copy_from_slice(date.as_bytes());
        }
        let Some(digits) = free.first_chunk_mut::<{ MAX_DIGITS + 4 }>() else { return false };
        // The body begins where the digits end.
        let head = put_number(digits, body.len() as u64);
        let Some(place) = free.get_mut(head..).and_then(|free| free.get_mut(..body.len())) else { return false };
        place.copy_from_slice(body);
        self.state.end += USUAL_LINES.len() + head + body.len();
        self.state.committed = self.state.end;
        self.state.stage = Stage::Done;
        true
    }

    /// Ends the head, and says how its body is delimited. Gives whether the connection can be kept after it.
    #[inline]
    pub(crate) fn end_head(&mut self, announced: Announced, mut closing: Closing) -> Result<bool, ResponseError> {
        if let Some(error) = self.state.fault.take() {
            return Err(error);
        }
        if self.state.stage != Stage::Head {
            return Err(ResponseError::Twice);
        }
        if self.state.status.is_interim() {
            return Err(ResponseError::Status);
        }
        let length = match (announced, self.state.fields.length) {
            // Where there is no body to send, its length may be told without it (RFC 9110, sections 9.3.2 and 15.4.5).
            (Announced::Length(actual), Some(declared))
                if actual != declared && !(actual == 0 && self.is_without_body()) =>
            {
                return Err(ResponseError::Length);
            }
            (_, Some(declared)) => Some(declared),
            (Announced::Length(actual), None) => Some(actual),
            (Announced::Unknown, None) => None,
        };
        if matches!(self.state.status.code(), 204 | 205) && announced != Announced::Length(0) {
            return Err(ResponseError::BodyNotAllowed);
        }
        // HTTP/1.0 knows no end of a body of unknown length but the connection's.
        closing.keep &= length.is_some() || self.state.form.http11 || self.is_without_body();
        self.state.length = length;
        match self.state.wire {
            Some(wire) => self.close_head(wire, length, announced, closing),
            None => (self.state.floor, self.state.sent) = (self.state.end, self.state.end),
        }
        self.state.stage = Stage::Body(self.delimiter(length));
        if let Some(error) = self.state.fault.take() {
            return Err(error);
        }
        self.state.committed = self.state.end;
        Ok(closing.keep)
    }

    // Cold, as the others that call through the table: nearly every answer is written by `answer`.
    #[cold]
    fn close_head(&mut self, wire: &Wire, length: Option<u64>, announced: Announced, closing: Closing) {
        (wire.close_head)(self, length, announced, closing);
    }

    const fn delimiter(&self, length: Option<u64>) -> Delimiter {
        match length {
            _ if self.is_without_body() => Delimiter::Nothing(length),
            Some(length) => Delimiter::Length(length),
            None if self.state.wire.is_some() && self.state.form.http11 => Delimiter::Chunked(None),
            None => Delimiter::End,
        }
    }

    /// Whether the client takes this answer to have no body, whatever its head says.
    const fn is_without_body(&self) -> bool {
        self.state.form.head_request || self.state.status.is_bodiless()
    }

    /// Ends the head of a 101 (Switching Protocols).
    pub(crate) fn end_upgrade_head(&mut self, protocol: &[u8], closing: Closing) -> Result<(), ResponseError> {
        if self.state.status.code() != 101 {
            self.fault(ResponseError::Status);
        }
        if !is_value(protocol) {
            self.fault(ResponseError::FieldValue);
        }
        if let Some(error) = self.state.fault.take() {
            return Err(error);
        }
        self.put(b"connection: upgrade\r\nupgrade: ");
        self.put(protocol);
        self.put(b"\r\n");
        if let Some(date) = closing.date {
            self.put(b"date: ");
            self.put(date.as_bytes());
            self.put(b"\r\n");
        }
        self.put(b"\r\n");
        if let Some(error) = self.state.fault.take() {
            return Err(error);
        }
        self.state.stage = Stage::Raw;
        self.state.committed = self.state.end;
        Ok(())
    }

    /// Writes a whole small answer that says what was wrong. Gives whether the connection can be kept after it.
    #[cold]
    pub(crate) fn failure(
        &mut self,
        status: Status,
        message: [&str; 3],
        closing: Closing,
    ) -> Result<bool, ResponseError> {
        self.begin(Some(status));
        let digits = status.digits();
        let [what, joint, more] = message.map(str::as_bytes);
        let separator: &[u8] = if what.is_empty() { b"" } else { b": " };
        let parts = [&digits, b" ".as_slice(), status.reason().as_bytes(), separator, what, joint, more, b"\n"];
        let bodiless = status.is_bodiless() || status.code() == 205;
        let length = if bodiless { 0 } else { parts.iter().map(|part| part.len()).sum() };
        if !bodiless {
            self.lines(b"content-type: text/plain; charset=utf-8\r\n");
        }
        let keep = self.end_head(Announced::Length(length as u64), closing)?;
        for part in parts.iter().take(if bodiless { 0 } else { parts.len() }) {
            if self.write(part)? < part.len() {
                return Err(ResponseError::HeadTooLarge);
            }
        }
        self.finish()?;
        Ok(keep)
    }

    // ---- interim answers

    /// Writes a whole interim answer before the final one, whose head may already have begun. `false` where it has to wait for room.
    pub(crate) fn interim(&mut self, lines: &[u8]) -> bool {
        if self.buffer.len() - self.state.end < lines.len() {
            return false;
        }
        shift(self.buffer, self.state.committed, self.state.end, self.state.committed + lines.len());
        if let Some(place) = self.buffer.get_mut(self.state.committed..self.state.committed + lines.len()) {
            place.copy_from_slice(lines);
        }
        self.state.end += lines.len();
        self.state.committed += lines.len();
        self.state.begun = self.state.begun.map(|_| self.state.committed);
        true
    }

    /// Takes back an interim answer that was begun and never sent.
    #[cold]
    fn forget_interim(&mut self) {
        self.state.end = self.state.committed;
        self.state.fault = None;
        self.state.fields = Given::default();
        self.state.usual = self.state.is_usual();
    }

    /// Begins an interim answer that fields follow; [`Output::end_interim`] ends it.
    pub(crate) fn begin_interim(&mut self, status: Option<Status>) {
        self.forget_interim();
        match status {
            Some(status)
                if status.is_interim()
                    && status.code() != 101
                    && matches!(self.state.stage, Stage::Fresh | Stage::Prepared) =>
            {
                self.status_line(status);
            }
            _ => self.fault(ResponseError::Status),
        }
    }

    /// Ends an interim answer, or takes it back if something was wrong with it or the client knows none.
    pub(crate) fn end_interim(&mut self) -> Result<(), ResponseError> {
        self.put(b"\r\n");
        let (end, fault) = (self.state.end, self.state.fault.take());
        self.forget_interim();
        if fault.is_none() && self.state.form.http11 && self.state.wire.is_some() {
            (self.state.end, self.state.committed) = (end, end);
            self.state.begun = Some(end);
        }
        fault.map_or(Ok(()), Err)
    }

    // ---- what goes out

    /// Bytes that may go out.
    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        self.buffer.get(self.state.sent..self.state.committed).unwrap_or_default()
    }

    /// `count` of the pending bytes went out.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.state.sent = (self.state.sent + count).min(self.state.committed);
        if self.state.begun.is_some_and(|begun| self.state.sent > begun.max(self.state.floor)) {
            self.state.begun = None;
        }
        if self.state.sent == self.state.committed {
            shift(self.buffer, self.state.committed, self.state.end, self.state.floor);
            let moved = self.state.committed - self.state.floor;
            self.state.end -= moved;
            self.state.begun = self.state.begun.map(|begun| begun - moved.min(begun));
            if let Stage::Body(Delimiter::Chunked(Some(start))) = &mut self.state.stage {
                *start -= moved;
            }
            (self.state.sent, self.state.committed) = (self.state.floor, self.state.floor);
        }
    }

    /// Takes the answer back to where it began. `false` if a byte of its final head went out.
    #[cold]
    pub(crate) fn rewind(&mut self) -> bool {
        let Some(begun) = self.state.begun else { return false };
        self.state.end = begun;
        self.state.committed = begun;
        self.state.sent = self.state.sent.min(begun);
        self.state.floor = 0;
        self.state.length = None;
        self.state.stage = if self.state.flags.has(Flags::ADDED) { Stage::Prepared } else { Stage::Fresh };
        self.state.fault = None;
        self.state.extras.fault = None;
        self.state.extras.streamed = 0;
        self.state.fields = Given::default();
        self.state.usual = false;
        true
    }

    pub(crate) const fn can_rewind(&self) -> bool {
        self.state.begun.is_some()
    }

    /// Gives up everything that hasn't gone out.
    pub(crate) fn give_up(&mut self) {
        self.state.end = self.state.sent;
        self.state.committed = self.state.sent;
    }

    /// Gives up a head that was begun but never ended, so that what is pending may go out.
    pub(crate) fn abandon(&mut self) {
        self.state.end = self.state.committed;
    }

    #[inline]
    pub(crate) const fn stage(&self) -> Stage {
        self.state.stage
    }

    /// Whether the answer's body ends with the connection.
    #[inline]
    pub(crate) const fn ends_with_connection(&self) -> bool {
        matches!(self.state.stage, Stage::Body(Delimiter::End))
    }

    /// The head of a plain answer is with the host, and stays what it is.
    pub(crate) fn give_head(&mut self) {
        self.state.begun = None;
    }

    /// The fields of a plain answer, once they are complete.
    #[inline]
    pub(crate) fn plain_head(&self) -> Option<&[u8]> {
        match self.state.stage {
            Stage::Body(_) | Stage::Done if self.state.wire.is_none() => self.buffer.get(..self.state.floor),
            _ => None,
        }
    }

    /// The fields and the body of a plain answer, if all of it is here.
    #[inline]
    pub(crate) fn whole(&self) -> Option<(&[u8], &[u8])> {
        if !self.is_done() || self.state.wire.is_some() {
            return None;
        }
        let (lines, body) = (self.buffer.get(..self.state.floor)?, self.pending());
        (self.is_without_body() || self.state.length == Some(body.len() as u64)).then_some((lines, body))
    }

    pub(crate) const fn status(&self) -> Status {
        self.state.status
    }

    pub(crate) const fn length(&self) -> Option<u64> {
        self.state.length
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state.stage, Stage::Done)
    }

    /// The length that the handler declared.
    pub(crate) const fn declared(&self) -> Option<u64> {
        self.state.fields.length
    }

    // ---- helpers

    /// Offset that the handler's fields may reach up to: the engine's own lines have their room behind it.
    #[inline]
    fn head_cap(&self) -> usize {
        self.state.begun.unwrap_or(self.state.committed) + self.state.form.room
    }

    /// Notes what is wrong with the head, for whoever ends it.
    #[inline]
    pub(crate) fn fault(&mut self, error: ResponseError) {
        self.state.fault.get_or_insert(error);
        self.state.usual = false;
    }

    /// Appends all of `bytes`, or notes that the head is too large.
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.state.end..self.state.end + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.state.end += bytes.len();
            }
            None => self.fault(ResponseError::HeadTooLarge),
        }
    }

    /// Appends what there is room for, `reserve` bytes left free.
    #[inline]
    fn put_some(&mut self, bytes: &[u8], reserve: usize) -> usize {
        let free = self.buffer.get_mut(self.state.end..).unwrap_or_default();
        let count = bytes.len().min(free.len().saturating_sub(reserve));
        if let (Some(place), Some(bytes)) = (free.get_mut(..count), bytes.get(..count)) {
            place.copy_from_slice(bytes);
        }
        self.state.end += count;
        count
    }
}

/// Whether there is the code that only makes HTTP/1.1's answers faster. In WebAssembly hosts frame by themselves, and a fresh instance compiles
/// all that is in a function when it is first called: there the same is done the longer way.
pub(crate) const SHORTCUTS: bool = !cfg!(target_family = "wasm");

/// The engine's own lines in most answers, but for the date and the digits.
const USUAL_LINES: &[u8; 53] = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: ";

#[cfg(test)]
mod tests;

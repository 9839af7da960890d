//! What handlers around the one that answers add to its answer, and are told of it; and the field that offers an upgrade.

use core::fmt;

use super::{
    Delimiter, Output, OutputState, Stage,
    lines::{Name, check_name, is_value},
    wire::CHUNK_HEAD,
};
use crate::{
    exchange::{
        extras::{Extras, Flags},
        failure::ResponseError,
    },
    http1::status::Status,
};

impl Output<'_> {
    /// Offers to change to another protocol.
    pub(crate) fn offer_upgrade(&mut self, protocol: &[u8]) {
        if !is_value(protocol) {
            return self.fault(ResponseError::FieldValue);
        }
        if self.state.wire.is_some() {
            self.lines(b"connection: upgrade\r\nupgrade: ");
            self.lines(protocol);
            self.lines(b"\r\n");
        }
    }

    /// Keeps a field for the head that isn't begun yet.
    #[cold]
    pub(crate) fn add(&mut self, name: &[u8], value: fmt::Arguments<'_>) {
        let OutputState { extras, flags, stage, begin, .. } = &mut *self.state;
        *begin = Some(begin_prepared);
        extras.add(flags);
        if *stage == Stage::Fresh {
            *stage = Stage::Prepared;
        }
        let mark = extras.mark();
        if let Err(error) = add_line(extras, name, value) {
            extras.back_to(mark);
            extras.fault.get_or_insert(error);
        }
    }

    /// Lets [`Output::body_bytes`] tell.
    #[cold]
    pub(crate) fn watch(&mut self) {
        if !self.state.flags.raise(Flags::WATCHED) {
            self.state.extras.streamed = 0;
        }
        self.state.usual = false;
    }

    /// Bytes of the body so far, if someone watches.
    pub(crate) fn body_bytes(&self) -> u64 {
        match self.state.stage {
            Stage::Fresh | Stage::Prepared | Stage::Head | Stage::Body(Delimiter::Nothing(_)) => 0,
            Stage::Done if self.is_without_body() => 0,
            Stage::Body(Delimiter::Length(left)) => self.state.length.unwrap_or_default().saturating_sub(left),
            Stage::Body(Delimiter::Chunked(Some(start))) => {
                self.state.extras.streamed + self.state.end.saturating_sub(start + CHUNK_HEAD) as u64
            }
            Stage::Body(_) | Stage::Raw | Stage::Done => self.state.length.unwrap_or(self.state.extras.streamed),
        }
    }

    /// Counts bytes of a body of unknown length.
    #[inline]
    pub(super) fn streamed(&mut self, bytes: usize) {
        if self.state.flags.has(Flags::WATCHED) {
            self.state.extras.streamed += bytes as u64;
        }
    }
}

/// Writes the status line, and behind it the fields that were added before.
// Not a closure, whose name would be that of all closures where the stack's depth is worked out (tests/stack).
fn begin_prepared(output: &mut Output<'_>, status: Option<Status>) {
    output.state.stage = Stage::Fresh;
    output.begin(status);
    if let Some(fault) = output.state.extras.fault {
        output.fault(fault);
    }
    let cap = output.head_cap();
    let (start, lines) = (output.state.end, output.state.extras.lines(output.state.flags));
    match output.buffer.get_mut(start..start + lines.len()) {
        Some(place) if start + lines.len() <= cap => {
            place.copy_from_slice(lines);
            output.state.end += lines.len();
        }
        _ => output.fault(ResponseError::HeadTooLarge),
    }
}

/// Appends a field to those that an answer will begin with.
fn add_line(extras: &mut Extras, name: &[u8], value: fmt::Arguments<'_>) -> Result<(), ResponseError> {
    match check_name(name) {
        Name::Plain => {}
        // The handler may give its own.
        Name::Date => return Err(ResponseError::Reserved),
        Name::Refused(error) => return Err(error),
    }
    extras.put(name)?;
    extras.put(b": ")?;
    let mark = extras.mark();
    fmt::write(&mut Adding(extras), value).map_err(|_| ResponseError::HeadTooLarge)?;
    if !is_value(extras.since(mark)) {
        return Err(ResponseError::FieldValue);
    }
    extras.put(b"\r\n")
}

/// Formats into the fields that an answer will begin with.
struct Adding<'o>(&'o mut Extras);

impl fmt::Write for Adding<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

//! What only an answer in HTTP/1.1's own form needs, behind a table: a host with another form has no table, and so links none of it.
//!
//! What nearly every answer needs ([`Output::answer`], the status line of a 200) is not called through it.

use super::{
    Announced, Closing, Delimiter, Output, Stage,
    lines::{OWN_LINES, OwnLines},
};
use crate::{exchange::failure::ResponseError, http1::status::Status};

/// The functions, as [`Output`] calls them.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) status_line: fn(&mut Output<'_>, Status),
    pub(super) close_head: fn(&mut Output<'_>, Option<u64>, Announced, Closing),
    pub(super) write_chunk: fn(&mut Output<'_>, Option<usize>, &[u8]) -> usize,
    pub(super) close_chunk: fn(&mut Output<'_>),
    pub(super) end_chunked: fn(&mut Output<'_>) -> bool,
}

pub(super) static HTTP1: Wire = Wire { status_line, close_head, write_chunk, close_chunk, end_chunked };

fn status_line(output: &mut Output<'_>, status: Status) {
    output.put(b"HTTP/1.1 ");
    output.put(&status.digits());
    output.put(b" ");
    output.put(status.reason().as_bytes());
    output.put(b"\r\n");
}

/// The lines that are the engine's: `date`, `connection`, and what frames the body.
fn close_head(output: &mut Output<'_>, length: Option<u64>, announced: Announced, closing: Closing) {
    let state = &mut *output.state;
    // No length in 204 (RFC 9110, section 8.6); in 304 only the one that a 200 would have had.
    let length_line = match (state.status.code(), announced) {
        (204, _) => None,
        (304, Announced::Length(0)) if state.fields.length.is_none() => None,
        _ => length,
    };
    let date = if state.fields.date { None } else { closing.date };
    let Some(lines) = output.buffer.get_mut(state.end..).and_then(<[u8]>::first_chunk_mut::<OWN_LINES>) else {
        return output.fault(ResponseError::HeadTooLarge);
    };
    let mut lines = OwnLines { lines, end: 0 };
    if let Some(date) = date {
        lines.put(b"date: ");
        lines.put(date.as_bytes());
        lines.put(b"\r\n");
    }
    match (closing.keep, state.form.http11) {
        (true, true) => {}
        (true, false) => lines.put(b"connection: keep-alive\r\n"),
        (false, _) => lines.put(b"connection: close\r\n"),
    }
    if let Some(length) = length_line {
        lines.put(b"content-length: ");
        lines.put_number(length);
    } else if length.is_none() && state.form.http11 {
        lines.put(b"transfer-encoding: chunked\r\n\r\n");
    } else {
        lines.put(b"\r\n");
    }
    state.end += lines.end;
}

/// Writes into the open chunk, or opens one. It is closed, and may go out, when the buffer is full or flushed.
fn write_chunk(output: &mut Output<'_>, open: Option<usize>, bytes: &[u8]) -> usize {
    let mut start = open;
    if start.is_none() {
        if output.buffer.len() - output.state.end < CHUNK_HEAD + CHUNK_RESERVE + 1 {
            return 0;
        }
        start = Some(output.state.end);
        output.put(b"0000\r\n");
    }
    let chunk = output.state.end - start.map_or(0, |start| start + CHUNK_HEAD);
    let room = MAX_CHUNK.saturating_sub(chunk);
    let written = output.put_some(bytes.get(..room).unwrap_or(bytes), CHUNK_RESERVE);
    output.state.stage = Stage::Body(Delimiter::Chunked(start));
    if written < bytes.len() {
        close_chunk(output);
    }
    written
}

/// Closes the open chunk, if there is one: its size stands in four digits, for which room was left.
fn close_chunk(output: &mut Output<'_>) {
    let Stage::Body(Delimiter::Chunked(Some(start))) = output.state.stage else { return };
    output.state.stage = Stage::Body(Delimiter::Chunked(None));
    let size = output.state.end - start - CHUNK_HEAD;
    if size == 0 {
        output.state.end = start;
        return;
    }
    output.streamed(size);
    for (place, shift) in (start..start + 4).zip([12, 8, 4, 0]) {
        if let Some(digit) = output.buffer.get_mut(place) {
            *digit = HEX.get(size >> shift & 0xf).copied().unwrap_or(b'0');
        }
    }
    output.put(b"\r\n");
    output.state.committed = output.state.end;
}

/// The last chunk's line, kept back until what follows it is there: `false` where it has to wait for room.
fn end_chunked(output: &mut Output<'_>) -> bool {
    close_chunk(output);
    if output.buffer.len() - output.state.end < LAST_CHUNK.len() + 2 {
        return false;
    }
    output.put(LAST_CHUNK);
    true
}

const HEX: &[u8; 16] = b"0123456789abcdef";
const LAST_CHUNK: &[u8; 3] = b"0\r\n";
/// `0000` and CR LF.
pub(super) const CHUNK_HEAD: usize = 6;
/// The CR LF behind a chunk, the last chunk and the empty line.
pub(super) const CHUNK_RESERVE: usize = 7;
/// What four digits count.
pub(super) const MAX_CHUNK: usize = 0xffff;

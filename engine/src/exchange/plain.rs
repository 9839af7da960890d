//! Exchanges for hosts whose requests and answers don't travel as HTTP/1.1.
//!
//! Such a host has a method, a target, fields and a body from somewhere (an event, a function call), and wants a status, fields
//! and a body back, without anything that frames a message or manages a connection.

use core::{
    cell::{Cell, Ref, RefCell},
    fmt,
};

use crate::http1::{
    decode::Decoder,
    fields::{Field, Span},
    framing::{BodyFraming, Framing},
    head::{Head, HeadRef, Known, Parts},
    limits::Limits,
    method::Version,
    status::Status,
};

use super::{
    Exchange, ExchangeState, RequestContext, Verdict,
    failure::Failure,
    handler::Sent,
    input::{Input, InputState},
    output::Output,
};

/// Where the parts of a plain request's head stand in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct PlainHead {
    /// The method's name.
    pub method: Span,
    /// The target: an encoded path with, perhaps, `?` and a query; or `*`.
    pub target: Span,
    /// The authority that the request is for; empty if the host can't tell.
    pub authority: Span,
    /// Length of the body in bytes; `None` if the host learns it only at the body's end.
    pub body: Option<u64>,
}

/// The memory that a plain exchange works in.
pub struct PlainMemory<'b> {
    /// Where the body is put: `input[..filled]` is there already.
    pub input: &'b mut [u8],
    /// Bytes of the body that are there.
    pub filled: usize,
    /// What lasts from request to request.
    pub state: &'b mut ExchangeState,
    /// Where the answer is put together: its fields, and as much of its body as there is room for at a time.
    pub output: &'b mut [u8],
}

impl fmt::Debug for PlainMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainMemory").field("filled", &self.filled).finish_non_exhaustive()
    }
}

/// How a plain exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainEnd {
    /// The answer is complete: what [`Exchange::drain`] still gives is its end.
    Answered,
    /// The handler gave up after its answer had begun to go out: the host must not let it look complete.
    Cut,
}

impl<'b> Head<'b> {
    /// The head of a plain request, whose parts and `fields` stand in `bytes`.
    #[must_use]
    pub fn plain(bytes: &'b [u8], fields: &'b [Field], parts: PlainHead) -> Self {
        // Not a match, which compares byte by byte: three times the code, for each fresh WebAssembly instance to compile.
        let name = parts.method.of(bytes);
        let method = if name == b"GET" {
            Known::Get
        } else if name == b"HEAD" {
            Known::Head
        } else if name == b"POST" {
            Known::Post
        } else {
            Known::Other(parts.method)
        };
        let body = parts.body.map_or(BodyFraming::Chunked, BodyFraming::Length);
        Self {
            bytes,
            table: fields,
            parts: Parts {
                method,
                version: Version::Http11,
                target: parts.target,
                path_and_query: parts.target,
                authority: parts.authority,
                framing: Framing { body, keep_alive: true, expect_continue: false, upgrade: false },
                reads_on: true,
                fields: fields.len(),
                start: 0,
                length: bytes.len(),
            },
        }
    }
}

impl<'b> Exchange<'b> {
    /// The exchange of a plain request. Interim answers are left out and upgrades refused; `HEAD` and the statuses without a body get
    /// none, and declared lengths are held to, as on a connection.
    #[must_use]
    pub fn plain(head: Head<'b>, memory: PlainMemory<'b>, context: &'b RequestContext<'b>, limits: &'b Limits) -> Self {
        let decoder = match head.framing().body {
            BodyFraming::Length(bytes) => Decoder::Length(bytes),
            BodyFraming::Chunked => Decoder::UntilEnd,
        };
        #[cfg(feature = "arena")]
        memory.state.arena.reset();
        let state = memory.state;
        let (parts, input, output) = (&mut state.parts, &mut state.input, &mut state.output);
        *parts = head.parts;
        *input = InputState::NEW;
        input.end = memory.filled.min(memory.input.len());
        input.enter(0, decoder, false);
        output.renew(limits.response_head_bytes);
        output.enter(true, head.parts.method == Known::Head);
        Self {
            head: HeadRef { bytes: head.bytes, table: head.table, parts },
            context,
            limits,
            input: RefCell::new(Input { state: input, buffer: memory.input, table: &mut [] }),
            output: RefCell::new(Output { state: output, buffer: memory.output }),
            want: Cell::default(),
            // There is no connection: what would have to be found out for it need not be.
            keep: Cell::new(false),
            #[cfg(feature = "arena")]
            arena: &state.arena,
        }
    }

    /// The answer's head, as soon as it is complete; then [`Exchange::drain`] gives the body. It counts as given: what its handler finds wrong
    /// from then on cuts the answer.
    #[must_use]
    pub fn answer_head(&self) -> Option<PlainAnswer<'_>> {
        let mut output = self.output.try_borrow_mut().ok()?;
        output.plain_head()?;
        output.give_head();
        drop(output);
        Some(PlainAnswer { output: self.output.try_borrow().ok()? })
    }

    /// Shows `take` the answer, if all of it is there: complete, of a known length, and nothing of its body given by [`Exchange::drain`] yet. For
    /// hosts that can pass such an answer on in one piece.
    #[inline]
    pub fn whole_answer<T>(&self, take: impl FnOnce(WholeAnswer<'_>) -> T) -> Option<T> {
        let output = self.output.try_borrow().ok()?;
        let (lines, body) = output.whole()?;
        Some(take(WholeAnswer { status: output.status(), lines, body, length: output.length() }))
    }

    /// Shows `read` the fields that were added to the answer before it was begun ([`Response::with`](super::Response::with)), as lines of
    /// `name: value` CR LF: for a host that writes the answer to a failure by itself. [`Exchange::end`] writes them too.
    pub fn added_lines<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        let output = self.output.try_borrow();
        read(output.as_ref().map_or(&[], |output| output.state.extras.lines(output.state.flags)))
    }

    /// Ends a plain exchange with what its handler gave. A failure is answered now if nothing of the answer was looked at yet, neither its
    /// head nor its body.
    pub fn end(&self, result: Result<Sent, Failure>) -> PlainEnd {
        match self.ended(result) {
            Verdict::Keep | Verdict::Close if self.is_answered() => PlainEnd::Answered,
            _ => PlainEnd::Cut,
        }
    }
}

/// A plain answer that is there whole.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WholeAnswer<'r> {
    /// The status.
    pub status: Status,
    /// The fields as they were written: lines of `name: value` CR LF.
    pub lines: &'r [u8],
    /// The body; empty where the client gets none.
    pub body: &'r [u8],
    /// Length of the body; of an answer to `HEAD`, what a `GET` would have had, if it is known.
    pub length: Option<u64>,
}

/// The head of a plain answer.
pub struct PlainAnswer<'r> {
    output: Ref<'r, Output<'r>>,
}

impl PlainAnswer<'_> {
    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.output.status()
    }

    /// Length of the body, if it was declared or the body was given whole; of an answer to `HEAD`, what a `GET` would have had.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.output.length()
    }

    /// Name and value of every field, in the order they were written.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines().split(|byte| *byte == b'\n').filter_map(|line| {
            // Each line is `name: value` CR LF; the last split is empty. No value holds CR or LF.
            let line = line.strip_suffix(b"\r")?;
            let colon = memchr::memchr(b':', line)?;
            Some((core::str::from_utf8(line.get(..colon)?).ok()?, line.get(colon + 2..)?))
        })
    }

    /// The fields as they were written: lines of `name: value` CR LF.
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        self.output.plain_head().unwrap_or_default()
    }
}

impl fmt::Debug for PlainAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainAnswer").field("status", &self.status()).finish_non_exhaustive()
    }
}

//! One request, driven through an [`Exchange`].
//!
//! The runtime compiles each function of a fresh instance when it is first called, and that is what a cold start costs most: what a
//! plain request doesn't need stands in functions of its own, marked cold.

use core::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    task::Poll,
};

use midge::{
    Cause, Exchange, ExchangeState, Failure, Field, Handler, Head, Limits, PlainHead, PlainMemory, Reject,
    RequestContext, Sent, Span,
};

use crate::{
    abi::{self, AnyMemory, Buffers, CUT, DONE},
    error::CallError,
};

/// Which header fields of a request a handler is given: a type, so that a program has only the code for its own answer.
#[doc(hidden)]
pub trait Headers {
    /// Those with these names; all if there is no list.
    const NAMES: Option<&'static [&'static str]>;
}

/// Serves the request that the host has for this instance, in the memory that `memory` gives. An event of another `kind` fails.
///
/// Not an async function, whose future would have its arguments twice, and move them when it is first polled; and the memory comes from a
/// function, so that its address is a constant: a fresh instance compiles each store and load that its first request runs.
#[doc(hidden)]
#[allow(clippy::manual_async_fn, reason = "as said above")]
pub fn serve<'m, M: AnyMemory + 'm, H: Headers>(
    kind: u32,
    handler: impl Handler,
    memory: impl Fn() -> &'m M + Copy,
    _: H,
) -> impl Future<Output = u32> {
    async move {
        if kind != abi::FETCH {
            return CUT;
        }
        PASSED.store(0, Relaxed);
        // A body that fits is taken in whole before its handler begins, which then never waits for it. Before all else, so that the future
        // needn't keep what is read of the head meanwhile.
        let filled = if abi::body_length() == Some(0) {
            Some(0)
        } else {
            let mut filled = 0;
            poll_fn(move |_| take_in(memory(), &mut filled)).await
        };
        let Some(filled) = filled else { return CUT };
        let Some(Buffers { head, body, output, table, lent: _lent }) = memory().lend() else { return CUT };
        let head = match read_head::<H>(head, table) {
            Ok(head) => head,
            Err(status) => return refuse(status, "", b""),
        };
        let mut state = ExchangeState::new();
        let plain = PlainMemory { input: body, filled, output, state: &mut state };
        let context = RequestContext::default();
        let exchange = Exchange::plain(head, plain, &context, &M::LIMITS);
        let mut driver = Driver { exchange: &exchange, begun: false, finished: false, ended: false, limit: 0.0 };
        let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
        poll_fn(move |context| driver.run(|| future.as_mut().poll(context))).await
    }
}

/// Fills the front of the body's buffer, as far as it isn't yet, with a body of known length, if there is room for it; how much of it is there
/// then. `None` if it broke off.
#[cold]
#[inline(never)]
fn take_in(memory: &impl AnyMemory, filled: &mut usize) -> Poll<Option<usize>> {
    let length = abi::body_length().and_then(|length| usize::try_from(length).ok());
    let taken = memory.body(|body| {
        let Some(place) = length.and_then(|length| body.get_mut(..length)) else {
            return Poll::Ready(Some(*filled));
        };
        while *filled < place.len() {
            match abi::read_request(place.get_mut(*filled..).unwrap_or_default()) {
                Poll::Ready(Some(count)) if count > 0 => *filled += count,
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Some(*filled))
    });
    taken.unwrap_or(Poll::Ready(None))
}

/// Has the answer pass `handle`'s body on, with that message's fields if `fields` says so.
pub(crate) fn pass(handle: u32, fields: bool) {
    PASSED.store(handle << 1 | u32::from(fields), Relaxed);
}

/// What the host is told together with the fields that were added to the answer.
enum Said<'m> {
    /// The time that is given to the request, in milliseconds.
    Limit(f64),
    /// A failure's status and text.
    Failure(u16, &'m str),
}

/// Moves the bytes of one exchange.
struct Driver<'x> {
    exchange: &'x Exchange<'x>,
    /// Whether the answer's head was given to the host.
    begun: bool,
    /// Whether the whole answer was.
    finished: bool,
    /// Whether the handler's future has ended.
    ended: bool,
    /// The time limit that the host was told of.
    limit: f64,
}

impl Driver<'_> {
    /// Polls the handler, and moves bytes as long as that lets it go on; how the event ended, once its answer has.
    fn run(&mut self, mut handler: impl FnMut() -> Poll<Result<Sent, Failure>>) -> Poll<u32> {
        while !self.ended {
            match handler() {
                Poll::Ready(Err(failure)) if !self.exchange.is_answered() => return Poll::Ready(self.fail(failure)),
                // What a handler finds wrong behind its answer is no concern of the client's.
                Poll::Ready(_) => self.ended = true,
                Poll::Pending => match self.move_bytes() {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) => return Poll::Ready(CUT),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
        self.finish().map(|finished| if finished.is_some() { DONE } else { CUT })
    }

    /// Moves what the handler waits for. Ready if that lets it go on; `None` if the answer can't be given.
    #[cold]
    #[inline(never)]
    fn move_bytes(&mut self) -> Poll<Option<()>> {
        let limit = self.exchange.time_limit().map_or(0.0, abi::millis);
        if limit != self.limit {
            self.limit = limit;
            if !self.tell(Said::Limit(limit)) {
                return Poll::Ready(None);
            }
        }
        let want = self.exchange.want();
        let mut moved = want.input && self.feed();
        if want.output {
            match self.flush(false) {
                Poll::Ready(Some(flushed)) => moved |= flushed,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
        }
        // The client needn't wait for what the handler does behind its answer.
        if self.exchange.is_answered() && self.finish_in_pieces() == Poll::Ready(None) {
            return Poll::Ready(None);
        }
        if moved { Poll::Ready(Some(())) } else { Poll::Pending }
    }

    /// More of the request's body; whether there was any, or it is known how it ended.
    fn feed(&self) -> bool {
        let read = self.exchange.fill(|space| match abi::read_request(space) {
            Poll::Ready(Some(count)) => (count, Poll::Ready(Some(count))),
            other => (0, other),
        });
        match read {
            Some(Poll::Ready(Some(0))) => self.exchange.end_of_input(),
            Some(Poll::Ready(None)) => self.exchange.refuse_body(Reject::Truncated),
            Some(Poll::Ready(Some(_))) => {}
            Some(Poll::Pending) | None => return false,
        }
        true
    }

    /// Gives the host what may go out; whether there was anything. `None` if it doesn't take that.
    fn flush(&mut self, last: bool) -> Poll<Option<bool>> {
        if !self.begun {
            let Some(head) = self.exchange.answer_head() else { return Poll::Ready(Some(false)) };
            if abi::respond(head.status().code(), head.lines(), head.length(), PASSED.load(Relaxed)).is_none() {
                return Poll::Ready(None);
            }
            self.begun = true;
        }
        let written = self.exchange.drain(|bytes| {
            let written = abi::write(bytes, last);
            (if let Poll::Ready(Some(count)) = written { count } else { 0 }, written)
        });
        written.map_or(Poll::Ready(Some(false)), |written| written.map(|written| written.map(|_| true)))
    }

    /// Answers a failure, if nothing of the answer is with the host yet.
    #[cold]
    #[inline(never)]
    fn fail(&self, failure: Failure) -> u32 {
        let mut buffer = [0; 128];
        let message = match failure.cause() {
            Cause::Handler(reason) => reason,
            // The two that a body without a coding can come to; the rest would only bring their texts along.
            Cause::Body(Reject::BodyTooLarge) => const { Reject::BodyTooLarge.message() },
            Cause::Body(Reject::Truncated) => const { Reject::Truncated.message() },
            _ => failure.explain(&mut buffer).unwrap_or_default(),
        };
        if self.begun {
            return CUT;
        }
        if self.tell(Said::Failure(failure.status().code(), message)) { DONE } else { CUT }
    }

    /// Tells the host what goes with the fields that were added to the answer; whether it takes that. One function for all of it, which is
    /// smaller.
    #[inline(never)]
    fn tell(&self, said: Said<'_>) -> bool {
        self.exchange
            .added_lines(|lines| match said {
                Said::Limit(millis) => abi::deadline(millis, lines, true),
                Said::Failure(status, message) => abi::fail(status, message, lines),
            })
            .is_some()
    }

    /// Gives the host the end of the answer, which is mostly all of it. `None` if it doesn't take that.
    fn finish(&mut self) -> Poll<Option<()>> {
        if !self.begun
            && PASSED.load(Relaxed) == 0
            && let Some(taken) = self.exchange.whole_answer(abi::answer)
        {
            (self.begun, self.finished) = (true, true);
            return Poll::Ready(taken);
        }
        self.finish_in_pieces()
    }

    #[cold]
    #[inline(never)]
    fn finish_in_pieces(&mut self) -> Poll<Option<()>> {
        while !self.finished {
            let Poll::Ready(flushed) = self.flush(true) else { return Poll::Pending };
            self.finished = match flushed {
                Some(true) => true,
                Some(false) => abi::write(&[], true) == Poll::Ready(Some(0)),
                None => false,
            };
            if !self.finished {
                return Poll::Ready(None);
            }
        }
        Poll::Ready(Some(()))
    }
}

/// Has the host answer with a failure, as the engine would: the engine's own way, with its table of reasons, is half the size of a small
/// Worker.
#[cold]
#[inline(never)]
fn refuse(status: u16, message: &str, lines: &[u8]) -> u32 {
    if abi::fail(status, message, lines).is_some() { DONE } else { CUT }
}

/// Reads the request's head from the host; the status to refuse it with if it is too large.
fn read_head<'b, H: Headers>(bytes: &'b mut [u8], table: &'b mut [Field]) -> Result<Head<'b>, u16> {
    let body = abi::body_length();
    let length = abi::head(bytes).ok_or(414_u16)?;
    let parts = split_head(bytes.get(..length).unwrap_or_default(), body);
    let (used, count) = match H::NAMES {
        None => all_fields(bytes, length, table),
        Some(names) => named_fields(bytes, length, table, names),
    }
    .ok_or(431_u16)?;
    if body.is_some_and(|length| length > Limits::DEFAULT.body_bytes) {
        return Err(413);
    }
    let (bytes, table): (&'b [u8], &'b [Field]) = (bytes, table);
    Ok(Head::plain(bytes.get(..used).unwrap_or_default(), table.get(..count).unwrap_or_default(), parts))
}

/// Where the parts of `METHOD authority/path` stand. The host wrote it: the method holds no blank, the authority no slash.
fn split_head(bytes: &[u8], body: Option<u64>) -> PlainHead {
    let mut rest = bytes.iter();
    let method = rest.by_ref().take_while(|byte| **byte != b' ').count();
    let rest = rest.as_slice();
    let start = bytes.len() - rest.len();
    let authority = rest.iter().take_while(|byte| **byte != b'/').count();
    PlainHead {
        method: Span::with_length(0, method),
        target: Span::with_length(start + authority, rest.len() - authority),
        authority: Span::with_length(start, authority),
        body,
    }
}

/// Reads all fields behind the first `from` bytes; how many bytes are used then, and the number of fields. `None` if they are too many.
fn all_fields(bytes: &mut [u8], from: usize, table: &mut [Field]) -> Option<(usize, usize)> {
    let end = from + abi::fields(bytes.get_mut(from..).unwrap_or_default())?;
    let mut count = 0;
    let mut at = from;
    while at < end {
        let line = bytes.get(at..end).unwrap_or_default();
        let line_end = at + line.iter().position(|byte| *byte == b'\r').unwrap_or(line.len());
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            *table.get_mut(count)? = Field::new(Span::new(at, at + colon), Span::new(at + colon + 2, line_end));
            count += 1;
        }
        at = line_end + 2;
    }
    Some((end, count))
}

/// As [`all_fields`], for the fields with these names.
fn named_fields(bytes: &mut [u8], from: usize, table: &mut [Field], names: &[&str]) -> Option<(usize, usize)> {
    let mut at = from;
    let mut count = 0;
    for name in names {
        let value = at + name.len();
        let length = match abi::field(0, name, bytes.get_mut(value..).unwrap_or_default()) {
            Ok(length) => length,
            Err(CallError::NotFound) => continue,
            Err(_) => return None,
        };
        bytes.get_mut(at..value)?.copy_from_slice(name.as_bytes());
        *table.get_mut(count)? = Field::new(Span::new(at, value), Span::new(value, value + length));
        count += 1;
        at = value + length;
    }
    Some((at, count))
}

/// The handle whose body the answer passes on, and in the lowest bit whether its fields too; 0 for none.
static PASSED: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_apart() {
        let cases = [
            ("GET example.com/a/b?c=d", "GET", "example.com", "/a/b?c=d"),
            ("POST 127.0.0.1:8080/", "POST", "127.0.0.1:8080", "/"),
            ("OPTIONS a*", "OPTIONS", "a*", ""),
            ("", "", "", ""),
            ("GET", "GET", "", ""),
            ("GET nonsense", "GET", "nonsense", ""),
        ];
        for (text, method, authority, target) in cases {
            let parts = split_head(text.as_bytes(), None);
            assert_eq!(parts.method.text(text.as_bytes()), method, "{text}");
            assert_eq!(parts.authority.text(text.as_bytes()), authority, "{text}");
            assert_eq!(parts.target.text(text.as_bytes()), target, "{text}");
        }
    }
}

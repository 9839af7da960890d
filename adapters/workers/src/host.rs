//! One request, driven through an [`Exchange`].

use core::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    task::{Context, Poll},
};

use midge::{
    Cause, Exchange, ExchangeState, Failure, Field, Handler, Head, Limits, PlainHead, PlainMemory, Reject,
    RequestContext, Sent, Span,
};

use crate::{
    abi::{self, AnyMemory, CUT, DONE},
    error::CallError,
};

/// Which header fields of a request a handler is given: a type, so that a program has only the code for its own answer.
#[doc(hidden)]
pub trait Headers {
    /// Those with these names; all if there is no list.
    const NAMES: Option<&'static [&'static str]>;
}

/// Serves the request that the host has for this instance.
#[doc(hidden)]
pub async fn serve<M: AnyMemory + 'static, H: Headers>(handler: impl Handler, memory: &'static M, _: H) -> u32 {
    let Some(buffers) = memory.lend() else { return CUT };
    let (head, body, output, table, _lent) = buffers.split();
    ANSWERED.store(false, Relaxed);
    PASSED.store(0, Relaxed);
    let (head, refused) = match read_head::<H>(head, table) {
        Ok(head) => (head, None),
        Err(failure) => (Head::plain(&[], &[], NO_HEAD), Some(failure)),
    };
    let mut state = ExchangeState::new();
    let plain = PlainMemory { input: body, filled: 0, output, state: &mut state };
    let context = RequestContext::default();
    let exchange = Exchange::plain(head, plain, &context, &M::LIMITS);
    let mut driver = Driver { exchange: &exchange, begun: false, finished: false };
    let result = match refused {
        Some(failure) => Err(failure),
        None => {
            let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
            match poll_fn(|context| driver.run(context, |context| future.as_mut().poll(context))).await {
                Ok(result) => result,
                Err(_) => return CUT,
            }
        }
    };
    if driver.finished {
        // What a handler finds wrong behind its answer is no concern of the client's.
        return DONE;
    }
    if let Err(failure) = result
        && !driver.is_complete()
    {
        return driver.fail(failure);
    }
    match poll_fn(|_| driver.finish()).await {
        Ok(()) => DONE,
        Err(_) => CUT,
    }
}

/// Says that `Sent` exists: the answer is complete, whatever its handler still does.
pub(crate) fn answered(_: &Sent) {
    ANSWERED.store(true, Relaxed);
}

/// Has the answer pass `handle`'s body on, with that message's fields if `fields` says so.
pub(crate) fn pass(handle: u32, fields: bool) {
    PASSED.store(handle << 1 | u32::from(fields), Relaxed);
}

/// Moves the bytes of one exchange.
struct Driver<'x> {
    exchange: &'x Exchange<'x>,
    /// Whether the answer's head was given to the host.
    begun: bool,
    /// Whether the whole answer was.
    finished: bool,
}

impl Driver<'_> {
    /// Polls the handler, and moves bytes as long as that lets it go on.
    fn run(
        &mut self,
        context: &mut Context<'_>,
        mut handler: impl FnMut(&mut Context<'_>) -> Poll<Result<Sent, Failure>>,
    ) -> Poll<Result<Result<Sent, Failure>, CallError>> {
        loop {
            if let Poll::Ready(result) = handler(context) {
                return Poll::Ready(Ok(result));
            }
            let want = self.exchange.want();
            let mut moved = false;
            if want.input
                && let Poll::Ready(fed) = self.feed()
            {
                fed?;
                moved = true;
            }
            if want.output
                && let Poll::Ready(flushed) = self.flush(false)
            {
                moved |= flushed?;
            }
            if ANSWERED.load(Relaxed)
                && !self.finished
                && let Poll::Ready(finished) = self.finish()
            {
                finished?;
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// More of the request's body. A body that breaks off is an error for the whole exchange: its client has gone.
    fn feed(&self) -> Poll<Result<(), CallError>> {
        let read = self.exchange.fill(|space| match abi::read(0, space) {
            Poll::Ready(Ok(count)) => (count, Poll::Ready(Ok(count))),
            other => (0, other),
        });
        match read {
            Some(Poll::Ready(Ok(0))) => self.exchange.end_of_input(),
            Some(Poll::Ready(Ok(_))) => {}
            Some(Poll::Ready(Err(error))) => return Poll::Ready(Err(error)),
            Some(Poll::Pending) | None => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }

    /// Gives the host what may go out; whether there was anything.
    fn flush(&mut self, last: bool) -> Poll<Result<bool, CallError>> {
        let mut moved = false;
        if !self.begun {
            let Some(head) = self.exchange.answer_head() else { return Poll::Ready(Ok(false)) };
            abi::respond(head.status().code(), head.lines(), head.length(), PASSED.load(Relaxed))?;
            self.begun = true;
            moved = true;
        }
        let written = self.exchange.drain(|bytes| match abi::write(bytes, last) {
            Poll::Ready(Ok(())) => (bytes.len(), Poll::Ready(Ok(true))),
            Poll::Ready(Err(error)) => (0, Poll::Ready(Err(error))),
            Poll::Pending => (0, Poll::Pending),
        });
        written.unwrap_or(Poll::Ready(Ok(moved)))
    }

    /// Whether an answer of known length is there, all of it: then it stands, whatever its handler finds wrong behind it.
    fn is_complete(&self) -> bool {
        let length = self.exchange.answer_head().and_then(|head| head.length());
        let pending = self.exchange.drain(|bytes| (0, bytes.len())).unwrap_or(0);
        !self.begun && length == Some(pending as u64)
    }

    /// Answers a failure, if nothing of the answer is with the host yet. The host writes it as the engine would: the engine's own
    /// way, with its table of reasons, is half the size of a small Worker.
    fn fail(&self, failure: Failure) -> u32 {
        let mut buffer = [0; 128];
        let message = match failure.cause() {
            Cause::Handler(reason) => reason,
            // The two that a body without a coding can come to; the rest would only bring their texts along.
            Cause::Body(Reject::BodyTooLarge) => const { Reject::BodyTooLarge.message() },
            Cause::Body(Reject::Truncated) => const { Reject::Truncated.message() },
            _ => failure.explain(&mut buffer).unwrap_or_default(),
        };
        if self.begun || abi::fail(failure.status().code(), message).is_err() { CUT } else { DONE }
    }

    /// Gives the host the end of the answer.
    fn finish(&mut self) -> Poll<Result<(), CallError>> {
        match self.flush(true) {
            Poll::Ready(Ok(_)) => {
                abi::finish();
                self.finished = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Reads the request's head from the host.
fn read_head<'b, H: Headers>(bytes: &'b mut [u8], table: &'b mut [Field]) -> Result<Head<'b>, Failure> {
    let length = abi::head(bytes).map_err(|_| Failure::new(414))?;
    let parts = split_head(bytes.get(..length).unwrap_or_default());
    let (used, count) = match H::NAMES {
        None => all_fields(bytes, length, table)?,
        Some(names) => named_fields(bytes, length, table, names)?,
    };
    let body = abi::body_length();
    if body.is_some_and(|length| length > Limits::DEFAULT.body_bytes) {
        return Err(Failure::new(413));
    }
    let (bytes, table): (&'b [u8], &'b [Field]) = (bytes, table);
    Ok(Head::plain(
        bytes.get(..used).unwrap_or_default(),
        table.get(..count).unwrap_or_default(),
        PlainHead { body, ..parts },
    ))
}

/// Where the parts of `METHOD authority target` stand. The host wrote it: method and authority hold no blank.
fn split_head(bytes: &[u8]) -> PlainHead {
    let blank = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| **byte != b' ').count()
    };
    let method = blank(0);
    let authority = blank(method + 1);
    PlainHead {
        method: Span::new(0, method),
        target: Span::new(authority + 1, bytes.len()),
        authority: Span::new(method + 1, authority),
        body: None,
    }
}

/// Reads all fields behind the first `from` bytes; how many bytes are used then, and the number of fields.
fn all_fields(bytes: &mut [u8], from: usize, table: &mut [Field]) -> Result<(usize, usize), Failure> {
    let length = abi::fields(bytes.get_mut(from..).unwrap_or_default()).map_err(|_| Failure::new(431))?;
    let end = from + length;
    let mut count = 0;
    let mut at = from;
    while at < end {
        let line = bytes.get(at..end).unwrap_or_default();
        let line_end = at + line.iter().position(|byte| *byte == b'\r').unwrap_or(line.len());
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let entry = table.get_mut(count).ok_or(Failure::new(431))?;
            *entry = Field::new(Span::new(at, at + colon), Span::new(at + colon + 2, line_end));
            count += 1;
        }
        at = line_end + 2;
    }
    Ok((end, count))
}

/// As [`all_fields`], for the fields with these names.
fn named_fields(bytes: &mut [u8], from: usize, table: &mut [Field], names: &[&str]) -> Result<(usize, usize), Failure> {
    let mut at = from;
    let mut count = 0;
    for name in names {
        let value = at + name.len();
        let length = match abi::field(0, name, bytes.get_mut(value..).unwrap_or_default()) {
            Ok(length) => length,
            Err(CallError::NotFound) => continue,
            Err(_) => return Err(Failure::new(431)),
        };
        bytes.get_mut(at..value).ok_or(Failure::new(431))?.copy_from_slice(name.as_bytes());
        *table.get_mut(count).ok_or(Failure::new(431))? =
            Field::new(Span::new(at, value), Span::new(value, value + length));
        count += 1;
        at = value + length;
    }
    Ok((at, count))
}

/// What stands for the head of a request that is refused.
const NO_HEAD: PlainHead =
    PlainHead { method: Span::EMPTY, target: Span::EMPTY, authority: Span::EMPTY, body: Some(0) };

/// Whether the answer is complete though its handler goes on.
static ANSWERED: AtomicBool = AtomicBool::new(false);
/// The handle whose body the answer passes on, and in the lowest bit whether its fields too; 0 for none.
static PASSED: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_apart() {
        let cases = [
            ("GET example.com /a/b?c=d", "GET", "example.com", "/a/b?c=d"),
            ("POST 127.0.0.1:8080 /", "POST", "127.0.0.1:8080", "/"),
            ("OPTIONS a *", "OPTIONS", "a", "*"),
            ("", "", "", ""),
            ("GET", "GET", "", ""),
            ("GET nonsense", "GET", "nonsense", ""),
        ];
        for (text, method, authority, target) in cases {
            let parts = split_head(text.as_bytes());
            assert_eq!(parts.method.text(text.as_bytes()), method, "{text}");
            assert_eq!(parts.authority.text(text.as_bytes()), authority, "{text}");
            assert_eq!(parts.target.text(text.as_bytes()), target, "{text}");
        }
    }
}

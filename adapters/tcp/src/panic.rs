//! A handler's panic is its own request's misfortune and nobody else's.

use std::{
    any::Any,
    fmt::{self, Write as _},
    future::poll_fn,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use midge::{Failure, Handler, Request, Response, Sent};

/// The handler, with its panics turned into [`Failure`]s.
pub(crate) struct CatchPanic<'h, H>(pub(crate) &'h H);

impl<H: Handler> Handler for CatchPanic<'_, H> {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        // Called inside the future: a `handle` that panics before it returns its future is caught too.
        let mut handled = pin!(async { self.0.handle(request, response).await });
        poll_fn(|context| {
            // The future is never polled again after a panic, and what the handler shares between requests
            // is as consistent as its own locks make it: the same bargain that threads strike.
            match catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(context))) {
                Ok(polled) => polled,
                Err(payload) => {
                    report("a handler panicked; its request is answered 500 or cut", &*payload);
                    Poll::Ready(Err(Failure::panicked()))
                }
            }
        })
        .await
    }
}

/// One line on stderr.
#[cold]
pub(crate) fn report(what: &str, payload: &(dyn Any + Send)) {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "(no text)",
    };
    // Nobody to tell if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "midge-tcp: {what}: {}", OneLine(text));
}

/// Text with its control characters escaped: a panic may quote the request, and must not forge lines of the log.
struct OneLine<'t>(&'t str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if character.is_control() {
                write!(formatter, "{}", character.escape_default())
            } else {
                formatter.write_char(character)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::OneLine;

    #[test]
    fn a_panic_is_reported_on_one_line() {
        assert_eq!(OneLine("no\r\nlog \u{1b}[2J é").to_string(), "no\\r\\nlog \\u{1b}[2J é");
    }
}

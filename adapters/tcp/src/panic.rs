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
    #[inline]
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        let handler = self.0;
        async move {
            let mut handled = pin!(None);
            // A `handle` that panics before it returns its future is caught too.
            let called = catch_unwind(AssertUnwindSafe(|| handled.set(Some(handler.handle(request, response)))));
            if let Err(payload) = called {
                return Err(panicked(&*payload));
            }
            poll_fn(|context| {
                let Some(handled) = handled.as_mut().as_pin_mut() else { return Poll::Pending };
                // The future is never polled again after a panic, and what the handler shares between requests
                // is as consistent as its own locks make it: the same bargain that threads strike.
                match catch_unwind(AssertUnwindSafe(|| handled.poll(context))) {
                    Ok(polled) => polled,
                    Err(payload) => Poll::Ready(Err(panicked(&*payload))),
                }
            })
            .await
        }
    }
}

#[cold]
fn panicked(payload: &(dyn Any + Send)) -> Failure {
    report("a handler panicked; its request is answered 500 or cut", payload);
    Failure::panicked()
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

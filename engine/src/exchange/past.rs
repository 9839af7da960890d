//! Body bytes that the host itself sends, past the output buffer.

use core::{future::poll_fn, task::Poll};

use super::{
    BUSY, BodyStream, Exchange, Request,
    extras::Flags,
    failure::{Failure, ResponseError},
    output::{Delimiter, Output, Stage},
    response::flushed,
};

impl BodyStream<'_> {
    /// Lets the host send bytes of the body itself, past the output buffer, as with `sendfile`: for what a host offers its handlers, and not
    /// for handlers, which can't reach the connection.
    ///
    /// Once everything that was written is out, `send` is asked: with the request that is answered, by which the host finds its connection,
    /// and with the bytes that are left of the declared length. It gives how many bytes of the body reached the connection since it was
    /// asked last, or its error, which this gives too. While it is pending, [`serve`](crate::serve) calls the `flush` of its
    /// [`Write`](embedded_io_async::Write) and asks again when that is ready: there the host sends. That `flush` must be pending while the
    /// client takes nothing, must be as cancel-safe as a write, and an error of it ends the connection. The bytes count for
    /// [`Limits::write_rate`](crate::Limits::write_rate) and for the body's length as any others do.
    ///
    /// It gives 0 and asks nobody where no byte may go past the buffer: the body is over, its length was not declared, the client is
    /// sent none (`HEAD`), or the exchange is a plain one. Write them, then.
    ///
    /// Dropped while it is pending, it leaves bytes that went out uncounted: then nothing more may be written to the body.
    ///
    /// Hosts' `send` must refuse a request that is not one of theirs: a handler may serve others in memory.
    ///
    /// # Errors
    ///
    /// None but those of waiting for what was written. What `send` says is inside.
    pub async fn write_past<E>(
        &mut self,
        mut send: impl FnMut(&Request<'_>, u64) -> Poll<Result<u64, E>>,
    ) -> Result<Result<u64, E>, Failure> {
        let exchange = self.exchange;
        if self.trailers || exchange.left_past()? == 0 {
            return Ok(Ok(0));
        }
        flushed(exchange).await?;
        let request = Request::new(exchange);
        poll_fn(|_| {
            let mut step = || -> Result<Poll<Result<u64, E>>, ResponseError> {
                let left = exchange.left_past()?;
                let polled = send(&request, left);
                let mut output = exchange.output.try_borrow_mut().map_err(|_| BUSY)?;
                match &polled {
                    Poll::Ready(Ok(count)) => output.went_past((*count).min(left)),
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => output.wait_past(),
                }
                Ok(polled.map_ok(|count| count.min(left)))
            };
            match step() {
                Ok(polled) => polled.map(Ok),
                Err(error) => Poll::Ready(Err(error.into())),
            }
        })
        .await
    }
}

/// How far the host is with what goes past the buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Bytes that went out since it was asked last.
    pub(crate) moved: u64,
    /// Whether the handler waits for more to go out.
    pub(crate) waits: bool,
}

impl Exchange<'_> {
    /// Bytes of the body that may go past the buffer.
    fn left_past(&self) -> Result<u64, ResponseError> {
        let output = self.output.try_borrow().map_err(|_| BUSY)?;
        Ok(match output.stage() {
            Stage::Body(Delimiter::Length(left)) if output.is_on_the_wire() => left,
            _ => 0,
        })
    }

    /// What became of the bytes that go past the buffer since this was asked last.
    pub(crate) fn past(&self) -> Past {
        match self.output.try_borrow_mut() {
            Ok(mut output) if output.state.flags.has(Flags::PAST) => core::mem::take(&mut output.state.extras.past),
            _ => Past::default(),
        }
    }
}

impl Output<'_> {
    /// So many bytes of the body reached the connection past the buffer.
    fn went_past(&mut self, count: u64) {
        let past = self.past();
        past.moved = past.moved.saturating_add(count);
        self.passed(count);
    }

    /// The handler waits for more to go past the buffer.
    fn wait_past(&mut self) {
        self.past().waits = true;
    }

    fn past(&mut self) -> &mut Past {
        if !self.state.flags.raise(Flags::PAST) {
            self.state.extras.past = Past::default();
        }
        &mut self.state.extras.past
    }
}

//! A connection after its protocol was changed.

use core::{fmt, future::poll_fn, task::Poll};

use super::{
    Exchange,
    failure::{BodyError, Failure},
    handler::Sent,
    input::Next,
    response::{BUSY, flushed, write_all},
};
use crate::http1::reject::Reject;

/// A connection after 101 (Switching Protocols): bytes in, bytes out, both ways at once if the handler likes.
///
/// What the client sent right behind its request comes first. Both halves implement `embedded_io_async`'s traits.
/// The connection closes when the handler is done.
pub struct Upgraded<'x> {
    exchange: &'x Exchange<'x>,
}

impl<'x> Upgraded<'x> {
    pub(super) const fn new(exchange: &'x Exchange<'x>) -> Self {
        Self { exchange }
    }

    /// Some bytes from the client: 0 when it closed its side.
    ///
    /// # Errors
    ///
    /// The connection can't be read any more.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        Ok(read(self.exchange, buffer).await?)
    }

    /// Writes all of `bytes`, into the output buffer first.
    ///
    /// # Errors
    ///
    /// None today.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        write_all(self.exchange, bytes.as_ref()).await
    }

    /// Waits until everything that was written went out.
    ///
    /// # Errors
    ///
    /// None today.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        flushed(self.exchange).await
    }

    /// Two halves, to be used at once.
    pub fn split(&mut self) -> (UpgradedReader<'_, 'x>, UpgradedWriter<'_, 'x>) {
        let this = &*self;
        (UpgradedReader { upgraded: this }, UpgradedWriter { upgraded: this })
    }

    /// Ends it: the connection closes when all is out.
    ///
    /// # Errors
    ///
    /// None today.
    pub async fn finish(self) -> Result<Sent, Failure> {
        flushed(self.exchange).await?;
        self.exchange.output.try_borrow_mut().map_err(|_| BUSY)?.finish_raw();
        Ok(Sent(()))
    }
}

impl fmt::Debug for Upgraded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}

/// The half that reads.
#[derive(Debug)]
pub struct UpgradedReader<'r, 'x> {
    upgraded: &'r Upgraded<'x>,
}

/// The half that writes.
#[derive(Debug)]
pub struct UpgradedWriter<'r, 'x> {
    upgraded: &'r Upgraded<'x>,
}

async fn read(exchange: &Exchange<'_>, buffer: &mut [u8]) -> Result<usize, BodyError> {
    if buffer.is_empty() {
        return Ok(0);
    }
    poll_fn(|_| {
        let Ok(mut input) = exchange.input.try_borrow_mut() else {
            return Poll::Ready(Err(BodyError(Reject::Truncated)));
        };
        match input.next(buffer.len(), exchange.limits) {
            Ok(Next::Data { start, end }) => {
                let bytes = input.bytes(start, end);
                if let Some(place) = buffer.get_mut(..bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Poll::Ready(Ok(bytes.len()))
            }
            Ok(Next::End) => Poll::Ready(Ok(0)),
            Ok(Next::Need) => {
                drop(input);
                exchange.want_input()
            }
            Err(reject) => Poll::Ready(Err(BodyError(reject))),
        }
    })
    .await
}

impl embedded_io_async::Error for Failure {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        embedded_io_async::ErrorKind::Other
    }
}

impl embedded_io_async::ErrorType for Upgraded<'_> {
    type Error = Failure;
}

impl embedded_io_async::Read for Upgraded<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        Upgraded::read(self, buf).await
    }
}

impl embedded_io_async::Write for Upgraded<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Failure> {
        write_all(self.exchange, buf).await?;
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        flushed(self.exchange).await
    }
}

impl embedded_io_async::ErrorType for UpgradedReader<'_, '_> {
    type Error = Failure;
}

impl embedded_io_async::Read for UpgradedReader<'_, '_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        Ok(read(self.upgraded.exchange, buf).await?)
    }
}

impl embedded_io_async::ErrorType for UpgradedWriter<'_, '_> {
    type Error = Failure;
}

impl embedded_io_async::Write for UpgradedWriter<'_, '_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Failure> {
        write_all(self.upgraded.exchange, buf).await?;
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        flushed(self.upgraded.exchange).await
    }
}

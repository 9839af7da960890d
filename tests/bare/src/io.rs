//! A connection in memory, and an executor of one poll.

use core::{
    convert::Infallible,
    future::pending,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorType, Read, Write};

/// A client that sent everything at once, closed its side, and takes everything.
#[derive(Debug)]
pub struct Wire<'i> {
    input: &'i [u8],
    output: [u8; 8_192],
    written: usize,
}

impl<'i> Wire<'i> {
    /// A client that sent `input`.
    pub const fn new(input: &'i [u8]) -> Self {
        Self { input, output: [0; 8_192], written: 0 }
    }

    /// What the client received.
    pub fn received(&self) -> &[u8] {
        self.output.get(..self.written).unwrap_or_default()
    }
}

impl ErrorType for Wire<'_> {
    type Error = Infallible;
}

impl Read for Wire<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let count = put(self.input, buf);
        self.input = self.input.get(count..).unwrap_or_default();
        Ok(count)
    }
}

impl Write for Wire<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        let count = put(buf, self.output.get_mut(self.written..).unwrap_or_default());
        self.written += count;
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A client that does nothing.
#[derive(Debug)]
pub struct Silent;

impl ErrorType for Silent {
    type Error = Infallible;
}

impl Read for Silent {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Infallible> {
        pending().await
    }
}

/// Copies as much of `from` as there is room for.
pub fn put(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
    count
}

/// What a future gives at its first poll; nothing if it waits.
pub fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

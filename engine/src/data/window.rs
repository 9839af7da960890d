//! Writing what is made all at once into a body that takes it piece by piece.
//!
//! Formatting and serialising can't wait. Where the output buffer is full they are stopped, and begun again once it went out: what was
//! written already is then passed over. Nothing is kept in between, whatever the length of what is written.

use core::fmt;

use crate::exchange::{
    BUSY, BodyStream,
    failure::{Failure, ResponseError},
    output::Output,
};

/// What is written to: the part of the whole that there is room for.
pub(super) struct Window<'o, 'b> {
    output: &'o mut Output<'b>,
    /// Bytes to pass over.
    skip: u64,
    /// Bytes that were taken.
    written: u64,
    stop: Option<Stop>,
}

#[derive(Clone, Copy)]
enum Stop {
    Full,
    Error(ResponseError),
}

impl Window<'_, '_> {
    /// Takes in `bytes`. On an error, writing is to be given up at once; there is no need to say more of it.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), fmt::Error> {
        if self.stop.is_some() {
            return Err(fmt::Error);
        }
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        match self.output.write(bytes) {
            Ok(written) => {
                self.written += written as u64;
                if written < bytes.len() {
                    self.stop = Some(Stop::Full);
                    return Err(fmt::Error);
                }
                Ok(())
            }
            Err(error) => {
                self.stop = Some(Stop::Error(error));
                Err(fmt::Error)
            }
        }
    }
}

impl fmt::Write for Window<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes())
    }
}

/// Writes all that `write` makes, which has to be the same bytes whenever it is called. Gives their number.
///
/// `failed` is the error if `write` gives up by itself.
pub(super) async fn write_windows(
    body: &mut BodyStream<'_>,
    failed: ResponseError,
    mut write: impl FnMut(&mut Window<'_, '_>) -> bool,
) -> Result<u64, Failure> {
    if body.trailers {
        return Err(ResponseError::Twice.into());
    }
    let mut done = 0;
    loop {
        {
            let mut output = body.exchange.output.try_borrow_mut().map_err(|_| BUSY)?;
            let mut window = Window { output: &mut output, skip: done, written: 0, stop: None };
            let whole = write(&mut window);
            done += window.written;
            match window.stop {
                None if whole && window.skip == 0 => return Ok(done),
                None => return Err(failed.into()),
                Some(Stop::Error(error)) => return Err(error.into()),
                Some(Stop::Full) => {}
            }
        }
        // The whole buffer's length at a time: what is begun again is worth it.
        body.flush().await?;
    }
}

impl BodyStream<'_> {
    /// Formats into the body, waiting while the client is slower than the handler: `write!(body, "{} of {}", 1, 2).await?`.
    ///
    /// Where the text is longer than the room in the output buffer, it is formatted again for each buffer of it: what is formatted has to come out
    /// the same each time. Nothing is kept in between.
    ///
    /// ```
    /// # use midge::{testing, Request, Response};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |request: Request<'_>, response: Response<'_>| {
    ///     let mut body = response.status(200).stream().await?;
    ///     write!(body, "You asked for {}.", request.path()).await?;
    ///     body.finish().await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!(answer.body(), b"You asked for /x.");
    /// # Ok::<(), testing::CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`BodyStream::write`]; [`ResponseError::Format`] if formatting itself fails.
    pub async fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        write_windows(self, ResponseError::Format, |window| fmt::write(window, text).is_ok()).await.map(|_| ())
    }
}

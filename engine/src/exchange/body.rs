//! The request's body, as a handler reads it.

use core::{cell::Ref, fmt, future::poll_fn, ops::Deref, task::Poll};

use crate::http1::{fields::Fields, framing::BodyFraming, limits::Limits, reject::Reject};

use super::{Exchange, extras::Flags, failure::BodyError, input::Next};

/// A request's body. Nothing is read before it is asked for: what a handler doesn't want, it doesn't wait for.
///
/// It implements [`embedded_io_async::Read`] too.
pub struct Body<'x> {
    exchange: &'x Exchange<'x>,
}

impl<'x> Body<'x> {
    #[inline]
    pub(crate) const fn new(exchange: &'x Exchange<'x>) -> Self {
        Self { exchange }
    }

    /// The next piece of the body, as long as it happened to come in; `None` at the end. No byte is copied.
    ///
    /// # Errors
    ///
    /// The body is malformed, over a limit, too slow, or its client has gone. Every later call says the same.
    pub async fn chunk(&mut self) -> Result<Option<Chunk<'_>>, BodyError> {
        let Some((start, end)) = poll_fn(|_| self.poll_next(usize::MAX)).await? else { return Ok(None) };
        let input = self.exchange.input.try_borrow().map_err(|_| BUSY)?;
        Ok(Some(Chunk(Ref::map(input, |input| input.bytes(start, end)))))
    }

    /// Reads some bytes of the body into `buffer`, and gives their number: 0 at the end, or if `buffer` is empty.
    ///
    /// # Errors
    ///
    /// As [`Body::chunk`].
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some((start, end)) = poll_fn(|_| self.poll_next(buffer.len())).await? else { return Ok(0) };
        let input = self.exchange.input.try_borrow().map_err(|_| BUSY)?;
        let bytes = input.bytes(start, end);
        match buffer.get_mut(..bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => return Err(BUSY),
        }
        Ok(bytes.len())
    }

    /// The whole rest of the body in one piece, which lives as long as the request. It is put together in the slot's input
    /// buffer, up to [`Limits::body_in_memory_bytes`](crate::Limits::body_in_memory_bytes).
    ///
    /// If its future is dropped before it is ready, only calling it again gives what it had gathered so far.
    ///
    /// # Errors
    ///
    /// As [`Body::chunk`]; a larger body is refused as soon as that shows, with 413.
    pub async fn all(&mut self) -> Result<&'x [u8], BodyError> {
        self.all_mut().await.map(|bytes| &*bytes)
    }

    /// As [`Body::all`], for decoding in place.
    ///
    /// # Errors
    ///
    /// As [`Body::all`].
    pub async fn all_mut(&mut self) -> Result<&'x mut [u8], BodyError> {
        let exchange = self.exchange;
        let limits = self.limits();
        let limit = limits.body_in_memory_bytes as usize;
        // Whoever changes the protocol afterwards has to be able to read on.
        let reserve = if exchange.can_upgrade() { UPGRADE_ROOM } else { 0 };
        poll_fn(|_| {
            let mut input = match exchange.input.try_borrow_mut() {
                Ok(input) => input,
                Err(_) => return Poll::Ready(Err(BUSY)),
            };
            match input.gather(limit, reserve, &limits) {
                Ok(Some(())) => Poll::Ready(Ok(input.take_gathered())),
                Ok(None) => {
                    drop(input);
                    exchange.want_input()
                }
                Err(reject) => Poll::Ready(Err(BodyError(reject))),
            }
        })
        .await
    }

    /// The fields that came behind a chunked body; `None` until the body was read to its end. They are given once.
    ///
    /// They are never merged into the header fields (RFC 9110, section 6.5.1).
    pub fn trailers(&mut self) -> Option<Fields<'x>> {
        self.exchange.input.try_borrow_mut().ok()?.take_trailers()
    }

    /// Whether the body was read to its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.exchange.input.try_borrow().is_ok_and(|input| input.is_over())
    }

    /// The connection's limits, or what a handler set instead.
    #[inline]
    fn limits(&self) -> OwnLimits<'x> {
        let exchange = self.exchange;
        match exchange.output.try_borrow() {
            Ok(output) if output.state.flags.has(Flags::BODY) => {
                OwnLimits::Set(self.limited(output.state.extras.body_limit(output.state.flags)))
            }
            _ => OwnLimits::Connection(exchange.limits),
        }
    }

    /// The limits with one for the body; a body that is known to be longer is refused.
    #[cold]
    fn limited(&self, bytes: Option<u64>) -> Limits {
        let exchange = self.exchange;
        let bytes = bytes.unwrap_or(u64::MAX).min(exchange.limits.body_bytes);
        if let BodyFraming::Length(length) = exchange.head.head().framing().body
            && length > bytes
        {
            exchange.refuse_body(Reject::BodyTooLarge);
        }
        let body_in_memory_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Limits { body_bytes: bytes, body_in_memory_bytes, ..*exchange.limits }
    }

    #[inline]
    fn poll_next(&self, max: usize) -> Poll<Result<Option<(usize, usize)>, BodyError>> {
        let limits = self.limits();
        let Ok(mut input) = self.exchange.input.try_borrow_mut() else { return Poll::Ready(Err(BUSY)) };
        match input.next(max, &limits) {
            Ok(Next::Data { start, end }) => Poll::Ready(Ok(Some((start, end)))),
            Ok(Next::End) => Poll::Ready(Ok(None)),
            Ok(Next::Need) => {
                drop(input);
                self.exchange.want_input()
            }
            Err(reject) => Poll::Ready(Err(BodyError(reject))),
        }
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

impl embedded_io_async::ErrorType for Body<'_> {
    type Error = BodyError;
}

impl embedded_io_async::Read for Body<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, BodyError> {
        Body::read(self, buf).await
    }
}

/// The connection's limits, or other ones for one body.
enum OwnLimits<'x> {
    Connection(&'x Limits),
    Set(Limits),
}

impl Deref for OwnLimits<'_> {
    type Target = Limits;

    #[inline]
    fn deref(&self) -> &Limits {
        match self {
            Self::Connection(limits) => limits,
            Self::Set(limits) => limits,
        }
    }
}

/// A piece of a body, where it stands in the input buffer. Drop it before the next one is asked for.
pub struct Chunk<'r>(Ref<'r, [u8]>);

impl Deref for Chunk<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Chunk<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk(b\"{}\")", self.0.escape_ascii())
    }
}

/// The input is lent out elsewhere: the borrow checker lets no handler come here.
const BUSY: BodyError = BodyError(Reject::Truncated);

/// Bytes of the input buffer that a gathered body leaves to an upgraded connection.
const UPGRADE_ROOM: usize = 256;

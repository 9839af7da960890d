//! Requests and answers moved over `embedded_io_async`.

use core::{fmt, future::poll_fn, pin::pin, task::Poll};

use embedded_io_async::{Read, Write};

use super::{
    answer::{AnswerContent, AnswerReader, Content},
    error::{CallError, RequestError},
    request::RequestBytes,
};

/// The two directions of a connection to a server.
///
/// A read or a write whose future is dropped before it is ready must have moved nothing: so it is with sockets that are polled
/// for readiness.
#[derive(Debug)]
pub struct Wire<R, W> {
    reader: R,
    writer: W,
}

/// Whether the server still wants the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a server that has answered doesn't take the rest of the request"]
pub enum Sending {
    /// What there was went out.
    Sent,
    /// The final answer is there before the request went out whole. The rest need not be sent (RFC 9112, section 9.5), and the
    /// connection can't be kept.
    Answered,
}

impl<R, W> Wire<R, W>
where
    R: Read,
    W: Write<Error = R::Error>,
{
    /// A connection with these directions.
    pub const fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }

    /// Sends what is pending of a request. While the server doesn't take it, or when it takes no more, its answer is looked for.
    ///
    /// # Errors
    ///
    /// The connection failed and no answer came, or what came is none.
    pub async fn send(
        &mut self,
        request: &mut RequestBytes<'_>,
        answer: &mut AnswerReader<'_>,
    ) -> Result<Sending, CallError<R::Error>> {
        if answer.is_ready() {
            return Ok(Sending::Answered);
        }
        while !request.pending().is_empty() {
            match self.either(request, answer).await {
                Moved::Out(Ok(count @ 1..)) => request.sent(count),
                Moved::Out(Ok(_)) => return Err(CallError::Ended),
                Moved::Out(Err(error)) => {
                    // A server that wants no more of the request may have said why before it closed.
                    return match self.receive(answer).await {
                        Ok(()) => Ok(Sending::Answered),
                        Err(CallError::Answer(error)) => Err(error.into()),
                        Err(_) => Err(CallError::Write(error)),
                    };
                }
                Moved::In(Ok(count)) => {
                    if taken(answer, count)? {
                        return Ok(Sending::Answered);
                    }
                }
                Moved::In(Err(error)) => return Err(CallError::Read(error)),
            }
        }
        self.writer.flush().await.map_err(CallError::Write)?;
        Ok(Sending::Sent)
    }

    /// Sends a piece of a request's body. It is gathered: what goes out when is the buffer's business, unless [`send`](Self::send) is
    /// called.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), or more bytes than the declared length.
    pub async fn write(
        &mut self,
        request: &mut RequestBytes<'_>,
        answer: &mut AnswerReader<'_>,
        bytes: &[u8],
    ) -> Result<Sending, CallError<R::Error>> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match request.write(rest)? {
                0 => {
                    if request.pending().is_empty() {
                        // A buffer too small for a chunk of one byte: no progress is possible.
                        return Err(RequestError::HeadTooLarge.into());
                    }
                    if self.send(request, answer).await? == Sending::Answered {
                        return Ok(Sending::Answered);
                    }
                }
                count => rest = rest.get(count..).unwrap_or_default(),
            }
        }
        Ok(Sending::Sent)
    }

    /// Ends a request's body, and sends what is left.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), or fewer bytes than the declared length.
    pub async fn finish(
        &mut self,
        request: &mut RequestBytes<'_>,
        answer: &mut AnswerReader<'_>,
    ) -> Result<Sending, CallError<R::Error>> {
        while !request.finish()? {
            if self.send(request, answer).await? == Sending::Answered {
                return Ok(Sending::Answered);
            }
        }
        self.send(request, answer).await
    }

    /// Reads until the final answer's head is there.
    ///
    /// # Errors
    ///
    /// The connection failed or ended before, or what came is no answer.
    pub async fn receive(&mut self, answer: &mut AnswerReader<'_>) -> Result<(), CallError<R::Error>> {
        while !answer.is_ready() {
            let count = self.reader.read(answer.space()).await.map_err(CallError::Read)?;
            taken(answer, count)?;
        }
        Ok(())
    }

    /// Reads the next piece of an answer's body: `None` behind its end.
    ///
    /// # Errors
    ///
    /// The connection failed or ended within the body, or the body is malformed or over a limit.
    pub async fn read<'c>(
        &mut self,
        content: &'c mut AnswerContent<'_>,
    ) -> Result<Option<&'c [u8]>, CallError<R::Error>> {
        Ok(if self.advance(content).await? { Some(content.data()) } else { None })
    }

    /// Reads an answer's body to its end and keeps its first `limit` bytes; gives whether those are all.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read), or a body that, with that limit, is larger than the buffer.
    pub async fn gather(&mut self, content: &mut AnswerContent<'_>, limit: usize) -> Result<bool, CallError<R::Error>> {
        let mut is_all = true;
        while self.advance(content).await? {
            let length = content.data().len();
            let room = limit.saturating_sub(content.kept().len());
            is_all &= content.keep(room) == length;
        }
        Ok(is_all)
    }

    /// The two directions.
    pub fn into_inner(self) -> (R, W) {
        (self.reader, self.writer)
    }

    /// Goes on to the next piece of data; false at the end.
    async fn advance(&mut self, content: &mut AnswerContent<'_>) -> Result<bool, CallError<R::Error>> {
        loop {
            match content.step()? {
                Content::Data => return Ok(true),
                Content::End => return Ok(false),
                Content::More => match self.reader.read(content.space()?).await.map_err(CallError::Read)? {
                    0 => content.ended()?,
                    count => content.received(count),
                },
            }
        }
    }

    /// Moves something in either direction: out if possible.
    async fn either(&mut self, request: &mut RequestBytes<'_>, answer: &mut AnswerReader<'_>) -> Moved<R::Error> {
        let mut write = pin!(self.writer.write(request.pending()));
        let space = answer.space();
        if space.is_empty() {
            return Moved::Out(write.await);
        }
        let mut read = pin!(self.reader.read(space));
        poll_fn(|context| {
            if let Poll::Ready(written) = write.as_mut().poll(context) {
                return Poll::Ready(Moved::Out(written));
            }
            read.as_mut().poll(context).map(Moved::In)
        })
        .await
    }
}

enum Moved<E> {
    Out(Result<usize, E>),
    In(Result<usize, E>),
}

/// So many bytes of an answer came: true when its head is there.
fn taken<E: fmt::Debug>(answer: &mut AnswerReader<'_>, count: usize) -> Result<bool, CallError<E>> {
    if count == 0 {
        answer.ended()?;
        return Err(CallError::Ended);
    }
    Ok(answer.received(count)?)
}

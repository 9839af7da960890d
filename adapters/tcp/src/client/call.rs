//! One call: a request sent, and its answer read.

use std::{fmt, rc::Rc, time::Duration};

use midge::{
    AnswerFraming, AnswerHead, FieldLines, Fields, Instant, Method,
    client::{
        AnswerContent, AnswerReader, CallError, Content, Host, RequestBytes, RequestError, RequestHead, Sending, Wire,
    },
};

use super::{
    Client,
    error::{ClientError, ClientErrorKind},
    pool::{Memory, Target},
};
use crate::{
    outbound::Socket,
    reactor::Reactor,
    sleep::{Sleep, TimeoutError, within},
};

/// Buffers for one request and its answer at a time; they go back when this is dropped. Requests may follow one another.
///
/// ```text
///   Call -- request --> CallRequest -- send / body ---------------> Answer   chunk, all
///                          |  ^   '--- stream --> Upload -- answer --^
///                        header
/// ```
pub struct Call<'c> {
    client: &'c Client,
    reactor: Rc<Reactor>,
    memory: Option<Memory>,
    deadline: Option<Instant>,
}

impl<'c> Call<'c> {
    pub(super) fn new(client: &'c Client) -> Result<Self, ClientError> {
        let taken = Reactor::current().and_then(|reactor| Ok((reactor.take_memory()?, reactor)));
        let (memory, reactor) = taken.map_err(|error| ClientError::new(None, error.into()))?;
        Ok(Self { client, reactor, memory: Some(memory), deadline: None })
    }

    /// Lets everything from now on take no longer than `time`: connecting, sending, and reading the answer to its end.
    #[must_use]
    pub fn deadline(mut self, time: Duration) -> Self {
        self.deadline = Some(self.reactor.exact_now().after(time));
        self
    }

    /// Begins a request. `target` is a path that begins with `/`, percent-encoded, with its query.
    pub fn request(&mut self, method: Method<'_>, target: &str) -> CallRequest<'_> {
        self.request_with_target(method, &[target])
    }

    /// The same with a target that is in several pieces.
    pub fn request_with_target(&mut self, method: Method<'_>, target: &[&str]) -> CallRequest<'_> {
        let Self { client, reactor, memory, deadline } = self;
        // Always there, until this is dropped.
        let (input, output, table) = match memory {
            Some(memory) => memory.parts(),
            None => (&mut [][..], &mut [][..], &mut [][..]),
        };
        let is_replayable = method.is_idempotent();
        let reader = AnswerReader::new(input, table, &client.limits).to_head(method == Method::Head);
        // It was checked when the client was made.
        let head = Host::new(&client.host).map(|host| RequestHead::with_target(output, method, target, host));
        CallRequest { head, link: Link { client, reactor, deadline: *deadline, socket: None, is_replayable }, reader }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.reactor.give_memory(memory);
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("client", &self.client).finish_non_exhaustive()
    }
}

/// A request whose head is being written. What is wrong with it is said when it is to be sent, and then nothing is.
#[must_use = "a request goes out with send(), body() or stream()"]
pub struct CallRequest<'k> {
    head: Result<RequestHead<'k>, RequestError>,
    link: Link<'k>,
    reader: AnswerReader<'k>,
}

impl<'k> CallRequest<'k> {
    /// Adds a field. `host`, `content-length`, `transfer-encoding`, `connection`, `keep-alive`, `upgrade`, `te` and `expect` are refused.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head = self.head.map(|head| head.header(name, value));
        self
    }

    /// Adds a field whose value is formatted in place.
    pub fn header_fmt(mut self, name: &str, value: fmt::Arguments<'_>) -> Self {
        self.head = self.head.map(|head| head.header_fmt(name, value));
        self
    }

    /// Adds field lines that were checked when the program was compiled.
    pub fn lines(mut self, lines: FieldLines) -> Self {
        self.head = self.head.map(|head| head.lines(lines));
        self
    }

    /// Sends the request without a body, and waits for the answer's head.
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists.
    pub async fn send(self) -> Result<Answer<'k>, ClientError> {
        let request = self.head.and_then(RequestHead::empty);
        let request = request.map_err(|error| self.link.error(error.into()))?;
        whole(self.link, request, self.reader, b"").await
    }

    /// Sends the request with a body, and waits for the answer's head.
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists.
    pub async fn body(self, body: impl AsRef<[u8]>) -> Result<Answer<'k>, ClientError> {
        let body = body.as_ref();
        let request = self.head.and_then(|head| head.length(body.len() as u64));
        let request = request.map_err(|error| self.link.error(error.into()))?;
        whole(self.link, request, self.reader, body).await
    }

    /// Goes on with a body that is written piece by piece: of this length if one is given, else in chunks. It goes over a connection once,
    /// and isn't sent again.
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists.
    pub async fn stream(mut self, length: Option<u64>) -> Result<Upload<'k>, ClientError> {
        let request = self.head.and_then(|head| match length {
            Some(length) => head.length(length),
            None => head.chunked(),
        });
        let request = request.map_err(|error| self.link.error(error.into()))?;
        self.link.is_replayable = false;
        self.link.connect_any().await.map_err(|kind| self.link.error(kind))?;
        Ok(Upload { link: self.link, request, reader: self.reader })
    }
}

impl fmt::Debug for CallRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallRequest").finish_non_exhaustive()
    }
}

/// Sends a request whose body is given whole; once more, where that may be.
async fn whole<'k>(
    mut link: Link<'k>,
    mut request: RequestBytes<'k>,
    mut reader: AnswerReader<'k>,
    body: &[u8],
) -> Result<Answer<'k>, ClientError> {
    let written = request.write(body).map_err(|error| link.error(error.into()))?;
    let rest = body.get(written..).unwrap_or_default();
    loop {
        let is_kept = link.connect_any().await.map_err(|kind| link.error(kind))?;
        let (request, reader) = (&mut request, &mut reader);
        let answered = link
            .timed(async |link: &mut Link<'_>| {
                let mut wire = link.wire()?;
                if wire.write(request, reader, rest).await? == Sending::Sent {
                    let _ = wire.finish(request, reader).await?;
                }
                Ok(wire.receive(reader).await?)
            })
            .await;
        match answered {
            Ok(()) => break,
            Err(error) => {
                link.socket = None;
                let is_lost = matches!(
                    error.kind,
                    ClientErrorKind::Call(CallError::Ended | CallError::Read(_) | CallError::Write(_))
                );
                let again = is_kept && is_lost && link.is_replayable && !reader.has_begun() && rest.is_empty();
                if !again || !request.rewind() {
                    return Err(error);
                }
                // Over a new connection, and not over another that may have ended in the meantime.
                link.is_replayable = false;
                link.connect_new().await.map_err(|kind| link.error(kind))?;
            }
        }
    }
    Answer::new(link, &mut request, reader)
}

/// A request whose body is being written.
#[must_use = "a request has to be finished with answer()"]
pub struct Upload<'k> {
    link: Link<'k>,
    request: RequestBytes<'k>,
    reader: AnswerReader<'k>,
}

impl<'k> Upload<'k> {
    /// Writes a piece of the body. It is gathered, up to 16 KiB; it waits while the server is slower than the caller.
    ///
    /// False says that the server has answered already, and doesn't want the rest: go on with [`answer`](Self::answer).
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists; more bytes than the declared length among them.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<bool, ClientError> {
        let (request, reader, bytes) = (&mut self.request, &mut self.reader, bytes.as_ref());
        let sending =
            self.link.timed(async |link: &mut Link<'_>| Ok(link.wire()?.write(request, reader, bytes).await?));
        Ok(sending.await? == Sending::Sent)
    }

    /// Sends what was written so far. False as [`write`](Self::write) says.
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists.
    pub async fn flush(&mut self) -> Result<bool, ClientError> {
        let (request, reader) = (&mut self.request, &mut self.reader);
        let sending = self.link.timed(async |link: &mut Link<'_>| Ok(link.wire()?.send(request, reader).await?));
        Ok(sending.await? == Sending::Sent)
    }

    /// Ends the body, and waits for the answer's head.
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists; fewer bytes than the declared length among them.
    pub async fn answer(mut self) -> Result<Answer<'k>, ClientError> {
        let (request, reader) = (&mut self.request, &mut self.reader);
        self.link
            .timed(async |link: &mut Link<'_>| {
                let mut wire = link.wire()?;
                if !reader.is_ready() {
                    let _ = wire.finish(request, reader).await?;
                }
                Ok(wire.receive(reader).await?)
            })
            .await?;
        Answer::new(self.link, &mut self.request, self.reader)
    }
}

impl fmt::Debug for Upload<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upload").field("request", &self.request).finish_non_exhaustive()
    }
}

/// An answer: its head, and its body as it comes. When the body was read to its end, the connection is kept for the next call; dropped
/// before, it is closed.
pub struct Answer<'k> {
    link: Link<'k>,
    head: AnswerHead<'k>,
    content: AnswerContent<'k>,
    /// The request went out whole.
    is_sent: bool,
}

impl<'k> Answer<'k> {
    fn new(link: Link<'k>, request: &mut RequestBytes<'k>, reader: AnswerReader<'k>) -> Result<Self, ClientError> {
        let is_sent = request.is_finished() && request.pending().is_empty();
        let Some((head, content)) = reader.into_parts() else { return Err(link.error(ClientErrorKind::Over)) };
        let mut answer = Self { link, head, content, is_sent };
        // One without a body is over already.
        if matches!(head.framing(), AnswerFraming::Nothing | AnswerFraming::Length(0))
            && matches!(answer.content.step(), Ok(Content::End))
        {
            answer.keep();
        }
        Ok(answer)
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status().code()
    }

    /// The fields.
    #[must_use]
    pub const fn headers(&self) -> Fields<'k> {
        self.head.fields()
    }

    /// The head: how the body is delimited, among others.
    #[must_use]
    pub const fn head(&self) -> &AnswerHead<'k> {
        &self.head
    }

    /// The next piece of the body, as it came in; `None` behind its end.
    ///
    /// # Errors
    ///
    /// As [`ClientErrorKind`] lists: the answer is cut, malformed, over a limit, or late.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, ClientError> {
        if self.link.socket.is_none() {
            return Ok(None);
        }
        let content = &mut self.content;
        let more = self.link.timed(async |link: &mut Link<'_>| Ok(link.wire()?.read(content).await?.is_some()));
        if more.await? {
            return Ok(Some(self.content.data()));
        }
        self.keep();
        Ok(None)
    }

    /// The whole body, of at most `limit` bytes; no more than about 30,000, which is what the call's buffer has room for behind the head.
    ///
    /// # Errors
    ///
    /// [`ClientErrorKind::TooLarge`], and what [`chunk`](Self::chunk) gives.
    pub async fn all(&mut self, limit: usize) -> Result<&[u8], ClientError> {
        if self.link.socket.is_none() {
            return Ok(self.content.kept());
        }
        let content = &mut self.content;
        let gathered = self.link.timed(async |link: &mut Link<'_>| Ok(link.wire()?.gather(content, limit).await?));
        if !gathered.await? {
            return Err(self.link.error(ClientErrorKind::TooLarge));
        }
        self.keep();
        Ok(self.content.kept())
    }

    fn keep(&mut self) {
        if self.is_sent && self.content.can_reuse() {
            self.link.keep();
        }
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("head", &self.head).finish_non_exhaustive()
    }
}

/// A call's connection, and its time.
struct Link<'k> {
    client: &'k Client,
    reactor: &'k Rc<Reactor>,
    deadline: Option<Instant>,
    /// Where it goes: the number of the client's address.
    socket: Option<(usize, Socket)>,
    is_replayable: bool,
}

impl Link<'_> {
    /// Does something before the deadline.
    async fn timed<T>(
        &mut self,
        act: impl AsyncFnOnce(&mut Self) -> Result<T, ClientErrorKind>,
    ) -> Result<T, ClientError> {
        let done = match self.deadline {
            None => act(self).await,
            Some(deadline) => {
                let sleep = Sleep::until(deadline, Rc::clone(self.reactor));
                within(sleep, act(self)).await.unwrap_or_else(|error| Err(error.into()))
            }
        };
        done.map_err(|kind| self.error(kind))
    }

    /// Sees to it that there is a connection; true if it was used before.
    async fn connect_any(&mut self) -> Result<bool, ClientErrorKind> {
        if self.socket.is_some() {
            return Ok(false);
        }
        self.drop_stale();
        for (number, target) in self.client.targets.iter().enumerate() {
            let kept = self.reactor.pool.borrow_mut().take(target);
            if let Some(socket) = kept {
                self.socket = Some((number, socket));
                return Ok(true);
            }
        }
        self.connect_new().await
    }

    async fn connect_new(&mut self) -> Result<bool, ClientErrorKind> {
        let mut failure = ClientErrorKind::Over;
        for (number, target) in self.client.targets.iter().enumerate() {
            let connecting = async {
                match target {
                    Target::Tcp(address) => Socket::connect_tcp(*address).await,
                    Target::Unix(path) => Socket::connect_unix(path).await,
                }
            };
            // One timer, for whichever time is over first.
            let patience = self.reactor.exact_now().after(self.client.connect_time);
            let (until, late) = match self.deadline {
                Some(deadline) if deadline <= patience => (deadline, ClientErrorKind::Deadline),
                _ => (patience, ClientErrorKind::ConnectTime),
            };
            failure = match within(Sleep::until(until, Rc::clone(self.reactor)), connecting).await {
                Ok(Ok(socket)) => {
                    self.socket = Some((number, socket));
                    return Ok(false);
                }
                Ok(Err(error)) => ClientErrorKind::Connect(error),
                Err(TimeoutError::Elapsed) => late,
                Err(TimeoutError::Worker(error)) => ClientErrorKind::Worker(error),
            };
        }
        Err(failure)
    }

    fn drop_stale(&self) {
        loop {
            let stale = self.reactor.pool.borrow_mut().take_stale();
            if stale.is_none() {
                return;
            }
        }
    }

    fn wire(&self) -> Result<Wire<&Socket, &Socket>, ClientErrorKind> {
        match &self.socket {
            Some((_, socket)) => Ok(Wire::new(socket, socket)),
            None => Err(ClientErrorKind::Over),
        }
    }

    /// Keeps the connection for another call.
    fn keep(&mut self) {
        let Some((number, socket)) = self.socket.take() else { return };
        if let Some(target) = self.client.targets.get(number).filter(|_| !socket.is_stale()) {
            let refused = self.reactor.pool.borrow_mut().put(target.clone(), socket);
            drop(refused);
        }
    }

    fn error(&self, kind: ClientErrorKind) -> ClientError {
        let number = self.socket.as_ref().map_or(0, |(number, _)| *number);
        ClientError::new(self.client.targets.get(number).cloned(), kind)
    }
}

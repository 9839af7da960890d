//! The answer, as a handler writes it.

use core::{fmt, future::poll_fn, task::Poll};

use crate::{client::is_engines, http1::status::Status};

use super::{
    Exchange, Outcome, Upgraded,
    failure::{Failure, ResponseError},
    handler::Sent,
    output::{Announced, Closing, Name, check_name, is_value},
};

/// An answer that has not begun: [`Response::status`] begins it.
///
/// Each step gives the type of the next one, so that an answer in the wrong order doesn't compile:
///
/// ```text
///   Response -- status --> ResponseHead -- body / empty ----------------------> Sent
///      |                       |  ^   |--- stream --> BodyStream -- finish ---> Sent
///   interim                  header   '--- upgrade -> Upgraded --- finish ----> Sent
/// ```
#[must_use = "a request has to be answered"]
pub struct Response<'x> {
    exchange: &'x Exchange<'x>,
}

impl<'x> Response<'x> {
    #[inline]
    pub(crate) const fn new(exchange: &'x Exchange<'x>) -> Self {
        Self { exchange }
    }

    /// Begins the answer. A number that can't be a final status (or 101, with [`ResponseHead::upgrade`]) is an error that the
    /// head's end gives.
    #[inline(always)]
    pub fn status(self, status: u16) -> ResponseHead<'x> {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.begin(Status::new(status));
        }
        ResponseHead { exchange: self.exchange }
    }

    /// Adds a field to the answer that follows, whoever writes it: also to a failure's. For handlers around other ones; all that they add
    /// may have 1,024 bytes. What is wrong with it, the head's end gives as an error, as for [`ResponseHead::header`].
    ///
    /// ```
    /// # use midge::{testing, Failure, Handler, Request, Response, Sent};
    /// # async fn inner(_request: Request<'_>, _response: Response<'_>) -> Result<Sent, Failure> { Err(Failure::new(404)) }
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |request: Request<'_>, response: Response<'_>| {
    ///     inner.handle(request, response.with("x-content-type-options", "nosniff")).await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!((answer.status(), answer.header("x-content-type-options")), (404, Some("nosniff")));
    /// # Ok::<(), testing::CallError>(())
    /// ```
    pub fn with(self, name: &str, value: &str) -> Self {
        self.with_fmt(name, format_args!("{value}"))
    }

    /// As [`Response::with`], with a value that is formatted in place.
    pub fn with_fmt(self, name: &str, value: fmt::Arguments<'_>) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.add(name.as_bytes(), value);
        }
        self
    }

    /// What becomes of this answer, to be asked when the handler that writes it is done.
    pub fn outcome(&self) -> Outcome<'x> {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.watch();
        }
        Outcome::new(self.exchange)
    }

    /// Begins an interim answer, such as 103 (Early Hints, RFC 8297). Clients of HTTP/1.0 are not sent it (RFC 9110, section 15.2).
    ///
    /// ```
    /// # use midge::{testing, Request, Response};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |_request: Request<'_>, mut response: Response<'_>| {
    ///     response.interim(103).header("link", "</style.css>; rel=preload").send().await?;
    ///     response.status(200).body(b"hello").await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!(answer.interims(), [103]);
    /// # Ok::<(), testing::CallError>(())
    /// ```
    pub fn interim(&mut self, status: u16) -> Interim<'_, 'x> {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.begin_interim(Status::new(status));
        }
        Interim { response: self }
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").finish_non_exhaustive()
    }
}

/// An interim answer that is being written.
#[derive(Debug)]
#[must_use = "an interim answer goes out with send()"]
pub struct Interim<'r, 'x> {
    response: &'r mut Response<'x>,
}

impl Interim<'_, '_> {
    /// Adds a field.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Ok(mut output) = self.response.exchange.output.try_borrow_mut() {
            output.field(name.as_bytes(), value.as_ref());
        }
        self
    }

    /// Sends it, and waits until it went out.
    ///
    /// # Errors
    ///
    /// The status isn't an interim one, or a field isn't one; then nothing of it goes out.
    pub async fn send(self) -> Result<(), Failure> {
        let exchange = self.response.exchange;
        exchange.output.try_borrow_mut().map_err(|_| BUSY)?.end_interim()?;
        flushed(exchange).await
    }
}

/// An answer whose head is being written.
///
/// What is wrong with the head (a name, a value, its size) is said by the method that ends it, and then nothing of
/// the head reaches the wire.
#[must_use = "a request has to be answered"]
pub struct ResponseHead<'x> {
    exchange: &'x Exchange<'x>,
}

impl<'x> ResponseHead<'x> {
    /// Adds a field. `date` replaces the engine's own; `content-length`, `transfer-encoding`, `connection`, `keep-alive` and `upgrade`
    /// are the engine's and refused.
    #[inline]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.field(name.as_bytes(), value.as_ref());
        }
        self
    }

    /// Adds a field whose value is formatted in place: `head.header_fmt("etag", format_args!("\"{version}\""))`.
    pub fn header_fmt(self, name: &str, value: fmt::Arguments<'_>) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.field_fmt(name.as_bytes(), value);
        }
        self
    }

    /// Adds field lines that were checked when the program was compiled.
    #[inline(always)]
    pub fn lines(self, lines: FieldLines) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.lines(lines.0);
        }
        self
    }

    /// Says that the client may ask again to change to `protocol` (an `Upgrade` field): what 426 (Upgrade Required) has to say
    /// (RFC 9110, section 15.5.22). Hosts whose requests don't travel as HTTP/1.1 leave it out.
    pub fn offer_upgrade(self, protocol: &str) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.offer_upgrade(protocol.as_bytes());
        }
        self
    }

    /// Declares the length of a body that is streamed, or that `HEAD` is only told of. Writing more or fewer bytes is then an error;
    /// where the answer has no body (to `HEAD`, and with 304), none at all need be written.
    pub fn length(self, bytes: u64) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.declare(bytes);
        }
        self
    }

    /// Ends the answer with a body that is there whole, if there is room for it and nothing unusual about the answer; else nothing is done.
    #[cfg(feature = "json")]
    pub(crate) fn body_at_once(&self, body: &[u8]) -> Option<Sent> {
        self.exchange.answer(body).then_some(Sent(()))
    }

    /// Notes what is wrong with the head, for the method that ends it.
    pub(crate) fn fault(self, error: ResponseError) -> Self {
        if let Ok(mut output) = self.exchange.output.try_borrow_mut() {
            output.fault(error);
        }
        self
    }

    /// Closes the connection after this answer.
    pub fn close(self) -> Self {
        self.exchange.close_after();
        self
    }

    /// Ends the answer with a body. `HEAD` gets its length alone.
    ///
    /// # Errors
    ///
    /// What was wrong with the head, a length that was declared otherwise, or a status that has no body.
    #[inline]
    #[cfg(not(target_family = "wasm"))]
    pub async fn body(self, body: impl AsRef<[u8]>) -> Result<Sent, Failure> {
        let exchange = self.exchange;
        let mut rest = body.as_ref();
        if exchange.answer(rest) {
            return Ok(Sent(()));
        }
        exchange.end_head(Announced::Length(rest.len() as u64))?;
        if exchange.output.try_borrow_mut().map_err(|_| BUSY)?.end_with(&mut rest)? {
            return Ok(Sent(()));
        }
        end_with(exchange, rest).await
    }

    /// Ends the answer with a body. `HEAD` gets its length alone.
    ///
    /// # Errors
    ///
    /// What was wrong with the head, a length that was declared otherwise, or a status that has no body.
    // The same with most of it in one function for every handler, which is no part of their futures, and in no async function, whose states
    // are code too: a fresh instance compiles what it runs, and most answers there need not come to it.
    #[inline]
    #[cfg(target_family = "wasm")]
    pub fn body(self, body: impl AsRef<[u8]>) -> impl Future<Output = Result<Sent, Failure>> {
        let (exchange, mut written) = (self.exchange, None);
        poll_fn(move |_| match body.as_ref() {
            body if written.is_none() && exchange.answer(body) => Poll::Ready(Ok(Sent(()))),
            body => poll_end(exchange, &mut written, body),
        })
    }

    /// Ends the answer without a body.
    ///
    /// # Errors
    ///
    /// What was wrong with the head.
    pub async fn empty(self) -> Result<Sent, Failure> {
        self.body(b"").await
    }

    /// Goes on with a body that is written piece by piece: of the declared length, else chunked, and to clients of HTTP/1.0 up
    /// to the connection's end.
    ///
    /// ```
    /// # use midge::{testing, Request, Response};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |_request: Request<'_>, response: Response<'_>| {
    ///     let mut body = response.status(200).stream().await?;
    ///     for line in ["one\n", "two\n"] {
    ///         body.write(line).await?;
    ///     }
    ///     body.finish().await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!(answer.body(), b"one\ntwo\n");
    /// # Ok::<(), testing::CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What was wrong with the head, or a status that has no body.
    pub async fn stream(self) -> Result<BodyStream<'x>, Failure> {
        let exchange = self.exchange;
        let declared = exchange.output.try_borrow().map_err(|_| BUSY)?.declared();
        exchange.end_head(declared.map_or(Announced::Unknown, Announced::Length))?;
        Ok(BodyStream { exchange, trailers: false })
    }

    /// Changes the protocol (status 101): the connection is the handler's from here on, with the bytes that the client sent already.
    ///
    /// # Errors
    ///
    /// The request doesn't offer an upgrade ([`Request::offers_upgrade`](crate::Request::offers_upgrade)), its body wasn't read, the status
    /// isn't 101, or what was wrong with the head.
    pub async fn upgrade(self, protocol: &str) -> Result<Upgraded<'x>, Failure> {
        let exchange = self.exchange;
        let read = exchange.input.try_borrow().is_ok_and(|input| input.is_over());
        if !exchange.can_upgrade() || !read {
            return Err(ResponseError::UpgradeNotOffered.into());
        }
        let closing = Closing { date: exchange.context.date.get(), keep: false };
        exchange.output.try_borrow_mut().map_err(|_| BUSY)?.end_upgrade_head(protocol.as_bytes(), closing)?;
        exchange.close_after();
        exchange.input.try_borrow_mut().map_err(|_| BUSY)?.upgrade();
        flushed(exchange).await?;
        Ok(Upgraded::new(exchange))
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead").finish_non_exhaustive()
    }
}

/// An answer whose head is out and whose body is being written. Dropped without [`BodyStream::finish`], it leaves the answer
/// truncated, and the connection is cut.
#[must_use = "a body has to be finished"]
pub struct BodyStream<'x> {
    pub(crate) exchange: &'x Exchange<'x>,
    pub(crate) trailers: bool,
}

impl BodyStream<'_> {
    /// Writes `bytes`. They are gathered: what goes out when is the buffer's business, unless [`BodyStream::flush`] says so.
    /// It waits while the client is slower than the handler.
    ///
    /// # Errors
    ///
    /// More bytes than the declared length.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        if self.trailers {
            return Err(ResponseError::Twice.into());
        }
        let mut rest = bytes.as_ref();
        {
            // Nearly always there is room.
            let mut output = self.exchange.output.try_borrow_mut().map_err(|_| BUSY)?;
            let written = output.write(rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        if rest.is_empty() { Ok(()) } else { write_all(self.exchange, rest).await }
    }

    /// Lets `read` put bytes where they go out from, with no copy between: into the room that there is, at least one byte. Waits while
    /// there is none. Gives what `read` gave, which is how many bytes it put there (0 are fine), or its error.
    ///
    /// ```
    /// # use midge::{testing, Failure, Request, Response};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |_request: Request<'_>, response: Response<'_>| {
    ///     let mut file: &[u8] = b"anything that can be read";
    ///     let mut body = response.status(200).length(file.len() as u64).stream().await?;
    ///     while !file.is_empty() {
    ///         body.write_with(|space| {
    ///             let (bytes, rest) = file.split_at(file.len().min(space.len()));
    ///             space[..bytes.len()].copy_from_slice(bytes);
    ///             file = rest;
    ///             Ok::<_, Failure>(bytes.len())
    ///         })
    ///         .await??;
    ///     }
    ///     body.finish().await
    /// }
    /// # ;
    /// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
    /// # assert_eq!(answer.body(), b"anything that can be read");
    /// # Ok::<(), testing::CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The declared length is written already. What `read` says is inside.
    pub async fn write_with<E>(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Result<usize, E>, Failure> {
        if self.trailers {
            return Err(ResponseError::Twice.into());
        }
        let exchange = self.exchange;
        room(exchange, || Ok(!exchange.output.try_borrow_mut().map_err(|_| BUSY)?.space()?.is_empty())).await?;
        let mut output = exchange.output.try_borrow_mut().map_err(|_| BUSY)?;
        let space = output.space()?;
        let most = space.len();
        let result = read(space).map(|count| count.min(most));
        if let Ok(count) = result {
            output.filled(count);
        }
        Ok(result)
    }

    /// Sends what was written so far, and waits until it went out.
    ///
    /// # Errors
    ///
    /// None today.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        self.exchange.output.try_borrow_mut().map_err(|_| BUSY)?.flush();
        flushed(self.exchange).await
    }

    /// Adds a trailer field (RFC 9110, section 6.5). No more can be written behind it. Where the body isn't chunked,
    /// trailers are left out.
    ///
    /// # Errors
    ///
    /// The name or value isn't one, or the name is the engine's.
    pub async fn trailer(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Failure> {
        if !self.trailers {
            let exchange = self.exchange;
            room(exchange, || Ok(exchange.output.try_borrow_mut().map_err(|_| BUSY)?.begin_trailers())).await?;
            self.trailers = true;
        }
        let (exchange, name, value) = (self.exchange, name.as_bytes(), value.as_ref());
        room(exchange, || exchange.output.try_borrow_mut().map_err(|_| BUSY)?.trailer(name, value)).await
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// Fewer bytes than the declared length; then the connection is cut.
    pub async fn finish(self) -> Result<Sent, Failure> {
        if self.trailers {
            self.exchange.output.try_borrow_mut().map_err(|_| BUSY)?.end_trailers()?;
            return Ok(Sent(()));
        }
        finished(self.exchange).await
    }
}

impl fmt::Debug for BodyStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream").finish_non_exhaustive()
    }
}

/// Header fields that don't change, checked when the program is compiled and written with one copy.
///
/// ```
/// use midge::FieldLines;
///
/// const PLAIN: FieldLines = FieldLines::new("server: midge\r\ncontent-type: text/plain\r\n");
/// ```
///
/// A line that is none doesn't compile:
///
/// ```compile_fail
/// # use midge::FieldLines;
/// const SPLIT: FieldLines = FieldLines::new("x: a\r\n\r\n<p>");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldLines(&'static [u8]);

impl FieldLines {
    /// Any number of lines `name: value` CR LF. The engine's own fields (see [`ResponseHead::header`] and
    /// [`RequestHead::header`](crate::client::RequestHead::header)) and `date` are not among them.
    ///
    /// # Panics
    ///
    /// If a line is malformed; in a constant, that is an error of the compiler's.
    #[must_use]
    #[expect(clippy::panic, reason = "meant for constants, where a panic is a compiler's error")]
    pub const fn new(lines: &'static str) -> Self {
        let mut rest = lines.as_bytes();
        while !rest.is_empty() {
            let Some(length) = line_length(rest) else { panic!("not a field line: name, colon, blank, value, CR LF") };
            let (line, tail) = rest.split_at(length);
            let (content, _) = line.split_at(length - 2);
            let Some(colon) = find(content, b':') else { panic!("a field line without a colon") };
            let (name, value) = content.split_at(colon);
            assert!(matches!(check_name(name), Name::Plain), "not a field name, or one that is the engine's to write");
            assert!(!is_engines(name), "a field that a request has from the engine alone");
            assert!(is_value(value), "a field value with a control character");
            rest = tail;
        }
        Self(lines.as_bytes())
    }

    pub(crate) const fn as_bytes(self) -> &'static [u8] {
        self.0
    }
}

/// Bytes up to and with the first CR LF.
const fn line_length(bytes: &[u8]) -> Option<usize> {
    match find(bytes, b'\n') {
        Some(at) if at > 0 => match bytes.split_at(at - 1).1 {
            [b'\r', ..] => Some(at + 1),
            _ => None,
        },
        _ => None,
    }
}

const fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == wanted {
            return Some(bytes.len() - rest.len());
        }
        rest = tail;
    }
    None
}

/// Writes `bytes`, which are the last ones of the body.
#[cfg(not(target_family = "wasm"))]
async fn end_with(exchange: &Exchange<'_>, bytes: &[u8]) -> Result<Sent, Failure> {
    let mut rest = bytes;
    room(exchange, || exchange.output.try_borrow_mut().map_err(|_| BUSY)?.end_with(&mut rest)).await?;
    Ok(Sent(()))
}

/// Ends the head, unless some of `body` is `written` already, and writes the rest.
#[cfg(target_family = "wasm")]
#[inline(never)]
fn poll_end(exchange: &Exchange<'_>, written: &mut Option<usize>, body: &[u8]) -> Poll<Result<Sent, Failure>> {
    let mut end = || {
        if written.is_none() {
            exchange.end_head(Announced::Length(body.len() as u64))?;
        }
        let written = written.get_or_insert(0);
        let mut rest = body.get(*written..).unwrap_or_default();
        let ended = exchange.output.try_borrow_mut().map_err(|_| BUSY)?.end_with(&mut rest);
        *written = body.len() - rest.len();
        ended
    };
    match end() {
        Ok(true) => Poll::Ready(Ok(Sent(()))),
        Ok(false) => exchange.want_output(),
        Err(error) => Poll::Ready(Err(error.into())),
    }
}

/// Writes all of `bytes`, letting the buffer go out whenever it is full.
pub(super) async fn write_all(exchange: &Exchange<'_>, bytes: &[u8]) -> Result<(), Failure> {
    let mut rest = bytes;
    poll_fn(|_| {
        let Ok(mut output) = exchange.output.try_borrow_mut() else { return Poll::Ready(Err(BUSY.into())) };
        match output.write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) => return Poll::Ready(Err(error.into())),
        }
        if rest.is_empty() {
            return Poll::Ready(Ok(()));
        }
        drop(output);
        exchange.want_output()
    })
    .await
}

/// Waits until everything that may go out went out.
pub(super) async fn flushed(exchange: &Exchange<'_>) -> Result<(), Failure> {
    poll_fn(|_| match exchange.output.try_borrow() {
        Ok(output) if output.pending().is_empty() => Poll::Ready(Ok(())),
        Ok(_) => exchange.want_output(),
        Err(_) => Poll::Ready(Err(BUSY.into())),
    })
    .await
}

async fn finished(exchange: &Exchange<'_>) -> Result<Sent, Failure> {
    room(exchange, || exchange.output.try_borrow_mut().map_err(|_| BUSY)?.finish()).await?;
    Ok(Sent(()))
}

/// Does `step`, again and again while it says that it needs room.
async fn room(exchange: &Exchange<'_>, mut step: impl FnMut() -> Result<bool, ResponseError>) -> Result<(), Failure> {
    poll_fn(|_| match step() {
        Ok(true) => Poll::Ready(Ok(())),
        Ok(false) => exchange.want_output(),
        Err(error) => Poll::Ready(Err(error.into())),
    })
    .await
}

/// The output is lent out elsewhere: the borrow checker lets no handler come here.
pub(crate) const BUSY: ResponseError = ResponseError::Twice;

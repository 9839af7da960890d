//! Requests of a Worker's own: to the network, a service binding, or a Durable Object.

use core::{fmt, future::poll_fn};

use midge::{Failure, Response, Sent};

use crate::{
    abi::{self, Part},
    call::{self, Call, Operation, Stream, found},
    error::CallError,
};

/// A request that is being made: [`Fetch::send`] sends it.
///
/// ```
/// # async fn example() -> Result<(), midge_workers::CallError> {
/// use midge_workers::Fetch;
///
/// let mut place = [0; 1024];
/// let mut fetched = Fetch::new("GET", "https://example.com/").header("accept", "text/html").send().await?;
/// let length = fetched.read(&mut place).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
#[must_use = "nothing is sent before send()"]
pub struct Fetch<'f> {
    method: &'f str,
    url: &'f str,
    binding: &'f str,
    object: &'f str,
    body: Content<'f>,
    fields: [(&'f str, &'f [u8]); MAX_FIELDS],
    count: usize,
}

#[derive(Clone, Copy)]
enum Content<'f> {
    None,
    Bytes(&'f [u8]),
    Handle(u32),
}

impl<'f> Fetch<'f> {
    /// A request for `url`, over the network.
    pub const fn new(method: &'f str, url: &'f str) -> Self {
        Self { method, url, binding: "", object: "", body: Content::None, fields: [("", b""); MAX_FIELDS], count: 0 }
    }

    /// Sends it to the service binding with this name instead.
    pub const fn service(mut self, binding: &'f str) -> Self {
        self.binding = binding;
        self
    }

    /// Sends it to the Durable Object `name` of the namespace that is bound to `binding`.
    pub const fn object(mut self, binding: &'f str, name: &'f str) -> Self {
        self.binding = binding;
        self.object = name;
        self
    }

    /// Adds a header field; 16 at most, a further one makes [`Fetch::send`] fail.
    pub fn header(mut self, name: &'f str, value: &'f (impl AsRef<[u8]> + ?Sized)) -> Self {
        if let Some(field) = self.fields.get_mut(self.count) {
            *field = (name, value.as_ref());
        }
        self.count += 1;
        self
    }

    /// Gives it a body.
    pub const fn body(mut self, bytes: &'f [u8]) -> Self {
        self.body = Content::Bytes(bytes);
        self
    }

    /// Passes a body on that the host holds.
    pub const fn stream(mut self, stream: &'f Stream) -> Self {
        self.body = Content::Handle(stream.call.handle());
        self
    }

    /// Passes the body on of the request that is being served, of which nothing was read yet.
    pub const fn request_body(mut self) -> Self {
        self.body = Content::Handle(0);
        self
    }

    /// Sends it with a body that is written piece by piece: of `length` bytes, or as many as come if that isn't known yet.
    ///
    /// ```
    /// # async fn example(mut chunks: midge::Body<'_>) -> Result<(), midge::Failure> {
    /// use midge_workers::Fetch;
    ///
    /// let (mut body, response) = Fetch::new("PUT", "http://backend/").service("BACKEND").upload(None)?;
    /// while let Some(chunk) = chunks.chunk().await? {
    ///     body.write(&chunk).await?;
    /// }
    /// body.finish().await?;
    /// let fetched = response.head().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Who answers before all of the body has come may never read the rest, or only as its answer is read: where that can be, poll the two
    /// at once, and finish the body if the answer makes the rest needless.
    ///
    /// # Errors
    ///
    /// Too many fields, or too many calls at once. What else is wrong, [`Fetching::head`] says.
    pub fn upload(self, length: Option<u64>) -> Result<(Upload, Fetching), CallError> {
        let length = length.map_or(-1.0, |length| length as f64).to_le_bytes();
        let body = Call::start(Operation::Pipe, &[Part::new(&length)])?;
        let call = self.start(b"", f64::from(body.handle()))?;
        Ok((Upload { body }, Fetching { call }))
    }

    /// Sends it, and waits for the head of the response. Redirects are not followed: what to do with one is the handler's to say.
    ///
    /// # Errors
    ///
    /// A bad URL, method or field, no such binding, or the network failed. A response with an error status is none.
    pub async fn send(self) -> Result<Fetched, CallError> {
        let (bytes, handle) = match self.body {
            Content::None => (&b""[..], -1.0),
            Content::Bytes(bytes) => (bytes, -2.0),
            Content::Handle(handle) => (&b""[..], f64::from(handle)),
        };
        Fetching { call: self.start(bytes, handle)? }.head().await
    }

    /// Has the host begin, with a body of these bytes or of that handle (ABI.md).
    fn start(self, bytes: &[u8], handle: f64) -> Result<Call, CallError> {
        let fields = self.fields.get(..self.count).ok_or(CallError::TooMany)?;
        let handle = f64::to_le_bytes(handle);
        let mut parts = [const { Part::new(b"") }; 6 + 2 * MAX_FIELDS];
        let fixed = [self.url.as_bytes(), self.method.as_bytes(), self.binding.as_bytes(), self.object.as_bytes()];
        let fixed = fixed.into_iter().chain([bytes, &handle]);
        let all = fixed.chain(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value]));
        for (part, bytes) in parts.iter_mut().zip(all) {
            *part = Part::new(bytes);
        }
        Call::start(Operation::Fetch, parts.get(..6 + 2 * self.count).unwrap_or_default())
    }
}

impl fmt::Debug for Fetch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("method", &self.method).field("url", &self.url).finish_non_exhaustive()
    }
}

/// The body of a request that is being made, to be written: [`Fetch::upload`] gives it. Dropped before [`Upload::finish`], the request is
/// given up.
#[derive(Debug)]
#[must_use = "the request is given up unless its body is finished"]
pub struct Upload {
    body: Call,
}

impl Upload {
    /// Sends all of `bytes`, once what was sent before has been taken.
    ///
    /// # Errors
    ///
    /// Nobody takes more of it, or it is longer than was declared.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        poll_fn(|context| abi::send(self.body.handle(), bytes, false, context)).await.map(|_| ())
    }

    /// Ends it, once what was sent before has been taken.
    ///
    /// # Errors
    ///
    /// Nobody took that. That it is shorter than was declared, [`Fetching::head`] says.
    pub async fn finish(self) -> Result<(), CallError> {
        poll_fn(|context| abi::send(self.body.handle(), b"", true, context)).await.map(|_| ())
    }
}

/// The response to a request whose body is being written: [`Fetch::upload`] gives it. Dropped, the request is given up.
#[derive(Debug)]
#[must_use = "the request is given up when it is dropped"]
pub struct Fetching {
    call: Call,
}

impl Fetching {
    /// Waits for the head of the response.
    ///
    /// # Errors
    ///
    /// As for [`Fetch::send`].
    pub async fn head(self) -> Result<Fetched, CallError> {
        let number = self.call.done().await?;
        Ok(Fetched { stream: Stream { call: self.call, number } })
    }
}

/// A response that was fetched.
#[derive(Debug)]
pub struct Fetched {
    stream: Stream,
}

impl Fetched {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.stream.number as u16
    }

    /// The value of a header field, in `place`; that of a repeated one is joined with commas.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] if `place` is too small for it.
    pub fn header<'p>(&self, name: &str, place: &'p mut [u8]) -> Result<Option<&'p [u8]>, CallError> {
        let length = found(abi::field(self.stream.call.handle(), name, place))?;
        Ok(length.and_then(|length| place.get(..length)))
    }

    /// Reads some of the body into `place`, and gives how many bytes: 0 at the end.
    ///
    /// # Errors
    ///
    /// It broke off.
    pub async fn read(&mut self, place: &mut [u8]) -> Result<usize, CallError> {
        self.stream.read(place).await
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> Stream {
        self.stream
    }

    /// Answers with this response as it came: status, fields and body. None of it enters this program's memory.
    ///
    /// # Errors
    ///
    /// A status that no answer has.
    pub async fn pass(self, response: Response<'_>) -> Result<Sent, Failure> {
        let head = response.status(self.status());
        call::pass(self.stream, head, true).await
    }
}

const MAX_FIELDS: usize = 16;

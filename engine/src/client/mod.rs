//! The other side: asking a server, without a socket, a clock or an allocator of its own.
//!
//! What a host needs that fetches its requests over HTTP/1.1, and what a handler needs that asks another server. As strict as the
//! server's side: nothing with CR, LF or NUL reaches the wire, the framing fields are the engine's alone, and an answer that two readers
//! could read differently is an error.
//!
//! ```text
//!   RequestHead -- empty / length / chunked --> RequestBytes   write, trailer, finish; pending -> wire
//!        |  ^
//!     header, lines
//!
//!   AnswerReader -- the final head is there --> AnswerHead + AnswerContent   wire -> data, keep
//! ```
//!
//! None of them does I/O. A host that blocks moves the bytes itself; over `embedded_io_async` a [`Wire`] does:
//!
//! ```
//! # use midge::{client::*, Field, Limits, Method};
//! # struct Canned(&'static [u8]);
//! # impl embedded_io_async::ErrorType for Canned { type Error = core::convert::Infallible; }
//! # impl embedded_io_async::Read for Canned {
//! #     async fn read(&mut self, to: &mut [u8]) -> Result<usize, Self::Error> { embedded_io_async::Read::read(&mut self.0, to).await }
//! # }
//! # let (reader, mut sent) = (Canned(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), [0; 256]);
//! # struct Sink<'s>(&'s mut [u8]);
//! # impl embedded_io_async::ErrorType for Sink<'_> { type Error = core::convert::Infallible; }
//! # impl embedded_io_async::Write for Sink<'_> {
//! #     async fn write(&mut self, from: &[u8]) -> Result<usize, Self::Error> { Ok(from.len()) }
//! #     async fn flush(&mut self) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! # let writer = Sink(&mut sent);
//! # let asked = async {
//! let (mut output, mut input, mut table) = ([0; 1024], [0; 2048], [Field::EMPTY; 32]);
//! let host = Host::new("example.com")?;
//! let mut request = RequestHead::new(&mut output, Method::Get, "/greeting", host).header("accept", "text/plain").empty()?;
//! let mut answer = AnswerReader::new(&mut input, &mut table, &Limits::DEFAULT);
//!
//! let mut wire = Wire::new(reader, writer);
//! wire.send(&mut request, &mut answer).await?;
//! wire.receive(&mut answer).await?;
//! let (head, mut content) = answer.into_parts().expect("received");
//! assert_eq!(head.status().code(), 200);
//! assert!(wire.gather(&mut content, 100).await?);
//! assert_eq!(content.kept(), b"hello");
//! assert!(content.can_reuse());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! # };
//! # let mut asked = core::pin::pin!(asked);
//! # let polled = asked.as_mut().poll(&mut core::task::Context::from_waker(core::task::Waker::noop()));
//! # assert!(matches!(polled, core::task::Poll::Ready(Ok(()))));
//! ```
//!
//! # Once more
//!
//! A connection that was kept may have been closed by the server just when the request was sent. That request may be sent once more,
//! over a new connection, if no byte of an answer came ([`AnswerReader::has_begun`]), it does no harm twice
//! ([`Method::is_idempotent`](crate::Method::is_idempotent); RFC 9110, section 9.2.2), and all of it is still there
//! ([`RequestBytes::rewind`]).

mod answer;
mod error;
mod request;
mod wire;

pub(crate) use self::request::is_engines;
pub use self::{
    answer::{AnswerContent, AnswerReader, Content},
    error::{CallError, RequestError},
    request::{Host, RequestBytes, RequestHead},
    wire::{Sending, Wire},
};

//! A tiny HTTP/1.1 engine for latency-critical functions: no allocator, no standard library, no unsafe code.
//!
//! A person writes one [`Handler`]; a host serves it. This crate is what all hosts share: it reads requests strictly, runs the
//! handler on them, and writes its answers. `midge-tcp` serves a handler on sockets.
//!
//! ```
//! use midge::{Failure, Request, Response, Sent, testing};
//!
//! async fn hello(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
//!     match request.path() {
//!         "/" => response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await,
//!         _ => Err(Failure::new(404)),
//!     }
//! }
//!
//! let mut scratch = testing::Scratch::new();
//! let answer = testing::call(&hello, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", &mut scratch)?;
//! assert_eq!(answer.status(), 200);
//! assert_eq!(answer.body(), b"Hello, World!");
//! # Ok::<(), testing::CallError>(())
//! ```
//!
//! # Layers
//!
//! - [`serve`] drives one connection over [`embedded_io_async`]'s traits, in one [`Slot`] of memory.
//! - [`Connection`] is the same protocol without I/O, and [`Exchange`] one request with its answer: what a host of another
//!   kind is written against.
//! - [`client`] is the other side: a request written, and its answer read.
//! - [`framing`], with its [`Facts`], is the one function that decides where a request ends.
//!
//! # Features
//!
//! All are off by default.
//!
//! - `std`: lets the parsers below find out at run time which vector instructions the processor has.
//! - `arena`: `Request::arena`, scratch memory for handlers (needs an allocator at start).
//! - `http`: conversions to and from the `http` crate's types (brings the standard library, and they allocate).
//! - `json`: JSON bodies through serde, without an allocator.
//! - `log`: `around::AccessLog`, through the `log` crate.
//! - `pool`: `SlotPool`, slots of fixed size without an allocator, on heapless.

#![no_std]

pub mod around;
pub mod client;
mod connection;
mod data;
mod exchange;
mod http1;
pub mod manual;
mod percent;
#[cfg(feature = "pool")]
mod pool;
mod router;
mod serve;
mod shift;
mod slot;
pub mod testing;
mod time;

#[cfg(feature = "http")]
pub use crate::data::http::HttpError;
#[cfg(feature = "json")]
pub use crate::data::json;
#[cfg(feature = "pool")]
pub use crate::pool::{PooledSlot, SlotPool};
pub use crate::{
    connection::{Connection, Step},
    data::{
        cookies::Cookies,
        escape::{EscapeError, json_escape},
        etag::EntityTag,
        events::{EventStream, ServerEvent},
        form::Form,
        media::{MediaType, Parameter},
        multipart::{Multipart, MultipartError, Part},
        query::Pairs,
        select::{Representation, Selected, Selection, select},
        set_cookie::{CookieError, SameSite, SetCookie},
    },
    exchange::{
        Body, BodyStream, Chunk, Exchange, ExchangeState, FieldLines, Interim, Outcome, Peer, PlainAnswer, PlainEnd,
        PlainHead, PlainMemory, Request, RequestContext, RequestId, Response, ResponseHead, Upgraded, Verdict, Want,
        WholeAnswer,
        failure::{BodyError, Cause, Failure, ResponseError},
        handler::{Handler, Sent},
    },
    http1::{
        answer::{AnswerBody, AnswerError, AnswerFraming, AnswerHead, AnswerPiece},
        chunked::{ChunkError, Chunked, Step as ChunkStep},
        date::Date,
        fields::{Field, Fields, Span},
        framing::{BodyFraming, ConnectionOptions, ContentLength, Expect, Facts, Framing, TransferEncoding, framing},
        head::Head,
        letters::letter_bits,
        limits::Limits,
        method::{Method, Version},
        reject::Reject,
        state::{Deadline, Event, State},
        status::Status,
    },
    percent::{PercentDecoder, PercentEncoded, PercentError},
    router::{NoRoutes, Route, Router, Routes},
    serve::{Ended, Watch, linger, serve, serve_ready},
    slot::Slot,
    time::{Clock, Instant, ManualClock},
};

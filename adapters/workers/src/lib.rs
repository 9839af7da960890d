//! The midge engine as a Cloudflare Worker: [`export!`] makes one of any handler, without a generator or a bundler.
//!
//! ```
//! use midge::{Failure, Request, Response, Sent};
//!
//! async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
//!     response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
//! }
//!
//! midge_workers::export!(hello);
//! # fn main() {}
//! ```
//!
//! **Statics are not shared between requests, nor cleared between them:** each request in flight has a WebAssembly instance of its
//! own, which serves another one later. What is to be remembered belongs into KV, R2 or a [Durable Object](Object).
//!
//! A panic, a trap or an overflowing stack is answered 500 to its own request alone: its instance is thrown away, and no other
//! request ever used it at the same time.
//!
//! # What a handler can call
//!
//! The functions of this crate, from wherever they like: an instance has one request, so none needs to be told which.
//!
//! - [`var`], [`now`], [`random`], [`log`], [`sleep`], [`deadline`], [`wait_until`];
//! - [`kv`], [`r2`], [`Fetch`] (service bindings and Durable Objects too), whose bodies can be [passed on](Stream::pass);
//! - in a Durable Object: [`sql`], [`storage`], [`set_alarm`], [`object_name`].
//!
//! On any other target they fail with [`CallError::Unsupported`], so that handlers can be tested natively.
//!
//! A handler that waits for anything else than the request, the answer or these calls would wait for ever: it is answered 500.

#![no_std]

#[cfg(test)]
extern crate std;

mod abi;
mod call;
#[cfg(test)]
mod double;
mod error;
mod events;
mod export;
mod fetch;
mod host;
mod kv;
mod object;
mod platform;
mod r2;
#[cfg(test)]
mod tests;
mod value;

pub use crate::{
    call::Stream,
    error::CallError,
    events::{Batch, Events, Message, Scheduled},
    fetch::{Fetch, Fetched, Fetching, Upload},
    kv::{Keys, Kv, kv},
    object::{Object, Rows, Storage, object_name, set_alarm, sql, storage},
    platform::{Level, deadline, log, log_fmt, now, random, sleep, var, wait_until},
    r2::{R2, r2},
    value::{Row, Value},
};

/// What [`export!`] writes into a program.
#[doc(hidden)]
pub mod __private {
    use crate::{
        Events, Object, abi,
        platform::{Level, log_fmt},
    };
    pub use crate::{
        abi::{Front, Memory, Task, size_of_future, started},
        host::{Headers, serve},
        object::Fetches,
        platform::panicked,
    };

    /// An event that the program knows nothing of.
    pub const UNKNOWN: u32 = abi::CUT;

    /// The class that an event of a Durable Object is for.
    pub fn class(place: &mut [u8]) -> &[u8] {
        let length = abi::class(place).unwrap_or(0);
        place.get(..length).unwrap_or_default()
    }

    /// Runs an event that is no request.
    pub async fn event(events: impl Events, is_queue: bool) -> u32 {
        ended(crate::events::run(events, is_queue).await)
    }

    /// Runs an alarm.
    pub async fn alarm(object: impl Object) -> u32 {
        ended(object.alarm().await)
    }

    fn ended(result: Result<(), midge::Failure>) -> u32 {
        match result {
            Ok(()) => abi::DONE,
            Err(failure) => {
                log_fmt(Level::Error, format_args!("{failure}"));
                abi::CUT
            }
        }
    }
}

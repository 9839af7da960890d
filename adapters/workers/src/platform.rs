//! What a handler asks the platform for beside its storage.

use core::{
    fmt::{self, Write as _},
    time::Duration,
};

use midge::Sent;

use crate::{
    abi::{self, Part},
    call::{Call, Operation},
    error::CallError,
};

/// The value of a variable or secret, in `place`.
///
/// # Errors
///
/// [`CallError::NoBinding`] if there is none of that name, or it isn't text; [`CallError::TooLarge`] if `place` is smaller.
pub fn var<'p>(name: &str, place: &'p mut [u8]) -> Result<&'p str, CallError> {
    let call = Call::start(Operation::Env, &[Part::new(name.as_bytes())])?;
    let size = call.done_now()?;
    let value: &[u8] = call.take(size, place)?;
    core::str::from_utf8(value).map_err(|_| CallError::Failed)
}

/// Waits for `time`.
///
/// # Errors
///
/// The host has no timer.
pub async fn sleep(time: Duration) -> Result<(), CallError> {
    let millis = abi::millis(time).to_le_bytes();
    Call::start(Operation::Sleep, &[Part::new(&millis)])?.done().await.map(|_| ())
}

/// Gives this request `time` from now on. After it, the client is answered 503, or cut if its answer has begun, and the handler
/// is dropped where it waits. A second call replaces the first one; a time limit ([`midge::Request::limit_time`]) counts beside it, whichever
/// ends first. There is no deadline unless a handler asks for one.
///
/// # Errors
///
/// The host has no timer.
pub fn deadline(time: Duration) -> Result<(), CallError> {
    abi::deadline(abi::millis(time), b"", false).ok_or(CallError::Unsupported)
}

/// Goes on with `work` after the answer: the client has it already, and the instance is kept until `work` is done (the platform
/// allows some 30 seconds).
///
/// ```
/// # use midge::{Failure, Request, Response, Sent};
/// async fn handler(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     let sent = response.status(202).empty().await?;
///     midge_workers::wait_until(sent, async {
///         let _ = midge_workers::kv("LOG").put("last", b"now").await;
///     })
///     .await
/// }
/// ```
///
/// # Errors
///
/// None today.
pub async fn wait_until(sent: Sent, work: impl Future<Output = ()>) -> Result<Sent, midge::Failure> {
    work.await;
    Ok(sent)
}

/// Milliseconds since 1970. The platform's clock stands still while a handler computes.
#[must_use]
pub fn now() -> u64 {
    abi::now().max(0.0) as u64
}

/// Fills `place` with random bytes that are good enough for keys.
///
/// # Errors
///
/// The host has no random source, or `place` is over its 64 KiB.
pub fn random(place: &mut [u8]) -> Result<(), CallError> {
    abi::random(place)
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `console.debug`
    Debug = 0,
    /// `console.log`
    Info = 1,
    /// `console.warn`
    Warn = 2,
    /// `console.error`
    Error = 3,
}

/// Writes a line to the log.
pub fn log(level: Level, text: &str) {
    abi::log(level as u32, text.as_bytes());
}

/// Writes a formatted line to the log, cut off after 512 bytes.
pub fn log_fmt(level: Level, text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; LINE], length: 0 };
    // What doesn't fit is cut off.
    let _ = line.write_fmt(text);
    abi::log(level as u32, line.bytes.get(..line.length).unwrap_or_default());
}

/// Logs a panic, and ends this instance: its request is answered 500.
#[doc(hidden)]
pub fn panicked(message: &dyn fmt::Display, file: &str, line: u32) -> ! {
    let _ = write!(abi::PanicText, "{message}");
    abi::panic(file, line)
}

/// A line being written, on the stack.
struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        let places = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (place, byte) in places.iter_mut().zip(bytes) {
            *place = *byte;
            self.length += 1;
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

const LINE: usize = 512;

//! Host calls: a handle for each, given up when it is dropped.

use core::{fmt, future::poll_fn};

use midge::{Failure, ResponseHead, Sent};

use crate::{
    abi::{self, Part},
    error::CallError,
    host,
};

/// A host call under way, or what it gave.
#[derive(Debug)]
pub(crate) struct Call(u32);

impl Call {
    pub(crate) fn start(operation: Operation, parts: &[Part<'_>]) -> Result<Self, CallError> {
        abi::call(operation as u32, parts).map(Self)
    }

    pub(crate) const fn handle(&self) -> u32 {
        self.0
    }

    /// Waits for its end.
    pub(crate) async fn done(&self) -> Result<u64, CallError> {
        poll_fn(|context| abi::poll(self.0, context)).await
    }

    /// The end of a call that ends at once.
    pub(crate) fn done_now(&self) -> Result<u64, CallError> {
        match abi::result(self.0) {
            Err(CallError::Again) => Err(CallError::Failed),
            result => result,
        }
    }

    /// The value, of `size` bytes.
    pub(crate) fn take<'p>(&self, size: u64, place: &'p mut [u8]) -> Result<&'p mut [u8], CallError> {
        if size > place.len() as u64 {
            return Err(CallError::TooLarge { size });
        }
        let length = abi::take(self.0, place)?;
        Ok(place.get_mut(..length).unwrap_or_default())
    }

    /// The next row.
    pub(crate) fn next<'p>(&self, place: &'p mut [u8]) -> Result<Option<&'p [u8]>, CallError> {
        match abi::next(self.0, place) {
            Ok(length) => Ok(place.get(..length)),
            Err(CallError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        abi::close(self.0);
    }
}

/// What the host is asked for: the numbers are the ABI's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Env = 1,
    Sleep = 2,
    Fetch = 4,
    Pipe = 5,
    KvGet = 10,
    KvStream = 11,
    KvPut = 12,
    KvDelete = 13,
    KvList = 14,
    R2Get = 20,
    R2Put = 21,
    R2Delete = 22,
    Sql = 30,
    StorageGet = 31,
    StoragePut = 32,
    StorageDelete = 33,
    StorageList = 34,
    Alarm = 35,
    ObjectName = 36,
    Event = 40,
    Settle = 41,
}

/// `None` for what isn't there.
pub(crate) fn found<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A body that the host holds: a value of KV or R2, or the body of a fetched response. What is only passed on never enters
/// this program's memory.
pub struct Stream {
    pub(crate) call: Call,
    /// The host's number for it: a length, or a status.
    pub(crate) number: u64,
}

impl Stream {
    /// Reads some of it into `place`, and gives how many bytes: 0 at the end.
    ///
    /// # Errors
    ///
    /// It broke off.
    pub async fn read(&mut self, place: &mut [u8]) -> Result<usize, CallError> {
        poll_fn(|context| abi::read(self.call.handle(), place, context)).await
    }

    /// Ends the answer with this body, whatever its length. One of which something was read is answered 500.
    ///
    /// ```
    /// # use midge::{Failure, Request, Response, Sent};
    /// async fn asset(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    ///     match midge_workers::kv("ASSETS").get_stream(request.path()).await? {
    ///         Some(value) => value.pass(response.status(200).header("content-type", "text/html")).await,
    ///         None => Err(Failure::new(404)),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What was wrong with the head.
    pub async fn pass(self, head: ResponseHead<'_>) -> Result<Sent, Failure> {
        pass(self, head, false).await
    }
}

/// The handle stays open until the instance has served its request.
pub(crate) async fn pass(stream: Stream, head: ResponseHead<'_>, fields: bool) -> Result<Sent, Failure> {
    host::pass(stream.call.handle(), fields);
    core::mem::forget(stream);
    head.empty().await
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

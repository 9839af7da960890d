//! Durable Objects: what they answer, and their storage.
//!
//! SQL and storage calls return at once: the platform holds the answer back until what was written is safe.

use midge::{Failure, Handler, Request, Response, Sent};

use crate::{
    abi::Part,
    call::{Call, Operation, found},
    error::CallError,
    kv::Keys,
    value::{Encoded, Row, Value},
};

/// A Durable Object class. The value itself is made anew for each event: what an object remembers is in its storage.
pub trait Object {
    /// Answers a request to the object.
    ///
    /// # Errors
    ///
    /// As for [`Handler::handle`].
    fn fetch(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>>;

    /// Does what an alarm was set for.
    ///
    /// # Errors
    ///
    /// Then the platform tries again.
    fn alarm(&self) -> impl Future<Output = Result<(), Failure>> {
        async { Ok(()) }
    }
}

/// An object as a handler.
#[doc(hidden)]
#[derive(Debug)]
pub struct Fetches<O>(pub O);

impl<O: Object> Handler for Fetches<O> {
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        self.0.fetch(request, response)
    }
}

/// Runs one SQL statement, or several of which only the last one has parameters and rows, in the object's database. The host keeps all of its
/// rows until what this gives is dropped: a large table is read in parts, with `LIMIT`.
///
/// ```
/// # fn example() -> Result<(), midge_workers::CallError> {
/// let mut place = [0; 64];
/// let mut rows = midge_workers::sql("SELECT value FROM counters WHERE name = ?", &["visits".into()])?;
/// while let Some(row) = rows.next(&mut place)? {
///     let value = row.column(0).integer();
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The statement is wrong, more than 16 parameters, or not called from within an object.
pub fn sql(statement: &str, parameters: &[Value<'_>]) -> Result<Rows, CallError> {
    if parameters.len() > MAX_PARAMETERS {
        return Err(CallError::TooMany);
    }
    let mut encoded = [Encoded::NULL; MAX_PARAMETERS];
    for (place, value) in encoded.iter_mut().zip(parameters) {
        *place = value.encode()?;
    }
    let mut parts = [const { Part::new(b"") }; 1 + 2 * MAX_PARAMETERS];
    let values = encoded.iter().take(parameters.len()).flat_map(|value| [&value.tag[..], value.payload()]);
    for (part, bytes) in parts.iter_mut().zip([statement.as_bytes()].into_iter().chain(values)) {
        *part = Part::new(bytes);
    }
    let call = Call::start(Operation::Sql, parts.get(..1 + 2 * parameters.len()).unwrap_or_default())?;
    call.done_now()?;
    Ok(Rows { call })
}

/// The rows of an SQL statement.
#[derive(Debug)]
pub struct Rows {
    call: Call,
}

impl Rows {
    /// The next row, in `place`.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] if `place` is smaller than the row, which is then still the next one. A value takes five bytes beside
    /// its own, a number eight of its own.
    #[allow(clippy::should_implement_trait, reason = "it lends out the caller's memory")]
    pub fn next<'p>(&mut self, place: &'p mut [u8]) -> Result<Option<Row<'p>>, CallError> {
        self.call.next(place).map(|row| row.map(Row::new))
    }
}

/// The object's key-value storage.
#[derive(Debug, Clone, Copy)]
pub struct Storage(());

/// The key-value storage of the object that is running.
#[must_use]
pub const fn storage() -> Storage {
    Storage(())
}

impl Storage {
    /// The value of `key`, in `place`.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] with the value's size if `place` is smaller; a bad key; not called from within an object.
    pub fn get<'p>(&self, key: &str, place: &'p mut [u8]) -> Result<Option<&'p [u8]>, CallError> {
        let call = Call::start(Operation::StorageGet, &[Part::new(key.as_bytes())])?;
        let Some(size) = found(call.done_now())? else { return Ok(None) };
        call.take(size, place).map(|value| Some(&*value))
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// A bad key, a value over the platform's limit, or not called from within an object.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        Call::start(Operation::StoragePut, &[key.as_bytes(), value].map(Part::new))?.done_now().map(|_| ())
    }

    /// Deletes `key`; whether it was there.
    ///
    /// # Errors
    ///
    /// A bad key, or not called from within an object.
    pub fn delete(&self, key: &str) -> Result<bool, CallError> {
        let call = Call::start(Operation::StorageDelete, &[Part::new(key.as_bytes())])?;
        Ok(call.done_now()? == 1)
    }

    /// The keys that begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Not called from within an object.
    pub fn list(&self, prefix: &str) -> Result<Keys, CallError> {
        let call = Call::start(Operation::StorageList, &[Part::new(prefix.as_bytes())])?;
        call.done_now()?;
        Ok(Keys::new(call))
    }
}

/// Has the platform call [`Object::alarm`] at `time`, in milliseconds since 1970; `None` takes a set alarm back.
///
/// # Errors
///
/// The platform failed, or not called from within an object.
pub async fn set_alarm(time: Option<u64>) -> Result<(), CallError> {
    let time = time.map_or(-1.0, |time| time as f64).to_le_bytes();
    Call::start(Operation::Alarm, &[Part::new(&time)])?.done().await.map(|_| ())
}

/// The object's name, if it was got by name; else its id. In `place`.
///
/// # Errors
///
/// [`CallError::TooLarge`] if `place` is smaller, or not called from within an object.
pub fn object_name(place: &mut [u8]) -> Result<&str, CallError> {
    let call = Call::start(Operation::ObjectName, &[])?;
    let size = call.done_now()?;
    let name: &[u8] = call.take(size, place)?;
    core::str::from_utf8(name).map_err(|_| CallError::Failed)
}

const MAX_PARAMETERS: usize = 16;

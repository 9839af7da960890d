//! Workers KV.

use core::time::Duration;

use crate::{
    abi::Part,
    call::{Call, Operation, Stream, found},
    error::CallError,
};

/// A KV namespace: the binding with this name.
#[derive(Debug, Clone, Copy)]
pub struct Kv<'n> {
    binding: &'n str,
}

/// The KV namespace that is bound to `binding`. A binding that isn't there shows at the first call.
#[must_use]
pub const fn kv(binding: &str) -> Kv<'_> {
    Kv { binding }
}

impl Kv<'_> {
    /// The value of `key`, in `place`.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] with the value's size if `place` is smaller; an empty key, or one over 512 bytes; the platform failed.
    pub async fn get<'p>(&self, key: &str, place: &'p mut [u8]) -> Result<Option<&'p [u8]>, CallError> {
        let call = self.start(Operation::KvGet, key)?;
        let Some(size) = found(call.done().await)? else { return Ok(None) };
        call.take(size, place).map(|value| Some(&*value))
    }

    /// The value of `key`, to be passed on or read piece by piece.
    ///
    /// # Errors
    ///
    /// As for [`Kv::get`], but for the size.
    pub async fn get_stream(&self, key: &str) -> Result<Option<Stream>, CallError> {
        let call = self.start(Operation::KvStream, key)?;
        let number = found(call.done().await)?;
        Ok(number.map(|number| Stream { call, number }))
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// A bad key, or the platform failed.
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        self.put_with(key, value, 0).await
    }

    /// As [`Kv::put`], for a value that expires after `time`: a minute at least.
    ///
    /// # Errors
    ///
    /// As for [`Kv::put`]; less than a minute.
    pub async fn put_expiring(&self, key: &str, value: &[u8], time: Duration) -> Result<(), CallError> {
        self.put_with(key, value, time.as_secs().max(1)).await
    }

    async fn put_with(&self, key: &str, value: &[u8], seconds: u64) -> Result<(), CallError> {
        let seconds = (seconds as f64).to_le_bytes();
        let parts = [self.binding.as_bytes(), key.as_bytes(), value, &seconds].map(Part::new);
        Call::start(Operation::KvPut, &parts)?.done().await.map(|_| ())
    }

    /// Deletes `key`, whether it is there or not.
    ///
    /// # Errors
    ///
    /// A bad key, or the platform failed.
    pub async fn delete(&self, key: &str) -> Result<(), CallError> {
        self.start(Operation::KvDelete, key)?.done().await.map(|_| ())
    }

    /// Up to `limit` (1,000 at most) of the keys that begin with `prefix`, from where `cursor` says on ("" for the first).
    ///
    /// # Errors
    ///
    /// A bad cursor or limit, or the platform failed.
    pub async fn list(&self, prefix: &str, cursor: &str, limit: u32) -> Result<Keys, CallError> {
        let limit = f64::from(limit).to_le_bytes();
        let parts = [self.binding.as_bytes(), prefix.as_bytes(), cursor.as_bytes(), &limit].map(Part::new);
        let call = Call::start(Operation::KvList, &parts)?;
        let cursor = call.done().await?;
        Ok(Keys { call, cursor })
    }

    fn start(&self, operation: Operation, key: &str) -> Result<Call, CallError> {
        Call::start(operation, &[self.binding.as_bytes(), key.as_bytes()].map(Part::new))
    }
}

/// Keys that were listed.
#[derive(Debug)]
pub struct Keys {
    call: Call,
    /// Length of the cursor.
    cursor: u64,
}

impl Keys {
    pub(crate) const fn new(call: Call) -> Self {
        Self { call, cursor: 0 }
    }

    /// The next key, in `place`.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] if `place` is smaller than the key, which is then still the next one.
    #[allow(clippy::should_implement_trait, reason = "it lends out the caller's memory")]
    pub fn next<'p>(&mut self, place: &'p mut [u8]) -> Result<Option<&'p str>, CallError> {
        let Some(key) = self.call.next(place)? else { return Ok(None) };
        core::str::from_utf8(key).map(Some).map_err(|_| CallError::Failed)
    }

    /// Where the next list goes on; `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] if `place` is too small for it.
    pub fn cursor<'p>(&self, place: &'p mut [u8]) -> Result<Option<&'p str>, CallError> {
        if self.cursor == 0 {
            return Ok(None);
        }
        let cursor: &'p [u8] = self.call.take(self.cursor, place)?;
        core::str::from_utf8(cursor).map(Some).map_err(|_| CallError::Failed)
    }
}

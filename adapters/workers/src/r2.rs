//! R2 object storage.

use crate::{
    abi::Part,
    call::{Call, Operation, Stream, found},
    error::CallError,
};

/// An R2 bucket: the binding with this name.
#[derive(Debug, Clone, Copy)]
pub struct R2<'n> {
    binding: &'n str,
}

/// The R2 bucket that is bound to `binding`.
#[must_use]
pub const fn r2(binding: &str) -> R2<'_> {
    R2 { binding }
}

impl R2<'_> {
    /// The object `key`, to be passed on or read piece by piece.
    ///
    /// # Errors
    ///
    /// A bad key, or the platform failed.
    pub async fn get(&self, key: &str) -> Result<Option<Stream>, CallError> {
        let call = Call::start(Operation::R2Get, &[self.binding.as_bytes(), key.as_bytes()].map(Part::new))?;
        let number = found(call.done().await)?;
        Ok(number.map(|number| Stream { call, number }))
    }

    /// Sets the object `key` to `value`.
    ///
    /// # Errors
    ///
    /// As for [`R2::get`].
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        let parts = [self.binding.as_bytes(), key.as_bytes(), value].map(Part::new);
        Call::start(Operation::R2Put, &parts)?.done().await.map(|_| ())
    }

    /// Sets the object `key` to what the host holds. Its length has to be known: R2 takes no other stream.
    ///
    /// # Errors
    ///
    /// As for [`R2::get`].
    pub async fn put_stream(&self, key: &str, value: Stream) -> Result<(), CallError> {
        self.put_handle(key, value.call.handle()).await
    }

    /// Sets the object `key` to the request's body, of which nothing was read yet.
    ///
    /// # Errors
    ///
    /// As for [`R2::get`].
    pub async fn put_request_body(&self, key: &str) -> Result<(), CallError> {
        self.put_handle(key, 0).await
    }

    async fn put_handle(&self, key: &str, handle: u32) -> Result<(), CallError> {
        let handle = f64::from(handle).to_le_bytes();
        let parts = [self.binding.as_bytes(), key.as_bytes(), b"", &handle].map(Part::new);
        Call::start(Operation::R2Put, &parts)?.done().await.map(|_| ())
    }

    /// Deletes the object `key`, whether it is there or not.
    ///
    /// # Errors
    ///
    /// As for [`R2::get`].
    pub async fn delete(&self, key: &str) -> Result<(), CallError> {
        let parts = [self.binding.as_bytes(), key.as_bytes()].map(Part::new);
        Call::start(Operation::R2Delete, &parts)?.done().await.map(|_| ())
    }
}

//! From a value to a document.

use core::fmt;

use ser_write_json::{SerWrite, ser::to_writer};
use serde_core::{Deserialize, Serialize};

use crate::{
    data::window::{Window, write_windows},
    exchange::{
        FieldLines, Request, ResponseHead,
        failure::{Failure, ResponseError},
        handler::Sent,
    },
};

use super::read;

/// Bytes of the document that `value` makes; `None` if it can't be serialised (a map whose keys are neither strings nor integers, or an
/// error of the type's own).
pub fn length<T: Serialize + ?Sized>(value: &T) -> Option<u64> {
    let mut count = Count(0);
    to_writer(&mut count, value).ok()?;
    Some(count.0)
}

/// Writes the document that `value` makes into `buffer`; `None` if it can't be serialised or there is no room.
pub fn write<'b, T: Serialize + ?Sized>(value: &T, buffer: &'b mut [u8]) -> Option<&'b str> {
    let mut filled = Filled { buffer, length: 0 };
    to_writer(&mut filled, value).ok()?;
    let Filled { buffer, length } = filled;
    let buffer: &'b [u8] = buffer;
    core::str::from_utf8(buffer.get(..length)?).ok()
}

impl<'x> Request<'x> {
    /// Reads the whole body as JSON, up to [`Limits::body_in_memory_bytes`](crate::Limits::body_in_memory_bytes). What the value borrows lives as
    /// long as the request, strings with escapes too: see [`json`](crate::json).
    ///
    /// # Errors
    ///
    /// 415 if `Content-Type` is neither `application/json` nor has the suffix `+json`, 413 for a larger body, 400 for JSON that is malformed or isn't
    /// the value that is wanted, with what is wrong and where, and what else keeps the body from being read.
    pub async fn json<T: Deserialize<'x>>(&mut self) -> Result<T, Failure> {
        if !self.content_type().is_some_and(|content| content.is_json()) {
            return Err(Failure::new(415).because("this wants application/json"));
        }
        Ok(read(self.body().all_mut().await?)?)
    }
}

impl ResponseHead<'_> {
    /// Ends the answer with `value` as JSON, of any length: `content-type: application/json`, and a `content-length`. Floats are written as JavaScript does:
    /// what is no number is `null`, and -0 is 0.
    ///
    /// A document of up to a kilobyte is, as a rule, made once. A larger one is made once to be measured and once for each output buffer of it, and has to be
    /// the same each time.
    ///
    /// # Errors
    ///
    /// A value that can't be serialised ([`ResponseError::Format`]), before a byte goes out; and as [`ResponseHead::body`].
    pub async fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Sent, Failure> {
        let head = self.lines(JSON);
        if let Some(sent) = short(&head, value) {
            return Ok(sent);
        }
        let bytes = length(value).ok_or(ResponseError::Format)?;
        let mut body = head.length(bytes).stream().await?;
        write_windows(&mut body, ResponseError::Format, |window| to_writer(window, value).is_ok()).await?;
        body.finish().await
    }
}

/// Ends the answer at once with a document that is short, as most are. The memory for it is not the handler's, which would keep it.
#[inline(never)]
fn short<T: Serialize + ?Sized>(head: &ResponseHead<'_>, value: &T) -> Option<Sent> {
    head.body_at_once(write(value, &mut [0; 1_024])?.as_bytes())
}

impl SerWrite for Window<'_, '_> {
    type Error = fmt::Error;

    fn write(&mut self, bytes: &[u8]) -> fmt::Result {
        self.put(bytes)
    }
}

struct Count(u64);

impl SerWrite for Count {
    type Error = fmt::Error;

    fn write(&mut self, bytes: &[u8]) -> fmt::Result {
        self.0 += bytes.len() as u64;
        Ok(())
    }
}

struct Filled<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl SerWrite for Filled<'_> {
    type Error = fmt::Error;

    fn write(&mut self, bytes: &[u8]) -> fmt::Result {
        let place = self.buffer.get_mut(self.length..self.length + bytes.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }
}

const JSON: FieldLines = FieldLines::new("content-type: application/json\r\n");

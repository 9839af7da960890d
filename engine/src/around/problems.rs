//! Failures as problem details.

use core::fmt::{self, Write as _};

use crate::exchange::{
    Request, Response,
    failure::Failure,
    handler::{Handler, Sent},
};

/// Answers a handler's failures with `application/problem+json` (RFC 9457) instead of a line of text:
///
/// ```text
/// {"type":"about:blank","title":"Not Found","status":404,"detail":"no such user"}
/// ```
///
/// `detail` is what [`Failure::because`] says, and is left out where that is nothing. A failure after the answer's head went out cuts
/// the connection as ever; one whose status has no body is passed on.
///
/// Another form is a handler of your own: [`Outcome::restart`](crate::Outcome::restart) is what it takes.
#[derive(Debug, Clone, Copy)]
pub struct Problems<H> {
    inner: H,
}

impl<H> Problems<H> {
    /// Renders the failures of `inner`.
    #[must_use]
    pub const fn new(inner: H) -> Self {
        Self { inner }
    }
}

impl<H: Handler> Handler for Problems<H> {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let outcome = response.outcome();
        let failure = match self.inner.handle(request, response).await {
            Ok(sent) => return Ok(sent),
            Err(failure) => failure,
        };
        let status = failure.status();
        if status.is_bodiless() || status.code() == 205 {
            return Err(failure);
        }
        match outcome.restart() {
            Some(response) => {
                let mut text = Text { bytes: [0; ROOM], length: 0 };
                if text.problem(&failure, true).is_err() {
                    // Too much to say.
                    text.length = 0;
                    let _ = text.problem(&failure, false);
                }
                let body = text.bytes.get(..text.length).unwrap_or_default();
                response.status(status.code()).header("content-type", "application/problem+json").body(body).await
            }
            None => Err(failure),
        }
    }
}

/// JSON that is being written.
struct Text {
    bytes: [u8; ROOM],
    length: usize,
}

impl Text {
    fn problem(&mut self, failure: &Failure, detailed: bool) -> fmt::Result {
        let status = failure.status();
        self.write_str("{\"type\":\"about:blank\",\"title\":\"")?;
        write!(Escaped(self), "{}", status.reason())?;
        write!(self, "\",\"status\":{}", status.code())?;
        if detailed {
            let before = self.length;
            self.write_str(",\"detail\":\"")?;
            let begun = self.length;
            write!(Escaped(self), "{}", failure.message())?;
            if self.length == begun {
                self.length = before;
            } else {
                self.write_str("\"")?;
            }
        }
        self.write_str("}\n")
    }
}

/// What stands in a JSON string (RFC 8259, section 7).
struct Escaped<'t>(&'t mut Text);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '"' | '\\' => write!(self.0, "\\{letter}")?,
                '\0'..='\x1f' => write!(self.0, "\\u{:04x}", u32::from(letter))?,
                letter => self.0.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let place = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

const ROOM: usize = 1_024;

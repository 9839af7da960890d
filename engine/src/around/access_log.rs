//! A line for each request, through the `log` crate.

use core::{fmt, time::Duration};

use log::Level;

use super::request_id;
use crate::exchange::{
    Outcome, Request, Response,
    failure::Failure,
    handler::{Handler, Sent},
};

/// Logs each request when its handler is done, with the target `midge::access`: at level `info`, and at `warn` if the status is 500 or
/// above, or there is no answer.
///
/// ```text
/// 192.0.2.7:51966 0000000000000001 "GET /users/7 HTTP/1.1" 200 13 412us
/// ```
///
/// That is: who, the request's name ([`request_id`]), what it asked for, the status, bytes of the answer's body, and how long
/// that took. Where a handler was dropped (its client went away, its time was up), the line ends with `dropped`, and `-` stands for a
/// status that never was; where a failure cut an answer that had begun, it ends with `cut`. Nothing of what a client
/// sends can break a line: targets and names with other than visible characters are not let in.
#[derive(Debug, Clone, Copy)]
pub struct AccessLog<C, H> {
    clock: C,
    inner: H,
}

impl<C: Fn() -> Duration, H> AccessLog<C, H> {
    /// Logs the requests of `inner`; `clock` tells the time since whenever.
    #[must_use]
    pub const fn new(clock: C, inner: H) -> Self {
        Self { clock, inner }
    }
}

impl<C: Fn() -> Duration, H: Handler> Handler for AccessLog<C, H> {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let mut line = Line { clock: &self.clock, begun: (self.clock)(), outcome: response.outcome(), result: None };
        let result = self.inner.handle(request, response).await;
        line.result = Some(match &result {
            Ok(_) => Ok(()),
            Err(failure) => Err(*failure),
        });
        result
    }
}

/// Written when it is dropped, so that a handler that is dropped is logged too.
struct Line<'l, 'x, C: Fn() -> Duration> {
    clock: &'l C,
    begun: Duration,
    outcome: Outcome<'x>,
    /// What the handler gave, if it was done.
    result: Option<Result<(), Failure>>,
}

impl<C: Fn() -> Duration> Drop for Line<'_, '_, C> {
    fn drop(&mut self) {
        let level = match self.status() {
            Some(status) if status < 500 && self.end().is_empty() => Level::Info,
            _ => Level::Warn,
        };
        log::log!(target: "midge::access", level, "{self}");
    }
}

impl<C: Fn() -> Duration> Line<'_, '_, C> {
    fn status(&self) -> Option<u16> {
        match &self.result {
            Some(result) => Some(self.outcome.status(result).code()),
            None => self.outcome.begun().map(|status| status.code()),
        }
    }

    /// What is to be said of how the answer ended.
    fn end(&self) -> &'static str {
        match self.result {
            None => " dropped",
            Some(Err(_)) if !self.outcome.can_restart() && !self.outcome.is_complete() => " cut",
            Some(_) => "",
        }
    }
}

impl<C: Fn() -> Duration> fmt::Display for Line<'_, '_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.outcome.request();
        let (method, target, version) = (request.method(), request.target(), request.version());
        write!(f, "{} {} \"{method} {target} {version}\" ", request.peer(), request_id(&request))?;
        match self.status() {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("-")?,
        }
        let time = (self.clock)().saturating_sub(self.begun);
        write!(f, " {} {}us{}", self.outcome.body_bytes(), time.as_micros(), self.end())
    }
}

//! The Extensions API as a state machine, without I/O: what is to be asked next, and what an answer means.
//!
//! ```text
//!  Register ──200──▶ Subscribe ──any──▶ Next ──200 INVOKE──▶ Next
//!     │ │                                │ └──200 SHUTDOWN──▶ Drain ──▶ Left(true)
//!     │ └──200, but not ready──▶ Fail ◀──┘ refused, not readable, or nobody serves any more
//!     │                           └──any──▶ Left(false)
//!     └──else──▶ Left(false)
//! ```
//!
//! **Everything that affects the state is here.** After each [`Protocol::turn`] that asks, exactly one of [`Protocol::answered`] and
//! [`Protocol::lost`] follows.

use midge::Span;
use midge_lambda::platform::{Reader, Stop};

/// The state of an extension's talk with the platform.
#[derive(Debug)]
pub(crate) struct Protocol {
    state: State,
    /// Why the extension can't work, to be reported as soon as there is an identifier to report it with.
    unready: Option<ErrorKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Register,
    Subscribe,
    Next,
    /// Something has to be reported, and whether that is a failure of the initialization.
    Fail(ErrorKind, Phase),
    Drain(u64),
    Left(bool),
}

/// Which of the two places takes a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `/extension/init/error`
    Init,
    /// `/extension/exit/error`
    Exit,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Send this request.
    Ask(Ask),
    /// Wait for the last telemetry, and be gone at this time: milliseconds since 1970.
    Drain(u64),
    /// It is over: well, or not.
    Leave(bool),
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Register,
    Subscribe,
    Next,
    Report(Phase, ErrorKind),
}

/// What the platform's logs and metrics call a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorKind(pub(crate) &'static str);

impl ErrorKind {
    /// A variable has a value that can't be.
    pub(crate) const CONFIG: Self = Self("Extension.ConfigInvalid");
    /// The server could not be bound to its port.
    pub(crate) const LISTEN: Self = Self("Extension.PortUnavailable");
    /// The server came to an end.
    pub(crate) const SERVER: Self = Self("Extension.ServerStopped");
    /// `/event/next` was refused.
    pub(crate) const NEXT: Self = Self("Extension.NextRefused");
    /// An event could not be read.
    pub(crate) const EVENT: Self = Self("Extension.EventInvalid");
}

/// What an answer brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// It is registered, for this function.
    Registered(Registration),
    /// The platform will push its events.
    Subscribed,
    /// It won't: the status says why.
    NoTelemetry(u16),
    /// An invocation began.
    Invoked,
    /// The environment is about to go.
    Shutdown,
    /// An event of a kind that nobody asked for.
    UnknownEvent,
    /// A request was refused, and that is the end of it.
    Refused(Ask, u16),
    /// The answer makes no sense, and that is the end of it.
    Unreadable(Ask),
    /// The report of a failure was taken.
    Reported,
}

/// What an answer to [`Ask::Register`] says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Registration {
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) account_id: String,
}

impl Protocol {
    /// A talk that begins. `unready` is what is known already to be wrong.
    pub(crate) const fn new(unready: Option<ErrorKind>) -> Self {
        Self { state: State::Register, unready }
    }

    /// What is to be done now.
    pub(crate) const fn turn(&self) -> Turn {
        match self.state {
            State::Register => Turn::Ask(Ask::Register),
            State::Subscribe => Turn::Ask(Ask::Subscribe),
            State::Next => Turn::Ask(Ask::Next),
            State::Fail(kind, phase) => Turn::Ask(Ask::Report(phase, kind)),
            State::Drain(deadline) => Turn::Drain(deadline),
            State::Left(well) => Turn::Leave(well),
        }
    }

    /// What was asked for was answered so. `identified` says whether the answer to a registration had an identifier.
    pub(crate) fn answered(&mut self, status: u16, identified: bool, body: &mut [u8]) -> News {
        match self.state {
            State::Register => self.registered(status, identified, body),
            State::Subscribe => {
                self.state = State::Next;
                if status == 200 { News::Subscribed } else { News::NoTelemetry(status) }
            }
            State::Next => self.next(status, body),
            State::Fail(kind, phase) => {
                self.state = State::Left(false);
                if status / 100 == 2 { News::Reported } else { News::Refused(Ask::Report(phase, kind), status) }
            }
            State::Drain(_) | State::Left(_) => News::Reported,
        }
    }

    /// What was asked for got no answer, and the platform can't be reached.
    pub(crate) fn lost(&mut self) {
        self.state = State::Left(false);
    }

    /// What was waited for is over.
    pub(crate) fn drained(&mut self) {
        if let State::Drain(_) = self.state {
            self.state = State::Left(true);
        }
    }

    /// The extension can't go on. It is reported instead of what would be asked next.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        match self.state {
            State::Register => self.unready = self.unready.or(Some(kind)),
            State::Subscribe => self.state = State::Fail(kind, Phase::Init),
            State::Next => self.state = State::Fail(kind, Phase::Exit),
            State::Fail(..) | State::Drain(_) | State::Left(_) => {}
        }
    }

    fn registered(&mut self, status: u16, identified: bool, body: &mut [u8]) -> News {
        self.state = State::Left(false);
        if status != 200 {
            return News::Refused(Ask::Register, status);
        }
        // Without an identifier there is nothing to report with.
        let Some(registration) = Registration::read(body).ok().filter(|_| identified) else {
            return News::Unreadable(Ask::Register);
        };
        self.state = match self.unready {
            Some(kind) => State::Fail(kind, Phase::Init),
            None => State::Subscribe,
        };
        News::Registered(registration)
    }

    fn next(&mut self, status: u16, body: &mut [u8]) -> News {
        match status {
            200 => {}
            // "Container error. Non-recoverable state. Extension should exit promptly."
            500 => {
                self.state = State::Left(false);
                return News::Refused(Ask::Next, status);
            }
            _ => {
                self.state = State::Fail(ErrorKind::NEXT, Phase::Exit);
                return News::Refused(Ask::Next, status);
            }
        }
        let Ok((event, deadline)) = event(body) else {
            self.state = State::Fail(ErrorKind::EVENT, Phase::Exit);
            return News::Unreadable(Ask::Next);
        };
        match event {
            Happened::Invoke => News::Invoked,
            Happened::Shutdown => {
                self.state = State::Drain(deadline);
                News::Shutdown
            }
            Happened::Other => News::UnknownEvent,
        }
    }
}

enum Happened {
    Invoke,
    Shutdown,
    Other,
}

/// The type and the deadline of an event; a deadline that isn't there is over.
fn event(body: &mut [u8]) -> Result<(Happened, u64), Stop> {
    let mut reader = Reader::new(body);
    let (mut first, mut happened, mut deadline) = (true, Happened::Other, 0);
    reader.open(b'{')?;
    while let Some(name) = reader.member(&mut first)? {
        match reader.text(name) {
            "eventType" => {
                let kind = reader.string()?;
                happened = match kind.map(|kind| reader.text(kind)) {
                    Some("INVOKE") => Happened::Invoke,
                    Some("SHUTDOWN") => Happened::Shutdown,
                    _ => Happened::Other,
                };
            }
            "deadlineMs" => {
                let number = reader.number()?;
                deadline = number.and_then(|number| reader.text(number).parse().ok()).unwrap_or_default();
            }
            _ => reader.skip()?,
        }
    }
    reader.finish()?;
    Ok((happened, deadline))
}

impl Registration {
    fn read(body: &mut [u8]) -> Result<Self, Stop> {
        let mut reader = Reader::new(body);
        let (mut first, mut registration) = (true, Self::default());
        reader.open(b'{')?;
        while let Some(name) = reader.member(&mut first)? {
            let place = match reader.text(name) {
                "functionName" => &mut registration.function_name,
                "functionVersion" => &mut registration.function_version,
                "accountId" => &mut registration.account_id,
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            let value: Option<Span> = reader.string()?;
            value.map_or("", |value| reader.text(value)).clone_into(place);
        }
        reader.finish()?;
        Ok(registration)
    }
}

#[cfg(test)]
mod tests;

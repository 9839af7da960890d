//! The Telemetry API's pushes: JSON arrays of events, read in place, event by event.

use std::time::UNIX_EPOCH;

use midge::Span;
use midge_lambda::platform::{Reader, Stop};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    InitStart,
    InitRuntimeDone,
    InitReport,
    Start,
    RuntimeDone,
    Report,
    RestoreStart,
    RestoreRuntimeDone,
    RestoreReport,
    LogsDropped,
    /// What nobody here asks about.
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "platform.initStart" => Self::InitStart,
            "platform.initRuntimeDone" => Self::InitRuntimeDone,
            "platform.initReport" => Self::InitReport,
            "platform.start" => Self::Start,
            "platform.runtimeDone" => Self::RuntimeDone,
            "platform.report" => Self::Report,
            "platform.restoreStart" => Self::RestoreStart,
            "platform.restoreRuntimeDone" => Self::RestoreRuntimeDone,
            "platform.restoreReport" => Self::RestoreReport,
            "platform.logsDropped" => Self::LogsDropped,
            _ => Self::Other,
        }
    }
}

/// One event, and of its record what matters here. Texts that are absent are empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Event<'b> {
    pub(crate) kind: Kind,
    /// As the platform wrote it.
    pub(crate) time: &'b str,
    pub(crate) request_id: &'b str,
    pub(crate) initialization_type: &'b str,
    /// Of what was done or reported: `success`, `failure`, `error`, `timeout`.
    pub(crate) status: &'b str,
    pub(crate) metrics: Metrics,
}

/// The numbers of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Metrics {
    pub(crate) duration: Option<Thousandths>,
    pub(crate) billed: Option<Thousandths>,
    pub(crate) memory_size: Option<Thousandths>,
    pub(crate) max_memory_used: Option<Thousandths>,
    pub(crate) dropped_records: Option<Thousandths>,
}

/// A number with three decimal places: milliseconds down to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Thousandths(pub(crate) u64);

impl Thousandths {
    /// No number of the platform's comes near: ten thousand years, in milliseconds.
    const MOST: f64 = 3.2e14;

    fn parse(text: &str) -> Option<Self> {
        let number: f64 = text.parse().ok()?;
        (0.0..=Self::MOST).contains(&number).then(|| Self((number * 1_000.0).round() as u64))
    }
}

impl Event<'_> {
    /// When it happened, in microseconds since 1970; `None` if it doesn't say, or not in RFC 3339's form.
    pub(crate) fn micros(&self) -> Option<u64> {
        let time = humantime::parse_rfc3339(self.time).ok()?;
        u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
    }
}

/// A push that isn't an array of events; those before the fault were given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<Stop> for Malformed {
    fn from(_: Stop) -> Self {
        Self
    }
}

/// Gives each event of a push to `each`, in order. Members that aren't known, or not of the type that they should be of, count as
/// absent.
pub(crate) fn read(push: &mut [u8], mut each: impl FnMut(&Event<'_>)) -> Result<(), Malformed> {
    let mut reader = Reader::new(push);
    let mut first = true;
    reader.open(b'[')?;
    while reader.element(&mut first)? {
        let parts = Parts::read(&mut reader)?;
        each(&parts.event(&reader));
    }
    Ok(reader.finish()?)
}

/// Where an event's parts stand.
#[derive(Debug, Default)]
struct Parts {
    kind: Option<Span>,
    time: Option<Span>,
    request_id: Option<Span>,
    initialization_type: Option<Span>,
    status: Option<Span>,
    metrics: Metrics,
}

impl Parts {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let mut parts = Self::default();
        let mut first = true;
        reader.open(b'{')?;
        while let Some(name) = reader.member(&mut first)? {
            match reader.text(name) {
                "type" => parts.kind = reader.string()?,
                "time" => parts.time = reader.string()?,
                "record" => parts.record(reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(parts)
    }

    /// A log line's record is a string; a platform event's is an object.
    fn record(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        members(reader, |reader, name| {
            match reader.text(name) {
                "requestId" => self.request_id = reader.string()?,
                "initializationType" => self.initialization_type = reader.string()?,
                "status" => self.status = reader.string()?,
                "metrics" => return self.metrics(reader),
                "droppedRecords" => self.metrics.dropped_records = number(reader)?,
                _ => reader.skip()?,
            }
            Ok(())
        })
    }

    fn metrics(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        members(reader, |reader, name| {
            match reader.text(name) {
                "durationMs" => self.metrics.duration = number(reader)?,
                "billedDurationMs" => self.metrics.billed = number(reader)?,
                "memorySizeMB" => self.metrics.memory_size = number(reader)?,
                "maxMemoryUsedMB" => self.metrics.max_memory_used = number(reader)?,
                _ => reader.skip()?,
            }
            Ok(())
        })
    }

    fn event<'r>(&self, reader: &'r Reader<'_>) -> Event<'r> {
        let text = |span: Option<Span>| span.map_or("", |span| reader.text(span));
        Event {
            kind: Kind::of(text(self.kind)),
            time: text(self.time),
            request_id: text(self.request_id),
            initialization_type: text(self.initialization_type),
            status: text(self.status),
            metrics: self.metrics,
        }
    }
}

/// Gives each member's name to `each`, which passes its value; passes what is no object.
fn members(
    reader: &mut Reader<'_>,
    mut each: impl FnMut(&mut Reader<'_>, Span) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if reader.peek()? != b'{' {
        return reader.skip();
    }
    let mut first = true;
    reader.open(b'{')?;
    while let Some(name) = reader.member(&mut first)? {
        each(reader, name)?;
    }
    Ok(())
}

fn number(reader: &mut Reader<'_>) -> Result<Option<Thousandths>, Stop> {
    let span = reader.number()?;
    Ok(span.and_then(|span| Thousandths::parse(reader.text(span))))
}

#[cfg(test)]
mod tests;

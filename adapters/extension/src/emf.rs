//! Metrics as lines of CloudWatch's embedded metric format: one `write` each.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::Write as _,
};

use midge_lambda::platform::{Escaped, Text};

use crate::{
    collect::{Function, Startup},
    telemetry::{Metrics, Thousandths},
};

/// How many values of one metric a line may have, as the format says.
pub(crate) const MOST_VALUES: usize = 100;

/// What waits to be written.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The latest of the events, in microseconds since 1970.
    time: u64,
    pub(crate) startup: Startup,
    reports: usize,
    duration: Values,
    billed: Values,
    max_memory_used: Values,
}

impl Default for Batch {
    fn default() -> Self {
        let none = Values { values: [Thousandths(0); MOST_VALUES], count: 0 };
        let startup = Startup::default();
        Self { time: 0, startup, reports: 0, duration: none.clone(), billed: none.clone(), max_memory_used: none }
    }
}

impl Batch {
    /// Notes when an event happened.
    pub(crate) fn at(&mut self, micros: u64) {
        self.time = self.time.max(micros);
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.reports == MOST_VALUES
    }

    /// Notes an invocation's numbers: as many reports as there is room for.
    pub(crate) fn report(&mut self, metrics: &Metrics) {
        self.reports += 1;
        self.duration.add(metrics.duration);
        self.billed.add(metrics.billed);
        self.max_memory_used.add(metrics.max_memory_used);
    }

    /// The metrics that have values, with their units.
    fn metrics(&self) -> impl Iterator<Item = (&'static str, &'static str, &[Thousandths])> {
        let Startup { init, app_load, restore } = &self.startup;
        [
            ("init_duration_ms", MILLISECONDS, init.as_slice()),
            ("app_load_ms", MILLISECONDS, app_load.as_slice()),
            ("restore_duration_ms", MILLISECONDS, restore.as_slice()),
            ("duration_ms", MILLISECONDS, self.duration.as_slice()),
            ("billed_duration_ms", MILLISECONDS, self.billed.as_slice()),
            ("max_memory_used_mb", "Megabytes", self.max_memory_used.as_slice()),
        ]
        .into_iter()
        .filter(|(_, _, values)| !values.is_empty())
    }
}

const MILLISECONDS: &str = "Milliseconds";

/// Values of one metric.
#[derive(Debug, Clone)]
struct Values {
    values: [Thousandths; MOST_VALUES],
    count: usize,
}

impl Values {
    fn add(&mut self, value: Option<Thousandths>) {
        if let (Some(value), Some(place)) = (value, self.values.get_mut(self.count)) {
            *place = value;
            self.count += 1;
        }
    }

    fn as_slice(&self) -> &[Thousandths] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

/// Where lines go, and what they are put together in.
#[derive(Debug)]
pub(crate) struct Sink {
    out: Option<File>,
    namespace: String,
    line: Box<[u8]>,
    pub(crate) lines: u64,
    /// Lines that couldn't be written.
    pub(crate) failures: u64,
}

impl Sink {
    /// Without `out`, nothing is written.
    pub(crate) fn new(out: Option<File>, namespace: String) -> Self {
        let bytes = if out.is_some() { LINE_BYTES } else { 0 };
        Self { out, namespace, line: vec![0; bytes].into(), lines: 0, failures: 0 }
    }

    /// Writes a line, if there is anything in the batch.
    pub(crate) fn write(&mut self, function: &Function, batch: &Batch) {
        let Some(out) = &mut self.out else { return };
        if batch.metrics().next().is_none() {
            return;
        }
        let mut line = Text::new(&mut self.line);
        // Writing into memory fails only where it is cut, and that is asked for.
        let _ = document(&mut line, &self.namespace, function, batch);
        line.push(b"\n");
        if !line.is_cut() && out.write_all(line.as_bytes()).is_ok() {
            self.lines += 1;
        } else {
            self.failures += 1;
        }
    }
}

/// The longest line: three metrics of 100 values with 19 characters each, and the names.
const LINE_BYTES: usize = 16_384;

fn document(line: &mut Text<'_>, namespace: &str, function: &Function, batch: &Batch) -> fmt::Result {
    write!(line, "{{\"_aws\":{{\"Timestamp\":{},\"CloudWatchMetrics\":[{{\"Namespace\":\"", batch.time / 1_000)?;
    write!(Escaped(line), "{namespace}")?;
    line.push(b"\",\"Dimensions\":[[");
    let dimensions = [
        ("function", &function.name),
        ("version", &function.version),
        ("initialization_type", &function.initialization_type),
    ];
    // One without a value would make the whole line worthless.
    let present = || dimensions.iter().filter(|(_, value)| !value.is_empty());
    for (number, (name, _)) in present().enumerate() {
        write!(line, "{}\"{name}\"", comma(number))?;
    }
    line.push(b"]],\"Metrics\":[");
    for (number, (name, unit, _)) in batch.metrics().enumerate() {
        write!(line, "{}{{\"Name\":\"{name}\",\"Unit\":\"{unit}\"}}", comma(number))?;
    }
    line.push(b"]}]}");
    for (name, value) in present() {
        write!(line, ",\"{name}\":\"")?;
        write!(Escaped(line), "{value}")?;
        line.push(b"\"");
    }
    for (name, _, values) in batch.metrics() {
        write!(line, ",\"{name}\":")?;
        match values {
            [value] => write!(line, "{value}")?,
            values => {
                line.push(b"[");
                for (number, value) in values.iter().enumerate() {
                    write!(line, "{}{value}", comma(number))?;
                }
                line.push(b"]");
            }
        }
    }
    line.push(b"}");
    Ok(())
}

const fn comma(number: usize) -> &'static str {
    if number == 0 { "" } else { "," }
}

/// As a decimal number, without zeros at its end.
impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000, self.0 % 1_000);
        match part {
            0 => write!(f, "{whole}"),
            _ if part % 100 == 0 => write!(f, "{whole}.{}", part / 100),
            _ if part % 10 == 0 => write!(f, "{whole}.{:02}", part / 10),
            _ => write!(f, "{whole}.{part:03}"),
        }
    }
}

#[cfg(test)]
mod tests;

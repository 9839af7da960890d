//! What is known of the function so far, in memory that doesn't grow.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use crate::{
    emf::{Batch, Sink},
    telemetry::{self, Event, Kind, Thousandths},
};

/// Who the metrics are about: their dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `on-demand`, `provisioned-concurrency`, `snap-start` or `lambda-managed-instances`.
    pub(crate) initialization_type: String,
    pub(crate) account_id: String,
}

/// Times of the function's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Startup {
    /// The platform's own figure for the whole initialization.
    pub(crate) init: Option<Thousandths>,
    /// From the start of the initialization until the runtime asked for its first event.
    pub(crate) app_load: Option<Thousandths>,
    /// The platform's own figure for the restore from a snapshot.
    pub(crate) restore: Option<Thousandths>,
}

/// Counts, from the start of the process on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) pushes: u64,
    pub(crate) malformed_pushes: u64,
    pub(crate) oversize_pushes: u64,
    pub(crate) events: u64,
    /// Events that nobody here asks about.
    pub(crate) skipped_events: u64,
    /// Events that had come before.
    pub(crate) duplicate_events: u64,
    /// Records that the platform says it dropped.
    pub(crate) dropped_records: u64,
    pub(crate) starts: u64,
    pub(crate) reports: u64,
    /// Reports whose status was not `success`.
    pub(crate) failures: u64,
    pub(crate) duration: Thousandths,
    pub(crate) billed: Thousandths,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) function: Function,
    pub(crate) startup: Startup,
    pub(crate) counts: Counts,
    pub(crate) memory_size: Option<Thousandths>,
    pub(crate) max_memory_used: Option<Thousandths>,
    /// When the last initialization began and when its runtime was ready, in microseconds since 1970. Either may come first.
    init_start: Option<u64>,
    runtime_ready: Option<u64>,
    seen: Seen,
    batch: Batch,
    pub(crate) sink: Sink,
}

impl Collector {
    pub(crate) fn new(function: Function, sink: Sink) -> Self {
        Self {
            function,
            startup: Startup::default(),
            counts: Counts::default(),
            memory_size: None,
            max_memory_used: None,
            init_start: None,
            runtime_ready: None,
            seen: Seen::new(),
            batch: Batch::default(),
            sink,
        }
    }

    /// Takes one push, and writes what it brought.
    pub(crate) fn push(&mut self, push: &mut [u8]) -> Result<(), telemetry::Malformed> {
        self.counts.pushes += 1;
        let result = telemetry::read(push, |event| self.event(event));
        if result.is_err() {
            self.counts.malformed_pushes += 1;
        }
        self.flush();
        result
    }

    /// A push that was larger than there is room for.
    pub(crate) fn oversize(&mut self) {
        self.counts.pushes += 1;
        self.counts.oversize_pushes += 1;
    }

    fn event(&mut self, event: &Event<'_>) {
        self.counts.events += 1;
        if event.kind == Kind::Other {
            self.counts.skipped_events += 1;
            return;
        }
        if !self.seen.is_new(event) {
            self.counts.duplicate_events += 1;
            return;
        }
        let micros = event.micros();
        if let Some(micros) = micros {
            self.batch.at(micros);
        }
        match event.kind {
            Kind::InitStart => {
                self.init_start = self.init_start.max(micros);
                self.initialization_type(event);
                self.app_load();
            }
            Kind::InitRuntimeDone => {
                self.runtime_ready = self.runtime_ready.max(micros);
                self.initialization_type(event);
                self.app_load();
            }
            Kind::InitReport => {
                if let Some(duration) = event.metrics.duration {
                    self.startup.init = Some(duration);
                    self.batch.startup.init = Some(duration);
                }
                self.initialization_type(event);
            }
            Kind::RestoreReport => {
                if let Some(duration) = event.metrics.duration {
                    self.startup.restore = Some(duration);
                    self.batch.startup.restore = Some(duration);
                }
            }
            Kind::Start => self.counts.starts += 1,
            Kind::Report => self.report(event),
            Kind::LogsDropped => {
                let Thousandths(records) = event.metrics.dropped_records.unwrap_or_default();
                self.counts.dropped_records += records / 1_000;
            }
            // The report that follows says the same and more.
            Kind::RuntimeDone | Kind::RestoreStart | Kind::RestoreRuntimeDone | Kind::Other => {}
        }
    }

    fn report(&mut self, event: &Event<'_>) {
        let metrics = &event.metrics;
        self.counts.reports += 1;
        if event.status != "success" {
            self.counts.failures += 1;
        }
        if let Some(Thousandths(duration)) = metrics.duration {
            self.counts.duration.0 = self.counts.duration.0.saturating_add(duration);
        }
        if let Some(Thousandths(billed)) = metrics.billed {
            self.counts.billed.0 = self.counts.billed.0.saturating_add(billed);
        }
        self.memory_size = metrics.memory_size.or(self.memory_size);
        self.max_memory_used = metrics.max_memory_used.max(self.max_memory_used);
        if self.batch.is_full() {
            self.flush();
        }
        self.batch.report(metrics);
    }

    /// What the platform says of it is more precise than the environment's variable.
    fn initialization_type(&mut self, event: &Event<'_>) {
        let known = &mut self.function.initialization_type;
        // What is no longer than its memory is moved there without asking for more.
        if !event.initialization_type.is_empty() && event.initialization_type.len() <= known.capacity() {
            known.clear();
            known.push_str(event.initialization_type);
        }
    }

    /// The two events may come in any order, and an initialization may be done again: a start that is later than what was ready
    /// belongs to what isn't yet.
    fn app_load(&mut self) {
        if let (Some(start), Some(ready)) = (self.init_start, self.runtime_ready)
            && let Some(micros) = ready.checked_sub(start)
        {
            let load = Some(Thousandths(micros));
            if self.startup.app_load != load {
                self.startup.app_load = load;
                self.batch.startup.app_load = load;
            }
        }
    }

    /// Writes what wasn't written yet.
    fn flush(&mut self) {
        self.sink.write(&self.function, &self.batch);
        self.batch = Batch::default();
    }
}

/// The events that came last, by their hashes: a push whose answer got lost comes again.
#[derive(Debug)]
struct Seen {
    hashes: Box<[u64; Self::EVENTS]>,
    next: usize,
}

impl Seen {
    /// More than what a push of the size that the platform is asked for has in it.
    const EVENTS: usize = 2_048;

    fn new() -> Self {
        Self { hashes: Box::new([0; Self::EVENTS]), next: 0 }
    }

    /// Whether this event didn't come before, as far as is remembered.
    fn is_new(&mut self, event: &Event<'_>) -> bool {
        let mut hasher = DefaultHasher::new();
        (event.kind, event.time, event.request_id).hash(&mut hasher);
        // 0 is what stands where nothing was noted yet.
        let hash = hasher.finish() | 1;
        if self.hashes.contains(&hash) {
            return false;
        }
        if let Some(place) = self.hashes.get_mut(self.next) {
            *place = hash;
        }
        self.next = (self.next + 1) % Self::EVENTS;
        true
    }
}

#[cfg(test)]
mod tests;

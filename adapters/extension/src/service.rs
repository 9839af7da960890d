//! What the extension's HTTP server answers: the platform's pushes, `/health` and `/metrics`.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use midge::{Failure, FieldLines, Handler, Method, Request, Response, Sent};
use midge_lambda::platform::{Escaped, Text};

use crate::{
    collect::{Collector, Startup},
    shared::Shared,
    telemetry::Thousandths,
};

/// The handler.
pub(crate) struct Service(pub(crate) Arc<Shared>);

impl Handler for Service {
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        self.answer(request, response)
    }
}

impl Service {
    async fn answer(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match (request.path(), request.method()) {
            ("/", Method::Post) => self.push(request, response).await,
            ("/health", Method::Get | Method::Head) => self.health(response).await,
            ("/metrics", Method::Get | Method::Head) => self.metrics(response).await,
            ("/", _) => not_allowed("POST", response).await,
            ("/health" | "/metrics", _) => not_allowed("GET, HEAD", response).await,
            _ => Err(Failure::new(404).because("there are /health and /metrics, and / for the platform's pushes")),
        }
    }

    /// What can't be read is answered 200 all the same: sent again, it would be no better.
    async fn push(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match request.body().all_mut().await {
            Ok(push) => {
                let _malformed = self.0.collector().push(push);
                self.0.pushed();
            }
            Err(error) => {
                let failure = Failure::from(error);
                if failure.status().code() == 413 {
                    self.0.collector().oversize();
                }
                return Err(failure);
            }
        }
        response.status(200).empty().await
    }

    async fn health(&self, response: Response<'_>) -> Result<Sent, Failure> {
        let mut memory = [0; HEALTH_BYTES];
        let mut text = Text::new(&mut memory);
        let (status, word) = if self.0.is_stopping() { (503, "stopping") } else { (200, "healthy") };
        let init = self.0.collector().startup.init;
        let (uptime, invocations) = (self.0.uptime().as_millis(), self.0.invocations());
        let _ = write!(text, "{{\"status\":\"{word}\",\"uptime_ms\":{uptime},\"init_duration_ms\":");
        let _ = match init {
            Some(init) => write!(text, "{init}"),
            None => write!(text, "null"),
        };
        let _ = writeln!(text, ",\"invocations\":{invocations}}}");
        response.status(status).lines(JSON).body(text.as_bytes()).await
    }

    async fn metrics(&self, response: Response<'_>) -> Result<Sent, Failure> {
        let mut memory = [0; METRICS_BYTES];
        let length = {
            let mut text = Text::new(&mut memory);
            let _ = self.exposition(&mut text);
            if text.is_cut() {
                return Err(Failure::new(500).because("the metrics are longer than there is room for"));
            }
            text.as_bytes().len()
        };
        response.status(200).lines(PROMETHEUS).body(memory.get(..length).unwrap_or_default()).await
    }

    /// Prometheus's text format: base units, a line of type before each metric, nothing of what isn't known.
    fn exposition(&self, text: &mut Text<'_>) -> fmt::Result {
        let invocations = self.0.invocations();
        let collector = &*self.0.collector();
        info(text, collector)?;
        seconds(text, "uptime_seconds", GAUGE, Some(Thousandths(self.0.uptime().as_micros() as u64)))?;
        let Startup { init, app_load, restore } = collector.startup;
        seconds(text, "init_duration_seconds", GAUGE, init)?;
        seconds(text, "app_load_seconds", GAUGE, app_load)?;
        seconds(text, "restore_duration_seconds", GAUGE, restore)?;
        number(text, "invocations_total", COUNTER, invocations)?;
        let counts = &collector.counts;
        let name = "invocation_duration_seconds";
        kind(text, name, "summary")?;
        writeln!(text, "{PREFIX}{name}_sum {}", Seconds(counts.duration))?;
        writeln!(text, "{PREFIX}{name}_count {}", counts.reports)?;
        seconds(text, "billed_duration_seconds_total", COUNTER, Some(counts.billed))?;
        number(text, "invocation_failures_total", COUNTER, counts.failures)?;
        for (name, size) in
            [("memory_size_bytes", collector.memory_size), ("max_memory_used_bytes", collector.max_memory_used)]
        {
            if let Some(Thousandths(megabytes)) = size {
                number(text, name, GAUGE, (megabytes / 1_000) << 20)?;
            }
        }
        for (name, value) in [
            ("telemetry_pushes_total", counts.pushes),
            ("telemetry_malformed_pushes_total", counts.malformed_pushes),
            ("telemetry_oversize_pushes_total", counts.oversize_pushes),
            ("telemetry_events_total", counts.events),
            ("telemetry_skipped_events_total", counts.skipped_events),
            ("telemetry_duplicate_events_total", counts.duplicate_events),
            ("telemetry_dropped_records_total", counts.dropped_records),
            ("emf_lines_total", collector.sink.lines),
            ("emf_failures_total", collector.sink.failures),
        ] {
            number(text, name, COUNTER, value)?;
        }
        Ok(())
    }
}

const PREFIX: &str = "midge_extension_";
const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

fn info(text: &mut Text<'_>, collector: &Collector) -> fmt::Result {
    kind(text, "info", GAUGE)?;
    write!(text, "{PREFIX}info{{")?;
    let function = &collector.function;
    for (name, value) in [
        ("function", function.name.as_str()),
        ("function_version", &function.version),
        ("initialization_type", &function.initialization_type),
        ("account_id", &function.account_id),
    ] {
        write!(text, "{name}=\"")?;
        // The same three characters are escaped as in JSON.
        write!(Escaped(text), "{value}")?;
        write!(text, "\",")?;
    }
    writeln!(text, "version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))
}

fn kind(text: &mut Text<'_>, name: &str, kind: &str) -> fmt::Result {
    writeln!(text, "# TYPE {PREFIX}{name} {kind}")
}

fn number(text: &mut Text<'_>, name: &str, of_kind: &str, value: u64) -> fmt::Result {
    kind(text, name, of_kind)?;
    writeln!(text, "{PREFIX}{name} {value}")
}

fn seconds(text: &mut Text<'_>, name: &str, of_kind: &str, millis: Option<Thousandths>) -> fmt::Result {
    let Some(millis) = millis else { return Ok(()) };
    kind(text, name, of_kind)?;
    writeln!(text, "{PREFIX}{name} {}", Seconds(millis))
}

/// Milliseconds, written as seconds.
struct Seconds(Thousandths);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Thousandths(micros)) = self;
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

async fn not_allowed(allow: &'static str, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(405).header("allow", allow).empty().await
}

const JSON: FieldLines = FieldLines::new("content-type: application/json\r\ncache-control: no-store\r\n");
const PROMETHEUS: FieldLines =
    FieldLines::new("content-type: text/plain; version=0.0.4; charset=utf-8\r\ncache-control: no-store\r\n");

const HEALTH_BYTES: usize = 256;
/// Twice what the metrics take with the longest names.
const METRICS_BYTES: usize = 8_192;

#[cfg(test)]
mod tests;

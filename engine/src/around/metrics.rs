//! Counters of what was served, in fixed memory, and their text for Prometheus.

#[cfg(not(target_has_atomic = "64"))]
use core::sync::atomic::AtomicU32 as Atomic;
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64 as Atomic;
use core::{
    fmt::{self, Write as _},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use crate::exchange::{
    BodyStream, Outcome, Request, Response,
    failure::Failure,
    handler::{Handler, Sent},
};

/// What a [`Metered`] handler counts: for a static, or anything that outlives its handlers. Threads may share it.
///
/// ```
/// use core::time::Duration;
/// use midge::{Failure, Request, Response, Router, Sent, around::{Metered, Metrics}, testing};
///
/// static METRICS: Metrics = Metrics::new();
///
/// async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).body("hello").await
/// }
/// async fn metrics(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     METRICS.expose(response).await
/// }
/// # fn clock() -> Duration { Duration::ZERO }
///
/// let app = Metered::new(&METRICS, clock, Router::new().get("/", hello).get("/metrics", metrics));
/// # let mut scratch = testing::Scratch::new();
/// # testing::call(&app, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// let answer = testing::call(&app, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// # let text = core::str::from_utf8(answer.body()).expect("it is text");
/// assert!(text.contains("http_requests_total{status=\"2xx\"} 1\n"));
/// # Ok::<(), testing::CallError>(())
/// ```
///
/// Counters are 64 bits wide, or 32 where the processor has no wider ones.
#[derive(Debug)]
pub struct Metrics {
    /// By the status's first digit, from 1; 0 for what has no status.
    classes: [Atomic; CLASSES.len()],
    in_flight: Atomic,
    bytes: Atomic,
    /// How many took so long, by [`BOUNDS`]; the last took longer.
    times: [Atomic; BOUNDS.len() + 1],
    micros: Atomic,
}

impl Metrics {
    /// Nothing was served yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            classes: [const { Atomic::new(0) }; CLASSES.len()],
            in_flight: Atomic::new(0),
            bytes: Atomic::new(0),
            times: [const { Atomic::new(0) }; BOUNDS.len() + 1],
            micros: Atomic::new(0),
        }
    }

    /// Answers with all of it, in Prometheus' text format (version 0.0.4).
    ///
    /// # Errors
    ///
    /// What was wrong with the head.
    pub async fn expose(&self, response: Response<'_>) -> Result<Sent, Failure> {
        let head = response.status(200).header("content-type", "text/plain; version=0.0.4; charset=utf-8");
        let mut body = head.stream().await?;
        body.write(
            "# HELP http_requests_total Requests served, by status class.\n# TYPE http_requests_total counter\n",
        )
        .await?;
        for (class, count) in CLASSES.iter().zip(&self.classes) {
            line(&mut body, format_args!("http_requests_total{{status=\"{class}\"}} {}\n", count.load(Relaxed)))
                .await?;
        }
        body.write("# HELP http_requests_in_flight Requests being served.\n# TYPE http_requests_in_flight gauge\n")
            .await?;
        line(&mut body, format_args!("http_requests_in_flight {}\n", self.in_flight.load(Relaxed))).await?;
        body.write("# HELP http_response_body_bytes_total Bytes of answers' bodies.\n# TYPE http_response_body_bytes_total counter\n")
            .await?;
        line(&mut body, format_args!("http_response_body_bytes_total {}\n", self.bytes.load(Relaxed))).await?;
        body.write(TIME_HEAD).await?;
        let mut count = 0_u64;
        for (bound, times) in BOUNDS.iter().zip(&self.times) {
            count += wide(times);
            let bound = Seconds(*bound);
            line(&mut body, format_args!("http_request_duration_seconds_bucket{{le=\"{bound}\"}} {count}\n")).await?;
        }
        count += self.times.last().map_or(0, wide);
        line(&mut body, format_args!("http_request_duration_seconds_bucket{{le=\"+Inf\"}} {count}\n")).await?;
        let sum = Seconds(wide(&self.micros));
        line(&mut body, format_args!("http_request_duration_seconds_sum {sum}\n")).await?;
        line(&mut body, format_args!("http_request_duration_seconds_count {count}\n")).await?;
        body.finish().await
    }

    fn count(&self, class: usize, bytes: u64, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        for (counter, more) in [
            (self.classes.get(class), 1),
            (Some(&self.bytes), bytes),
            (self.times.get(bucket), 1),
            (Some(&self.micros), micros),
        ] {
            if let Some(counter) = counter {
                #[expect(clippy::allow_attributes, reason = "it depends on the processor")]
                #[allow(clippy::unnecessary_cast, reason = "narrower counters wrap around, as Prometheus lets them")]
                counter.fetch_add(more as _, Relaxed);
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts a handler's requests in [`Metrics`].
///
/// One whose handler is dropped counts with the status that its answer began with, or that the host answered in its place; else, as
/// where its client went away, as `none`.
#[derive(Debug, Clone, Copy)]
pub struct Metered<'m, C, H> {
    metrics: &'m Metrics,
    clock: C,
    inner: H,
}

impl<'m, C: Fn() -> Duration, H> Metered<'m, C, H> {
    /// Counts the requests of `inner`; `clock` tells the time since whenever.
    #[must_use]
    pub const fn new(metrics: &'m Metrics, clock: C, inner: H) -> Self {
        Self { metrics, clock, inner }
    }
}

impl<C: Fn() -> Duration, H: Handler> Handler for Metered<'_, C, H> {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let outcome = response.outcome();
        self.metrics.in_flight.fetch_add(1, Relaxed);
        let mut one = One { metrics: self.metrics, clock: &self.clock, begun: (self.clock)(), outcome, class: None };
        let result = self.inner.handle(request, response).await;
        one.class = Some(usize::from(outcome.status(&result).code() / 100));
        result
    }
}

/// A request that is counted when it is dropped, so that a handler that is dropped is counted too.
struct One<'o, 'x, C: Fn() -> Duration> {
    metrics: &'o Metrics,
    clock: &'o C,
    begun: Duration,
    outcome: Outcome<'x>,
    class: Option<usize>,
}

impl<C: Fn() -> Duration> Drop for One<'_, '_, C> {
    fn drop(&mut self) {
        self.metrics.in_flight.fetch_sub(1, Relaxed);
        let time = (self.clock)().saturating_sub(self.begun);
        let begun = || self.outcome.begun().map_or(0, |status| usize::from(status.code() / 100));
        self.metrics.count(self.class.unwrap_or_else(begun), self.outcome.body_bytes(), time);
    }
}

/// A counter's value.
#[expect(clippy::allow_attributes, reason = "it depends on the processor")]
#[allow(clippy::useless_conversion, reason = "counters may be narrower")]
fn wide(counter: &Atomic) -> u64 {
    u64::from(counter.load(Relaxed))
}

/// Writes a formatted line.
async fn line(body: &mut BodyStream<'_>, text: fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut line = Line { bytes: [0; 96], length: 0 };
    line.write_fmt(text).map_err(|_| Failure::new(500))?;
    body.write(line.bytes.get(..line.length).unwrap_or_default()).await
}

struct Line {
    bytes: [u8; 96],
    length: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let place = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// Microseconds, written as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, mut micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        write!(f, "{seconds}")?;
        if micros > 0 {
            f.write_str(".")?;
            // Digit by digit, up to the last that isn't 0.
            while micros > 0 {
                f.write_char(char::from(b'0' + (micros / 100_000) as u8))?;
                micros = micros % 100_000 * 10;
            }
        }
        Ok(())
    }
}

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Microseconds.
const BOUNDS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];
const TIME_HEAD: &str = "# HELP http_request_duration_seconds From the request's head to its handler's end.\n\
                         # TYPE http_request_duration_seconds histogram\n";

//! What all benches share.

use std::time::Duration;

use criterion::Criterion;

/// Criterion, measuring each case for a second and resampling less than it would: so all benches together are done in under five minutes.
/// `--measurement-time`, `--sample-size` and `--nresamples` set more.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .nresamples(10_000)
}

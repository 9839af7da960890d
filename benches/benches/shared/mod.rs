//! What all benches share.

use std::time::Duration;

use criterion::Criterion;

/// Criterion, measuring for a second: so all benches together are done in under five minutes. `--measurement-time` and `--sample-size`
/// set more.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
}

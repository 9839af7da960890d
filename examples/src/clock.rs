//! The time that passes, for what is measured.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// The time since it was first asked for.
pub fn since_start() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

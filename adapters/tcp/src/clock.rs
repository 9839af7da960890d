//! The worker's clock: read once per turn of the loop, asked for free of charge in between.

use std::{
    cell::Cell,
    time::{self, SystemTime, UNIX_EPOCH},
};

use midge::{Clock, Date, Instant};

/// Later than every deadline.
pub(crate) const NEVER: Instant = Instant::from_millis(u64::MAX);

/// A clock that stands still until [`WorkerClock::refresh`].
pub(crate) struct WorkerClock {
    origin: time::Instant,
    now: Cell<Instant>,
    date: Cell<Option<Date>>,
    /// When the time of day has to be looked at again: at its next full second.
    date_until: Cell<Instant>,
}

impl WorkerClock {
    pub(crate) fn new() -> Self {
        let clock = Self {
            origin: time::Instant::now(),
            now: Cell::new(Instant::from_millis(0)),
            date: Cell::new(None),
            date_until: Cell::new(Instant::from_millis(0)),
        };
        clock.refresh();
        clock
    }

    #[inline]
    pub(crate) fn refresh(&self) {
        let elapsed = self.origin.elapsed();
        let now = Instant::from_millis(elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis()));
        self.now.set(now);
        if now >= self.date_until.get() {
            self.refresh_date(now);
        }
    }

    /// The time of this instant, rounded up.
    pub(crate) fn exact(&self) -> Instant {
        let elapsed = self.origin.elapsed();
        Instant::from_millis(elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_micros()).div_ceil(1_000))
    }

    #[cold]
    fn refresh_date(&self, now: Instant) {
        // A clock set before 1970 is no clock of the day: then no `Date` is sent (RFC 9110, section 6.6.1).
        let Ok(since_epoch) = SystemTime::now().duration_since(UNIX_EPOCH) else {
            self.date.set(None);
            self.date_until.set(Instant::from_millis(now.as_millis().saturating_add(1_000)));
            return;
        };
        self.date.set(Some(Date::from_unix_seconds(since_epoch.as_secs())));
        let rest = 1_000 - u64::from(since_epoch.subsec_millis());
        self.date_until.set(Instant::from_millis(now.as_millis().saturating_add(rest)));
    }
}

impl Clock for WorkerClock {
    #[inline]
    fn now(&self) -> Instant {
        self.now.get()
    }

    #[inline]
    fn date(&self) -> Option<Date> {
        self.date.get()
    }
}

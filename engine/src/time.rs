//! Time as an argument: the engine owns no clock.

use core::{cell::Cell, time::Duration};

/// A point in monotonic time, in milliseconds since an origin that the host chose.
///
/// The engine only compares and adds: any clock that never runs backwards serves, a made-up one in a test included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The point `millis` milliseconds after the clock's origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This point and `duration` more; the end of time where that would overflow.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        // A duration of more than u64::MAX milliseconds is for ever.
        let millis = duration.as_millis();
        if millis > u64::MAX as u128 {
            return Self(u64::MAX);
        }
        Self(self.0.saturating_add(millis as u64))
    }

    /// What lies between `earlier` and this point; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The host's clock, as the engine sees it.
///
/// Both answers should come from memory that the host refreshes once per turn of its loop: they are asked for on
/// the hot path.
pub trait Clock {
    /// The monotonic time now.
    fn now(&self) -> Instant;

    /// The text of the `Date` field now; `None` for a host without a clock of the day, whose answers
    /// then carry no `Date` (RFC 9110, section 6.6.1).
    fn date(&self) -> Option<crate::Date>;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn date(&self) -> Option<crate::Date> {
        (**self).date()
    }
}

/// A clock that stands still until it is told: for tests, and for hosts that set it once per turn.
///
/// ```
/// use core::time::Duration;
/// use midge::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now().as_millis(), 3_000);
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Cell<Instant>,
    unix_seconds: Cell<Option<u64>>,
    date: Cell<Option<crate::Date>>,
}

impl ManualClock {
    /// A clock at its origin, without a time of day.
    #[must_use]
    pub const fn new() -> Self {
        Self { now: Cell::new(Instant::from_millis(0)), unix_seconds: Cell::new(None), date: Cell::new(None) }
    }

    /// Moves the monotonic time to `now`.
    pub fn set(&self, now: Instant) {
        self.now.set(now);
    }

    /// Moves the monotonic time on by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.now.set(self.now.get().after(duration));
    }

    /// Sets the time of day, in seconds since 1970-01-01T00:00:00Z; the `Date` text is formatted only when the second changes.
    pub fn set_unix_seconds(&self, seconds: u64) {
        if self.unix_seconds.get() != Some(seconds) {
            self.unix_seconds.set(Some(seconds));
            self.date.set(Some(crate::Date::from_unix_seconds(seconds)));
        }
    }
}

impl Clock for ManualClock {
    #[inline]
    fn now(&self) -> Instant {
        self.now.get()
    }

    #[inline]
    fn date(&self) -> Option<crate::Date> {
        self.date.get()
    }
}

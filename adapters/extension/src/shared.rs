//! What the two threads share: the one that follows the platform's events, and the one that serves.

use std::{
    sync::{PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    collect::Collector,
    sync::{AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard},
};

/// All that is shared. An invocation touches one counter of it, and takes no lock.
#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    invokes: AtomicU64,
    stopping: AtomicBool,
    serves: AtomicBool,
    collector: Mutex<Collector>,
    pushed: Condvar,
}

impl Shared {
    pub(crate) fn new(started: Instant, collector: Collector) -> Self {
        Self {
            started,
            invokes: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            serves: AtomicBool::new(true),
            collector: Mutex::new(collector),
            pushed: Condvar::new(),
        }
    }

    /// What is known of the function. (A panic elsewhere leaves counters that may be one short, and nothing worse.)
    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more `INVOKE`; false if there is no server any more.
    pub(crate) fn invoked(&self) -> bool {
        self.invokes.fetch_add(1, Relaxed);
        self.serves.load(Relaxed)
    }

    /// The server came to its end.
    pub(crate) fn stopped_serving(&self) {
        self.serves.store(false, Relaxed);
    }

    /// Invocations that are known of, by an event of their own or by the telemetry: managed instances have only that.
    pub(crate) fn invocations(&self) -> u64 {
        self.known(&self.collector())
    }

    fn known(&self, collector: &Collector) -> u64 {
        self.invokes.load(Relaxed).max(collector.counts.starts).max(collector.counts.reports)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// A push was taken.
    pub(crate) fn pushed(&self) {
        if self.is_stopping() {
            self.pushed.notify_all();
        }
    }

    /// From now on `/health` says so. Waits until each invocation that is known of was reported, or `limit` is over.
    pub(crate) fn drain(&self, limit: Duration) {
        let collector = self.collector();
        // Under the lock: a push that is being taken just now is counted, or finds the flag set.
        self.stopping.store(true, Relaxed);
        let missing = |collector: &mut Collector| self.known(collector) > collector.counts.reports;
        // Nothing is done with what comes out: the wait itself was the point.
        let _ = self.pushed.wait_timeout_while(collector, limit, missing);
    }
}

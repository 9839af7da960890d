//! Waking a worker, and one of its slots, from any thread.

use std::{
    io,
    sync::{Arc, atomic::Ordering::SeqCst},
    task::{Wake, Waker},
};

use crate::sync::{AtomicBool, AtomicU64, Bell};

/// What other threads may touch of a worker: which slots are to be polled, and the means to end its sleep.
///
/// **A wake-up is never lost:** the waker writes `any` and then reads `awake`, the worker writes `awake` and then reads
/// `any`. Both orders are sequentially consistent, so at least one of the two sees what the other wrote.
pub(crate) struct Alarm {
    /// One bit per slot.
    slots: Box<[AtomicU64]>,
    any: AtomicBool,
    /// The worker is not asleep and will look at `any` before it sleeps: waking it needs no system call.
    awake: AtomicBool,
    poll: Bell,
}

impl Alarm {
    pub(crate) fn new(poll: Bell, slots: usize) -> Self {
        Self {
            slots: (0..slots.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            any: AtomicBool::new(false),
            awake: AtomicBool::new(true),
            poll,
        }
    }

    /// Asks for slot `slot` to be polled.
    pub(crate) fn raise(&self, slot: usize) {
        if let Some(word) = self.slots.get(slot / 64) {
            word.fetch_or(1 << (slot % 64), SeqCst);
        }
        self.any.store(true, SeqCst);
        if !self.awake.load(SeqCst) {
            // Writing to an eventfd fails only when it is full, and then the worker is being woken already.
            let _ = self.poll.wake();
        }
    }

    /// Ends the worker's present or next sleep.
    pub(crate) fn interrupt(&self) -> io::Result<()> {
        self.poll.wake()
    }

    /// Announces that the worker is going to sleep; false if it must not, because a slot was woken.
    #[inline]
    pub(crate) fn may_sleep(&self) -> bool {
        self.awake.store(false, SeqCst);
        !self.any.load(SeqCst)
    }

    #[inline]
    pub(crate) fn awoke(&self) {
        self.awake.store(true, SeqCst);
    }

    /// Whether a slot was woken since the last call; its bits are then to be taken.
    #[inline]
    pub(crate) fn take_any(&self) -> bool {
        self.any.load(SeqCst) && self.any.swap(false, SeqCst)
    }

    pub(crate) fn words(&self) -> usize {
        self.slots.len()
    }

    /// The woken slots among those from `64 * word` on, as bits; they are no longer marked.
    pub(crate) fn take(&self, word: usize) -> u64 {
        self.slots.get(word).map_or(0, |bits| bits.swap(0, SeqCst))
    }
}

/// The waker of one slot; made once, at start, so that a clone only counts a reference.
struct SlotWaker {
    alarm: Arc<Alarm>,
    slot: usize,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.alarm.raise(self.slot);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.alarm.raise(self.slot);
    }
}

/// The waker for slot `slot`.
pub(crate) fn slot_waker(alarm: &Arc<Alarm>, slot: usize) -> Waker {
    Waker::from(Arc::new(SlotWaker { alarm: Arc::clone(alarm), slot }))
}

//! The pool of slots for machines without an allocator.

#![cfg(feature = "pool")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use midge::{Slot, SlotPool};

/// A pool's slots are handed out each to one, and come back whatever became of them.
#[test]
fn a_pool_gives_each_slot_to_one() {
    let pool = SlotPool::<3, 64, 64, 2>::new();
    for _ in 0..10 {
        let mut taken: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
        assert!(pool.take().is_none());
        let slots: Vec<Slot<'_>> = taken.iter_mut().map(midge::PooledSlot::slot).collect();
        assert_eq!(slots.len(), 3);
        drop(slots);
        taken.remove(1);
        assert_eq!(pool.free(), 1);
        taken.push(pool.take().unwrap());
        assert!(pool.take().is_none());
    }
    assert_eq!(pool.free(), 3);
    assert_eq!(format!("{pool:?}"), "SlotPool { slots: 3, free: 3, .. }");
}

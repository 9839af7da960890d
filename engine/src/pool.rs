//! Slots from a pool of fixed size, for machines without an allocator.

use core::{
    array,
    cell::{RefCell, RefMut},
    fmt,
};

use heapless::Vec;

use crate::{http1::fields::Field, slot::Slot};

/// A fixed number of slots of fixed size, in one value, without an allocator: on a stack, or in a cell that is made for statics.
///
/// ```
/// let pool = midge::SlotPool::<2, 1024, 1024, 32>::new();
/// let first = pool.take().expect("two are free");
/// let second = pool.take().expect("one is free");
/// assert!(pool.take().is_none());
/// drop(first);
/// assert!(pool.take().is_some());
/// # drop(second);
/// ```
pub struct SlotPool<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> {
    memory: [RefCell<Memory<INPUT, OUTPUT, FIELDS>>; SLOTS],
    /// Indices of the free ones; the one given back last is taken first, since its memory is warm.
    free: RefCell<Vec<usize, SLOTS>>,
}

struct Memory<const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> {
    input: [u8; INPUT],
    output: [u8; OUTPUT],
    fields: [Field; FIELDS],
}

impl<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize>
    SlotPool<SLOTS, INPUT, OUTPUT, FIELDS>
{
    /// A pool with every slot free.
    #[must_use]
    pub fn new() -> Self {
        let memory = || Memory { input: [0; INPUT], output: [0; OUTPUT], fields: [Field::EMPTY; FIELDS] };
        Self { memory: array::from_fn(|_| RefCell::new(memory())), free: RefCell::new((0..SLOTS).collect()) }
    }

    /// Takes a free slot; `None` while there is none. Dropping it gives it back.
    pub fn take(&self) -> Option<PooledSlot<'_, SLOTS, INPUT, OUTPUT, FIELDS>> {
        let index = self.free.try_borrow_mut().ok()?.pop()?;
        let memory = self.memory.get(index)?.try_borrow_mut().ok()?;
        Some(PooledSlot { memory, back: Back { pool: self, index } })
    }

    /// Number of free slots.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.try_borrow().map_or(0, |free| free.len())
    }
}

impl<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> Default
    for SlotPool<SLOTS, INPUT, OUTPUT, FIELDS>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> fmt::Debug
    for SlotPool<SLOTS, INPUT, OUTPUT, FIELDS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotPool").field("slots", &SLOTS).field("free", &self.free()).finish_non_exhaustive()
    }
}

/// A slot taken from a [`SlotPool`].
pub struct PooledSlot<'p, const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> {
    memory: RefMut<'p, Memory<INPUT, OUTPUT, FIELDS>>,
    // Dropped after `memory`, so that a slot that is free again isn't borrowed any more.
    #[expect(dead_code, reason = "gives the slot back when it is dropped")]
    back: Back<'p, SLOTS, INPUT, OUTPUT, FIELDS>,
}

impl<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize>
    PooledSlot<'_, SLOTS, INPUT, OUTPUT, FIELDS>
{
    /// The slot itself.
    pub fn slot(&mut self) -> Slot<'_> {
        let Memory { input, output, fields } = &mut *self.memory;
        Slot::new(input, output, fields)
    }
}

impl<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> fmt::Debug
    for PooledSlot<'_, SLOTS, INPUT, OUTPUT, FIELDS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledSlot").finish_non_exhaustive()
    }
}

struct Back<'p, const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> {
    pool: &'p SlotPool<SLOTS, INPUT, OUTPUT, FIELDS>,
    index: usize,
}

impl<const SLOTS: usize, const INPUT: usize, const OUTPUT: usize, const FIELDS: usize> Drop
    for Back<'_, SLOTS, INPUT, OUTPUT, FIELDS>
{
    fn drop(&mut self) {
        if let Ok(mut free) = self.pool.free.try_borrow_mut() {
            // There is room: the index came from there.
            let _ = free.push(self.index);
        }
    }
}

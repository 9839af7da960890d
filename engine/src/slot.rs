//! The memory that serving takes, set aside before it begins.

use core::{
    array,
    cell::{RefCell, RefMut},
    fmt,
};

use crate::{
    exchange::{ExchangeState, output::OutputState},
    http1::{fields::Field, head::Seen},
};

/// What one request in flight works in: an input buffer, an output buffer, a table of header fields and, with the feature
/// `arena`, scratch memory for the handler.
///
/// A connection that waits for its next request needs none. Nothing in a slot is cleared between requests: lengths say what may be
/// read, and no request can read what another one left.
pub struct Slot<'m> {
    pub(crate) input: &'m mut [u8],
    pub(crate) output: &'m mut [u8],
    pub(crate) fields: &'m mut [Field],
    pub(crate) seen: Seen,
    pub(crate) state: ExchangeState,
}

impl<'m> Slot<'m> {
    /// A slot of this memory.
    ///
    /// `input` holds a request's head and what is read of its body at a time: [`Limits::head_bytes`](crate::Limits::head_bytes) and
    /// [`Limits::body_in_memory_bytes`](crate::Limits::body_in_memory_bytes) together are a good size; a smaller one lowers both.
    /// `output` holds at least one answer's head ([`Limits::response_head_bytes`](crate::Limits::response_head_bytes)): 16 KiB is a good
    /// size. `fields` has an entry for each header and trailer field that is let in.
    pub fn new(input: &'m mut [u8], output: &'m mut [u8], fields: &'m mut [Field]) -> Self {
        let mut state = ExchangeState::new();
        state.output = OutputState::HTTP1;
        Self { input, output, fields, seen: Seen::NONE, state }
    }

    /// Gives the handler's arena `bytes` of memory at once, and lets it have no more than that.
    #[cfg(feature = "arena")]
    #[must_use]
    pub fn with_arena(mut self, bytes: usize) -> Self {
        self.state = self.state.with_arena(bytes);
        self
    }
}

impl fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("input", &self.input.len())
            .field("output", &self.output.len())
            .field("fields", &self.fields.len())
            .finish_non_exhaustive()
    }
}

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
    /// One that is borrowed is taken.
    memory: [RefCell<Memory<INPUT, OUTPUT, FIELDS>>; SLOTS],
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
        Self { memory: array::from_fn(|_| RefCell::new(memory())) }
    }

    /// Takes a free slot; `None` while there is none. Dropping it gives it back.
    ///
    /// It looks for the first that is free: those that were used before are used again, since their memory is warm.
    pub fn take(&self) -> Option<PooledSlot<'_, SLOTS, INPUT, OUTPUT, FIELDS>> {
        let memory = self.memory.iter().find_map(|memory| memory.try_borrow_mut().ok())?;
        Some(PooledSlot { memory })
    }

    /// Number of free slots.
    #[must_use]
    pub fn free(&self) -> usize {
        self.memory.iter().filter(|memory| memory.try_borrow_mut().is_ok()).count()
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

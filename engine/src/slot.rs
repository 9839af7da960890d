//! The memory that serving takes, set aside before it begins.

use core::fmt;

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

impl Slot<'_> {
    /// Bytes of a slot beside the memory that it is given: 1,720 where addresses have 64 bits and 1,528 where they have 32; the feature
    /// `arena` adds a few words.
    ///
    /// What serving takes in all, with buffers of the sizes that a program chose:
    ///
    /// ```
    /// use midge::{Connection, Exchange, Field, Slot};
    ///
    /// const INPUT: usize = 4_096;
    /// const OUTPUT: usize = 4_096;
    /// const FIELDS: usize = 24;
    /// const EACH: usize = Slot::SIZE + INPUT + OUTPUT + FIELDS * size_of::<Field>() + Connection::SIZE + Exchange::SIZE;
    /// assert!(EACH < 10_752);
    /// ```
    ///
    /// The last two are in the future that [`serve`](crate::serve) gives, beside the handler's own.
    pub const SIZE: usize = size_of::<Self>();
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

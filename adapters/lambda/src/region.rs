//! The memory that events and answers stand in: address space that costs nothing until it is written to.

/// One worker's memory for an event and for the answer's JSON.
pub(crate) struct Region {
    bytes: Vec<u8>,
}

impl Region {
    pub(crate) fn new() -> Self {
        // Zeroed by the kernel, page by page, when they are first used.
        Self { bytes: vec![0; REGION] }
    }

    /// The part for what is received, the one where an exchange puts its answer together, and the one for what is sent.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let (input, rest) = self.bytes.split_at_mut_checked(INPUT).unwrap_or_default();
        let (output, out) = rest.split_at_mut_checked(OUTPUT).unwrap_or_default();
        (input, output, out)
    }

    /// Gives the memory back after an invocation that used so many bytes of it, if those were many.
    ///
    /// That takes one `munmap` and one `mmap`, and counts as an allocation.
    pub(crate) fn used(&mut self, bytes: usize) {
        if bytes > KEPT {
            self.bytes = Vec::new();
            self.bytes = vec![0; REGION];
        }
    }
}

/// The largest event that is let in: what the platform's 6 MB come to.
pub(crate) const MAX_EVENT: usize = 6_291_556;
/// The largest answer that the platform takes.
pub(crate) const MAX_ANSWER: usize = 6_291_556;
/// Room before what is received, for what has to be put together from an event.
pub(crate) const EVENT_ROOM: usize = 32 << 10;
/// Room before an event, then the answer's head that it came behind, the event, and what is received behind it.
const INPUT: usize = EVENT_ROOM + (32 << 10) + MAX_EVENT + (64 << 10);
/// Bytes in which an exchange puts its answer together, piece by piece.
const OUTPUT: usize = 32 << 10;
/// All of it. glibc maps pieces above 32 MiB on their own whatever came before, and so gives them back at once; smaller ones it
/// would keep after the first large event. (musl maps anything of this size.)
const REGION: usize = 33 << 20;
/// Bytes that stay mapped between invocations.
const KEPT: usize = 1 << 20;

// There is room for an answer and for the raw body that it is made from.
const _: () = assert!(REGION - INPUT - OUTPUT > 2 * MAX_ANSWER);

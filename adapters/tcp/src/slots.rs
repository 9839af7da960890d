//! Slots: the buffers that a request is served with, and the future that serves it.
//!
//! Each slot's future is made once, at start, and lives as long as its worker: it takes a connection from its cell, serves it,
//! and puts the socket back with the verdict. So no request allocates, and no connection does.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    pin::pin,
    task::Poll,
};

use midge::{Ended, Field, Handler, Instant, Limits, Peer, Slot, State, Watch, serve_ready};

use crate::{
    clock::{NEVER, WorkerClock},
    io::{Hints, SlotIo, Stream},
    panic::CatchPanic,
};

/// How many reads and writes a connection may do in one turn of its worker's loop.
const BUDGET: u16 = 16;

/// The memory of all of a worker's slots, set aside in one piece for each purpose.
pub(crate) struct SlotMemory {
    input: Vec<u8>,
    output: Vec<u8>,
    fields: Vec<Field>,
    sizes: SlotSizes,
}

/// The sizes of one slot's buffers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotSizes {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) fields: usize,
}

impl SlotMemory {
    /// The three sizes must not be zero.
    pub(crate) fn new(slots: usize, sizes: SlotSizes) -> Self {
        Self {
            // Zeroed by the kernel, page by page, when they are first used.
            input: vec![0; slots.saturating_mul(sizes.input)],
            output: vec![0; slots.saturating_mul(sizes.output)],
            fields: vec![Field::EMPTY; slots.saturating_mul(sizes.fields)],
            sizes,
        }
    }

    /// One cell for each slot.
    ///
    /// Requests are numbered: the upper 16 bits of a number are the worker's, the next 16 the slot's.
    pub(crate) fn cells(&mut self, worker: usize) -> Vec<SlotCell<'_>> {
        let input = self.input.chunks_exact_mut(self.sizes.input);
        let output = self.output.chunks_exact_mut(self.sizes.output);
        let fields = self.fields.chunks_exact_mut(self.sizes.fields);
        input
            .zip(output)
            .zip(fields)
            .enumerate()
            .map(|(slot, ((input, output), fields))| {
                let cell = SlotCell::new(SlotBuffers { input, output, fields });
                cell.watch.set_next_id((worker as u64) << 48 | (slot as u64 & 0xffff) << 32);
                cell
            })
            .collect()
    }
}

struct SlotBuffers<'m> {
    input: &'m mut [u8],
    output: &'m mut [u8],
    fields: &'m mut [Field],
}

/// What the worker and a slot's future share.
pub(crate) struct SlotCell<'m> {
    /// From the worker to the future: a connection to serve.
    arrived: Cell<Option<(Stream, Peer)>>,
    /// From the future to the worker: it is served.
    outcome: Cell<Option<(Stream, Ended)>>,
    pub(crate) hints: Cell<Hints>,
    /// How many system calls are left in this turn,
    pub(crate) budget: Cell<u16>,
    /// and whether one was wanted when none was left.
    pub(crate) spent: Cell<bool>,
    /// The last call was a write: something has to go out.
    pub(crate) writing: Cell<bool>,
    /// The server shuts down: the next request that is read is the last.
    pub(crate) last: Cell<bool>,
    /// The peer is gone: the request is to be abandoned.
    pub(crate) abandoned: Cell<bool>,
    pub(crate) watch: Watch,
    /// The connection's index in the table; none while the slot is free.
    pub(crate) connection: Cell<Option<u32>>,
    /// When the future is to be polled at the latest.
    pub(crate) deadline: Cell<Instant>,
    /// Since when part of a request head has been here and the rest has not; [`NEVER`] otherwise.
    pub(crate) head_since: Cell<Instant>,
    /// Borrowed by the future for as long as it lives, and given back even when it ends in a panic.
    buffers: RefCell<SlotBuffers<'m>>,
}

impl<'m> SlotCell<'m> {
    fn new(buffers: SlotBuffers<'m>) -> Self {
        Self {
            arrived: Cell::new(None),
            outcome: Cell::new(None),
            hints: Cell::new(Hints::NEW),
            budget: Cell::new(0),
            spent: Cell::new(false),
            writing: Cell::new(false),
            last: Cell::new(false),
            abandoned: Cell::new(false),
            watch: Watch::new(),
            connection: Cell::new(None),
            deadline: Cell::new(NEVER),
            head_since: Cell::new(NEVER),
            buffers: RefCell::new(buffers),
        }
    }

    /// Hands a connection to the future.
    #[inline]
    pub(crate) fn begin(&self, index: u32, stream: Stream, peer: Peer, hints: Hints) {
        self.watch.reset();
        self.hints.set(hints);
        self.abandoned.set(false);
        self.connection.set(Some(index));
        self.deadline.set(NEVER);
        self.head_since.set(NEVER);
        self.arrived.set(Some((stream, peer)));
    }

    /// Before the future is polled.
    #[inline]
    pub(crate) fn begin_turn(&self) {
        self.budget.set(BUDGET);
        self.spent.set(false);
    }

    #[inline]
    pub(crate) fn take_outcome(&self) -> Option<(Stream, Ended)> {
        self.outcome.take()
    }

    /// After the future ended in a panic.
    pub(crate) fn clear(&self) {
        self.arrived.set(None);
        self.outcome.set(None);
    }
}

/// The future of one slot.
#[expect(clippy::await_holding_refcell_ref, reason = "the slot's one future is the only one that borrows them")]
pub(crate) async fn serve_slot<H: Handler>(
    cell: &SlotCell<'_>,
    handler: &H,
    limits: &Limits,
    clock: &WorkerClock,
    arena_bytes: usize,
) -> Infallible {
    let mut buffers = cell.buffers.borrow_mut();
    let SlotBuffers { input, output, fields } = &mut *buffers;
    let slot = Slot::new(input, output, fields);
    #[cfg(feature = "arena")]
    let slot = slot.with_arena(arena_bytes);
    #[cfg(not(feature = "arena"))]
    let _ = arena_bytes;
    let mut slot = slot;
    let handler = CatchPanic(handler);
    loop {
        let (stream, peer) = poll_fn(|_| cell.arrived.take().map_or(Poll::Pending, Poll::Ready)).await;
        let mut io = SlotIo { stream, cell };
        let ended = {
            let mut serving = pin!(serve_ready(&mut io, &handler, &mut slot, limits, clock, peer, &cell.watch));
            poll_fn(|context| {
                if cell.abandoned.get() {
                    return Poll::Ready(Ended::Close);
                }
                match serving.as_mut().poll(context) {
                    Poll::Ready(Ok(ended)) => Poll::Ready(ended),
                    Poll::Ready(Err(_)) => Poll::Ready(Ended::Close),
                    // Nothing of a request came, or no more than an empty line: the slot need not be held for that.
                    Poll::Pending if cell.watch.state() == State::Idle && !cell.writing.get() => {
                        Poll::Ready(Ended::Idle)
                    }
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        cell.outcome.set(Some((io.stream, ended)));
    }
}

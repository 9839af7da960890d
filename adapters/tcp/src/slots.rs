//! Slots: the buffers that a request is served with, and the future that serves it.
//!
//! Each slot's future is made once, at start, and lives as long as its worker: it is lent a connection in its cell, serves it,
//! and gives it back with the verdict. So no request allocates, and no connection does.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    pin::pin,
    task::Poll,
};

use midge::{Clock as _, Ended, Field, Handler, Instant, Limits, Slot, State, Watch, serve_ready};

#[cfg(all(feature = "files", target_os = "linux"))]
use crate::files::send::Transfers;
use crate::{
    clock::{NEVER, WorkerClock},
    connections::Connection,
    io::{SlotIo, Stream},
    panic::CatchPanic,
    tls::{Records, settle},
};

/// How many reads and writes a connection may do in one turn of its worker's loop.
const BUDGET: u16 = 16;

/// The memory of all of a worker's slots, set aside in one piece for each purpose.
pub(crate) struct SlotMemory {
    input: Vec<u8>,
    output: Vec<u8>,
    fields: Vec<Field>,
    sizes: SlotSizes,
    arena_bytes: usize,
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
    pub(crate) fn new(slots: usize, sizes: SlotSizes, arena_bytes: usize) -> Self {
        Self {
            // Zeroed by the kernel, page by page, when they are first used.
            input: vec![0; slots.saturating_mul(sizes.input)],
            output: vec![0; slots.saturating_mul(sizes.output)],
            fields: vec![Field::EMPTY; slots.saturating_mul(sizes.fields)],
            sizes,
            arena_bytes,
        }
    }

    /// A place for each slot where a file lies that is sent past its output buffer.
    #[cfg(all(feature = "files", target_os = "linux"))]
    pub(crate) fn transfers(&self) -> Transfers {
        Transfers::new(&self.input, self.sizes.input)
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
                let cell = SlotCell::new(slot, new_slot(input, output, fields, self.arena_bytes));
                cell.watch.set_next_id((worker as u64) << 48 | (slot as u64 & 0xffff) << 32);
                cell
            })
            .collect()
    }
}

fn new_slot<'m>(input: &'m mut [u8], output: &'m mut [u8], fields: &'m mut [Field], arena_bytes: usize) -> Slot<'m> {
    let slot = Slot::new(input, output, fields);
    #[cfg(feature = "arena")]
    let slot = slot.with_arena(arena_bytes);
    #[cfg(not(feature = "arena"))]
    let _ = arena_bytes;
    slot
}

/// What the worker and a slot's future share.
pub(crate) struct SlotCell<'m> {
    pub(crate) number: usize,
    /// The connection that is served: set by the worker, and taken back by the future when it has served it; none while the
    /// slot is free.
    pub(crate) connection: Cell<Option<&'m Connection<'m>>>,
    /// How the last connection's service ended.
    pub(crate) ended: Cell<Ended>,
    /// How many system calls are left in this turn,
    budget: Cell<u16>,
    /// and whether one was wanted when none was left.
    pub(crate) spent: Cell<bool>,
    /// It is a write that waits: something has to go out.
    pub(crate) writing: Cell<bool>,
    /// The server shuts down: the next request that is read is the last.
    pub(crate) last: Cell<bool>,
    pub(crate) watch: Watch,
    /// When a future that waits is to be polled at the latest.
    pub(crate) deadline: Cell<Instant>,
    /// Since when a future waits with part of a request head; [`NEVER`] otherwise.
    pub(crate) head_since: Cell<Instant>,
    /// What a connection under TLS has in this slot.
    pub(crate) records: Records<'m>,
    /// Borrowed by the future for as long as it lives, and given back even when it ends in a panic.
    slot: RefCell<Slot<'m>>,
}

impl<'m> SlotCell<'m> {
    fn new(number: usize, slot: Slot<'m>) -> Self {
        Self {
            number,
            connection: Cell::new(None),
            ended: Cell::new(Ended::Close),
            budget: Cell::new(0),
            spent: Cell::new(false),
            writing: Cell::new(false),
            last: Cell::new(false),
            watch: Watch::new(),
            deadline: Cell::new(NEVER),
            head_since: Cell::new(NEVER),
            records: Records::default(),
            slot: RefCell::new(slot),
        }
    }

    /// Hands a connection to the future.
    #[inline]
    pub(crate) fn begin(&self, connection: &'m Connection<'m>) {
        self.watch.reset();
        self.records.reset();
        self.connection.set(Some(connection));
    }

    /// Whether the future waits, but for nothing that it needs the slot for: nothing of a request came, or no more than an empty
    /// line.
    pub(crate) fn waits_idly(&self) -> bool {
        self.watch.state() == State::Idle && !self.writing.get() && !self.records.is_open()
    }

    /// Whether the future waits with part of a request head, or of what comes before one under TLS.
    #[inline]
    pub(crate) fn waits_for_head(&self) -> bool {
        match self.watch.state() {
            State::Head => true,
            State::Idle => self.records.is_half_read(),
            _ => false,
        }
    }

    /// When the future has to be polled at the latest.
    #[inline]
    pub(crate) fn until(&self, limits: &Limits) -> Instant {
        let until = self.records.until(self.watch.deadline()).unwrap_or(NEVER);
        if self.waits_before_head() { until.min(self.head_since.get().after(limits.head_time)) } else { until }
    }

    /// The engine knows of no head yet, and so of no deadline for it.
    fn waits_before_head(&self) -> bool {
        self.watch.state() == State::Idle && self.records.is_half_read()
    }

    /// Ends the wait for what comes before a head, if that took too long.
    pub(crate) fn expire_before_head(&self, now: Instant, limits: &Limits) {
        if self.waits_before_head() && self.head_since.get().after(limits.head_time) <= now {
            self.watch.expire();
        }
    }

    /// Before the future is polled.
    #[inline]
    pub(crate) fn begin_turn(&self) {
        self.budget.set(BUDGET);
    }

    /// Takes one system call from what this turn may spend. Without any left the slot waits for the worker's next turn, so
    /// that one fast client can't hold up the others.
    #[inline]
    pub(crate) fn spend(&self) -> bool {
        match self.budget.get().checked_sub(1) {
            Some(left) => {
                self.budget.set(left);
                true
            }
            None => {
                self.spent.set(true);
                false
            }
        }
    }
}

/// The future of one slot. Dropped while it serves a connection, it leaves that as it is.
#[expect(clippy::await_holding_refcell_ref, reason = "nobody else borrows the slot, nor the socket while it is lent")]
pub(crate) async fn serve_slot<H: Handler>(
    cell: &SlotCell<'_>,
    handler: &H,
    limits: &Limits,
    clock: &WorkerClock,
) -> Infallible {
    let slot = &mut *cell.slot.borrow_mut();
    let handler = CatchPanic(handler);
    loop {
        let connection = poll_fn(|_| cell.connection.get().map_or(Poll::Pending, Poll::Ready)).await;
        let ended = match &*connection.stream.borrow_mut() {
            Some(stream) => loop {
                let mut io = SlotIo { stream, connection, cell };
                let peer = connection.peer.get();
                let ended = match stream {
                    Stream::Tls(tls) => {
                        let mut own = io;
                        let mut serving = pin!(serve_ready(&mut own, &handler, slot, limits, clock, peer, &cell.watch));
                        let turns = poll_fn(|task| {
                            // What was written goes out whatever a handler does meanwhile, or doesn't.
                            if let Some(ended) = tls.push(&io, limits, clock.now()) {
                                return Poll::Ready(ended);
                            }
                            let polled = serving.as_mut().poll(task);
                            if polled.is_pending() {
                                cell.records.note_wait(limits, clock.now());
                            }
                            polled
                        });
                        turns.await
                    }
                    _ => serve_ready(&mut io, &handler, slot, limits, clock, peer, &cell.watch).await,
                };
                match stream {
                    Stream::Tls(tls) => {
                        if let Some(ended) = settle(tls, &io, ended, limits, clock).await {
                            break ended;
                        }
                    }
                    _ => break ended.unwrap_or(Ended::Close),
                }
            },
            None => Ended::Close,
        };
        cell.ended.set(ended);
        cell.connection.set(None);
    }
}

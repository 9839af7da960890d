//! The memory that a slot lends a TLS connection, and what rustls does in it.
//!
//! A connection has bytes here only while it is served: one that waits for its next request is between two records, with nothing
//! left to read, to hand over or to send. So an idle connection holds rustls's own state and nothing else.
//!
//! What was put into a record can't be taken back: the records' numbers go into their encryption. So a record's content counts as
//! written from then on, as what a socket's buffer holds does, and the next one is made once this one is out.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    time::Duration,
};

use midge::{Instant, Limits};
use rustls::{
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, UnbufferedStatus},
};

use crate::slots::SlotCell;

/// The longest record: header, content, and what a TLS 1.2 cipher suite may add (RFC 5246, section 6.2.3).
const RECORD: usize = 5 + CONTENT + 2_048;
/// The longest content of a record.
const CONTENT: usize = 16_384;
/// Two, so that there is always room for a whole one behind a record that is being sent.
const OUTGOING: usize = 2 * RECORD;

/// Memory for all of a worker's slots.
pub(crate) struct RecordsMemory(Vec<u8>);

impl RecordsMemory {
    pub(crate) fn new(slots: usize, wanted: bool) -> Self {
        // Zeroed by the kernel, page by page, when they are first used.
        Self(if wanted { vec![0; slots.saturating_mul(2 * RECORD + OUTGOING)] } else { Vec::new() })
    }

    pub(crate) fn lend<'m>(&'m mut self, cells: &mut [SlotCell<'m>]) {
        for (cell, memory) in cells.iter_mut().zip(self.0.chunks_exact_mut(2 * RECORD + OUTGOING)) {
            let (incoming, memory) = memory.split_at_mut(RECORD);
            let (plain, outgoing) = memory.split_at_mut(RECORD);
            cell.records = Records {
                buffers: RefCell::new(Buffers {
                    incoming: Buffer::new(incoming),
                    plain: Buffer::new(plain),
                    outgoing: Buffer::new(outgoing),
                    ..Buffers::default()
                }),
                ..Records::default()
            };
        }
    }
}

/// One slot's share.
#[derive(Default)]
pub(crate) struct Records<'m> {
    pub(super) buffers: RefCell<Buffers<'m>>,
    /// Until when what was sealed has to be out.
    pub(super) until: Cell<Option<Instant>>,
    /// The engine is done with the connection: its deadlines count no more.
    pub(super) leaving: Cell<bool>,
}

impl Records<'_> {
    /// Whether the connection is in the midst of its handshake or of a record.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.buffers.try_borrow().is_ok_and(|buffers| buffers.handshaking || !buffers.is_empty())
    }

    /// Whether it is for the peer to send more of its handshake, or of a record. A record that it doesn't take has a deadline of its own.
    #[inline]
    pub(crate) fn is_half_read(&self) -> bool {
        !self.leaving.get()
            && self
                .buffers
                .try_borrow()
                .is_ok_and(|buffers| buffers.handshaking || buffers.outgoing.is_empty() && !buffers.is_empty())
    }

    /// Whether everything that was sealed is out.
    #[inline]
    pub(crate) fn is_sent(&self) -> bool {
        self.buffers.try_borrow().is_ok_and(|buffers| buffers.outgoing.is_empty())
    }

    /// The next deadline, of which this is the engine's.
    #[inline]
    pub(crate) fn until(&self, engine: Option<Instant>) -> Option<Instant> {
        match self.until.get() {
            until if self.leaving.get() => until,
            Some(until) => Some(engine.map_or(until, |engine| engine.min(until))),
            None => engine,
        }
    }

    /// Sets the deadline of what is left to send, in a wait that lasts already or begins now.
    pub(crate) fn note_wait(&self, limits: &Limits, now: Instant) {
        if let Ok(mut buffers) = self.buffers.try_borrow_mut() {
            self.until.set(buffers.deadline(limits, now));
        }
    }

    /// Between two requests: the next answer has to be taken at the least rate, however fast the last one was.
    pub(super) fn pause(&self) {
        if let Ok(mut buffers) = self.buffers.try_borrow_mut()
            && buffers.outgoing.is_empty()
        {
            (buffers.sent, buffers.since) = (0, None);
        }
    }

    /// Forgets the last connection's bytes.
    #[inline]
    pub(crate) fn reset(&self) {
        if let Ok(mut buffers) = self.buffers.try_borrow_mut() {
            buffers.clear();
        }
        self.until.set(None);
        self.leaving.set(false);
    }
}

/// Bytes that are there, somewhere in a buffer.
#[derive(Default)]
pub(super) struct Buffer<'m> {
    memory: &'m mut [u8],
    filled: Range<usize>,
}

impl<'m> Buffer<'m> {
    fn new(memory: &'m mut [u8]) -> Self {
        Self { memory, filled: 0..0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.filled.clone()).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.filled.clone()).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Room behind what is there.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.filled.end..).unwrap_or_default()
    }

    /// `count` bytes were put into the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.filled.end = self.filled.end.saturating_add(count).min(self.memory.len());
    }

    /// `count` bytes in front were used.
    pub(super) fn used(&mut self, count: usize) {
        self.filled.start = self.filled.start.saturating_add(count).min(self.filled.end);
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
    }

    /// Moves what is there to the front.
    pub(super) fn compact(&mut self) {
        self.memory.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
    }

    /// Appends all of `bytes`, or nothing where they don't fit.
    fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(place) = self.room().get_mut(..bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        self.filled(bytes.len());
        true
    }

    fn clear(&mut self) {
        self.filled = 0..0;
    }
}

#[derive(Default)]
pub(super) struct Buffers<'m> {
    /// Records as they came.
    pub(super) incoming: Buffer<'m>,
    /// What was in them. It has room for all that a full `incoming` can hold, and is empty whenever something is read into that.
    pub(super) plain: Buffer<'m>,
    /// Records that are to go out.
    pub(super) outgoing: Buffer<'m>,
    /// How many bytes of records the peer took,
    pub(super) sent: u64,
    /// and since when there is something in `outgoing` that it doesn't take.
    pub(super) since: Option<Instant>,
    /// The handshake has begun, and not ended.
    pub(super) handshaking: bool,
    /// The peer said that nothing more follows.
    pub(super) ended: bool,
}

/// What to do when the connection is ready to send.
pub(super) enum Act<'a> {
    Nothing,
    /// Put these bytes, or the first of them, into a record.
    Seal(&'a [u8]),
    /// Say that nothing more follows.
    Close,
}

/// How far it got.
pub(super) enum Advance {
    /// More has to come in before anything else happens.
    Hungry,
    /// What is in `outgoing` has to leave first.
    Full,
    /// It was done, with so many of the bytes.
    Done(usize),
}

/// The connection can't go on. What the peer is told about it is in `outgoing`.
pub(super) struct Broken;

impl Buffers<'_> {
    fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.plain.is_empty() && self.outgoing.is_empty()
    }

    fn clear(&mut self) {
        self.incoming.clear();
        self.plain.clear();
        self.outgoing.clear();
        (self.sent, self.since, self.handshaking, self.ended) = (0, None, false, false);
    }

    /// Until when `outgoing` has to be empty: the engine's least rate, which goes for what counts as written as well.
    fn deadline(&mut self, limits: &Limits, now: Instant) -> Option<Instant> {
        if self.outgoing.is_empty() || limits.write_rate == 0 {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let earned = Duration::from_millis(self.sent.saturating_mul(1_000) / u64::from(limits.write_rate));
        Some(since.after(limits.write_grace.saturating_add(earned)))
    }

    /// Reads what is in `incoming`, answers it where the protocol wants that, and acts.
    pub(super) fn advance(
        &mut self,
        session: &mut UnbufferedServerConnection,
        act: &Act<'_>,
    ) -> Result<Advance, Broken> {
        loop {
            // rustls forgets a message of its own that finds no room.
            if self.outgoing.room().len() < RECORD {
                return Ok(Advance::Full);
            }
            let UnbufferedStatus { discard, state } = session.process_tls_records(self.incoming.bytes_mut());
            let mut used = discard;
            let mut reached = None;
            let outgoing = &mut self.outgoing;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| Broken)?;
                        used = used.saturating_add(record.discard);
                        if !self.plain.append(record.payload) {
                            return Err(Broken);
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => {
                    let count = message.encode(outgoing.room()).map_err(|_| Broken)?;
                    outgoing.filled(count);
                }
                // It is, or it will be before anything that comes behind it.
                Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
                Ok(ConnectionState::BlockedHandshake) => reached = Some(Advance::Hungry),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let (count, advance) = match *act {
                        Act::Nothing => (0, Advance::Hungry),
                        Act::Seal(bytes) => {
                            let bytes = bytes.get(..CONTENT).unwrap_or(bytes);
                            let count = traffic.encrypt(bytes, outgoing.room()).map_err(|_| Broken)?;
                            (count, Advance::Done(bytes.len()))
                        }
                        Act::Close => {
                            (traffic.queue_close_notify(outgoing.room()).map_err(|_| Broken)?, Advance::Done(0))
                        }
                    };
                    outgoing.filled(count);
                    reached = Some(advance);
                }
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::Closed) => {
                    self.ended = true;
                    reached = Some(Advance::Done(0));
                }
                Err(_) => {
                    self.explain(session);
                    return Err(Broken);
                }
                // Early data is not offered.
                Ok(_) => return Err(Broken),
            }
            self.incoming.used(used);
            if self.ended {
                // Whatever stands behind the end is nobody's.
                self.incoming.clear();
            }
            if let Some(reached) = reached {
                return Ok(reached);
            }
        }
    }

    /// Puts the alert that rustls has for an error into `outgoing`.
    fn explain(&mut self, session: &mut UnbufferedServerConnection) {
        self.incoming.clear();
        self.plain.clear();
        // What else it says, it says of an input that is empty.
        while let Ok(ConnectionState::EncodeTlsData(mut message)) = session.process_tls_records(&mut []).state {
            let Ok(count) = message.encode(self.outgoing.room()) else { return };
            self.outgoing.filled(count);
        }
    }
}

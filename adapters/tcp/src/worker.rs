//! One worker: a thread's poll, listeners, connections, slots and timers. It shares nothing with the others but the request
//! to shut down.
//!
//! **A turn:** wait for events, read the clock, serve what is ready, poll what was woken, act on deadlines, hand free slots to
//! those that wait, accept. Nothing in a turn blocks, and nothing allocates.

use std::{
    convert::Infallible,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use midge::{Clock, Ended, Handler, Instant, Limits, State};
use mio::{Events, Interest, Poll, Token, event::Event};

use crate::{
    clock::{NEVER, WorkerClock},
    connections::{Connections, Place, control_token},
    io::Stream,
    listener::Listener,
    panic::report,
    server::Config,
    shutdown::Shutdown,
    signals::Signals,
    slots::{SlotCell, SlotMemory, SlotSizes, serve_slot},
    wake::{Alarm, slot_waker},
};

mod doors;

use self::doors::{Door, Drain};

const ALARM: Token = control_token(0);
const SIGNALS: Token = control_token(1);

/// How many events one wait may bring.
const EVENTS: usize = 1_024;

/// Longer waits overflow what some systems take.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// How many connections are accepted in one turn.
const ACCEPTS: usize = 64;

/// How many milliseconds a slow head may keep the only slot that another connection waits for.
const HEAD_PATIENCE: u64 = 100;

/// Bytes of a lingering connection that are thrown away with one read.
const SCRATCH: usize = 16_384;

/// What a worker is started with: everything that can fail to be had is here.
pub(crate) struct Parts {
    number: usize,
    poll: Poll,
    pub(crate) alarm: Arc<Alarm>,
    doors: Vec<Door>,
    signals: Option<Signals>,
}

impl Parts {
    pub(crate) fn new(
        number: usize,
        listeners: Vec<Listener>,
        mut signals: Option<Signals>,
        config: &Config,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let alarm = Arc::new(Alarm::new(mio::Waker::new(registry, ALARM)?, config.slots));
        let mut doors = Vec::with_capacity(listeners.len());
        for (door, mut listener) in listeners.into_iter().enumerate() {
            let token = control_token(2 + door);
            registry.register(&mut listener, token, Interest::READABLE)?;
            // Connections may have come before the registration; an attempt tells.
            doors.push(Door { listener, token, ready: true });
        }
        if let Some(signals) = &mut signals {
            registry.register(&mut signals.receiver, SIGNALS, Interest::READABLE)?;
        }
        Ok(Self { number, poll, alarm, doors, signals })
    }

    /// Serves until it is told to shut down.
    pub(crate) fn run<H: Handler>(self, handler: &H, config: &Config, shutdown: &Shutdown) -> io::Result<()> {
        let sizes = SlotSizes {
            input: config.input_bytes,
            output: config.output_bytes,
            fields: (usize::from(config.limits.header_fields) + usize::from(config.limits.trailer_fields)).max(1),
        };
        let mut memory = SlotMemory::new(config.slots, sizes);
        let cells = memory.cells(self.number);
        let clock = WorkerClock::new();
        let future = |cell| serve_slot(cell, handler, &config.limits, &clock, config.arena_bytes);
        let worker = Worker {
            tasks: cells.iter().map(|cell| Box::pin(future(cell))).collect(),
            wakers: (0..cells.len()).map(|slot| slot_waker(&self.alarm, slot)).collect(),
            // The last one first: the slot used last is handed out next, while it is in the cache.
            free: (0..cells.len()).rev().collect(),
            cells: &cells,
            future,
            poll: self.poll,
            alarm: self.alarm,
            doors: self.doors,
            accept_at: clock.now(),
            signals: self.signals,
            shutdown,
            drain: None,
            table: Connections::new(config.connections),
            busy_until: NEVER,
            evict_at: NEVER,
            clock: &clock,
            limits: &config.limits,
            idle_millis: millis(config.limits.idle_time),
            grace: config.grace,
            scratch: vec![0; SCRATCH],
        };
        worker.run()
    }
}

/// `F` is the future of a slot, and `M` makes one.
struct Worker<'w, 'm, F, M> {
    cells: &'w [SlotCell<'m>],
    tasks: Vec<Pin<Box<F>>>,
    wakers: Vec<Waker>,
    future: M,
    free: Vec<usize>,
    table: Connections,
    poll: Poll,
    alarm: Arc<Alarm>,
    doors: Vec<Door>,
    /// When accepting may go on.
    accept_at: Instant,
    signals: Option<Signals>,
    shutdown: &'w Shutdown,
    drain: Option<Drain>,
    /// No slot's deadline is earlier.
    busy_until: Instant,
    /// When the next slow head has to give way, if others wait.
    evict_at: Instant,
    clock: &'w WorkerClock,
    limits: &'w Limits,
    idle_millis: u64,
    grace: Duration,
    scratch: Vec<u8>,
}

impl<'w, 'm, F, M> Worker<'w, 'm, F, M>
where
    F: Future<Output = Infallible>,
    M: Fn(&'w SlotCell<'m>) -> F,
{
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        // To where each waits for its first connection: what a future sets aside is set aside now.
        for slot in 0..self.tasks.len() {
            self.turn(slot);
        }
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout) {
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
                events.clear();
            }
            self.alarm.awoke();
            self.clock.refresh();
            for event in &events {
                self.event(event);
            }
            if self.alarm.take_any() {
                self.poll_woken();
            }
            self.expire();
            self.hand_out_slots();
            self.accept(ACCEPTS);
            if self.shutdown.asked() && self.drain() {
                return Ok(());
            }
        }
    }

    /// How long the next wait may last.
    #[inline]
    fn timeout(&self) -> Option<Duration> {
        let now = self.clock.now();
        if self.table.waiting() > 0 && !self.free.is_empty() {
            return Some(Duration::ZERO);
        }
        let mut next = self.busy_until.min(self.evict_at);
        if let Some((_, deadline)) = self.table.first_idle() {
            next = next.min(deadline);
        }
        if let Some((_, deadline)) = self.table.first_lingering() {
            next = next.min(deadline);
        }
        if self.doors.iter().any(|door| door.ready) {
            next = next.min(self.accept_at);
        }
        if let Some(drain) = &self.drain {
            next = next.min(if drain.settled { drain.until } else { now });
        }
        if next <= now || !self.alarm.may_sleep() {
            return Some(Duration::ZERO);
        }
        (next != NEVER).then(|| next.since(now).min(LONGEST_WAIT))
    }

    #[inline]
    fn event(&mut self, event: &Event) {
        let Some((index, entry)) = self.table.find(event.token()) else { return self.control(event.token()) };
        match entry.place {
            Place::Idle => {
                entry.hints = entry.hints.with(event);
                let readable = entry.hints.readable();
                if event.is_error() {
                    self.close(index);
                } else if readable {
                    self.ready(index);
                }
            }
            Place::Busy(slot) => {
                let Some(cell) = self.cells.get(slot as usize) else { return };
                cell.hints.set(cell.hints.get().with(event));
                // Nobody is left to answer. (One that only half-closed still listens.)
                if event.is_error() || event.is_read_closed() && event.is_write_closed() {
                    cell.abandoned.set(true);
                }
                self.turn(slot as usize);
            }
            Place::Waiting => {
                entry.hints = entry.hints.with(event);
                if event.is_error() {
                    self.close(index);
                }
            }
            Place::Linger(_) => {
                entry.hints = entry.hints.with(event);
                if entry.hints.readable() {
                    self.linger(index);
                }
            }
            Place::Free => {}
        }
    }

    /// An event that is no connection's: one of a listener, a signal, or one that came too late.
    #[cold]
    fn control(&mut self, token: Token) {
        if token == SIGNALS {
            if self.signals.as_ref().is_some_and(Signals::take) {
                self.shutdown.ask();
            }
        } else if let Some(door) = self.doors.iter_mut().find(|door| door.token == token) {
            door.ready = true;
        }
    }

    /// An idle connection has something to read: it gets a slot, or its place behind those that came before.
    #[inline]
    fn ready(&mut self, index: usize) {
        let slot = if self.table.waiting() == 0 { self.free.pop() } else { None };
        match slot {
            Some(slot) => self.serve(slot, index),
            None => self.table.put(index, Place::Waiting),
        }
    }

    #[inline]
    fn serve(&mut self, slot: usize, index: usize) {
        let (Some(cell), Some(entry)) = (self.cells.get(slot), self.table.entry(index)) else { return };
        let (peer, hints) = (entry.peer, entry.hints);
        let Some(stream) = entry.stream.take() else { return };
        self.table.put(index, Place::Busy(slot as u32));
        cell.begin(index as u32, stream, peer, hints);
        cell.last.set(self.drain.is_some());
        self.turn(slot);
    }

    /// Polls a slot's future once, and draws the conclusions.
    #[inline]
    fn turn(&mut self, slot: usize) {
        let (Some(cell), Some(task), Some(waker)) =
            (self.cells.get(slot), self.tasks.get_mut(slot), self.wakers.get(slot))
        else {
            return;
        };
        cell.begin_turn();
        let mut context = Context::from_waker(waker);
        // After a panic the future is replaced, and what it shared with this worker is reset.
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context).is_pending()));
        if let Err(payload) = polled {
            report("serving a connection panicked; it is cut", &*payload);
            cell.clear();
            task.set((self.future)(cell));
            if let Some(index) = cell.connection.take() {
                self.free.push(slot);
                self.close(index as usize);
            }
            return;
        }
        match cell.take_outcome() {
            Some((stream, ended)) => self.finish(slot, cell, stream, ended),
            None => self.note_pending(slot, cell),
        }
    }

    /// A slot's future waits: for the peer, for a waker, or until its deadline.
    fn note_pending(&mut self, slot: usize, cell: &SlotCell<'_>) {
        if cell.connection.get().is_none() {
            return;
        }
        if cell.spent.get() {
            self.alarm.raise(slot);
        }
        let now = self.clock.now();
        // A deadline that has passed was acted upon just now; not before the next millisecond again.
        let deadline = cell.watch.deadline().unwrap_or(NEVER).max(later(now, 1));
        cell.deadline.set(deadline);
        self.busy_until = self.busy_until.min(deadline);
        if cell.watch.state() != State::Head {
            cell.head_since.set(NEVER);
        } else if cell.head_since.get() == NEVER {
            cell.head_since.set(now);
        }
    }

    /// A slot's future gives its connection back.
    #[inline]
    fn finish(&mut self, slot: usize, cell: &SlotCell<'_>, stream: Stream, ended: Ended) {
        let Some(index) = cell.connection.take().map(|index| index as usize) else { return };
        self.free.push(slot);
        let hints = cell.hints.get();
        let now = self.clock.now();
        let Some(entry) = self.table.entry(index) else { return };
        entry.hints = hints;
        match ended {
            Ended::Idle if hints.readable() => {
                entry.stream = Some(stream);
                self.table.put(index, Place::Waiting);
            }
            Ended::Idle if self.drain.is_none() => {
                entry.stream = Some(stream);
                entry.deadline = later(now, self.idle_millis);
                self.table.put(index, Place::Idle);
            }
            Ended::Linger if stream.shutdown_write().is_ok() => {
                entry.stream = Some(stream);
                entry.deadline = now.after(self.limits.linger_time);
                self.table.put(index, Place::Linger(self.limits.linger_bytes));
                if hints.readable() {
                    self.linger(index);
                }
            }
            Ended::Reset => {
                stream.reset();
                self.close(index);
            }
            Ended::Idle | Ended::Linger | Ended::Close => {
                drop(stream);
                self.close(index);
            }
        }
    }

    /// Throws away what a lingering connection still sends, until it ends or has sent enough: a socket that is closed with
    /// unread bytes resets the connection, and the reset may overtake the answer (RFC 9112, section 9.6).
    fn linger(&mut self, index: usize) {
        let Some(entry) = self.table.entry(index) else { return };
        let (Some(stream), Place::Linger(mut left)) = (&entry.stream, entry.place) else { return };
        loop {
            match stream.read(&mut self.scratch) {
                Ok(count @ 1..) => match left.checked_sub(u32::try_from(count).unwrap_or(u32::MAX)) {
                    Some(rest) => left = rest,
                    None => return self.close(index),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The same list: no need to link it again.
                    entry.place = Place::Linger(left);
                    entry.hints = entry.hints.not_readable();
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.close(index),
            }
        }
    }

    /// Forgets a connection, and closes its socket if that is here.
    fn close(&mut self, index: usize) {
        self.table.release(index);
        // A place in the table and a descriptor are free: whoever was refused for want of them may try again.
        self.accept_at = self.clock.now();
    }

    #[cold]
    fn poll_woken(&mut self) {
        for word in 0..self.alarm.words() {
            let mut slots = self.alarm.take(word);
            while slots != 0 {
                let slot = word * 64 + slots.trailing_zeros() as usize;
                slots &= slots - 1;
                // A waker may outlive its request; then there is nothing to poll, or another request that does not mind.
                if self.cells.get(slot).is_some_and(|cell| cell.connection.get().is_some()) {
                    self.turn(slot);
                }
            }
        }
    }

    #[inline]
    fn expire(&mut self) {
        let now = self.clock.now();
        while let Some((index, deadline)) = self.table.first_idle() {
            if deadline > now {
                break;
            }
            self.close(index);
        }
        while let Some((index, deadline)) = self.table.first_lingering() {
            if deadline > now {
                break;
            }
            self.close(index);
        }
        if self.busy_until <= now {
            self.expire_busy(now);
        }
    }

    #[cold]
    fn expire_busy(&mut self, now: Instant) {
        self.busy_until = NEVER;
        let cells = self.cells;
        for (slot, cell) in cells.iter().enumerate() {
            if cell.connection.get().is_none() {
                continue;
            }
            if cell.deadline.get() <= now {
                self.turn(slot);
            } else {
                self.busy_until = self.busy_until.min(cell.deadline.get());
            }
        }
    }

    /// Gives free slots to the connections that wait, in the order in which they became ready.
    #[inline]
    fn hand_out_slots(&mut self) {
        self.evict_at = NEVER;
        // One that is ready again after it was served has its turn later, behind the events of the next wait.
        let mut rounds = self.table.waiting();
        if rounds == 0 {
            return;
        }
        while rounds > 0 {
            let Some(index) = self.table.first_waiting() else { return };
            let Some(slot) = self.free.pop() else { return self.evict_slow_heads() };
            self.serve(slot, index);
            rounds -= 1;
        }
    }

    /// Out of slots: those that hold one with no more than part of a head give it back (answered 408), so that slow heads
    /// can't keep complete requests out. The more connections wait, the shorter is the patience, so that a crowd of slow
    /// heads in the queue is through in a fraction of a second too.
    #[cold]
    fn evict_slow_heads(&mut self) {
        let (slots, waiting) = (self.cells.len() as u64, self.table.waiting() as u64);
        let patience = HEAD_PATIENCE * slots / (slots + waiting).max(1);
        let now = self.clock.now();
        let mut wanted = waiting;
        let cells = self.cells;
        for (slot, cell) in cells.iter().enumerate() {
            let since = cell.head_since.get();
            if since == NEVER || cell.connection.get().is_none() {
                continue;
            }
            let due = later(since, patience);
            if due > now {
                self.evict_at = self.evict_at.min(due);
            } else if wanted > 0 {
                wanted -= 1;
                cell.watch.expire();
                self.turn(slot);
            }
        }
    }
}

#[inline]
fn later(instant: Instant, millis: u64) -> Instant {
    Instant::from_millis(instant.as_millis().saturating_add(millis))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

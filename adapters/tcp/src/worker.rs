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
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use midge::{Clock, Ended, Handler, Instant, Limits};
use mio::{Events, Interest, Poll, Registry, Token, event::Event};

use crate::{
    clock::{NEVER, WorkerClock},
    connections::{Connection, Connections, Place, control_token},
    io::Hints,
    listener::Listener,
    panic::report,
    reactor::Reactor,
    server::Config,
    shutdown::Shutdown,
    signals::Signals,
    slots::{SlotCell, SlotMemory, SlotSizes, serve_slot},
    tls::{RecordsMemory, Tls},
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
    /// The poll's registry once more, for the sockets that handlers open.
    registry: Registry,
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
        let registry = registry.try_clone()?;
        Ok(Self { number, poll, registry, alarm, doors, signals })
    }

    /// Serves until it is told to shut down.
    pub(crate) fn run<H: Handler>(self, handler: &H, config: &Config, shutdown: &Shutdown) -> io::Result<()> {
        let sizes = SlotSizes {
            input: config.input_bytes,
            output: config.output_bytes,
            fields: (usize::from(config.limits.header_fields) + usize::from(config.limits.trailer_fields)).max(1),
        };
        let mut memory = SlotMemory::new(config.slots, sizes, config.arena_bytes);
        let mut connections = Box::new_uninit_slice(config.connections);
        let mut records = RecordsMemory::new(config.slots, config.tls.is_some());
        #[cfg(all(feature = "files", target_os = "linux"))]
        let transfers = memory.transfers();
        let mut cells = memory.cells(self.number);
        records.lend(&mut cells);
        let shared_clock = Rc::new(WorkerClock::new());
        let clock = &*shared_clock;
        let reactor = Reactor::new(
            self.registry,
            &shared_clock,
            config.outside,
            #[cfg(all(feature = "files", target_os = "linux"))]
            transfers,
        );
        let _entered = reactor.enter();
        let future = |cell| serve_slot(cell, handler, &config.limits, clock);
        let worker = Worker {
            tasks: cells
                .iter()
                .map(|cell| Task { future: Box::pin(future(cell)), waker: slot_waker(&self.alarm, cell.number) })
                .collect(),
            // The last one first: the slot used last is handed out next, while it is in the cache.
            free: cells.iter().rev().collect(),
            cells: &cells,
            future,
            poll: self.poll,
            alarm: self.alarm,
            doors: self.doors,
            accept_at: clock.now(),
            signals: self.signals,
            shutdown,
            drain: None,
            table: Connections::new(&mut connections),
            busy_until: NEVER,
            evict_at: NEVER,
            clock,
            reactor: &reactor,
            limits: &config.limits,
            tls: config.tls.as_ref(),
            idle_millis: millis(config.limits.idle_time),
            idle_deadline: NEVER,
            grace: config.grace,
            scratch: vec![0; SCRATCH],
        };
        worker.run()
    }
}

/// How far a turn is with what comes after the events.
enum Agenda {
    Begin,
    /// Of the woken slots, those in so many words of the alarm are still to be polled, and of the next word these.
    Woken {
        words: usize,
        slots: u64,
    },
    /// So many connections that wait may still be given a slot.
    Waiting {
        rounds: usize,
    },
}

/// What serves a slot.
struct Task<F> {
    future: Pin<Box<F>>,
    waker: Waker,
}

/// `F` is the future of a slot, and `M` makes one.
struct Worker<'w, 'm, F, M> {
    cells: &'w [SlotCell<'m>],
    tasks: Vec<Task<F>>,
    future: M,
    free: Vec<&'w SlotCell<'m>>,
    table: Connections<'m>,
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
    /// What handlers wait for beside their own connections.
    reactor: &'w Reactor,
    limits: &'w Limits,
    tls: Option<&'w Tls>,
    idle_millis: u64,
    /// Of a connection that becomes idle in this turn.
    idle_deadline: Instant,
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
            self.idle_deadline = later(self.clock.now(), self.idle_millis);
            for event in &events {
                if let Some(cell) = self.event(event) {
                    self.turn(cell);
                }
            }
            let mut agenda = Agenda::Begin;
            while let Some(cell) = self.follow(&mut agenda) {
                self.turn(cell);
            }
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
        for first in [self.table.first_open(), self.table.first_lingering()].into_iter().flatten() {
            next = next.min(first.deadline.get());
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
    fn event(&mut self, event: &Event) -> Option<&'w SlotCell<'m>> {
        let Some(connection) = self.table.find(event.token()) else {
            self.control(event);
            return None;
        };
        let plain = event.is_readable() && !event.is_read_closed() && !event.is_error();
        if plain && connection.place() == Place::Idle {
            connection.hints.set(Hints::READY);
            self.ready(connection)
        } else {
            self.other_event(connection, event)
        }
    }

    /// Any event but that something came to an idle connection.
    fn other_event(&mut self, connection: &'m Connection<'m>, event: &Event) -> Option<&'w SlotCell<'m>> {
        connection.hints.set(connection.hints.get().with(event));
        let readable = connection.hints.get().readable();
        match connection.place() {
            Place::Idle | Place::Waiting if event.is_error() => self.close(connection),
            Place::Idle if readable => return self.ready(connection),
            Place::Busy => {
                let cell = self.cells.get(connection.number.get() as usize)?;
                // Nobody is left to answer. (One that only half-closed still listens.)
                if event.is_error() || event.is_read_closed() && event.is_write_closed() {
                    self.abandon(cell, Ended::Close);
                    self.served(cell, connection);
                } else {
                    return Some(cell);
                }
            }
            Place::Linger if readable => self.linger(connection),
            Place::Idle | Place::Waiting | Place::Linger | Place::Free => {}
        }
        None
    }

    /// An event that is no connection's: one of a listener, a signal, a socket that a handler opened, or one that came too late.
    #[cold]
    fn control(&mut self, event: &Event) {
        let token = event.token();
        if token == SIGNALS {
            if self.signals.as_ref().is_some_and(Signals::take) {
                self.shutdown.ask();
            }
        } else if let Some(door) = self.doors.iter_mut().find(|door| door.token == token) {
            door.ready = true;
        } else {
            self.reactor.event(event);
        }
    }

    /// An idle connection has something to read: it gets a slot, or its place behind those that came before.
    #[inline]
    fn ready(&mut self, connection: &'m Connection<'m>) -> Option<&'w SlotCell<'m>> {
        match self.free.last() {
            // It stays free, and the connection idle, unless its service takes more than one go.
            Some(cell) if self.table.waiting() == 0 => {
                cell.begin(connection);
                Some(cell)
            }
            _ => {
                self.table.put(connection, Place::Waiting);
                None
            }
        }
    }

    /// Polls a slot's future once, and draws the conclusions.
    #[inline]
    fn turn(&mut self, cell: &'w SlotCell<'m>) {
        // A waker may outlive its request; then there is nothing to poll, or another request that does not mind.
        let Some(connection) = cell.connection.get() else { return };
        self.poll(cell);
        let idle = cell.connection.get().is_none() && cell.ended.get() == Ended::Idle;
        if idle && connection.place() == Place::Idle && !connection.hints.get().readable() {
            self.table.renew(connection, self.idle_deadline);
        } else {
            self.served(cell, connection);
        }
    }

    /// Apart from the loop that calls it: each has the processor's registers to itself.
    #[inline(never)]
    fn poll(&mut self, cell: &'w SlotCell<'m>) {
        let Some(task) = self.tasks.get_mut(cell.number) else { return };
        cell.begin_turn();
        let mut context = Context::from_waker(&task.waker);
        // After a panic the future is replaced, and what it shared with this worker is reset.
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context).is_pending()));
        if let Err(payload) = polled {
            report("serving a connection panicked; it is cut", &*payload);
            self.abandon(cell, Ended::Close);
        }
    }

    /// After a go at serving a connection that was not all there was to it.
    fn served(&mut self, cell: &'w SlotCell<'m>, connection: &'m Connection<'m>) {
        if cell.connection.get().is_some() && cell.waits_idly() {
            self.abandon(cell, Ended::Idle);
        }
        let was_busy = connection.place() == Place::Busy;
        if cell.connection.get().is_none() {
            if was_busy {
                self.free.push(cell);
            }
            return self.finish(cell, connection);
        }
        if !was_busy {
            // The one that was handed out last.
            self.free.pop();
            self.table.put(connection, Place::Busy);
            connection.number.set(cell.number as u32);
            cell.head_since.set(NEVER);
        }
        self.note_pending(cell);
    }

    /// Drops what a slot's future is doing: its connection's service has ended in this way.
    #[cold]
    fn abandon(&mut self, cell: &'w SlotCell<'m>, ended: Ended) {
        let Some(task) = self.tasks.get_mut(cell.number) else { return };
        // The new future takes its place even when dropping the old one panics.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| task.future.set((self.future)(cell)))) {
            report("dropping a handler's future panicked", &*payload);
        }
        cell.ended.set(ended);
        cell.connection.set(None);
    }

    /// A slot's future waits: for the peer, for a waker, or until its deadline.
    fn note_pending(&mut self, cell: &SlotCell<'m>) {
        if cell.spent.take() {
            self.alarm.raise(cell.number);
        }
        let now = self.clock.now();
        if !cell.waits_for_head() {
            cell.head_since.set(NEVER);
        } else if cell.head_since.get() == NEVER {
            cell.head_since.set(now);
        }
        // A deadline that has passed was acted upon just now; not before the next millisecond again.
        let deadline = cell.until(self.limits).max(later(now, 1));
        cell.deadline.set(deadline);
        self.busy_until = self.busy_until.min(deadline).min(self.reactor.first_timer());
    }

    /// A slot's future has given its connection back.
    fn finish(&mut self, cell: &SlotCell<'m>, connection: &'m Connection<'m>) {
        let now = self.clock.now();
        let readable = connection.hints.get().readable();
        match cell.ended.get() {
            Ended::Idle if readable => self.table.put(connection, Place::Waiting),
            Ended::Idle => {
                self.table.put(connection, Place::Idle);
                self.table.renew(connection, self.idle_deadline);
            }
            Ended::Linger if connection.shutdown_write().is_ok() => {
                connection.deadline.set(now.after(self.limits.linger_time));
                connection.number.set(self.limits.linger_bytes);
                self.table.put(connection, Place::Linger);
                if readable {
                    self.linger(connection);
                }
            }
            Ended::Reset => {
                if let Some(stream) = connection.take_stream() {
                    stream.reset();
                }
                self.close(connection);
            }
            Ended::Linger | Ended::Close => self.close(connection),
        }
    }

    /// Throws away what a lingering connection still sends, until it ends or has sent enough: a socket that is closed with
    /// unread bytes resets the connection, and the reset may overtake the answer (RFC 9112, section 9.6).
    fn linger(&mut self, connection: &'m Connection<'m>) {
        let mut left = connection.number.get();
        loop {
            match connection.read(&mut self.scratch) {
                Ok(count @ 1..) => match left.checked_sub(u32::try_from(count).unwrap_or(u32::MAX)) {
                    Some(rest) => left = rest,
                    None => return self.close(connection),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.number.set(left);
                    connection.hints.set(connection.hints.get().not_readable());
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.close(connection),
            }
        }
    }

    /// Closes a connection between two requests.
    fn part(&mut self, connection: &'m Connection<'m>) {
        connection.part();
        self.close(connection);
    }

    /// Forgets a connection, and closes its socket.
    fn close(&mut self, connection: &'m Connection<'m>) {
        self.table.release(connection);
        // A place in the table and a descriptor are free: whoever was refused for want of them may try again.
        self.accept_at = self.clock.now();
    }

    /// What is to be polled when the events have been seen to: first the slots that were woken or whose deadline has passed, then
    /// those that become free for the connections that wait, in the order in which these became ready.
    fn follow(&mut self, agenda: &mut Agenda) -> Option<&'w SlotCell<'m>> {
        loop {
            match agenda {
                Agenda::Begin => {
                    self.expire();
                    let words = if self.alarm.take_any() { self.alarm.words() } else { 0 };
                    *agenda = Agenda::Woken { words, slots: 0 };
                }
                Agenda::Woken { slots: slots @ 1.., words } => {
                    let slot = *words * 64 + slots.trailing_zeros() as usize;
                    *slots &= *slots - 1;
                    return self.cells.get(slot);
                }
                Agenda::Woken { words: words @ 1.., slots } => {
                    *words -= 1;
                    *slots = self.alarm.take(*words);
                }
                Agenda::Woken { .. } => {
                    self.evict_at = NEVER;
                    // One that is ready again after it was served has its turn later, behind the events of the next wait.
                    *agenda = Agenda::Waiting { rounds: self.table.waiting() };
                }
                Agenda::Waiting { rounds: 0 } => return None,
                Agenda::Waiting { rounds } => {
                    *rounds -= 1;
                    let connection = self.table.first_waiting()?;
                    let Some(cell) = self.free.last() else {
                        self.evict_slow_heads();
                        return None;
                    };
                    self.table.put(connection, Place::Idle);
                    self.table.renew(connection, self.idle_deadline);
                    cell.begin(connection);
                    return Some(cell);
                }
            }
        }
    }

    #[inline]
    fn expire(&mut self) {
        let now = self.clock.now();
        while let Some(first) = self.table.first_open().filter(|first| first.deadline.get() <= now) {
            match first.place() {
                Place::Busy => self.renew_busy(first, now),
                _ => self.part(first),
            }
        }
        while let Some(first) = self.table.first_lingering().filter(|first| first.deadline.get() <= now) {
            self.close(first);
        }
        if self.busy_until <= now {
            self.expire_busy(now);
        }
    }

    /// Puts a busy connection out of the way of those that can be idle for too long.
    #[cold]
    fn renew_busy(&self, connection: &'m Connection<'m>, now: Instant) {
        self.table.renew(connection, later(now, self.idle_millis.max(1)));
    }

    #[cold]
    fn expire_busy(&mut self, now: Instant) {
        self.busy_until = self.reactor.expire(now);
        for cell in self.cells {
            if cell.connection.get().is_none() {
                continue;
            }
            if cell.deadline.get() <= now {
                cell.expire_before_head(now, self.limits);
                self.alarm.raise(cell.number);
            } else {
                self.busy_until = self.busy_until.min(cell.deadline.get());
            }
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
        for cell in self.cells {
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
                self.alarm.raise(cell.number);
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

//! What a worker's handlers wait for beside their own connections: time, and sockets that they opened.
//!
//! It works on the worker's own poll, and is found through a thread-local that is set while the worker runs. All its tables have a
//! fixed size and are set aside at start. An event wakes the waker that a future left there: as a rule its slot's, which is then polled
//! in the same turn, without a system call.

use std::{cell::RefCell, error, fmt, rc::Rc, task::Waker};

use midge::{Clock as _, Failure, Instant};
use mio::{Registry, Token, event::Event};

#[cfg(all(feature = "files", target_os = "linux"))]
use crate::files::send::Transfers;
use crate::{
    client::pool::{Memory, Pool},
    clock::WorkerClock,
    connections::OUTBOUND,
    io::Hints,
    timers::{Key, Timers},
};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// How many of each thing a worker has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) timers: usize,
    pub(crate) outbound: usize,
    pub(crate) calls: usize,
}

/// A worker's timers, outbound sockets, and what its clients keep.
pub(crate) struct Reactor {
    registry: Registry,
    clock: Rc<WorkerClock>,
    timers: RefCell<Timers>,
    sockets: RefCell<Sockets>,
    /// Connections that clients keep for later.
    pub(crate) pool: RefCell<Pool>,
    /// Buffers for calls.
    memory: RefCell<Vec<Memory>>,
    /// Files that are sent past the slots' output buffers.
    #[cfg(all(feature = "files", target_os = "linux"))]
    pub(crate) transfers: Transfers,
}

impl Reactor {
    pub(crate) fn new(
        registry: Registry,
        clock: &Rc<WorkerClock>,
        sizes: Sizes,
        #[cfg(all(feature = "files", target_os = "linux"))] transfers: Transfers,
    ) -> Rc<Self> {
        Rc::new(Self {
            registry,
            clock: Rc::clone(clock),
            timers: RefCell::new(Timers::new(sizes.timers)),
            sockets: RefCell::new(Sockets {
                entries: Vec::with_capacity(sizes.outbound),
                free: Vec::with_capacity(sizes.outbound),
                most: sizes.outbound,
            }),
            pool: RefCell::new(Pool::new(sizes.outbound)),
            memory: RefCell::new((0..sizes.calls).map(|_| Memory::new()).collect()),
            #[cfg(all(feature = "files", target_os = "linux"))]
            transfers,
        })
    }

    /// The reactor of the worker that this thread is.
    pub(crate) fn current() -> Result<Rc<Self>, WorkerError> {
        let current = CURRENT.try_with(|current| current.borrow().clone());
        current.ok().flatten().ok_or(WorkerError::NotOnWorker)
    }

    /// Makes this the thread's reactor until what it gives is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        Entered { before: CURRENT.with(|current| current.replace(Some(Rc::clone(self)))), entered: Rc::clone(self) }
    }

    /// When the first timer ends.
    pub(crate) fn first_timer(&self) -> Instant {
        self.timers.borrow().first()
    }

    /// Wakes those whose time has come, and gives when the next one's will.
    pub(crate) fn expire(&self, now: Instant) -> Instant {
        loop {
            // Whoever is woken may do anything: nothing is borrowed then.
            let expired = self.timers.borrow_mut().expire(now);
            match expired {
                Some(waker) => waker.wake(),
                None => return self.first_timer(),
            }
        }
    }

    /// Takes note of an event, if it is that of an outbound socket.
    pub(crate) fn event(&self, event: &Event) {
        let woken = self.sockets.borrow_mut().note(event);
        woken.into_iter().flatten().for_each(Waker::wake);
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The time of this turn of the worker.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The time of this instant, which a handler may have reached late in a turn; rounded up, so that nothing waits too short.
    pub(crate) fn exact_now(&self) -> Instant {
        self.clock.exact()
    }

    /// Buffers for a call.
    pub(crate) fn take_memory(&self) -> Result<Memory, WorkerError> {
        self.memory.borrow_mut().pop().ok_or(WorkerError::Full("calls"))
    }

    /// Gives buffers back.
    pub(crate) fn give_memory(&self, memory: Memory) {
        self.memory.borrow_mut().push(memory);
    }
}

/// A thread's reactor is the one that was entered, until this is dropped.
pub(crate) struct Entered {
    before: Option<Rc<Reactor>>,
    entered: Rc<Reactor>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Each of those sockets holds the reactor, which holds them.
        let pool = self.entered.pool.replace(Pool::new(0));
        drop(pool);
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}

/// A timer that was started. It is freed when this is dropped.
pub(crate) struct Timer {
    reactor: Rc<Reactor>,
    key: Key,
}

impl Timer {
    pub(crate) fn start(reactor: &Rc<Reactor>, deadline: Instant, waker: &Waker) -> Result<Self, WorkerError> {
        let waker = waker.clone();
        let key = reactor.timers.borrow_mut().insert(deadline, waker).ok_or(WorkerError::Full("timers"))?;
        Ok(Self { reactor: Rc::clone(reactor), key })
    }

    /// Whether it is over; if not, `waker` is woken when it is.
    pub(crate) fn is_over(&self, waker: &Waker) -> bool {
        if self.reactor.timers.borrow().is_over(self.key) {
            return true;
        }
        let old = self.reactor.timers.borrow_mut().set_waker(self.key, waker);
        drop(old);
        false
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.reactor.timers.borrow_mut().remove(self.key);
        drop(waker);
    }
}

/// The outbound sockets' readiness, and who waits for it.
struct Sockets {
    entries: Vec<Entry>,
    /// Numbers of free entries.
    free: Vec<u32>,
    most: usize,
}

struct Entry {
    /// An event for a socket that had this entry before is recognised by it.
    token: Token,
    hints: Hints,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Sockets {
    fn note(&mut self, event: &Event) -> [Option<Waker>; 2] {
        let number = OUTBOUND.number(event.token());
        let Some(entry) = number.and_then(|number| self.entries.get_mut(number)) else { return [None, None] };
        if entry.token != event.token() {
            return [None, None];
        }
        entry.hints = entry.hints.with(event);
        [
            if entry.hints.readable() { entry.reader.take() } else { None },
            if entry.hints.writable() { entry.writer.take() } else { None },
        ]
    }
}

/// A direction of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

/// An entry in the table of outbound sockets. It is freed when this is dropped.
pub(crate) struct Place {
    pub(crate) reactor: Rc<Reactor>,
    number: u32,
}

impl Place {
    pub(crate) fn reserve(reactor: &Rc<Reactor>) -> Result<Self, WorkerError> {
        let number = reactor.sockets.borrow_mut().reserve();
        let number = match number {
            Some(number) => Some(number),
            // A connection that is only kept for later gives way.
            None => {
                let oldest = reactor.pool.borrow_mut().take_oldest();
                let freed = oldest.is_some();
                drop(oldest);
                if freed { reactor.sockets.borrow_mut().reserve() } else { None }
            }
        };
        let number = number.ok_or(WorkerError::Full("outbound"))?;
        Ok(Self { reactor: Rc::clone(reactor), number })
    }

    /// What the socket is registered with.
    pub(crate) fn token(&self) -> Token {
        self.with(|entry| entry.token).unwrap_or(Token(usize::MAX))
    }

    pub(crate) fn hints(&self) -> Hints {
        self.with(|entry| entry.hints).unwrap_or(Hints::NONE)
    }

    pub(crate) fn set_hints(&self, hints: Hints) {
        self.with(|entry| entry.hints = hints);
    }

    /// Lets `waker` be woken when something may be done in this direction.
    pub(crate) fn wait(&self, way: Way, waker: &Waker) {
        let old = self.with(|entry| {
            let place = match way {
                Way::In => &mut entry.reader,
                Way::Out => &mut entry.writer,
            };
            if place.as_ref().is_some_and(|old| old.will_wake(waker)) { None } else { place.replace(waker.clone()) }
        });
        drop(old);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.reactor.sockets.borrow_mut().entries.get_mut(self.number as usize).map(act)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let wakers = self.with(|entry| {
            entry.token = OUTBOUND.next(entry.token);
            (entry.reader.take(), entry.writer.take())
        });
        self.reactor.sockets.borrow_mut().free.push(self.number);
        drop(wakers);
    }
}

impl Sockets {
    fn reserve(&mut self) -> Option<u32> {
        match self.free.pop() {
            Some(number) => {
                self.entries.get_mut(number as usize)?.hints = Hints::NONE;
                Some(number)
            }
            None if self.entries.len() < self.most => {
                let number = self.entries.len();
                self.entries.push(Entry {
                    token: OUTBOUND.first(number),
                    hints: Hints::NONE,
                    reader: None,
                    writer: None,
                });
                Some(number as u32)
            }
            None => None,
        }
    }
}

/// Something that only a worker can do, and this one, or this thread, can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerError {
    /// The caller doesn't run on a worker of a [`Server`](crate::Server): there is no poll to wait with. Handlers do; threads that they
    /// started don't.
    NotOnWorker,
    /// The worker's table is full. The text is the name of the setting of [`Server`](crate::Server) that gives it more room: `timers`,
    /// `outbound` or `calls`.
    Full(&'static str),
}

impl fmt::Display for WorkerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnWorker => {
                formatter.write_str("this thread is no worker of a midge_tcp::Server: call it from a handler")
            }
            Self::Full(setting) => {
                write!(formatter, "no room for one more on this worker: raise Server::{setting}")
            }
        }
    }
}

impl error::Error for WorkerError {}

/// 503 when a table is full, 500 otherwise.
impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Full("timers") => Self::new(503).because("out of timers: raise Server::timers"),
            WorkerError::Full("outbound") => Self::new(503).because("out of sockets: raise Server::outbound"),
            WorkerError::Full(_) => Self::new(503).because("out of calls: raise Server::calls"),
            WorkerError::NotOnWorker => Self::new(500).because("not on a worker of a midge_tcp::Server"),
        }
    }
}

/// How many outbound sockets fit the tokens, beside the connections.
pub(crate) const MOST_OUTBOUND: usize = OUTBOUND.len();

const _: () = assert!(MOST_OUTBOUND >= 256);

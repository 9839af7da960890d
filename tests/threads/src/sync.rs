//! What the adapters have from the standard library and from mio in their own `sync.rs`, by loom.

use std::{
    io,
    net::Shutdown,
    sync::{Arc, LockResult, PoisonError, atomic::Ordering},
    time::Duration,
};

use loom::sync::atomic::fence;
pub(crate) use loom::sync::{Mutex, MutexGuard};

pub(crate) mod thread {
    pub(crate) use loom::thread::{Builder, spawn};

    pub(crate) fn sleep(_: std::time::Duration) {}
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    /// The time is never over.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        Ok((self.0.wait(guard).unwrap_or_else(PoisonError::into_inner), ()))
    }

    /// As the standard library's, which is a loop as well.
    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        while condition(&mut *guard) {
            guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok((guard, ()))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// loom takes sequential consistency for acquire and release alone, but knows it of fences; one after each access that writes, and one
/// before each that reads, put such accesses into the one order that they have.
macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                before(order);
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                after(order);
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                before(order);
                let old = self.0.swap(value, order);
                after(order);
                old
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU64, u64);

impl Default for AtomicBool {
    fn default() -> Self {
        Self::new(false)
    }
}

impl AtomicU64 {
    pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
        before(order);
        let old = self.0.fetch_or(value, order);
        after(order);
        old
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        before(order);
        let old = self.0.fetch_add(value, order);
        after(order);
        old
    }
}

fn before(order: Ordering) {
    if order == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
}

fn after(order: Ordering) {
    if order == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
}

/// As an eventfd in a poll: rung once or more, it ends one wait, the present or the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Event>);

impl Bell {
    pub(crate) fn wake(&self) -> io::Result<()> {
        self.0.happen();
        Ok(())
    }

    /// What the worker's poll does: waits for a ring if it may, and takes it.
    pub(crate) fn poll(&self, block: bool) {
        let mut happened = self.0.happened.lock().unwrap_or_else(PoisonError::into_inner);
        while block && !*happened {
            happened = self.0.changed.wait(happened).unwrap_or_else(PoisonError::into_inner);
        }
        *happened = false;
    }
}

/// A connection that has something to read once it arrived, or is shut down.
#[derive(Clone, Debug, Default)]
pub(crate) struct TcpStream(Arc<Event>);

impl TcpStream {
    pub(crate) fn arrive(&self) {
        self.0.happen();
    }

    pub(crate) fn peek(&self, _: &mut [u8]) -> io::Result<usize> {
        self.0.wait();
        Ok(1)
    }

    pub(crate) fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        self.0.happen();
        Ok(())
    }
}

/// Something that happens once, and that may be waited for.
#[derive(Debug, Default)]
pub(crate) struct Event {
    happened: Mutex<bool>,
    changed: Condvar,
}

impl Event {
    pub(crate) fn happen(&self) {
        *self.happened.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(crate) fn wait(&self) {
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        while !*happened {
            happened = self.changed.wait(happened).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

//! Waking a handler that still waits when its time is up.

use std::{
    cell::Cell,
    pin::pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// Something that wakes a future at a certain time. A handler that never waits never needs it.
pub(crate) trait Timer {
    /// Wakes `waker` at `at`, instead of whenever it was told before.
    fn set(&self, at: Instant, waker: &Waker);

    /// Wakes nobody any more.
    fn clear(&self);
}

/// The timer of a thread that has nothing to do but this one future: it sleeps until then.
#[derive(Debug, Default)]
pub(crate) struct Parking(Cell<Option<Instant>>);

impl Timer for Parking {
    fn set(&self, at: Instant, _waker: &Waker) {
        self.0.set(Some(at));
    }

    fn clear(&self) {
        self.0.set(None);
    }
}

/// Runs a future on this thread, which sleeps while it waits: wakers work from other threads.
pub(crate) fn block_on<F: Future>(future: F, timer: &Parking) -> F::Output {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        bell.wait(timer.0.get());
    }
}

/// Wakes one thread. (Its own handle, for `park`, would cost it system calls at its start.)
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ringing: Condvar,
}

impl Bell {
    /// Sleeps until it is rung, or was since the last time, or it is `until`.
    fn wait(&self, until: Option<Instant>) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            rung = match left {
                None => self.ringing.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return,
                Some(left) => self.ringing.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ringing.notify_one();
    }
}

/// The timer of a future that somebody else polls: a thread of its own, started when a handler first waits.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    started: Cell<bool>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Alarmed>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Alarmed {
    at: Option<(Instant, Waker)>,
    over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Alarmed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut state = self.state();
        while !state.over {
            let left = state.at.as_ref().map(|(at, _)| at.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    if let Some((_, waker)) = state.at.take() {
                        waker.wake();
                    }
                    state
                }
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

impl Timer for Alarm {
    fn set(&self, at: Instant, waker: &Waker) {
        if !self.started.get() {
            let shared = Arc::clone(&self.shared);
            // Without the thread, a handler is not ended early: the platform ends it.
            self.started.set(thread::Builder::new().spawn(move || shared.watch()).is_ok());
        }
        self.shared.state().at = Some((at, waker.clone()));
        self.shared.changed.notify_one();
    }

    fn clear(&self) {
        if self.started.get() {
            self.shared.state().at = None;
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::poll_fn,
        sync::mpsc,
        task::Poll,
        thread,
        time::{Duration, Instant},
    };

    use super::{Alarm, Parking, Timer, block_on};

    #[test]
    fn a_waker_works_from_another_thread() {
        let (send, receive) = mpsc::channel();
        let sender = thread::spawn(move || {
            let waker: std::task::Waker = receive.recv().unwrap_or_else(|_| unreachable!());
            waker.wake();
        });
        let polls = Cell::new(0);
        let future = poll_fn(|context| {
            polls.set(polls.get() + 1);
            if polls.get() == 1 {
                assert!(send.send(context.waker().clone()).is_ok());
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        block_on(future, &Parking::default());
        assert!(polls.get() > 1);
        assert!(sender.join().is_ok());
    }

    /// A future that is ready at `at`, and asks `timer` to be polled then.
    fn until(timer: &impl Timer, at: Instant) -> impl Future<Output = ()> {
        poll_fn(move |context| {
            if Instant::now() >= at {
                timer.clear();
                return Poll::Ready(());
            }
            timer.set(at, context.waker());
            Poll::Pending
        })
    }

    #[test]
    fn both_timers_wake_at_their_time() {
        let soon = || Instant::now() + Duration::from_millis(5);
        let parking = Parking::default();
        let at = soon();
        block_on(until(&parking, at), &parking);
        assert!(Instant::now() >= at);
        assert!(parking.0.get().is_none());

        // Here nothing but the alarm's own thread wakes the future.
        let alarm = Alarm::default();
        for at in [soon(), soon()] {
            block_on(until(&alarm, at), &Parking::default());
            assert!(Instant::now() >= at);
        }
    }
}

//! Waiting for the next event without holding up the thread that everything else runs on.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::Shutdown,
    sync::{Arc, PoisonError},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use crate::{
    link::Link,
    sync::{Condvar, Mutex, MutexGuard, TcpStream, thread},
    timer::{Alarm, Parking, Timer},
};

/// How a loop waits for what comes next.
pub(crate) trait Wait: Timer {
    /// Waits until the connection has something to read, or has ended; reading it doesn't block then, or is all there is to do.
    fn readable(&self, link: &Link) -> impl Future<Output = ()>;

    /// Waits for so long.
    fn pause(&self, time: Duration) -> impl Future<Output = ()>;
}

impl Wait for Parking {
    /// The thread has nothing else to do: it waits where it reads.
    async fn readable(&self, _link: &Link) {}

    async fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// Two threads beside a future that somebody else polls: one waits for times, one for the connection. Each is started when it is first
/// needed, and both end with the future.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    alarm: Alarm,
    started: Cell<bool>,
    /// The last connection that was waited for, and its number: it is mostly the same again.
    last: RefCell<Option<(u64, Arc<TcpStream>)>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What is waited for, or was.
    stream: Option<Arc<TcpStream>>,
    /// Whom to wake then.
    waker: Option<Waker>,
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// The stream is to be waited for, or is.
    Waiting,
    Readable,
    /// The future is gone.
    Over,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        loop {
            let mut state = self.state();
            while let Stage::Idle | Stage::Readable = state.stage {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(stream) = state.stream.clone().filter(|_| state.stage == Stage::Waiting) else { return };
            drop(state);
            // An error is for whoever reads it.
            let _ = stream.peek(&mut [0]);
            let mut state = self.state();
            state.stream = None;
            if state.stage == Stage::Waiting {
                state.stage = Stage::Readable;
                if let Some(waker) = state.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl Beside {
    fn handle_of(&self, link: &Link) -> Option<Arc<TcpStream>> {
        let mut last = self.last.try_borrow_mut().ok()?;
        if let Some((number, stream)) = &*last
            && *number == link.opened()
        {
            return Some(Arc::clone(stream));
        }
        let stream = Arc::new(link.handle()?);
        *last = Some((link.opened(), Arc::clone(&stream)));
        Some(stream)
    }
}

impl Timer for Beside {
    fn set(&self, at: Instant, waker: &Waker) {
        self.alarm.set(at, waker);
    }

    fn clear(&self) {
        self.alarm.clear();
    }
}

impl Wait for Beside {
    async fn readable(&self, link: &Link) {
        if !self.started.get() {
            let shared = Arc::clone(&self.shared);
            // Without the thread, reading waits.
            self.started.set(thread::Builder::new().spawn(move || shared.watch()).is_ok());
        }
        if !self.started.get() {
            return;
        }
        // Without a handle, the same.
        let Some(stream) = self.handle_of(link) else { return };
        let mut stream = Some(stream);
        poll_fn(|context| {
            let mut state = self.shared.state();
            if stream.is_some() {
                (state.stream, state.stage) = (stream.take(), Stage::Waiting);
                self.shared.changed.notify_one();
            }
            if state.stage == Stage::Readable {
                state.stage = Stage::Idle;
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    async fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        poll_fn(|context| {
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            self.set(until, context.waker());
            Poll::Pending
        })
        .await;
        self.clear();
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.stage = Stage::Over;
        // Whoever waits for it has nothing to wait for any more.
        if let Some(stream) = state.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_one();
    }
}

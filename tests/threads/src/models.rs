//! The models. Each is called by a test of its name.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use loom::{
    model,
    model::Builder,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    collect::Collector,
    link::Link,
    shared::Shared,
    shutdown::{Handle, Shutdown},
    sync::{Bell, Event, TcpStream, thread},
    timer::{self, Parking, Timer as _, block_on},
    wait::{Beside, Wait as _},
    wake::{Alarm, slot_waker},
};

/// One slot is woken while the worker goes to sleep and gets up: it polls it.
pub fn no_wake_up_of_a_slot_is_lost() {
    wake_ups(Builder::new(), [0].into());
}

/// As before, with two slots and two threads; each thread is interrupted up to twice (more takes hours).
pub fn no_wake_up_of_two_slots_is_lost() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    wake_ups(builder, [0, 65].into());
}

fn wake_ups(builder: Builder, slots: Arc<[usize]>) {
    builder.check(move || {
        let bell = Bell::default();
        let alarm = Arc::new(Alarm::new(bell.clone(), 66));
        for slot in &*slots {
            let waker = slot_waker(&alarm, *slot);
            thread::spawn(move || waker.wake());
        }
        let mut woken = 0;
        while woken < slots.len() {
            turn(&alarm, &bell, |word, bits| {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                assert!(slots.contains(&slot) && bits.is_power_of_two(), "{bits:b} in word {word}");
                woken += 1;
            });
        }
    });
}

/// The same slot is woken twice: what its handler has written before the second time is seen when it is polled the last time.
pub fn a_slot_that_is_woken_again_is_polled_again() {
    model(|| {
        let bell = Bell::default();
        let alarm = Arc::new(Alarm::new(bell.clone(), 1));
        let ready = Arc::new(AtomicBool::new(false));
        let waker = slot_waker(&alarm, 0);
        let written = Arc::clone(&ready);
        thread::spawn(move || {
            waker.wake_by_ref();
            // As plain memory would be written: it is waking that makes it visible.
            written.store(true, Ordering::Relaxed);
            waker.wake();
        });
        let mut seen = false;
        while !seen {
            turn(&alarm, &bell, |_, bits| seen |= bits == 1 && ready.load(Ordering::Relaxed));
        }
    });
}

/// A server is asked to shut down while it starts, or while its worker goes to sleep: the worker comes to know of it.
pub fn no_shutdown_is_lost() {
    model(|| {
        let bell = Bell::default();
        let alarm = Arc::new(Alarm::new(bell.clone(), 1));
        let shutdown = Arc::<Shutdown>::default();
        let handle = Handle::new(&shutdown);
        thread::spawn(move || handle.shutdown());
        shutdown.watch(vec![Arc::clone(&alarm)]);
        // A worker's first turn doesn't sleep: connections may have come already.
        alarm.awoke();
        while !shutdown.asked() {
            turn(&alarm, &bell, |_, _| {});
        }
    });
}

/// The turn of a worker that has nothing else to do: from `Worker::timeout` to `Worker::follow`, in their order.
fn turn(alarm: &Alarm, bell: &Bell, mut polled: impl FnMut(usize, u64)) {
    bell.poll(alarm.may_sleep());
    alarm.awoke();
    let mut words = if alarm.take_any() { alarm.words() } else { 0 };
    while words > 0 {
        words -= 1;
        match alarm.take(words) {
            0 => {}
            bits => polled(words, bits),
        }
    }
}

/// A future on Lambda's thread is woken by another while it goes to sleep: it is polled again.
pub fn block_on_is_woken_from_another_thread() {
    model(|| {
        let ready = Arc::new(AtomicBool::new(false));
        let mut begun = false;
        let future = poll_fn(|context| {
            if ready.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            if !begun {
                begun = true;
                let (ready, waker) = (Arc::clone(&ready), context.waker().clone());
                thread::spawn(move || {
                    // It is waking that makes it visible.
                    ready.store(true, Ordering::Relaxed);
                    waker.wake();
                });
            }
            Poll::Pending
        });
        block_on(future, &Parking::default());
    });
}

/// An alarm is set for later, then for now, then it is dropped: it wakes, and its thread ends.
pub fn an_alarm_that_is_set_anew_wakes() {
    model(|| {
        let alarm = timer::Alarm::default();
        let woken = Arc::new(Flag::default());
        let nobody = Arc::new(Flag::default());
        alarm.set(Instant::now() + Duration::from_secs(3_600), &Waker::from(Arc::clone(&nobody)));
        alarm.set(Instant::now(), &Waker::from(Arc::clone(&woken)));
        woken.0.wait();
    });
}

/// An alarm is cleared and dropped while its thread starts: the thread ends.
pub fn an_alarm_that_is_dropped_ends() {
    model(|| {
        let alarm = timer::Alarm::default();
        alarm.set(Instant::now() + Duration::from_secs(3_600), &Waker::from(Arc::new(Flag::default())));
        alarm.clear();
    });
}

/// The connection has something to read, twice: the future that waits is woken for each, and the thread beside it ends.
pub fn each_arrival_wakes_who_waits_for_it() {
    model(|| {
        let stream = TcpStream::default();
        let link = Link(stream.clone());
        let beside = Beside::default();
        thread::spawn(move || stream.arrive());
        for _ in 0..2 {
            block_on(beside.readable(&link), &Parking::default());
        }
    });
}

/// The future is dropped while it waits: the thread beside it ends, although nothing ever arrives.
pub fn waiting_ends_with_its_future() {
    model(|| {
        let link = Link(TcpStream::default());
        let beside = Beside::default();
        let waker = Waker::from(Arc::new(Flag::default()));
        let mut waiting = pin!(beside.readable(&link));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    });
}

/// The extension is told to end while reports are still to come: it waits for the last, and for no more.
pub fn draining_ends_with_the_last_report() {
    model(|| {
        let shared = Arc::new(Shared::new(Instant::now(), Collector::default()));
        for _ in 0..2 {
            assert!(shared.invoked());
        }
        let serves = Arc::clone(&shared);
        thread::spawn(move || {
            for _ in 0..2 {
                serves.collector().counts.reports += 1;
                serves.pushed();
            }
        });
        shared.drain(Duration::from_secs(60));
        assert_eq!(shared.collector().counts.reports, 2);
        assert!(shared.is_stopping());
    });
}

/// A waker that only notes it.
#[derive(Default)]
struct Flag(Event);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.happen();
    }
}

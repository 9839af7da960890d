//! A worker's timers: a table of fixed size, and a heap over it in the order of the deadlines.

use std::task::Waker;

use midge::Instant;

use crate::clock::NEVER;

/// Where a timer stands in its table. Whoever holds it gives it back with [`Timers::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

/// Timers, each with what is to be woken.
pub(crate) struct Timers {
    entries: Vec<Entry>,
    /// Numbers of free entries.
    free: Vec<u32>,
    /// Numbers of the entries that wait; none is later than those below it.
    heap: Vec<u32>,
    most: usize,
}

struct Entry {
    deadline: Instant,
    waker: Option<Waker>,
    /// Its place in the heap; [`OUT`] once it is over.
    place: u32,
}

/// No place in the heap.
const OUT: u32 = u32::MAX;

impl Timers {
    /// A table for `most` timers. The memory is set aside; its pages are touched when they are used.
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: Vec::with_capacity(most), free: Vec::with_capacity(most), heap: Vec::with_capacity(most), most }
    }

    /// Adds a timer; none when the table is full.
    pub(crate) fn insert(&mut self, deadline: Instant, waker: Waker) -> Option<Key> {
        let entry = Entry { deadline, waker: Some(waker), place: OUT };
        let number = match self.free.pop() {
            Some(number) => {
                *self.entries.get_mut(number as usize)? = entry;
                number
            }
            None if self.entries.len() < self.most => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
            None => return None,
        };
        self.heap.push(number);
        self.rise(self.heap.len() - 1);
        Some(Key(number))
    }

    /// Frees a timer, and gives the waker that it still had.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        self.leave_heap(key.0);
        self.free.push(key.0);
        self.entries.get_mut(key.0 as usize)?.waker.take()
    }

    /// Whether a timer is over.
    pub(crate) fn is_over(&self, key: Key) -> bool {
        self.place(key.0) == OUT
    }

    /// Lets a timer wake `waker`, and gives the one that it had if that is another.
    pub(crate) fn set_waker(&mut self, key: Key, waker: &Waker) -> Option<Waker> {
        let entry = self.entries.get_mut(key.0 as usize)?;
        if entry.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return None;
        }
        entry.waker.replace(waker.clone())
    }

    /// The earliest deadline; [`NEVER`] without one.
    pub(crate) fn first(&self) -> Instant {
        self.heap.first().map_or(NEVER, |number| self.deadline(*number))
    }

    /// Ends the earliest timer if its deadline has come, and gives its waker.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Waker> {
        let first = *self.heap.first()?;
        if self.deadline(first) > now {
            return None;
        }
        self.leave_heap(first);
        self.entries.get_mut(first as usize)?.waker.take()
    }

    fn deadline(&self, number: u32) -> Instant {
        self.entries.get(number as usize).map_or(NEVER, |entry| entry.deadline)
    }

    fn place(&self, number: u32) -> u32 {
        self.entries.get(number as usize).map_or(OUT, |entry| entry.place)
    }

    fn leave_heap(&mut self, number: u32) {
        let place = self.place(number) as usize;
        if place >= self.heap.len() {
            return;
        }
        self.heap.swap_remove(place);
        if let Some(entry) = self.entries.get_mut(number as usize) {
            entry.place = OUT;
        }
        // The last one is here now, and may belong higher up or further down.
        self.rise(place);
        self.sink(place);
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.comes_before(place, (place - 1) / 2) {
            self.heap.swap(place, (place - 1) / 2);
            self.settle(place);
            place = (place - 1) / 2;
        }
        self.settle(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let child = if right < self.heap.len() && self.comes_before(right, left) { right } else { left };
            if child >= self.heap.len() || !self.comes_before(child, place) {
                return self.settle(place);
            }
            self.heap.swap(place, child);
            self.settle(place);
            place = child;
        }
    }

    fn comes_before(&self, a: usize, b: usize) -> bool {
        let deadline = |place: usize| self.heap.get(place).map_or(NEVER, |number| self.deadline(*number));
        deadline(a) < deadline(b)
    }

    /// Tells the entry at this place of the heap where it is.
    fn settle(&mut self, place: usize) {
        let number = self.heap.get(place).copied();
        if let Some(entry) = number.and_then(|number| self.entries.get_mut(number as usize)) {
            entry.place = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::{Wake, Waker},
    };

    use midge::Instant;

    use super::{Key, Timers};
    use crate::clock::NEVER;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// Numbers that look random, and are the same each time.
    fn numbers(count: usize) -> impl Iterator<Item = u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
        .take(count)
    }

    #[test]
    fn timers_end_in_the_order_of_their_deadlines_by_the_thousand() {
        let mut timers = Timers::new(2_000);
        let (entries, heap) = (timers.entries.as_ptr(), timers.heap.as_ptr());
        let mut waiting: Vec<(u64, Key)> = Vec::new();
        for number in numbers(10_000) {
            // Some are cancelled before they end.
            if number % 3 == 0 && !waiting.is_empty() {
                let (_, key) = waiting.swap_remove(number as usize % waiting.len());
                assert!(timers.remove(key).is_some());
            }
            let deadline = number % 100_000;
            match timers.insert(at(deadline), Waker::noop().clone()) {
                Some(key) => waiting.push((deadline, key)),
                None => assert_eq!(waiting.len(), 2_000),
            }
            let first = waiting.iter().map(|(deadline, _)| *deadline).min();
            assert_eq!(timers.first(), first.map_or(NEVER, at));
        }
        waiting.sort_unstable_by_key(|(deadline, _)| *deadline);
        for (deadline, key) in waiting {
            // (One of the same deadline may have taken it along.)
            assert!(timers.is_over(key) || timers.first() == at(deadline));
            assert!(deadline == 0 || timers.expire(at(deadline - 1)).is_none());
            while !timers.is_over(key) {
                assert!(timers.expire(at(deadline)).is_some());
            }
            assert!(timers.remove(key).is_none());
        }
        assert_eq!((timers.first(), timers.heap.len(), timers.free.len()), (NEVER, 0, timers.entries.len()));
        assert!(timers.expire(NEVER).is_none());
        assert_eq!((timers.entries.as_ptr(), timers.heap.as_ptr()), (entries, heap), "the tables never move");
    }

    #[test]
    fn a_full_table_takes_no_more_until_one_is_removed() {
        let mut timers = Timers::new(2);
        let [first, second] = [5, 6].map(|deadline| timers.insert(at(deadline), Waker::noop().clone()).unwrap());
        assert!(timers.insert(at(1), Waker::noop().clone()).is_none());
        // One that is over still holds its place: whoever waits for it has not been told.
        assert!(timers.expire(at(5)).is_some() && timers.is_over(first) && !timers.is_over(second));
        assert!(timers.insert(at(1), Waker::noop().clone()).is_none());
        timers.remove(first);
        assert_eq!(timers.insert(at(1), Waker::noop().clone()), Some(first));
        assert_eq!(timers.first(), at(1));
        assert!(Timers::new(0).insert(at(1), Waker::noop().clone()).is_none());
    }

    #[test]
    fn the_last_waker_is_the_one_that_is_woken() {
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut timers = Timers::new(1);
        let key = timers.insert(at(1), Waker::from(Arc::clone(&old))).unwrap();
        assert!(timers.set_waker(key, &Waker::from(Arc::clone(&old))).is_none());
        assert!(timers.set_waker(key, &Waker::from(Arc::clone(&new))).is_some());
        timers.expire(at(1)).unwrap().wake();
        assert_eq!((old.0.load(SeqCst), new.0.load(SeqCst)), (0, 1));
    }
}

//! The connection table: everything a worker keeps of a connection while no slot serves it.
//!
//! Its memory is set aside at start and used from the front, so that connections that never come cost no page. Every
//! entry is on at most one of three lists, linked by index inside the table:
//!
//! ```text
//!            accepted                 ready, no slot free
//!               |        +----------------------------------> Waiting
//!               v        |                                       | a slot got free
//!    Free --> Idle ------+--------- ready ---> Busy <------------+
//!     ^         ^                               | | |
//!     |         +-------- between requests -----+ | +-- ready again --> Waiting
//!     |                                           |
//!     +------ closed ------- Linger <-------------+
//! ```

use midge::{Instant, Peer};
use mio::Token;

use crate::io::{Hints, Stream};

/// No entry: the end of a list.
const NONE: u32 = u32::MAX;

/// An event's token holds an entry's index in its lower half, and in its upper half how often the entry was used before: an
/// event for a connection that is gone is recognised.
const INDEX_BITS: u32 = usize::BITS / 2;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// The most connections that one worker can hold; the tokens above are those of listeners and wakers.
pub(crate) const MOST: usize = if INDEX_MASK > 1 << 30 { 1 << 30 } else { INDEX_MASK - 1_024 };

/// The `number`th of the tokens that no connection has.
pub(crate) const fn control_token(number: usize) -> Token {
    Token(INDEX_MASK - number)
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// No connection.
    Free,
    /// Between two requests: holds no slot.
    Idle,
    /// Ready, but out of slots.
    Waiting,
    /// Served by this slot, which has the socket.
    Busy(u32),
    /// Answered and half-closed; so many bytes may still be thrown away.
    Linger(u32),
}

/// One connection.
pub(crate) struct Connection {
    /// The socket; none while a slot has it.
    pub(crate) stream: Option<Stream>,
    pub(crate) peer: Peer,
    /// When the connection is closed unless something happens; counts on the lists of idle and lingering ones.
    pub(crate) deadline: Instant,
    pub(crate) place: Place,
    generation: u32,
    previous: u32,
    next: u32,
    pub(crate) hints: Hints,
}

const _: () = assert!(size_of::<Connection>() <= 96, "an idle connection costs no more than 96 bytes");

#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
    len: usize,
}

impl List {
    const EMPTY: Self = Self { first: NONE, last: NONE, len: 0 };
}

/// A worker's connections.
pub(crate) struct Connections {
    entries: Vec<Connection>,
    capacity: usize,
    used: usize,
    /// Free entries, linked by `next`; the one used last comes first, because it is in the cache.
    free: u32,
    idle: List,
    waiting: List,
    lingering: List,
}

impl Connections {
    /// A table for `capacity` connections, at most [`MOST`].
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.min(MOST);
        Self {
            entries: Vec::with_capacity(capacity),
            capacity,
            used: 0,
            free: NONE,
            idle: List::EMPTY,
            waiting: List::EMPTY,
            lingering: List::EMPTY,
        }
    }

    /// Sets aside an entry, on no list yet, for a connection whose socket is to be registered with the token given.
    pub(crate) fn reserve(&mut self) -> Option<(usize, Token)> {
        let index = if let Some(entry) = self.entries.get_mut(self.free as usize) {
            let index = self.free as usize;
            self.free = entry.next;
            entry.next = NONE;
            index
        } else if self.entries.len() < self.capacity {
            // Within the capacity: the table never moves nor grows.
            self.entries.push(Connection {
                stream: None,
                peer: Peer::Unknown,
                deadline: Instant::from_millis(0),
                place: Place::Free,
                generation: 0,
                previous: NONE,
                next: NONE,
                hints: Hints::NEW,
            });
            self.entries.len() - 1
        } else {
            return None;
        };
        self.used += 1;
        let generation = self.entries.get(index).map_or(0, |entry| entry.generation as usize & INDEX_MASK);
        Some((index, Token(index | generation << INDEX_BITS)))
    }

    /// Takes an entry off its list and frees it; its socket, if it is here, is closed.
    pub(crate) fn release(&mut self, index: usize) {
        self.unlink(index);
        if let Some(entry) = self.entries.get_mut(index) {
            entry.stream = None;
            entry.peer = Peer::Unknown;
            entry.hints = Hints::NEW;
            entry.place = Place::Free;
            entry.generation = entry.generation.wrapping_add(1);
            entry.next = self.free;
            self.free = index as u32;
            self.used -= 1;
        }
    }

    /// Moves an entry from the list it is on, if any, to the end of the one that `place` names, if it names one.
    #[inline]
    pub(crate) fn put(&mut self, index: usize, place: Place) {
        self.unlink(index);
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.place = place;
        let list = match place {
            Place::Idle => &mut self.idle,
            Place::Waiting => &mut self.waiting,
            Place::Linger(_) => &mut self.lingering,
            Place::Free | Place::Busy(_) => return,
        };
        let last = list.last;
        entry.previous = last;
        list.last = index as u32;
        list.len += 1;
        match self.entries.get_mut(last as usize) {
            Some(last) => last.next = index as u32,
            None => list.first = index as u32,
        }
    }

    #[inline]
    fn unlink(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let list = match entry.place {
            Place::Idle => &mut self.idle,
            Place::Waiting => &mut self.waiting,
            Place::Linger(_) => &mut self.lingering,
            Place::Free | Place::Busy(_) => return,
        };
        let (previous, next) = (entry.previous, entry.next);
        entry.previous = NONE;
        entry.next = NONE;
        list.len -= 1;
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => list.first = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(next) => next.previous = previous,
            None => list.last = previous,
        }
    }

    #[inline]
    pub(crate) fn entry(&mut self, index: usize) -> Option<&mut Connection> {
        self.entries.get_mut(index)
    }

    /// The connection that an event is for; none if it is gone.
    #[inline]
    pub(crate) fn find(&mut self, token: Token) -> Option<(usize, &mut Connection)> {
        let index = token.0 & INDEX_MASK;
        let entry = self.entries.get_mut(index)?;
        let present = entry.generation as usize & INDEX_MASK == token.0 >> INDEX_BITS && entry.place != Place::Free;
        present.then_some((index, entry))
    }

    /// The connection that has been idle longest.
    #[inline]
    pub(crate) fn first_idle(&self) -> Option<(usize, Instant)> {
        self.first(self.idle)
    }

    /// The connection that has lingered longest.
    #[inline]
    pub(crate) fn first_lingering(&self) -> Option<(usize, Instant)> {
        self.first(self.lingering)
    }

    /// The connection that has waited longest for a slot.
    #[inline]
    pub(crate) fn first_waiting(&self) -> Option<usize> {
        self.first(self.waiting).map(|(index, _)| index)
    }

    #[inline]
    fn first(&self, list: List) -> Option<(usize, Instant)> {
        let index = list.first as usize;
        self.entries.get(index).map(|entry| (index, entry.deadline))
    }

    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used >= self.capacity
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(capacity: usize) -> Connections {
        Connections::new(capacity)
    }

    fn add(table: &mut Connections, place: Place) -> usize {
        let (index, _) = table.reserve().unwrap();
        table.put(index, place);
        index
    }

    fn idle_in_order(table: &mut Connections) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some((index, _)) = table.first_idle() {
            order.push(index);
            table.release(index);
        }
        order
    }

    #[test]
    fn lists_keep_the_order_of_arrival() {
        let mut table = table(8);
        let all: Vec<_> = (0..5).map(|_| add(&mut table, Place::Idle)).collect();
        table.put(all[0], Place::Busy(0)); // the first,
        table.put(all[2], Place::Waiting); // one in the middle,
        table.put(all[4], Place::Linger(9)); // and the last
        table.put(all[0], Place::Idle);
        assert_eq!(table.first_waiting(), Some(all[2]));
        assert_eq!(table.waiting(), 1);
        assert_eq!(table.first_lingering().map(|(index, _)| index), Some(all[4]));
        assert_eq!(idle_in_order(&mut table), [all[1], all[3], all[0]]);
    }

    #[test]
    fn a_full_table_reserves_nothing_and_never_grows() {
        let mut table = table(3);
        let all: Vec<_> = (0..3).map(|_| add(&mut table, Place::Idle)).collect();
        let memory = table.entries.as_ptr();
        assert!(table.is_full());
        assert!(table.reserve().is_none());
        table.release(all[1]);
        assert_eq!(add(&mut table, Place::Idle), all[1]);
        assert!(table.is_full());
        assert_eq!(table.entries.as_ptr(), memory);
    }

    #[test]
    fn an_event_for_a_connection_that_is_gone_finds_nothing() {
        let mut table = table(2);
        let (index, token) = table.reserve().unwrap();
        table.put(index, Place::Idle);
        assert!(table.find(token).is_some());
        table.release(index);
        assert!(table.find(token).is_none());
        let (again, new_token) = table.reserve().unwrap();
        table.put(again, Place::Idle);
        assert_eq!(again, index);
        assert!(table.find(token).is_none());
        assert!(table.find(new_token).is_some());
        assert!(table.find(control_token(0)).is_none());
    }

    #[test]
    fn every_list_survives_being_emptied_from_either_end() {
        let mut table = table(4);
        for from_the_front in [true, false] {
            let all: Vec<_> = (0..4).map(|_| add(&mut table, Place::Waiting)).collect();
            for step in 0..4 {
                table.release(all[if from_the_front { step } else { 3 - step }]);
            }
            assert_eq!(table.waiting(), 0);
            assert_eq!(table.first_waiting(), None);
            assert!(table.is_empty());
        }
    }
}

//! The connection table: everything a worker keeps of a connection.
//!
//! Its memory is set aside at start and used from the front, so that connections that never come cost no page. Every
//! entry in use is on one of three lists, linked inside the entries. One that is served keeps its place on the list of the
//! open ones, so that a request answered at once moves it once, to the end.
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
//!
//!    lists:   open: Idle and Busy       waiting: Waiting       lingering: Linger
//! ```

use std::{
    cell::{Cell, RefCell},
    io,
    mem::MaybeUninit,
    ptr, slice,
};

use midge::{Instant, Peer};
use mio::Token;

use crate::io::{Hints, Stream};

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

/// The tokens of the sockets that handlers open: between those of connections and the others.
pub(crate) const OUTBOUND: Tokens = Tokens { base: MOST, len: if INDEX_MASK > 1 << 30 { 1 << 30 } else { 960 } };

/// A range of indices that tokens have.
pub(crate) struct Tokens {
    base: usize,
    len: usize,
}

impl Tokens {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The token that entry `number` has first.
    pub(crate) const fn first(&self, number: usize) -> Token {
        Token(self.base + number)
    }

    /// The token that the entry has next.
    pub(crate) const fn next(&self, token: Token) -> Token {
        Token(token.0.wrapping_add(1 << INDEX_BITS))
    }

    /// The number of the entry that a token is for; none if it is not one of these.
    pub(crate) fn number(&self, token: Token) -> Option<usize> {
        (token.0 & INDEX_MASK).checked_sub(self.base).filter(|number| *number < self.len)
    }
}

/// Open connections are in order of their deadlines but for this many milliseconds (a power of two), so that one that is used
/// often need not be moved each time.
const NEARBY: u64 = 256;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// No connection.
    Free,
    /// Between two requests: holds no slot. Everything went out, and nothing is known to have come.
    Idle,
    /// Ready, but out of slots.
    Waiting,
    /// A slot serves it, and has not finished at the first go.
    Busy,
    /// Answered and half-closed.
    Linger,
}

/// One connection.
pub(crate) struct Connection<'m> {
    /// The socket; borrowed by the slot that serves it.
    pub(crate) stream: RefCell<Option<Stream>>,
    pub(crate) peer: Cell<Peer>,
    /// When the connection is closed unless something happens; counts for idle and lingering ones.
    pub(crate) deadline: Cell<Instant>,
    token: Cell<Token>,
    previous: Link<'m>,
    next: Link<'m>,
    /// Of a busy connection, the number of its slot; of a lingering one, how many bytes may still be thrown away.
    pub(crate) number: Cell<u32>,
    place: Cell<Place>,
    pub(crate) hints: Cell<Hints>,
}

type Link<'m> = Cell<Option<&'m Connection<'m>>>;

// With the pointer to it, 96 bytes, and 8 more where there can be TLS. (A socket is larger in a debug build, where its registration
// is checked.)
const _: () = assert!(size_of::<Connection<'_>>() <= 80 + size_of::<Stream>() || cfg!(debug_assertions));

impl<'m> Connection<'m> {
    const fn new(token: Token) -> Self {
        Self {
            stream: RefCell::new(None),
            peer: Cell::new(Peer::Unknown),
            deadline: Cell::new(Instant::from_millis(0)),
            token: Cell::new(token),
            previous: Cell::new(None),
            next: Cell::new(None),
            number: Cell::new(0),
            place: Cell::new(Place::Free),
            hints: Cell::new(Hints::NEW),
        }
    }

    #[inline]
    pub(crate) fn place(&self) -> Place {
        self.place.get()
    }

    #[inline]
    pub(crate) fn token(&self) -> Token {
        self.token.get()
    }

    /// The one behind on the same list.
    pub(crate) fn next(&self) -> Option<&'m Self> {
        self.next.get()
    }

    /// Reads, while the socket is not lent to a slot.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &*self.stream.borrow() {
            Some(stream) => stream.read(buffer),
            None => Ok(0),
        }
    }

    /// Ends the write side.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match &*self.stream.borrow() {
            Some(stream) => stream.shutdown_write(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Tells an idle peer that nothing follows, where there is a word for that.
    pub(crate) fn part(&self) {
        if let Some(Stream::Tls(stream)) = &*self.stream.borrow() {
            stream.part();
        }
    }

    /// Takes the socket out; none if it is lent to a slot.
    pub(crate) fn take_stream(&self) -> Option<Stream> {
        self.stream.try_borrow_mut().ok()?.take()
    }
}

#[derive(Default)]
struct List<'m> {
    first: Link<'m>,
    last: Link<'m>,
    len: Cell<usize>,
}

impl<'m> List<'m> {
    #[inline]
    fn append(&self, entry: &'m Connection<'m>) {
        let last = self.last.replace(Some(entry));
        entry.previous.set(last);
        entry.next.set(None);
        match last {
            Some(last) => last.next.set(Some(entry)),
            None => self.first.set(Some(entry)),
        }
        self.len.set(self.len.get() + 1);
    }

    #[inline]
    fn remove(&self, entry: &'m Connection<'m>) {
        let (previous, next) = (entry.previous.take(), entry.next.take());
        match previous {
            Some(previous) => previous.next.set(next),
            None => self.first.set(next),
        }
        match next {
            Some(next) => next.previous.set(previous),
            None => self.last.set(previous),
        }
        self.len.set(self.len.get() - 1);
    }

    fn move_to_end(&self, entry: &'m Connection<'m>) {
        self.remove(entry);
        self.append(entry);
    }
}

/// A worker's connections.
pub(crate) struct Connections<'m> {
    entries: Vec<&'m Connection<'m>>,
    unused: slice::IterMut<'m, MaybeUninit<Connection<'m>>>,
    /// Free entries, linked by `next`; the one used last comes first, because it is in the cache.
    free: Link<'m>,
    used: usize,
    /// In the order of their deadlines, counted in multiples of [`NEARBY`].
    open: List<'m>,
    waiting: List<'m>,
    lingering: List<'m>,
}

impl<'m> Connections<'m> {
    /// A table for as many connections, at most [`MOST`], as there is memory for.
    pub(crate) fn new(memory: &'m mut [MaybeUninit<Connection<'m>>]) -> Self {
        let (memory, _) = memory.split_at_mut(memory.len().min(MOST));
        Self {
            entries: Vec::with_capacity(memory.len()),
            unused: memory.iter_mut(),
            free: Cell::new(None),
            used: 0,
            open: List::default(),
            waiting: List::default(),
            lingering: List::default(),
        }
    }

    /// Sets aside an entry, on no list yet, for a connection whose socket is to be registered with the entry's token.
    pub(crate) fn reserve(&mut self) -> Option<&'m Connection<'m>> {
        let entry = match self.free.get() {
            Some(entry) => {
                self.free.set(entry.next.take());
                entry
            }
            None => {
                let entry = &*self.unused.next()?.write(Connection::new(Token(self.entries.len())));
                // Within the capacity: the table never moves nor grows.
                self.entries.push(entry);
                entry
            }
        };
        self.used += 1;
        Some(entry)
    }

    /// Takes an entry off its list and frees it; its socket is closed.
    pub(crate) fn release(&mut self, entry: &'m Connection<'m>) {
        if let Some(list) = self.list(entry.place.get()) {
            list.remove(entry);
        }
        drop(entry.take_stream());
        entry.peer.set(Peer::Unknown);
        entry.hints.set(Hints::NEW);
        entry.place.set(Place::Free);
        entry.token.set(Token(entry.token.get().0.wrapping_add(1 << INDEX_BITS)));
        entry.next.set(self.free.replace(Some(entry)));
        self.used -= 1;
    }

    /// Moves an entry to another place, and from the list that it is on to the end of the one that it belongs to now, if that is
    /// another.
    pub(crate) fn put(&self, entry: &'m Connection<'m>, place: Place) {
        let (from, to) = (self.list(entry.place.replace(place)), self.list(place));
        if from.map(ptr::from_ref) == to.map(ptr::from_ref) {
            return;
        }
        if let Some(from) = from {
            from.remove(entry);
        }
        if let Some(to) = to {
            to.append(entry);
        }
    }

    /// Gives an open connection a deadline that no other exceeds by much.
    #[inline]
    pub(crate) fn renew(&self, entry: &'m Connection<'m>, deadline: Instant) {
        let before = entry.deadline.replace(deadline);
        if (before.as_millis() ^ deadline.as_millis()) >= NEARBY {
            self.open.move_to_end(entry);
        }
    }

    fn list(&self, place: Place) -> Option<&List<'m>> {
        match place {
            Place::Idle | Place::Busy => Some(&self.open),
            Place::Waiting => Some(&self.waiting),
            Place::Linger => Some(&self.lingering),
            Place::Free => None,
        }
    }

    /// The connection that an event is for; none if it is gone.
    #[inline]
    pub(crate) fn find(&self, token: Token) -> Option<&'m Connection<'m>> {
        let entry = *self.entries.get(token.0 & INDEX_MASK)?;
        (entry.token.get() == token).then_some(entry)
    }

    /// Of the open connections the one whose deadline comes first, but for [`NEARBY`]. It may be busy, and then has had no use
    /// for a deadline.
    #[inline]
    pub(crate) fn first_open(&self) -> Option<&'m Connection<'m>> {
        self.open.first.get()
    }

    /// The connection that has lingered longest.
    #[inline]
    pub(crate) fn first_lingering(&self) -> Option<&'m Connection<'m>> {
        self.lingering.first.get()
    }

    /// The connection that has waited longest for a slot.
    #[inline]
    pub(crate) fn first_waiting(&self) -> Option<&'m Connection<'m>> {
        self.waiting.first.get()
    }

    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len.get()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free.get().is_none() && self.unused.len() == 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }
}

impl Drop for Connections<'_> {
    fn drop(&mut self) {
        // The memory drops nothing by itself.
        for entry in &self.entries {
            drop(entry.take_stream());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::net::UnixStream as StdUnixStream};

    use mio::net::UnixStream;

    use super::*;

    fn memory<'m>(capacity: usize) -> Box<[MaybeUninit<Connection<'m>>]> {
        Box::new_uninit_slice(capacity)
    }

    fn add<'m>(table: &mut Connections<'m>, place: Place) -> &'m Connection<'m> {
        let entry = table.reserve().unwrap();
        table.put(entry, place);
        entry
    }

    /// The indices of the entries on a list, which are the same from either end.
    fn order(list: &List<'_>) -> Vec<usize> {
        let mut forwards = Vec::new();
        let mut entry = list.first.get();
        while let Some(present) = entry {
            forwards.push(present.token.get().0 & INDEX_MASK);
            entry = present.next.get();
        }
        let mut backwards = Vec::new();
        let mut entry = list.last.get();
        while let Some(present) = entry {
            backwards.push(present.token.get().0 & INDEX_MASK);
            entry = present.previous.get();
        }
        backwards.reverse();
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.len(), list.len.get());
        forwards
    }

    #[test]
    fn lists_keep_the_order_of_arrival() {
        let mut memory = memory(8);
        let mut table = Connections::new(&mut memory);
        let all: Vec<_> = (0..5).map(|_| add(&mut table, Place::Idle)).collect();
        table.put(all[0], Place::Waiting); // the first,
        table.put(all[2], Place::Waiting); // one in the middle,
        table.put(all[4], Place::Linger); // and the last
        assert_eq!(table.waiting(), 2);
        assert_eq!(table.first_waiting().map(Connection::token), Some(all[0].token()));
        table.put(all[0], Place::Busy);
        assert_eq!(order(&table.waiting), [2]);
        assert_eq!(order(&table.lingering), [4]);
        assert_eq!(order(&table.open), [1, 3, 0]);
    }

    #[test]
    fn a_busy_connection_keeps_its_place_until_it_is_renewed() {
        let mut memory = memory(8);
        let mut table = Connections::new(&mut memory);
        let all: Vec<_> = (0..4).map(|_| add(&mut table, Place::Idle)).collect();
        table.put(all[1], Place::Busy);
        table.put(all[1], Place::Idle);
        assert_eq!(order(&table.open), [0, 1, 2, 3]);
        for (step, (renewed, wanted)) in
            [(1, [0, 2, 3, 1]), (0, [2, 3, 1, 0]), (0, [2, 3, 1, 0]), (2, [3, 1, 0, 2])].into_iter().enumerate()
        {
            let deadline = Instant::from_millis(NEARBY * (step as u64 + 1));
            table.renew(all[renewed], deadline);
            assert_eq!(all[renewed].deadline.get(), deadline);
            assert_eq!(order(&table.open), wanted);
        }
        // Not far enough from the last time to be moved.
        table.renew(all[1], Instant::from_millis(NEARBY * 2 - 1));
        assert_eq!(all[1].deadline.get(), Instant::from_millis(NEARBY * 2 - 1));
        assert_eq!(order(&table.open), [3, 1, 0, 2]);
        assert_eq!(table.first_open().map(Connection::token), Some(all[3].token()));
    }

    #[test]
    fn a_full_table_reserves_nothing_and_never_grows() {
        let mut memory = memory(3);
        let mut table = Connections::new(&mut memory);
        let all: Vec<_> = (0..3).map(|_| add(&mut table, Place::Idle)).collect();
        let entries = table.entries.as_ptr();
        assert!(table.is_full());
        assert!(table.reserve().is_none());
        table.release(all[1]);
        assert!(!table.is_full());
        assert!(ptr::eq(add(&mut table, Place::Idle), all[1]));
        assert!(table.is_full());
        assert_eq!(table.entries.as_ptr(), entries);
    }

    #[test]
    fn an_event_for_a_connection_that_is_gone_finds_nothing() {
        let mut memory = memory(2);
        let mut table = Connections::new(&mut memory);
        let entry = add(&mut table, Place::Idle);
        let token = entry.token();
        assert!(table.find(token).is_some());
        table.release(entry);
        assert!(table.find(token).is_none());
        let again = add(&mut table, Place::Idle);
        assert!(ptr::eq(again, entry));
        assert!(table.find(token).is_none());
        assert!(table.find(again.token()).is_some());
        assert!(table.find(control_token(0)).is_none());
    }

    #[test]
    fn every_list_survives_being_emptied_from_either_end() {
        let mut memory = memory(4);
        let mut table = Connections::new(&mut memory);
        for from_the_front in [true, false] {
            let all: Vec<_> = (0..4).map(|_| add(&mut table, Place::Waiting)).collect();
            for step in 0..4 {
                table.release(all[if from_the_front { step } else { 3 - step }]);
                assert_eq!(order(&table.waiting).len(), 3 - step);
            }
            assert!(table.first_waiting().is_none());
            assert!(table.is_empty());
        }
    }

    #[test]
    fn sockets_are_closed_when_released_and_with_the_table() {
        let mut memory = memory(4);
        let mut table = Connections::new(&mut memory);
        let mut peers = Vec::new();
        for entry in [add(&mut table, Place::Idle), add(&mut table, Place::Linger)] {
            let (ours, theirs) = StdUnixStream::pair().unwrap();
            theirs.set_nonblocking(true).unwrap();
            *entry.stream.borrow_mut() = Some(Stream::Unix(UnixStream::from_std(ours)));
            peers.push(theirs);
        }
        let ended = |mut peer: &StdUnixStream| peer.read(&mut [0]).is_ok_and(|count| count == 0);
        assert_eq!([ended(&peers[0]), ended(&peers[1])], [false, false]);
        table.release(table.first_open().unwrap());
        assert_eq!([ended(&peers[0]), ended(&peers[1])], [true, false]);
        drop(table);
        assert!(ended(&peers[1]));
    }
}

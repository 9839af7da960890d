//! What the members of a chat share, on all workers: the last messages, and who is to be woken for new ones.
//!
//! Its memory is set aside when it is made. A member that is so slow that what it has not seen yet is overwritten is told so, and holds
//! up nobody.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::messages::MESSAGE_BYTES;

/// How many messages are kept for members that are slower than others.
const KEPT: usize = 64;

/// A chat room.
#[derive(Debug)]
pub struct Room(Mutex<State>);

#[derive(Debug)]
struct State {
    messages: Vec<Kept>,
    /// How many there have been.
    count: u64,
    seats: Vec<Seat>,
}

#[derive(Debug)]
struct Kept {
    bytes: [u8; MESSAGE_BYTES],
    length: usize,
}

#[derive(Debug, Default)]
struct Seat {
    taken: bool,
    waker: Option<Waker>,
}

/// It came too late for what is next: its connection is too slow.
#[derive(Debug, PartialEq, Eq)]
pub struct Lagged;

impl Room {
    /// A room for so many members.
    #[must_use]
    pub fn new(seats: usize) -> Self {
        Self(Mutex::new(State {
            messages: (0..KEPT).map(|_| Kept { bytes: [0; MESSAGE_BYTES], length: 0 }).collect(),
            count: 0,
            seats: (0..seats).map(|_| Seat::default()).collect(),
        }))
    }

    /// A seat in it, from which all messages are seen that come from now on; none if all are taken.
    pub fn enter(&self) -> Option<Member<'_>> {
        let mut state = self.lock();
        let next = state.count;
        let (seat, free) = state.seats.iter_mut().enumerate().find(|(_, seat)| !seat.taken)?;
        free.taken = true;
        Some(Member { room: self, seat, next })
    }

    /// Tells all members, whoever says it among them.
    pub fn say(&self, text: &str) {
        let mut state = self.lock();
        let number = state.count;
        if let Some(message) = state.messages.get_mut((number % KEPT as u64) as usize) {
            let length = text.len().min(MESSAGE_BYTES);
            if let (Some(place), Some(bytes)) = (message.bytes.get_mut(..length), text.as_bytes().get(..length)) {
                place.copy_from_slice(bytes);
            }
            message.length = length;
        }
        state.count = number.wrapping_add(1);
        for seat in &mut state.seats {
            // The workers poll again; a seat that is not waiting has none.
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A seat in a room; free again when it is dropped.
#[derive(Debug)]
pub struct Member<'r> {
    room: &'r Room,
    seat: usize,
    /// The number of the message to be seen next.
    next: u64,
}

impl Member<'_> {
    /// Copies the next message to `text`, and gives its length; or arranges for a wake-up when there is one.
    pub fn poll_next(
        &mut self,
        text: &mut [u8; MESSAGE_BYTES],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, Lagged>> {
        let mut state = self.room.lock();
        if self.next == state.count {
            if let Some(seat) = state.seats.get_mut(self.seat) {
                match &mut seat.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
            }
            return Poll::Pending;
        }
        if state.count - self.next > KEPT as u64 {
            return Poll::Ready(Err(Lagged));
        }
        let Some(message) = state.messages.get((self.next % KEPT as u64) as usize) else {
            return Poll::Ready(Err(Lagged));
        };
        *text = message.bytes;
        self.next += 1;
        Poll::Ready(Ok(message.length))
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.room.lock().seats.get_mut(self.seat) {
            *seat = Seat::default();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn next(member: &mut Member<'_>) -> Poll<Result<String, Lagged>> {
        let mut text = [0; MESSAGE_BYTES];
        let poll = member.poll_next(&mut text, &mut Context::from_waker(Waker::noop()));
        poll.map_ok(|length| String::from_utf8(text[..length].to_vec()).unwrap_or_default())
    }

    #[test]
    fn members_see_what_is_said_while_they_are_there() {
        let room = Room::new(2);
        let mut one = room.enter().unwrap();
        room.say("first");
        let mut two = room.enter().unwrap();
        assert!(room.enter().is_none());
        room.say("second");
        assert_eq!(next(&mut one), Poll::Ready(Ok("first".into())));
        for member in [&mut one, &mut two] {
            assert_eq!(next(member), Poll::Ready(Ok("second".into())));
            assert_eq!(next(member), Poll::Pending);
        }
        drop(one);
        assert!(room.enter().is_some());
    }

    #[test]
    fn whoever_is_too_slow_is_told_and_holds_up_nobody() {
        let room = Room::new(2);
        let (mut slow, mut fast) = (room.enter().unwrap(), room.enter().unwrap());
        for number in 0..=KEPT {
            room.say(&number.to_string());
            assert_eq!(next(&mut fast), Poll::Ready(Ok(number.to_string())));
        }
        assert_eq!(next(&mut slow), Poll::Ready(Err(Lagged)));
    }
}

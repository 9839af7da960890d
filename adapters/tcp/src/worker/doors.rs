//! How connections come in, and how a worker ends.

use std::{convert::Infallible, io};

use midge::{Clock, Instant, Peer};
use mio::Token;

use super::{Worker, later};
use crate::{
    connections::{Connection, Place},
    io::Stream,
    listener::Listener,
    slots::SlotCell,
    tls,
};

/// How long accepting rests after the table was full or a descriptor could not be had, unless a connection closes before.
const ACCEPT_PAUSE: u64 = 100;

/// With the table full, a connection that has been idle for so many milliseconds makes room for a new one.
const IDLE_ENOUGH: u64 = 1_000;

/// A listener, and whether connections may be waiting there.
pub(super) struct Door {
    pub(super) listener: Listener,
    pub(super) token: Token,
    pub(super) ready: bool,
}

/// The end of a worker's life.
pub(super) struct Drain {
    /// When what is still open is cut.
    pub(super) until: Instant,
    /// What was on its way when the listeners closed has been looked at: idle connections are closed at once from now on.
    pub(super) settled: bool,
}

impl<'w, 'm, F, M> Worker<'w, 'm, F, M>
where
    F: Future<Output = Infallible>,
    M: Fn(&'w SlotCell<'m>) -> F,
{
    /// Accepts what waits at the listeners: at most `limit` connections, and only as many as the table has room for.
    #[inline]
    pub(super) fn accept(&mut self, limit: usize) {
        if self.doors.iter().any(|door| door.ready) && self.accept_at <= self.clock.now() {
            for door in 0..self.doors.len() {
                self.accept_from(door, limit);
            }
        }
    }

    fn accept_from(&mut self, door: usize, limit: usize) {
        let now = self.clock.now();
        for _ in 0..limit {
            // It goes when somebody has come, and not before.
            let in_the_way = if self.table.is_full() { self.longest_idle(now) } else { None };
            if self.table.is_full() && in_the_way.is_none() {
                self.accept_at = later(now, ACCEPT_PAUSE);
                return;
            }
            let Some(door) = self.doors.get_mut(door).filter(|door| door.ready) else { return };
            match door.listener.accept() {
                Ok((stream, peer)) => {
                    if let Some(connection) = in_the_way {
                        connection.part();
                        self.table.release(connection);
                    }
                    self.admit(stream, peer, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => door.ready = false,
                // The client gave up while it waited: on to the next.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {
                }
                // No descriptor, no memory, or something else that may pass: the connections are served on, and this is
                // tried again when one of them closes, or in a while.
                Err(_) => {
                    self.accept_at = later(now, ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: Stream, peer: Peer, now: Instant) {
        let Ok(mut stream) = tls::wrap(stream, self.tls) else { return };
        let Some(connection) = self.table.reserve() else { return };
        // Out of kernel memory for one more registration: the connection can't be served.
        if stream.register(self.poll.registry(), connection.token()).is_err() {
            return self.table.release(connection);
        }
        connection.stream.replace(Some(stream));
        connection.peer.set(peer);
        self.table.put(connection, Place::Idle);
        self.table.renew(connection, later(now, self.idle_millis));
    }

    /// The connection that has been idle longest, if it has been so for long enough.
    #[cold]
    fn longest_idle(&self, now: Instant) -> Option<&'m Connection<'m>> {
        let latest = later(now, self.idle_millis.saturating_sub(IDLE_ENOUGH));
        while let Some(first) = self.table.first_open().filter(|first| first.deadline.get() <= latest) {
            if first.place() == Place::Idle {
                return Some(first);
            }
            self.renew_busy(first, now);
        }
        None
    }

    /// The orderly end; true when it is reached.
    #[cold]
    pub(super) fn drain(&mut self) -> bool {
        let now = self.clock.now();
        let Some(drain) = &mut self.drain else {
            // Those in the backlog have been promised a server; their requests may be a moment away, so they get one
            // more turn of the loop.
            self.accept_at = now;
            self.accept(usize::MAX);
            for mut door in self.doors.drain(..) {
                // Explicitly: where the workers share a socket, closing one descriptor does not end the registration.
                let _ = self.poll.registry().deregister(&mut door.listener);
            }
            self.drain = Some(Drain { until: now.after(self.grace), settled: false });
            for cell in self.cells {
                cell.last.set(true);
                if cell.connection.get().is_some() {
                    cell.watch.close_after_answer();
                    // Polled, so that an answer that is begun later says it is the last.
                    self.alarm.raise(cell.number);
                }
            }
            return false;
        };
        drain.settled = true;
        let until = drain.until;
        let mut open = self.table.first_open();
        while let Some(connection) = open {
            open = connection.next();
            if connection.place() == Place::Idle {
                self.part(connection);
            }
        }
        self.table.is_empty() || until <= now
    }
}

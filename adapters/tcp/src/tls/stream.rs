//! A connection under TLS, as the reader and writer of a slot.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, Read as _, Write as _},
    task::Poll,
};

use midge::{Clock, Ended, Instant, Limits};
use mio::net::TcpStream;
use rustls::{
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, UnbufferedStatus},
};

use super::{
    Tls,
    records::{Act, Advance, Broken, Buffers},
};
use crate::io::{Lost, SlotIo};

/// A socket, and what rustls keeps of it.
pub(crate) struct TlsStream(Box<Inner>);

struct Inner {
    socket: TcpStream,
    session: RefCell<UnbufferedServerConnection>,
    /// The peer broke the protocol, and is told so.
    broken: Cell<bool>,
}

impl TlsStream {
    /// A connection that was just accepted.
    pub(crate) fn new(socket: TcpStream, tls: &Tls) -> io::Result<Self> {
        let session = UnbufferedServerConnection::new(tls.config()).map_err(io::Error::other)?;
        Ok(Self(Box::new(Inner { socket, session: RefCell::new(session), broken: Cell::new(false) })))
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.0.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.0.socket
    }

    /// Reads what was in a record. Nothing at all says that the peer said goodbye; an end without that is a connection that
    /// broke, so that nothing that was cut looks whole (RFC 8446, section 6.1).
    pub(crate) fn read(&self, io: &SlotIo<'_, '_>, buffer: &mut [u8]) -> Poll<Result<usize, Lost>> {
        self.with(io, |session, buffers| {
            let poll = self.read_into(io, session, buffers, buffer);
            buffers.handshaking = session.is_handshaking();
            poll
        })
    }

    /// Writes a record, once the last one is out. All of its content counts as written, however much of the record the socket takes at
    /// once: what is left [goes out](Self::push) whatever is served meanwhile.
    pub(crate) fn write(&self, io: &SlotIo<'_, '_>, bytes: &[u8]) -> Poll<Result<usize, Lost>> {
        self.with(io, |session, buffers| self.write_from(io, session, buffers, bytes))
    }

    /// Sends on what was sealed, before anything else of a turn. Gives how the service ends, if the connection broke or the peer takes
    /// too long.
    #[inline]
    pub(crate) fn push(&self, io: &SlotIo<'_, '_>, limits: &Limits, now: Instant) -> Option<Result<Ended, Lost>> {
        let records = &io.cell.records;
        if records.is_sent() {
            return None;
        }
        match self.with(io, |_, buffers| self.drain(io, buffers)) {
            Poll::Ready(Err(Lost)) => Some(Err(Lost)),
            Poll::Pending if records.until.get().is_some_and(|until| now >= until) => Some(Ok(Ended::Reset)),
            Poll::Ready(Ok(_)) | Poll::Pending => {
                records.note_wait(limits, now);
                None
            }
        }
    }

    /// Tells an idle peer that nothing follows, if the socket takes it at once.
    pub(crate) fn part(&self) {
        let mut record = [0; 128];
        let Ok(mut session) = self.0.session.try_borrow_mut() else { return };
        let UnbufferedStatus { state, .. } = session.process_tls_records(&mut []);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state
            && let Ok(count) = traffic.queue_close_notify(&mut record)
        {
            // Without it the peer sees a connection that broke between two answers.
            let _ = self.socket().write(record.get(..count).unwrap_or_default());
        }
    }

    fn with(
        &self,
        io: &SlotIo<'_, '_>,
        act: impl FnOnce(&mut UnbufferedServerConnection, &mut Buffers<'_>) -> Poll<Result<usize, Lost>>,
    ) -> Poll<Result<usize, Lost>> {
        match (self.0.session.try_borrow_mut(), io.cell.records.buffers.try_borrow_mut()) {
            (Ok(mut session), Ok(mut buffers)) => act(&mut session, &mut buffers),
            // Each borrow ends with its call.
            _ => Poll::Ready(Err(Lost)),
        }
    }

    fn read_into(
        &self,
        io: &SlotIo<'_, '_>,
        session: &mut UnbufferedServerConnection,
        buffers: &mut Buffers<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Lost>> {
        loop {
            let (from, to) = (buffers.plain.bytes(), &mut *buffer);
            let count = from.len().min(to.len());
            if let (Some(from), Some(to), 1..) = (from.get(..count), to.get_mut(..count), count) {
                to.copy_from_slice(from);
                buffers.plain.used(count);
                io.note_input();
                return Poll::Ready(Ok(count));
            }
            if buffers.ended {
                return Poll::Ready(Ok(0));
            }
            let advance = match buffers.advance(session, &Act::Nothing) {
                Ok(advance) => advance,
                Err(Broken) => return Poll::Ready(Err(self.fail(io, buffers))),
            };
            if !buffers.plain.is_empty() || buffers.ended {
                continue;
            }
            // It may be what the peer waits for. As long as there is room for more of it, more may come in.
            let is_full = matches!(advance, Advance::Full);
            match self.drain(io, buffers) {
                Poll::Ready(Ok(_)) if is_full => continue,
                Poll::Ready(Ok(_)) => {}
                Poll::Pending if !is_full => {}
                other => return other,
            }
            match self.receive(io, buffers) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Lost)),
                other => return other,
            }
        }
    }

    fn write_from(
        &self,
        io: &SlotIo<'_, '_>,
        session: &mut UnbufferedServerConnection,
        buffers: &mut Buffers<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Lost>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            // Nothing is sealed before it is sure to count.
            match self.drain(io, buffers) {
                Poll::Ready(Ok(_)) => {}
                other => return other,
            }
            let count = match buffers.advance(session, &Act::Seal(bytes)) {
                Ok(Advance::Done(count @ 1..)) => count,
                Ok(Advance::Full) => continue,
                // Nobody answers before there is a request.
                Ok(Advance::Hungry | Advance::Done(0)) => return Poll::Ready(Err(Lost)),
                Err(Broken) => return Poll::Ready(Err(self.fail(io, buffers))),
            };
            return match self.drain(io, buffers) {
                Poll::Ready(Err(Lost)) => Poll::Ready(Err(Lost)),
                _ => Poll::Ready(Ok(count)),
            };
        }
    }

    /// Sends all of `outgoing`. It says 0 when that is done.
    fn drain(&self, io: &SlotIo<'_, '_>, buffers: &mut Buffers<'_>) -> Poll<Result<usize, Lost>> {
        while !buffers.outgoing.is_empty() {
            if !io.may_write() {
                return io.write_waits();
            }
            match self.socket().write(buffers.outgoing.bytes()) {
                Ok(count) => {
                    buffers.outgoing.used(count);
                    buffers.sent = buffers.sent.saturating_add(count as u64);
                }
                Err(error) => return io.write_failed(&error),
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Receives what the socket has.
    fn receive(&self, io: &SlotIo<'_, '_>, buffers: &mut Buffers<'_>) -> Poll<Result<usize, Lost>> {
        if !io.may_read() {
            return io.read_waits();
        }
        buffers.incoming.compact();
        let room = buffers.incoming.room();
        if room.is_empty() {
            // A handshake message longer than a record: no client's.
            return Poll::Ready(Err(Lost));
        }
        let wanted = room.len();
        match self.socket().read(room) {
            Ok(count) => {
                io.note_read(count, wanted);
                buffers.incoming.filled(count);
                Poll::Ready(Ok(count))
            }
            Err(error) => io.read_failed(&error),
        }
    }

    /// The peer broke the protocol: it is told, if the socket takes that at once.
    #[cold]
    fn fail(&self, io: &SlotIo<'_, '_>, buffers: &mut Buffers<'_>) -> Lost {
        self.0.broken.set(true);
        // Nothing is left to do if it doesn't.
        let _ = self.drain(io, buffers);
        Lost
    }

    /// Says goodbye behind all that there is to send.
    fn close(&self, io: &SlotIo<'_, '_>) -> Poll<Result<usize, Lost>> {
        self.with(io, |session, buffers| {
            loop {
                match self.drain(io, buffers) {
                    Poll::Ready(Ok(_)) => {}
                    other => return other,
                }
                // Said once: from the second time on there is nothing new.
                match buffers.advance(session, &Act::Close) {
                    Ok(Advance::Hungry | Advance::Done(_)) if buffers.outgoing.is_empty() => return Poll::Ready(Ok(0)),
                    Ok(_) => {}
                    Err(Broken) => return Poll::Ready(Err(self.fail(io, buffers))),
                }
            }
        })
    }

    /// Sends what is left, says goodbye, and sends that. `false` if the peer can't be told.
    async fn leave<C: Clock>(&self, io: &SlotIo<'_, '_>, limits: &Limits, clock: &C) -> bool {
        let records = &io.cell.records;
        records.leaving.set(true);
        let is_out = poll_fn(|_| match self.push(io, limits, clock.now()) {
            Some(_) => Poll::Ready(false),
            None if records.is_sent() => Poll::Ready(true),
            None => Poll::Pending,
        });
        if !is_out.await {
            return false;
        }
        let until = clock.now().after(limits.write_grace);
        records.until.set(Some(until));
        let said = poll_fn(|_| match self.close(io) {
            Poll::Pending if clock.now() >= until => Poll::Ready(Err(Lost)),
            other => other,
        });
        said.await.is_ok()
    }
}

/// What is left to do when the engine has served a connection in this way; nothing if it has to go on, since the next record is
/// here already, or part of it, or the last one is not out.
pub(crate) async fn settle<C: Clock>(
    stream: &TlsStream,
    io: &SlotIo<'_, '_>,
    ended: Result<Ended, Lost>,
    limits: &Limits,
    clock: &C,
) -> Option<Ended> {
    match ended {
        Ok(Ended::Idle) if io.cell.records.is_open() => {
            io.cell.records.pause();
            None
        }
        // A peer that can't be told has to see that something is missing.
        Ok(ended @ (Ended::Linger | Ended::Close)) => {
            Some(if stream.leave(io, limits, clock).await { ended } else { Ended::Reset })
        }
        Ok(ended) => Some(ended),
        // The alert must not be overtaken by a reset.
        Err(Lost) if stream.0.broken.get() => Some(Ended::Linger),
        Err(Lost) => Some(Ended::Close),
    }
}

//! A file's bytes from the system's cache to the socket, with no copy between: `sendfile`.
//!
//! A handler can't reach its connection's socket, and the socket's writer knows no file. They meet in a [`Transfer`] that lies in a
//! table of the worker's, one place for each slot: the handler puts the file there, [`SlotIo`](crate::io::SlotIo) sends of it when the engine
//! calls its `flush`, and the handler counts what went out.

use std::{
    cell::Cell,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    task::Poll,
};

use midge::{BodyStream, Failure, Request};
use rustix::{fs::sendfile, io::Errno};

use crate::reactor::Reactor;

/// What is no longer than this is read into the output buffer: there it has room beside its head, and goes out with it in one write.
pub(super) const LEAST: u64 = 15_360;

/// Bytes that one call sends at most, so that one fast client can't hold up the others.
const MOST: u64 = 131_072;

/// A worker's transfers, one for each slot.
pub(crate) struct Transfers {
    /// Where the slots' input buffers lie, one behind the other.
    input: Range<usize>,
    input_bytes: usize,
    places: Box<[Cell<Option<Transfer>>]>,
}

/// A file of which the socket's writer sends.
struct Transfer {
    file: OwnedFd,
    at: u64,
    end: u64,
    /// Bytes that went out and that the handler doesn't know of yet.
    sent: u64,
    /// Why no more will go out this way.
    stopped: Option<Stopped>,
}

/// Why a file isn't sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It can't be sent in this way: it has to be read.
    Unsupported,
    /// It is shorter than it was.
    Short,
}

impl Transfers {
    /// For slots whose input buffers lie in `input`, each of `input_bytes`.
    pub(crate) fn new(input: &[u8], input_bytes: usize) -> Self {
        let start = input.as_ptr().addr();
        let slots = input.len().checked_div(input_bytes).unwrap_or(0);
        let range = start..start.saturating_add(input.len());
        Self { input: range, input_bytes, places: (0..slots).map(|_| Cell::new(None)).collect() }
    }

    /// The place of the slot that a request was read into. One that came otherwise, as in memory from another handler, has none.
    fn slot_of(&self, request: &Request<'_>) -> Option<usize> {
        let at = request.target().as_ptr().addr();
        if self.input.contains(&at) { (at - self.input.start).checked_div(self.input_bytes) } else { None }
    }

    /// Sends some of what lies in a slot's place to `socket`. An error is that of the socket; none where there is something new to count.
    pub(crate) fn send(&self, slot: usize, socket: impl AsFd) -> Result<(), Errno> {
        let Some(place) = self.places.get(slot) else { return Ok(()) };
        let Some(mut transfer) = place.take() else { return Ok(()) };
        let result = transfer.send(socket);
        place.set(Some(transfer));
        result
    }

    /// Says that nothing can be sent in this way through the slot's connection.
    pub(crate) fn refuse(&self, slot: usize) {
        if let Some(place) = self.places.get(slot) {
            let refused = place.take().map(|transfer| Transfer { stopped: Some(Stopped::Unsupported), ..transfer });
            place.set(refused);
        }
    }
}

impl Transfer {
    fn send(&mut self, socket: impl AsFd) -> Result<(), Errno> {
        let count = usize::try_from(self.end.saturating_sub(self.at).min(MOST)).unwrap_or(usize::MAX);
        if count == 0 || self.stopped.is_some() {
            return Ok(());
        }
        let mut at = self.at;
        match sendfile(socket, &self.file, Some(&mut at), count) {
            Ok(0) => self.stopped = Some(Stopped::Short),
            Ok(count) => {
                self.at = self.at.saturating_add(count as u64);
                self.sent = self.sent.saturating_add(count as u64);
            }
            // A file system that can't, or a sandbox that doesn't know the call.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP) => {
                self.stopped = Some(Stopped::Unsupported);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Sends `range` of `file` past the output buffer as far as that can be done; gives the file back, and where it has to be read from.
pub(super) async fn send(
    body: &mut BodyStream<'_>,
    file: OwnedFd,
    range: Range<u64>,
) -> Result<(Option<OwnedFd>, u64), Failure> {
    let (mut at, end) = (range.start, range.end);
    let Ok(reactor) = Reactor::current() else { return Ok((Some(file), at)) };
    let transfer = Transfer { file, at, end, sent: 0, stopped: None };
    let mut sending = Sending { reactor, slot: None, transfer: Some(transfer) };
    while at < end {
        match body.write_past(|request, _| sending.poll(request)).await? {
            Ok(0) | Err(Stopped::Unsupported) => break,
            Ok(count) => at = at.saturating_add(count),
            Err(Stopped::Short) => return Err(Failure::new(500)),
        }
    }
    Ok((sending.take().map(|transfer| transfer.file), at))
}

/// A handler's hold on its slot's transfer, which is gone with it.
struct Sending {
    reactor: Rc<Reactor>,
    slot: Option<usize>,
    /// Before it has a place.
    transfer: Option<Transfer>,
}

impl Sending {
    fn poll(&mut self, request: &Request<'_>) -> Poll<Result<u64, Stopped>> {
        let transfers = &self.reactor.transfers;
        if self.slot.is_none() {
            let slot = transfers.slot_of(request).and_then(|slot| Some((slot, transfers.places.get(slot)?)));
            let Some((slot, place)) = slot else { return Poll::Ready(Err(Stopped::Unsupported)) };
            place.set(self.transfer.take());
            self.slot = Some(slot);
            return Poll::Pending;
        }
        let Some(mut transfer) = self.take() else { return Poll::Ready(Err(Stopped::Unsupported)) };
        let polled = match (transfer.sent, transfer.stopped) {
            (1.., _) => Poll::Ready(Ok(std::mem::take(&mut transfer.sent))),
            (0, Some(stopped)) => Poll::Ready(Err(stopped)),
            (0, None) => Poll::Pending,
        };
        match self.slot.and_then(|slot| self.reactor.transfers.places.get(slot)) {
            Some(place) => place.set(Some(transfer)),
            None => self.transfer = Some(transfer),
        }
        polled
    }

    fn take(&mut self) -> Option<Transfer> {
        let place = self.slot.and_then(|slot| self.reactor.transfers.places.get(slot));
        place.map_or_else(|| self.transfer.take(), Cell::take)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        drop(self.take());
    }
}

//! SIGTERM and SIGINT: the first asks for a graceful shutdown, the second ends the process.

use std::{
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mio::net::UnixStream;
use signal_hook::{
    SigId,
    consts::{SIGINT, SIGTERM},
    flag,
    low_level::{pipe, unregister},
};

/// The signals as something that a poll can wait for.
pub(crate) struct Signals {
    pub(crate) receiver: UnixStream,
    arrived: Arc<AtomicBool>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, receiver) = StdUnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        let mut signals = Self {
            receiver: UnixStream::from_std(receiver),
            arrived: Arc::new(AtomicBool::new(false)),
            ids: Vec::with_capacity(6),
        };
        for signal in [SIGTERM, SIGINT] {
            // In this order: the signal that sets the flag must not be the one that finds it set.
            let second = flag::register_conditional_shutdown(
                signal,
                128_i32.wrapping_add(signal),
                Arc::clone(&signals.arrived),
            )?;
            signals.ids.push(second);
            signals.ids.push(flag::register(signal, Arc::clone(&signals.arrived))?);
            signals.ids.push(pipe::register(signal, OwnedFd::from(sender.try_clone()?))?);
        }
        Ok(signals)
    }

    /// Whether a signal has arrived.
    pub(crate) fn take(&self) -> bool {
        let mut bytes = [0; 16];
        // Emptied, so that the next signal is an edge again.
        while (&self.receiver).read(&mut bytes).is_ok_and(|count| count > 0) {}
        self.arrived.load(Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // After a signal the registrations stay: what the program still does then can be cut short by another one.
        if !self.arrived.load(Ordering::Relaxed) {
            for id in self.ids.drain(..) {
                unregister(id);
            }
        }
    }
}

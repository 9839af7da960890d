//! SIGHUP: the certificate is read again.

use std::{
    io::{self, Read as _},
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread::{self, JoinHandle},
};

use signal_hook::{
    SigId,
    consts::SIGHUP,
    low_level::{pipe, unregister},
};

use super::Tls;

/// A thread that waits for SIGHUP, since files are read with calls that block. It ends when this is dropped.
pub(crate) struct Reload {
    sender: UnixStream,
    signal: SigId,
    thread: Option<JoinHandle<()>>,
}

impl Reload {
    pub(crate) fn start(tls: &Tls) -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        // From here on the signal no longer ends the process.
        let signal = pipe::register(SIGHUP, OwnedFd::from(sender.try_clone()?))?;
        let tls = tls.clone();
        let thread = thread::Builder::new().name("midge-tls".to_owned()).spawn(move || wait(&tls, &receiver));
        let mut reload = Self { sender, signal, thread: None };
        reload.thread = Some(thread?);
        Ok(reload)
    }
}

impl Drop for Reload {
    fn drop(&mut self) {
        unregister(self.signal);
        // Fails only if the thread, and with it the other end, is gone already.
        let _ = self.sender.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn wait(tls: &Tls, mut receiver: &UnixStream) {
    // Several signals that came meanwhile are one.
    let mut bytes = [0; 64];
    loop {
        match receiver.read(&mut bytes) {
            Ok(1..) => {
                if let Err(error) = tls.reload() {
                    eprintln!("error: the certificate was not renewed, the old one stays in use: {error}");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
    }
}

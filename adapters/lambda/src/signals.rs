//! SIGTERM: the platform's word that the execution environment goes. Functions without an extension are never sent it.

use std::{
    fmt,
    io::{self, Read as _},
    os::unix::net::UnixStream,
    process, thread,
};

use signal_hook::{consts::SIGTERM, low_level::pipe};

use crate::Error;

/// What runs at SIGTERM, in the order it was given.
#[derive(Default)]
pub(crate) struct Shutdown(Vec<Box<dyn FnOnce() + Send>>);

impl Shutdown {
    pub(crate) fn push(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.0.push(Box::new(hook));
    }

    /// Starts a thread that waits for the signal, if there is anything to do then. The process ends with 0 after it.
    pub(crate) fn watch(self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (mut told, tell) = UnixStream::pair().map_err(Error::Thread)?;
        pipe::register(SIGTERM, tell).map_err(Error::Thread)?;
        let wait = move || {
            let mut byte = [0];
            while told.read(&mut byte).is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
            self.0.into_iter().for_each(|hook| hook());
            process::exit(0);
        };
        thread::Builder::new().spawn(wait).map_err(Error::Thread)?;
        Ok(())
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shutdown").field(&self.0.len()).finish()
    }
}

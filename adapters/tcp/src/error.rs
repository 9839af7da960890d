//! What can go wrong before and while a server runs.

use std::{error, fmt, io};

/// Why a server could not start, or had to stop.
///
/// The text says what failed, with which address, and what to do about it. `Debug` prints the same text, so that a
/// `main` that returns this error ends with a line that can be read.
pub struct Error {
    what: String,
    /// What the system said; `None` for a setting that can't work.
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>, source: io::Error) -> Self {
        Self { what: what.into(), source: Some(source) }
    }

    /// A setting that can't work.
    pub(crate) fn setting(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// What kind of failure it was: [`io::ErrorKind::AddrInUse`], for one; [`io::ErrorKind::InvalidInput`] for a setting
    /// or an environment variable that can't work.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.as_ref().map_or(io::ErrorKind::InvalidInput, io::Error::kind)
    }

    fn advice(&self) -> &'static str {
        match self.kind() {
            io::ErrorKind::AddrInUse => "; stop the program that listens there, or choose another port",
            io::ErrorKind::AddrNotAvailable => {
                "; no interface of this machine has that address: try 127.0.0.1, or 0.0.0.0 for all of them"
            }
            io::ErrorKind::PermissionDenied => {
                "; choose a port above 1,023 or a directory you may write to, or run with the privilege"
            }
            _ => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        match &self.source {
            Some(source) => write!(formatter, ": {source}{}", self.advice()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn error::Error + 'static))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

//! A connection of which there is always one handle.

use crate::sync::TcpStream;

pub(crate) struct Link(pub(crate) TcpStream);

impl Link {
    pub(crate) fn opened(&self) -> u64 {
        1
    }

    pub(crate) fn handle(&self) -> Option<TcpStream> {
        Some(self.0.clone())
    }
}

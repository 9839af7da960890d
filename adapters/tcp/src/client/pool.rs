//! What a worker keeps for its clients: connections that can be used again, and buffers.

use std::{fmt, net::SocketAddr, path::Path, sync::Arc};

use midge::Field;

use crate::outbound::Socket;

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(Arc<Path>),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Connections between two requests. It holds no more than there is room for sockets, and never grows.
pub(crate) struct Pool {
    /// Those used last come last.
    idle: Vec<(Target, Socket)>,
    most: usize,
}

impl Pool {
    pub(crate) fn new(most: usize) -> Self {
        Self { idle: Vec::with_capacity(most), most }
    }

    /// The connection to `target` that was used last.
    pub(crate) fn take(&mut self, target: &Target) -> Option<Socket> {
        let at = self.idle.iter().rposition(|(to, _)| to == target)?;
        Some(self.idle.remove(at).1)
    }

    /// Keeps a connection; gives it back if there is no room.
    pub(crate) fn put(&mut self, target: Target, socket: Socket) -> Option<Socket> {
        if self.idle.len() >= self.most {
            return Some(socket);
        }
        self.idle.push((target, socket));
        None
    }

    /// The connection that has not been used for the longest time.
    pub(crate) fn take_oldest(&mut self) -> Option<Socket> {
        if self.idle.is_empty() { None } else { Some(self.idle.remove(0).1) }
    }

    /// A connection that its server has closed, or spoken on unasked.
    pub(crate) fn take_stale(&mut self) -> Option<Socket> {
        let at = self.idle.iter().position(|(_, socket)| socket.is_stale())?;
        Some(self.idle.remove(at).1)
    }
}

/// The buffers of one call.
pub(crate) struct Memory {
    /// For what comes in, and behind that for what goes out.
    bytes: Vec<u8>,
    table: Vec<Field>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(INPUT + OUTPUT), table: Vec::with_capacity(FIELDS) }
    }

    /// The buffer for the answer, the one for the request, and the answer's table of fields.
    ///
    /// They were set aside at start, and are filled, within their capacity, when they are first used: until then they cost no page.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [u8], &mut [Field]) {
        self.bytes.resize(INPUT + OUTPUT, 0);
        self.table.resize(FIELDS, Field::EMPTY);
        let (input, output) = self.bytes.split_at_mut_checked(INPUT).unwrap_or_default();
        (input, output, &mut self.table)
    }
}

/// Bytes of the buffer that an answer comes into.
const INPUT: usize = 32_768;
/// Bytes of the buffer that a request goes out of.
const OUTPUT: usize = 16_384;
/// Fields that an answer may have.
const FIELDS: usize = 100;

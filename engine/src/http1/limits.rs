//! Every limit and every deadline of a connection, with its default and its answer.

use core::time::Duration;

/// The limits of one connection. Each is named for what it bounds; its documentation gives the answer that
/// a request beyond it gets.
///
/// ```
/// let limits = midge::Limits { body_bytes: 1 << 20, ..midge::Limits::DEFAULT };
/// assert_eq!(limits.header_fields, 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line with its line end. Beyond: 414, or 501 when not even the method ended. Default 8,192
    /// (RFC 9112, section 3, asks for 8,000 at least).
    pub request_line_bytes: u32,
    /// Bytes of the whole request head, from the request line to the empty line. Beyond: 431. Default 16,384. The slot's
    /// input buffer must be larger.
    pub head_bytes: u32,
    /// Number of header fields. Beyond: 431. Default 100. The slot's field table must hold as many.
    pub header_fields: u16,
    /// Bytes of one chunk's size line, with its line end. Beyond: 400. Default 4,096.
    pub chunk_line_bytes: u32,
    /// Bytes of chunk extensions in one body, added up. Beyond: 413. Default 16,384.
    pub chunk_extension_bytes: u32,
    /// Bytes of the trailer section. Beyond: 431. Default 8,192.
    pub trailer_bytes: u32,
    /// Number of trailer fields. Beyond: 431. Default 32.
    pub trailer_fields: u16,
    /// Bytes of one request body after decoding. Beyond: 413. Default 1 GiB.
    pub body_bytes: u64,
    /// Bytes of a body that [`Body::all`](crate::Body::all) gathers. Beyond: 413. Default 16,384; what the slot's input buffer
    /// holds beside the head bounds it too.
    pub body_in_memory_bytes: u32,
    /// Bytes of an unread body that are read and thrown away so that the connection can be kept. Beyond: the connection closes.
    /// Default 65,536.
    pub drain_bytes: u32,
    /// Bytes that a lingering close reads and throws away before it gives up. Default 1 MiB.
    pub linger_bytes: u32,
    /// Bytes of one answer's head that the slot's output buffer always has room for. Beyond: the handler sees an
    /// error. Default 4,096.
    pub response_head_bytes: u32,
    /// From the first byte of a head to its last. Beyond: 408. Default 10 s.
    pub head_time: Duration,
    /// How long a body may be waited for before the least rate counts. Default 10 s.
    pub body_grace: Duration,
    /// The least rate of a body, in bytes a second, averaged over the time that the engine waited for it. Below: 408, or a
    /// cut when the answer's head is out. Default 500; 0 turns it off.
    pub body_rate: u32,
    /// How long an answer may wait for the client to take it before the least rate counts. Default 10 s.
    pub write_grace: Duration,
    /// The least rate at which the client takes an answer, in bytes a second, averaged over the time that the engine waited
    /// for it. Below: the connection is cut. Default 500; 0 turns it off.
    pub write_rate: u32,
    /// From a request's last head byte to its answer's end. Beyond: 503, or a cut when the answer's head is out. Default none.
    pub request_time: Option<Duration>,
    /// How long a connection may wait for its next request. Beyond: closed without a word. Default 60 s.
    pub idle_time: Duration,
    /// How long a lingering close waits for the client to close. Default 2 s.
    pub linger_time: Duration,
}

impl Limits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        request_line_bytes: 8_192,
        head_bytes: 16_384,
        header_fields: 100,
        chunk_line_bytes: 4_096,
        chunk_extension_bytes: 16_384,
        trailer_bytes: 8_192,
        trailer_fields: 32,
        body_bytes: 1 << 30,
        body_in_memory_bytes: 16_384,
        drain_bytes: 65_536,
        linger_bytes: 1 << 20,
        response_head_bytes: 4_096,
        head_time: Duration::from_secs(10),
        body_grace: Duration::from_secs(10),
        body_rate: 500,
        write_grace: Duration::from_secs(10),
        write_rate: 500,
        request_time: None,
        idle_time: Duration::from_secs(60),
        linger_time: Duration::from_secs(2),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

//! What every peer answers, and its command line.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | [`HELLO`] |
//! | `POST /echo` | the body |
//! | `GET /stream` | [`PIECE`], [`PIECES`] times, each handed over by itself |
//! | `POST /upload` | the length of the body, which is read piece by piece, in decimal |

use std::net::SocketAddr;

/// The body of the answer to `GET /`.
pub const HELLO: &str = "Hello, World!";

/// One piece of the answer to `GET /stream`: byte `n` is `n % 251`.
pub static PIECE: [u8; 16 * 1024] = piece();

/// How often [`PIECE`] is sent: 1 MiB in all.
pub const PIECES: usize = 64;

/// Seconds that a connection may be idle: some peers' own five seconds are shorter than it takes to open many idle ones.
pub const KEEP_ALIVE: u16 = 75;

/// Where to listen: the first argument, `ADDRESS:PORT`.
///
/// # Panics
///
/// If there is none.
pub fn address() -> SocketAddr {
    let argument = std::env::args().nth(1);
    argument.and_then(|text| text.parse().ok()).expect("the first argument has to be ADDRESS:PORT")
}

const fn piece() -> [u8; 16 * 1024] {
    let mut piece = [0; 16 * 1024];
    let mut at = 0;
    while at < piece.len() {
        piece[at] = (at % 251) as u8;
        at += 1;
    }
    piece
}

//! WebSocket: an echo, and a chat among all connections.

use std::process::ExitCode;

use midge_examples::{cli, websocket::Sockets};

fn main() -> ExitCode {
    cli::serve(
        "websocket [ADDR:PORT]: /echo and /chat by WebSocket, and a page at / for a browser",
        |_| Sockets::new(MEMBERS),
        |server| server,
    )
}

/// Seats in the chat.
const MEMBERS: usize = 200;

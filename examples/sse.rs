//! Sends server-sent events to a page that shows them.

use std::process::ExitCode;

use midge_examples::{cli, sse::Ticks};

fn main() -> ExitCode {
    cli::serve(
        "sse [ADDR:PORT]: GET / is a page that shows the events of /ticks",
        |_| Ticks::new(midge_tcp::sleep),
        |server| server,
    )
}

//! Streams bodies both ways, in constant memory.

use std::process::ExitCode;

use midge_examples::{cli, stream};

fn main() -> ExitCode {
    cli::serve(
        "stream [ADDR:PORT]: POST /upload counts and hashes a body as it comes in; GET /lines answers a million lines",
        |_| stream::handler,
        |server| server,
    )
}

//! Answers every request with `Hello, World!`.

use std::process::ExitCode;

use midge_examples::{cli, hello};

fn main() -> ExitCode {
    cli::serve("hello [ADDR:PORT]: answers every request with Hello, World!", |_| hello::handler, |server| server)
}

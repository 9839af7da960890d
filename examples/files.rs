//! Serves a directory.

use std::process::{ExitCode, exit};

use midge_examples::cli;
use midge_tcp::files::Files;

fn main() -> ExitCode {
    cli::serve(
        "files [ADDR:PORT]: serves a directory's files\n\n  --root DIR       the directory (default: the one it is started in)",
        |arguments| {
            let root: Result<Option<String>, _> = arguments.opt_value_from_str("--root");
            let files = root.map_err(|error| error.to_string());
            let files =
                files.and_then(|root| Files::new(root.as_deref().unwrap_or(".")).map_err(|error| error.to_string()));
            files.unwrap_or_else(|error| {
                eprintln!("error: {error}");
                exit(1)
            })
        },
        |server| server,
    )
}

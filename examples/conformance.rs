//! The application that the conformance checklist describes.

use std::process::ExitCode;

use midge_examples::{cli, conformance::Conformance};
use midge_tcp::Limits;

fn main() -> ExitCode {
    cli::serve(
        "conformance [--json] [ADDR:PORT]: the application that the conformance checklist describes\n
  --json           answer every accepted request with 200 and what was read of it, as JSON with values in base64",
        |arguments| Conformance { json: arguments.contains("--json") },
        |server| {
            // Suites send bodies that a handler would rather stream.
            let limits = Limits { body_in_memory_bytes: 1 << 20, ..Limits::DEFAULT };
            server.slots(64).input_bytes((1 << 20) + (1 << 15)).limits(limits)
        },
    )
}

//! The extension as the program that a layer has in `extensions/`.

use std::process::ExitCode;

use midge_extension::Extension;

fn main() -> ExitCode {
    Extension::from_env().run()
}

//! A small REST service, with a log of what it answers.

use std::process::ExitCode;

use log::{LevelFilter, Log, Metadata, Record};
use midge::around::AccessLog;
use midge_examples::{cli, clock, rest};

fn main() -> ExitCode {
    // Nobody else sets a logger here.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
    let usage = "rest [ADDR:PORT]: items with a stock, and orders that take from it; see docs/rest.md";
    cli::serve(usage, |_| AccessLog::new(clock::since_start, rest::app(clock::since_start)), |server| server)
}

/// Writes the log to the standard error stream.
struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("{:5} {}: {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

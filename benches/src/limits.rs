//! Bounds: the descriptors a program may open, and the time it may take.

use std::time::Duration;
use std::{process, thread};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. Where that is refused the old limit stays.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A limit that is still too low shows itself as EMFILE, which is reported where it happens.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Ends `program` with a line and exit code 3 if it is still running after `seconds`.
///
/// One thread that sleeps bounds everything, connecting and blocked reads included, at no cost per request.
pub fn end_after(program: &'static str, seconds: u64) {
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(seconds));
        eprintln!("{program}: not done after {seconds} s");
        process::exit(3);
    });
}

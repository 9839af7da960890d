//! Running a client program to its end.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

/// Where the scripts are.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Runs a program without input.
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Output {
    run_with(program, arguments, Vec::new())
}

/// Runs a program with `input` on its standard input, under coreutils' `timeout`: one that hangs fails its test.
pub fn run_with<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>, input: Vec<u8>) -> Output {
    // Found here first, so that the error names what is missing, and not what would have started it.
    if let Err(error) = Command::new(program).arg("--version").stdin(Stdio::null()).output() {
        assert!(error.kind() != ErrorKind::NotFound, "{program} is not installed; tests/run installs it");
        panic!("{program}: {error}");
    }
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "120", program]).args(arguments);
    // A proxy that the environment names is none of the loopback's.
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("timeout (coreutils): {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // Input and output at once, or both sides could wait for the other. One that stops reading is seen by what it prints.
    let writing = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// What a program that succeeded printed.
pub fn printed(program: &str, output: Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

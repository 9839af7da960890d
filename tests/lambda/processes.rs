//! Whole programs: what only a process can show.

use std::{
    io::Read,
    process::{Command, ExitStatus, Stdio},
};

use midge_tests::server::Server;

use crate::fake::{Fake, NEXT, answer, error, event, response, with_body};

/// A program that is killed if a test leaves it running.
struct Child(std::process::Child);

impl Child {
    fn start(program: &str, fake: &Fake, variables: &[(&str, &str)]) -> Self {
        let mut command = Server::command(program).unwrap();
        command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string()).envs(variables.iter().copied());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn ended(mut self) -> (ExitStatus, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.0.wait().unwrap(), out, err)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn outside_of_lambda_one_line_says_so() {
    let mut command = Server::command("lambda").unwrap();
    command.env_remove("AWS_LAMBDA_RUNTIME_API");
    let (status, out, err) = Child::spawn(command).ended();
    assert_eq!(status.code(), Some(1));
    assert_eq!(out, "");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("AWS_LAMBDA_RUNTIME_API is not set") && err.contains("cargo lambda watch"), "{err}");
}

#[test]
fn the_example_serves_what_the_environment_says() {
    let fake = Fake::start();
    let child = Child::start("lambda", &fake, &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]);
    for _ in 0..2 {
        let mut api = fake.accept();
        let user = api.invoke("id", event("GET", "/users/42"));
        assert!(user.text().contains("\"body\":\"{\\\"id\\\":\\\"42\\\"}\\n\""), "{}", user.text());
    }
    drop(child);
}

#[test]
fn the_example_waits_for_a_snapshot_where_the_environment_says_so() {
    let fake = Fake::start();
    let child = Child::start("lambda", &fake, &[("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")]);
    let mut api = fake.accept();
    api.expect("GET /2018-06-01/runtime/restore/next");
    api.status(200);
    let mut api = fake.accept();
    assert!(api.invoke("id", event("GET", "/")).text().contains("Hello from midge!"));
    drop(child);
}

#[test]
fn hooks_run_at_sigterm() {
    let fake = Fake::start();
    let child = Child::start("lambda_shutdown", &fake, &[]);
    let mut api = fake.accept();
    assert_eq!(api.invoke("id", event("GET", "/")).text(), answer(200, "hello"));
    // It waits for the next event now.
    api.expect(NEXT);
    let id = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let (status, out, err) = child.ended();
    assert_eq!(status.code(), Some(0), "{err}");
    assert_eq!(out, "first\nsecond\n");
}

/// The program whose handler panics, built so that a panic aborts.
fn aborting() -> Command {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../adapters/lambda/Cargo.toml");
    let mut target = std::env::current_exe().unwrap();
    target.pop();
    target.push("panic-abort");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--example", "lambda_panic", "--manifest-path", manifest])
        .args(["--config", "profile.dev.panic=\"abort\"", "--target-dir"])
        .arg(&target)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut command = Command::new(target.join("debug/examples/lambda_panic"));
    command.env_remove("AWS_LAMBDA_INITIALIZATION_TYPE").env_remove("AWS_LAMBDA_MAX_CONCURRENCY");
    command
}

#[test]
fn a_panic_that_aborts_is_reported_before_the_process_ends() {
    let (fake, mut command) = (Fake::start(), aborting());
    command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string());

    let child = Child::spawn({
        let mut command = aborting();
        command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string());
        command
    });
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event_with("id", "Lambda-Runtime-Invocation-Id: inv-1\r\n", event("GET", "/panic"));
    let asked = api.expect(&error("id"));
    assert_eq!(asked.field("lambda-runtime-function-error-type"), Some("Function.Panic"));
    assert_eq!(asked.field("lambda-runtime-invocation-id"), Some("inv-1"));
    assert!(asked.text().contains("\"errorMessage\":\"as it was asked to ("), "{}", asked.text());
    api.accepted();
    assert!(!child.ended().0.success());

    // In the middle of a stream, the trailers say it.
    command.env("STREAMING", "1");
    let child = Child::spawn(command);
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id", event("GET", "/stream"));
    let asked = api.expect(&response("id"));
    let text = asked.text();
    assert!(text.contains("\r\nsome\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Panic\r\n"), "{text}");
    api.accepted();
    assert!(!child.ended().0.success());
}

#[test]
fn a_panic_that_aborts_initialization_is_reported() {
    let (fake, mut command) = (Fake::start(), aborting());
    command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string()).env("PANIC", "init");
    let child = Child::spawn(command);
    let mut api = fake.accept();
    let asked = api.expect("POST /2018-06-01/runtime/init/error");
    assert!(asked.text().contains("\"errorMessage\":\"as it was asked to ("), "{}", asked.text());
    api.accepted();
    assert!(!child.ended().0.success());
}

/// A line of /proc/PID/status, in KiB.
fn memory(child: &Child, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn the_memory_of_a_large_event_is_given_back() {
    let fake = Fake::start();
    let child = Child::start("lambda", &fake, &[]);
    let mut api = fake.accept();
    let small = with_body("POST", "/users", "Ada");
    api.invoke("id", &small);
    api.expect(NEXT);
    let before = memory(&child, "VmRSS");
    // More than once: an allocator may learn from the first time to keep such memory.
    for round in 0..3 {
        api.event("id", with_body("POST", "/users", &"x".repeat(5_000_000)));
        let asked = api.expect(&response("id"));
        assert!(asked.body.len() > 5_000_000);
        api.accepted();
        api.expect(NEXT);
        let (peak, after) = (memory(&child, "VmHWM"), memory(&child, "VmRSS"));
        assert!(peak > before + 9_000, "{before} KiB before, {peak} KiB at most");
        assert!(after < before + 1_024, "round {round}: {before} KiB before, {after} KiB after");
    }
    api.event("id", &small);
    assert!(api.expect(&response("id")).text().contains("\"body\":\"Ada\""));
    drop(child);
}

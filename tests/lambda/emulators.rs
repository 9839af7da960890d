//! The Lambda host under the platform's own emulator and under `cargo lambda`, and its static programs.
//!
//! `tests/lambda/run` fetches and builds what these tests need, tells them where it is, and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]
#![allow(dead_code, reason = "the Runtime API is shared with other tests, which use more of it")]

mod fake;
mod rie;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use midge_tests::server::Server;
use rustix::process::{Pid, Signal};

use fake::{Api, Fake, NEXT, event, port::Port, with_body};
use rie::{Client, Group, Rie, alone, members, path_of};

const GREETING: &str = "{\"statusCode\":200,\"headers\":{\"content-type\":\"text/plain; charset=utf-8\"},\"cookies\":[],\"body\":\"Hello from \
                        midge!\\n\",\"isBase64Encoded\":false}";

/// An answer without the name of its request, which has to be there: the platform's own.
#[track_caller]
fn unnamed(answer: &str) -> String {
    let field = "\"x-request-id\":\"";
    let Some((before, rest)) = answer.split_once(field) else { panic!("no name: {answer}") };
    let Some((id, behind)) = rest.split_once("\",") else { panic!("no other field: {answer}") };
    assert!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{id}");
    [before, behind].concat()
}

#[test]
fn the_platforms_emulator_invokes_it_10_000_times() {
    let rie = Rie::start(Server::command("lambda").unwrap());
    let mut client = rie.client();
    for _ in 0..10_000 {
        assert_eq!(unnamed(&client.invoke(event("GET", "/"))), GREETING);
    }
}

#[test]
fn the_platforms_emulator_sees_answers_and_errors() {
    let rie = Rie::start(Server::command("lambda_panic").unwrap());
    let mut client = rie.client();
    let hello = fake::answer(200, "hello");
    for _ in 0..3 {
        assert_eq!(client.invoke(event("GET", "/")), hello);
        let error = client.invoke(event("GET", "/panic"));
        assert!(
            error.contains("\"errorType\":\"Function.Panic\"") && error.contains("as it was asked to ("),
            "{error}"
        );
        let error = client.invoke("{\"Records\":[]}");
        assert!(error.contains("\"errorType\":\"Runtime.UnsupportedEvent\""), "{error}");
    }
}

#[test]
fn the_platforms_emulator_hands_out_large_events() {
    let rie = Rie::start(Server::command("lambda").unwrap());
    let mut client = rie.client();
    for size in [1_500, 1_600, 1_700, 1_800, 1_900, 2_000, 70_000, 5_000_000] {
        let body = "x".repeat(size);
        let answer = client.invoke(with_body("POST", "/users", &body));
        assert!(answer.contains(&format!("\"body\":\"{body}\"")), "{size}");
    }
}

#[test]
fn the_platforms_emulator_takes_a_streamed_answer() {
    let mut bootstrap = Server::command("lambda").unwrap();
    bootstrap.env("STREAMING", "1");
    let rie = Rie::start(bootstrap);
    let mut client = rie.client();
    for _ in 0..3 {
        let answer = client.invoke(event("GET", "/stream"));
        let prelude = "{\"statusCode\":200,\"headers\":{\"content-type\":\"text/plain; charset=utf-8\"},\"multiValueHeaders\":{},\
                       \"cookies\":[]}";
        assert_eq!(unnamed(&answer), format!("{prelude}\0\0\0\0\0\0\0\0one\ntwo\nthree\n"));
    }
}

#[test]
fn a_function_that_cannot_be_set_up_says_so_to_the_platforms_emulator() {
    let mut bootstrap = Server::command("lambda_panic").unwrap();
    bootstrap.env("PANIC", "init");
    let rie = Rie::start(bootstrap);
    let answer = rie.client().invoke(event("GET", "/"));
    assert!(answer.contains("\"errorType\":\"Function.Panic\"") && answer.contains("as it was asked to ("), "{answer}");
}

fn cargo_lambda(arguments: &[&str]) -> Command {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/lambda");
    let mut command = Command::new(path_of("MIDGE_CARGO_LAMBDA"));
    // What is built here is built for itself, not for the test that asks for it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") || name == "RUSTFLAGS" {
            command.env_remove(name);
        }
    }
    command.arg("lambda").args(arguments).current_dir(package);
    command.env("CARGO_TARGET_DIR", path_of("MIDGE_LAMBDA_TARGET"));
    command
}

/// `cargo lambda watch` on the example, and a client of it.
fn watched(streaming: bool) -> (Group, Port, Client) {
    let held = Port::take();
    let port = held.address().port().to_string();
    let mut command = cargo_lambda(&["watch", "--ignore-changes", "-A", "127.0.0.1", "-P", &port]);
    if streaming {
        command.env("STREAMING", "1");
    }
    let group = Group::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let client = Client::connect(held.address());
    (group, held, client)
}

#[test]
fn cargo_lambda_invokes_it_and_serves_its_url() {
    let (_group, _port, mut client) = watched(false);
    let (status, answer) = client.ask("POST", "/2015-03-31/functions/lambda/invocations", event("GET", "/").as_bytes());
    assert_eq!((status, &*unnamed(&answer)), (200, GREETING));
    assert_eq!(client.ask("GET", "/lambda-url/lambda/users/42?a=b", b""), (200, "{\"id\":\"42\"}\n".to_owned()));
    assert_eq!(client.ask("POST", "/lambda-url/lambda/users", "Zoë".as_bytes()), (201, "Zoë".to_owned()));
    assert_eq!(client.ask("GET", "/lambda-url/lambda/stream", b""), (200, "one\ntwo\nthree\n".to_owned()));
    assert_eq!(client.ask("GET", "/lambda-url/lambda/nothing", b"").0, 404);
}

#[test]
fn cargo_lambda_serves_a_url_whose_answers_are_streamed() {
    let (_group, _port, mut client) = watched(true);
    for _ in 0..3 {
        assert_eq!(client.ask("GET", "/lambda-url/lambda/stream", b""), (200, "one\ntwo\nthree\n".to_owned()));
        assert_eq!(client.ask("GET", "/lambda-url/lambda/nothing", b"").0, 404);
    }
}

#[test]
fn cargo_lambda_builds_it() {
    let place = path_of("MIDGE_LAMBDA_TARGET").join("by-cargo-lambda");
    let built = cargo_lambda(&["build", "--lambda-dir"]).arg(&place).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let fake = Fake::start();
    let mut command = Command::new(place.join("lambda/bootstrap"));
    let _group = Group::start(command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string()));
    assert_eq!(unnamed(fake.accept().invoke("id", event("GET", "/")).text()), GREETING);
}

/// A few invocations of a static program that is started so.
fn serves(command: &mut Command) {
    let fake = Fake::start();
    let _group = Group::start(command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string()));
    let mut api = fake.accept();
    for _ in 0..3 {
        assert_eq!(unnamed(api.invoke("id", event("GET", "/")).text()), GREETING);
        let large = "x".repeat(100_000);
        assert!(api.invoke("id", with_body("POST", "/users", &large)).text().contains(&large));
    }
}

#[test]
fn the_static_program_needs_nothing_around_it() {
    let root = path_of("MIDGE_LAMBDA_TARGET").join("empty-root");
    serves(&mut alone(&path_of("MIDGE_BOOTSTRAP_X86_64"), &root));
    let left: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["bootstrap"]);
}

#[test]
fn the_arm64_program_runs() {
    serves(Command::new("qemu-aarch64").arg(path_of("MIDGE_BOOTSTRAP_AARCH64")));
}

#[test]
fn a_bootstrap_package_holds_one_program_that_may_run() {
    for name in ["MIDGE_BOOTSTRAP_X86_64", "MIDGE_BOOTSTRAP_AARCH64"] {
        assert_eq!(members(&path_of(name).with_extension("zip")), "bootstrap 0o100755\n");
    }
}

/// The system calls of the static program, in order, up to the last `GET`.
fn system_calls(invocations: usize, invoke: impl Fn(&Fake, &mut Api)) -> Vec<String> {
    let fake = Fake::start();
    let trace = path_of("MIDGE_LAMBDA_TARGET").join(format!("trace-{}", fake.address.port()));
    let mut command = Command::new("strace");
    command.args(["-f", "-s", "64", "-o"]).arg(&trace).arg(path_of("MIDGE_BOOTSTRAP_X86_64"));
    let group = Group::start(command.env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string()));
    let mut api = fake.accept();
    for _ in 0..invocations {
        invoke(&fake, &mut api);
    }
    api.expect(NEXT);
    // What is traced ends, and then strace writes its file to the end.
    let traced = fs::read_to_string(format!("/proc/{0}/task/{0}/children", group.0.id())).unwrap();
    let traced = traced.split(' ').next().and_then(|id| Pid::from_raw(id.parse().ok()?)).unwrap();
    rustix::process::kill_process(traced, Signal::TERM).unwrap();
    let mut group = group;
    group.0.wait().unwrap();
    let text = fs::read_to_string(&trace).unwrap();
    fs::remove_file(&trace).unwrap();
    let calls = text.lines().filter(|line| line.contains('(') && !line.contains(" resumed>"));
    let mut calls: Vec<String> = calls.map(str::to_owned).collect();
    let last = calls.iter().rposition(|call| call.contains("\"GET /")).expect(&text);
    calls.truncate(last + 1);
    calls
}

/// How many calls stand from each `GET` up to the next one.
fn per_invocation(calls: &[String]) -> Vec<usize> {
    let gets: Vec<usize> = (0..calls.len()).filter(|index| calls[*index].contains("\"GET /")).collect();
    gets.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn an_invocation_takes_four_system_calls() {
    let calls = system_calls(100, |_, api| {
        api.invoke("8476a536-e9f4-11e8-9739-2dfe598c3fcd", event("GET", "/"));
    });
    assert_eq!(per_invocation(&calls), [4; 100], "{calls:#?}");
    let start = calls.iter().position(|call| call.contains("\"GET /")).unwrap() + 1;
    println!("{start} system calls from exec to the first /next");
    assert!(start <= 30, "{start}: {:#?}", &calls[..start]);
}

//! Prints what the Lambda host costs, beside lambda_http and lambda_runtime in the same run: `tests/lambda/run figures` builds both and starts this.
//!
//! "Per invocation" is (the total for 2N invocations - the total for N) / N, so that starting and stopping cancel out. Each
//! answer is checked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that panics is none, and says why"
)]
#![allow(dead_code, reason = "the Runtime API is shared with the tests, which use more of it")]

mod fake;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use fake::{Api, Fake, NEXT};

fn main() {
    let path = |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")));
    let (hello, peers) = (path("MIDGE_HELLO"), [path("MIDGE_PEER"), path("MIDGE_PEER_RUNTIME")]);
    let (small, position) = (path("MIDGE_HELLO_STATIC"), path("MIDGE_HELLO_STATIC_PIE"));
    let crates = |name: &str| std::env::var(name).unwrap();
    let size = |program: &Path| fs::metadata(program).unwrap().len();
    let row = |what: &str, must: &str, midge: String, peers: [String; 2]| {
        println!("| {what} | {must} | {midge} | {} |", peers.join(" | "));
    };

    println!("| what | must | midge | lambda_http | lambda_runtime |");
    println!("|---|---|---|---|---|");
    row(
        "bytes, static, x86-64 (PIE)",
        "350,000",
        format!("{} ({})", size(&small), size(&position)),
        Default::default(),
    );
    row("bytes, dynamic", "", size(&hello).to_string(), peers.each_ref().map(|peer| size(peer).to_string()));
    row(
        "crates",
        "12",
        crates("MIDGE_HELLO_CRATES"),
        [crates("MIDGE_PEER_CRATES"), crates("MIDGE_PEER_RUNTIME_CRATES")],
    );
    let (to_next, each) = system_calls(&small);
    let (to_next_dynamic, _) = system_calls(&hello);
    let peer_calls = peers.each_ref().map(|peer| system_calls(peer));
    row(
        "system calls from exec to `/next` (dynamic)",
        "30",
        format!("{to_next} ({to_next_dynamic})"),
        peer_calls.map(|(to_next, _)| to_next.to_string()),
    );
    row("system calls per invocation", "4", format!("{each:.2}"), peer_calls.map(|(_, each)| format!("{each:.2}")));
    let told = |program: &Path| {
        let (allocations, bytes) = allocations(program);
        format!("{allocations:.2} ({bytes:.0})")
    };
    row("allocations per invocation (bytes)", "0", told(&hello), peers.each_ref().map(|peer| told(peer)));
    row(
        &format!("user-space instructions per {}-byte event", event().len()),
        "15,000",
        format!("{:.0}", instructions(&hello)),
        peers.each_ref().map(|peer| format!("{:.0}", instructions(peer))),
    );
    times(&small, &hello, &peers);
}

/// An event of an HTTP API, of about 2 KB, as a browser behind a CDN brings it about.
fn event() -> &'static str {
    include_str!("event-2k.json").trim_ascii_end()
}

/// Starts `command` with the address of an API of its own, and hands out events; gives the API back with `GET /next` pending.
fn serve(command: &mut Command, invocations: usize) -> (Child, Fake, Api) {
    let fake = Fake::start();
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "hello"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ] {
        command.env(name, value);
    }
    let child = command
        .env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string())
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut api = fake.accept();
    for _ in 0..invocations {
        invoke(&mut api);
    }
    api.expect(NEXT);
    (child, fake, api)
}

fn invoke(api: &mut Api) {
    api.expect(NEXT);
    answer(api);
}

fn answer(api: &mut Api) {
    let lines = "Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:hello\r\nLambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n";
    api.event_with("8476a536-e9f4-11e8-9739-2dfe598c3fcd", lines, event());
    let asked = api.expect(&fake::response("8476a536-e9f4-11e8-9739-2dfe598c3fcd"));
    assert!(asked.text().contains("\"body\":\"Hello, World!\""), "{}", asked.text());
    api.accepted();
}

fn end(mut child: Child) {
    // strace waits for what it runs; valgrind is what it runs. Both write then what they saw.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    let traced = children.split(' ').next().and_then(|id| Pid::from_raw(id.parse().ok()?));
    let _ = kill_process(traced.unwrap_or(Pid::from_child(&child)), Signal::TERM);
    child.wait().unwrap();
}

/// What a tool says of a program that answered so many events.
fn under(tool: &[&str], program: &Path, invocations: usize) -> String {
    let log = std::env::temp_dir().join(format!("midge-figures-{}", std::process::id()));
    let mut command = Command::new(tool[0]);
    for argument in &tool[1..] {
        command.arg(argument.replace("LOG", &log.to_string_lossy()));
    }
    let (child, fake, api) = serve(command.arg(program).stderr(Stdio::null()), invocations);
    end(child);
    drop((api, fake));
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    text
}

/// From exec to the first request's last byte sent, and per invocation.
fn system_calls(program: &Path) -> (usize, f64) {
    let trace = |invocations| {
        let text = under(&["strace", "-f", "-s", "64", "-o", "LOG"], program, invocations);
        text.lines()
            .filter(|line| line.contains('(') && !line.contains(" resumed>"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let upto = |calls: &[String], last: bool| {
        let is_get = |call: &String| call.contains("GET /2018");
        1 + if last { calls.iter().rposition(is_get) } else { calls.iter().position(is_get) }.expect("a GET")
    };
    let (few, many) = (trace(500), trace(1_000));
    (upto(&few, false), (upto(&many, true) as f64 - upto(&few, true) as f64) / 500.0)
}

/// Per invocation, and their bytes.
fn allocations(program: &Path) -> (f64, f64) {
    let total = |invocations| {
        let text = under(&["valgrind", "--tool=memcheck", "--log-file=LOG"], program, invocations);
        let line = text.lines().find(|line| line.contains("total heap usage:")).expect(&text).replace(',', "");
        let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [allocations, _, bytes] = numbers[..] else { panic!("{line}") };
        (allocations, bytes)
    };
    let (few, many) = (total(500), total(1_000));
    ((many.0 - few.0) / 500.0, (many.1 - few.1) / 500.0)
}

/// In user space, per invocation.
fn instructions(program: &Path) -> f64 {
    let total = |invocations| {
        let text = under(&["valgrind", "--tool=callgrind", "--callgrind-out-file=LOG"], program, invocations);
        let line = text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
        line.expect(&text).trim().parse::<f64>().unwrap()
    };
    (total(2_000) - total(1_000)) / 1_000.0
}

/// Side by side, in turns.
fn times(small: &Path, hello: &Path, peers: &[PathBuf; 2]) {
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let programs = [small, hello, &peers[0], &peers[1]];
    let mut starts: [Vec<Duration>; 4] = Default::default();
    let mut each: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (index, program) in programs.iter().enumerate() {
            let begun = Instant::now();
            let (child, fake, mut api) = serve(&mut Command::new(program), 0);
            starts[index].push(begun.elapsed());
            for _ in 0..INVOCATIONS {
                let begun = Instant::now();
                answer(&mut api);
                api.expect(NEXT);
                each[index].push(begun.elapsed());
            }
            end(child);
            drop((api, fake));
        }
    }
    for (what, times) in [("exec to `/next`", starts), ("per invocation", each)] {
        let [small, hello, http, runtime] = times.map(median);
        let factor =
            |peer: Duration| format!("{peer:.1?}, {:.2} times midge's", peer.as_secs_f64() / small.as_secs_f64());
        println!(
            "| {what}, static (dynamic) | ahead | {small:.1?} ({hello:.1?}) | {} | {} |",
            factor(http),
            factor(runtime)
        );
    }
}

const ROUNDS: usize = 21;
const INVOCATIONS: usize = 500;

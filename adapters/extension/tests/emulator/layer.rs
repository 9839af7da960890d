//! The programs in the layers: their size, their memory, their system calls, and what they need around them.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    emf,
    fake::Fake,
    rie::{alone, members, path_of},
    support::{Extension, Platform, own_host, report},
};

const PROGRAMS: [&str; 2] = ["MIDGE_EXTENSION_X86_64", "MIDGE_EXTENSION_AARCH64"];

/// Bytes that a program may have.
const MOST_BYTES: u64 = 500_000;
/// KiB of it that may be resident.
const MOST_RESIDENT: u64 = 2_048;

/// From the registration to the shutdown, with an invocation and a push.
fn works(mut platform: Platform) {
    platform.invoke();
    assert_eq!(platform.push(&[report("1", "9.25")]), 200);
    assert_eq!(emf::check(&platform.extension.line())["duration_ms"], 9.25);
    let (status, health) = platform.client().ask("GET", "/health", b"");
    assert!(status == 200 && health.contains("\"invocations\":1}"), "{health}");
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#[test]
fn the_static_program_needs_nothing_around_it() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty-root");
    let command = alone(&path_of("MIDGE_EXTENSION_X86_64"), &root);
    works(Platform::of(command, &[]).get_ready());
}

#[test]
fn the_arm64_program_works() {
    let mut command = Command::new("qemu-aarch64");
    command.arg(path_of("MIDGE_EXTENSION_AARCH64"));
    works(Platform::of(command, &[]).get_ready());
}

#[test]
fn a_layer_holds_one_program_that_may_run() {
    for name in PROGRAMS {
        let program = path_of(name);
        let package = program.ancestors().nth(2).unwrap().join("midge-extension.zip");
        assert_eq!(members(&package), "extensions/midge-extension 0o100755\n");
    }
}

#[test]
fn the_programs_are_small() {
    for name in PROGRAMS {
        let bytes = fs::metadata(path_of(name)).unwrap().len();
        println!("{name}: {bytes} bytes");
        assert!(bytes <= MOST_BYTES, "{name}: {bytes}");
    }
}

/// A line of a file in /proc, in KiB.
fn kib(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn it_stays_small_in_memory_whatever_it_is_sent() {
    let mut platform = Platform::of(Command::new(path_of("MIDGE_EXTENSION_X86_64")), &[]).get_ready();
    let pid = platform.extension.child.id();
    let resident = |when: &str| {
        let (now, most) = (kib(pid, "smaps_rollup", "Rss"), kib(pid, "status", "VmHWM"));
        println!("{when}: {now} KiB resident, {most} KiB at most");
        assert!(now <= MOST_RESIDENT && most <= MOST_RESIDENT, "{when}: {now} KiB, {most} KiB");
    };
    resident("at the start");
    for number in 0..1_000 {
        platform.invoke();
        platform.push(&[report(&number.to_string(), "9")]);
        platform.extension.line();
    }
    resident("after 1,000 invocations");
    // Pushes of the largest size, in all slots at the same time.
    let padding = format!(r#"[{{"type":"function","record":"{}"}}]"#, "x".repeat(300 << 10));
    let mut clients = [platform.client(), platform.client(), platform.client()];
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| assert_eq!(client.ask("POST", "/", padding.as_bytes()).0, 200));
            }
        });
    }
    resident("after pushes of 300 KiB");
    platform.end();
}

/// The lines that a tool writes of a program that took so many invocations.
pub fn traced(tool: &[&str], invocations: usize) -> Vec<String> {
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("trace-{invocations}-{}", tool[0]));
    let mut command = Command::new(tool[0]);
    for argument in &tool[1..] {
        command.arg(argument.replace("LOG", &log.to_string_lossy()));
    }
    command.arg(path_of("MIDGE_EXTENSION_X86_64"));
    let fake = Fake::start();
    let extension = Extension::spawn(command, &fake, own_host(), &[]);
    let mut platform = Platform { api: fake.accept(), fake, extension }.get_ready();
    for _ in 0..invocations {
        platform.invoke();
    }
    platform.end();
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_invocation_takes_two_system_calls() {
    let calls = traced(&["strace", "-f", "-s", "64", "-o", "LOG"], 100);
    let gets: Vec<usize> =
        (0..calls.len()).filter(|index| calls[*index].contains("\"GET /") && calls[*index].contains("(")).collect();
    assert_eq!(gets.len(), 101, "{calls:#?}");
    // A call that was interrupted by another thread's stands there in two parts.
    let begun: Vec<&String> = calls[gets[0]..gets[100]].iter().filter(|call| !call.contains(" resumed>")).collect();
    let thread = calls[gets[0]].split(' ').next().unwrap();
    let (own, others): (Vec<&String>, Vec<&String>) = begun.iter().partition(|call| call.starts_with(thread));
    assert_eq!(own.len(), 200, "{own:#?}");
    // The thread that serves may still be starting when the first ones come, and then it sleeps.
    assert!(others.len() < 50, "{others:#?}");
}

/// What an invocation costs the processor that the function may be waiting for, in user space.
#[test]
fn an_invocation_takes_few_instructions() {
    let total = |invocations| {
        let lines = traced(&["valgrind", "--tool=callgrind", "--callgrind-out-file=LOG"], invocations);
        let line = lines.iter().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
        line.unwrap_or_else(|| panic!("{lines:#?}")).trim().parse::<u64>().unwrap()
    };
    let each = (total(1_100) - total(100)) / 1_000;
    println!("{each} instructions for each invocation");
    assert!(each <= MOST_INSTRUCTIONS, "{each}");
}

/// About four microseconds; they are measured, and this leaves room for another compiler's.
const MOST_INSTRUCTIONS: u64 = 12_000;

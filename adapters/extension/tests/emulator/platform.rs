//! With a function, under the platform's emulator.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::{emf, emulated::Emulated, fake::event, rie::Client};

#[test]
fn in_classic_mode_it_registers_counts_invocations_and_leaves() {
    let mut emulated = Emulated::start(true, &[]);
    let mut client = Client::connect(emulated.address);
    for _ in 0..1_000 {
        emulated.invoke(&mut client);
    }
    let (status, health) = Client::connect(emulated.server).ask("GET", "/health", b"");
    assert_eq!(status, 200);
    assert!(health.contains("\"init_duration_ms\":null,\"invocations\":1000}"), "{health}");
    // This emulator has no telemetry: that is said once.
    emulated.end();
    let said =
        emulated.out.iter().filter(|line| line.contains("the Telemetry API is not to be had here (it answered 202)"));
    assert_eq!(said.count(), 1);
    let errors: Vec<String> = emulated.err.iter().collect();
    let log = errors.join("\n");
    assert!(log.contains("midge-extension") && log.contains("is registered for the shutdown event"), "{log}");
    assert!(log.contains("Handling termination for extension-midge-extension"), "{log}");
    assert!(!log.contains("SIGKILL") && !log.contains("Failed to register"), "{log}");
}

#[test]
fn in_managed_mode_it_measures_what_the_emulator_tells() {
    let mut emulated = Emulated::start(true, &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]);
    // The initialization comes by itself.
    let line = Emulated::line(&emulated.out, "\"_aws\"");
    let metrics = emf::check(&line);
    assert!(metrics["init_duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(metrics["app_load_ms"].as_f64().unwrap() >= 0.0, "{line}");
    assert!(line.contains("\"initialization_type\":\"lambda-managed-instances\""), "{line}");
    assert!(line.contains("\"function\":\"test_function\",\"version\":\"$LATEST\""), "{line}");
    let mut client = Client::connect(emulated.address);
    for _ in 0..100 {
        emulated.invoke(&mut client);
    }
    let mut durations = 0;
    while durations < 100 {
        let metrics = emf::check(&Emulated::line(&emulated.out, "\"_aws\""));
        durations += metrics["duration_ms"].as_array().map_or(1, Vec::len);
    }
    assert_eq!(durations, 100);
    let (_, health) = Client::connect(emulated.server).ask("GET", "/health", b"");
    assert!(health.contains("\"invocations\":100}") && !health.contains("null"), "{health}");
    let (_, text) = Client::connect(emulated.server).ask("GET", "/metrics", b"");
    for line in ["telemetry_malformed_pushes_total 0", "telemetry_duplicate_events_total 0", "emf_failures_total 0"] {
        assert!(text.contains(line), "{text}");
    }
    emulated.end();
    let log: Vec<String> = emulated.out.iter().collect();
    let ended = log
        .iter()
        .any(|line| line.contains("Name:extension-midge-extension Cause:exited") && line.contains("ExitStatus:0"));
    assert!(ended, "{log:#?}");
}

#[test]
fn a_bad_variable_is_told_to_the_platform_in_both_modes() {
    for managed in [false, true] {
        let mut variables = vec![("MIDGE_EXTENSION_METRICS", "maybe")];
        if managed {
            variables.push(("AWS_LAMBDA_MAX_CONCURRENCY", "2"));
        }
        let emulated = Emulated::start(true, &variables);
        // The initialization of a managed instance comes by itself, and the emulator ends with it.
        if !managed {
            let answer = Client::connect(emulated.address).invoke(event("GET", "/"));
            assert!(!answer.contains("Hello"), "{answer}");
        }
        let said = Emulated::line(&emulated.out, "MIDGE_EXTENSION_METRICS is");
        assert_eq!(said, "midge-extension: MIDGE_EXTENSION_METRICS is \"maybe\": wanted emf or off");
        let log = if managed { &emulated.out } else { &emulated.err };
        Emulated::line(log, "Extension.ConfigInvalid");
    }
}

#[test]
fn in_managed_mode_the_event_of_an_invocation_would_be_refused() {
    // What the extension goes by is what the emulator says: a registration for it is a 403 there.
    let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", "2")];
    let emulated = Emulated::start(true, &variables);
    let log = Emulated::line(&emulated.out, "External agent registered");
    assert!(log.contains("events=[SHUTDOWN]"), "{log}");
}

/// The function's process.
fn function(emulated: &Emulated) -> Pid {
    let children = fs::read_dir(format!("/proc/{}/task", emulated.group.0.id())).unwrap().flat_map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<i32>>()
    });
    let is_function = |id: &i32| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name == "bootstrap\n");
    Pid::from_raw(children.into_iter().find(is_function).unwrap()).unwrap()
}

#[test]
fn a_function_that_dies_brings_a_new_extension() {
    let mut emulated = Emulated::start(true, &[]);
    let mut client = Client::connect(emulated.address);
    for _ in 0..3 {
        emulated.invoke(&mut client);
        let (_, health) = Client::connect(emulated.server).ask("GET", "/health", b"");
        assert!(health.contains("\"invocations\":1}"), "{health}");
        kill_process(function(&emulated), Signal::KILL).unwrap();
        // The emulator finds out, shuts the environment down, and makes a new one for the next invocation.
        while client.invoke(event("GET", "/")).contains("Hello") {}
    }
    emulated.invoke(&mut client);
    emulated.end();
    let log: Vec<String> = emulated.err.iter().collect();
    let registered = log.iter().filter(|line| line.contains("registered, subscribed to [INVOKE SHUTDOWN]")).count();
    assert!(registered >= 4, "{registered}: {log:#?}");
}

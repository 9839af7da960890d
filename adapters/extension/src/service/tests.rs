#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use midge::testing::{Scratch, call};

use super::Service;
use crate::{
    collect::{Collector, Function},
    emf::Sink,
    shared::Shared,
};

fn service() -> Service {
    let function = Function {
        name: "hel\"lo".to_owned(),
        version: "$LATEST".to_owned(),
        initialization_type: "on-demand".to_owned(),
        account_id: "123456789012".to_owned(),
    };
    Service(Arc::new(Shared::new(Instant::now(), Collector::new(function, Sink::new(None, String::new())))))
}

fn ask(service: &Service, method: &str, path: &str, body: &str) -> (u16, Option<String>, String) {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost:8081\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut scratch = Scratch::new();
    let answer = call(service, request.as_bytes(), &mut scratch).unwrap();
    let allow = answer.header("allow").map(str::to_owned);
    (answer.status(), allow, String::from_utf8(answer.body().to_vec()).unwrap())
}

const PUSH: &str = r#"[{"time":"2022-10-12T00:00:15.064Z","type":"platform.initStart","record":{}},
    {"time":"2022-10-12T00:00:15.164Z","type":"platform.initRuntimeDone","record":{}},
    {"time":"2022-10-12T00:00:15.264Z","type":"platform.initReport","record":{"metrics":{"durationMs":125.33}}},
    {"time":"2022-10-12T00:00:15.364Z","type":"platform.start","record":{"requestId":"1"}},
    {"time":"2022-10-12T00:00:15.464Z","type":"platform.report","record":{"requestId":"1","status":"success","metrics":
     {"durationMs":12.5,"billedDurationMs":13,"memorySizeMB":128,"maxMemoryUsedMB":30}}}]"#;

#[test]
fn health_says_what_is_known() {
    let service = service();
    let health = |text: &str| {
        let (before, rest) = text.split_once("\"uptime_ms\":").unwrap();
        let (uptime, after) = rest.split_once(',').unwrap();
        assert!(uptime.parse::<u64>().is_ok(), "{text}");
        format!("{before}{after}")
    };
    let (status, _, text) = ask(&service, "GET", "/health", "");
    assert_eq!(
        (status, health(&text).as_str()),
        (200, "{\"status\":\"healthy\",\"init_duration_ms\":null,\"invocations\":0}\n")
    );
    assert!(service.0.invoked());
    assert_eq!(ask(&service, "POST", "/", PUSH), (200, None, String::new()));
    let (status, _, text) = ask(&service, "GET", "/health", "");
    assert_eq!(
        (status, health(&text).as_str()),
        (200, "{\"status\":\"healthy\",\"init_duration_ms\":125.33,\"invocations\":1}\n")
    );
    service.0.drain(Duration::ZERO);
    let (status, _, text) = ask(&service, "GET", "/health", "");
    assert_eq!(
        (status, health(&text).as_str()),
        (503, "{\"status\":\"stopping\",\"init_duration_ms\":125.33,\"invocations\":1}\n")
    );
}

#[test]
fn metrics_are_prometheus_text() {
    let service = service();
    ask(&service, "POST", "/", PUSH);
    let (status, _, text) = ask(&service, "GET", "/metrics", "");
    assert_eq!(status, 200);
    let version = env!("CARGO_PKG_VERSION");
    let info = format!(
        "midge_extension_info{{function=\"hel\\\"lo\",function_version=\"$LATEST\",initialization_type=\"on-demand\",\
         account_id=\"123456789012\",version=\"{version}\"}} 1"
    );
    for line in [
        info.as_str(),
        "# TYPE midge_extension_init_duration_seconds gauge",
        "midge_extension_init_duration_seconds 0.125330",
        "midge_extension_app_load_seconds 0.100000",
        "midge_extension_invocations_total 1",
        "# TYPE midge_extension_invocation_duration_seconds summary",
        "midge_extension_invocation_duration_seconds_sum 0.012500",
        "midge_extension_invocation_duration_seconds_count 1",
        "midge_extension_billed_duration_seconds_total 0.013000",
        "midge_extension_invocation_failures_total 0",
        "midge_extension_memory_size_bytes 134217728",
        "midge_extension_max_memory_used_bytes 31457280",
        "midge_extension_telemetry_pushes_total 1",
        "midge_extension_telemetry_events_total 5",
    ] {
        assert!(text.lines().any(|given| given == line), "{line}\n{text}");
    }
    assert!(!text.contains("restore_duration"), "nothing was restored:\n{text}");
    // Each metric has one line of type, right before it, and a number.
    let mut kind = "";
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            kind = of.split(' ').next().unwrap();
            assert_eq!(text.matches(&format!("# TYPE {kind} ")).count(), 1, "{line}");
        } else {
            assert!(line.starts_with(kind), "{line} behind {kind}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn what_is_asked_for_otherwise_is_refused() {
    let service = service();
    let allowed = |path, method| {
        let (status, allow, _) = ask(&service, method, path, "");
        (status, allow.unwrap_or_default())
    };
    assert_eq!(allowed("/", "GET"), (405, "POST".to_owned()));
    assert_eq!(allowed("/health", "POST"), (405, "GET, HEAD".to_owned()));
    assert_eq!(allowed("/metrics", "DELETE"), (405, "GET, HEAD".to_owned()));
    assert_eq!(allowed("/nothing", "GET").0, 404);
    assert_eq!(ask(&service, "HEAD", "/health", "").0, 200);
}

#[test]
fn a_push_that_cannot_be_read_is_taken_and_counted() {
    let service = service();
    for push in ["", "{}", "[", "not JSON", "[{\"type\":}]"] {
        assert_eq!(ask(&service, "POST", "/", push).0, 200, "{push}");
    }
    assert_eq!(service.0.collector().counts.malformed_pushes, 5);
}

#[test]
fn a_push_that_is_too_large_is_refused_and_counted() {
    let service = service();
    // The default limit of the driver in memory.
    let large = format!("[{}]", " ".repeat(16_384));
    assert_eq!(ask(&service, "POST", "/", &large).0, 413);
    let counts = service.0.collector().counts;
    assert_eq!((counts.pushes, counts.oversize_pushes, counts.malformed_pushes), (1, 1, 0));
}

#[test]
fn a_drain_ends_with_the_last_report() {
    let service = service();
    let shared = Arc::clone(&service.0);
    assert!(shared.invoked());
    let drained = std::thread::spawn(move || shared.drain(Duration::from_secs(60)));
    while !service.0.is_stopping() {
        std::thread::yield_now();
    }
    // One invocation is known of, and nothing was reported: it waits until this push.
    ask(&service, "POST", "/", PUSH);
    assert!(drained.join().is_ok());
    assert_eq!(service.0.collector().counts.reports, 1);
}

#[test]
fn a_server_that_is_gone_shows_at_the_next_invocation() {
    let shared = service().0;
    assert!(shared.invoked());
    shared.stopped_serving();
    assert!(!shared.invoked());
}

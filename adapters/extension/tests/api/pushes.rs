//! Telemetry: as it should be, late, twice, out of order, too large, and not even JSON.

use std::{io::Write, net::TcpStream};

use crate::{
    emf,
    support::{Platform, event, report},
};

fn values(line: &str) -> serde_json::Value {
    serde_json::Value::Object(emf::check(line))
}

fn startup() -> Vec<String> {
    vec![
        event("15.000", "initStart", r#""initializationType":"on-demand","phase":"init","functionName":"hello""#),
        event("15.064", "initRuntimeDone", r#""initializationType":"on-demand","status":"success","phase":"init""#),
        event(
            "15.070",
            "initReport",
            r#""initializationType":"on-demand","phase":"init","metrics":{"durationMs":125.33}"#,
        ),
    ]
}

#[test]
fn every_event_becomes_a_metric() {
    let platform = Platform::ready(&[]);
    assert_eq!(platform.push(&startup()), 200);
    let line = platform.extension.line();
    assert_eq!(values(&line), serde_json::json!({"init_duration_ms": 125.33, "app_load_ms": 64}));
    assert!(
        line.contains(r#""Namespace":"midge","Dimensions":[["function","version","initialization_type"]]"#),
        "{line}"
    );
    assert!(line.contains(r#""function":"hello","version":"$LATEST","initialization_type":"on-demand""#), "{line}");
    // 2022-10-12T00:00:15.070Z
    assert!(line.contains("\"Timestamp\":1665532815070,"), "{line}");

    let restored = [
        event("20.000", "restoreStart", r#""functionName":"hello""#),
        event("20.060", "restoreRuntimeDone", r#""status":"success""#),
        event("20.070", "restoreReport", r#""status":"success","metrics":{"durationMs":70.87}"#),
    ];
    assert_eq!(platform.push(&restored), 200);
    assert_eq!(values(&platform.extension.line()), serde_json::json!({"restore_duration_ms": 70.87}));

    let invoked = [
        event("25.000", "start", r#""requestId":"1","version":"$LATEST""#),
        event(
            "25.010",
            "runtimeDone",
            r#""requestId":"1","status":"success","metrics":{"durationMs":9,"producedBytes":5}"#,
        ),
        report("1", "9.5"),
    ];
    assert_eq!(platform.push(&invoked), 200);
    let expected = serde_json::json!({"duration_ms": 9.5, "billed_duration_ms": 20, "max_memory_used_mb": 40});
    assert_eq!(values(&platform.extension.line()), expected);

    // Managed instances report the duration alone.
    let managed = event("26.000", "report", r#""requestId":"2","status":"success","metrics":{"durationMs":3.25}"#);
    assert_eq!(platform.push(&[managed]), 200);
    assert_eq!(values(&platform.extension.line()), serde_json::json!({"duration_ms": 3.25}));

    let (_, health) = platform.client().ask("GET", "/health", b"");
    assert!(health.contains("\"init_duration_ms\":125.33,\"invocations\":2"), "{health}");
    assert_eq!(platform.metric("app_load_seconds").as_deref(), Some("0.064000"));
    assert_eq!(platform.metric("restore_duration_seconds").as_deref(), Some("0.070870"));
    assert_eq!(platform.metric("emf_lines_total").as_deref(), Some("4"));
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#[test]
fn a_push_of_many_invocations_is_a_line_for_each_hundred() {
    let platform = Platform::ready(&[("MIDGE_EXTENSION_NAMESPACE", "shop/check out")]);
    let reports: Vec<String> = (0..250).map(|number| report(&number.to_string(), &format!("{number}.125"))).collect();
    assert_eq!(platform.push(&reports), 200);
    let mut durations = Vec::new();
    for count in [100, 100, 50] {
        let line = platform.extension.line();
        assert!(line.contains("\"Namespace\":\"shop/check out\""), "{line}");
        let values = values(&line);
        let array = values["duration_ms"].as_array().unwrap();
        assert_eq!(array.len(), count);
        durations.extend(array.iter().map(|value| value.as_f64().unwrap()));
    }
    let expected: Vec<f64> = (0..250).map(|number| f64::from(number) + 0.125).collect();
    assert_eq!(durations, expected);
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#[test]
fn pushes_may_come_again_and_out_of_order() {
    let platform = Platform::ready(&[]);
    let [start, ready, done] = startup().try_into().unwrap();
    assert_eq!(platform.push(&[report("1", "9"), ready]), 200);
    assert_eq!(values(&platform.extension.line())["duration_ms"], 9);
    assert_eq!(platform.push(&[done]), 200);
    assert_eq!(values(&platform.extension.line()), serde_json::json!({"init_duration_ms": 125.33}));
    assert_eq!(platform.push(&[event("24.000", "start", r#""requestId":"1""#), start.clone()]), 200);
    assert_eq!(values(&platform.extension.line()), serde_json::json!({"app_load_ms": 64}));
    for _ in 0..3 {
        assert_eq!(platform.push(&[report("1", "9"), start.clone()]), 200);
    }
    assert_eq!(platform.metric("telemetry_duplicate_events_total").as_deref(), Some("6"));
    assert_eq!(platform.metric("invocation_duration_seconds_count").as_deref(), Some("1"));
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#[test]
fn what_is_not_known_is_skipped() {
    let platform = Platform::ready(&[]);
    let events = [
        r#"{"time":"2022-10-12T00:00:15.000Z","type":"function","record":"a line of a log"}"#.to_owned(),
        r#"{"time":5,"type":["platform.report"],"record":null,"more":{"a":[1,{"b":2}]}}"#.to_owned(),
        event("15.000", "tomorrow", r#""metrics":{"durationMs":"soon"}"#),
        report("1", "9"),
    ];
    assert_eq!(platform.push(&events), 200);
    assert_eq!(values(&platform.extension.line())["duration_ms"], 9);
    assert_eq!(platform.metric("telemetry_skipped_events_total").as_deref(), Some("3"));
    platform.end();
}

#[test]
fn what_is_no_json_harms_nothing() {
    let platform = Platform::ready(&[]);
    let mut client = platform.client();
    let cut = format!("[{},{{\"type\":\"platform.rep", report("1", "9"));
    for (number, push) in [b"".as_slice(), b"{}", b"\xff\xfe", b"[[[[", cut.as_bytes()].into_iter().enumerate() {
        assert_eq!(client.ask("POST", "/", push).0, 200);
        let count = (number + 1).to_string();
        assert_eq!(platform.metric("telemetry_malformed_pushes_total"), Some(count));
    }
    // What could be read of the last one was.
    assert_eq!(values(&platform.extension.line())["duration_ms"], 9);
    assert_eq!(platform.push(&[report("2", "10")]), 200);
    assert_eq!(values(&platform.extension.line())["duration_ms"], 10);
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#[test]
fn pushes_of_the_size_that_was_asked_for_are_taken_and_larger_ones_refused() {
    let platform = Platform::ready(&[]);
    let padding = |bytes: usize| format!(r#"{{"type":"function","record":"{}"}}"#, "x".repeat(bytes));
    // 256 KiB, and one event that is itself large.
    assert_eq!(platform.push(&[padding(256 << 10), padding(32 << 10), report("1", "9")]), 200);
    assert_eq!(values(&platform.extension.line())["duration_ms"], 9);
    // The answer comes as soon as the length is known.
    let mut client = platform.client();
    let (status, _) = client.ask("POST", "/", format!("[{}]", padding(400 << 10)).as_bytes());
    assert_eq!(status, 413);
    assert_eq!(platform.metric("telemetry_oversize_pushes_total").as_deref(), Some("1"));
    assert_eq!(platform.push(&[report("2", "10")]), 200);
    assert_eq!(values(&platform.extension.line())["duration_ms"], 10);
    platform.end();
}

#[test]
fn a_push_may_come_in_chunks_and_over_a_kept_connection() {
    let platform = Platform::ready(&[]);
    let mut stream = TcpStream::connect(platform.extension.address).unwrap();
    for number in 0..3 {
        let push = format!("[{}]", report(&number.to_string(), "9"));
        let (first, second) = push.split_at(40);
        let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: sandbox.localdomain:8081\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        )
        .unwrap();
        assert_eq!(values(&platform.extension.line())["duration_ms"], 9);
    }
    platform.end();
}

#[test]
fn without_metrics_nothing_is_written() {
    let platform = Platform::ready(&[("MIDGE_EXTENSION_METRICS", "off")]);
    assert_eq!(platform.push(&startup()), 200);
    assert_eq!(platform.push(&[report("1", "9")]), 200);
    assert_eq!(platform.metric("init_duration_seconds").as_deref(), Some("0.125330"));
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]

use super::{Kind, Malformed, Metrics, Thousandths, read};

/// An event's parts, owned.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    kind: Kind,
    time: String,
    texts: [String; 3],
    metrics: Metrics,
}

fn events(push: &str) -> (Vec<Seen>, Result<(), Malformed>) {
    let mut bytes = push.as_bytes().to_vec();
    let mut seen = Vec::new();
    let result = read(&mut bytes, |event| {
        seen.push(Seen {
            kind: event.kind,
            time: event.time.to_owned(),
            texts: [event.request_id, event.initialization_type, event.status].map(str::to_owned),
            metrics: event.metrics,
        });
    });
    (seen, result)
}

fn one(event: &str) -> Seen {
    let (mut seen, result) = events(&format!("[{event}]"));
    assert_eq!((seen.len(), result), (1, Ok(())), "{event}");
    seen.remove(0)
}

#[test]
fn every_type_of_the_schema_is_known() {
    let kinds = [
        ("platform.initStart", Kind::InitStart),
        ("platform.initRuntimeDone", Kind::InitRuntimeDone),
        ("platform.initReport", Kind::InitReport),
        ("platform.start", Kind::Start),
        ("platform.runtimeDone", Kind::RuntimeDone),
        ("platform.report", Kind::Report),
        ("platform.restoreStart", Kind::RestoreStart),
        ("platform.restoreRuntimeDone", Kind::RestoreRuntimeDone),
        ("platform.restoreReport", Kind::RestoreReport),
        ("platform.logsDropped", Kind::LogsDropped),
        ("platform.extension", Kind::Other),
        ("platform.telemetrySubscription", Kind::Other),
        ("platform.tomorrow", Kind::Other),
        ("function", Kind::Other),
    ];
    for (name, kind) in kinds {
        let event = one(&format!(r#"{{"time":"2022-10-12T00:00:15.064Z","type":"{name}","record":{{}}}}"#));
        assert_eq!((event.kind, event.time.as_str()), (kind, "2022-10-12T00:00:15.064Z"), "{name}");
    }
}

#[test]
fn a_report_is_read_with_its_numbers() {
    let event = one(
        r#"{"time":"2022-10-12T00:01:15.000Z","type":"platform.report","record":{"requestId":"6d68ca91-49c9-448d-89b8-7ca3e6dc66aa",
        "metrics":{"billedDurationMs":694,"durationMs":693.92,"initDurationMs":397.68,"maxMemoryUsedMB":84,"memorySizeMB":128},
        "spans":[{"name":"a","start":"b","durationMs":1}],"tracing":{"type":"X-Amzn-Trace-Id"},"status":"success"}}"#,
    );
    assert_eq!(event.texts, ["6d68ca91-49c9-448d-89b8-7ca3e6dc66aa", "", "success"]);
    let expected = Metrics {
        duration: Some(Thousandths(693_920)),
        billed: Some(Thousandths(694_000)),
        memory_size: Some(Thousandths(128_000)),
        max_memory_used: Some(Thousandths(84_000)),
        dropped_records: None,
    };
    assert_eq!(event.metrics, expected);
}

#[test]
fn the_record_may_come_before_its_type() {
    let event = one(r#"{"record":{"metrics":{"durationMs":1},"requestId":"a"},"type":"platform.report","time":"t"}"#);
    assert_eq!((event.kind, event.metrics.duration), (Kind::Report, Some(Thousandths(1_000))));
}

#[test]
fn names_and_texts_may_be_escaped() {
    let event = one(r#"{"ty\u0070e":"platform.\u0072eport","record":{"request\u0049d":"a\"b"}}"#);
    assert_eq!((event.kind, event.texts[0].as_str()), (Kind::Report, "a\"b"));
}

#[test]
fn what_is_of_another_type_counts_as_absent() {
    let absent = one("{}");
    for event in [
        r#"{"type":5,"time":{"a":[]},"record":"a log line"}"#,
        r#"{"type":null,"time":null,"record":null}"#,
        r#"{"record":{"requestId":7,"metrics":[{"durationMs":1}],"status":{"status":"success"}}}"#,
        r#"{"record":{"metrics":{"durationMs":"1","billedDurationMs":-1,"memorySizeMB":1e300,"maxMemoryUsedMB":true}}}"#,
    ] {
        assert_eq!(one(event), absent, "{event}");
    }
}

#[test]
fn numbers_are_rounded_to_thousandths() {
    for (text, thousandths) in [
        ("0", Some(0)),
        ("-0.0", Some(0)),
        ("0.0005", Some(1)),
        ("0.0004", Some(0)),
        ("101.51", Some(101_510)),
        ("1.5e3", Some(1_500_000)),
        ("3.2e14", Some(320_000_000_000_000_000)),
        ("3.3e14", None),
        ("-0.1", None),
    ] {
        let event = one(&format!(r#"{{"record":{{"metrics":{{"durationMs":{text}}}}}}}"#));
        assert_eq!(event.metrics.duration, thousandths.map(Thousandths), "{text}");
    }
}

#[test]
fn times_are_microseconds_since_1970() {
    let micros = |time: &str| {
        let mut push = format!(r#"[{{"time":"{time}"}}]"#).into_bytes();
        let mut micros = None;
        assert!(read(&mut push, |event| micros = event.micros()).is_ok());
        micros
    };
    assert_eq!(micros("1970-01-01T00:00:00.001Z"), Some(1_000));
    assert_eq!(micros("2022-10-12T00:00:15.064Z"), Some(1_665_532_815_064_000));
    assert_eq!(micros("2022-10-12T00:00:15.064123456Z"), Some(1_665_532_815_064_123));
    for no_time in ["", "yesterday", "2022-13-12T00:00:15Z", "2022-10-12 00:00:15", "1969-12-31T23:59:59Z"] {
        assert_eq!(micros(no_time), None, "{no_time}");
    }
}

#[test]
fn an_empty_push_has_no_events() {
    assert_eq!(events("[]"), (Vec::new(), Ok(())));
    assert_eq!(events(" [ ] \n"), (Vec::new(), Ok(())));
}

#[test]
fn a_malformed_push_gives_what_stands_before_the_fault() {
    let good = r#"{"type":"platform.start","record":{"requestId":"a"}}"#;
    for (push, before) in [
        (String::new(), 0),
        ("{}".to_owned(), 0),
        ("5".to_owned(), 0),
        ("[5]".to_owned(), 0),
        (format!("[{good}"), 1),
        (format!("[{good},"), 1),
        (format!("[{good},]"), 1),
        (format!("[{good}] x"), 1),
        (format!("[{good},{good},{{\"type\":}}]"), 2),
        (format!("[{good},{{\"record\":{{\"metrics\":{{\"durationMs\":01}}}}}}]"), 1),
        (format!("[{good},\"\u{1}\"]"), 1),
        (format!("[{good},{}", "[".repeat(1_000)), 1),
        (format!("[{good},{{\"x\":{}", "[".repeat(1_000)), 1),
    ] {
        let (seen, result) = events(&push);
        assert_eq!((seen.len(), result), (before, Err(Malformed)), "{push}");
    }
}

/// **Whatever bytes come, it reads them as a JSON reader of others does**: what that takes for an array of objects is taken, and
/// nothing else.
#[test]
fn cut_and_changed_pushes_are_taken_as_another_reader_takes_them() {
    let push = r#"[{"time":"2022-10-12T00:00:15.064Z","type":"platform.report","record":{"requestId":"6d","metrics":{"durationMs":6.92}}},{"record":"é\n"}]"#;
    let bytes = push.as_bytes();
    let mut cases: Vec<Vec<u8>> = (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect();
    for place in 0..bytes.len() {
        for byte in [b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'0', b'e', b' ', 0, 0xff] {
            let mut changed = bytes.to_vec();
            changed[place] = byte;
            cases.push(changed);
        }
    }
    for case in cases {
        let other: Result<Vec<serde_json::Map<String, serde_json::Value>>, _> = serde_json::from_slice(&case);
        let mut count = 0;
        let result = read(&mut case.clone(), |_| count += 1);
        let text = String::from_utf8_lossy(&case).into_owned();
        assert_eq!(result.is_ok(), other.is_ok(), "{text}");
        if let Ok(other) = other {
            assert_eq!(count, other.len(), "{text}");
        }
    }
}

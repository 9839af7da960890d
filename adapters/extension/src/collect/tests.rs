#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

use std::{
    fs::File,
    io::{self, PipeReader, Read as _},
    os::fd::OwnedFd,
};

use super::{Collector, Counts, Function, Seen};
use crate::{
    emf::Sink,
    telemetry::{Malformed, Thousandths},
};

/// A collector, and what its lines can be read from.
fn collector() -> (Collector, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let mut initialization_type = String::with_capacity(64);
    initialization_type.push_str("unknown");
    let function =
        Function { name: "hello".to_owned(), version: "1".to_owned(), initialization_type, account_id: String::new() };
    (Collector::new(function, Sink::new(Some(File::from(OwnedFd::from(writer))), "midge".to_owned())), reader)
}

/// The lines that it wrote, each from its dimensions on.
fn lines(collector: Collector, mut reader: PipeReader) -> Vec<String> {
    drop(collector);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text.lines().map(|line| line.split_once("}]},").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

fn event(time: &str, kind: &str, record: &str) -> String {
    format!(r#"{{"time":"2022-10-12T00:00:{time}Z","type":"platform.{kind}","record":{{{record}}}}}"#)
}

fn push(collector: &mut Collector, events: &[String]) {
    assert_eq!(collector.push(&mut format!("[{}]", events.join(",")).into_bytes()), Ok(()));
}

fn report(number: usize, duration: &str) -> String {
    let record = format!(
        r#""requestId":"{number}","status":"success","metrics":{{"durationMs":{duration},"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":{number}}}"#
    );
    event("20.000", "report", &record)
}

#[test]
fn a_whole_life_is_measured() {
    let (mut collector, reader) = collector();
    push(
        &mut collector,
        &[
            event("15.064", "initStart", r#""initializationType":"on-demand","phase":"init""#),
            event("15.100", "telemetrySubscription", r#""name":"x","state":"Subscribed","types":["platform"]"#),
            event("15.164", "initRuntimeDone", r#""initializationType":"on-demand","status":"success""#),
            event("15.200", "initReport", r#""initializationType":"on-demand","metrics":{"durationMs":125.33}"#),
            event("15.201", "start", r#""requestId":"1","version":"1""#),
            event("15.210", "runtimeDone", r#""requestId":"1","status":"success","metrics":{"durationMs":9}"#),
            report(1, "9.25"),
        ],
    );
    push(&mut collector, &[event("25.000", "restoreReport", r#""metrics":{"durationMs":70.87}"#)]);
    assert_eq!(collector.startup.init, Some(Thousandths(125_330)));
    assert_eq!(collector.startup.app_load, Some(Thousandths(100_000)));
    assert_eq!(collector.startup.restore, Some(Thousandths(70_870)));
    assert_eq!(
        (collector.memory_size, collector.max_memory_used),
        (Some(Thousandths(128_000)), Some(Thousandths(1_000)))
    );
    let counts = Counts {
        pushes: 2,
        events: 8,
        skipped_events: 1,
        starts: 1,
        reports: 1,
        duration: Thousandths(9_250),
        billed: Thousandths(2_000),
        ..Counts::default()
    };
    assert_eq!(collector.counts, counts);
    let of = r#""function":"hello","version":"1","initialization_type":"on-demand","#;
    assert_eq!(
        lines(collector, reader),
        [
            format!(
                r#"{of}"init_duration_ms":125.33,"app_load_ms":100,"duration_ms":9.25,"billed_duration_ms":2,"max_memory_used_mb":1}}"#
            ),
            format!(r#"{of}"restore_duration_ms":70.87}}"#),
        ]
    );
}

#[test]
fn the_end_of_the_load_may_come_before_its_beginning() {
    let (mut collector, reader) = collector();
    push(&mut collector, &[event("15.164", "initRuntimeDone", "")]);
    assert_eq!(collector.startup.app_load, None);
    push(&mut collector, &[event("15.064", "initStart", "")]);
    assert_eq!(collector.startup.app_load, Some(Thousandths(100_000)));
    // What is older than the latest start changes nothing.
    push(&mut collector, &[event("14.000", "initStart", "")]);
    assert_eq!(collector.startup.app_load, Some(Thousandths(100_000)));
    assert_eq!(lines(collector, reader).len(), 1);
}

#[test]
fn a_second_initialization_is_measured_by_itself() {
    let (mut collector, reader) = collector();
    push(&mut collector, &[event("15.000", "initStart", ""), event("16.000", "initRuntimeDone", "")]);
    // The runtime that was ready is not the one that starts now.
    push(&mut collector, &[event("20.000", "initStart", "")]);
    assert_eq!(collector.startup.app_load, Some(Thousandths(1_000_000)));
    push(&mut collector, &[event("22.000", "initRuntimeDone", "")]);
    assert_eq!(collector.startup.app_load, Some(Thousandths(2_000_000)));
    assert_eq!(lines(collector, reader).len(), 2);
}

#[test]
fn a_push_that_comes_again_counts_once() {
    let (mut collector, reader) = collector();
    let events = [
        event("15.000", "initStart", ""),
        event("16.000", "initRuntimeDone", ""),
        event("16.500", "initReport", r#""metrics":{"durationMs":1}"#),
        event("17.000", "start", r#""requestId":"1""#),
        report(1, "9"),
    ];
    push(&mut collector, &events);
    push(&mut collector, &events);
    push(&mut collector, &[events[4].clone(), report(2, "9")]);
    assert_eq!((collector.counts.reports, collector.counts.starts, collector.counts.duplicate_events), (2, 1, 6));
    assert_eq!(lines(collector, reader).len(), 2);
}

#[test]
fn more_invocations_than_a_line_holds_take_more_lines() {
    let (mut collector, reader) = collector();
    let events: Vec<String> = (0..250).map(|number| report(number, "1")).collect();
    push(&mut collector, &events);
    let counted: Vec<usize> = lines(collector, reader)
        .iter()
        .map(|line| {
            let values = line.split_once("\"duration_ms\":[").unwrap().1.split_once(']').unwrap().0;
            values.split(',').count()
        })
        .collect();
    assert_eq!(counted, [100, 100, 50]);
}

#[test]
fn what_stands_before_a_fault_is_taken() {
    let (mut collector, reader) = collector();
    let mut bytes = format!("[{},{{\"type\":}}]", report(1, "3")).into_bytes();
    assert_eq!(collector.push(&mut bytes), Err(Malformed));
    collector.oversize();
    let counts = collector.counts;
    assert_eq!((counts.pushes, counts.malformed_pushes, counts.oversize_pushes, counts.reports), (2, 1, 1, 1));
    assert_eq!(lines(collector, reader).len(), 1);
}

#[test]
fn failures_and_dropped_records_are_counted() {
    let (mut collector, _reader) = collector();
    push(
        &mut collector,
        &[
            event("15.000", "report", r#""requestId":"1","status":"timeout","metrics":{"durationMs":3000}"#),
            event("15.000", "report", r#""requestId":"2""#),
            event("15.001", "logsDropped", r#""droppedBytes":12345,"droppedRecords":123,"reason":"slow""#),
        ],
    );
    assert_eq!((collector.counts.failures, collector.counts.dropped_records), (2, 123));
}

#[test]
fn an_initialization_type_without_room_is_not_taken() {
    let (mut collector, _reader) = collector();
    let long = "x".repeat(1_000);
    push(&mut collector, &[event("15.000", "initStart", &format!(r#""initializationType":"{long}""#))]);
    assert_eq!(collector.function.initialization_type, "unknown");
    push(&mut collector, &[event("15.001", "initStart", r#""initializationType":"snap-start""#)]);
    assert_eq!(collector.function.initialization_type, "snap-start");
}

#[test]
fn what_came_long_ago_is_forgotten() {
    let mut collector = Collector::new(Function::default(), Sink::new(None, String::new()));
    for number in 0..=Seen::EVENTS {
        push(&mut collector, &[report(number, "1")]);
    }
    push(&mut collector, &[report(1, "1")]);
    assert_eq!(collector.counts.duplicate_events, 1);
    push(&mut collector, &[report(0, "1")]);
    assert_eq!(collector.counts.duplicate_events, 1);
}

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
};

use super::{Batch, LINE_BYTES, MOST_VALUES, Sink};
use crate::{
    collect::Function,
    telemetry::{Metrics, Thousandths},
};

fn function() -> Function {
    Function {
        name: "hello".to_owned(),
        version: "$LATEST".to_owned(),
        initialization_type: "on-demand".to_owned(),
        account_id: String::new(),
    }
}

/// What a sink writes, line by line, and how many of them it says it wrote and didn't.
fn written(namespace: &str, function: &Function, batches: &[Batch]) -> (Vec<String>, u64, u64) {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut sink = Sink::new(Some(File::from(OwnedFd::from(writer))), namespace.to_owned());
    batches.iter().for_each(|batch| sink.write(function, batch));
    let (lines, failures) = (sink.lines, sink.failures);
    drop(sink);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    (text.lines().map(str::to_owned).collect(), lines, failures)
}

fn report(duration: u64, billed: Option<u64>) -> Metrics {
    Metrics { duration: Some(Thousandths(duration)), billed: billed.map(Thousandths), ..Metrics::default() }
}

#[test]
fn a_line_is_what_the_format_asks_for() {
    let mut batch = Batch::default();
    batch.at(1_665_532_815_064_999);
    batch.at(5);
    batch.startup.init = Some(Thousandths(397_680));
    batch.startup.app_load = Some(Thousandths(64_000));
    batch.report(&report(693_920, Some(694_000)));
    let (lines, count, failures) = written("a\"b", &function(), &[batch]);
    let expected = r#"{"_aws":{"Timestamp":1665532815064,"CloudWatchMetrics":[{"Namespace":"a\"b","Dimensions":[["function","version","initialization_type"]],"Metrics":[{"Name":"init_duration_ms","Unit":"Milliseconds"},{"Name":"app_load_ms","Unit":"Milliseconds"},{"Name":"duration_ms","Unit":"Milliseconds"},{"Name":"billed_duration_ms","Unit":"Milliseconds"}]}]},"function":"hello","version":"$LATEST","initialization_type":"on-demand","init_duration_ms":397.68,"app_load_ms":64,"duration_ms":693.92,"billed_duration_ms":694}"#;
    assert_eq!((lines, count, failures), (vec![expected.to_owned()], 1, 0));
}

#[test]
fn values_of_several_invocations_stand_in_one_line() {
    let mut batch = Batch::default();
    batch.report(&report(1_000, None));
    batch.report(&report(2_500, Some(3_000)));
    let (lines, ..) = written("midge", &function(), &[batch]);
    assert!(lines.iter().all(|line| line.ends_with(r#""duration_ms":[1,2.5],"billed_duration_ms":3}"#)), "{lines:?}");
    assert_eq!(lines.len(), 1);
}

#[test]
fn nothing_is_written_of_nothing() {
    let mut only_time = Batch::default();
    only_time.at(5);
    assert_eq!(written("midge", &function(), &[Batch::default(), only_time]), (Vec::new(), 0, 0));
}

#[test]
fn a_dimension_without_a_value_is_left_out() {
    let mut batch = Batch::default();
    batch.startup.restore = Some(Thousandths(1));
    let unnamed = Function { version: "1".to_owned(), ..Function::default() };
    let (lines, ..) = written("midge", &unnamed, &[batch]);
    assert!(lines.iter().all(|line| line.contains(r#""Dimensions":[["version"]]"#)), "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with(r#"},"version":"1","restore_duration_ms":0.001}"#)), "{lines:?}");
}

#[test]
fn the_longest_line_has_room() {
    let mut batch = Batch::default();
    batch.at(u64::MAX);
    let most = Some(Thousandths(u64::MAX));
    for _ in 0..MOST_VALUES {
        assert!(!batch.is_full());
        batch.report(&Metrics { duration: most, billed: most, max_memory_used: most, ..Metrics::default() });
    }
    assert!(batch.is_full());
    (batch.startup.init, batch.startup.app_load, batch.startup.restore) = (most, most, most);
    // The longest that the platform has for a name, a version and a namespace; escaped, each character takes two.
    let function = Function {
        name: "\"".repeat(140),
        version: "\"".repeat(128),
        initialization_type: "\"".repeat(64),
        account_id: String::new(),
    };
    let (lines, count, failures) = written(&"n".repeat(255), &function, &[batch]);
    assert_eq!((count, failures), (1, 0));
    let length = lines.first().map_or(0, String::len);
    assert!((8_000..LINE_BYTES).contains(&length), "{length}");
}

#[test]
fn what_cannot_be_written_is_counted() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut sink = Sink::new(Some(File::from(OwnedFd::from(writer))), "midge".to_owned());
    let mut batch = Batch::default();
    batch.report(&report(1, None));
    sink.write(&function(), &batch);
    // A name far beyond what the platform has.
    sink.write(&Function { name: "x".repeat(LINE_BYTES), ..function() }, &batch);
    assert_eq!((sink.lines, sink.failures), (0, 2));
    let mut silent = Sink::new(None, "midge".to_owned());
    silent.write(&function(), &batch);
    assert_eq!((silent.lines, silent.failures), (0, 0));
}

#[test]
fn numbers_have_no_more_places_than_they_need() {
    for (thousandths, text) in [
        (0, "0"),
        (1, "0.001"),
        (10, "0.01"),
        (100, "0.1"),
        (1_000, "1"),
        (1_234, "1.234"),
        (1_230, "1.23"),
        (1_200, "1.2"),
    ] {
        assert_eq!(Thousandths(thousandths).to_string(), text);
    }
}

//! One meaning, however the bytes are cut.
//!
//! Invariant: whether a client's bytes come at once, in two pieces cut anywhere, or one by one, and however few of the
//! answer's bytes it takes at a time, the handler is shown the same, the same bytes go out, and the connection ends the same
//! way (lingering or not: that depends on whether the client's own end was seen by then).
//!
//! One thing may differ, and is pinned down: a client that asks for 100 (Continue) and has sent nothing of the body yet gets
//! it, or, where nobody reads the body, is told `close`. That is so exactly where the cut lies at the body's first byte.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "common/app.rs"]
mod app;
#[allow(dead_code)]
mod common;

use app::{App, Event};
use common::{Bench, Outcome, Stop};
use midge::{Ended, Limits};

const TAKES: [usize; 3] = [usize::MAX, 7, 1];

#[test]
fn every_cut_gives_the_same_events_and_answers() {
    let messages = messages();
    assert!(messages.len() >= 200, "{}", messages.len());
    let answered = every_cut(&messages, &mut Bench::new());
    assert!(answered > 150, "{answered}");
}

/// With buffers that hold little more than one message, pipelines and bodies are read in many turns.
#[test]
fn every_cut_gives_the_same_in_tiny_slots() {
    let limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };
    let answered = every_cut(&messages(), &mut Bench::sized(1024, 512, 32, limits));
    assert!(answered > 150, "{answered}");
}

#[test]
fn every_cut_gives_the_same_where_limits_are_exceeded() {
    let limits = Limits {
        request_line_bytes: 40,
        head_bytes: 120,
        header_fields: 4,
        chunk_line_bytes: 12,
        chunk_extension_bytes: 16,
        trailer_bytes: 24,
        trailer_fields: 2,
        body_bytes: 20,
        body_in_memory_bytes: 10,
        ..Limits::DEFAULT
    };
    let messages = messages();
    let bench = &mut Bench::sized(2048, 8192, 8, limits);
    let answered = every_cut(&messages, bench);
    assert!(answered > 100, "{answered}");
    let app = App::default();
    let mut refusals: Vec<u16> = messages.iter().flat_map(|message| run(bench, &app, &[message]).statuses()).collect();
    refusals.sort_unstable();
    refusals.dedup();
    for status in [400, 413, 414, 417, 431, 501, 505] {
        assert!(refusals.contains(&status), "no {status} among {refusals:?}");
    }
}

/// Every message behind every other one of a few: what comes first leaves nothing behind.
#[test]
fn a_message_behind_another_is_read_as_by_itself() {
    let messages = messages();
    let (app, bench) = (App::default(), &mut Bench::new());
    let first: [&[u8]; 3] = [
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: v\r\n\r\n",
        b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
    ];
    for before in first {
        let (begin, shown) = (run(bench, &app, &[before]).out, app.take());
        for message in &messages {
            let (alone, events) = (run(bench, &app, &[message]), app.take());
            let behind = run(bench, &app, &[&[before, message].concat()]);
            let wanted = Outcome { out: [&begin[..], &alone.out].concat(), stop: alone.stop };
            assert_eq!(behind, wanted, "{}", message.escape_ascii());
            assert_eq!(app.take(), [&shown[..], &events].concat(), "{}", message.escape_ascii());
        }
    }
}

/// Serves, and forgets whether the end was a lingering one.
fn run(bench: &mut Bench, app: &App, pieces: &[&[u8]]) -> Outcome {
    let mut outcome = bench.run(app, pieces);
    if outcome.stop == Stop::Ended(Ended::Linger) {
        outcome.stop = Stop::Ended(Ended::Close);
    }
    outcome
}

/// Gives the number of messages that were answered at all.
fn every_cut(messages: &[Vec<u8>], bench: &mut Bench) -> usize {
    let app = App::default();
    let mut answered = 0;
    for message in messages {
        let shown = message.escape_ascii();
        bench.take = usize::MAX;
        let whole = (run(bench, &app, &[message]), app.take());
        let waits = waits_for_continue(message);
        let begins = head_end(message);
        let waited = waits.then(|| (run(bench, &app, &[&message[..begins], &message[begins..]]), app.take()));
        if let Some(waited) = &waited {
            check_expectation(&whole, waited);
        }
        let bytes: Vec<&[u8]> = message.chunks(1).collect();
        for take in TAKES {
            bench.take = take;
            for cut in 0..=message.len() {
                let got = (run(bench, &app, &[&message[..cut], &message[cut..]]), app.take());
                let wanted = waited.as_ref().filter(|_| cut == begins).unwrap_or(&whole);
                assert_eq!(&got, wanted, "cut at {cut}, taken by {take}: {shown}");
            }
            let got = (run(bench, &app, &bytes), app.take());
            assert_eq!(&got, waited.as_ref().unwrap_or(&whole), "byte by byte, taken by {take}: {shown}");
        }
        answered += usize::from(!whole.0.out.is_empty());
    }
    answered
}

/// A client that was made to wait is told to go on, once, before all else; or refused, and then no more is read.
fn check_expectation(whole: &(Outcome, Vec<Event>), waited: &(Outcome, Vec<Event>)) {
    let (whole_out, waited_out) = (whole.0.text(), waited.0.text());
    if whole.1.is_empty() {
        // The head is refused, by a limit.
        return assert_eq!(waited, whole);
    }
    match waited_out.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n") {
        Some(rest) => assert_eq!((rest, &whole.1), (whole_out, &waited.1)),
        None => {
            assert!(waited.0.says_close() && waited.0.statuses().len() == 1, "{waited_out}");
            assert_eq!(waited.1, whole.1[..1]);
        }
    }
}

/// Whether it is a request that is accepted and waits for 100 (Continue).
fn waits_for_continue(message: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&message[..head_end(message)]).to_ascii_lowercase();
    text.contains("\r\nexpect: 100-continue\r\n")
        && text.matches("\r\nexpect:").count() == 1
        && text.contains(" http/1.1\r\n")
        && !text.contains("content-length: 0")
        && (text.contains("\r\ncontent-length: ") || text.contains("\r\ntransfer-encoding: "))
}

/// Offset behind the first head.
fn head_end(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

fn messages() -> Vec<Vec<u8>> {
    let lines = include_str!("corpus/messages.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(unescape).collect()
}

/// C escapes: `\r \n \t \0 \\ \" \xHH`.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte != b'\\' {
            byte
        } else {
            match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap();
                    u8::try_from(digit() * 16 + digit()).unwrap()
                }
                escaped @ (b'\\' | b'"') => escaped,
                other => panic!("\\{} in {line}", char::from(other)),
            }
        });
    }
    bytes
}

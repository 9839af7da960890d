//! Invariant: whatever a client sends, however it is cut and however slowly the answers are taken, the handler is shown the same
//! requests, the same bytes go out and the connection ends the same way; the output is well-formed by a reader that shares no code with
//! the engine; there is one answer for each request, and one more if the last thing that came was refused; nothing is
//! read behind an answer that says `close`.
//!
//! Input: three bytes (the limits, how many bytes a write takes, where to cut), then what the client sends.

use midge::{Ended, Limits, Reject};
use midge_tests::wire::{Asked, Duty, Ending, Reader};

use crate::{
    app::{App, Event},
    common::{Bench, Outcome, Stop},
    number,
};

/// Serves one client in four ways.
pub fn check(mut data: &[u8]) {
    let mut bench = match number(&mut data, 3) {
        0 => Bench::new(),
        1 => Bench::sized(1024, 512, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT }),
        _ => Bench::sized(2048, 8192, 8, TIGHT),
    };
    let take = number(&mut data, 64) + 1;
    let cut = number(&mut data, 256).min(data.len());
    let app = App::default();

    let whole = run(&mut bench, &app, &[data]);
    well_formed(&whole);
    bench.take = take;
    // Whoever waits to be told to go on is told so where the bytes are cut there, and the rest may differ too.
    let waits = contains(data, b"100-continue");
    for pieces in [vec![&data[..cut], &data[cut..]], data.chunks(1).collect(), data.chunks(cut.max(1)).collect()] {
        let other = run(&mut bench, &app, &pieces);
        well_formed(&other);
        if !waits {
            assert_eq!(other, whole);
        }
    }
}

const TIGHT: Limits = Limits {
    request_line_bytes: 40,
    head_bytes: 120,
    header_fields: 4,
    chunk_line_bytes: 12,
    chunk_extension_bytes: 16,
    trailer_bytes: 24,
    trailer_fields: 2,
    body_bytes: 20,
    body_in_memory_bytes: 10,
    drain_bytes: 30,
    ..Limits::DEFAULT
};

fn run(bench: &mut Bench, app: &App, pieces: &[&[u8]]) -> (Outcome, Vec<Event>) {
    let mut outcome = bench.run(app, pieces);
    // Lingering or not depends on whether the client's end was seen by then.
    if outcome.stop == Stop::Ended(Ended::Linger) {
        outcome.stop = Stop::Ended(Ended::Close);
    }
    (outcome, app.take())
}

/// What was refused may have been a HEAD, whose refusal has no body.
fn well_formed(run: &(Outcome, Vec<Event>)) {
    if let Err(by_get) = read(run, "GET")
        && read(run, "HEAD").is_err()
    {
        panic!("{by_get}: {:?}", run.0);
    }
}

fn read((outcome, events): &(Outcome, Vec<Event>), refused: &str) -> Result<(), String> {
    let mut reader = Reader::new();
    let mut asked = 0;
    for event in events {
        if let Event::Request { method, version, .. } = event {
            let request = Asked::new(method);
            reader.ask(if *version == "1.0" { request.http10() } else { request });
            asked += 1;
        }
    }
    // What may have been refused before a handler saw it.
    reader.ask(Asked::new(refused));
    let mut answers = 0;
    reader.push(&outcome.out);
    while let Some(response) = reader.response() {
        answers += 1;
        if answers > asked {
            assert!((400..600).contains(&response.head.status), "{} that nobody asked for", response.head.status);
        }
    }
    assert!(matches!(outcome.stop, Stop::Ended(_)), "it waits: {outcome:?}");
    let cut = events.iter().any(|event| matches!(event, Event::Request { path, .. } if path == "/cut"));
    let refused = events.iter().position(|event| matches!(event, Event::Refused(reject) if loses_its_end(*reject)));
    if let Some(refused) = refused {
        let after = events[refused..].iter().find(|event| matches!(event, Event::Request { .. }));
        assert!(after.is_none(), "a request behind a body that was refused: {after:?} in {outcome:?}");
    }
    let tunnel = reader.is_tunnel();
    if let Some(response) = reader.end(Ending::Eof, true) {
        assert!(response.head.minor == 1);
        answers += 1;
    }
    assert!(answers <= asked + 1, "{answers} answers to {asked} requests: {outcome:?}");
    assert!(answers >= asked || cut || tunnel, "{answers} answers to {asked} requests: {outcome:?}");
    // What breaks off doesn't say that it will.
    let excused = |duty| cut && matches!(duty, Duty::Complete | Duty::R06);
    let violations: Vec<_> = reader.violations().iter().filter(|violation| !excused(violation.duty)).collect();
    if violations.is_empty() { Ok(()) } else { Err(format!("{violations:?}")) }
}

/// Whether nobody knows where a body ended that was refused so.
fn loses_its_end(reject: Reject) -> bool {
    matches!(reject, Reject::Chunk(_) | Reject::Trailer | Reject::TrailersTooLarge | Reject::Truncated)
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

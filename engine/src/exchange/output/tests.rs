//! What no handler can bring about on the machine that tests run on: the way of hosts in WebAssembly, and a buffer that is filled to a byte.

extern crate std;

use std::format;

use super::{
    Announced, Closing, Delimiter, Output, OutputState, Stage,
    lines::{MAX_DIGITS, put_number},
};
use crate::http1::status::Status;

/// The state of an answer whose head has begun, in a plain exchange.
fn begun(head_request: bool, status: u16) -> OutputState {
    let mut state = OutputState::NEW;
    state.renew(1_024);
    state.enter(true, head_request);
    let mut output = Output { state: &mut state, buffer: &mut [0; 64] };
    output.begin(Status::new(status));
    state
}

#[test]
fn a_plain_answer_at_once_is_as_one_in_steps() {
    let prepare: [fn(&mut Output<'_>); 4] =
        [|_| {}, |output| output.field(b"x", b"y"), |output| output.declare(2), |output| output.field(b"x y", b"bad")];
    for head_request in [false, true] {
        for status in [200, 204, 205, 304, 404] {
            for (unusual, prepare) in prepare.iter().enumerate() {
                for body in [&b""[..], b"ok", b"longer"] {
                    for room in 0..=20 {
                        let (mut one, mut other) = (begun(head_request, status), begun(head_request, status));
                        let (mut first, mut second) = ([0x55; 20], [0x55; 20]);
                        let mut at_once = Output { state: &mut one, buffer: first.get_mut(..room).unwrap_or_default() };
                        let mut in_steps =
                            Output { state: &mut other, buffer: second.get_mut(..room).unwrap_or_default() };
                        prepare(&mut at_once);
                        prepare(&mut in_steps);
                        let before = format!("{:?}", at_once.state);
                        let bodiless = head_request || matches!(status, 204 | 205 | 304);
                        let fits = room >= at_once.state.end + body.len() && at_once.state.fault.is_none();
                        let done = at_once.plain_answer(body);
                        assert_eq!(done, fits && !bodiless && unusual < 2, "{status} {unusual} {room}");
                        if done {
                            let closing = Closing { date: None, keep: false };
                            assert!(in_steps.end_head(Announced::Length(body.len() as u64), closing).is_ok());
                            assert_eq!(in_steps.write(body), Ok(body.len()));
                            assert_eq!(in_steps.finish(), Ok(true));
                            assert_eq!(at_once.plain_head(), in_steps.plain_head());
                            assert_eq!(at_once.pending(), in_steps.pending());
                            assert_eq!(format!("{:?}", at_once.state), format!("{:?}", in_steps.state));
                            assert_eq!(first, second);
                        } else {
                            assert_eq!(format!("{:?}", at_once.state), before);
                        }
                    }
                }
            }
        }
    }
}

/// An answer whose body is chunked, in a buffer that has this room left.
fn with_room(room: usize, test: impl FnOnce(&mut Output<'_>)) {
    let mut state = OutputState::HTTP1;
    state.reset(1_024);
    state.enter(true, false);
    state.stage = Stage::Body(Delimiter::Chunked(None));
    let mut buffer = [0x55; 100];
    (state.end, state.committed) = (buffer.len() - room, buffer.len() - room);
    test(&mut Output { state: &mut state, buffer: &mut buffer });
}

#[test]
fn a_chunk_is_opened_where_there_is_room_for_a_byte_of_it_and_for_the_body_s_end() {
    for room in 0..100_usize {
        // Its size and what ends it, and the body.
        let most = room.saturating_sub(6 + 7);
        with_room(room, |output| {
            let end = output.state.end;
            assert_eq!(output.write(&[b'x'; 100]), Ok(most), "{room}");
            let chunk = if most > 0 { 6 + most + 2 } else { 0 };
            assert_eq!((output.state.end, output.state.committed), (end + chunk, end + chunk), "{room}");
        });
        with_room(room, |output| {
            assert_eq!(output.space().map(|space| space.len()), Ok(most), "{room}");
            output.filled(most);
            assert_eq!(output.space().map(|space| space.len()), Ok(0), "{room}");
        });
    }
}

#[test]
fn a_body_ends_where_there_is_room_for_all_of_its_end() {
    for room in 0..20 {
        with_room(room, |output| assert_eq!(output.finish(), Ok(room >= 5), "{room}"));
        with_room(room, |output| {
            let begins = room >= 5;
            assert_eq!(output.begin_trailers(), begins, "{room}");
            assert_eq!((output.state.fault, output.state.end), (None, 100 - room + if begins { 3 } else { 0 }));
        });
    }
}

#[test]
fn a_number_is_written_as_it_is_and_ends_a_head() {
    let powers = (0..20).map(|power| 10_u64.pow(power));
    for number in (0..1_000).chain(powers.flat_map(|power| [power - 1, power, power + 1])).chain([u64::MAX]) {
        let mut place = [0x55; MAX_DIGITS + 4];
        let length = put_number(&mut place, number);
        assert_eq!(place.get(..length), Some(format!("{number}\r\n\r\n").as_bytes()));
    }
}

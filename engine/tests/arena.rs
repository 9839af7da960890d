//! The handler's scratch memory.
//!
//! Invariant: every request finds the arena as empty as the first one did, whatever became of the ones before it, and it never
//! grows beyond what it was given.

#![cfg(feature = "arena")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    cell::RefCell,
    future::pending,
    pin::pin,
    task::{Context, Poll, Waker},
};

use common::{HOST, Wire};
use midge::{Field, Limits, ManualClock, Peer, Request, Response, Slot, Watch, serve};

/// Serves one connection with these request targets, and drops it when it waits.
fn room_for_each(slot: &mut Slot<'_>, targets: &[&str]) -> Vec<usize> {
    let seen = RefCell::new(Vec::new());
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let arena = request.arena();
        seen.borrow_mut().push(arena.chunk_capacity());
        arena.alloc_slice_fill_copy(1_000, 7_u8);
        assert!(arena.try_alloc_slice_fill_copy(100_000, 7_u8).is_err(), "more than it was given");
        match request.path() {
            "/wait" => pending().await,
            "/fail" => Err(midge::Failure::new(500)),
            _ => response.status(200).empty().await,
        }
    };
    let pipeline: String = targets.iter().map(|target| format!("GET /{target} HTTP/1.1\r\n{HOST}")).collect();
    let mut wire = Wire::new(&[pipeline.as_bytes()]);
    let (limits, clock, watch) = (Limits::DEFAULT, ManualClock::new(), Watch::new());
    {
        let mut serving = pin!(serve(&mut wire, &handler, slot, &limits, &clock, Peer::Unknown, &watch));
        for _ in 0..10 {
            if let Poll::Ready(ended) = serving.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                ended.unwrap();
                break;
            }
        }
    }
    seen.take()
}

#[test]
fn every_request_finds_the_arena_empty() {
    let (mut input, mut output, mut fields) = ([0; 4096], [0; 8192], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields).with_arena(8_192);
    let rooms = room_for_each(&mut slot, &["", "", "fail", ""]);
    assert!(rooms.len() == 4 && rooms[0] >= 8_192 && rooms.iter().all(|room| *room == rooms[0]), "{rooms:?}");
    assert_eq!(room_for_each(&mut slot, &["", ""]), [rooms[0]; 2]);
}

#[test]
fn a_request_that_is_abandoned_gives_the_arena_back() {
    let (mut input, mut output, mut fields) = ([0; 4096], [0; 8192], [Field::EMPTY; 8]);
    let mut slot = Slot::new(&mut input, &mut output, &mut fields).with_arena(8_192);
    let first = room_for_each(&mut slot, &["wait"]);
    assert_eq!((first.len(), room_for_each(&mut slot, &[""])), (1, first));
}

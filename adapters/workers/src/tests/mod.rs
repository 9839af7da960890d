//! The crate against a host that does what a test says (`double.rs`): what the shim can't be brought to do in a test of its own, and errors of
//! the platform's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed, and says where"
)]

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{string::String, vec::Vec};

use midge::Handler;

use crate::{
    abi::{FETCH, Memory},
    double::with,
    host::{Headers, serve},
};

mod calls;
mod events;
mod requests;

/// Polls `future` until it is ready: how often it waited, and what it gave.
fn run<F: Future>(future: F) -> (u32, F::Output) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for waited in 0..100 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (waited, output);
        }
    }
    panic!("it waits for ever");
}

/// What a future gives that doesn't wait.
fn ready<F: Future>(future: F) -> F::Output {
    let (waited, output) = run(future);
    assert_eq!(waited, 0);
    output
}

/// Serves the host's request in little memory, with all header fields; how often it waited, and the state that the host is given.
fn request(handler: impl Handler) -> (u32, u32) {
    request_with::<All>(handler)
}

fn request_with<H: Headers + Default>(handler: impl Handler) -> (u32, u32) {
    let memory = Memory::<128, 16, 256>::new();
    with(|host| host.start(&memory));
    run(serve(FETCH, handler, || &memory, H::default()))
}

#[derive(Default)]
struct All;

impl Headers for All {
    const NAMES: Option<&'static [&'static str]> = None;
}

#[derive(Default)]
struct Two;

impl Headers for Two {
    const NAMES: Option<&'static [&'static str]> = Some(&["accept", "cookie"]);
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).into()).collect()
}

/// A row as the ABI has it.
fn row(values: &[(u8, &[u8])]) -> Vec<u8> {
    values.iter().flat_map(|(tag, value)| [&[*tag][..], &(value.len() as u32).to_le_bytes(), value].concat()).collect()
}

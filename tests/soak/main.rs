//! A mixed load, hostile and honest at once, against a server in a process of its own: no answer is wrong, and its memory stays as it is.
//!
//! As a test it takes a few rounds. `tests/proofs/soak MINUTES` sets `MIDGE_SOAK_SECONDS`, and then rounds go on for so long.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "this is a test")]

mod honest;
mod hostile;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use midge_tests::server::Server;
use rustix::process::{Pid, Signal, kill_process};

use crate::{honest::Honest, hostile::ATTACKS};

/// Rounds after which each slot has served each thing.
const WARM_UP: u64 = 2;
const ROUNDS: u64 = 8;
/// What one client asks in a round.
const EXCHANGES: u64 = 40;
const CLIENTS: u64 = 3;
/// What the memory that was written to may grow by: pages of what was set aside at start (768 KiB of buffers for the slots) are written to
/// for the first time when as much comes at once, which may be late. What is set aside may not grow at all.
const SLACK: u64 = 128 << 10;

#[test]
fn a_mixed_load_finds_no_wrong_answer_and_takes_no_memory() {
    let mut server = Server::start_with("soak", ["--workers", "2"]).unwrap();
    let address = server.address();
    let process = server.child().id();
    let length = std::env::var("MIDGE_SOAK_SECONDS").ok().map(|text| Duration::from_secs(text.parse().unwrap()));

    // Under another program, the memory is that one's, and each answer takes fifty times as long.
    let under = std::env::var_os("MIDGE_UNDER").is_some();
    let exchanges = if under { EXCHANGES / 8 } else { EXCHANGES };

    let begun = Instant::now();
    let (mut warm, mut aside, mut most, mut answers, mut refused, mut again) = (0, 0, 0, 0, 0, 0);
    for round in 0.. {
        if length.map_or(round == ROUNDS, |length| begun.elapsed() >= length) && round > WARM_UP {
            break;
        }
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let mut honest = Honest::new(address, round * CLIENTS + number);
                    scope.spawn(move || {
                        (0..exchanges).for_each(|_| honest.ask());
                        (honest.answers, honest.again)
                    })
                })
                .collect();
            for attack in ATTACKS {
                refused += attack(address, round);
            }
            for client in clients {
                let (given, asked_again) = client.join().unwrap();
                answers += given;
                again += asked_again;
            }
        });
        let now = memory(process);
        if round == WARM_UP {
            (warm, aside) = (now, set_aside(process));
        }
        most = now.max(most);
        if round.is_power_of_two() || round % 256 == 0 {
            println!("round {round}: {} s, {answers} answers, {} KiB", begun.elapsed().as_secs(), now >> 10);
        }
    }
    let last = memory(process);
    println!(
        "{answers} answers, each byte of them checked, {again} of them asked for again; {refused} attacks refused as they should be; \
         {} KiB after round {WARM_UP}, {} KiB at most, {} KiB at the end",
        warm >> 10,
        most >> 10,
        last >> 10
    );
    if !under {
        assert!(last <= warm + SLACK, "the server's memory grew from {warm} to {last} bytes");
        assert_eq!(set_aside(process), aside, "the server took more memory");
    }
    kill_process(Pid::from_child(server.child()), Signal::TERM).unwrap();
    assert!(server.child().wait().unwrap().success(), "the server ends in good order");
}

/// Bytes that the process has for itself: what it has written to.
fn memory(process: u32) -> u64 {
    bytes(process, "smaps_rollup", "Anonymous:")
}

/// Bytes that the process may write to: its heaps and stacks, touched or not.
fn set_aside(process: u32) -> u64 {
    bytes(process, "status", "VmData:")
}

fn bytes(process: u32, file: &str, name: &str) -> u64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{process}/{file}")) else {
        // Not Linux: then only the answers count.
        return 0;
    };
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Numbers without a pattern that a server could depend on; the same in each run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub(crate) fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

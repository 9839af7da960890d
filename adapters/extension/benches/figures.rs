//! Prints what the extension costs a function: `tests/extension/run figures` builds what this needs, and starts it.
//!
//! The invocations go through the platform's own emulator, with the extension and without it in turns, so that whatever else the
//! machine does meets both alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that panics is none, and says why"
)]
#![allow(dead_code, reason = "what is shared with the tests, which use more of it")]

#[path = "../tests/emulator/emulated.rs"]
mod emulated;
#[path = "../../../tests/lambda/fake.rs"]
mod fake;
#[path = "../../../tests/lambda/rie.rs"]
mod rie;
#[path = "../tests/api/support.rs"]
mod support;

use std::time::{Duration, Instant};

use emulated::Emulated;
use rie::Client;

const ROUNDS: usize = 20;
const INVOCATIONS: usize = 500;

fn main() {
    for (mode, variables) in [("classic", &[][..]), ("managed", &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")])] {
        let mut each: [Vec<Duration>; 2] = Default::default();
        let mut pair: [Emulated; 2] = [false, true].map(|with| Emulated::start(with, variables));
        let mut clients = [0, 1].map(|index| Client::connect(pair[index].address));
        for round in 0..=ROUNDS {
            for index in [0, 1] {
                for _ in 0..INVOCATIONS {
                    let begun = Instant::now();
                    pair[index].invoke(&mut clients[index]);
                    // The first round warms up.
                    if round > 0 {
                        each[index].push(begun.elapsed());
                    }
                }
            }
        }
        pair.iter_mut().for_each(Emulated::end);
        let [without, with] = each.map(|mut times| {
            times.sort_unstable();
            [10, 50, 90].map(|percent| times[times.len() * percent / 100])
        });
        println!("{mode}: 10th, 50th and 90th percentile of an invocation without {without:.0?}, with {with:.0?}");
    }
}

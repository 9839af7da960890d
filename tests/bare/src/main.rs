//! Calls every public function of the engine in a program that has nothing but `core`: no allocator, no standard library,
//! no operating system. That it links is the proof that the engine needs none; where it can be run, it also says
//! whether everything did what it should.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod around;
mod by_hand;
mod checks;
mod data;
mod io;
mod served;
mod values;

use core::{hint, panic::PanicInfo};

use checks::Checks;

/// 0 if everything did what it should; else where the first thing that did not is: 10,000 times the number of its file, and
/// its line.
#[expect(unsafe_code, reason = "an entry point is found by its plain name; this program has no other of that name")]
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> u32 {
    let mut checks = Checks::new();
    values::reach(&mut checks);
    served::reach(&mut checks);
    by_hand::reach(&mut checks);
    around::reach(&mut checks);
    data::reach(&mut checks);
    checks.first_failed()
}

/// The place is looked at so that the compiler keeps it: tests/nopanic tells panics by their places.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hint::black_box(info.location());
    loop {
        hint::spin_loop();
    }
}

//! The engine's wire layer, compiled as it stands, in a library whose panic handler calls a function that nobody has: what can reach a
//! panic does not link. One exported function for each of its own, so that the compiler knows nothing of what comes in.
#![no_std]
#![deny(unsafe_code)]
#![allow(private_interfaces, reason = "what is exported is called by nobody")]

// What the wire layer finds under that name.
extern crate midge_opaque_httparse as httparse;

#[path = "../../../engine/src/http1/mod.rs"]
#[allow(dead_code, missing_docs, unfulfilled_lint_expectations, reason = "the engine looks to that")]
mod http1;

mod calls;
mod panics;

use core::{
    panic::{Location, PanicInfo},
    ptr,
};

#[expect(unsafe_code, reason = "that it has no body anywhere is the point")]
unsafe extern "C" {
    fn midge_a_panic_can_be_reached(line: u32, file: *const u8) -> !;
}

/// It takes the place along, which is how a panic that is left is told.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let place = info.location();
    #[expect(unsafe_code, reason = "what calls it doesn't link")]
    unsafe {
        midge_a_panic_can_be_reached(
            place.map_or(0, Location::line),
            place.map_or(ptr::null(), |place| place.file().as_ptr()),
        )
    }
}

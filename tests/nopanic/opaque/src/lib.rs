//! httparse as seen by a compiler that knows nothing of it: its types, and in place of its parser a function whose answer may be
//! anything that these types can hold.
#![no_std]
#![forbid(unsafe_code)]

use core::hint::black_box;

pub use httparse::{EMPTY_HEADER, Error, Header, Result, Status};

/// The answer is anything: another length than `src` has, another number of fields than there is room for, bytes from elsewhere.
///
/// # Errors
///
/// Any.
#[inline(never)]
pub fn parse_headers<'b: 'h, 'h>(src: &'b [u8], dst: &'h mut [Header<'b>]) -> Result<(usize, &'h [Header<'b>])> {
    black_box(src);
    black_box(&mut *dst);
    black_box(Ok(Status::Complete((0, dst))))
}

type Parse<'b, 'h> = fn(&'b [u8], &'h mut [Header<'b>]) -> Result<(usize, &'h [Header<'b>])>;

/// Both have one type.
#[allow(dead_code, reason = "that it compiles is enough")]
fn both<'b: 'h, 'h>() -> [Parse<'b, 'h>; 2] {
    [parse_headers, httparse::parse_headers]
}

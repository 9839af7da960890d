//! What a connection in flight holds beside its buffers is published, and doesn't grow unseen.

use midge::{Connection, Exchange, Field, Slot};

/// What the documentation of the three says. Where addresses have 32 bits, tests/bare looks.
#[test]
#[cfg(target_pointer_width = "64")]
fn sizes_are_no_larger_than_documented() {
    let (slot, exchange) = if cfg!(feature = "arena") { (1_744, 152) } else { (1_720, 144) };
    assert!(Slot::SIZE <= slot, "{}", Slot::SIZE);
    assert!(Connection::SIZE <= 56, "{}", Connection::SIZE);
    assert!(Exchange::SIZE <= exchange, "{}", Exchange::SIZE);
    assert!(size_of::<Field>() <= 16, "{}", size_of::<Field>());
}

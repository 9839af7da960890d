//! What a connection in flight holds beside its buffers is published, and doesn't grow unseen.

use midge::{Connection, Exchange, Field, Slot};

/// What the documentation of the three says. Where addresses have 32 bits, tests/bare looks.
#[test]
#[cfg(target_pointer_width = "64")]
fn sizes_are_no_larger_than_documented() {
    let (slot, exchange) = if cfg!(feature = "arena") { (1_744, 152) } else { (1_720, 144) };
    for (what, size, most) in [
        ("a slot", Slot::SIZE, slot),
        ("a connection", Connection::SIZE, 56),
        ("an exchange", Exchange::SIZE, exchange),
        ("a field", size_of::<Field>(), 16),
    ] {
        assert!(size <= most, "{what} takes {size} bytes, documented are {most}");
    }
}

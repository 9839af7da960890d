//! What was found to hold.

use core::fmt::{self, Write};

/// Remembers the first thing that does not hold.
#[derive(Debug)]
pub struct Checks {
    first_failed: u32,
}

impl Checks {
    /// Nothing failed yet.
    pub const fn new() -> Self {
        Self { first_failed: 0 }
    }

    /// Notes whether what stands in this place holds.
    pub fn that(&mut self, place: u32, holds: bool) {
        if !holds && self.first_failed == 0 {
            self.first_failed = place;
        }
    }

    /// The place of the first thing that does not hold; 0 if there is none.
    pub const fn first_failed(&self) -> u32 {
        self.first_failed
    }
}

/// Text that is written in place: what does not fit is left out.
#[derive(Debug)]
pub struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    /// The text of `value`.
    pub fn of(value: fmt::Arguments<'_>) -> Self {
        let mut text = Self { bytes: [0; 512], length: 0 };
        // It doesn't fail: what is too long is cut.
        let _ = text.write_fmt(value);
        text
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

/// Notes whether a condition holds, with its file's number and its line.
macro_rules! check {
    ($checks:expr, $holds:expr) => {
        $checks.that(crate::checks::FILE_PLACES * FILE + ::core::line!(), $holds)
    };
}
pub(crate) use check;

/// What a file's number is multiplied by.
pub const FILE_PLACES: u32 = 10_000;

//! Bytes moved within their buffer.

/// Moves `buffer[start..end]` to where `to` is. Mostly there is nothing to move.
#[inline]
pub(crate) fn shift(buffer: &mut [u8], start: usize, end: usize, to: usize) {
    if start < end {
        shift_some(buffer, start, end, to);
    }
}

/// Positions are kept so that all is within the buffer; that it is checked here leaves `copy_within` nothing to panic about, which a small
/// program notices: the message is a kilobyte.
#[cold]
fn shift_some(buffer: &mut [u8], start: usize, end: usize, to: usize) {
    let fits = buffer.len().checked_sub(end.wrapping_sub(start)).is_some_and(|last| to <= last);
    debug_assert!(start <= end && end <= buffer.len() && fits, "{start}..{end} to {to} of {}", buffer.len());
    if start <= end && end <= buffer.len() && fits {
        buffer.copy_within(start..end, to);
    }
}

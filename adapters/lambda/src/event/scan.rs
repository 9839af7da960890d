//! Finds the end of a string's simple part, sixteen bytes at a time.

use midge::letter_bits;

#[cfg(target_arch = "x86_64")]
use self::block::plain_bits;
#[cfg(not(target_arch = "x86_64"))]
use self::words::plain_bits;

/// The number of bytes before the first that is not simply itself: a quote, a backslash, a control character, one beyond ASCII.
#[inline(always)]
pub(super) fn plain(bytes: &[u8]) -> usize {
    match plain_blocks(bytes) {
        Ok(length) => length,
        Err(passed) => passed + plain_part(bytes.get(passed..).unwrap_or_default()),
    }
}

/// The same as long as there are whole blocks; an error after the last one, with the length of them all.
#[inline(always)]
pub(super) fn plain_blocks(bytes: &[u8]) -> Result<usize, usize> {
    let (mut rest, mut passed) = (bytes, 0);
    while let Some((block, behind)) = rest.split_first_chunk() {
        let length = plain_of(block);
        if length < BLOCK {
            return Ok(passed + length);
        }
        (rest, passed) = (behind, passed + BLOCK);
    }
    Err(passed)
}

/// One bit for each byte of a window that is not simply itself, the first one's lowest.
#[inline(always)]
pub(super) fn special(window: &Window) -> u32 {
    match window.as_chunks().0 {
        [first, second, ..] => !(plain_bits(first) | plain_bits(second) << BLOCK),
        _ => u32::MAX,
    }
}

/// Whether a window begins with so many letters or `-`, and these are one at least.
#[inline(always)]
pub(super) fn begins_with_letters(window: &Window, length: usize) -> bool {
    let [first, second, ..] = window.as_chunks().0 else { return false };
    let (letters, last) = ((!letter_bits(first)).trailing_zeros() as usize, length.wrapping_sub(1));
    // Most names are as short as a block.
    letters > last || letters == BLOCK && (!letter_bits(second)).trailing_zeros() as usize > last.wrapping_sub(BLOCK)
}

/// The number of bytes before the first that is not simply itself.
#[inline(always)]
fn plain_of(block: &[u8; BLOCK]) -> usize {
    (!plain_bits(block)).trailing_zeros() as usize
}

/// [`plain`] of less than a block.
#[inline(never)]
fn plain_part(bytes: &[u8]) -> usize {
    let plain = |word: &[u8; 8]| not_plain(u64::from_le_bytes(*word)).trailing_zeros() as usize / 8;
    let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
        return bytes.iter().take_while(|byte| is_plain(**byte)).count();
    };
    match plain(first) {
        // The last word begins within the first.
        8 => bytes.len() - 8 + plain(last),
        length => length,
    }
}

/// The number of digits at the beginning.
#[inline]
pub(super) fn digits(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // Only digits have a 3 in front both as they are and with 6 more.
    let high = |word: u64| word & (ONES * 0xf0) == ONES * 0x30;
    while let Some((eight, behind)) = rest.split_first_chunk()
        && let word = u64::from_le_bytes(*eight)
        && high(word)
        && high(word.wrapping_add(ONES * 6))
    {
        rest = behind;
    }
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    bytes.len() - rest.len()
}

/// Moves plain characters from `at` to `end`, which is before it. Gives both, after them.
#[inline]
pub(super) fn shift_plain(bytes: &mut [u8], mut at: usize, mut end: usize) -> (usize, usize) {
    while let Some(word) = word(bytes, at)
        && let Some(over) = word_mut(bytes, end)
    {
        let special = not_plain(word);
        if special == 0 {
            // `end + 8` is not beyond `at + 8`: nothing is overwritten that wasn't read.
            *over = word.to_le_bytes();
            (at, end) = (at + 8, end + 8);
        } else {
            // What is behind the plain ones may be unread, and stays.
            let plain = (special.trailing_zeros() / 8) as usize;
            let mask = (1_u64 << (plain * 8)) - 1;
            *over = ((word & mask) | (u64::from_le_bytes(*over) & !mask)).to_le_bytes();
            return (at + plain, end + plain);
        }
    }
    while let Some(byte) = bytes.get(at).copied()
        && is_plain(byte)
    {
        end = put(bytes, end, &[byte]);
        at += 1;
    }
    (at, end)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
}

#[inline]
fn word_mut(bytes: &mut [u8], at: usize) -> Option<&mut [u8; 8]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

#[inline]
const fn is_plain(byte: u8) -> bool {
    (byte as i8 >= b' ' as i8) & (byte != b'"') & (byte != b'\\')
}

#[inline]
pub(super) fn put(bytes: &mut [u8], at: usize, content: &[u8]) -> usize {
    let end = at + content.len();
    if let Some(place) = bytes.get_mut(at..end) {
        place.copy_from_slice(content);
    }
    end
}

/// The high bit of each byte of `word` that is not plain. Above the first such byte a borrow may have set others.
///
/// With one bit flipped the quote is right above the control characters, so that one subtraction finds both, and what it misses of
/// the bytes beyond ASCII the other one keeps.
#[inline]
const fn not_plain(word: u64) -> u64 {
    let flipped = word ^ (ONES * 0x02);
    let quote_or_control = flipped.wrapping_sub(ONES * (b' ' + 1) as u64);
    let backslash = (flipped ^ (ONES * (b'\\' ^ 0x02) as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & (ONES * 0x80)
}

/// Bytes of a window: most members of an object are shorter.
pub(super) const WINDOW: usize = 2 * BLOCK;
/// A window, and so many bytes behind it that four can be looked at from each of its bytes on, and from its end.
pub(super) type Window = [u8; WINDOW + 4];
/// Bytes that are looked at together.
const BLOCK: usize = 16;

const ONES: u64 = u64::MAX / 0xff;

/// Looks at a block, with the vector instructions that every x86-64 has. `core::arch` wants `unsafe` where its own are called.
#[cfg(target_arch = "x86_64")]
mod block {
    use safe_arch::{
        bitandnot_m128i, bitxor_m128i, cmp_eq_mask_i8_m128i, cmp_gt_mask_i8_m128i, load_unaligned_m128i,
        move_mask_i8_m128i, set_splat_i8_m128i,
    };

    use super::BLOCK;

    /// One bit for each byte that is simply itself. With one bit flipped, the quote is right above the control characters; and bytes beyond ASCII are below 0.
    #[inline(always)]
    pub(super) fn plain_bits(block: &[u8; BLOCK]) -> u32 {
        let bytes = load_unaligned_m128i(block);
        let flipped = bitxor_m128i(bytes, set_splat_i8_m128i(0x02));
        let above_quote = cmp_gt_mask_i8_m128i(flipped, set_splat_i8_m128i((b'"' ^ 0x02) as i8));
        let backslash = cmp_eq_mask_i8_m128i(flipped, set_splat_i8_m128i((b'\\' ^ 0x02) as i8));
        move_mask_i8_m128i(bitandnot_m128i(backslash, above_quote)).cast_unsigned()
    }
}

/// The same eight bytes at a time, for processors whose vector instructions are others.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    use super::BLOCK;

    pub(super) fn plain_bits(block: &[u8; BLOCK]) -> u32 {
        bits(block, |word| !(control(word) | equal(word, b'"') | equal(word, b'\\') | word))
    }

    /// One bit for each byte whose high bit `marks` sets.
    fn bits(block: &[u8; BLOCK], marks: impl Fn(u64) -> u64) -> u32 {
        let (words, _) = block.as_chunks::<8>();
        words.iter().rev().fold(0, |bits, word| {
            let marks = (marks(u64::from_le_bytes(*word)) & each(0x80)) >> 7;
            // Gathers eight bits that are eight apart.
            bits << 8 | (marks.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
        })
    }

    /// The same byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::MAX / 0xff * byte as u64
    }

    /// The high bit of each byte that is a control character.
    const fn control(word: u64) -> u64 {
        !(((word & each(0x7f)) + each(0x80 - b' ')) | word)
    }

    /// The high bit of each byte that is `byte`.
    const fn equal(word: u64, byte: u8) -> u64 {
        let differ = word ^ each(byte);
        !(((differ & each(0x7f)) + each(0x7f)) | differ)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "x86_64")]
    use super::block;
    #[cfg(not(target_arch = "x86_64"))]
    use super::words as block;
    use super::{BLOCK, is_plain, plain, words};

    #[test]
    fn less_than_a_block_is_looked_at_like_one() {
        for (length, at, byte) in (0..BLOCK)
            .flat_map(|length| (0..length).flat_map(move |at| (0..=u8::MAX).map(move |byte| (length, at, byte))))
        {
            let mut bytes = [b'a'; BLOCK];
            bytes.iter_mut().skip(at).take(1).for_each(|place| *place = byte);
            let expected = if is_plain(byte) { length } else { at };
            assert_eq!(plain(bytes.get(..length).unwrap_or_default()), expected, "{byte:#x} at {at} of {length}");
        }
    }

    /// Every byte at every place, among bytes of each kind.
    #[test]
    fn vectors_words_and_bytes_agree() {
        for (at, byte) in (0..BLOCK).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            for around in [b'a', b'Z', b'-', b'!', b'~', b' ', b'"', b'\\', 0, 0x1f, 0x7f, 0x80, 0xff] {
                let mut bytes = [around; BLOCK];
                for place in bytes.iter_mut().skip(at).take(1) {
                    *place = byte;
                }
                let expected = bytes.iter().rev().fold(0, |all, byte| all << 1 | u32::from(is_plain(*byte)));
                let masks = (block::plain_bits(&bytes), words::plain_bits(&bytes));
                assert_eq!(masks, (expected, expected), "{bytes:?}");
            }
        }
    }
}

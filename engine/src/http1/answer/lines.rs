//! Field lines as servers write nearly all of them, many bytes at a time.

#[cfg(target_arch = "x86_64")]
use self::block::text_of;
#[cfg(not(target_arch = "x86_64"))]
use self::bytes::text_of;
use crate::http1::{
    fields::{Field, Span},
    letters::letter_bits,
};

/// Reads lines of `name: value` from `bytes[from..]` into `table`, as long as they are plain: a name of letters and `-`, one blank, a
/// value of visible ASCII and blanks within it, CR LF. Gives how many they were and the offset behind them. Any other line is not
/// passed, and has to be read in another way.
#[inline]
pub(super) fn read<'b>(
    bytes: &'b [u8],
    from: usize,
    table: &mut [Field],
    mut note: impl FnMut(&'b [u8], &'b [u8]),
) -> (usize, usize) {
    let mut count = 0;
    let mut rest = bytes.get(from..).unwrap_or_default();
    for place in table {
        let name_length = length(rest, letters_of);
        let Some((name, behind)) = rest.split_at_checked(name_length) else { break };
        let Some(([b':', b' ', first], _)) = behind.split_first_chunk() else { break };
        let value = behind.get(2..).unwrap_or_default();
        let value_length = length(value, text_of);
        // Of an empty value there is no last byte.
        let tail = value.get(value_length.wrapping_sub(1)..).and_then(|tail| tail.split_first_chunk());
        let Some(([last, b'\r', b'\n'], next)) = tail else { break };
        if name_length == 0 || *first == b' ' || *last == b' ' {
            break;
        }
        let at = bytes.len() - rest.len();
        *place = Field {
            name: Span::with_length(at, name_length),
            value: Span::with_length(at + name_length + 2, value_length),
        };
        note(name, value.get(..value_length).unwrap_or_default());
        count += 1;
        rest = next;
        if rest.starts_with(b"\r\n") {
            break;
        }
    }
    (count, bytes.len() - rest.len())
}

/// The number of blanks and visible ASCII before the first other byte, as far as there are whole blocks.
#[inline(always)]
pub(super) fn text(bytes: &[u8]) -> usize {
    length(bytes, text_of)
}

/// The number of bytes before the first that is not of a kind, which `of` counts in a block, as far as there are whole blocks.
#[inline(always)]
fn length(bytes: &[u8], of: impl Fn(&[u8; BLOCK]) -> usize) -> usize {
    let (mut rest, mut passed) = (bytes, 0);
    while let Some((block, behind)) = rest.split_first_chunk() {
        let length = of(block);
        if length < BLOCK {
            return passed + length;
        }
        (rest, passed) = (behind, passed + BLOCK);
    }
    passed
}

/// Letters and `-` at the beginning.
#[inline(always)]
fn letters_of(block: &[u8; BLOCK]) -> usize {
    letter_bits(block).trailing_ones() as usize
}

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// Counts in a block, with the vector instructions that every x86-64 has: `core::arch` wants `unsafe` where its own are called.
#[cfg(target_arch = "x86_64")]
mod block {
    use safe_arch::{
        cmp_eq_mask_i8_m128i, cmp_gt_mask_i8_m128i, load_unaligned_m128i, move_mask_i8_m128i, set_splat_i8_m128i,
    };

    use super::BLOCK;

    /// Blanks and visible ASCII at the beginning. Bytes beyond ASCII are below 0.
    #[inline(always)]
    pub(super) fn text_of(block: &[u8; BLOCK]) -> usize {
        let bytes = load_unaligned_m128i(block);
        let from_blank = cmp_gt_mask_i8_m128i(bytes, set_splat_i8_m128i(b' ' as i8 - 1));
        let delete = cmp_eq_mask_i8_m128i(bytes, set_splat_i8_m128i(0x7f));
        ((move_mask_i8_m128i(from_blank) ^ 0xffff) | move_mask_i8_m128i(delete) | 1 << BLOCK).trailing_zeros() as usize
    }
}

/// The same one byte after the other, for processors whose vector instructions are others.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod bytes {
    use super::BLOCK;

    pub(super) fn text_of(block: &[u8; BLOCK]) -> usize {
        count(block, |byte| matches!(byte, b' '..=b'~'))
    }

    fn count(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> usize {
        block.iter().position(|byte| !is(*byte)).unwrap_or(BLOCK)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]
mod tests {
    use super::{BLOCK, bytes, read, text_of};
    use crate::http1::fields::{self, Field};

    /// Every byte at every place of a block, among bytes of each kind.
    #[test]
    fn blocks_and_bytes_agree() {
        for (at, byte) in (0..BLOCK).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            for around in [b'a', b'Z', b'-', b' ', b'~', 0, 0x1f, 0x7f, 0x80, 0xff] {
                let mut block = [around; BLOCK];
                block[at] = byte;
                assert_eq!(text_of(&block), bytes::text_of(&block), "{block:?}");
            }
        }
    }

    /// What is read here is read in the same way elsewhere, with every byte in place of every other.
    #[test]
    fn lines_are_what_they_are_to_the_other_reader() {
        let text = b"a-Name: some value\r\nb: x\r\nLong-Enough-For-Words: and a long value\r\n\r\n";
        for (at, byte) in (0..text.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            let mut bytes = *text;
            bytes[at] = byte;
            let (mut own, mut other) = ([Field::EMPTY; 4], [Field::EMPTY; 4]);
            let (count, end) = read(&bytes, 0, &mut own, |_, _| {});
            // The lines that were passed and an empty one are a whole section.
            let section = [&bytes[..end], b"\r\n"].concat();
            let read = fields::read::<8>(&section, 0, &mut other, |_, _, _| {});
            assert!(
                matches!(&read, Ok(Some(section)) if section.count == count && section.end == end + 2),
                "{bytes:?}"
            );
            assert_eq!(own[..count], other[..count], "{bytes:?}");
        }
        assert_eq!(read(text, 0, &mut [Field::EMPTY; 4], |_, _| {}).0, 3);
        assert_eq!(read(text, 0, &mut [Field::EMPTY; 2], |_, _| {}).0, 2);
    }
}

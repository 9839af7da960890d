//! Letters, sixteen bytes at a time: names of fields are made of little else.

/// One bit for each byte of a block that is an ASCII letter or `-`, the first byte's lowest. Names of fields are tokens (RFC 9110,
/// section 5.6.2), and nearly all of them are made of these alone: a name whose bytes are all marked is one.
///
/// ```
/// let letters = midge::letter_bits(b"content-type: te");
/// assert_eq!(letters.trailing_ones(), 12);
/// ```
#[must_use]
#[inline(always)]
pub fn letter_bits(block: &[u8; 16]) -> u32 {
    bits(block)
}

#[cfg(not(target_arch = "x86_64"))]
use self::word_bits as bits;

/// With the vector instructions that every x86-64 has: `core::arch` wants `unsafe` where its own are called.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn bits(block: &[u8; 16]) -> u32 {
    use safe_arch::{
        bitor_m128i, cmp_eq_mask_i8_m128i, load_unaligned_m128i, min_u8_m128i, move_mask_i8_m128i, set_splat_i8_m128i,
        sub_i8_m128i,
    };

    let bytes = load_unaligned_m128i(block);
    let small = bitor_m128i(bytes, set_splat_i8_m128i(0x20));
    let from_a = sub_i8_m128i(small, set_splat_i8_m128i(b'a' as i8));
    let letter = cmp_eq_mask_i8_m128i(from_a, min_u8_m128i(from_a, set_splat_i8_m128i((b'z' - b'a') as i8)));
    let dash = cmp_eq_mask_i8_m128i(bytes, set_splat_i8_m128i(b'-' as i8));
    move_mask_i8_m128i(bitor_m128i(letter, dash)).cast_unsigned()
}

/// The same eight bytes at a time, for processors whose vector instructions are others.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn word_bits(block: &[u8; 16]) -> u32 {
    const EACH: u64 = u64::MAX / 0xff;
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        let word = u64::from_le_bytes(*word);
        let small = (word | (EACH * 0x20)) & (EACH * 0x7f);
        // One of the two reaches the high bit from a to z, both behind z.
        let letter = (small + EACH * (0x80 - b'a' as u64)) ^ (small + EACH * (0x7f - b'z' as u64));
        let differ = word ^ (EACH * b'-' as u64);
        let dash = !(((differ & (EACH * 0x7f)) + EACH * 0x7f) | differ);
        // A high bit for each; then eight bits that are eight apart are gathered.
        let marks = ((letter | dash) & !word & (EACH * 0x80)) >> 7;
        bits << 8 | (marks.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::{letter_bits, word_bits};

    /// Every byte at every place, among bytes of each kind.
    #[test]
    fn vectors_words_and_bytes_agree() {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
        for (at, byte) in (0..16).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            for around in [b'a', b'Z', b'-', b'@', b'[', b'`', b'{', b' ', 0, 0x7f, 0x80, 0xff] {
                let mut block = [around; 16];
                block.iter_mut().skip(at).take(1).for_each(|place| *place = byte);
                let expected = block.iter().rev().fold(0, |all, byte| all << 1 | u32::from(is_letter(*byte)));
                assert_eq!((letter_bits(&block), word_bits(&block)), (expected, expected), "{block:?}");
            }
        }
    }
}

//! Finds the end of a string's simple part, eight bytes at a time.

/// Offset of the first byte from `at` on that is not simply itself: a quote, a backslash, a control character, one beyond ASCII.
/// The slice's end, if there is none.
#[inline(always)]
pub(super) fn plain(bytes: &[u8], at: usize) -> usize {
    let Some(near) = bytes.get(at..).and_then(|rest| rest.first_chunk::<NEAR>()) else { return plain_far(bytes, at) };
    for (index, eight) in near.as_chunks::<8>().0.iter().enumerate() {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + index * 8 + (special.trailing_zeros() / 8) as usize;
        }
    }
    plain_far(bytes, at + NEAR)
}

/// The same for long strings, and near the document's end.
#[inline(never)]
fn plain_far(bytes: &[u8], at: usize) -> usize {
    let mut rest = bytes.get(at..).unwrap_or_default();
    // Compilers make vector instructions of this.
    while let Some((many, tail)) = rest.split_first_chunk::<32>()
        && many.as_chunks::<8>().0.iter().fold(0, |all, eight| all | special(u64::from_le_bytes(*eight))) == 0
    {
        rest = tail;
    }
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return bytes.len() - rest.len() + (special.trailing_zeros() / 8) as usize;
        }
        rest = tail;
    }
    let offset = rest.iter().position(|byte| !is_plain(*byte));
    offset.map_or(bytes.len(), |offset| bytes.len() - rest.len() + offset)
}

/// Offset of the first byte from `at` on that is neither a letter nor `-`. It may say so too early of a long run.
#[inline(always)]
pub(super) fn letters(bytes: &[u8], at: usize) -> usize {
    let Some(near) = bytes.get(at..).and_then(|rest| rest.first_chunk::<NEAR>()) else { return at };
    for (index, eight) in near.as_chunks::<8>().0.iter().enumerate() {
        let other = no_letter(u64::from_le_bytes(*eight));
        if other != 0 {
            return at + index * 8 + (other.trailing_zeros() / 8) as usize;
        }
    }
    at + NEAR
}

/// Moves plain characters from `at` to `end`, which is before it. Gives both, after them.
#[inline]
pub(super) fn shift_plain(bytes: &mut [u8], mut at: usize, mut end: usize) -> (usize, usize) {
    while let Some(word) = word(bytes, at)
        && let Some(over) = word_mut(bytes, end)
    {
        let special = special(word);
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

/// The high bit of each byte of `word` that is not plain: a byte beyond ASCII keeps its own in one of the three at least. Above the
/// first such byte a borrow may have set others.
#[inline]
const fn special(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * b' ' as u64);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (control | quote | backslash) & (ONES * 0x80)
}

/// The high bit of each byte of `word` that is neither a letter nor `-`. Above the first such byte a carry may have set others.
#[inline]
const fn no_letter(word: u64) -> u64 {
    let small = word | (ONES * 0x20);
    let from_a = small.wrapping_add(ONES * (0x80 - b'a' as u64));
    let beyond_z = small.wrapping_add(ONES * (0x7f - b'z' as u64));
    let no_dash = (word ^ (ONES * b'-' as u64)).wrapping_add(ONES * 0x7f);
    (((!from_a | beyond_z) & no_dash) | word) & (ONES * 0x80)
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

/// Bytes that are looked at without a loop: most strings are shorter.
const NEAR: usize = 32;

const ONES: u64 = u64::MAX / 0xff;

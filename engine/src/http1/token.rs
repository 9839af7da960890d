//! The bytes that a token may hold (RFC 9110, section 5.6.2).

/// Whether `byte` is a `tchar`, of which methods, field names, and the names and values of parameters are made
/// (RFC 9110, section 5.6.2).
#[must_use]
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for every u8")]
pub const fn is_tchar(byte: u8) -> bool {
    TCHAR[byte as usize]
}

/// `tchar` by byte.
static TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        #[expect(clippy::indexing_slicing, reason = "the loop ends at the table's length")]
        {
            table[byte] = byte < 128
                && matches!(byte as u8,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
                | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::is_tchar;

    #[test]
    fn a_tchar_is_a_visible_ascii_character_but_no_delimiter() {
        for byte in 0..=u8::MAX {
            let delimiter = br#""(),/:;<=>?@[\]{}"#.contains(&byte);
            assert_eq!(is_tchar(byte), byte.is_ascii_graphic() && !delimiter, "{byte:#04x}");
        }
    }
}

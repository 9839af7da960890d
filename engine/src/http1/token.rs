//! The bytes that a token, a target and a host may hold (RFC 9110, section 5.6.2; RFC 3986).

/// Whether `byte` is a `tchar`, of which methods, field names, and the names and values of parameters are made
/// (RFC 9110, section 5.6.2).
#[must_use]
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for every u8")]
pub const fn is_tchar(byte: u8) -> bool {
    TCHAR[byte as usize]
}

/// Whether a request target may hold this byte: visible ASCII but `"`, `#`, `<` and `>`. URIs have a few less (RFC 3986),
/// but browsers do send `|`, `{` and their like.
#[inline]
pub(crate) const fn is_target(byte: u8) -> bool {
    is_class(byte, TARGET)
}

/// Whether a host that is no IP literal may hold this byte (RFC 3986, section 3.2.2), but for `%`.
#[inline]
pub(super) const fn is_host_byte(byte: u8) -> bool {
    is_class(byte, HOST)
}

#[inline]
const fn is_class(byte: u8, class: u8) -> bool {
    // The table has an entry for every byte.
    #[expect(clippy::indexing_slicing, reason = "256 entries")]
    let classes = CLASSES[byte as usize];
    classes & class != 0
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

const TARGET: u8 = 1;
const HOST: u8 = 2;

/// One bit for each class that a byte is in.
#[expect(clippy::indexing_slicing, reason = "made by the compiler")]
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7f {
        if !matches!(byte, b'"' | b'#' | b'<' | b'>') {
            table[byte as usize] |= TARGET;
        }
        // reg-name: unreserved / sub-delims; pct-encoded is looked at apart (RFC 3986, section 3.2.2).
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
        {
            table[byte as usize] |= HOST;
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

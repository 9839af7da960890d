//! Percent-encoded text: what is below it, and what is refused.

use midge::{Failure, PercentEncoded, PercentError};

#[test]
fn text_is_decoded_once() {
    let cases: [(&str, Result<&str, PercentError>); 18] = [
        ("", Ok("")),
        ("plain", Ok("plain")),
        ("a%20b", Ok("a b")),
        ("%41%42", Ok("AB")),
        ("caf%C3%A9", Ok("café")),
        ("caf%c3%a9", Ok("café")),
        ("%2541", Ok("%41")),
        ("a%2Fb", Ok("a/b")),
        ("a+b", Ok("a+b")),
        ("%00", Ok("\0")),
        ("%", Err(PercentError::Malformed)),
        ("a%4", Err(PercentError::Malformed)),
        ("a%4g", Err(PercentError::Malformed)),
        ("a%g4", Err(PercentError::Malformed)),
        ("%%41", Err(PercentError::Malformed)),
        ("%+1", Err(PercentError::Malformed)),
        ("%ff", Err(PercentError::NotUtf8)),
        // An overlong `/`.
        ("%C0%AF", Err(PercentError::NotUtf8)),
    ];
    for (text, expected) in cases {
        assert_eq!(PercentEncoded::new(text).decode(&mut [0; 16]), expected, "{text:?}");
    }
}

#[test]
fn every_pair_of_bytes_after_a_percent_sign_is_judged_as_hexadecimal_digits() {
    for pair in 0..=u16::MAX {
        let [high, low] = pair.to_be_bytes();
        let text = [b'%', high, low];
        let digits = [high, low];
        let expected = if digits.iter().all(u8::is_ascii_hexdigit) {
            str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
        } else {
            None
        };
        let mut buffer = [0; 1];
        let decoded =
            PercentEncoded::new(&text).decode_bytes(&mut buffer).ok().and_then(|bytes| bytes.first().copied());
        assert_eq!(decoded, expected, "{text:?}");
    }
}

#[test]
fn a_plus_is_a_space_in_forms_alone() {
    assert_eq!(PercentEncoded::form("a+b%2B").decode(&mut [0; 16]), Ok("a b+"));
    assert_eq!(PercentEncoded::form("a+b%2B").plain(), None);
    assert_eq!(PercentEncoded::new("a+b").plain(), Some(b"a+b".as_slice()));
}

#[test]
fn what_is_not_encoded_is_not_copied() {
    let text = "plain";
    let decoded = PercentEncoded::new(text).decode(&mut []);
    assert_eq!(decoded.map(str::as_ptr), Ok(text.as_ptr()));
}

#[test]
fn a_buffer_that_is_too_small_is_an_error() {
    let text = PercentEncoded::new("%41%42%43");
    assert_eq!(text.decode(&mut [0; 2]), Err(PercentError::TooLong));
    assert_eq!(text.decode(&mut [0; 3]), Ok("ABC"));
}

#[test]
fn values_are_parsed_below_the_encoding() {
    assert_eq!(PercentEncoded::new("%34%32").parse(), Ok(42));
    assert_eq!(PercentEncoded::new("4x").parse::<u8>(), Err(PercentError::Value));
    assert_eq!(PercentEncoded::new("300").parse::<u8>(), Err(PercentError::Value));
    assert_eq!(PercentEncoded::new(&[b'1'; 65]).parse::<u64>(), Err(PercentError::Value));
    assert_eq!(PercentEncoded::new(&"%31".repeat(65)).parse::<u64>(), Err(PercentError::TooLong));
}

#[test]
fn texts_are_compared_below_the_encoding() {
    assert!(PercentEncoded::new("a%2Fb").is("a/b"));
    assert!(!PercentEncoded::new("a%2Fb").is("a/bc"));
    assert!(!PercentEncoded::new("a%2").is("a%2"));
}

#[test]
fn nothing_follows_an_error() {
    let mut bytes = PercentEncoded::new("a%zzb").bytes();
    assert_eq!(bytes.next(), Some(Ok(b'a')));
    assert_eq!(bytes.next(), Some(Err(PercentError::Malformed)));
    assert_eq!(bytes.next(), None);
}

#[test]
fn errors_are_answered_400() {
    for error in [PercentError::Malformed, PercentError::NotUtf8, PercentError::TooLong, PercentError::Value] {
        assert_eq!(Failure::from(error).status().code(), 400, "{error}");
    }
}

#[cfg(feature = "arena")]
#[test]
fn an_arena_takes_what_has_to_be_copied() {
    let arena = bumpalo::Bump::with_capacity(256);
    arena.set_allocation_limit(Some(arena.allocated_bytes()));
    assert_eq!(PercentEncoded::new("a%20b").decode_in(&arena), Ok("a b"));
    assert_eq!(PercentEncoded::new("plain").decode_in(&arena), Ok("plain"));
    assert_eq!(PercentEncoded::new("%").decode_in(&arena), Err(PercentError::Malformed));
    assert_eq!(PercentEncoded::new("%ff").decode_in(&arena), Err(PercentError::NotUtf8));
    let long = "%41".repeat(4096);
    assert_eq!(PercentEncoded::new(&long).decode_in(&arena), Err(PercentError::TooLong));
}

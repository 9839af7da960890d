//! Invariant: a query or form has the pairs that the URL standard's algorithm (crate `form_urlencoded`) finds in it, decoded pair by pair or in
//! place, or is refused where it is malformed; percent-decoding is the same in every way of asking; cookies are parts of their field.
//!
//! Input: the text.

use midge::{Form, Pairs, PercentEncoded, PercentError, Request, Response, testing};

/// Decodes one text in every way.
pub fn check(data: &[u8]) {
    percent(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What the model puts in the place of bytes that aren't UTF-8 has to stand for that alone.
    if text.contains('\u{fffd}') || text.to_ascii_uppercase().contains("%EF%BF%BD") {
        return;
    }
    let expected: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let by_pairs = pairs(text);
    let mut body = data.to_vec();
    let by_form = Form::decode(&mut body)
        .map(|form| form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>());
    assert_eq!(by_pairs.is_ok(), by_form.is_ok(), "{by_pairs:?}, {by_form:?}");
    assert_eq!(by_pairs.is_err(), is_malformed(text, &expected));
    if let (Ok(pairs), Ok(form)) = (by_pairs, by_form) {
        assert_eq!(pairs, expected);
        assert_eq!(form, expected);
    }
    cookies(data);
}

fn percent(data: &[u8]) {
    let encoded = PercentEncoded::new(data);
    let mut buffer = vec![0; data.len()];
    let by_bytes: Result<Vec<u8>, PercentError> = encoded.bytes().collect();
    let decoded = encoded.decode_bytes(&mut buffer).map(<[u8]>::to_vec);
    assert_eq!(decoded, by_bytes);
    if let Ok(decoded) = decoded {
        assert!(decoded.len() <= data.len());
        if let Ok(text) = std::str::from_utf8(&decoded) {
            assert!(encoded.is(text));
        }
    }
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, PercentError> {
    let mut buffer = vec![0; text.len()];
    let mut pairs = Vec::new();
    for (name, value) in Pairs::new(text).iter() {
        let name = name.decode(&mut buffer)?.to_owned();
        pairs.push((name, value.decode(&mut buffer)?.to_owned()));
    }
    Ok(pairs)
}

/// What the standard passes on as it is: a `%` without two digits, and what isn't UTF-8.
fn is_malformed(text: &str, pairs: &[(String, String)]) -> bool {
    let bytes = text.as_bytes();
    let is_broken =
        |at: usize| !bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let broken = bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && is_broken(at));
    let replaced = pairs.iter().any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'));
    broken || replaced
}

fn cookies(data: &[u8]) {
    let field: Vec<u8> = data.iter().copied().filter(|byte| (b' '..0x7f).contains(byte)).take(4_000).collect();
    let field = field.trim_ascii();
    let request = [b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ", field, b"\r\n\r\n"].concat();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let text = request.header("cookie").unwrap_or_default();
        for (name, value) in request.cookies().iter() {
            assert!(text.contains(name) && text.contains(value));
            assert!(request.cookies().get(name).is_some());
        }
        response.status(204).empty().await
    };
    let mut scratch = Box::new(testing::Scratch::new());
    let answer = testing::call(&handler, &request, &mut scratch).expect("an answer");
    assert_eq!(answer.status(), 204);
}

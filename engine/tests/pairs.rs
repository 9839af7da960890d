//! Queries, forms and cookies.
//!
//! Invariant: a well-formed query or form has the pairs that the WHATWG's algorithm (crate `form_urlencoded`) finds in it, whether it is decoded pair by pair
//! or in place; a malformed one is refused, and changes nothing else.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use common::Random;
use midge::{Failure, Form, Pairs, PercentError, Request, Response, Sent, testing};

fn pairs_of(query: &str) -> Result<Vec<(String, String)>, PercentError> {
    let mut buffer = vec![0; query.len()];
    let mut pairs = Vec::new();
    for (name, value) in Pairs::new(query).iter() {
        let name = name.decode(&mut buffer)?.to_owned();
        pairs.push((name, value.decode(&mut buffer)?.to_owned()));
    }
    Ok(pairs)
}

fn form_of(body: &str) -> Result<Vec<(String, String)>, PercentError> {
    let mut body = body.as_bytes().to_vec();
    Ok(Form::decode(&mut body)?.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn model(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// What the model passes on as it is: a `%` without digits, and bytes that aren't UTF-8.
fn is_malformed(query: &str) -> bool {
    let bytes = query.as_bytes();
    let is_broken =
        |at: usize| !bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let broken = bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && is_broken(at));
    broken || model(query).iter().any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'))
}

#[test]
fn pairs_are_those_of_the_url_standard() {
    for query in [
        "",
        "a",
        "a=",
        "=",
        "=b",
        "a=b",
        "a=b=c",
        "a&b",
        "&&a=1&&b=2&",
        "a+b=c+d",
        "a%20b=%26%3d",
        "%c3%a9=%C3%A9",
        "a=1&a=2&A=3",
        "a;b=1",
        "a=%00",
        "\u{e9}=\u{e9}",
    ] {
        assert_eq!(pairs_of(query).unwrap(), model(query), "{query}");
        assert_eq!(form_of(query).unwrap(), model(query), "{query}");
    }
}

#[test]
fn random_pairs_are_those_of_the_url_standard() {
    let mut random = Random::new(1);
    let pieces =
        ["a", "b", "=", "&", "+", "%41", "%e2%82%ac", "%", "%4", "%zz", "%ff", "%c3", "\u{e9}", "%26", "%3D", "%25"];
    let (mut good, mut bad) = (0, 0);
    for _ in 0..40_000 {
        let query: String = (0..random.below(12)).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect();
        if is_malformed(&query) {
            bad += 1;
            assert!(pairs_of(&query).is_err(), "{query}");
            assert!(form_of(&query).is_err(), "{query}");
        } else {
            good += 1;
            assert_eq!(pairs_of(&query).unwrap(), model(&query), "{query}");
            assert_eq!(form_of(&query).unwrap(), model(&query), "{query}");
        }
    }
    assert!(good > 5_000 && bad > 5_000, "{good} {bad}");
}

#[test]
fn pairs_are_found_by_their_decoded_names() {
    let query = "a=1&%61=2&b=x+y&c&%zz=3";
    let mut buffer = [0; 8];
    let pairs = Pairs::new(query);
    assert_eq!(pairs.all("a").map(|value| value.raw()).collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(pairs.get("b").unwrap().decode(&mut buffer), Ok("x y"));
    assert_eq!(pairs.get("c").unwrap().plain(), Some(&b""[..]));
    assert!(pairs.get("%zz").is_none() && pairs.get("d").is_none());

    let mut body = *b"a=1&%61=2&b=x+y&c";
    let form = Form::decode(&mut body).unwrap();
    assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((form.get("b"), form.get("c"), form.get("d")), (Some("x y"), Some(""), None));
    assert_eq!(format!("{form:?}"), r#"{"a": "1", "a": "2", "b": "x y", "c": ""}"#);
}

#[test]
fn a_malformed_form_says_what_is_wrong() {
    assert_eq!(Form::decode(&mut b"a=%4".to_vec()).unwrap_err(), PercentError::Malformed);
    assert_eq!(Form::decode(&mut b"%ff".to_vec()).unwrap_err(), PercentError::NotUtf8);
    // Marks between the pairs are bytes that only something malformed could hold.
    assert_eq!(Form::decode(&mut b"a=\xff".to_vec()).unwrap_err(), PercentError::NotUtf8);
    assert_eq!(Form::decode(&mut b"a\xfe=".to_vec()).unwrap_err(), PercentError::NotUtf8);
}

async fn greet(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let form = request.form().await?;
    response.status(200).text(form.get("name").unwrap_or("nobody")).await
}

fn posted(content_type: &str, body: &str) -> (u16, String) {
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{content_type}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(&greet, request.as_bytes(), &mut scratch).unwrap();
    (answer.status(), String::from_utf8(answer.body().to_vec()).unwrap())
}

#[test]
fn a_form_has_to_be_called_one() {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(posted(FORM, "name=A%2bB"), (200, "A+B".into()));
    assert_eq!(
        posted("Content-Type: Application/X-WWW-Form-Urlencoded; charset=UTF-8\r\n", "name=A"),
        (200, "A".into())
    );
    assert_eq!(posted(FORM, "").1, "nobody");
    let unsupported = "415 Unsupported Media Type: this wants application/x-www-form-urlencoded\n";
    for content_type in ["", "Content-Type: text/plain\r\n", "Content-Type: a b\r\n", &FORM.repeat(2)] {
        assert_eq!(posted(content_type, "name=A"), (415, unsupported.into()), "{content_type}");
    }
    let (status, text) = posted(FORM, "name=%");
    assert_eq!((status, text.contains("hexadecimal")), (400, true), "{text}");
    assert_eq!(posted(FORM, &format!("name={}", "x".repeat(20_000))).0, 413);
}

#[test]
fn a_form_is_the_same_however_it_is_cut() {
    let body = "a=%C3%A9+&name=x%26y";
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length";
    let request = format!("{head}: {}\r\n\r\n{body}", body.len());
    for cut in 0..request.len() {
        let (front, back) = request.as_bytes().split_at(cut);
        let outcome = common::Bench::new().run(&greet, &[front, back]);
        assert!(outcome.text().ends_with("\r\n\r\nx&y"), "{cut}: {outcome:?}");
    }
}

#[test]
fn cookies_are_read_from_all_fields() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let cookies: Vec<_> = request.cookies().iter().collect();
        assert_eq!(request.cookies().get("a"), Some("1"));
        assert_eq!(request.cookies().all("a").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(request.cookies().get("A"), None);
        response.status(200).text(format!("{cookies:?}")).await
    };
    let request =
        b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=\"q\"; =c;novalue; x\xff=1; d = e=f \r\nCOOKIE: a=3;;b\r\n\r\n";
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(&handler, request, &mut scratch).unwrap();
    let wanted = r#"[("a", "1"), ("b", "\"q\""), ("", "c"), ("d", "e=f"), ("a", "3")]"#;
    assert_eq!(std::str::from_utf8(answer.body()).unwrap(), wanted);
}

//! Content negotiation and media types.
//!
//! Invariant: the offer that is chosen is the one that RFC 9110, section 12.5, weighs most; what is malformed weighs nothing.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::cell::RefCell;

use midge::{MediaType, Request, Response, testing};

/// What `choose` says of a request with this field.
fn asked(field: &str, choose: impl Fn(&Request<'_>) -> Option<&'static str>) -> Option<&'static str> {
    let chosen = RefCell::new(None);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        *chosen.borrow_mut() = choose(&request);
        response.status(204).empty().await
    };
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n");
    let mut scratch = testing::Scratch::new();
    assert_eq!(testing::call(&handler, request.as_bytes(), &mut scratch).unwrap().status(), 204, "{request}");
    chosen.into_inner()
}

fn media(accept: &str, offers: &[&'static str]) -> Option<&'static str> {
    asked(&format!("Accept: {accept}\r\n"), |request| request.accepts(offers))
}

#[test]
fn the_rfcs_media_ranges() {
    // RFC 9110, section 12.5.1.
    assert_eq!(media("audio/*; q=0.2, audio/basic", &["audio/mpeg", "audio/basic"]), Some("audio/basic"));
    assert_eq!(media("audio/*; q=0.2, audio/basic", &["audio/mpeg"]), Some("audio/mpeg"));
    let four = "text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c";
    assert_eq!(media(four, &["text/plain", "text/x-dvi"]), Some("text/x-dvi"));
    assert_eq!(media(four, &["text/plain", "text/x-c", "text/html"]), Some("text/x-c"));

    // The table of weights: each offer against one whose weight is just below, and just above.
    let table = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5";
    for (offer, weight) in [
        ("text/plain;format=flowed", 1_000),
        ("text/plain", 700),
        ("text/html", 300),
        ("image/jpeg", 500),
        ("text/plain;format=fixed", 400),
        ("text/html;level=3", 300),
    ] {
        for (other, wins) in [(weight - 1, true), (weight + 1, false)] {
            let accept = format!("{table}, a/b;q={}.{:03}", other / 1_000, other % 1_000);
            if other <= 1_000 {
                assert_eq!(media(&accept, &["a/b", offer]) == Some(offer), wins, "{accept}: {offer}");
            }
        }
    }
}

#[test]
fn the_most_specific_range_counts_and_of_equals_the_first_offer() {
    assert_eq!(media("text/html;q=0, */*", &["text/html", "text/plain"]), Some("text/plain"));
    assert_eq!(media("*/*, text/html;q=0", &["text/html"]), None);
    assert_eq!(media("*/*", &["a/b", "c/d"]), Some("a/b"));
    assert_eq!(media("a/b, c/d", &["c/d", "a/b"]), Some("c/d"));
    assert_eq!(media("TEXT/HTML;Q=1.0", &["text/html"]), Some("text/html"));
    assert_eq!(media("text/html;charset=\"UTF-8\"", &["text/html;charset=utf-8"]), Some("text/html;charset=utf-8"));
    assert_eq!(media("text/html;charset=utf-8", &["text/html"]), None);
    assert_eq!(media("a/b;x=\"1,2\";q=0.1, c/d;q=0.2", &["a/b;x=\"1,2\"", "c/d"]), Some("c/d"));
    assert_eq!(media("a/b;q=0.5;ext=1", &["a/b"]), Some("a/b"));
    assert_eq!(media("a/b", &[]), None);
    assert_eq!(asked("", |request| request.accepts(&["a/b", "c/d"])), Some("a/b"));
    assert_eq!(asked("Accept: a/b;q=0.1\r\nAccept: c/d\r\n", |request| request.accepts(&["a/b", "c/d"])), Some("c/d"));
}

#[test]
fn a_malformed_range_or_weight_is_passed_over() {
    for malformed in [
        "text",
        "text/",
        "/html",
        "text/html/x",
        "text html",
        "text/html;",
        "*",
        "",
        ",,",
        "text/html;q",
        "text/html;q=",
        "text/html;q=2",
        "text/html;q=1.001",
        "text/html;q=0.0001",
        "text/html;q=.5",
        "text/html;q=-1",
        "text/html;q=a",
        "text/html;q=00",
        "text/html;q=0",
        "text/html;q =1",
    ] {
        let accept = format!("{malformed}, a/b;q=0.001");
        // `text/html;` has an empty parameter, which is allowed (section 5.6.6).
        let wanted = if malformed == "text/html;" { "text/html" } else { "a/b" };
        assert_eq!(media(&accept, &["text/html", "a/b"]), Some(wanted), "{malformed}");
        assert_eq!(media(malformed, &["text/html"]).is_some(), malformed == "text/html;", "{malformed}");
    }
}

#[test]
fn encodings() {
    let encoding = |accept: &str, offers: &[&'static str]| {
        asked(&format!("Accept-Encoding: {accept}\r\n"), |request| request.accepts_encoding(offers))
    };
    let all = ["br", "gzip", "identity"];
    // RFC 9110, section 12.5.3.
    assert_eq!(encoding("compress, gzip", &all), Some("gzip"));
    assert_eq!(encoding("", &all), Some("identity"));
    assert_eq!(encoding("*", &all), Some("br"));
    assert_eq!(encoding("compress;q=0.5, gzip;q=1.0", &all), Some("gzip"));
    assert_eq!(encoding("gzip;q=1.0, identity; q=0.5, *;q=0", &all), Some("gzip"));
    assert_eq!(encoding("gzip, br;q=0.5", &all), Some("gzip"));
    assert_eq!(encoding("deflate", &all), Some("identity"));
    assert_eq!(encoding("identity;q=0", &["identity"]), None);
    assert_eq!(encoding("*;q=0", &all), None);
    assert_eq!(encoding("*;q=0, identity;q=0.1", &all), Some("identity"));
    assert_eq!(encoding("GZIP;q=0.001", &all), Some("gzip"));
    assert_eq!(encoding("gzip;q=2, br;x=1", &all), Some("identity"));
    assert_eq!(asked("", |request| request.accepts_encoding(&["br", "identity"])), Some("identity"));
    assert_eq!(asked("", |request| request.accepts_encoding(&["br"])), Some("br"));
}

#[test]
fn languages() {
    let language = |accept: &str, offers: &[&'static str]| {
        asked(&format!("Accept-Language: {accept}\r\n"), |request| request.accepts_language(offers))
    };
    // RFC 9110, section 12.5.4.
    let danish = "da, en-gb;q=0.8, en;q=0.7";
    assert_eq!(language(danish, &["en", "en-GB", "da"]), Some("da"));
    assert_eq!(language(danish, &["en", "en-GB"]), Some("en-GB"));
    assert_eq!(language(danish, &["en-US"]), Some("en-US"));
    assert_eq!(language(danish, &["fr"]), None);
    assert_eq!(language("de-CH", &["en", "de"]), Some("de"));
    assert_eq!(language("de", &["en", "de-CH"]), Some("de-CH"));
    assert_eq!(language("de", &["den", "d"]), None);
    assert_eq!(language("en;q=0, *;q=0.1", &["en", "fr"]), Some("fr"));
    assert_eq!(language("*", &["x", "y"]), Some("x"));
    assert_eq!(asked("", |request| request.accepts_language(&["en", "de"])), Some("en"));
}

#[test]
fn media_types_are_read_with_their_parameters() {
    let media = MediaType::parse(" text/html ; Charset=utf-8;; boundary=\"a b\\\"c\\\\\" ;x=1").unwrap();
    assert_eq!((media.kind(), media.subtype()), ("text", "html"));
    let parameters: Vec<_> = media.parameters().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(parameters, ["Charset=utf-8", "boundary=a b\"c\\", "x=1"]);
    let boundary = media.parameter("BOUNDARY").unwrap();
    assert_eq!((boundary.plain(), boundary.is("a b\"c\\"), boundary.is("a b")), (None, true, false));
    assert_eq!((boundary.decode(&mut [0; 6]), boundary.decode(&mut [0; 5])), (Some("a b\"c\\"), None));
    assert_eq!(media.parameter("charset").unwrap().plain(), Some("utf-8"));
    assert!(media.parameter("none").is_none());
    for (text, is_json) in
        [("application/json", true), ("a/b+JSON", true), ("a/json", false), ("a/b+jsonx", false), ("a/+json", true)]
    {
        assert_eq!(MediaType::parse(text).unwrap().is_json(), is_json, "{text}");
    }
    for text in [
        "",
        "text",
        "text/",
        "/html",
        "te xt/html",
        "text/html/x",
        "text /html",
        "text/ html",
        "text/html; a",
        "text/html; =b",
        "text/html; a=",
        "text/html; a =b",
        "text/html; a= b",
        "text/html; a=\"b",
        "text/html; a=\"b\\\"",
        "text/html; a=\"b\"c",
        "text/html, a/b",
        "text/html; a=b c",
        "t\u{e9}xt/html",
    ] {
        assert!(MediaType::parse(text).is_none(), "{text}");
    }
}

//! Answers that come up again and again, and what is written into bodies by formatting.
//!
//! Invariant: what can't be sent as it was meant is refused before a byte of it goes out, and what is formatted goes out whole, whatever little room
//! there is at a time.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{fmt, time::Duration};

use common::{Bench, HOST};
use midge::{
    CookieError, Date, Failure, Handler, Limits, Request, Response, ResponseError, SameSite, SetCookie, testing,
};

/// Status, fields and body of the answer.
fn answer(handler: &impl Handler) -> (u16, Vec<(String, String)>, String) {
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(handler, format!("GET / HTTP/1.1\r\n{HOST}").as_bytes(), &mut scratch).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields = answer.headers().iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
    (answer.status(), fields, text(answer.body()))
}

fn field(handler: &impl Handler, name: &str) -> Option<String> {
    answer(handler).1.into_iter().find(|(each, _)| each == name).map(|(_, value)| value)
}

#[test]
fn text_and_html_say_what_they_are() {
    let text = async |_: Request<'_>, response: Response<'_>| response.status(200).text("\u{e9}").await;
    assert_eq!(field(&text, "content-type").unwrap(), "text/plain; charset=utf-8");
    assert_eq!(answer(&text).2, "\u{e9}");
    let html = async |_: Request<'_>, response: Response<'_>| response.status(404).html("<p>").await;
    assert_eq!(field(&html, "content-type").unwrap(), "text/html; charset=utf-8");
    assert_eq!((answer(&html).0, answer(&html).2), (404, "<p>".to_owned()));
}

#[test]
fn a_redirect_has_its_status_and_location() {
    for status in [301, 302, 303, 307, 308] {
        for location in ["/", "//a/b", "https://a.example:80/b?c=d#e", "?q=%20%C3%a9", "../x", "/a'(b)[c];d@!$&*+,~"] {
            let handler = async |_: Request<'_>, response: Response<'_>| response.redirect(status, location).await;
            let (found, fields, body) = answer(&handler);
            assert_eq!((found, body.as_str()), (status, ""));
            assert_eq!(fields, [("location".to_owned(), location.to_owned()), ("content-length".into(), "0".into())]);
        }
    }
}

#[test]
fn a_redirect_elsewhere_is_refused() {
    let refused = |status, location, error: ResponseError| {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let failure = response.redirect(status, location).await.unwrap_err();
            assert_eq!(failure, Failure::from(error), "{status} {location:?}");
            Err(failure)
        };
        assert_eq!((answer(&handler).0, field(&handler, "location")), (500, None));
    };
    for status in [0, 200, 300, 304, 305, 306, 309, 400] {
        refused(status, "/", ResponseError::Status);
    }
    for location in [
        "",
        "/a b",
        "/a\r\nx: y",
        "/\t",
        "/\u{e9}",
        "/\u{7f}",
        "/%",
        "/%4",
        "/%zz",
        "/<",
        "/>",
        "/\"",
        "/\\",
        "/^",
        "/`",
        "/{",
        "/|",
        "/}",
    ] {
        refused(303, location, ResponseError::Location);
    }
}

#[test]
fn not_modified_has_no_body_and_no_length() {
    let handler =
        async |_: Request<'_>, response: Response<'_>| response.not_modified().header("etag", "\"1\"").empty().await;
    assert_eq!(answer(&handler), (304, vec![("etag".into(), "\"1\"".into())], String::new()));
}

#[test]
fn cookies_are_set_each_in_a_field_of_its_own() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let date = Date::from_unix_seconds(784_111_777);
        let full =
            SetCookie::new("a", "1").path("/p").domain("a.example").expires(date).max_age(Duration::from_secs(60));
        let full = full.secure().http_only().partitioned().same_site(SameSite::None);
        response.status(204).cookie(&full).cookie(&SetCookie::forget("b")).empty().await
    };
    let (status, fields, _) = answer(&handler);
    let full = "a=1; Path=/p; Domain=a.example; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=60; Secure; HttpOnly; Partitioned; SameSite=None";
    let wanted = [("set-cookie".to_owned(), full.to_owned()), ("set-cookie".into(), "b=; Max-Age=0".into())];
    assert_eq!((status, &fields[..]), (204, &wanted[..]));
    assert_eq!(SetCookie::new("a", "b").same_site(SameSite::Strict).to_string(), "a=b; SameSite=Strict");
}

#[test]
fn a_cookie_that_breaks_a_rule_is_refused() {
    let good = SetCookie::new("name", "value");
    let long = "x".repeat(4_093);
    for cookie in [
        good,
        SetCookie::new("a", ""),
        SetCookie::new("a", "\"quoted\""),
        SetCookie::new("a", "!#$%&'()*+-./09:<=>?@AZ[]^_`az{|}~"),
        SetCookie::new("abc", &long),
        good.path("/a b,c"),
        good.domain("a-1.example"),
        good.same_site(SameSite::Lax),
        SetCookie::new("__Secure-a", "1").secure(),
        SetCookie::new("__Host-a", "1").secure().path("/"),
        SetCookie::new("__Hosta", "1"),
    ] {
        assert_eq!(cookie.check(), Ok(()), "{cookie}");
    }
    let mut broken = Vec::new();
    broken.extend(
        ["", "a b", "a=b", "a;b", "\u{e9}", "a\r\n"].map(|name| (SetCookie::new(name, "1"), CookieError::Name)),
    );
    broken.extend(
        [" ", "a b", ";", ",", "\\", "a\"", "\"a", "\"a\"b\"", "\u{e9}", "a\r\nset-cookie: b=c", "\u{7f}"]
            .map(|value| (SetCookie::new("a", value), CookieError::Value)),
    );
    broken.push((SetCookie::new("abcd", &long), CookieError::TooLong));
    broken.extend(["", "a", "/;", "/\u{e9}", "/\n"].map(|path| (good.path(path), CookieError::Path)));
    broken.extend(
        ["", ".", "a..b", ".a", "a.", "-a", "a-", "a;b", "a b", "a_b", "\u{e9}"]
            .map(|domain| (good.domain(domain), CookieError::Domain)),
    );
    broken.push((good.same_site(SameSite::None), CookieError::NotSecure));
    broken.push((good.partitioned(), CookieError::NotSecure));
    broken.push((SetCookie::new("__Secure-a", "1"), CookieError::Prefix));
    broken.push((SetCookie::new("__SECURE-a", "1"), CookieError::Prefix));
    let host = SetCookie::new("__host-a", "1");
    broken.extend([
        (host.path("/"), CookieError::Prefix),
        (host.secure(), CookieError::Prefix),
        (host.secure().path("/a"), CookieError::Prefix),
        (host.secure().path("/").domain("a.example"), CookieError::Prefix),
    ]);
    for (cookie, error) in broken {
        assert_eq!(cookie.check(), Err(error), "{cookie}");
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let failure = response.status(200).cookie(&cookie).empty().await.unwrap_err();
            assert_eq!(failure, Failure::from(ResponseError::Cookie));
            Err(failure)
        };
        assert_eq!((answer(&handler).0, field(&handler, "set-cookie")), (500, None));
    }
}

/// The body that comes out where the output buffer has this size and the client takes that much at a time.
fn formatted(handler: &impl Handler, output: usize, take: usize) -> Vec<u8> {
    let mut bench = Bench::sized(4096, output, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    bench.take = take;
    bench.open = true;
    let outcome = bench.run(handler, &[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
    assert!(outcome.out.starts_with(b"HTTP/1.1 200 "), "{outcome:?}");
    let end = outcome.out.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    outcome.out[end + 4..].to_vec()
}

/// Data of a chunked body.
fn dechunked(mut rest: &[u8]) -> String {
    let mut data = Vec::new();
    loop {
        let line = rest.iter().position(|byte| *byte == b'\r').unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return String::from_utf8(data).unwrap();
        }
        data.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}

#[test]
fn what_is_formatted_goes_out_whole_whatever_the_room() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        write!(body, "{} of {}, ", 1, 2).await?;
        let long = "\u{e9}".repeat(1_000);
        write!(body, "{long}|{long}|{:>3000}", 7).await?;
        write!(body, "").await?;
        body.finish().await
    };
    let wanted = format!("1 of 2, {0}|{0}|{1:>3000}", "\u{e9}".repeat(1_000), 7);
    for output in [400, 512, 1_000, 9_000] {
        for take in [1, 7, usize::MAX] {
            assert_eq!(dechunked(&formatted(&handler, output, take)), wanted, "{output} {take}");
        }
    }
}

#[test]
fn what_is_formatted_is_held_to_the_declared_length() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).length(600).stream().await?;
        write!(body, "{:>600}", 1).await?;
        assert_eq!(write!(body, "x").await.unwrap_err(), Failure::from(ResponseError::Length));
        body.finish().await
    };
    assert_eq!(String::from_utf8(formatted(&handler, 400, 10)).unwrap(), format!("{:>600}", 1));
}

#[test]
fn a_value_that_cant_be_formatted_is_an_error() {
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).stream().await?;
        assert_eq!(write!(body, "a{Broken}").await.unwrap_err(), Failure::from(ResponseError::Format));
        body.trailer("x", "y").await?;
        assert_eq!(write!(body, "a").await.unwrap_err(), Failure::from(ResponseError::Twice));
        body.finish().await
    };
    assert_eq!(dechunked(&formatted(&handler, 400, 10)), "a");
}

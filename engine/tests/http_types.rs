//! Conversions to and from the `http` crate's types.
//!
//! Invariant: what both sides can hold comes over as it is, and what one can't is an error.

#![cfg(feature = "http")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use http::{HeaderMap, StatusCode, request};
use midge::{Failure, HttpError, Method, Request, Response, Status, Version, testing};

#[test]
fn methods_statuses_and_versions_go_both_ways() {
    for name in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "BREW", "get"] {
        let method = http::Method::try_from(Method::from_token(name)).unwrap();
        assert_eq!((method.as_str(), Method::from(&method)), (name, Method::from_token(name)));
    }
    assert_eq!(http::Method::try_from(Method::Other("a b")), Err(HttpError::Method));
    for code in 100..1_000 {
        let status = StatusCode::from_u16(code).unwrap();
        match Status::try_from(status) {
            Ok(found) => assert_eq!((found.code(), StatusCode::from(found)), (code, status)),
            Err(error) => assert_eq!((error, code > 599), (HttpError::Status, true)),
        }
    }
    for version in [Version::Http10, Version::Http11] {
        assert_eq!(Version::try_from(http::Version::from(version)), Ok(version));
    }
    for version in [http::Version::HTTP_09, http::Version::HTTP_2, http::Version::HTTP_3] {
        assert_eq!(Version::try_from(version), Err(HttpError::Version));
    }
}

#[test]
fn a_requests_head_comes_over_whole() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let parts = request::Parts::try_from(&request)?;
        assert_eq!((parts.method, parts.version), (http::Method::PUT, http::Version::HTTP_10));
        assert_eq!((parts.uri.path(), parts.uri.query(), parts.uri.host()), ("/a%20b", Some("c=d"), None));
        let headers = HeaderMap::try_from(request.headers())?;
        assert_eq!((headers.len(), &headers), (4, &parts.headers));
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(headers["x-latin"].as_bytes(), b"\xe9");
        response.status(204).empty().await
    };
    let head = b"PUT /a%20b?c=d HTTP/1.0\r\nHost: a\r\nCookie: a=1\r\nX-Latin: \xe9\r\nCOOKIE: b=2\r\n\r\n";
    assert_eq!(testing::call(&handler, head, &mut testing::Scratch::new()).unwrap().status(), 204);
    for (target, path, host) in [("*", "*", None), ("http://a/b", "/b", Some("a"))] {
        let handler = async |request: Request<'_>, response: Response<'_>| {
            let parts = request::Parts::try_from(&request)?;
            assert_eq!((parts.uri.path(), parts.uri.host()), (path, host));
            response.status(204).empty().await
        };
        let head = format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(testing::call(&handler, head.as_bytes(), &mut testing::Scratch::new()).unwrap().status(), 204);
    }
    assert_eq!(Failure::from(HttpError::Uri).status().code(), 400);
}

#[test]
fn an_answers_head_comes_over_without_its_framing() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let answer = http::Response::builder().status(202).header("x-a", "1").header("x-a", "2");
        let answer =
            answer.header("content-length", "99").header("transfer-encoding", "chunked").header("connection", "close");
        let answer = answer.header("keep-alive", "1").header("upgrade", "x").body("four").unwrap();
        let (parts, body) = answer.into_parts();
        response.http_head(&parts).body(body).await
    };
    let mut scratch = testing::Scratch::new();
    let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch).unwrap();
    let fields: Vec<_> = answer.headers().iter().collect();
    let wanted: [(&str, &[u8]); 3] = [("x-a", b"1"), ("x-a", b"2"), ("content-length", b"4")];
    assert_eq!((answer.status(), &fields[..], answer.body()), (202, &wanted[..], &b"four"[..]));
}

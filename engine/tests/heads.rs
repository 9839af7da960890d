//! Reading heads: request lines, targets, hosts, fields.
//!
//! Invariant: a head is accepted exactly if a reader written from the grammar of RFC 9112 (with what an origin refuses besides)
//! accepts it; no other byte at any place makes it mean something else.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::cell::RefCell;

use common::Bench;
use midge::{Failure, Reject, Request, Response, Sent, Version};

async fn ok(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).empty().await
}

/// The status that the first head is answered with. After a refusal, nothing is.
fn status(bench: &mut Bench, head: &[u8]) -> Option<u16> {
    let statuses = bench.run(&ok, &[head]).statuses();
    assert!(statuses.len() <= 1 || statuses[0] == 200, "{statuses:?} to {}", head.escape_ascii());
    statuses.first().copied()
}

const HEADS: [&str; 5] = [
    "GET /p?q HTTP/1.1\r\nHost: a:80\r\nX-Y: z \r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\t[::1]:8\r\nX:\r\n\r\n",
    "PUT http://h.x/ HTTP/1.0\r\nA: b\r\nhOsT: h%41\r\n\r\n",
    "\r\n\r\nFOO / HTTP/1.1\r\nHost: \r\n\r\n",
    "HEAD / HTTP/1.2\r\nhost: a\r\nB: \"c\",\td\r\n\r\n",
];

#[test]
fn every_byte_at_every_place_of_a_head_is_judged_as_the_grammar_says() {
    let mut bench = Bench::new();
    let mut accepted = 0;
    for head in HEADS {
        let head = head.as_bytes();
        assert_eq!(model(head), Some(200), "{}", head.escape_ascii());
        for at in 0..=head.len() {
            for byte in 0..=u8::MAX {
                let inserted = [&head[..at], &[byte], &head[at..]].concat();
                let replaced = [&head[..at], &[byte], head.get(at + 1..).unwrap_or_default()].concat();
                for changed in [inserted, replaced] {
                    let wanted = model(&changed);
                    assert_eq!(status(&mut bench, &changed), wanted, "{}", changed.escape_ascii());
                    accepted += usize::from(wanted == Some(200));
                }
            }
            let removed = [&head[..at], head.get(at + 1..).unwrap_or_default()].concat();
            assert_eq!(status(&mut bench, &removed), model(&removed), "{}", removed.escape_ascii());
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}

#[test]
fn two_bytes_of_line_ends_and_blanks_anywhere_are_judged_as_the_grammar_says() {
    let mut bench = Bench::new();
    for head in HEADS {
        let head = head.as_bytes();
        for at in 0..=head.len() {
            for pair in
                [b"\r\n", b"\n\n", b"\r\r", b"\n\r", b"  ", b"\t ", b": ", b"\r ", b"\n ", b" \r", b"\0\r", b"//"]
            {
                let inserted = [&head[..at], pair, &head[at..]].concat();
                let replaced = [&head[..at], pair, head.get(at + 2..).unwrap_or_default()].concat();
                for changed in [inserted, replaced] {
                    assert_eq!(status(&mut bench, &changed), model(&changed), "{}", changed.escape_ascii());
                }
            }
        }
    }
}

/// The status for what a client sent before it closed its side; `None` where that is no request at all.
fn model(mut bytes: &[u8]) -> Option<u16> {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    if bytes.is_empty() {
        return None;
    }
    // A head that ends early leaves something that is refused too, and never accepted.
    Some(model_head(bytes).unwrap_or_else(|status| status))
}

fn model_head(bytes: &[u8]) -> Result<u16, u16> {
    // Bytes as characters, and back to lines: what isn't between CR LF isn't one.
    let text: String = bytes.iter().copied().map(char::from).collect();
    let (head, _) = text.split_once("\r\n\r\n").ok_or(400_u16)?;
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [method, target, version] = words[..] else { return Err(400) };
    if !is_token(method) || !target.chars().all(|c| c.is_ascii_graphic() && !"\"#<>".contains(c)) {
        return Err(400);
    }
    let (major, minor) = match version.strip_prefix("HTTP/").map(|digits| digits.chars().collect::<Vec<_>>()) {
        Some(digits) if matches!(digits[..], [a, '.', b] if a.is_ascii_digit() && b.is_ascii_digit()) => {
            (digits[0], digits[2])
        }
        _ => return Err(400),
    };
    if major != '1' {
        return Err(505);
    }
    let authority = target.split_once("://").map(|(scheme, rest)| {
        let known = ["http", "https"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
        (known, rest.split(['/', '?']).next().unwrap())
    });
    match authority {
        _ if target.starts_with('/') => {}
        Some((true, authority)) if !authority.is_empty() && is_authority(authority) => {}
        None if target == "*" && method == "OPTIONS" => {}
        _ => return Err(400),
    }
    let mut hosts = 0;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(400_u16)?;
        let value = value.trim_matches([' ', '\t']);
        let clean = value.chars().all(|c| c == '\t' || (c >= ' ' && c != '\x7f'));
        if !is_token(name) || !clean {
            return Err(400);
        }
        if name.eq_ignore_ascii_case("host") {
            hosts += 1;
            if !is_authority(value) {
                return Err(400);
            }
        }
    }
    match (hosts, minor) {
        (1, _) | (0, '0') => Ok(200),
        _ => Err(400),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// uri-host [ ":" port ]
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, ""),
    };
    let port_fits = port.is_empty()
        || (port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u32>().unwrap() <= 65_535);
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let mut parts = host.split('%');
            let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c));
            let encoded = |part: &str| {
                part.len() >= 2 && part.is_char_boundary(2) && part[..2].chars().all(|c| c.is_ascii_hexdigit())
            };
            parts.next().is_some_and(plain) && parts.all(|part| encoded(part) && plain(part))
        }
    };
    port_fits && host_fits
}

#[test]
fn what_is_wrong_with_a_request_line_is_named() {
    let cases = [
        (" / HTTP/1.1\r\n", Reject::Method),
        ("G@T / HTTP/1.1\r\n", Reject::Method),
        ("GET  HTTP/1.1\r\n", Reject::RequestLine),
        ("GET /\r\n", Reject::RequestLine),
        ("GET /\u{7f} HTTP/1.1\r\n", Reject::Target),
        ("GET /  HTTP/1.1\r\n", Reject::RequestLine),
        ("GET / \tHTTP/1.1\r\n", Reject::RequestLine),
        ("GET / HTTP/1.1 \r\n", Reject::RequestLine),
        ("GET / HTTP/1.1\t\r\n", Reject::RequestLine),
        ("GET / HTTP/1.1\rx\n", Reject::RequestLine),
        ("GET / HTTP/1.1\n", Reject::BareLf),
        ("GET / a HTTP/1.1\r\n", Reject::Version),
        ("GET / HTTP/1.x\r\n", Reject::Version),
        ("GET / HTTP/2.0\r\n", Reject::VersionUnsupported),
    ];
    for (line, reject) in cases {
        let outcome = Bench::new().run(&ok, &[format!("{line}Host: a\r\n\r\n").as_bytes()]);
        assert_eq!(outcome.statuses(), [reject.status().code()], "{line:?}");
        assert!(outcome.text().contains(reject.message()), "{line:?}: {}", outcome.text());
    }
}

#[test]
fn a_field_that_says_where_a_message_ends_does_so_in_any_case() {
    // Where it is not heeded, what is in its body is served as a request.
    let inner = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = inner.len();
    for change in [str::to_owned, str::to_ascii_lowercase, str::to_ascii_uppercase] as [fn(&str) -> String; 3] {
        let after =
            |name: &str, value: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{}: {value}\r\n\r\n", change(name));
        let cases = [
            (after("Content-Length", &length.to_string()) + inner, 200),
            (after("Transfer-Encoding", "chunked") + &format!("{length:x}\r\n{inner}\r\n0\r\n\r\n"), 200),
            (after("Connection", "close") + inner, 200),
            (after("Expect", "nothing") + inner, 417),
            (after("Host", "b") + inner, 400),
        ];
        for (request, status) in cases {
            assert_eq!(Bench::new().run(&ok, &[request.as_bytes()]).statuses(), [status], "{request}");
        }
    }
}

#[test]
fn hosts_are_a_name_or_an_address_and_perhaps_a_port() {
    let good = [
        "",
        "a",
        "a.b-c_d~e",
        "A:80",
        "a:",
        "a:0",
        "a:65535",
        ":80",
        "1.2.3.4",
        "1.2.3.4:5",
        "999.999",
        "a%20b",
        "%41",
        "[::1]",
        "[::]:",
        "[::1]:65535",
        "[1:2:3:4:5:6:7:8]",
        "[fe80::1]",
        "[::ffff:1.2.3.4]",
        "a,b",
        "!$&'()*+;=",
        "xn--nxasmq6b",
        "a..b",
        ".",
        "-",
    ];
    let bad = [
        "a b",
        "a\tb",
        "a/b",
        "a?b",
        "a#b",
        "u@a",
        "u:p@a",
        "a:b",
        "a:-1",
        "a:+1",
        "a:65536",
        "a:99999",
        "a:100000",
        "a:80:80",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]a",
        "[::1]:x",
        "[::1]:65536",
        "[:::1]",
        "[g::1]",
        "[1.2.3.4]",
        "[fe80::1%25eth0]",
        "[v1.x]",
        "[::1]]",
        "[[::1]]",
        "a[",
        "a%",
        "a%4",
        "a%4g",
        "a%zz:80",
        "a\\b",
        "<a>",
        "\"a\"",
        "{a}",
        "a|b",
        "a^b",
        "a`b",
        "caf\u{e9}",
        "a, b",
        "a:8 0",
        "[::1 ]",
        "[1:2:3:4:5:6:7:8:9]",
    ];
    let mut bench = Bench::new();
    for (hosts, wanted) in [(&good[..], 200), (&bad[..], 400)] {
        for host in hosts {
            for version in ["1.1", "1.0"] {
                let head = format!("GET / HTTP/{version}\r\nHost: {host}\r\n\r\n");
                assert_eq!(status(&mut bench, head.as_bytes()), Some(wanted), "Host: {host}");
            }
            if !host.is_empty() && !host.contains([' ', '\t', '"', '<', '>', '#', '/', '?', '\u{e9}']) {
                // RFC 9110, section 4.2.1: a URI of http has a host, where a `Host` field may have none.
                let wanted = if host.starts_with(':') { 400 } else { wanted };
                let head = format!("GET http://{host}/ HTTP/1.1\r\nHost: other\r\n\r\n");
                assert_eq!(status(&mut bench, head.as_bytes()), Some(wanted), "http://{host}/");
            }
        }
    }
}

#[test]
fn a_target_has_a_form_that_fits_its_method() {
    let targets = [
        // target, path, query, authority
        ("/", "/", None, "h"),
        ("/a/b", "/a/b", None, "h"),
        ("/?", "/", Some(""), "h"),
        ("/a?b?c=/d", "/a", Some("b?c=/d"), "h"),
        ("//a//b", "//a//b", None, "h"),
        ("/%2e%2E/%00", "/%2e%2E/%00", None, "h"),
        ("/{a}|b^`[\\]", "/{a}|b^`[\\]", None, "h"),
        ("http://x", "/", None, "x"),
        ("http://x/", "/", None, "x"),
        ("http://x?q", "/", Some("q"), "x"),
        ("HTTPS://x:8/y?q", "/y", Some("q"), "x:8"),
        ("hTTp://[::1]/y//z", "/y//z", None, "[::1]"),
    ];
    let refused = [
        "a",
        "*a",
        "**",
        "?q",
        "http:/x",
        "http:x",
        "http://",
        "http:///y",
        "http://?q",
        "http://u@x/",
        "ftp://x/",
        "ws://x/",
        "httpx://x/",
        "x:80",
        "mailto:a@b",
        ":",
        "http",
        "http://x:y/",
        "http://x%/",
        "/a#b",
        "http://x#f",
        "\\",
        "%2f",
    ];
    let mut bench = Bench::new();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "FOO", "get", "connect"] {
        for (target, path, query, authority) in targets {
            for version in ["1.1", "1.0", "1.9"] {
                let seen = RefCell::new(Vec::new());
                let handler = async |request: Request<'_>, response: Response<'_>| {
                    let head = request.head();
                    assert_eq!(
                        (head.path(), head.authority(), head.target()),
                        (request.path(), request.authority(), request.target())
                    );
                    let version = request.version() == Version::Http11;
                    let query = request.query().map(str::to_owned);
                    let (method, path) = (request.method().as_str().to_owned(), request.path().to_owned());
                    seen.borrow_mut().push((
                        method,
                        request.target().to_owned(),
                        path,
                        query,
                        request.authority().to_owned(),
                        version,
                    ));
                    response.status(200).empty().await
                };
                let head = format!("{method} {target} HTTP/{version}\r\nHost: h\r\n\r\n");
                bench.run(&handler, &[head.as_bytes()]);
                let path = if method == "OPTIONS" && target == "http://x" { "*" } else { path };
                let [method, target, path, authority] = [method, target, path, authority].map(str::to_owned);
                let wanted = (method, target, path, query.map(str::to_owned), authority, version != "1.0");
                assert_eq!(seen.take(), [wanted], "{head}");
            }
        }
        for target in refused {
            let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(status(&mut bench, head.as_bytes()), Some(400), "{head}");
        }
        let star = format!("{method} * HTTP/1.1\r\nHost: h\r\n\r\n");
        let wanted = if method == "OPTIONS" { 200 } else { 400 };
        assert_eq!(status(&mut bench, star.as_bytes()), Some(wanted), "{star}");
    }
}

#[test]
fn connect_is_not_served_here_whatever_its_target() {
    let mut bench = Bench::new();
    for target in ["a:443", "*", "http://a/", "a", "/", "/a?b"] {
        for version in ["1.1", "1.0"] {
            let head = format!("CONNECT {target} HTTP/{version}\r\nHost: a\r\n\r\n");
            assert_eq!(status(&mut bench, head.as_bytes()), Some(501), "{head}");
        }
    }
}

#[test]
fn versions_are_two_digits_and_the_first_is_one() {
    let mut bench = Bench::new();
    let table = [
        ("HTTP/1.0", 200),
        ("HTTP/1.1", 200),
        ("HTTP/1.2", 200),
        ("HTTP/1.9", 200),
        ("HTTP/0.9", 505),
        ("HTTP/2.0", 505),
        ("HTTP/3.1", 505),
        ("HTTP/9.9", 505),
        ("HTTP/1.10", 400),
        ("HTTP/11", 400),
        ("HTTP/1", 400),
        ("HTTP/1.", 400),
        ("HTTP/.1", 400),
        ("HTTP/01.1", 400),
        ("http/1.1", 400),
        ("Http/1.1", 400),
        ("HTTP 1.1", 400),
        ("HTTP/1,1", 400),
        ("HTTP/1.1 ", 400),
        ("HTTP/1.1\t", 400),
        ("\tHTTP/1.1", 400),
        ("", 400),
        ("HTTPS/1.1", 400),
        ("ICY/1.1", 400),
        ("HTTP/+1.1", 400),
        ("HTTP/1.x", 400),
        ("HTTP/\u{661}.1", 400),
        ("HTTP/2", 400),
        ("HTTP//1.1", 400),
    ];
    for (version, wanted) in table {
        let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert_eq!(status(&mut bench, head.as_bytes()), Some(wanted), "{version}");
    }
}

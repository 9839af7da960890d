//! curl.

use std::fmt::Write;

use midge_examples::stream::LINES;
use midge_tests::server::Server;
use sha2::{Digest, Sha256};

use crate::program::{printed, run, run_with};

#[test]
fn get_and_head() {
    let server = Server::start("hello").unwrap();
    assert_eq!(curl([url(&server, "/").as_str()]), "Hello, World!");
    let format = "%{num_connects} connection\n";
    let heads = curl(["--head", "--write-out", format, &url(&server, "/1"), &url(&server, "/2")]).to_ascii_lowercase();
    assert!(heads.starts_with("http/1.1 200 ok\r\n") && heads.contains("\r\ncontent-length: 13\r\n"), "{heads}");
    assert!(heads.ends_with("\r\n\r\n0 connection\n"), "{heads}");
}

#[test]
fn post_and_put() {
    let server = Server::start("conformance").unwrap();
    assert_eq!(curl(["--data", "name=value", &url(&server, "/")]), "name=value");
    assert_eq!(curl(["--request", "PUT", "--data", "name=value", &url(&server, "/")]), "name=value");
    let form = curl(["--form", "field=in several parts", &url(&server, "/")]);
    assert!(form.contains("name=\"field\"\r\n\r\nin several parts\r\n--"), "{form}");
}

/// Each event comes while the stream goes on; what curl prints last is what the server sent before curl went.
#[test]
fn events_of_a_stream() {
    let server = Server::start("sse").unwrap();
    let ticks = curl(["--no-buffer", "--header", "Last-Event-ID: 7", &url(&server, "/ticks?count=2&every=1")]);
    let (first, second) = ("event: tick\nid: 8\ndata: tick 8\n\n", "event: tick\nid: 9\ndata: tick 9\n\n");
    assert_eq!(ticks, format!("retry: 2000\n\n{first}{second}"));
    let page = curl([url(&server, "/").as_str()]);
    assert!(page.contains("new EventSource(\"/ticks\")"), "{page}");
}

/// Of unknown length, so chunked.
#[test]
fn an_upload_from_standard_input() {
    let server = Server::start("stream").unwrap();
    let upload = bytes(3_000_000);
    let arguments = arguments(["--upload-file", "-", &url(&server, "/upload")]);
    let said = printed("curl", run_with("curl", arguments, upload.clone()));
    assert_eq!(said, counted(&upload));
}

#[test]
fn an_upload_that_waits_for_100_continue() {
    let server = Server::start("stream").unwrap();
    let upload = bytes(2_000_000);
    let url = url(&server, "/upload");
    // Were there no 100, curl would wait for the time given; the test's own time-out is shorter.
    let given = ["--verbose", "--header", "Expect: 100-continue", "--expect100-timeout", "600", "--data-binary", "@-"];
    let output = run_with("curl", arguments(given.into_iter().chain([url.as_str()])), upload.clone());
    let exchange = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(printed("curl", output), counted(&upload), "{exchange}");
    assert!(exchange.contains("< HTTP/1.1 100 Continue"), "{exchange}");
}

/// The 100 does not come where nobody reads the body, and curl does not send it.
#[test]
fn an_upload_that_is_refused_before_it_is_sent() {
    let server = Server::start("stream").unwrap();
    let url = url(&server, "/nowhere");
    let given = ["--verbose", "--header", "Expect: 100-continue", "--expect100-timeout", "600", "--data-binary", "@-"];
    let format = ["--write-out", "\n%{http_code} %{size_upload}"];
    let output = run_with("curl", arguments(given.into_iter().chain(format).chain([url.as_str()])), bytes(2_000_000));
    let exchange = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = printed("curl", output);
    assert!(said.ends_with("\n404 0"), "{said}\n{exchange}");
    assert!(!exchange.contains("100 Continue"), "{exchange}");
}

#[test]
fn one_connection_for_several_urls() {
    let server = Server::start("conformance").unwrap();
    let urls: Vec<String> = (0..5).map(|number| url(&server, &format!("/{number}"))).collect();
    let format = "%{num_connects} %{http_code}\n";
    let said = curl(["--write-out", format].into_iter().chain(urls.iter().map(String::as_str)));
    assert_eq!(said, "OK1 200\nOK0 200\nOK0 200\nOK0 200\nOK0 200\n");
}

#[test]
fn http_1_0() {
    let server = Server::start("conformance").unwrap();
    let said = curl(["--http1.0", "--include", &url(&server, "/stream")]).to_ascii_lowercase();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "a body of unknown length");
    assert!(head.contains("\r\nconnection: close") && !head.contains("transfer-encoding"), "{head}");
}

#[test]
fn a_large_download() {
    let server = Server::start("stream").unwrap();
    let mut wanted = String::new();
    for number in 1..=LINES {
        writeln!(wanted, "line {number} of {LINES}").unwrap();
    }
    let url = url(&server, "/lines");
    // Slow enough that the handler waits for the client; then as fast as can be.
    assert!(curl(["--limit-rate", "20M", &url]) == wanted, "not the million lines");
    assert!(curl([url.as_str()]) == wanted, "not the million lines");
}

#[test]
fn http_0_9_is_refused() {
    let server = Server::start("hello").unwrap();
    // curl writes what it is given, and prints what comes back as it is.
    let arguments = arguments([format!("telnet://{}", server.address())]);
    let output = run_with("curl", arguments, b"GET /\r\n".to_vec());
    let said = printed("curl", output);
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
    assert!(!said.contains("Hello, World!"), "{said}");
}

fn curl<'a>(given: impl IntoIterator<Item = &'a str>) -> String {
    printed("curl", run("curl", arguments(given)))
}

/// Those given, and before them those that every run has.
fn arguments<A: Into<String>>(given: impl IntoIterator<Item = A>) -> Vec<String> {
    // Not the settings of whoever runs the tests, and errors in words.
    let all = ["--disable", "--silent", "--show-error", "--noproxy", "*"];
    all.into_iter().map(str::to_owned).chain(given.into_iter().map(Into::into)).collect()
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

/// Bytes that are all different from their neighbours.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index % 251) as u8).collect()
}

/// What `stream` says to an upload.
fn counted(upload: &[u8]) -> String {
    let mut text = format!("{} bytes, sha256 ", upload.len());
    for byte in Sha256::digest(upload) {
        write!(text, "{byte:02x}").unwrap();
    }
    text.push('\n');
    text
}

//! Where a message ends: one place, or the request is refused.

use super::{are_read, are_refused};

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

/// actix (2026), waitress CVE-2019-16786, crystal.
#[test]
fn content_length_and_transfer_encoding_together() {
    let body = "0\r\n\r\n";
    are_refused([
        (400, post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", body)),
        (400, post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body)),
        (400, post("Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n", body)),
        (400, post("Content-Length: x\r\nTransfer-Encoding: chunked\r\n", body)),
        (400, post("Content-Length:\r\nTransfer-Encoding: chunked\r\n", body)),
        (400, post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", body)),
        (400, post("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n", body)),
        (400, post("Content-Length: 5\r\nTransfer-Encoding:\r\n", body)),
        (400, post("Connection: content-length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", body)),
    ]);
}

/// hyper RUSTSEC-2021-0020, tiny_http RUSTSEC-2020-0031, pingora RUSTSEC-2026-0034, Go CVE-2022-1705.
#[test]
fn several_or_disguised_transfer_encodings() {
    let coded = |fields: &str| post(fields, "5\r\nhello\r\n0\r\n\r\n");
    are_refused([
        (400, coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        (400, coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
        (400, coded("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n")),
        (400, coded("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
        (400, coded("Transfer-Encoding: chunked, identity\r\n")),
        (400, coded("Transfer-Encoding: chunked, chunked\r\n")),
        (400, coded("Transfer-Encoding: chunked, gzip\r\n")),
        (501, coded("Transfer-Encoding: gzip, chunked\r\n")),
        (501, coded("Transfer-Encoding: identity, chunked\r\n")),
        (400, coded("Transfer-Encoding: identity\r\n")),
        (400, coded("Transfer-Encoding: xchunked\r\n")),
        (400, coded("Transfer-Encoding: chunkedx\r\n")),
        (400, coded("Transfer-Encoding: \"chunked\"\r\n")),
        (400, coded("Transfer-Encoding: chunked;q=1\r\n")),
        (400, coded("Transfer-Encoding: chunked,\r\n")),
        (400, coded("Transfer-Encoding: ,chunked\r\n")),
        (400, coded("Transfer-Encoding: ,\r\n")),
        (400, coded("Transfer-Encoding:\r\n")),
        (400, coded("Transfer-Encoding: \x0bchunked\r\n")),
        (400, coded("Transfer-Encoding: chunked\x0b\r\n")),
        (400, coded("Transfer-Encoding: chun ked\r\n")),
        (400, coded("Transfer-Encoding: chunked chunked\r\n")),
        (400, coded("Transfer-Encoding : chunked\r\n")),
        (400, coded("Transfer-Encoding\t: chunked\r\n")),
        (400, coded(" Transfer-Encoding: chunked\r\n")),
        (400, coded("X: y\r\n Transfer-Encoding: chunked\r\n")),
        (400, coded("Transfer-Encoding:\r\n chunked\r\n")),
        (400, coded("Transfer-Encoding\u{a0}: chunked\r\n")),
        (400, coded("Transfer-Encoding: chunked\r\r\n")),
        (400, coded("Transfer-Encoding: chunked\0\r\n")),
        // The Kelvin sign is a `k` to those who fold Unicode.
        (400, coded("Transfer-Encoding: chun\u{212a}ed\r\n")),
    ]);
    // What only looks like it is another field, and says nothing about the end of the message.
    are_read([
        (coded("TRANSFER-encoding:\tCHUNKED \t\r\n"), "hello"),
        (post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "hello"), "hello"),
        (post("X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "hello"), "hello"),
        (post("Transfer-Encodin: chunked\r\nContent-Length: 5\r\n", "hello"), "hello"),
    ]);
}

/// hyper RUSTSEC-2021-0078, actix RUSTSEC-2021-0081, mongoose CVE-2023-34188, waitress CVE-2019-16792.
#[test]
fn content_length_with_sign_hex_blanks_overflow_list_or_repeats() {
    let long = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    let values = [
        "+5", "-5", "-0", "+0", "-1", "0x5", "5h", "5e0", "5.0", "5 5", "5\t5", "5\x0b", "\x0c5", "5\0", "5\r",
        "\"5\"", "", ";5", "5;", "\u{665}", "5 ,", "_5", "5_0",
    ];
    are_refused(values.map(|value| (400, long(value))));
    are_refused(["5, 5", "5,5", "5, 6", ",5", "5,", ","].map(|value| (400, long(value))));
    are_refused([
        (400, post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        (400, post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
        (400, post("Content-Length: 0\r\nX: y\r\ncontent-LENGTH: 5\r\n", "hello")),
        (400, post("Content-Length: 5\r\nContent-Length:\r\n", "hello")),
        (400, post("Content-Length : 5\r\n", "hello")),
        (413, long("18446744073709551615")),
        (413, long("18446744073709551616")),
        (413, long("18446744073709551621")),
        (413, long("36893488147419103237")),
        (413, long("9223372036854775807")),
        (413, long("9223372036854775808")),
        (413, long("4294967301")),
        (413, long("99999999999999999999999999999999999999999999999999")),
    ]);
    are_read([
        (long("5"), "hello"),
        (long(" \t5\t "), "hello"),
        (long("0000000000000000000000000000005"), "hello"),
        (post("Content-Length_: 7\r\nContent-Length: 5\r\n", "hello"), "hello"),
    ]);
}

/// pingora RUSTSEC-2026-0034: a close-delimited request, and a coding that HTTP/1.0 doesn't know.
#[test]
fn http_1_0_with_transfer_encoding_and_requests_that_end_with_the_connection() {
    let old = |fields: &str, body: &str| format!("POST / HTTP/1.0\r\nHost: a\r\n{fields}\r\n{body}");
    are_refused([
        (400, old("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (400, old("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (400, old("Transfer-Encoding: identity\r\n", "hello")),
        (400, old("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "hello")),
        (400, old("Connection: keep-alive\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "hello")),
    ]);
    // Without a length there is no body: what follows is the next request.
    are_read([
        (old("Connection: keep-alive\r\n", ""), ""),
        (old("Connection: keep-alive\r\nContent-Length: 5\r\n", "hello"), "hello"),
        (post("", ""), ""),
    ]);
}

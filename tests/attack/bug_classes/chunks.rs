//! The chunked coding: every byte of its framing is checked.

use super::{are_read, are_refused};

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// hyper RUSTSEC-2021-0079, vibeio-http RUSTSEC-2026-0181.
#[test]
fn chunk_size_overflow_and_arithmetic_near_the_maximum() {
    are_refused([
        (400, chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
        (400, chunked("100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n")),
        (400, chunked("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        (413, chunked("ffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        (413, chunked("fffffffffffffffe\r\nhello\r\n0\r\n\r\n")),
        (413, chunked("8000000000000000\r\nhello\r\n0\r\n\r\n")),
        (413, chunked("7fffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        (413, chunked("100000005\r\nhello\r\n0\r\n\r\n")),
        // Together they are more than 64 bits hold, and would come to 5.
        (413, chunked("1\r\nh\r\nffffffffffffffff\r\nello\r\n0\r\n\r\n")),
        (413, chunked("5\r\nhello\r\nfffffffffffffffb\r\nhello\r\n0\r\n\r\n")),
    ]);
    are_read([(chunked("000000000000000000000000000000000005\r\nhello\r\n000000000000000000\r\n\r\n"), "hello")]);
}

/// h11 GHSA-vqfr-h8mv-ghfj, pound.
#[test]
fn chunk_datas_terminator_not_checked() {
    are_refused(
        ["XX", "\n", "\r", "\r\r\n", "\n\n", " \r\n", "\r\n\r\n", "", "\n\r", "!\r\n", "\0\0"]
            .map(|end| (400, chunked(&format!("5\r\nhello{end}0\r\n\r\n")))),
    );
    // A longer chunk than was announced, and a shorter one.
    are_refused([(400, chunked("4\r\nhello\r\n0\r\n\r\n")), (400, chunked("6\r\nhello\r\n0\r\n\r\n"))]);
}

/// Go CVE-2025-22871, fasthttp #1899, Kestrel CVE-2025-55315, Netty CVE-2025-58056.
#[test]
fn lf_or_junk_in_a_chunk_line_or_extension() {
    let lines = [
        "5\n",
        "5\r",
        "5\r\r\n",
        "5 \n",
        "5;a\n",
        "5;a\r",
        "5;a\nb\r\n",
        "5;a\rb\r\n",
        "5;a\0\r\n",
        "5;a=\"b\nc\"\r\n",
        "5;a=\"b\rc\"\r\n",
        "5;a=\"b\r\n",
        "5;a=\"b\\\n\"\r\n",
        "5;\n",
        "5;\r\n",
        "5;;a\r\n",
        "5;=b\r\n",
        "5;a=\r\n",
        "5;a b\r\n",
        "5 a\r\n",
        "5 \r\n",
        " 5\r\n",
        "\t5\r\n",
        "+5\r\n",
        "-5\r\n",
        "0x5\r\n",
        "5h\r\n",
        "5,5\r\n",
        "g\r\n",
        "\u{665}\r\n",
        "\r\n5\r\n",
        "5;a=b c\r\n",
        "5;a=\"b\"c\r\n",
        "5;a=\u{7f}\r\n",
        "5\0\r\n",
        "5;a\u{1}=b\r\n",
    ];
    are_refused(lines.map(|line| (400, chunked(&format!("{line}hello\r\n0\r\n\r\n")))));
    // The same in the last line.
    are_refused(lines.map(|line| {
        let last = line.replace('5', "0");
        (400, chunked(&format!("5\r\nhello\r\n{last}\r\n")))
    }));
    are_read(
        ["5\r\n", "5;a\r\n", "5;a=b\r\n", "5;a=\"b;\\\"c\";d\r\n", "5 ; a = b\r\n", "5\t;\ta\t=\t\"\u{e9}\"\r\n"]
            .map(|line| (chunked(&format!("{line}hello\r\n{}\r\n", line.replace('5', "0"))), "hello")),
    );
}

/// Node CVE-2024-22019, Go CVE-2023-39326. `crowds` has the tiny chunks.
#[test]
fn flood_of_chunk_extensions_or_of_trailers() {
    let many = |line: &str, count| chunked(&format!("{}0\r\n\r\n", line.repeat(count)));
    let trailers = |line: &str, count| chunked(&format!("5\r\nhello\r\n0\r\n{}\r\n", line.repeat(count)));
    are_refused([
        (400, many(&format!("1;{}\r\nx\r\n", "a".repeat(100_000)), 1)),
        (400, many(&format!("{}1\r\nx\r\n", "0".repeat(100_000)), 1)),
        // Each is small; together they are too much.
        (413, many(&format!("1;{}\r\nx\r\n", "a".repeat(100)), 1_000)),
        (413, many("1;a\r\nx\r\n", 10_000)),
        (431, trailers("X: y\r\n", 33)),
        (431, trailers("X: y\r\n", 20_000)),
        (431, trailers(&format!("X: {}\r\n", "y".repeat(100_000)), 1)),
    ]);
    are_read([(many("1;a=b\r\nx\r\n", 5), "xxxxx"), (trailers("X: y\r\n", 32), "hello")]);
}

/// Trailers that frame, route or belong to the connection are no trailers (RFC 9110, section 6.5.1).
#[test]
fn trailers_that_would_be_taken_for_fields_of_the_head() {
    let lines = [
        "Content-Length: 5",
        "transfer-encoding: chunked",
        "Host: b",
        "Connection: close",
        "Trailer: x",
        "TE: x",
        "Upgrade: x",
        "Expect: 100-continue",
        "nocolon",
        ": v",
        "X : y",
        " X: y",
        "X: y\r\n z",
        "X: a\0b",
        "X: a\rb",
        "X[]: y",
    ];
    are_refused(lines.map(|line| (400, chunked(&format!("5\r\nhello\r\n0\r\n{line}\r\n\r\n")))));
    are_refused(["X: y\n\n", "\n", "X: y\r\n\n", "\rX: y\r\n\r\n"].map(|end| (400, chunked(&format!("0\r\n{end}")))));
}

/// httparse by itself: `parse_chunk_size(b"\r\n")` and `b";\r\n"` give size 0, which reads as the last chunk; `5;a\nb\r\n` is accepted.
/// What it accepts in heads is in `heads`.
#[test]
fn what_httparse_takes_for_a_chunk_size_is_refused() {
    are_refused([
        (400, chunked("\r\n")),
        (400, chunked("\r\n\r\n")),
        (400, chunked(";\r\n\r\n")),
        (400, chunked(";a=b\r\n\r\n")),
        (400, chunked("5\r\nhello\r\n\r\n\r\n")),
        (400, chunked("5\r\nhello\r\n;\r\n\r\n")),
        (400, chunked("5;a\nb\r\nhello\r\n0\r\n\r\n")),
    ]);
}

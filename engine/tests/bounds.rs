//! Answers at their bounds: where a buffer or a chunk is full, where a length was declared otherwise, at fields of every byte.
//!
//! Invariant: whatever room there is, what goes out is framed as it is anywhere else; what is refused leaves nothing.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use common::{Bench, DATE_LINE, answer, answer_tiny, ask};
use midge::{Failure, Limits, Request, Response, Sent};

#[test]
fn one_interim_answer_that_is_not_sent_or_refused_leaves_nothing() {
    for unsent in 0..3 {
        let handler = async |_: Request<'_>, mut response: Response<'_>| {
            match unsent {
                0 => drop(response.interim(103).header("link", "</a>")),
                1 => drop(response.interim(103).header("bad name", "x")),
                _ => drop(response.interim(200)),
            }
            response.status(200).body("ok").await
        };
        let wanted = format!("HTTP/1.1 200 OK\r\n{DATE_LINE}content-length: 2\r\n\r\nok");
        assert_eq!(answer(&handler, &ask("GET", "1.1")), (wanted, true));
    }
}

/// A head may leave any room, down to none, and its body, chunks, their end and trailers wait for theirs.
#[test]
fn whatever_room_a_head_leaves_its_body_is_whole() {
    let limits = Limits { response_head_bytes: 1_024, ..Limits::DEFAULT };
    for pad in 280..500 {
        for (content, trailer) in [("", ""), ("x", ""), ("hello", ""), ("", "t"), ("hello", "t")] {
            let handler = async |_: Request<'_>, response: Response<'_>| {
                let mut body = response.status(200).header("x", "y".repeat(pad)).stream().await?;
                body.write(content).await?;
                if !trailer.is_empty() {
                    body.trailer("x", trailer).await?;
                }
                body.finish().await
            };
            let outcome = Bench::sized(1_024, 512, 8, limits).run(&handler, &[ask("GET", "1.1").as_bytes()]);
            // The engine's own lines have 128 bytes.
            if "HTTP/1.1 200 OK\r\nx: \r\n".len() + pad + 128 > 512 {
                assert_eq!(outcome.statuses(), [500], "{pad}");
                continue;
            }
            let chunk =
                if content.is_empty() { String::new() } else { format!("{:04x}\r\n{content}\r\n", content.len()) };
            let trailer = if trailer.is_empty() { String::new() } else { format!("x: {trailer}\r\n") };
            let wanted = format!(
                "HTTP/1.1 200 OK\r\nx: {}\r\n{DATE_LINE}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n{trailer}\r\n",
                "y".repeat(pad)
            );
            assert_eq!(outcome.text(), wanted, "{pad}");
        }
    }
}

#[test]
fn a_trailer_is_as_large_as_the_buffer_at_most() {
    let trailer = "x-trailer: \r\n".len();
    for size in [200, 250, 494, 495, 496, 497, 498, 600] {
        let fits = size + trailer + 2 <= 512;
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let mut body = response.status(200).stream().await?;
            body.write("content").await?;
            assert_eq!(body.trailer("x-trailer", "y".repeat(size)).await.is_ok(), fits, "{size}");
            body.finish().await
        };
        let (text, kept) = answer_tiny(&handler);
        let line = if fits { format!("x-trailer: {}\r\n", "y".repeat(size)) } else { String::new() };
        assert!(kept && text.ends_with(&format!("\r\ncontent\r\n0\r\n{line}\r\n")), "{size}: {text}");
    }
}

/// With a body that is there whole, that is known before anything of it goes out.
#[test]
fn a_whole_body_that_is_not_as_long_as_declared_is_a_500_whatever_its_size() {
    for (declared, size) in [(20_000, 10_000), (10_000, 20_000), (10_000, 0)] {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            response.status(200).length(declared).body("x".repeat(size)).await
        };
        let (text, kept) = answer(&handler, &ask("GET", "1.1"));
        assert!(text.starts_with("HTTP/1.1 500 ") && !text.contains("xx") && kept, "{text}");
    }
}

#[test]
fn a_stream_of_no_bytes_is_let_in_where_there_is_no_body() {
    for (status, line) in [(204, ""), (205, "content-length: 0\r\n"), (304, "content-length: 0\r\n")] {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            response.status(status).length(0).stream().await?.finish().await
        };
        let (text, kept) = answer(&handler, &ask("GET", "1.1"));
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && kept, "{text}");
        assert!(text.ends_with(&format!("{DATE_LINE}{line}\r\n")), "{text}");
    }
}

#[test]
fn a_failure_of_a_status_without_a_body_has_none() {
    for (status, line) in [(204, ""), (205, "content-length: 0\r\n"), (304, "")] {
        let handler = async |_: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> {
            Err(Failure::new(status).because("no such thing"))
        };
        let (text, kept) = answer(&handler, &ask("GET", "1.1"));
        let reason = midge::Status::new(status).unwrap().reason();
        assert_eq!((text, kept), (format!("HTTP/1.1 {status} {reason}\r\n{DATE_LINE}{line}\r\n"), true));
    }
}

/// Eight bytes of a value are looked at at once.
#[test]
fn a_value_is_judged_by_each_of_its_bytes_whatever_stands_beside_them() {
    let fillers = [b'a', b' ', b'~', b'\t', 0x1f, 0x7f, 0, 0x80, 0xff, b'\r'];
    for byte in 0..=u8::MAX {
        for filler in fillers.into_iter().chain([byte, byte ^ 0x80, byte.wrapping_add(1), byte.wrapping_sub(1)]) {
            for at in 0..8 {
                let mut value = [filler; 8];
                value[at] = byte;
                let fits = value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f));
                let handler = async |_: Request<'_>, response: Response<'_>| {
                    response.status(200).header("x", value).empty().await
                };
                let outcome = Bench::new().run(&handler, &[ask("GET", "1.1").as_bytes()]);
                assert_eq!(outcome.statuses(), [if fits { 200 } else { 500 }], "{}", value.escape_ascii());
            }
        }
    }
}

#[test]
fn names_as_long_as_the_engines_own_are_the_handlers() {
    for name in
        ["data", "content", "x-own-name", "connections", "content-lenght", "transfer-encodinq", "x-17-bytes-in-all"]
    {
        let handler =
            async |_: Request<'_>, response: Response<'_>| response.status(200).header(name, "x").empty().await;
        let (text, _) = answer(&handler, &ask("GET", "1.1"));
        assert!(text.starts_with(&format!("HTTP/1.1 200 OK\r\n{name}: x\r\n{DATE_LINE}")), "{text}");
    }
}

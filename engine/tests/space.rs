//! Bodies that are put straight into the output buffer.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use common::{Bench, HOST};
use midge::{Failure, Limits, Request, Response};

/// Bytes put where they go out from are the same as bytes written, however the body is delimited and however little room there is.
#[test]
fn bytes_put_into_the_output_are_as_bytes_written() {
    let text: Vec<u8> = (0..3_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
    for (declared, version, method) in [
        (true, "1.1", "GET"),
        (false, "1.1", "GET"),
        (false, "1.0", "GET"),
        (true, "1.1", "HEAD"),
        (false, "1.1", "HEAD"),
    ] {
        for (piece, room) in [(1_usize, 512), (97, 512), (100_000, 512), (1, 8_192), (97, 8_192), (100_000, 8_192)] {
            let put = async |_: Request<'_>, response: Response<'_>| {
                let head = response.status(200);
                let head = if declared { head.length(text.len() as u64) } else { head };
                let mut body = head.stream().await?;
                let mut rest = &text[..];
                while !rest.is_empty() {
                    let put = body.write_with(|space| {
                        assert!(!space.is_empty());
                        let count = rest.len().min(space.len()).min(piece);
                        space[..count].copy_from_slice(&rest[..count]);
                        Ok::<_, Failure>(count)
                    });
                    rest = &rest[put.await??..];
                }
                if declared {
                    // There is no room for more, and no wait for it.
                    assert!(body.write_with(|_| Ok::<_, Failure>(1)).await.is_err());
                }
                body.finish().await
            };
            let limits = Limits { response_head_bytes: 256, ..Limits::DEFAULT };
            let mut bench = Bench::sized(8_192, room, 32, limits);
            bench.take = piece;
            let outcome = bench.run(&put, &[format!("{method} / HTTP/{version}\r\n{HOST}").as_bytes()]);
            let said = outcome.text();
            let (head, body) = said.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            let whole = String::from_utf8(text.clone()).unwrap();
            match (method, head.contains("transfer-encoding: chunked")) {
                ("HEAD", _) => assert_eq!(body, ""),
                (_, false) => assert!(body == whole),
                (_, true) => {
                    assert!(!declared && version == "1.1");
                    assert!(unchunked(body) == whole);
                }
            }
        }
    }
}

/// The content of a chunked body, whose chunks are what they say.
fn unchunked(mut body: &str) -> String {
    let mut content = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        content.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap();
        if size == 0 {
            assert_eq!(body, "");
            return content;
        }
    }
}

/// What could not be read is the handler's to judge, and leaves the body as it was.
#[test]
fn bytes_that_could_not_be_put_leave_the_body_as_it_was() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).length(2).stream().await?;
        assert_eq!(body.write_with(|_| Err::<usize, _>("nothing")).await?, Err("nothing"));
        assert_eq!(body.write_with(|_| Ok::<_, &str>(0)).await?, Ok(0));
        // No more than there was room for counts.
        let put = body.write_with(|space| {
            space.copy_from_slice(b"ok");
            Ok::<_, &str>(1_000)
        });
        assert_eq!(put.await?, Ok(2));
        body.finish().await
    };
    let outcome = Bench::new().run(&handler, &[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
    assert!(outcome.text().ends_with("\r\n\r\nok"));
}

/// They are gathered, as those that are written are, and a chunk is no larger than four digits tell.
#[test]
fn bytes_put_into_the_output_are_one_chunk_until_it_is_full_or_flushed() {
    for (pieces, first) in [(vec![3, 4, 5], "000c"), (vec![1], "0001"), (vec![40_000; 5], "ffff")] {
        let handler = async |_: Request<'_>, response: Response<'_>| {
            let mut body = response.status(200).stream().await?;
            for piece in &pieces {
                let mut left = *piece;
                while left > 0 {
                    let put = body.write_with(|space| {
                        let count = left.min(space.len());
                        space[..count].fill(b'x');
                        Ok::<_, Failure>(count)
                    });
                    left -= put.await??;
                }
                // Nothing is no chunk, and ends none.
                assert_eq!(body.write_with(|_| Ok::<_, Failure>(0)).await??, 0);
            }
            body.finish().await
        };
        let outcome = Bench::sized(1_024, 300_000, 8, Limits::DEFAULT)
            .run(&handler, &[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
        let body = outcome.text().split_once("\r\n\r\n").unwrap().1;
        assert!(body.starts_with(&format!("{first}\r\nx")), "{first}");
        assert_eq!(unchunked(body).len(), pieces.iter().sum::<usize>());
    }
}

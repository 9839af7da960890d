//! Requests as a handler reads them.
//!
//! Invariant: whichever way a body is read, and whenever the handler stops reading, it gets the bytes that were sent, once and in
//! order; trailers only behind the whole body; and after an error the same error, never bytes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

use common::{Bench, HOST, Outcome, Stop, Wire};
use embedded_io_async::Read;
use midge::{
    BodyFraming, Cause, ChunkError, Ended, Failure, Field, Fields, Limits, Peer, Reject, Request, RequestId, Response,
    Slot, State, Watch, serve,
};

const CONTENT: &str = "hello, wide world";

/// The same content with a length, chunked, and chunked with trailers.
fn requests() -> [String; 3] {
    let chunked = format!(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{HOST}5;a=b\r\nhello\r\n1\r\n,\r\n0B\r\n wide world\r\n0\r\n"
    );
    [
        format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n{HOST}{CONTENT}", CONTENT.len()),
        format!("{chunked}\r\n"),
        format!("{chunked}X-T: 1\r\nx-t: \t2 \r\nY:\r\n\r\n"),
    ]
}

/// Runs at every cut, and byte by byte.
fn at_every_cut(message: &str, mut check: impl FnMut(&[&[u8]])) {
    for cut in 0..message.len() {
        let (first, second) = message.as_bytes().split_at(cut);
        check(&[first, second]);
    }
    check(&message.as_bytes().chunks(1).collect::<Vec<_>>());
}

fn pairs(fields: Fields<'_>) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap())).collect()
}

/// Reads `skip` bytes one by one, then the rest in the way of that number.
async fn read_in_way(way: usize, skip: usize, request: &mut Request<'_>) -> Result<Vec<u8>, Failure> {
    let body = request.body();
    let mut got = Vec::new();
    while got.len() < skip {
        let mut byte = [0];
        assert_eq!(body.read(&mut byte).await?, 1);
        got.push(byte[0]);
        assert_eq!(body.read(&mut []).await?, 0);
    }
    match way {
        0 => got.extend_from_slice(body.all().await?),
        1 => {
            let all = body.all_mut().await?;
            let copy = all.to_vec();
            all.fill(b'!');
            got.extend_from_slice(&copy);
        }
        2 => {
            while let Some(chunk) = body.chunk().await? {
                assert!(!chunk.is_empty());
                got.extend_from_slice(&chunk);
            }
        }
        3 => {
            let mut buffer = [0; 4];
            loop {
                match body.read(&mut buffer).await? {
                    0 => break,
                    count => got.extend_from_slice(&buffer[..count]),
                }
            }
        }
        _ => {
            let mut rest = vec![0; CONTENT.len() - skip];
            Read::read_exact(body, &mut rest).await.unwrap();
            got.extend_from_slice(&rest);
            assert_eq!(Read::read(body, &mut [0; 8]).await?, 0);
        }
    }
    // The end stays the end.
    assert!(body.is_over() && body.chunk().await?.is_none() && body.read(&mut [0; 4]).await? == 0);
    assert!(body.all().await?.is_empty());
    Ok(got)
}

#[test]
fn every_way_of_reading_gives_the_same_bytes() {
    let mut bench = Bench::new();
    for (kind, message) in requests().iter().enumerate() {
        for way in 0..5 {
            for skip in [0, 1, 5, 7] {
                let handler = async |mut request: Request<'_>, response: Response<'_>| {
                    let wanted = if kind == 0 { Some(CONTENT.len() as u64) } else { None };
                    assert_eq!(request.content_length(), wanted);
                    assert!(request.body().trailers().is_none());
                    let got = read_in_way(way, skip, &mut request).await?;
                    let trailers = pairs(request.body().trailers().unwrap());
                    let list = [("X-T", "1"), ("x-t", "2"), ("Y", "")]
                        .map(|(name, value)| (name.to_owned(), value.to_owned()));
                    assert_eq!(trailers, if kind == 2 { list.to_vec() } else { vec![] });
                    assert_eq!(pairs(request.body().trailers().unwrap()), [], "given once");
                    // The head is where it was.
                    assert_eq!(
                        (request.header("HOST"), request.target(), request.headers().len()),
                        (Some("a"), "/", 2)
                    );
                    response.status(200).body(got).await
                };
                let twice = [&message[..], message].concat();
                at_every_cut(&twice, |pieces| {
                    let outcome = bench.run(&handler, pieces);
                    assert_eq!(outcome.statuses(), [200, 200], "{way}, {skip}: {outcome:?}");
                    assert_eq!(outcome.text().matches(CONTENT).count(), 2, "{way}, {skip}: {outcome:?}");
                });
            }
        }
    }
}

#[test]
fn trailers_of_every_number_are_handed_over() {
    let mut bench = Bench::new();
    for count in 0..=32 {
        let lines: String = (0..count).map(|n| format!("T{n}: {n}\r\n")).collect();
        let message = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{HOST}2\r\nab\r\n0\r\n{lines}\r\n");
        let handler = async |mut request: Request<'_>, response: Response<'_>| {
            let body = request.body().all().await?;
            let wanted: Vec<_> = (0..count).map(|n| (format!("T{n}"), n.to_string())).collect();
            assert_eq!(pairs(request.body().trailers().unwrap()), wanted);
            response.status(200).body(body).await
        };
        assert_eq!(bench.run(&handler, &[message.as_bytes()]).statuses(), [200]);
        assert_eq!(bench.run(&handler, &message.as_bytes().chunks(3).collect::<Vec<_>>()).statuses(), [200]);
    }
}

#[test]
fn a_handler_may_stop_reading_anywhere() {
    let mut bench = Bench::new();
    for message in requests() {
        let next = format!("{message}GET /next HTTP/1.1\r\n{HOST}");
        for stop in 0..CONTENT.len() {
            let handler = async |mut request: Request<'_>, response: Response<'_>| {
                let mut got = Vec::new();
                while request.target() == "/" && got.len() < stop {
                    let mut byte = [0];
                    request.body().read(&mut byte).await?;
                    got.push(byte[0]);
                }
                response.status(200).header("x-target", request.target()).body(got).await
            };
            at_every_cut(&next, |pieces| {
                let outcome = bench.run(&handler, pieces);
                let text = outcome.text();
                assert_eq!(outcome.statuses(), [200, 200], "{outcome:?}");
                assert!(text.contains("x-target: /next\r\n"));
                assert!(
                    text.contains(&format!("content-length: {stop}\r\n\r\n{}HTTP", &CONTENT[..stop])),
                    "{outcome:?}"
                );
            });
        }
    }
}

#[test]
fn after_an_error_the_body_says_the_same_again() {
    let table = [
        ("Content-Length: 5", "hell", Reject::Truncated, 400),
        ("Transfer-Encoding: chunked", "5\r\nhell", Reject::Truncated, 400),
        ("Transfer-Encoding: chunked", "5\r\nhello", Reject::Truncated, 400),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", Reject::Truncated, 400),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX: y\r\n", Reject::Truncated, 400),
        ("Transfer-Encoding: chunked", "5\r\nhelloX", Reject::Chunk(ChunkError::DataEnd), 400),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\nx\r\n", Reject::Chunk(ChunkError::Line), 400),
        ("Transfer-Encoding: chunked", "fffffffffffffffff\r\n", Reject::Chunk(ChunkError::SizeOverflow), 400),
        ("Transfer-Encoding: chunked", "ffffffffffffffff\r\n", Reject::Chunk(ChunkError::BodyTooLong), 413),
        ("Transfer-Encoding: chunked", "0\r\nX y\r\n\r\n", Reject::Trailer, 400),
        ("Transfer-Encoding: chunked", "0\r\nContent-Length: 1\r\n\r\n", Reject::Trailer, 400),
        ("Transfer-Encoding: chunked", "0\r\nCONNECTION: close\r\n\r\n", Reject::Trailer, 400),
    ];
    let mut bench = Bench::new();
    for (field, body, reject, status) in table {
        let message = format!("POST / HTTP/1.1\r\n{field}\r\n{HOST}{body}");
        for answers in [false, true] {
            let handler = async |mut request: Request<'_>, response: Response<'_>| {
                let first = loop {
                    match request.body().read(&mut [0; 3]).await {
                        Ok(count) => assert!(count > 0, "a body that ended well"),
                        Err(error) => break error,
                    }
                };
                assert_eq!(first.reject(), reject);
                assert_eq!(request.body().chunk().await.unwrap_err(), first);
                assert_eq!(request.body().all().await.unwrap_err(), first);
                assert_eq!(request.body().read(&mut [0]).await.unwrap_err(), first);
                assert!(request.body().trailers().is_none() && !request.body().is_over());
                assert_eq!(Failure::from(first).cause(), Cause::Body(reject));
                if answers { response.status(299).body("anyway").await } else { Err(first.into()) }
            };
            at_every_cut(&message, |pieces| {
                let outcome = bench.run(&handler, pieces);
                assert_eq!(outcome.statuses(), [if answers { 299 } else { status }], "{outcome:?}");
                assert!(outcome.says_close(), "{outcome:?}");
            });
        }
    }
}

#[test]
fn content_is_gathered_up_to_the_limit_and_not_asked_for_beyond() {
    let limits = Limits { body_in_memory_bytes: 8, ..Limits::DEFAULT };
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body().all().await?;
        response.status(200).body(body).await
    };
    let expecting = |length| format!("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n{HOST}");
    let outcome = Bench::with(limits).run(&handler, &[expecting(8).as_bytes(), b"12345678"]);
    assert!(outcome.text().starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{outcome:?}");
    let outcome = Bench::with(limits).run(&handler, &[expecting(9).as_bytes(), b"123456789"]);
    assert!(outcome.text().starts_with("HTTP/1.1 413 "), "{outcome:?}");
}

#[test]
fn continue_is_sent_once_and_only_when_the_body_is_asked_for() {
    let mut bench = Bench::new();
    bench.open = true;
    for begins_head in [false, true] {
        let handler = async |mut request: Request<'_>, response: Response<'_>| {
            if request.path() == "/no" {
                return response.status(403).body("no").await;
            }
            if begins_head {
                let head = response.status(200).header("x-first", "1");
                let body = request.body().all().await?;
                return head.body(body).await;
            }
            let body = request.body().all().await?;
            response.status(200).header("x-first", "1").body(body).await
        };
        let head = |path, version| {
            format!(
                "POST /{path} HTTP/{version}\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 4\r\n{HOST}"
            )
        };
        let outcome = bench.run(&handler, &[head("", "1.1").as_bytes(), b"a", b"b", b"c", b"d"]);
        assert!(
            outcome.text().starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-first: 1\r\n"),
            "{outcome:?}"
        );
        assert_eq!((outcome.text().matches(" 100 ").count(), outcome.stop), (1, Stop::Waits(State::Idle)));
        // Not to one that doesn't wait, nor to HTTP/1.0, nor when it is refused.
        for (pieces, statuses, closes) in [
            (vec![format!("{}a", head("", "1.1")), "bcd".to_owned()], [200], false),
            (vec![head("", "1.0"), "abcd".to_owned()], [200], false),
            (vec![head("no", "1.1"), "abcd".to_owned()], [403], true),
            (vec![format!("{}abcd", head("no", "1.1"))], [403], false),
        ] {
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let outcome = bench.run(&handler, &pieces);
            assert_eq!((outcome.statuses(), outcome.says_close()), (statuses.to_vec(), closes), "{outcome:?}");
            assert!(!outcome.text().contains(" 100 "), "{outcome:?}");
        }
    }
}

#[test]
fn a_body_that_is_asked_for_behind_the_answers_head_is_waited_for() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let mut echo = response.status(200).stream().await?;
        while let Some(chunk) = request.body().chunk().await? {
            echo.write(&chunk).await?;
        }
        echo.finish().await
    };
    let head = format!("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n{HOST}");
    let mut bench = Bench::new();
    bench.open = true;
    let outcome = bench.run(&handler, &[head.as_bytes()]);
    assert_eq!(outcome.stop, Stop::Waits(State::Exchange), "{outcome:?}");
    let outcome = bench.run(&handler, &[head.as_bytes(), b"ab"]);
    // No 100 behind a final status (RFC 9110, section 10.1.1).
    assert!(outcome.text().starts_with("HTTP/1.1 200 ") && !outcome.text().contains(" 100 "), "{outcome:?}");
    assert!(outcome.text().ends_with("\r\n\r\n0002\r\nab\r\n0\r\n\r\n"), "{outcome:?}");
}

/// Where the second head of a pipeline ends near the buffer's end, its body has room all the same.
#[test]
fn a_body_behind_a_pipeline_has_the_whole_buffer() {
    let mut bench = Bench::sized(1024, 4096, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body().all().await?;
        response.status(200).body(body).await
    };
    let first = format!("GET /{} HTTP/1.1\r\n{HOST}", "x".repeat(600));
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        for size in 0..200 {
            let second = format!("POST / HTTP/1.1\r\nHost: a\r\nX: {}\r\n{body}", "y".repeat(230 + size));
            let outcome = bench.run(&handler, &[format!("{first}{second}").as_bytes()]);
            assert_eq!(outcome.statuses(), [200, 200], "{size}: {outcome:?}");
            assert!(outcome.text().ends_with("\r\n\r\nhello"));
        }
    }
}

#[test]
fn a_request_knows_its_context() {
    let seen = RefCell::new(Vec::new());
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let RequestId::Number(id) = request.id() else { panic!("a number was set") };
        seen.borrow_mut().push((id, request.peer(), request.deadline(), request.id().to_string()));
        assert!(matches!(request.head().framing().body, BodyFraming::Length(0)));
        response.status(204).empty().await
    };
    let (clock, watch, limits) = (midge::ManualClock::new(), Watch::new(), Limits::DEFAULT);
    let (mut input, mut output, mut fields) = ([0; 8192], [0; 8192], [Field::EMPTY; 16]);
    let peers = [Peer::Unix, Peer::Unknown, Peer::Ip("[::1]:80".parse().unwrap())];
    watch.set_next_id(0xfffe);
    for peer in peers {
        let mut wire = Wire::new(&[format!("GET / HTTP/1.1\r\n{HOST}").as_bytes()]);
        let mut slot = Slot::new(&mut input, &mut output, &mut fields);
        let mut serving = pin!(serve(&mut wire, &handler, &mut slot, &limits, &clock, peer, &watch));
        let mut context = Context::from_waker(Waker::noop());
        let ended = loop {
            if let Poll::Ready(ended) = serving.as_mut().poll(&mut context) {
                break ended.unwrap();
            }
        };
        assert_eq!(ended, Ended::Close);
    }
    let ids = ["000000000000fffe", "000000000000ffff", "0000000000010000"];
    let wanted: Vec<_> = (0..3).map(|n| (0xfffe + n, peers[n as usize], None, ids[n as usize].to_owned())).collect();
    assert_eq!(seen.take(), wanted);
    assert_eq!(peers.map(|peer| peer.to_string()), ["unix", "unknown", "[::1]:80"]);
}

/// The future of a connection is dropped after each number of polls: the slot serves the next connection as if new.
#[test]
fn a_slot_outlives_a_connection_that_is_dropped_anywhere() {
    let handler = async |mut request: Request<'_>, mut response: Response<'_>| {
        response.interim(103).header("link", "</a>").send().await?;
        let head = response.status(200).header("x-secret", "swordfish");
        poll_once().await;
        let body = request.body().all().await?;
        let mut stream = head.stream().await?;
        stream.write(body).await?;
        stream.flush().await?;
        poll_once().await;
        stream.trailer("x", "y").await?;
        stream.finish().await
    };
    let secret = format!(
        "POST /swordfish HTTP/1.1\r\nX: swordfish\r\nTransfer-Encoding: chunked\r\n{HOST}9\r\nswordfish\r\n0\r\nT: swordfish\r\n\r\n"
    );
    let pieces: Vec<&[u8]> = secret.as_bytes().chunks(20).collect();
    let plain = async |mut request: Request<'_>, response: Response<'_>| {
        assert!(request.headers().len() == 2 && request.header("x").is_none());
        let body = request.body().all().await?;
        assert!(request.body().trailers().unwrap().is_empty());
        response.status(200).body(body).await
    };
    let next = format!("POST / HTTP/1.1\r\nContent-Length: 2\r\n{HOST}ok");
    for take in [usize::MAX, 5] {
        let wanted = Bench::new().run(&plain, &[next.as_bytes()]);
        let mut finished = false;
        let mut bench = Bench::new();
        for polls in 1..1_000 {
            let mut wire = Wire::new(&pieces);
            wire.take = take;
            let stop = bench.drive(&handler, &mut wire, polls, |_| true);
            assert_eq!(bench.run(&plain, &[next.as_bytes()]), wanted, "dropped after {polls} polls");
            if matches!(stop, Stop::Ended(_)) {
                assert!(Outcome { out: wire.out, stop }.text().ends_with("0\r\nx: y\r\n\r\n"));
                finished = true;
                break;
            }
        }
        assert!(finished);
    }
}

/// Waits for one more poll.
async fn poll_once() {
    let waited = Cell::new(false);
    poll_fn(|_| if waited.replace(true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[test]
fn an_upgraded_connection_reads_and_writes_both_ways_at_once() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut raw = response.status(101).header("x", "y").upgrade("chat").await?;
        let (mut reader, mut writer) = raw.split();
        let mut got = Vec::new();
        let mut buffer = [0; 3];
        loop {
            match reader.read(&mut buffer).await? {
                0 => break,
                count => {
                    embedded_io_async::Write::write_all(&mut writer, &buffer[..count]).await?;
                    embedded_io_async::Write::flush(&mut writer).await?;
                    got.extend_from_slice(&buffer[..count]);
                }
            }
        }
        assert_eq!(got, b"early and late");
        raw.finish().await
    };
    let head = format!("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: chat\r\n{HOST}early");
    let mut bench = Bench::sized(1024, 512, 8, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    for take in [usize::MAX, 1] {
        bench.take = take;
        let outcome = bench.run(&handler, &[head.as_bytes(), b" and", b" late"]);
        let date = common::DATE_LINE;
        let wanted = format!(
            "HTTP/1.1 101 Switching Protocols\r\nx: y\r\nconnection: upgrade\r\nupgrade: chat\r\n{date}\r\nearly and late"
        );
        assert_eq!(outcome.text(), wanted);
        assert!(matches!(outcome.stop, Stop::Ended(Ended::Linger | Ended::Close)), "{outcome:?}");
    }
}

#[test]
fn an_upgrade_behind_a_pipeline_has_the_whole_buffer() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() != "/raw" {
            return response.status(200).empty().await;
        }
        let mut raw = response.status(101).upgrade("chat").await?;
        let mut buffer = [0; 8];
        let count = raw.read(&mut buffer).await?;
        raw.write(&buffer[..count]).await?;
        raw.finish().await
    };
    let mut bench = Bench::sized(1024, 4096, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    let second = format!("GET /raw HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: chat\r\n{HOST}");
    for spare in 0..4 {
        // The last head ends where the buffer does, or a little before.
        let get = |size: usize| {
            format!("GET /{} HTTP/1.1\r\n{HOST}", "x".repeat(size - format!("GET / HTTP/1.1\r\n{HOST}").len()))
        };
        let first = get(400) + &get(1024 - spare - second.len() - 400);
        assert_eq!(first.len() + second.len(), 1024 - spare);
        let outcome = bench.run(&handler, &[format!("{first}{second}").as_bytes(), b"later"]);
        assert!(outcome.text().ends_with("\r\n\r\nlater"), "{spare}: {outcome:?}");
    }
}

#[test]
fn an_upgrade_behind_a_gathered_body_can_still_read() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        request.body().all().await?;
        let mut raw = response.status(101).upgrade("chat").await?;
        let mut buffer = [0; 8];
        let count = raw.read(&mut buffer).await?;
        raw.write(&buffer[..count]).await?;
        raw.finish().await
    };
    let mut bench = Bench::sized(1024, 8192, 8, Limits::DEFAULT);
    let head = |size: usize| {
        format!("POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: chat\r\nContent-Length: {size}\r\n{HOST}")
    };
    // A gathered body leaves 256 bytes for the other protocol, and is too large if it would not.
    let most = 1024 - head(600).len() - 256;
    let outcome = bench.run(&handler, &[head(most).as_bytes(), "x".repeat(most).as_bytes(), b"later"]);
    assert!(outcome.text().ends_with("later"), "{outcome:?}");
    let outcome = bench.run(&handler, &[head(most + 1).as_bytes(), "x".repeat(most + 1).as_bytes(), b"later"]);
    assert!(outcome.text().starts_with("HTTP/1.1 413 "), "{outcome:?}");
}

const ROOM: usize = 400;

/// Serves a chunked request with [`ROOM`] bytes of the buffer behind its head.
fn in_room(handler: &impl midge::Handler, pieces: &[&str]) -> Outcome {
    let head = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{HOST}");
    let mut bench = Bench::sized(head.len() + ROOM, 1_024, 8, Limits::DEFAULT);
    bench.limits.response_head_bytes = 256;
    bench.open = true;
    let pieces: Vec<&[u8]> = [head.as_bytes()].into_iter().chain(pieces.iter().map(|piece| piece.as_bytes())).collect();
    bench.run(handler, &pieces)
}

#[test]
fn what_was_read_makes_room_for_all_that_the_buffer_holds() {
    let sizes = RefCell::new(Vec::new());
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        while let Some(chunk) = request.body().chunk().await? {
            sizes.borrow_mut().push(chunk.len());
        }
        let trailers = request.body().trailers().unwrap();
        response
            .status(200)
            .body(format!("{:?}", trailers.iter().map(|(name, value)| (name.len(), value.len())).collect::<Vec<_>>()))
            .await
    };
    let content = "x".repeat(ROOM);
    // In the second read, all of it; in the third, data up to the buffer's end and a trailer's first half there.
    let last = format!("{}\r\n0\r\na: {}", &content[..150], "t".repeat(ROOM - 150 - 8));
    let outcome = in_room(&handler, &["230\r\nxxxxxxxxxx", &content, &last, "ttt", "t\r\nb: c\r\n\r\n"]);
    assert_eq!(sizes.take(), [10, ROOM, 150]);
    let trailer = ROOM - 150 - 8 + 4;
    assert!(outcome.text().ends_with(&format!("[(1, {trailer}), (1, 1)]")), "{outcome:?}");
    // One that the whole buffer can't hold is refused, whatever was read before it.
    for before in ["", "5\r\nhello\r\n"] {
        for length in [ROOM - 1, ROOM, ROOM + 1, 2 * ROOM] {
            let trailer = format!("{before}0\r\na: {}\r\n\r\n", "t".repeat(length - 7));
            let outcome = in_room(&handler, &[&trailer]);
            assert_eq!(outcome.statuses(), [if length > ROOM { 431 } else { 200 }], "{length}: {outcome:?}");
        }
    }
}

#[test]
fn what_is_gathered_and_what_comes_behind_it_share_the_buffer() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let length = request.body().all().await?.len();
        let trailers = request.body().trailers().unwrap().len();
        response.status(200).body(format!("{length} {trailers}")).await
    };
    for by in [1, 7, 1_000] {
        let run = |text: &str| {
            let pieces: Vec<&str> = text.as_bytes().chunks(by).map(|piece| str::from_utf8(piece).unwrap()).collect();
            in_room(&handler, &pieces)
        };
        for size in [1, 100, ROOM - 20, ROOM - 2, ROOM - 1, ROOM, ROOM + 1, 2 * ROOM] {
            let outcome = run(&format!("{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size)));
            // The empty line at the end has to have room.
            let status = [200, 431, 413][(size + 2).saturating_sub(ROOM).min(2)];
            assert_eq!(outcome.statuses(), [status], "{size} by {by}: {outcome:?}");
            assert!(status != 200 || outcome.text().ends_with(&format!("\r\n\r\n{size} 0")), "{outcome:?}");
        }
        for size in [ROOM - 110, ROOM - 101, ROOM - 100, ROOM - 99, ROOM - 80] {
            let trailer = "t".repeat(100 - 7);
            let outcome = run(&format!("{size:x}\r\n{}\r\n0\r\na: {trailer}\r\n\r\n", "x".repeat(size)));
            assert_eq!(outcome.statuses(), [if size > ROOM - 100 { 431 } else { 200 }], "{size} by {by}: {outcome:?}");
        }
    }
}

/// What begins no trailer and doesn't end the body is refused at once, and not when a whole section is there.
#[test]
fn what_is_no_line_end_behind_the_last_chunk_is_refused_at_once() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let length = request.body().all().await?.len();
        response.status(200).body(format!("{length}")).await
    };
    for (end, statuses) in
        [("\r\n", &[200][..]), ("\rx", &[400]), ("\r\r", &[400]), ("\n", &[400]), ("\r", &[]), ("a", &[])]
    {
        assert_eq!(in_room(&handler, &["2\r\nhi\r\n0\r\n", end]).statuses(), statuses, "{}", end.escape_debug());
    }
}

//! `Upgrade` (RFC 9110, section 7.8): the connection changes hands with all that was sent, and only if it was offered and its
//! request is complete.

use std::{
    future::{Future, poll_fn},
    io::{Read as _, Write as _},
    net::Shutdown,
    pin::pin,
    task::Poll,
    thread,
};

use embedded_io_async::{Read as _, Write as _};
use midge::{Failure, Method, Request, Response, Sent};
use midge_tests::wire::Ending;

use crate::support::{Honest, PATIENT, Random, beside, contains, every_slot_serves, rest, rogue, until};

const HEAD: &str = "GET /upper HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: upper\r\n\r\n";

/// Speaks "upper", which gives back what it is sent in capitals; and "duplex", which tells a story while it listens to one.
async fn handler(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/upper" => {
            let mut upgraded = response.status(101).header("x-field", "of the handler").upgrade("upper").await?;
            let mut buffer = [0; 100];
            loop {
                let count = upgraded.read(&mut buffer).await?;
                if count == 0 {
                    return upgraded.finish().await;
                }
                upgraded.write(buffer[..count].to_ascii_uppercase()).await?;
                upgraded.flush().await?;
            }
        }
        "/after-body" => {
            let body = request.body().all().await?;
            let mut upgraded = response.status(101).upgrade("upper").await?;
            upgraded.write(body).await?;
            let mut buffer = [0; 100];
            while upgraded.read(&mut buffer).await? > 0 {}
            upgraded.finish().await
        }
        "/duplex" => {
            let mut upgraded = response.status(101).upgrade("duplex").await?;
            let sum = {
                let (mut reader, mut writer) = upgraded.split();
                let mut listening = pin!(async {
                    let (mut sum, mut buffer) = (0_u64, [0; 1_000]);
                    loop {
                        match reader.read(&mut buffer).await? {
                            0 => return Ok::<_, Failure>(sum),
                            count => sum += buffer[..count].iter().map(|byte| u64::from(*byte)).sum::<u64>(),
                        }
                    }
                });
                let mut telling = pin!(async {
                    for number in 0..STORY {
                        writer.write_all(&[number as u8; 1_000]).await?;
                    }
                    writer.flush().await
                });
                let (mut sum, mut told) = (None, None);
                poll_fn(|context| {
                    if sum.is_none()
                        && let Poll::Ready(result) = listening.as_mut().poll(context)
                    {
                        sum = Some(result);
                    }
                    if told.is_none()
                        && let Poll::Ready(result) = telling.as_mut().poll(context)
                    {
                        told = Some(result);
                    }
                    if sum.is_some() && told.is_some() { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                told.transpose()?;
                sum.transpose()?.unwrap_or_default()
            };
            upgraded.write(sum.to_string()).await?;
            upgraded.finish().await
        }
        _ if request.method() == Method::Post => {
            let body = request.body().all().await?;
            response.status(200).body(body).await
        }
        _ => response.status(200).body("hello").await,
    }
}

/// Thousands of bytes in each direction.
const STORY: usize = 3_000;

#[test]
fn bytes_sent_before_the_answer_are_the_new_protocols() {
    beside(
        |server| server.slots(2).limits(PATIENT),
        handler,
        |address| {
            let mut honest = Honest::connect(address);
            // A request is none any more behind an upgrade.
            let early = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(300);
            let stream = rogue(address, format!("{HEAD}{early}").as_bytes());
            (&stream).write_all(b"and then").unwrap();
            honest.is_answered();
            stream.shutdown(Shutdown::Write).unwrap();
            let (received, ending) = rest(&stream);
            let split = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            let (head, raw) = received.split_at(split);
            assert!(head.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n") && ending == Ending::Eof);
            for line in ["upgrade: upper\r\n", "connection: upgrade\r\n", "x-field: of the handler\r\n"] {
                assert!(contains(head, line.as_bytes()), "{}", head.escape_ascii());
            }
            assert!(!contains(head, b"content-length") && !contains(head, b"transfer-encoding"));
            assert_eq!(raw, format!("{early}and then").to_ascii_uppercase().as_bytes());
            drop(honest);
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn both_directions_go_at_once() {
    beside(
        |server| server.slots(2).limits(PATIENT),
        handler,
        |address| {
            let mut honest = Honest::connect(address);
            let stream = rogue(address, HEAD.replace("upper", "duplex").as_bytes());
            until_head(&stream);
            let mut random = Random(7);
            let story: Vec<u8> = (0..STORY * 1_000).map(|_| random.below(256) as u8).collect();
            let sum: u64 = story.iter().map(|byte| u64::from(*byte)).sum();
            let (received, ending) = thread::scope(|scope| {
                scope.spawn(|| {
                    (&stream).write_all(&story).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                });
                honest.is_answered();
                rest(&stream)
            });
            let (told, end) = received.split_at(STORY * 1_000);
            assert!(told.chunks(1_000).enumerate().all(|(number, piece)| piece == [number as u8; 1_000]));
            assert_eq!((end, ending), (sum.to_string().as_bytes(), Ending::Eof));
            drop(honest);
            every_slot_serves(address, 2);
        },
    );
}

/// Byte by byte, so that nothing behind the head is taken.
fn until_head(mut stream: &std::net::TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
}

/// pingora RUSTSEC-2026-0033.
#[test]
fn no_upgrade_before_the_request_is_complete_or_without_an_offer() {
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let offer = "Connection: close, Upgrade\r\nUpgrade: upper\r\n";
            for request in [
                // A body that nobody read.
                format!("POST /upper HTTP/1.1\r\nHost: a\r\n{offer}Content-Length: 5\r\n\r\nhello"),
                format!("POST /upper HTTP/1.1\r\nHost: a\r\n{offer}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                // Half an offer.
                "GET /upper HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: upper\r\n\r\n".to_owned(),
                "GET /upper HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n\r\n".to_owned(),
                "GET /upper HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
                // HTTP/1.0 has none.
                format!("GET /upper HTTP/1.0\r\nHost: a\r\n{offer}\r\n"),
            ] {
                let (received, ending) = rest(&rogue(address, request.as_bytes()));
                assert!(received.starts_with(b"HTTP/1.1 500 "), "{request}: {}", received.escape_ascii());
                assert_eq!(ending, Ending::Eof);
            }
            // With its body read, an upgrade is granted.
            for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
            {
                let request = format!("POST /after-body HTTP/1.1\r\nHost: a\r\n{offer}{body}");
                let stream = rogue(address, request.as_bytes());
                assert!(until(&stream, b"\r\n\r\nhello").starts_with(b"HTTP/1.1 101 "));
            }
        },
    );
}

/// A handler that does not take the offer answers as ever, and the connection stays what it was.
#[test]
fn an_offer_that_nobody_takes_changes_nothing() {
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let stream = rogue(address, HEAD.replace("GET /upper", "GET /other").repeat(3).as_bytes());
            stream.shutdown(Shutdown::Write).unwrap();
            let (received, _) = rest(&stream);
            let ok = b"HTTP/1.1 200 OK\r\n";
            assert_eq!(received.windows(ok.len()).filter(|window| window == ok).count(), 3);
        },
    );
}

//! Handlers that fail when the answer has begun: the client sees that it isn't whole.

use std::net::SocketAddr;

use midge::{Failure, Request, Response, ResponseError, Sent};
use midge_tests::wire::{Asked, Connection, Ending};

use crate::support::{
    App, Events, Honest, PATIENT, attack, beside, contains, every_slot_serves, is_truncated, rest, rogue,
};

/// `GET /HOW/WHEN`: begins an answer, framed as the request's version has it or of a declared length, and fails in it.
async fn fails(request: Request<'_>, response: Response<'_>, seen: &Events) -> Result<Sent, Failure> {
    let Some((how, when)) = request.path()[1..].split_once('/') else {
        return midge::Handler::handle(&&App::default(), request, response).await;
    };
    seen.note("called");
    let head = response.status(200);
    let head = if request.header("declared").is_some() { head.length(10) } else { head };
    let mut body = head.stream().await?;
    body.write("five!").await?;
    if when == "flushed" {
        body.flush().await?;
    }
    match how {
        "failure" => Err(Failure::new(418)),
        "panic" => panic!("on purpose"),
        "fewer" => {
            let result = body.finish().await;
            assert_eq!(result.as_ref().unwrap_err(), &Failure::from(ResponseError::Length));
            seen.note("told");
            result
        }
        "more" => {
            let result = body.write("six!!!").await;
            assert_eq!(result.unwrap_err(), Failure::from(ResponseError::Length));
            seen.note("told");
            // Even if the handler goes on as if nothing had happened.
            body.write("five!").await?;
            body.write("!").await?;
            body.finish().await
        }
        _ => Err(Failure::new(404)),
    }
}

fn with(test: impl FnOnce(&Events, SocketAddr)) {
    let seen = Events::default();
    let handler = async |request: Request<'_>, response: Response<'_>| fails(request, response, &seen).await;
    beside(
        |server| server.slots(2).limits(PATIENT),
        handler,
        |address| {
            let mut honest = Honest::connect(address);
            test(&seen, address);
            honest.is_answered();
            drop(honest);
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn an_answer_that_has_begun_is_seen_to_be_cut() {
    with(|seen, address| {
        let mut calls = 0;
        for (version, declared, wanted) in [
            ("1.1", "", Ending::Eof),
            ("1.1", "Declared: 1\r\n", Ending::Eof),
            ("1.0", "Declared: 1\r\n", Ending::Eof),
            // Nothing but a reset tells it from a whole one.
            ("1.0", "", Ending::Reset),
            ("1.0", "Connection: keep-alive\r\n", Ending::Reset),
        ] {
            for how in ["failure", "panic"] {
                let head = format!("GET /{how}/flushed HTTP/{version}\r\nHost: a\r\n{declared}\r\n");
                // What is behind it is never answered.
                let stream = rogue(address, format!("{head}GET / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
                let (received, ending) = rest(&stream);
                assert_eq!(ending, wanted, "{head}");
                let asked = Asked { method: "GET".to_owned(), http10: version == "1.0" };
                assert!(is_truncated(asked, &received, ending), "{head}");
                assert!(!contains(&received, b"hello"), "{head}");
                calls += 1;
            }
        }
        assert_eq!(seen.count("called"), calls);
    });
}

#[test]
fn an_answer_of_another_length_than_it_declared_is_cut_and_its_handler_told() {
    with(|seen, address| {
        let request = "GET /fewer/flushed HTTP/1.1\r\nHost: a\r\nDeclared: 1\r\n\r\n";
        let (received, ending) = rest(&rogue(address, request.as_bytes()));
        assert!(received.ends_with(b"\r\n\r\nfive!"), "{}", received.escape_ascii());
        assert!(is_truncated(Asked::new("GET"), &received, ending));
        assert_eq!(ending, Ending::Eof);

        let request = "GET /more/flushed HTTP/1.1\r\nHost: a\r\nDeclared: 1\r\n\r\n";
        let (received, ending) = rest(&rogue(address, request.as_bytes()));
        // It may say what it declared, and not a byte more.
        assert!(received.ends_with(b"\r\n\r\nfive!five!"), "{}", received.escape_ascii());
        assert_eq!(ending, Ending::Eof);
        assert_eq!(seen.count("told"), 2);
    });
}

#[test]
fn an_answer_of_which_nothing_went_out_is_taken_back() {
    with(|_, address| {
        let mut client = Connection::connect(address).unwrap();
        for (how, status) in [("failure", 418), ("panic", 500), ("fewer", 500), ("more", 500)] {
            let request = format!("GET /{how}/held HTTP/1.1\r\nHost: a\r\nDeclared: 1\r\n\r\n");
            client.ask(Asked::new("GET"), request.as_bytes()).unwrap();
            let answer = client.receive().unwrap_or_else(|fault| panic!("{how}: {fault}"));
            assert_eq!(answer.head.status, status, "{how}");
            assert!(!contains(&answer.content, b"five"), "{how}");
        }
    });
}

/// Whatever is still in the output buffer, a trailer finds room.
#[test]
fn trailers_find_room_however_full_the_buffer_is() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let length = request.path()[1..].parse().unwrap();
        let mut body = response.status(200).stream().await?;
        body.write(vec![b'x'; length]).await?;
        body.trailer("checksum", "0123456789".repeat(10)).await?;
        body.trailer("second", "0123456789".repeat(20)).await?;
        body.finish().await
    };
    beside(
        |server| server.slots(1).limits(PATIENT).output_bytes(5_000),
        handler,
        |address| {
            let mut client = Connection::connect(address).unwrap();
            for length in (4_400..5_000).step_by(7) {
                let request = format!("GET /{length} HTTP/1.1\r\nHost: a\r\n\r\n");
                client.ask(Asked::new("GET"), request.as_bytes()).unwrap();
                let answer = client.receive().unwrap_or_else(|fault| panic!("{length}: {fault}"));
                assert_eq!((answer.content.len(), answer.trailers.len()), (length, 2));
            }
            // Where there is no place for trailers, they are left out and nothing is cut.
            for length in (4_400..5_000).step_by(7) {
                let request = format!("GET /{length} HTTP/1.0\r\n\r\n");
                let mut client = Connection::connect(address).unwrap();
                client.ask(Asked::new("GET").http10(), request.as_bytes()).unwrap();
                let answer = client.receive().unwrap_or_else(|fault| panic!("HTTP/1.0, {length}: {fault}"));
                assert_eq!((answer.content.len(), answer.trailers.len()), (length, 0));
            }
        },
    );
}

/// A date of the handler's own in the head is no fault of the trailers.
#[test]
fn trailers_follow_a_head_with_a_date_of_its_own() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut body = response.status(200).header("date", "Sun, 06 Nov 1994 08:49:37 GMT").stream().await?;
        body.write("hello").await?;
        body.trailer("checksum", "1").await?;
        body.finish().await
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let mut client = Connection::connect(address).unwrap();
            client.ask(Asked::new("GET"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let answer = client.receive().unwrap();
            assert_eq!((answer.head.status, answer.trailers.len()), (200, 1));
            assert_eq!(answer.head.values("date").collect::<Vec<_>>(), [b"Sun, 06 Nov 1994 08:49:37 GMT"]);
        },
    );
}

#[test]
fn bodies_that_the_handler_left_are_thrown_away_or_end_the_connection() {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            let mut client = Connection::connect(address).unwrap();
            for length in [0, 1, 1_000, 60_000] {
                let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2_000);
                let body = &body[..length];
                for head in
                    [format!("Content-Length: {length}\r\n\r\n{body}"), "Transfer-Encoding: chunked\r\n\r\n".to_owned()]
                {
                    let request = format!("POST /ignore HTTP/1.1\r\nHost: a\r\n{head}");
                    client.ask(Asked::new("POST"), request.as_bytes()).unwrap();
                    if head.starts_with("Transfer") {
                        let chunk = if length == 0 { String::new() } else { format!("{length:x}\r\n{body}\r\n") };
                        client.send(format!("{chunk}0\r\nX: y\r\n\r\n").as_bytes()).unwrap();
                    }
                    assert_eq!(client.receive().unwrap().content, b"ignored");
                }
            }
            drop(client);
            // More than anybody throws away: the answer comes whole, says close, and means it.
            let head = "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n";
            let mut client = Connection::connect(address).unwrap();
            client.ask(Asked::new("POST"), head.as_bytes()).unwrap();
            let answer = client.receive().unwrap();
            assert!(answer.head.says_close() && answer.content == b"ignored");
            assert!(app.seen().iter().all(|seen| seen == "POST /ignore"), "{:?}", app.seen());
        },
    );
}

//! Response splitting: no text that a handler was made to pass on ends a field, a head or a message before its time, through
//! whichever of the API's doors it comes.

use std::{net::SocketAddr, sync::Mutex};

use midge::{Cause, Failure, Request, Response, ResponseError, Sent};
use midge_tests::wire::{Asked, Connection, Ending};

use crate::support::{PATIENT, beside, contains, every_slot_serves, is_truncated, rest, rogue, until};

/// What no field value may hold. Each holds `evil`, which must not reach the wire.
const VALUES: &[&str] = &[
    "a\r\nx-evil: 1",
    "a\nx-evil: 1",
    "a\rx-evil: 1",
    "\r\n\r\n<evil>",
    "\nevil",
    "evil\r\n",
    "evil\n",
    "evil\r",
    "evil\0",
    "\0evil",
    "evil\u{1}",
    "evil\u{7f}",
    "long enough to be looked at eight bytes at a time, evil\n and then some more of it",
];

/// What no field name is.
const NAMES: &[&str] =
    &["", "evil:", "evil ", "ev il", "evil\r\nx", "evil\n", "evil\0", "x: evil\r\ny", "évil", "(evil)"];

/// Names that are the engine's, in any case: with them a handler could frame an answer in two ways.
const RESERVED: &[&str] = &[
    "content-length",
    "Content-Length",
    "transfer-encoding",
    "TRANSFER-ENCODING",
    "connection",
    "Connection",
    "keep-alive",
    "upgrade",
];

/// Through which door a text goes.
const DOORS: &[&str] = &["value", "format", "interim"];

/// `GET /DOOR/VALUE/n` and its like pass the n-th text on.
async fn passes_on(request: Request<'_>, mut response: Response<'_>) -> Result<Sent, Failure> {
    let mut parts = request.path().split('/').skip(1);
    let door = parts.next().unwrap_or_default();
    let (kind, number) = (parts.next().unwrap_or_default(), parts.next().and_then(|number| number.parse().ok()));
    let number: usize = number.unwrap_or_default();
    let (name, value) = match kind {
        "value" => ("x", VALUES[number]),
        "name" => (NAMES[number], "evil"),
        "reserved" => (RESERVED[number], "evil"),
        _ => return response.status(200).body("fine").await,
    };
    match door {
        "value" => response.status(200).header("a", "b").header(name, value).header("c", "d").body("evil").await,
        "format" => response.status(200).header_fmt(name, format_args!("{}", value)).body("evil").await,
        "interim" => {
            response.interim(103).header(name, value).header("evil", "evil").send().await?;
            response.status(200).body("evil").await
        }
        "protocol" => response.status(101).upgrade(value).await?.finish().await,
        "trailer" => {
            let mut body = response.status(200).stream().await?;
            body.write("begun").await?;
            body.flush().await?;
            body.trailer("good", "good").await?;
            body.trailer(name, value).await?;
            body.trailer("evil", "evil").await?;
            body.finish().await
        }
        _ => Err(Failure::new(404)),
    }
}

/// Runs `test` beside [`passes_on`], and gives what the handler was told.
fn told(test: impl FnOnce(SocketAddr)) -> Vec<Cause> {
    let told = Mutex::new(Vec::new());
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.method().as_str() == "POST" {
            let mut request = request;
            return response.status(200).body(request.body().all().await?).await;
        }
        let result = passes_on(request, response).await;
        if let Err(failure) = &result {
            told.lock().unwrap().push(failure.cause());
        }
        result
    };
    beside(
        |server| server.slots(2).limits(PATIENT),
        handler,
        |address| {
            test(address);
            every_slot_serves(address, 2);
        },
    );
    told.into_inner().unwrap()
}

/// hyper RUSTSEC-2017-0002, trillium RUSTSEC-2024-0009.
#[test]
fn a_head_that_would_split_is_answered_500_and_its_connection_goes_on() {
    let texts = [("value", VALUES), ("name", NAMES), ("reserved", RESERVED)];
    let mut asked = 0;
    let told = told(|address| {
        for door in DOORS {
            for (kind, texts) in texts {
                for number in 0..texts.len() {
                    let request = format!("GET /{door}/{kind}/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
                    let mut client = Connection::connect(address).unwrap();
                    client.ask(Asked::new("GET"), request.as_bytes()).unwrap();
                    let answer = client.receive().unwrap_or_else(|fault| panic!("{request}: {fault}"));
                    let text = format!("{answer:?}");
                    assert_eq!((answer.head.status, answer.interim.len()), (500, 0), "{request}: {text}");
                    assert!(!text.contains("evil"), "{request}: {text}");
                    client.ask(Asked::new("GET"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                    assert_eq!(client.receive().unwrap().content, b"fine");
                    asked += 1;
                }
            }
        }
    });
    assert_eq!(told.len(), asked);
    for error in [ResponseError::FieldValue, ResponseError::FieldName, ResponseError::Reserved] {
        assert!(told.contains(&Cause::Response(error)), "no handler was told {error}");
    }
}

#[test]
fn a_trailer_that_would_split_never_goes_out_and_its_answer_is_cut() {
    let texts = [("value", VALUES), ("name", NAMES), ("reserved", RESERVED)];
    let told = told(|address| {
        for (kind, texts) in texts {
            for number in 0..texts.len() {
                let request = format!("GET /trailer/{kind}/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
                let (received, ending) = rest(&rogue(address, request.as_bytes()));
                assert!(contains(&received, b"begun") && !contains(&received, b"evil"), "{request}");
                assert!(is_truncated(Asked::new("GET"), &received, ending), "{request}");
            }
        }
    });
    assert_eq!(told.len(), VALUES.len() + NAMES.len() + RESERVED.len());
}

#[test]
fn a_protocol_that_would_split_is_answered_500() {
    let told = told(|address| {
        for number in 0..VALUES.len() {
            let head = "Host: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
            let request = format!("GET /protocol/value/{number} HTTP/1.1\r\n{head}");
            let stream = rogue(address, request.as_bytes());
            let answer = until(&stream, b"500 Internal Server Error\n");
            assert!(answer.starts_with(b"HTTP/1.1 500 ") && !contains(&answer, b"evil"), "{}", answer.escape_ascii());
        }
    });
    assert_eq!(told, vec![Cause::Response(ResponseError::FieldValue); VALUES.len()]);
}

/// What a handler says to the client in its own words is content, and no part of a head.
#[test]
fn the_reason_of_a_failure_stays_within_its_answer() {
    let handler = async |_: Request<'_>, _: Response<'_>| {
        Err::<Sent, _>(Failure::new(400).because("a\r\n\r\nHTTP/1.1 200 OK\r\nevil: 1\r\n\r\n"))
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let mut client = Connection::connect(address).unwrap();
            for _ in 0..2 {
                client.ask(Asked::new("GET"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                let answer = client.receive().unwrap();
                assert_eq!((answer.head.status, answer.head.value("evil")), (400, None));
            }
        },
    );
}

/// An interim answer that was begun and never sent leaves nothing behind.
#[test]
fn an_interim_answer_that_is_not_sent_does_not_go_out() {
    let handler = async |request: Request<'_>, mut response: Response<'_>| {
        match request.path() {
            "/good" => drop(response.interim(103).header("evil", "evil")),
            _ => drop(response.interim(200).header("evil\n", "evil")),
        }
        if request.query().is_some() {
            return response.status(200).body("fine").await;
        }
        response.interim(103).header("link", "good").send().await?;
        response.status(200).body("fine").await
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            for target in ["/good", "/good?", "/wrong", "/wrong?"] {
                let mut client = Connection::connect(address).unwrap();
                let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
                client.ask(Asked::new("GET"), request.as_bytes()).unwrap();
                let answer = client.receive().unwrap_or_else(|fault| panic!("{target}: {fault}"));
                let hints = usize::from(!target.ends_with('?'));
                assert_eq!((answer.head.status, answer.interim.len()), (200, hints), "{target}");
                assert!(!format!("{answer:?}").contains("evil"), "{target}: {answer:?}");
            }
        },
    );
}

/// Only `upgrade` answers 101: elsewhere what follows it would be taken for another protocol.
#[test]
fn a_status_that_is_not_final_is_answered_500() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let status = request.path()[2..].parse().unwrap();
        match &request.path()[..2] {
            "/e" => response.status(status).empty().await,
            "/b" => response.status(status).body("body").await,
            "/f" => Err(Failure::new(status)),
            _ => response.status(status).stream().await?.finish().await,
        }
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            for how in ["e", "b", "s", "f"] {
                for status in [0, 1, 99, 100, 101, 102, 103, 199, 600, 999, 1_000, u16::MAX] {
                    let head = "Host: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\r\n";
                    let request = format!("GET /{how}{status} HTTP/1.1\r\n{head}");
                    let (received, ending) = rest(&rogue(address, request.as_bytes()));
                    let status_line = received.escape_ascii().to_string();
                    assert!(received.starts_with(b"HTTP/1.1 500 "), "{how}, {status}: {status_line}");
                    assert_eq!(ending, Ending::Eof);
                }
            }
        },
    );
}

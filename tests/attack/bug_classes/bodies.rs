//! Bodies: whose they are, what they cost, and what is lost to a reset.

use std::{fs, io::Write as _};

use midge::{Limits, Request, Response, testing};
use midge_tests::{
    server::Server,
    wire::{Asked, Connection, Ending},
};

use super::{SMUGGLED, are_read};
use crate::support::{Honest, PATIENT, answers, attack, beside, contains, every_slot_serves, rest, rogue, until};

/// hyper RUSTSEC-2020-0008, async-h1 RUSTSEC-2020-0093.
#[test]
fn unread_body_taken_for_the_next_request_and_body_on_get() {
    let length = SMUGGLED.len();
    let framed = [
        format!("Content-Length: {length}\r\n\r\n{SMUGGLED}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"),
    ];
    for body in framed {
        let request = |start: &str| format!("{start} HTTP/1.1\r\nHost: a\r\n{body}");
        are_read([
            // The handlers of these don't look at it.
            (request("POST /ignore"), "ignored"),
            (request("GET /"), "hello"),
            (request("DELETE /"), "hello"),
            (request("FOO /"), "hello"),
            // This one does.
            (request("POST /"), SMUGGLED),
        ]);
    }
}

/// The same where the handler reads a part, or fails.
#[test]
fn body_read_in_part_is_no_request_either() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        assert_eq!(request.method().as_str(), "POST", "a body was taken for a request");
        let mut few = [0; 7];
        let count = request.body().read(&mut few).await?;
        match request.path() {
            "/fail" => Err(midge::Failure::new(422)),
            "/panic" => panic!("on purpose"),
            _ => response.status(200).body(&few[..count]).await,
        }
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        handler,
        |address| {
            let mut client = Connection::connect(address).unwrap();
            let body = SMUGGLED.repeat(20);
            for round in 0..30 {
                let (path, status) = [("/", 200), ("/fail", 422), ("/panic", 500)][round % 3];
                let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                client.ask(Asked::new("POST"), head.as_bytes()).unwrap();
                assert_eq!(client.receive().unwrap().head.status, status);
            }
        },
    );
}

/// tiny-http #290: what a client says that it will send takes no memory. In all they say 100 GiB.
#[test]
fn memory_set_aside_from_a_declared_length() {
    let mut server = Server::start_with("stream", ["--workers", "1"]).unwrap();
    let size = |server: &mut Server| {
        let statm = fs::read_to_string(format!("/proc/{}/statm", server.child().id())).unwrap();
        // Pages of virtual memory.
        statm.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 4_096
    };
    let address = server.address();
    let lengths = ["Content-Length: 1073741824\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n40000000\r\nx"];
    let open = |count| -> Vec<_> {
        let upload =
            |n: usize| rogue(address, format!("POST /upload HTTP/1.1\r\nHost: a\r\n{}", lengths[n % 2]).as_bytes());
        (0..count).map(upload).collect()
    };
    let first = open(1);
    until(&rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), b"404");
    let before = size(&mut server);
    let rest = open(100);
    until(&rogue(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), b"404");
    let grown = size(&mut server).saturating_sub(before);
    assert!(grown < 1 << 24, "it grew by {grown} bytes");
    drop((first, rest));

    // A body that has to be held whole is refused by its length, before a byte of it is there.
    let all = async |mut request: Request<'_>, response: Response<'_>| {
        response.status(200).body(request.body().all().await?).await
    };
    let mut scratch = testing::Scratch::new();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n";
    assert_eq!(testing::call(&all, head, &mut scratch).unwrap().status(), 413);
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\nx";
    assert_ne!(testing::call(&all, head, &mut scratch).unwrap().status(), 200);
}

/// hyper #2384: a body that nobody reads makes the kernel send a reset, which eats the answer.
#[test]
fn unread_body_leads_to_a_reset_that_eats_the_answer() {
    let limits = Limits { linger_bytes: u32::MAX, ..PATIENT };
    attack(
        |server| server.slots(1).limits(limits),
        |_, address| {
            let content = vec![b'x'; 3_000_000];
            for (head, status) in [
                ("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n", 200),
                ("POST /ignore HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n", 200),
                ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n", 413),
                ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3e6\r\n\r\n", 400),
                ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
                ("BAD\r\n\r\n", 400),
            ] {
                // All is written before anything is read.
                let mut stream = rogue(address, head.as_bytes());
                stream.write_all(&content).unwrap();
                let (received, ending) = rest(&stream);
                let answers = answers(&received, &[Asked::new("POST")]);
                assert_eq!((answers[0].head.status, ending), (status, Ending::Eof), "{head}");
            }
            every_slot_serves(address, 1);
        },
    );
}

/// hyper #4018: what is written is out before the connection closes, however large it is.
#[test]
fn flush_forgotten_before_shutdown() {
    const SIZE: usize = 5_000_000;
    let large = async |request: Request<'_>, response: Response<'_>| {
        let content = vec![b'x'; SIZE];
        match request.path() {
            "/known" => response.status(200).body(content).await,
            "/close" => response.status(200).close().body(content).await,
            "/stream" => {
                let mut body = response.status(200).stream().await?;
                body.write(content).await?;
                body.finish().await
            }
            _ => {
                let mut upgraded = response.status(101).upgrade("x").await?;
                upgraded.write(content).await?;
                upgraded.finish().await
            }
        }
    };
    beside(
        |server| server.slots(1).limits(PATIENT),
        large,
        |address| {
            for (path, version) in [
                ("/known", "1.1"),
                ("/close", "1.1"),
                ("/stream", "1.1"),
                ("/known", "1.0"),
                ("/stream", "1.0"),
                ("/raw", "1.1"),
            ] {
                let connection = if path == "/raw" { "upgrade\r\nUpgrade: x" } else { "close" };
                let head = format!("GET {path} HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
                let stream = rogue(address, head.as_bytes());
                let (received, ending) = rest(&stream);
                let content = received.iter().filter(|byte| **byte == b'x').count();
                assert!(content >= SIZE && ending == Ending::Eof, "{path} {version}: {content}, {ending:?}");
            }
        },
    );
}

/// The answer to a request that a half-close ended, with all of a pipeline before it.
#[test]
fn half_close_is_no_reason_to_drop_answers() {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            let mut honest = Honest::connect(address);
            let burst = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2_000);
            let stream = rogue(address, burst.as_bytes());
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let (received, ending) = rest(&stream);
            assert_eq!(answers(&received, &vec![Asked::new("GET"); 2_000]).len(), 2_000);
            assert_eq!((app.events.count("called"), ending), (2_000, Ending::Eof));
            assert!(!contains(&received, b"connection: close\r\nHTTP"));
            honest.is_answered();
        },
    );
}

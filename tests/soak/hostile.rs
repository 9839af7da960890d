//! Clients that a server is better off without. Each gives how many of its requests were refused, after it saw that they were refused
//! as they should be.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use midge_tests::wire::{Asked, Ending, PATIENCE, Reader, read};
use socket2::SockRef;

use crate::Numbers;

type Attack = fn(SocketAddr, u64) -> u64;

pub(crate) const ATTACKS: [Attack; 13] = [
    crowd,
    uploads,
    slow_heads,
    half_closed,
    resets,
    garbage,
    oversize,
    after_an_error,
    chunked,
    two_framings,
    websocket,
    cut_uploads,
    abandoned,
];

/// More connections than there are places, of which some say a part of something.
fn crowd(address: SocketAddr, round: u64) -> u64 {
    let crowd: Vec<_> = (0..260)
        .map(|number| {
            let stream = connect(address);
            match (number + round) % 3 {
                0 => send(&stream, b"GET /hello HT"),
                1 => send(&stream, b"GET /hello HTTP/1.1\r\nHost: soak\r\n\r\n"),
                _ => {}
            }
            stream
        })
        .collect();
    drop(crowd);
    0
}

/// Bodies that stop half-way, on more connections than there are slots.
fn uploads(address: SocketAddr, _round: u64) -> u64 {
    let part = vec![b'u'; 60_000];
    let uploads: Vec<_> = (0..48)
        .map(|_| {
            let stream = connect(address);
            send(&stream, b"POST /echo HTTP/1.1\r\nHost: soak\r\nContent-Length: 1000000\r\n\r\n");
            send(&stream, &part);
            stream
        })
        .collect();
    for mut stream in &uploads {
        // Those that come to a slot are answered as they go; nothing else can be said to one that waits.
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let _ = stream.read(&mut [0; 100]);
    }
    0
}

/// Heads that come byte by byte, whole or not.
fn slow_heads(address: SocketAddr, round: u64) -> u64 {
    let head = b"GET /hello HTTP/1.1\r\nHost: soak\r\nX-Slow: yes\r\n\r\n";
    let heads: Vec<_> = (0..12).map(|_| connect(address)).collect();
    for at in 0..head.len() - 1 {
        heads.iter().for_each(|stream| send(stream, &head[at..=at]));
    }
    for stream in heads.iter().skip(round as usize % 2).step_by(2) {
        send(stream, b"\n");
        // One that took too long while others waited was answered 408.
        let status = only_status(stream, "GET");
        assert!(matches!(status, Some(200 | 408)), "{status:?} after a slow head");
    }
    0
}

/// The client's end comes before the answer, which comes all the same.
fn half_closed(address: SocketAddr, _round: u64) -> u64 {
    for _ in 0..8 {
        let stream = connect(address);
        send(&stream, b"GET /stream?70000 HTTP/1.1\r\nHost: soak\r\n\r\n");
        stream.shutdown(Shutdown::Write).unwrap();
        let (answers, ending) = answers(&stream, &["GET"]);
        assert_eq!(ending, Ending::Eof);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].1.len(), 70_000);
    }
    0
}

/// A reset within the head, the body, the answer.
fn resets(address: SocketAddr, round: u64) -> u64 {
    for number in 0..24 {
        let stream = connect(address);
        match (number + round) % 3 {
            0 => send(&stream, b"GET /hello HTTP/1.1\r\nHo"),
            1 => send(&stream, b"POST /echo HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            _ => {
                send(&stream, b"GET /stream?100000000 HTTP/1.1\r\nHost: soak\r\n\r\n");
                let _ = (&stream).read(&mut [0; 1_000]);
            }
        }
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    0
}

/// What is no HTTP is refused once, or not answered at all.
fn garbage(address: SocketAddr, round: u64) -> u64 {
    let mut numbers = Numbers(round << 32);
    let mut refused = 0;
    for _ in 0..16 {
        let stream = connect(address);
        let length = 1 + numbers.below(3_000);
        send(&stream, &numbers.bytes(length));
        let _ = stream.shutdown(Shutdown::Write);
        if let Some(status) = only_status(&stream, "GET") {
            assert!(matches!(status, 400 | 414 | 431 | 501 | 505), "{status} for garbage");
            refused += 1;
        }
    }
    refused
}

fn oversize(address: SocketAddr, _round: u64) -> u64 {
    let target = format!("GET /{} HTTP/1.1\r\nHost: soak\r\n\r\n", "a".repeat(9_000));
    let field = format!("GET / HTTP/1.1\r\nHost: soak\r\nX-Large: {}\r\n\r\n", "a".repeat(40_000));
    let fields = format!("GET / HTTP/1.1\r\nHost: soak\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    let method = "M".repeat(20_000);
    refuse(
        address,
        &[(target.as_bytes(), 414), (field.as_bytes(), 431), (fields.as_bytes(), 431), (method.as_bytes(), 501)],
    )
}

/// What comes after an error is never looked at.
fn after_an_error(address: SocketAddr, _round: u64) -> u64 {
    let mut refused = 0;
    for bad in ["GET /hello HTTP/1.1\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: soak\r\n folded\r\n\r\n", "\0\r\n\r\n"] {
        let stream = connect(address);
        let good = "GET /hello HTTP/1.1\r\nHost: soak\r\n\r\n";
        send(&stream, format!("{good}{bad}{good}{good}").as_bytes());
        let (answers, ending) = answers(&stream, &["GET"; 4]);
        let statuses: Vec<_> = answers.iter().map(|answer| answer.0).collect();
        assert_eq!((&statuses[..], ending), (&[200, 400][..], Ending::Eof), "with {bad:?} between");
        refused += 1;
    }
    refused
}

fn chunked(address: SocketAddr, _round: u64) -> u64 {
    let nonsense = [
        "\r\n",
        ";\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\nhello!\r\n",
        "fffffffffffffffff\r\n",
        "5 \r\nhello\r\n",
    ];
    let head = "POST /all HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n";
    let requests: Vec<_> = nonsense.iter().map(|chunk| format!("{head}{chunk}0\r\n\r\n")).collect();
    let cases: Vec<_> = requests.iter().map(|request| (request.as_bytes(), 400)).collect();
    refuse(address, &cases)
}

fn two_framings(address: SocketAddr, _round: u64) -> u64 {
    let smuggled = "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: soak\r\n\r\n";
    let both = format!(
        "POST /all HTTP/1.1\r\nHost: soak\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"
    );
    let lengths =
        format!("POST /all HTTP/1.1\r\nHost: soak\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{smuggled}");
    let plus = format!("POST /all HTTP/1.1\r\nHost: soak\r\nContent-Length: +5\r\n\r\n{smuggled}");
    refuse(address, &[(both.as_bytes(), 400), (lengths.as_bytes(), 400), (plus.as_bytes(), 400)])
}

/// After the handshake, bytes that are no frames.
fn websocket(address: SocketAddr, round: u64) -> u64 {
    let mut numbers = Numbers(round << 40);
    for _ in 0..8 {
        let stream = connect(address);
        send(
            &stream,
            b"GET /echo HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let length = 1 + numbers.below(500);
        send(&stream, &numbers.bytes(length));
        let _ = stream.shutdown(Shutdown::Write);
        let (bytes, ending) = rest(&stream);
        assert!(
            bytes.starts_with(b"HTTP/1.1 101 ") && ending != Ending::Open,
            "{ending:?} after {}",
            bytes.escape_ascii()
        );
    }
    0
}

fn cut_uploads(address: SocketAddr, round: u64) -> u64 {
    let mut numbers = Numbers(round << 48);
    for _ in 0..16 {
        let stream = connect(address);
        send(&stream, b"POST /echo HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n");
        let length = numbers.below(50_000);
        send(&stream, &numbers.bytes(length));
    }
    0
}

fn abandoned(address: SocketAddr, round: u64) -> u64 {
    for number in 0..16 {
        let stream = connect(address);
        send(&stream, b"GET /stream?100000000 HTTP/1.1\r\nHost: soak\r\n\r\n");
        if (number + round).is_multiple_of(2) {
            let _ = (&stream).read(&mut [0; 10_000]);
        }
    }
    0
}

/// Sees that each request is refused with its status, and the connection closed.
fn refuse(address: SocketAddr, cases: &[(&[u8], u16)]) -> u64 {
    for (request, wanted) in cases {
        let stream = connect(address);
        send(&stream, request);
        let method = if request.starts_with(b"POST") { "POST" } else { "GET" };
        let status = only_status(&stream, method);
        assert_eq!(status, Some(*wanted), "after {}", request[..request.len().min(200)].escape_ascii());
    }
    cases.len() as u64
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The server may have closed already: then the bytes don't matter.
fn send(mut stream: &TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// The status of the one answer up to the end of the connection, if any came.
fn only_status(stream: &TcpStream, method: &str) -> Option<u16> {
    let _ = stream.shutdown(Shutdown::Write);
    let (answers, _) = answers(stream, &[method; 2]);
    assert!(answers.len() <= 1, "{} answers", answers.len());
    answers.first().map(|answer| answer.0)
}

/// All answers up to the end of the connection, with their content.
fn answers(stream: &TcpStream, methods: &[&str]) -> (Vec<(u16, Vec<u8>)>, Ending) {
    let (bytes, ending) = rest(stream);
    let mut reader = Reader::new();
    methods.iter().for_each(|method| reader.ask(Asked::new(method)));
    reader.push(&bytes);
    let answers = std::iter::from_fn(|| reader.response()).map(|answer| (answer.head.status, answer.content)).collect();
    assert_eq!(reader.rest(), b"", "bytes after the last answer");
    assert!(reader.violations().is_empty(), "{:?}", reader.violations());
    (answers, ending)
}

fn rest(mut stream: &TcpStream) -> (Vec<u8>, Ending) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        match read(&mut stream, &mut buffer).unwrap() {
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(ending) => {
                assert_ne!(ending, Ending::Open, "no end after {}", bytes.escape_ascii());
                return (bytes, ending);
            }
        }
    }
}

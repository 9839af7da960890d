//! After its start, the extension allocates nothing for 10,000 invocations and pushes, nor for what asks it.
//!
//! The count is that of the whole process, and so this is its only test, and its own part reads and writes memory that is there
//! already.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

use std::{
    fs::File,
    hint::black_box,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread,
};

use midge_counting_allocator::{Counting, of_the_process};
use midge_extension::Extension;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 10_000;

/// How many rounds come first: more than anything at start that grows would take.
const WARM_UP: usize = 10;

/// Reads a message that ends with these bytes.
fn read(stream: &mut TcpStream, end: &[u8]) {
    let (mut memory, mut length) = ([0; 8_192], 0);
    while !memory[..length].ends_with(end) {
        let count = stream.read(&mut memory[length..]).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&memory[..length]));
        length += count;
    }
}

/// A push: of three events of an invocation, or of what can't be read.
fn push(number: usize) -> Vec<u8> {
    let event = |kind: &str, more: &str| {
        format!(
            r#"{{"time":"2022-10-12T00:00:15.064Z","type":"platform.{kind}","record":{{"requestId":"{number}"{more}}}}}"#
        )
    };
    let report = r#","status":"success","metrics":{"durationMs":9.25,"billedDurationMs":10,"memorySizeMB":128,"maxMemoryUsedMB":40}"#;
    let body = match number % 100 {
        0 => "[{".to_owned(),
        1 => format!("[{{\"record\":\"{}\"}}]", "\\u00e9".repeat(10_000)),
        2 => {
            let init = r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.initStart","record":{"initializationType":"provisioned-concurrency"}}"#;
            format!("[{init}]")
        }
        _ => format!(
            "[{},{},{}]",
            event("start", ""),
            event("runtimeDone", ",\"status\":\"success\""),
            event("report", report)
        ),
    };
    format!("POST / HTTP/1.1\r\nHost: sandbox.localdomain:8081\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[test]
fn nothing_is_allocated_after_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = listener.local_addr().unwrap().to_string();
    // An address of the loopback's that no other program has: there, the port is free.
    let [.., high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 200, high, low);
    let extension = thread::spawn(move || {
        let variables = |name: &'static str| match name {
            "AWS_LAMBDA_RUNTIME_API" => Some(api.clone().into()),
            "MIDGE_EXTENSION_HOST" => Some(host.to_string().into()),
            _ => None,
        };
        let nowhere = File::options().write(true).open("/dev/null").unwrap();
        Extension::from_variables(variables).output(nowhere).run()
    });

    let (mut platform, _) = listener.accept().unwrap();
    let body = r#"{"functionName":"hello","functionVersion":"1","handler":"h"}"#;
    read(&mut platform, b"\"SHUTDOWN\"]}");
    write!(
        platform,
        "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: id\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    read(&mut platform, b"}}");
    platform.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    read(&mut platform, b"\r\n\r\n");

    let body = r#"{"eventType":"INVOKE","deadlineMs":676051,"requestId":"3da1f2dc-3222-475e-9205-e2e6c6318895","invokedFunctionArn":"arn"}"#;
    let event = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let pushes: Vec<Vec<u8>> = (0..WARM_UP + ROUNDS).map(push).collect();
    let address = SocketAddr::from((host, 8_081));
    let mut client = TcpStream::connect(address).unwrap();
    let mut round = |push: &[u8]| {
        platform.write_all(&event).unwrap();
        read(&mut platform, b"\r\n\r\n");
        client.write_all(push).unwrap();
        read(&mut client, b"\r\n\r\n");
        client.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read(&mut client, b"}\n");
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read(&mut client, b"emf_failures_total 0\n");
        // A connection of its own costs nothing either.
        let mut other = TcpStream::connect(address).unwrap();
        other.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        read(&mut other, b"}\n");
    };
    let (first, rest) = pushes.split_at(WARM_UP);
    first.iter().for_each(|push| round(push));
    let before = of_the_process();
    rest.iter().for_each(|push| round(push));
    let after = of_the_process();
    assert_eq!(after - before, 0);

    drop(black_box(Box::new(after)));
    assert_eq!(of_the_process() - after, 1, "what is allocated is seen");

    let body = r#"{"eventType":"SHUTDOWN","deadlineMs":1}"#;
    write!(platform, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let ended = extension.join().unwrap();
    assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::SUCCESS));
}

//! Handlers that ask other servers: one that does what it is told, and one of midge's own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    sync::Mutex,
    thread,
    time::Duration,
};

use common::{Client as Asker, beside, port::Port, server};
use midge::{Limits, Method, Request, Response};
use midge_tcp::{Client, ClientError, ClientErrorKind, Server, WorkerError};
use socket2::{Domain, Socket, Type};

const MOMENT: Duration = Duration::from_millis(1);
const AGES: Duration = Duration::from_secs(100_000);

/// What a backend does with the connections that it accepts, one after the other: it reads a request's head, and writes this.
type Script = &'static [&'static [Step]];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Reads a request, its body included.
    Read,
    /// Reads a request's head.
    ReadHead,
    Write(&'static [u8]),
    /// Writes so many bytes.
    Fill(usize),
    /// Reads up to the end of the connection.
    End,
}
use Step::{End, Fill, Read, ReadHead, Write};

/// A server that accepts as many connections as it has scripts for, and gives what each received.
fn backend(listener: &TcpListener, script: &[&[Step]]) -> Vec<String> {
    script.iter().map(|steps| play(listener.accept().unwrap().0, steps)).collect()
}

fn play(stream: TcpStream, steps: &[Step]) -> String {
    let mut reader = BufReader::new(stream);
    let mut received = Vec::new();
    for step in steps {
        match step {
            Read | ReadHead => {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
                received.extend_from_slice(&head);
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if matches!(step, Read) {
                    let mut body = vec![0; length.unwrap_or(0)];
                    reader.read_exact(&mut body).unwrap();
                    received.extend_from_slice(&body);
                    while text.contains("chunked") && !received.ends_with(b"\r\n0\r\n\r\n") {
                        reader.read_until(b'\n', &mut received).unwrap();
                    }
                }
            }
            Write(bytes) => drop(reader.get_mut().write_all(bytes)),
            Fill(count) => drop(reader.get_mut().write_all(&vec![b'x'; *count])),
            End => {
                let mut rest = vec![0; 65_536];
                while reader.read(&mut rest).is_ok_and(|count| count > 0) {}
            }
        }
    }
    String::from_utf8_lossy(&received).into_owned()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Asks through a server whose handler is this; `paths` are asked one after the other. Gives status and body of each answer, and what the
/// backend received on each connection.
fn through(
    script: &[&[Step]],
    settings: impl FnOnce(Server) -> Server,
    handler: impl for<'r> AsyncFn(&Client, &str, Response<'r>) -> Result<midge::Sent, midge::Failure> + Sync + Send,
    paths: &[&str],
) -> (Vec<(u16, String)>, Vec<String>) {
    let (listener, to) = listener();
    let client = Client::at(to).limits(Limits { body_bytes: 1_000_000, ..Limits::DEFAULT });
    let handler = async |request: Request<'_>, response: Response<'_>| handler(&client, request.path(), response).await;
    let (server, address) = server();
    let (mut answers, mut received) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let backend = scope.spawn(|| backend(&listener, script));
        beside(settings(server), handler, || {
            let mut asker = Asker::connect(address);
            for path in paths {
                let answer = asker.get(path);
                answers.push((answer.status(), answer.body));
            }
        })
        .unwrap();
        received = backend.join().unwrap();
    });
    (answers, received)
}

/// Passes the whole of an answer on.
async fn get(client: &Client, path: &str, response: Response<'_>) -> Result<midge::Sent, midge::Failure> {
    let mut call = client.call()?;
    let mut answer = call.request(Method::Get, path).header("x-a", "b").send().await?;
    let status = answer.status();
    let body = answer.all(20_000).await?;
    response.status(status).body(body).await
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] =
    b"HTTP/1.1 203 Other\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\na: b\r\n\r\n";
const CLOSING: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end";

#[test]
fn a_connection_is_used_again() {
    let script: Script =
        &[&[Read, Write(HELLO), Read, Write(CHUNKED), Read, Write(CLOSING)], &[Read, Write(HELLO), End]];
    let (answers, received) = through(script, |server| server, get, &["/1?a=b", "/2", "/3", "/4"]);
    let wanted = [(200, "hello"), (203, "hello!"), (200, "to the end"), (200, "hello")];
    assert_eq!(answers, wanted.map(|(status, body)| (status, body.to_owned())));
    assert!(received[0].starts_with("GET /1?a=b HTTP/1.1\r\nhost: 127.0.0.1:") || received[0].starts_with("GET /1 "));
    assert_eq!(received[0].matches("x-a: b\r\n\r\n").count(), 3);
    assert_eq!(received[1].matches("GET /4 ").count(), 1);
}

#[test]
fn a_connection_that_ended_meanwhile_is_replaced() {
    // The second request may or may not find out before it is sent.
    let script: Script = &[&[Read, Write(HELLO)], &[Read, Write(HELLO)], &[Read, Write(HELLO), End]];
    let (answers, received) = through(script, |server| server, get, &["/1", "/2", "/3"]);
    assert_eq!(answers, vec![(200, "hello".to_owned()); 3]);
    for (number, received) in received.iter().enumerate() {
        assert!(received.starts_with(&format!("GET /{} ", number + 1)), "{received}");
    }
}

#[test]
fn an_idempotent_request_is_sent_once_more_over_a_new_connection_and_no_other_is() {
    // The server takes the second request of the connection, and closes it without an answer.
    let script: Script = &[&[Read, Write(HELLO), Read], &[Read, Write(HELLO), End]];
    let (answers, received) = through(script, |server| server, get, &["/1", "/2"]);
    assert_eq!(answers, vec![(200, "hello".to_owned()); 2]);
    assert!(received[0].contains("GET /2 ") && received[1].starts_with("GET /2 "));

    // Over a new connection, nothing is sent again.
    let script: Script = &[&[Read], &[Read, Write(HELLO), End]];
    let (answers, _) = through(script, |server| server, get, &["/1", "/2"]);
    assert_eq!((answers[0].0, answers[1].0), (502, 200));

    let post = async |client: &Client, path: &str, response: Response<'_>| {
        let mut call = client.call()?;
        let method = if path == "/put" { Method::Put } else { Method::Post };
        let mut answer = call.request(method, path).body("a body").await?;
        response.status(answer.status()).body(answer.all(100).await?).await
    };
    let script: Script = &[&[Read, Write(HELLO), Read], &[Read, Write(HELLO), Read], &[Read, Write(HELLO), End]];
    let (answers, received) = through(script, |server| server, post, &["/1", "/post", "/3", "/put"]);
    assert_eq!(answers.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 502, 200, 200]);
    assert_eq!(received.concat().matches("POST /post ").count(), 1);
    assert_eq!(received.concat().matches("PUT /put ").count(), 2);
    assert_eq!(received.concat().matches("a body").count(), 5);
}

#[test]
fn what_a_hostile_server_sends_is_an_error_that_names_it_and_its_connection_is_not_used_again() {
    const ENDLESS: &[u8] = &[b'a'; 40_000];
    const INTERIMS: &[u8] = &{
        let mut all = [0; 40 * 25];
        let mut at = 0;
        while at < all.len() {
            all[at] = b"HTTP/1.1 100 Continue\r\n\r\n"[at % 25];
            at += 1;
        }
        all
    };
    let cases: [(&'static [Step], &str); 9] = [
        (&[Read, Write(INTERIMS), End], "too many interim answers"),
        (&[Read, Write(b"HTTP/1.1 200 OK\r\na: "), Write(ENDLESS), End], "too large"),
        (&[Read, Write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), End], "cannot be read"),
        (&[Read, Write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")], "ended too early"),
        (
            &[Read, Write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"), End],
            "cannot be read",
        ),
        (&[Read, Write(b"SSH-2.0-OpenSSH_9.9\r\n"), End], "status line"),
        (&[Read, Write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n"), End], "too large"),
        (&[Read, Write(b"HTTP/1.1 200 OK\r\n\r\n"), Fill(2_000_000), End], "too large"),
        (&[Read], "before it answered"),
    ];
    for (steps, reason) in cases {
        let errors = Mutex::new(Vec::new());
        let handler = async |client: &Client, _: &str, response: Response<'_>| {
            let mut call = client.call()?;
            let result = async {
                let mut answer = call.request(Method::Post, "/").send().await?;
                while answer.chunk().await?.is_some() {}
                Ok::<_, ClientError>(())
            };
            let error = result.await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::Call(_)), "{error:?}");
            errors.lock().unwrap().push(error.to_string());
            response.status(error.status()).body(b"").await
        };
        let (answers, received) = through(&[steps, steps], |server| server.outbound(1).calls(1), handler, &["/", "/"]);
        assert_eq!(answers, vec![(502, String::new()); 2]);
        assert_eq!(received.iter().filter(|received| received.starts_with("POST / ")).count(), 2);
        for error in errors.into_inner().unwrap() {
            assert!(error.contains(reason) && error.starts_with("127.0.0.1:"), "{error:?}, wanted {reason:?}");
        }
    }
    // Bytes behind an answer that nobody asked for: the answer is good, and the connection is given up.
    const FOLLOWED: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let script: Script = &[&[Read, Write(FOLLOWED), End], &[Read, Write(HELLO), End]];
    let (answers, _) = through(script, |server| server, get, &["/", "/"]);
    assert_eq!(answers, vec![(200, "hello".to_owned()); 2]);
}

#[test]
fn an_upload_ends_early_when_the_server_has_answered() {
    const REFUSED: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    let handler = async |client: &Client, path: &str, response: Response<'_>| {
        let mut call = client.call()?;
        let length = if path == "/length" { Some(50_000_000) } else { None };
        let mut upload = call.request(Method::Put, path).stream(length).await?;
        let mut taken = 0;
        while taken < 50_000_000 && upload.write([7; 1_000]).await? {
            taken += 1_000;
        }
        assert!(taken < 50_000_000, "all of it was taken");
        let mut answer = upload.answer().await?;
        response.status(answer.status()).body(answer.all(100).await?).await
    };
    // It doesn't read what is sent, or stops reading, or resets the connection.
    let script: Script = &[&[ReadHead, Write(REFUSED), End], &[ReadHead, Write(REFUSED), End]];
    let (answers, _) = through(script, |server| server, handler, &["/length", "/chunks"]);
    assert_eq!(answers, vec![(413, "no".to_owned()); 2]);
}

#[test]
fn an_upload_is_sent_as_it_is_written_and_of_the_length_that_was_declared() {
    let handler = async |client: &Client, path: &str, response: Response<'_>| {
        let mut call = client.call()?;
        let length = if path == "/chunks" { None } else { Some(11) };
        let mut upload = call.request(Method::Post, path).stream(length).await?;
        assert!(upload.write("hello").await?);
        assert!(upload.flush().await?);
        if path == "/short" {
            let error = upload.answer().await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::Request(_)), "{error}");
            return Err(error.into());
        }
        assert!(upload.write(" world").await?);
        if path == "/long" {
            let error = upload.write("!").await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::Request(_)), "{error}");
            return Err(error.into());
        }
        let mut answer = upload.answer().await?;
        response.status(answer.status()).body(answer.all(100).await?).await
    };
    let script: Script =
        &[&[Read, Write(HELLO), Read, Write(HELLO), ReadHead, End], &[ReadHead, End], &[Read, Write(HELLO), End]];
    let (answers, received) =
        through(script, |server| server, handler, &["/length", "/chunks", "/short", "/long", "/length"]);
    assert_eq!(answers.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 500, 500, 200]);
    assert!(received[0].contains("content-length: 11\r\n\r\nhello world"));
    assert!(received[0].contains("transfer-encoding: chunked\r\n\r\n000005\r\nhello\r\n000006\r\n world\r\n0\r\n\r\n"));
}

#[test]
fn a_call_that_takes_too_long_is_given_up_where_it_stands() {
    let handler = async |client: &Client, path: &str, response: Response<'_>| {
        // A call that is answered in time is left alone.
        let mut call = client.call()?.deadline(if path == "/fast" { AGES } else { 20 * MOMENT });
        let result = async {
            let mut answer = call.request(Method::Get, path).send().await?;
            Ok::<_, ClientError>(answer.all(100).await?.len())
        };
        match result.await {
            Ok(length) => response.status(200).body(length.to_string()).await,
            Err(error) => {
                assert!(matches!(error.kind(), ClientErrorKind::Deadline), "{error:?}");
                assert!(error.to_string().contains("deadline"));
                Err(error.into())
            }
        }
    };
    const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    // No answer, half a head, half a body.
    let script: Script = &[
        &[Read, Write(HELLO), Read, End],
        &[Read, Write(b"HTTP/1.1 200 OK\r\nContent-"), End],
        &[Read, Write(HALF), End],
        &[Read, Write(HELLO), End],
    ];
    let paths = ["/fast", "/slow", "/slow", "/slow", "/fast"];
    let (answers, _) = through(script, |server| server.timers(1).outbound(1).calls(1), handler, &paths);
    assert_eq!(answers.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 504, 504, 504, 200]);
}

#[test]
fn each_table_that_is_full_is_named() {
    let handler = async |client: &Client, path: &str, response: Response<'_>| {
        let first = client.call()?;
        let error = client.call().unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Worker(WorkerError::Full("calls"))), "{error}");
        assert_eq!((error.status(), error.to_string().contains("Server::calls")), (503, true));
        drop(first);
        get(client, path, response).await
    };
    let script: Script = &[&[Read, Write(HELLO), Read, Write(HELLO), Read, Write(HELLO), End]];
    let (answers, _) = through(script, |server| server.calls(1), handler, &["/", "/", "/"]);
    assert_eq!(answers, vec![(200, "hello".to_owned()); 3]);
    let (answers, _) = through(&[], |server| server.calls(2).outbound(0), get, &["/"]);
    assert_eq!((answers[0].0, answers[0].1.contains("cannot be reached")), (503, true));
}

#[test]
fn connections_that_are_kept_give_way_when_room_is_needed() {
    let ((first, first_address), (second, second_address)) = (listener(), listener());
    let (one, two) = (Client::at(first_address), Client::at(second_address));
    let handler = async |request: Request<'_>, response: Response<'_>| {
        get(if request.path() == "/one" { &one } else { &two }, "/", response).await
    };
    let (server, address) = server();
    thread::scope(|scope| {
        let script: Script = &[&[Read, Write(HELLO), End], &[Read, Write(HELLO), End]];
        for listener in [&first, &second] {
            scope.spawn(move || backend(listener, script));
        }
        beside(server.outbound(1), handler, || {
            let mut asker = Asker::connect(address);
            for path in ["/one", "/two", "/one", "/two"] {
                assert_eq!(asker.get(path).body, "hello");
            }
        })
        .unwrap();
    });
}

#[test]
fn an_answer_that_is_not_read_to_its_end_takes_its_connection_with_it() {
    let handler = async |client: &Client, path: &str, response: Response<'_>| {
        let mut call = client.call()?;
        let mut answer = call.request(Method::Get, path).send().await?;
        if path == "/half" {
            assert!(!answer.chunk().await?.unwrap().is_empty());
        } else if path == "/large" {
            let error = answer.all(4).await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::TooLarge));
        } else if path == "/head" {
            assert_eq!(answer.headers().get("content-length"), Some(&b"5"[..]));
            assert_eq!((answer.head().status().code(), answer.head().len()), (200, HELLO.len() - 5));
        } else {
            assert_eq!(answer.all(5).await?, b"hello");
            // What is over stays over.
            assert!(answer.chunk().await?.is_none());
            assert_eq!(answer.all(5).await?, b"hello");
        }
        response.status(200).body(b"").await
    };
    const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    let script: Script = &[
        &[Read, Write(HALF), End],
        &[Read, Write(HELLO), End],
        &[Read, Write(HELLO), End],
        &[Read, Write(HELLO), Read, Write(HELLO), End],
    ];
    let paths = ["/half", "/large", "/head", "/all", "/all"];
    let (answers, _) = through(script, |server| server.outbound(1), handler, &paths);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
}

#[test]
fn what_cannot_be_sent_is_not() {
    let handler = async |client: &Client, path: &str, response: Response<'_>| {
        let mut call = client.call()?;
        let request = match path {
            "/target" => call.request(Method::Get, "no path"),
            "/value" => call.request(Method::Get, "/").header("a", "b\r\nc: d"),
            "/method" => call.request(Method::Connect, "/"),
            _ => call.request(Method::Get, "/").header_fmt("host", format_args!("a")),
        };
        let error = request.send().await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Request(_)), "{error}");
        response.status(error.status()).body(error.to_string()).await
    };
    let (answers, _) = through(&[], |server| server, handler, &["/target", "/value", "/method", "/host"]);
    assert!(answers.iter().all(|(status, text)| *status == 500 && text.contains("cannot be sent")), "{answers:?}");
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let port = Port::take();
    let refusing = port.address();
    let client = Client::at(refusing);
    let handler = async |_: Request<'_>, _: Response<'_>| {
        let error = client.call()?.request(Method::Get, "/").send().await.map(drop).unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Connect(_)), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("{refusing}: cannot connect: ")), "{text}");
        Err(error.into())
    };
    let (server, address) = server();
    beside(server, handler, || assert_eq!(Asker::connect(address).get("/").status(), 502)).unwrap();
}

#[test]
fn a_connection_that_is_not_made_is_given_up_after_its_time_or_the_call_s() {
    // A queue for one connection, which is taken: the kernel answers nobody else, and says nothing.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    deaf.listen(0).unwrap();
    let to = deaf.local_addr().unwrap().as_socket().unwrap();
    let _only = TcpStream::connect(to).unwrap();
    let patient = Client::at(to).connect_time(AGES);
    let impatient = Client::at(to).connect_time(20 * MOMENT);
    let handler = async |request: Request<'_>, _: Response<'_>| {
        let (client, deadline) = match request.path() {
            "/connect" => (&impatient, AGES),
            _ => (&patient, 20 * MOMENT),
        };
        let mut call = client.call()?.deadline(deadline);
        let error = call.request(Method::Get, "/").send().await.map(drop).unwrap_err();
        let is_expected = match request.path() {
            "/connect" => matches!(error.kind(), ClientErrorKind::ConnectTime),
            _ => matches!(error.kind(), ClientErrorKind::Deadline),
        };
        assert!(
            is_expected && error.to_string().contains("longer") | error.to_string().contains("too long"),
            "{error}"
        );
        Err(error.into())
    };
    let (server, address) = server();
    // One timer and one connection: each is free again for the next call.
    beside(server.timers(1).outbound(1).calls(1), handler, || {
        let mut asker = Asker::connect(address);
        for path in ["/connect", "/deadline", "/connect"] {
            assert_eq!(asker.get(path).status(), 504, "{path}");
        }
    })
    .unwrap();
}

#[test]
fn a_unix_socket_is_asked_too() {
    let directory = std::env::temp_dir().join(format!("midge-client-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = Client::unix(&path);
    let handler = async |_: Request<'_>, response: Response<'_>| get(&client, "/", response).await;
    let (server, address) = server();
    beside(server, handler, || {
        let mut asker = Asker::connect(address);
        asker.ask("/");
        let (peer, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(peer);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).unwrap();
        }
        assert!(head.contains("host: localhost\r\n"));
        reader.get_mut().write_all(HELLO).unwrap();
        assert_eq!(asker.answer().unwrap().body, "hello");
    })
    .unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_server_of_midges_own_is_asked_in_every_way() {
    let backend = async |mut request: Request<'_>, response: Response<'_>| match request.path() {
        "/echo" => {
            let mut body = response.status(200).stream().await?;
            while let Some(chunk) = request.body().chunk().await? {
                body.write(chunk.as_ref()).await?;
            }
            body.trailer("checked", "yes").await?;
            body.finish().await
        }
        "/none" => response.status(204).empty().await,
        _ => response.status(200).body(request.method().as_str()).await,
    };
    let (backend_server, to) = server();
    let client = Client::at(to);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let mut call = client.call()?;
        match request.path() {
            "/echo" => {
                let mut upload = call.request(Method::Post, "/echo").stream(None).await?;
                for number in 0..1_000 {
                    assert!(upload.write(format!("line {number}\n")).await?);
                }
                let mut answer = upload.answer().await?;
                let mut count = 0;
                while let Some(chunk) = answer.chunk().await? {
                    count += chunk.len();
                }
                response.status(answer.status()).body(count.to_string()).await
            }
            path => {
                let mut texts = String::new();
                for method in [Method::Get, Method::Head, Method::Delete, Method::Options, Method::Post] {
                    let mut answer = call.request(method, path).send().await?;
                    texts += &format!("{} {} ", answer.status(), String::from_utf8_lossy(answer.all(100).await?));
                }
                response.status(200).body(texts).await
            }
        }
    };
    let (server, address) = server();
    beside(backend_server, backend, || {
        beside(server.outbound(1).calls(1), handler, || {
            let mut asker = Asker::connect(address);
            for _ in 0..3 {
                assert_eq!(asker.get("/").body, "200 GET 200  200 DELETE 200 OPTIONS 200 POST ");
                assert_eq!(asker.get("/none").body, "204  204  204  204  204  ");
                assert_eq!(asker.get("/echo").body, (5 * 1_000 + 10 + 90 * 2 + 900 * 3 + 1_000).to_string());
            }
        })
        .unwrap();
    })
    .unwrap();
}

#[test]
fn elsewhere_than_on_a_worker_a_call_is_an_error() {
    let error = Client::at("127.0.0.1:1".parse().unwrap()).call().unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::Worker(WorkerError::NotOnWorker)));
    assert_eq!(error.status(), 500);
}

//! Time and sockets for handlers, on their worker's own poll.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    cell::RefCell,
    future::{Future, pending, poll_fn, ready},
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream as StdStream},
    os::unix::net::UnixListener,
    pin::{Pin, pin},
    sync::Mutex,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use common::{Client, Gate, beside, port::Port, server};
use embedded_io_async::{Read, Write};
use midge::{Failure, Request, Response};
use midge_tcp::{StreamError, TcpStream, TimeoutError, UnixStream, WorkerError, sleep, timeout};

const MOMENT: Duration = Duration::from_millis(1);
const AGES: Duration = Duration::from_secs(100_000);

fn at_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// All of them at the same time.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(done) = future.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// A listener, and its address.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn elsewhere_than_on_a_worker_there_is_an_error_and_no_panic() {
    assert_eq!(at_once(sleep(MOMENT)), Poll::Ready(Err(WorkerError::NotOnWorker)));
    assert_eq!(at_once(timeout(MOMENT, ready(7))), Poll::Ready(Ok(7)));
    let waiting = at_once(timeout(MOMENT, pending::<()>()));
    assert_eq!(waiting, Poll::Ready(Err(TimeoutError::Worker(WorkerError::NotOnWorker))));
    let connecting = at_once(TcpStream::connect("127.0.0.1:1".parse().unwrap()));
    assert!(matches!(connecting, Poll::Ready(Err(StreamError::Worker(WorkerError::NotOnWorker)))));
    let connecting = at_once(UnixStream::connect("/nowhere"));
    assert!(matches!(connecting, Poll::Ready(Err(StreamError::Worker(WorkerError::NotOnWorker)))));
    assert!(WorkerError::NotOnWorker.to_string().contains("handler"));
    assert_eq!(Failure::from(WorkerError::NotOnWorker).status().code(), 500);
}

#[test]
fn sleeps_end_in_order_while_nothing_else_happens() {
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let order = RefCell::new(Vec::new());
        let note = async |millis: u64| {
            sleep(Duration::from_millis(millis)).await.unwrap();
            order.borrow_mut().push(millis);
        };
        // In the order in which they end: on a machine that is late, several end in one turn, and are polled as they stand here.
        all([0, 1, 20, 40, 60].map(note).into_iter().collect()).await;
        sleep(Duration::ZERO).await?;
        response.status(200).body(format!("{:?}", order.borrow())).await
    };
    let (server, address) = server();
    beside(server, handler, || {
        let mut client = Client::connect(address);
        // The worker sleeps in between, and is woken by nothing but its timers.
        for _ in 0..3 {
            assert_eq!(client.get("/").body, "[0, 1, 20, 40, 60]");
        }
    })
    .unwrap();
}

#[test]
fn there_is_room_for_as_many_timers_as_were_asked_for() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let count = if request.path() == "/fits" { 2_000 } else { 2_001 };
        let slept = all((0..count).map(|number| sleep(Duration::from_millis(1 + number % 50))).collect()).await;
        let failed: Vec<_> = slept.into_iter().filter_map(Result::err).collect();
        if let Some(error) = failed.first() {
            assert_eq!((failed.len(), error.to_string().contains("Server::timers")), (1, true));
            return Err((*error).into());
        }
        response.status(200).body(b"slept").await
    };
    let (server, address) = server();
    beside(server.timers(2_000), handler, || {
        let mut client = Client::connect(address);
        for _ in 0..2 {
            assert_eq!(client.get("/fits").body, "slept");
            let answer = client.get("/too-many");
            assert_eq!(answer.status(), 503);
            assert!(answer.body.contains("Server::timers"), "{answer:?}");
        }
    })
    .unwrap();
}

#[test]
fn a_timer_is_free_again_when_its_future_is_dropped() {
    let gate = Gate::default();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        for _ in 0..100 {
            // Ready at the second poll: a timer was taken by then.
            let mut polled = false;
            let twice = poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            });
            timeout(AGES, twice).await?;
        }
        if request.path() == "/panic" {
            let slept = sleep(AGES);
            let mut slept = pin!(slept);
            assert!(poll_fn(|context| Poll::Ready(slept.as_mut().poll(context).is_pending())).await);
            panic!("with a timer");
        }
        if request.path() == "/wait" {
            timeout(AGES, gate.pass()).await?;
        }
        response.status(200).body(b"done").await
    };
    let (server, address) = server();
    beside(server.timers(1), handler, || {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/").body, "done");
        assert_eq!(client.get("/panic").status(), 500);
        // A client that is gone takes its handler, and that its timer, with it.
        let mut gone = Client::connect(address);
        gone.ask("/wait");
        gate.wait_for(1);
        reset(gone.reader.get_ref());
        drop(gone);
        while client.get("/").status() == 503 {}
    })
    .unwrap();
}

#[test]
fn a_time_out_drops_what_it_waited_for() {
    struct Noted<'n>(&'n Mutex<u32>);
    impl Drop for Noted<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let dropped = Mutex::new(0);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let endless = async {
            let _noted = Noted(&dropped);
            pending::<()>().await;
        };
        let result = timeout(MOMENT, endless).await;
        assert_eq!(result, Err(TimeoutError::Elapsed));
        assert_eq!(*dropped.lock().unwrap(), if request.path() == "/first" { 1 } else { 2 });
        if request.path() == "/second" {
            result?;
        }
        response.status(200).body(b"late").await
    };
    let (server, address) = server();
    beside(server, handler, || {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/first").body, "late");
        assert_eq!(client.get("/second").status(), 504);
    })
    .unwrap();
}

#[test]
fn a_stream_carries_bytes_both_ways() {
    let (listener, to) = listener();
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(b"to ").await?;
        // The traits are there for the stream and for a reference to it.
        Write::write_all(&mut &stream, b"and ").await.unwrap();
        Write::flush(&mut stream).await?;
        stream.finish()?;
        let mut buffer = [0; 64];
        let mut length = 0;
        loop {
            let count = if length == 0 {
                Read::read(&mut stream, &mut buffer[..2]).await?
            } else {
                Read::read(&mut &stream, &mut buffer[length..]).await?
            };
            if count == 0 {
                break;
            }
            length += count;
        }
        // The end stays the end.
        assert_eq!(stream.read(&mut [0; 8]).await?, 0);
        response.status(200).body(&buffer[..length]).await
    };
    let (server, address) = server();
    beside(server.outbound(1), handler, || {
        let mut client = Client::connect(address);
        // One place, and a hundred connections in turn.
        for _ in 0..100 {
            client.ask("/");
            let (mut peer, _) = listener.accept().unwrap();
            let mut received = String::new();
            peer.read_to_string(&mut received).unwrap();
            peer.write_all(received.as_bytes()).unwrap();
            peer.write_all(b"fro").unwrap();
            drop(peer);
            assert_eq!(client.answer().unwrap().body, "to and fro");
        }
    })
    .unwrap();
}

#[test]
fn a_unix_stream_does_too() {
    let directory = std::env::temp_dir().join(format!("midge-outside-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/nowhere" {
            let error = UnixStream::connect("/nowhere/at/all").await.unwrap_err();
            assert!(matches!(&error, StreamError::Io(error) if error.kind() == ErrorKind::NotFound), "{error}");
            return Err(error.into());
        }
        let stream = UnixStream::connect(&path).await?;
        stream.write_all(b"ping").await?;
        let mut buffer = [0; 4];
        let count = stream.read(&mut buffer).await?;
        response.status(200).body(&buffer[..count]).await
    };
    let (server, address) = server();
    beside(server, handler, || {
        let mut client = Client::connect(address);
        client.ask("/");
        let (mut peer, _) = listener.accept().unwrap();
        let mut received = [0; 4];
        peer.read_exact(&mut received).unwrap();
        peer.write_all(b"pong").unwrap();
        assert_eq!((&received, client.answer().unwrap().body.as_str()), (b"ping", "pong"));
        assert_eq!(client.get("/nowhere").status(), 502);
    })
    .unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_connection_that_is_refused_or_reset_is_an_error() {
    let port = Port::take();
    let refusing = port.address();
    let (listener, to) = listener();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/refused" {
            let error = TcpStream::connect(refusing).await.unwrap_err();
            assert!(
                matches!(&error, StreamError::Io(error) if error.kind() == ErrorKind::ConnectionRefused),
                "{error}"
            );
            assert_eq!(embedded_io_async::Error::kind(&error), embedded_io_async::ErrorKind::ConnectionRefused);
            return Err(error.into());
        }
        let stream = TcpStream::connect(to).await?;
        stream.write_all(b"x").await?;
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert!(matches!(&error, StreamError::Io(error) if error.kind() == ErrorKind::ConnectionReset), "{error}");
        response.status(200).body(b"reset").await
    };
    let (server, address) = server();
    beside(server.outbound(1), handler, || {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/refused").status(), 502);
        client.ask("/reset");
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut [0]).unwrap();
        reset(&peer);
        drop(peer);
        assert_eq!(client.answer().unwrap().body, "reset");
    })
    .unwrap();
}

#[test]
fn with_all_places_for_sockets_taken_the_error_names_the_setting() {
    let (_listener, to) = listener();
    let handler = async |_: Request<'_>, response: Response<'_>| {
        let first = TcpStream::connect(to).await?;
        let second = TcpStream::connect(to).await?;
        let error = TcpStream::connect(to).await.unwrap_err();
        assert!(matches!(error, StreamError::Worker(WorkerError::Full("outbound"))), "{error}");
        assert!(error.to_string().contains("Server::outbound"));
        assert_eq!(Failure::from(error).status().code(), 503);
        drop(first);
        // A place that is given back is the next one's.
        let third = TcpStream::connect(to).await?;
        drop((second, third));
        response.status(200).body(b"three in two places").await
    };
    let (server, address) = server();
    beside(server.outbound(2), handler, || {
        let mut client = Client::connect(address);
        for _ in 0..10 {
            assert_eq!(client.get("/").body, "three in two places");
        }
    })
    .unwrap();
}

/// More than the sockets' buffers hold.
const LARGE: usize = 20_000_000;

#[test]
fn a_peer_that_does_not_read_holds_up_its_writer_and_nobody_else() {
    let (listener, to) = listener();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/" {
            return response.status(200).body(b"served").await;
        }
        let stream = TcpStream::connect(to).await?;
        let block = [7; 65_536];
        let mut left = LARGE;
        while left > 0 {
            left -= stream.write(&block[..left.min(block.len())]).await?;
        }
        stream.finish()?;
        let mut reply = [0; 16];
        let count = stream.read(&mut reply).await?;
        response.status(200).body(&reply[..count]).await
    };
    let (server, address) = server();
    beside(server, handler, || {
        let mut writer = Client::connect(address);
        writer.ask("/write");
        let (mut peer, _) = listener.accept().unwrap();
        // What fits is there; the rest waits, and others are served.
        peer.read_exact(&mut [0; 1_000]).unwrap();
        assert_eq!(Client::connect(address).get("/").body, "served");
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len() + 1_000, LARGE);
        peer.write_all(b"all of it").unwrap();
        assert_eq!(writer.answer().unwrap().body, "all of it");
    })
    .unwrap();
}

#[test]
fn a_fast_peer_does_not_keep_others_from_being_served() {
    let (listener, to) = listener();
    let (gate, done) = (Gate::default(), Gate::default());
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/" {
            done.open();
            return response.status(200).body(b"served").await;
        }
        let stream = TcpStream::connect(to).await?;
        let mut buffer = [0; 1_024];
        // Reads for ever what comes faster than it is read, until the other request was served.
        while at_once(done.pass()).is_pending() {
            assert!(stream.read(&mut buffer).await? > 0);
            gate.open();
        }
        response.status(200).body(b"read").await
    };
    let (server, address) = server();
    beside(server, handler, || {
        let mut reader = Client::connect(address);
        reader.ask("/read");
        let (mut peer, _) = listener.accept().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || while peer.write_all(&[7; 65_536]).is_ok() {});
            assert_eq!(Client::connect(address).get("/").body, "served");
            assert_eq!(reader.answer().unwrap().body, "read");
        });
    })
    .unwrap();
}

#[test]
fn a_handler_that_is_dropped_closes_its_sockets_wherever_it_waits() {
    let (listener, to) = listener();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let stream = TcpStream::connect(to).await?;
        match request.path() {
            "/read" => drop(stream.read(&mut [0; 8]).await?),
            "/write" => loop {
                stream.write_all(&[7; 65_536]).await?;
            },
            "/panic" => panic!("with a socket"),
            "/time" => timeout(MOMENT, stream.read(&mut [0; 8])).await.map(drop)?,
            _ => drop(stream),
        }
        response.status(200).body(b"").await
    };
    let (server, address) = server();
    beside(server.outbound(1), handler, || {
        for path in ["/read", "/write", "/panic", "/time", "/drop", "/read"] {
            let mut client = Client::connect(address);
            client.ask(path);
            let (mut peer, _) = listener.accept().unwrap();
            if path == "/write" {
                peer.read_exact(&mut [0; 1_000]).unwrap();
            }
            if matches!(path, "/read" | "/write") {
                reset(client.reader.get_ref());
                drop(client);
            }
            ended(&mut peer);
        }
    })
    .unwrap();
}

/// Lets a socket be closed with a reset: a client that only says that it sends no more may still listen.
fn reset(stream: &StdStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads to the end, which a reset is too.
fn ended(peer: &mut StdStream) {
    let mut buffer = vec![0; 65_536];
    while peer.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

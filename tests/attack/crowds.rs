//! More connections, requests or pieces than anybody needs.

use std::{
    cmp::min,
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use midge::{Limits, Request, Response};
use midge_tests::{
    server,
    wire::{Asked, Connection, Ending, PATIENCE},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    HUGE, Honest, OnDrop, PATIENT, SHORT, answers, attack, beside, every_slot_serves, rest, rogue, stuff, until,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    // Some for everything else that runs beside.
    let connections = min(10_000, open_files() - 500);
    assert!(connections >= 1_000, "too few open files are allowed here: {connections} connections");
    let server = server::Server::start_with("conformance", ["--workers", "1"]).unwrap();
    let address = server.address();
    let mut honest = Honest::connect(address);
    let mut idle: Vec<_> = (0..connections).map(|_| TcpStream::connect(address).unwrap()).collect();
    honest.is_answered();
    // One half has had an answer before, and the other is served now.
    for half in 0..2 {
        for stream in idle.iter_mut().skip(half).step_by(2) {
            ok(stream);
        }
        honest.is_answered();
    }
    every_slot_serves(address, 64);
    idle.iter_mut().for_each(ok);
    drop(idle);
    honest.is_answered();
    every_slot_serves(address, 64);
}

/// One request, one good answer.
fn ok(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(GET).unwrap();
    let mut answer = [0; 400];
    let count = stream.read(&mut answer).unwrap();
    assert_eq!(answers(&answer[..count], &[Asked::new("GET")])[0].content, b"OK");
}

/// As many open files as this process may have, which it has from now on. Child processes have them too.
fn open_files() -> usize {
    static RAISED: OnceLock<usize> = OnceLock::new();
    *RAISED.get_or_init(|| {
        let limit = getrlimit(Resource::Nofile);
        // Refused where the hard limit is unlimited and the system's own is not: then there are as many as before.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files as usize)
    })
}

#[test]
fn a_thousand_connections_share_sixteen_slots() {
    const SLOTS: usize = 16;
    assert!(open_files() >= 2_600, "too few open files are allowed here");
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let running = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(running, Ordering::SeqCst);
        let _done = OnDrop(|| {
            now.fetch_sub(1, Ordering::SeqCst);
        });
        let body = request.body().all().await?;
        response.status(200).body(body).await
    };
    beside(
        |server| server.slots(SLOTS).limits(PATIENT),
        handler,
        |address| {
            let mut clients: Vec<_> = (0..1_000).map(|_| Connection::connect(address).unwrap()).collect();
            for (number, client) in clients.iter_mut().enumerate() {
                let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n{number:04}");
                client.ask(Asked::new("POST"), head.as_bytes()).unwrap();
            }
            // Everybody is ready, sixteen are being served, and this one is last in the queue.
            let mut honest = Connection::connect(address).unwrap();
            honest.ask(Asked::new("GET"), GET).unwrap();
            for client in clients.iter_mut().rev() {
                client.send(b"done").unwrap();
            }
            assert_eq!(honest.receive().unwrap().head.status, 200);
            for (number, client) in clients.iter_mut().enumerate() {
                assert_eq!(client.receive().unwrap().content, format!("{number:04}done").into_bytes());
            }
            every_slot_serves(address, SLOTS);
        },
    );
    assert_eq!((now.into_inner(), most.into_inner()), (0, SLOTS));
}

/// Go CVE-2023-39326 and Node CVE-2024-22019 are of this kind.
#[test]
fn two_hundred_thousand_one_byte_chunks_are_one_body() {
    const CHUNKS: usize = 200_000;
    attack(
        |server| server.slots(2).limits(PATIENT),
        |_, address| {
            let mut honest = Honest::connect(address);
            let mut client = Connection::connect(address).unwrap();
            let head = b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            client.ask(Asked::new("POST"), head).unwrap();
            let chunks = b"1\r\nx\r\n".repeat(CHUNKS / 100);
            for _ in 0..100 {
                client.send(&chunks).unwrap();
                honest.is_answered();
            }
            client.send(b"0\r\n\r\n").unwrap();
            assert_eq!(client.receive().unwrap().content, CHUNKS.to_string().into_bytes());
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn a_pipeline_of_five_thousand_is_answered_in_order() {
    const DEPTH: usize = 5_000;
    attack(
        |server| server.slots(2).limits(PATIENT),
        |app, address| {
            let mut honest = Honest::connect(address);
            let mut burst = String::new();
            for number in 0..DEPTH {
                let head = "POST / HTTP/1.1\r\nHost: a\r\n";
                if number % 2 == 0 {
                    write!(burst, "{head}Content-Length: 4\r\n\r\n{number:04}").unwrap();
                } else {
                    write!(burst, "{head}Transfer-Encoding: chunked\r\n\r\n4\r\n{number:04}\r\n0\r\n\r\n").unwrap();
                }
            }
            let mut client = Connection::connect(address).unwrap();
            let mut writer = client.stream().try_clone().unwrap();
            thread::scope(|scope| {
                scope.spawn(move || writer.write_all(burst.as_bytes()).unwrap());
                for number in 0..DEPTH {
                    client.ask(Asked::new("POST"), b"").unwrap();
                    assert_eq!(client.receive().unwrap().content, format!("{number:04}").into_bytes());
                    if number % 100 == 0 {
                        honest.is_answered();
                    }
                }
            });
            assert_eq!(app.events.count("called"), DEPTH);
            every_slot_serves(address, 2);
        },
    );
}

/// A pipelined burst of requests whose answers nobody reads is not read further than the answers go out.
#[test]
fn a_burst_whose_client_does_not_read_is_held_back_and_answered_when_it_does() {
    attack(
        |server| server.slots(2).limits(PATIENT),
        |app, address| {
            let mut honest = Honest::connect(address);
            let (deaf, sent) = deaf_burst(address, &mut honest);
            honest.is_answered();
            let half_sent = sent % GET.len() != 0;
            let asked = vec![Asked::new("GET"); sent.div_ceil(GET.len())];
            let mut writer = &deaf;
            let (received, ending) = thread::scope(|scope| {
                // The rest of the request that was cut, if one was, and the end.
                scope.spawn(move || {
                    writer.write_all(if half_sent { &GET[sent % GET.len()..] } else { b"" }).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                rest(&deaf)
            });
            assert_eq!(ending, Ending::Eof);
            assert_eq!(answers(&received, &asked).len(), asked.len());
            assert_eq!(app.events.count("called"), asked.len());
            every_slot_serves(address, 2);
        },
    );
}

#[test]
fn a_burst_whose_client_never_reads_is_reset() {
    let limits = Limits { write_grace: SHORT, write_rate: u32::MAX, ..PATIENT };
    attack(
        |server| server.slots(2).limits(limits),
        |_, address| {
            let mut honest = Honest::connect(address);
            let deaf = rogue(address, b"");
            deaf.set_nonblocking(true).unwrap();
            let (burst, mut sent, began) = (GET.repeat(4_000), 0, Instant::now());
            while let Ok(count) = stuff(&deaf, &burst[sent % burst.len()..]) {
                sent += count;
                honest.is_answered();
                assert!(began.elapsed() < PATIENCE, "it is never cut");
            }
            assert!(sent > GET.len());
            every_slot_serves(address, 2);
        },
    );
}

/// Sends requests until the server takes no more of them; gives how many bytes it took.
fn deaf_burst(address: SocketAddr, honest: &mut Honest) -> (TcpStream, usize) {
    let stream = rogue(address, b"");
    stream.set_nonblocking(true).unwrap();
    let (burst, mut sent) = (GET.repeat(4_000), 0);
    loop {
        let count = stuff(&stream, &burst[sent % burst.len()..]).unwrap();
        sent += count;
        // The server has had a turn since: what it would take, it has taken.
        honest.is_answered();
        if count == 0 {
            stream.set_nonblocking(false).unwrap();
            return (stream, sent);
        }
        assert!(sent < HUGE, "it takes requests without end");
    }
}

/// Two that ask for huge answers and read them as fast as they can don't starve a third.
#[test]
fn greedy_readers_and_writers_leave_the_others_their_turns() {
    attack(
        |server| server.slots(4).limits(PATIENT),
        |app, address| {
            let mut honest = Honest::connect(address);
            let readers = [(); 2].map(|()| rogue(address, b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n"));
            let writer = rogue(address, b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
            app.events.wait_for("called", 3);
            thread::scope(|scope| {
                for reader in &readers {
                    scope.spawn(|| while (&mut &*reader).read(&mut [0; 65_536]).is_ok_and(|count| count > 0) {});
                }
                scope.spawn(|| while (&writer).write(&[b'w'; 65_536]).is_ok() {});
                for _ in 0..500 {
                    honest.is_answered();
                }
                readers.iter().chain([&writer]).for_each(|stream| stream.shutdown(Shutdown::Both).unwrap());
            });
            drop((readers, writer));
            app.events.wait_for("ended", 3);
            every_slot_serves(address, 4);
        },
    );
}

/// Requests wait in the order in which they came.
#[test]
fn out_of_slots_the_first_to_come_is_the_first_served() {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            let busy = rogue(address, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
            app.events.wait_for("called", 1);
            let queue: Vec<_> =
                (0..100).map(|n| rogue(address, format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())).collect();
            app.gate.open();
            until(&busy, b"through");
            for stream in &queue {
                until(stream, b"hello");
            }
            let seen: Vec<_> = (0..100).map(|n| format!("GET /{n}")).collect();
            assert_eq!(app.seen()[1..], seen);
            every_slot_serves(address, 1);
        },
    );
}

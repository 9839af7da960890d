//! The host's own duties, over real sockets: starting, stopping, waking, running out of things.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::HashSet,
    io::{self, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process,
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use common::{Client, Gate, beside, port::Port, server, server_at};
use midge::{Failure, Handler, Limits, Request, Response, Sent};
use midge_tcp::Server;

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).header("content-type", "text/plain").body(b"hello").await
}

/// `/wait` waits for the gate; everything else is answered at once.
async fn gated(gate: &Gate, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    if request.path() == "/wait" {
        gate.pass().await;
    }
    response.status(200).header("content-type", "text/plain").body(b"through").await
}

struct Gated(Gate);

impl Handler for Gated {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        gated(&self.0, request, response).await
    }
}

#[test]
fn requests_are_answered_on_one_connection_and_the_handle_ends_the_server() {
    let port = Port::take();
    let (server, address) = server_at(port.address());
    beside(server, hello, || {
        let mut client = Client::connect(address);
        for _ in 0..3 {
            let answer = client.get("/");
            assert_eq!((answer.status(), answer.body.as_str()), (200, "hello"));
        }
    })
    .unwrap();
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_server_asked_to_shut_down_before_it_runs_returns_at_once() {
    let (server, _) = server();
    server.handle().shutdown();
    server.run(hello).unwrap();
}

#[test]
fn every_worker_serves() {
    let threads = Mutex::new(HashSet::new());
    let note = async |_: Request<'_>, response: Response<'_>| {
        threads.lock().unwrap().insert(thread::current().id());
        response.status(204).empty().await
    };
    let (server, address) = server();
    beside(server.workers(3), note, || {
        // Once one is answered, all workers listen.
        assert_eq!(Client::connect(address).get("/").status(), 204);
        // All stay open; that all of them hash to fewer than three listeners is a matter of 1 in 10^22.
        let mut clients: Vec<_> = (0..128).map(|_| Client::connect(address)).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").status(), 204);
        }
    })
    .unwrap();
    assert_eq!(threads.lock().unwrap().len(), 3);
}

#[test]
fn several_addresses_are_served_ipv6_among_them() {
    let addresses = [SocketAddr::from(([127, 0, 0, 1], 0)), SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], 0))];
    let server = Server::bind(&addresses[..]).unwrap().handle_signals(false);
    // IPv6 only where this machine has it; any free port, but one for both.
    let bound = server.local_addrs().to_vec();
    assert_eq!(bound[0].ip(), addresses[0].ip());
    assert!(bound.iter().all(|address| address.port() == bound[0].port()));
    beside(server, hello, || {
        for address in bound {
            assert_eq!(Client::connect(address).get("/").body, "hello");
        }
    })
    .unwrap();
}

#[test]
fn an_address_in_use_is_refused_even_if_a_server_of_this_kind_has_it() {
    let port = Port::take();
    let (first, address) = server_at(port.address());
    let error = Server::bind(address).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot listen on {address}: ")), "{text}");
    assert!(!text.contains('\n'), "{text}");
    drop(first);
    drop(Server::bind(address).unwrap());
}

#[test]
fn an_address_that_means_nothing_is_refused_with_its_name() {
    let error = Server::bind("127.0.0.1:port").err().unwrap();
    assert!(error.to_string().contains("127.0.0.1:port"), "{error}");
}

struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("midge-tcp-{}-{name}.sock", process::id())))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_unix_socket_is_served_by_all_workers_and_removed_at_the_end() {
    let path = SocketPath::new("served");
    let server = Server::bind_unix(&path.0).unwrap().handle_signals(false).workers(2);
    assert_eq!(server.local_addr(), None);
    beside(server, hello, || {
        for _ in 0..20 {
            let mut client = Client::new(UnixStream::connect(&path.0).unwrap());
            assert_eq!(client.get("/").body, "hello");
            assert_eq!(client.get("/").body, "hello");
        }
    })
    .unwrap();
    assert!(!path.0.exists());
}

#[test]
fn a_unix_socket_that_nobody_listens_on_is_replaced_and_one_in_use_is_not() {
    let path = SocketPath::new("stale");
    let listening = UnixListener::bind(&path.0).unwrap();
    assert_eq!(Server::bind_unix(&path.0).err().unwrap().kind(), io::ErrorKind::AddrInUse);
    drop(listening);
    assert!(path.0.exists());
    drop(Server::bind_unix(&path.0).unwrap());
    assert!(!path.0.exists());
}

#[test]
fn a_handler_awaits_what_another_thread_completes() {
    let gate = Gate::default();
    let (server, address) = server();
    beside(server, Gated(gate.clone()), || {
        let mut client = Client::connect(address);
        client.ask("/wait");
        gate.wait_for(1);
        // The worker serves others meanwhile.
        assert_eq!(Client::connect(address).get("/").status(), 200);
        gate.knock(); // A wake-up for nothing changes nothing,
        gate.open();
        assert_eq!(client.answer().unwrap().body, "through");
        gate.knock(); // nor does one after the answer.
        assert_eq!(client.get("/").status(), 200);
    })
    .unwrap();
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    let (work, gates) = mpsc::channel::<Gate>();
    let (work, gates) = (Mutex::new(work), Mutex::new(gates));
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let gate = Gate::default();
        work.lock().unwrap().send(gate.clone()).unwrap();
        gate.pass().await;
        hello(request, response).await
    };
    let (server, address) = server();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(gate) = gates.lock().unwrap().recv().ok().filter(|gate| !gate.is_last()) {
                    gate.open();
                }
            });
        }
        beside(server.workers(2).slots(8), handler, || {
            let mut clients: Vec<_> = (0..32).map(|_| Client::connect(address)).collect();
            for _ in 0..50 {
                clients.iter_mut().for_each(|client| client.ask("/"));
                for client in &mut clients {
                    assert_eq!(client.answer().unwrap().body, "hello");
                }
            }
        })
        .unwrap();
        (0..3).for_each(|_| work.lock().unwrap().send(Gate::last()).unwrap());
    });
}

#[test]
fn a_panic_is_answered_500_and_harms_nobody_else() {
    let gate = Gate::default();
    let gate = &gate;
    let handler = async |request: Request<'_>, response: Response<'_>| match request.path() {
        "/panic" => panic!("as asked\nfor"),
        "/later" => {
            gate.pass().await;
            panic!("after waiting")
        }
        _ => hello(request, response).await,
    };
    let (server, address) = server();
    beside(server.slots(2), handler, || {
        let mut beside = Client::connect(address);
        assert_eq!(beside.get("/").status(), 200);
        for _ in 0..5 {
            assert_eq!(Client::connect(address).get("/panic").status(), 500);
        }
        let mut later = Client::connect(address);
        later.ask("/later");
        gate.wait_for(1);
        gate.open();
        assert_eq!(later.answer().unwrap().status(), 500);
        assert_eq!(beside.get("/").status(), 200);
    })
    .unwrap();
}

#[test]
fn a_panic_before_there_is_a_future_is_answered_500_too() {
    struct Eager;
    impl Handler for Eager {
        fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
            assert_ne!(request.path(), "/panic", "as asked for");
            hello(request, response)
        }
    }
    let (server, address) = server();
    beside(server.slots(1), Eager, || {
        for _ in 0..2 {
            let mut client = Client::connect(address);
            assert_eq!(client.get("/").status(), 200);
            assert_eq!(client.get("/panic").status(), 500);
        }
    })
    .unwrap();
}

#[test]
fn a_slot_survives_a_panic_while_its_request_is_abandoned() {
    struct Bomb(mpsc::Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("when dropped");
        }
    }
    let (dropped, drops) = mpsc::channel();
    let dropped = Mutex::new(dropped);
    let gate = Gate::default();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/" {
            return hello(request, response).await;
        }
        let _bomb = Bomb(dropped.lock().unwrap().clone());
        gate.pass().await;
        hello(request, response).await
    };
    let (server, address) = server();
    beside(server.slots(1), handler, || {
        let mut beside = Client::connect(address);
        for arrivals in 1..4 {
            let mut client = Client::connect(address);
            client.ask("/wait");
            gate.wait_for(arrivals);
            reset(client);
            drops.recv().unwrap();
            assert_eq!(beside.get("/").body, "hello");
        }
    })
    .unwrap();
}

#[test]
fn without_a_free_slot_ready_connections_wait_and_idle_ones_hold_none() {
    let gate = Gate::default();
    let (server, address) = server();
    beside(server.slots(2), Gated(gate.clone()), || {
        let mut idle: Vec<_> = (0..8).map(|_| Client::connect(address)).collect();
        for client in &mut idle {
            assert_eq!(client.get("/").status(), 200);
        }
        let mut waiting: Vec<_> = (0..8).map(|_| Client::connect(address)).collect();
        for client in &mut waiting {
            client.ask("/wait");
        }
        gate.wait_for(2);
        for client in &mut idle {
            client.ask("/");
        }
        assert_eq!(gate.arrivals(), 2);
        gate.open();
        for client in waiting.iter_mut().chain(&mut idle) {
            assert_eq!(client.answer().unwrap().body, "through");
        }
    })
    .unwrap();
}

#[test]
fn empty_lines_hold_no_slot() {
    let (server, address) = server();
    beside(server.slots(1), hello, || {
        let mut idle: Vec<_> = (0..3).map(|_| Client::connect(address)).collect();
        for client in &mut idle {
            client.send("\r\n");
        }
        assert_eq!(Client::connect(address).get("/").status(), 200);
        for client in &mut idle {
            assert_eq!(client.get("/").status(), 200);
        }
    })
    .unwrap();
}

#[test]
fn answers_that_wait_for_the_client_are_kept() {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (server, address) = server();
    beside(server, hello, || {
        let mut client = Client::connect(address);
        // As many as go out while nobody reads the answers.
        client.reader.get_ref().set_nonblocking(true).unwrap();
        let burst = REQUEST.repeat(1_000);
        let mut sent = 0;
        while let Ok(count) = client.reader.get_mut().write(&burst[sent % REQUEST.len()..]) {
            sent += count;
        }
        client.reader.get_ref().set_nonblocking(false).unwrap();
        for _ in 0..sent / REQUEST.len() {
            assert_eq!(client.answer().unwrap().body, "hello");
        }
    })
    .unwrap();
}

#[test]
fn slow_heads_give_their_slot_to_complete_requests() {
    let (server, address) = server();
    // By themselves they would have all the time in the world.
    let limits = Limits { head_time: Duration::from_secs(3_600), ..Limits::DEFAULT };
    beside(server.slots(2).limits(limits), hello, || {
        let mut slow: Vec<_> = (0..6).map(|_| Client::connect(address)).collect();
        for client in &mut slow {
            client.send("GET / HT");
        }
        assert_eq!(Client::connect(address).get("/").status(), 200);
        // Only as many as had to give way are refused: some may yet complete.
        let refused = slow.iter_mut().filter_map(|client| {
            let _ = client.reader.get_mut().write_all(b"TP/1.1\r\nHost: a\r\n\r\n");
            client.answer().map(|answer| answer.status())
        });
        let refused: Vec<_> = refused.collect();
        assert!(refused.contains(&408), "{refused:?}");
        assert!(refused.iter().all(|status| matches!(status, 200 | 408)), "{refused:?}");
    })
    .unwrap();
}

#[test]
fn with_the_table_full_a_new_connection_waits_until_one_closes() {
    let gate = Gate::default();
    let (server, address) = server();
    beside(server.connections(2), Gated(gate.clone()), || {
        let mut first = Client::connect(address);
        let mut second = Client::connect(address);
        first.ask("/wait");
        second.ask("/wait");
        gate.wait_for(2);
        let mut third = Client::connect(address);
        third.ask("/");
        // One of the two goes away; the handler that still waits for the gate is dropped.
        reset(first);
        assert_eq!(third.answer().unwrap().status(), 200);
        gate.open();
        assert_eq!(second.answer().unwrap().status(), 200);
    })
    .unwrap();
}

#[test]
fn a_handler_whose_client_is_gone_is_dropped() {
    struct Note(mpsc::Sender<()>);
    impl Drop for Note {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (dropped, drops) = mpsc::channel();
    let dropped = Mutex::new(dropped);
    let gate = Gate::default();
    let handler = async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/" {
            return hello(request, response).await;
        }
        let _note = Note(dropped.lock().unwrap().clone());
        gate.pass().await;
        hello(request, response).await
    };
    let (server, address) = server();
    beside(server.slots(1), handler, || {
        let mut client = Client::connect(address);
        client.ask("/wait");
        gate.wait_for(1);
        reset(client);
        drops.recv().unwrap();
        assert_eq!(Client::connect(address).get("/").status(), 200);
    })
    .unwrap();
}

#[test]
fn a_client_that_only_half_closed_still_gets_its_answer() {
    let gate = Gate::default();
    let (server, address) = server();
    beside(server, Gated(gate.clone()), || {
        let mut client = Client::connect(address);
        client.ask("/wait");
        client.reader.get_ref().shutdown(Shutdown::Write).unwrap();
        gate.wait_for(1);
        gate.open();
        assert_eq!(client.answer().unwrap().body, "through");
        assert!(client.is_at_end());
    })
    .unwrap();
}

#[test]
fn shutting_down_closes_idle_connections_and_lets_requests_in_flight_finish() {
    let gate = Gate::default();
    let port = Port::take();
    let (server, address) = server_at(port.address());
    let handle = server.handle();
    beside(server, Gated(gate.clone()), || {
        let mut idle = Client::connect(address);
        assert_eq!(idle.get("/").status(), 200);
        let mut busy = Client::connect(address);
        busy.ask("/wait");
        gate.wait_for(1);
        handle.shutdown();
        assert!(idle.is_at_end());
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        gate.open();
        let answer = busy.answer().unwrap();
        assert_eq!(answer.body, "through");
        assert!(answer.closes(), "{answer:?}");
        assert!(busy.is_at_end());
    })
    .unwrap();
}

#[test]
fn a_request_that_is_on_its_way_when_the_server_shuts_down_is_answered() {
    let (server, address) = server();
    let mut client = Client::connect(address);
    client.ask("/");
    server.handle().shutdown();
    beside(server, hello, move || {
        let answer = client.answer().unwrap();
        assert_eq!(answer.body, "hello");
        assert!(answer.closes(), "{answer:?}");
        assert!(client.is_at_end());
    })
    .unwrap();
}

#[test]
fn requests_that_outlast_the_grace_period_are_cut() {
    let gate = Gate::default();
    let (server, address) = server();
    let mut client = Client::connect(address);
    client.ask("/wait");
    beside(server.grace(Duration::ZERO), Gated(gate.clone()), || gate.wait_for(1)).unwrap();
    assert!(client.is_at_end());
}

#[test]
fn clients_may_connect_between_bind_and_run() {
    let (server, address) = server();
    let mut client = Client::connect(address);
    client.ask("/");
    beside(server, hello, || assert_eq!(client.answer().unwrap().body, "hello")).unwrap();
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_starts() {
    let (server, _) = server();
    let error = server.input_bytes(1_024).run(hello).unwrap_err();
    assert_eq!(error.to_string(), "input_bytes (1024) must be more than limits.head_bytes (16384)");
}

/// Closes a connection so that the peer is told at once: with a reset.
fn reset(client: Client) {
    socket2::SockRef::from(client.reader.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
}

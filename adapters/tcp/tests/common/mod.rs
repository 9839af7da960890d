//! A server on a thread of its own, and a client that reads whole answers.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod port;

use std::{
    cell::Cell,
    future::poll_fn,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Condvar, Mutex},
    task::{Poll, Waker},
    thread,
};

use midge::Handler;
use midge_tcp::{Error, Server};

/// Runs `server` beside `test`, shuts it down when that is done, and returns how `run` ended.
pub fn beside<H: Handler + Sync + Send>(server: Server, handler: H, test: impl FnOnce()) -> Result<(), Error> {
    let handle = server.handle();
    thread::scope(|scope| {
        let running = scope.spawn(move || server.run(handler));
        // A failed assertion must not leave the server running, or the scope would never end.
        let shut_down = OnDrop(Some(|| handle.shutdown()));
        test();
        drop(shut_down);
        running.join().unwrap()
    })
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0.take().unwrap())();
    }
}

/// A server on a free port of the loopback interface, without signals, and its address.
pub fn server() -> (Server, SocketAddr) {
    server_at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// The same on this address.
pub fn server_at(address: SocketAddr) -> (Server, SocketAddr) {
    let server = Server::bind(address).unwrap().handle_signals(false).workers(1);
    let address = server.local_addr().unwrap();
    (server, address)
}

/// A client's end of a connection.
pub struct Client<S = TcpStream> {
    pub reader: BufReader<S>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub fn ask(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(path);
        self.answer().unwrap()
    }

    /// The next answer; none at the end of the stream, or when the connection is reset.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head).unwrap_or(0) == 0 {
                return None;
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.reader.read_exact(&mut body).unwrap();
        Some(Answer { head, body: String::from_utf8(body).unwrap() })
    }

    pub fn is_at_end(&mut self) -> bool {
        self.answer().is_none()
    }
}

/// An answer, its head in lower case.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    pub fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

/// Something that handlers await, and that another thread opens.
#[derive(Default, Clone)]
pub struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    open: Mutex<(bool, usize, Vec<Waker>)>,
    changed: Condvar,
}

impl Gate {
    /// Waits, as a future, until the gate is open.
    pub async fn pass(&self) {
        let arrived = Cell::new(false);
        poll_fn(|context| {
            let mut state = self.0.open.lock().unwrap();
            if !arrived.replace(true) {
                state.1 += 1;
                self.0.changed.notify_all();
            }
            if state.0 {
                return Poll::Ready(());
            }
            state.2.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Blocks until so many have come to the gate.
    pub fn wait_for(&self, arrivals: usize) {
        let state = self.0.open.lock().unwrap();
        drop(self.0.changed.wait_while(state, |state| state.1 < arrivals).unwrap());
    }

    /// The one that tells whoever opens gates that there are no more.
    pub fn last() -> Self {
        let gate = Self::default();
        gate.0.open.lock().unwrap().1 = usize::MAX;
        gate
    }

    pub fn is_last(&self) -> bool {
        self.arrivals() == usize::MAX
    }

    pub fn arrivals(&self) -> usize {
        self.0.open.lock().unwrap().1
    }

    pub fn open(&self) {
        let mut state = self.0.open.lock().unwrap();
        state.0 = true;
        for waker in state.2.drain(..) {
            waker.wake();
        }
    }

    /// Wakes everybody who ever came, whether he still waits or not.
    pub fn knock(&self) {
        self.0.open.lock().unwrap().2.iter().for_each(Waker::wake_by_ref);
    }
}

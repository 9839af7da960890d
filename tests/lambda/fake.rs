//! A Runtime API for what the emulators don't do: the test speaks for it, request by request.

#[path = "../../adapters/tcp/tests/common/port.rs"]
pub mod port;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use midge::Handler;
use midge_lambda::Runtime;
use port::Port;

/// Nothing takes this long: what does, hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The API's listener.
pub struct Fake {
    pub address: SocketAddr,
    /// So that nobody else listens where this one did.
    _port: Port,
    connections: Receiver<TcpStream>,
    over: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Fake {
    pub fn start() -> Self {
        let port = Port::take();
        let (listener, address) = (port.listen(), port.address());
        let (send, connections) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) || send.send(stream.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { address, _port: port, connections, over, acceptor: Some(acceptor) }
    }

    /// A runtime on a thread of its own, as `configure` sets it, and what it ends with.
    pub fn run<H, F>(&self, configure: F, handler: H) -> Running
    where
        H: Handler + Send + Sync + 'static,
        F: FnOnce(Runtime) -> Runtime + Send + 'static,
    {
        let address = self.address;
        self.beside(move || configure(Runtime::from_env().api(address.to_string())).run(handler))
    }

    /// Something else on a thread of its own.
    pub fn beside(&self, run: impl FnOnce() -> ExitCode + Send + 'static) -> Running {
        let (send, ended) = mpsc::channel();
        thread::spawn(move || send.send(run()));
        Running(ended)
    }

    /// The runtime's next connection.
    pub fn accept(&self) -> Api {
        let stream = self.connections.recv_timeout(PATIENCE).expect("the runtime connects");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Api { reader: BufReader::new(stream) }
    }

    /// Whether the runtime has opened a connection that nobody accepted.
    pub fn has_another(&self) -> bool {
        self.connections.try_recv().is_ok()
    }

    /// The API is gone: nobody listens any more.
    pub fn stop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            // It waits for one more connection.
            let _ = TcpStream::connect(self.address);
            acceptor.join().unwrap();
        }
    }

    /// Ends the API and with it the runtime, which has to say so by failing.
    pub fn end(mut self, api: Api, runtime: Running) {
        self.stop();
        drop(api);
        runtime.fails();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A runtime that runs.
pub struct Running(Receiver<ExitCode>);

impl Running {
    /// Waits for its end.
    pub fn fails(self) {
        let ended = self.0.recv_timeout(PATIENCE).expect("the runtime gives up");
        assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}

/// A connection, from the API's side.
pub struct Api {
    reader: BufReader<TcpStream>,
}

/// A request of the runtime's.
#[derive(Debug)]
pub struct Asked {
    /// The request line without its version.
    pub line: String,
    /// Field lines, as they came.
    pub head: String,
    /// The body, as it is on the wire if it is chunked.
    pub body: Vec<u8>,
}

impl Asked {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let same = |line: &&str| line.split_once(": ").is_some_and(|(field, _)| field.eq_ignore_ascii_case(name));
        self.head.lines().find(same).and_then(|line| Some(line.split_once(": ")?.1))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Api {
    /// The next request, which has to be this one: `GET /...` up to the version.
    pub fn expect(&mut self, line: &str) -> Asked {
        let asked = self.read().expect("the runtime asks for something");
        assert_eq!(asked.line, line, "{asked:?}");
        asked
    }

    /// The next request; none at the end of the connection.
    pub fn read(&mut self) -> Option<Asked> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let line = line.strip_suffix(" HTTP/1.1\r\n").expect("a request line").to_owned();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && head != "\r\n" {
            assert_ne!(self.reader.read_line(&mut head).unwrap(), 0, "{head:?}");
        }
        let mut asked = Asked { line, head, body: Vec::new() };
        if asked.field("transfer-encoding").is_some() {
            asked.body = self.chunked();
        } else if let Some(length) = asked.field("content-length") {
            asked.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut asked.body).unwrap();
        }
        Some(asked)
    }

    /// Waits for the end of the connection: nothing else may come.
    pub fn ends(&mut self) {
        assert_eq!(self.reader.read(&mut [0]).expect("the connection ends"), 0);
    }

    /// Everything up to and with the end of a chunked body.
    fn chunked(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            if self.reader.read_until(b'\n', &mut bytes).unwrap_or(0) == 0 {
                return bytes;
            }
            let line = std::str::from_utf8(&bytes[start..]).unwrap().trim_end();
            let size = usize::from_str_radix(line, 16).unwrap();
            if size == 0 {
                break;
            }
            let at = bytes.len();
            bytes.resize(at + size + 2, 0);
            self.reader.read_exact(&mut bytes[at..]).unwrap();
        }
        // Trailers, and the empty line.
        loop {
            let start = bytes.len();
            self.reader.read_until(b'\n', &mut bytes).unwrap();
            if matches!(&bytes[start..], b"\r\n" | b"") {
                return bytes;
            }
        }
    }

    /// One chunk of a body whose head was read by hand.
    pub fn raw(&mut self, bytes: usize) -> Vec<u8> {
        let mut raw = vec![0; bytes];
        self.reader.read_exact(&mut raw).unwrap();
        raw
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Answers `GET /next` with an event, as the platform does: chunked above 2,048 bytes.
    pub fn event(&mut self, id: &str, event: impl AsRef<[u8]>) {
        self.event_with(id, "", event);
    }

    /// As [`event`](Self::event), with further field lines.
    pub fn event_with(&mut self, id: &str, lines: &str, event: impl AsRef<[u8]>) {
        let event = event.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {id}\r\n{lines}");
        if event.len() <= 2_048 {
            let whole = [format!("{head}Content-Length: {}\r\n\r\n", event.len()).as_bytes(), event].concat();
            return self.send(whole);
        }
        self.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
        for chunk in event.chunks(30_000) {
            self.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        self.send("0\r\n\r\n");
    }

    /// Answers a `POST`.
    pub fn accepted(&mut self) {
        self.send("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n");
    }

    /// Answers with a status and no body.
    pub fn status(&mut self, status: u16) {
        self.send(format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n"));
    }

    /// Hands out an event, takes its answer, and accepts it.
    pub fn invoke(&mut self, id: &str, event: impl AsRef<[u8]>) -> Asked {
        self.expect(NEXT);
        self.event(id, event);
        let asked = self.expect(&response(id));
        self.accepted();
        asked
    }
}

pub const NEXT: &str = "GET /2018-06-01/runtime/invocation/next";

pub fn response(id: &str) -> String {
    format!("POST /2018-06-01/runtime/invocation/{id}/response")
}

pub fn error(id: &str) -> String {
    format!("POST /2018-06-01/runtime/invocation/{id}/error")
}

/// An event of an HTTP API.
pub fn event(method: &str, path: &str) -> String {
    with_body(method, path, "")
}

/// An event of an HTTP API with a body, which is JSON's inside of a string already.
pub fn with_body(method: &str, path: &str, body: &str) -> String {
    format!(
        "{{\"version\":\"2.0\",\"routeKey\":\"$default\",\"rawPath\":\"{path}\",\"rawQueryString\":\"\",\"headers\":{{\"host\":\
         \"example.com\",\"content-type\":\"text/plain\"}},\"requestContext\":{{\"http\":{{\"method\":\"{method}\",\"path\":\
         \"{path}\",\"protocol\":\"HTTP/1.1\",\"sourceIp\":\"192.0.2.1\"}},\"stage\":\"$default\"}},\"body\":\"{body}\",\
         \"isBase64Encoded\":false}}"
    )
}

/// An answer to it, of plain text.
pub fn answer(status: u16, body: &str) -> String {
    format!(
        "{{\"statusCode\":{status},\"headers\":{{\"content-type\":\"text/plain\"}},\"cookies\":[],\"body\":\"{body}\",\"isBase64Encoded\":false}}"
    )
}

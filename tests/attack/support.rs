//! Servers to attack, clients that attack them, and the honest client beside.

use std::{
    collections::HashMap,
    future::poll_fn,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Condvar, Mutex},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use midge::{Failure, Handler, Limits, Method, Request, Response, Sent};
use midge_tcp::Server;
use midge_tests::wire::{Asked, Connection, Ending, PATIENCE, Reader, Response as Answer, read};
use socket2::SockRef;

/// A deadline that tests wait for: short, but longer than an honest exchange takes on a busy machine.
pub const SHORT: Duration = Duration::from_millis(300);

/// A deadline that no test lives to see.
pub const NEVER: Duration = Duration::from_secs(3_600);

/// Nothing but what a test sets is ever too slow.
pub const PATIENT: Limits = Limits {
    head_time: NEVER,
    body_grace: NEVER,
    write_grace: NEVER,
    idle_time: NEVER,
    linger_time: NEVER,
    ..Limits::DEFAULT
};

/// Runs `handler` on one worker beside `test`, and wants it to shut down in good order.
pub fn beside<H: Handler + Sync + Send>(
    tune: impl FnOnce(Server) -> Server,
    handler: H,
    test: impl FnOnce(SocketAddr),
) {
    let server = Server::bind("127.0.0.1:0").unwrap().handle_signals(false).workers(1).grace(Duration::ZERO);
    let address = server.local_addr().unwrap();
    let server = tune(server);
    let handle = server.handle();
    thread::scope(|scope| {
        let running = scope.spawn(move || server.run(handler));
        // A failed assertion must not leave the server running, or the scope would never end.
        let shut_down = OnDrop(|| handle.shutdown());
        test(address);
        drop(shut_down);
        running.join().unwrap().unwrap();
    });
}

/// As [`beside`], with [`App`].
pub fn attack(tune: impl FnOnce(Server) -> Server, test: impl FnOnce(&App, SocketAddr)) {
    let app = App::default();
    beside(tune, &app, |address| test(&app, address));
}

pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The handler under attack. It notes each target that it is called for, and when its calls begin and end; those of the honest
/// client apart.
#[derive(Default)]
pub struct App {
    pub events: Events,
    pub gate: Gate,
    seen: Mutex<Vec<String>>,
}

impl App {
    /// What it was called for so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Handler for &App {
    async fn handle(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let path = request.path();
        let honest = path == "/honest";
        if !honest {
            self.seen.lock().unwrap().push(format!("{} {}", request.method(), request.target()));
            self.events.note("called");
        }
        // Whether it ends or is dropped where it waits.
        let _ends = OnDrop(|| self.events.note(if honest { "honest" } else { "ended" }));
        match path {
            "/wait" => {
                self.gate.pass().await;
                response.status(200).body("through").await
            }
            // Answers without a look at the body.
            "/ignore" => response.status(200).body("ignored").await,
            "/huge" => {
                let mut body = response.status(200).stream().await?;
                for _ in 0..HUGE / 4_096 {
                    body.write([b'h'; 4_096]).await?;
                }
                body.finish().await
            }
            "/count" => {
                let (mut bytes, mut body) = (0, request.into_body());
                while let Some(chunk) = body.chunk().await? {
                    bytes += chunk.len();
                    self.events.note("read");
                }
                response.status(200).body(bytes.to_string()).await
            }
            _ if matches!(request.method(), Method::Post | Method::Put) => {
                let body = request.body().all().await?;
                response.status(200).body(body).await
            }
            _ => response.status(200).header("content-type", "text/plain").body("hello").await,
        }
    }
}

/// Bytes of the answer to `/huge`: far more than sockets buffer.
pub const HUGE: usize = 1 << 28;

/// Counts what happens, and lets another thread wait for it.
#[derive(Default)]
pub struct Events {
    counts: Mutex<HashMap<&'static str, usize>>,
    changed: Condvar,
}

impl Events {
    pub fn note(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
        self.changed.notify_all();
    }

    pub fn count(&self, what: &'static str) -> usize {
        self.counts.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    /// Blocks until `what` happened `count` times in all.
    pub fn wait_for(&self, what: &'static str, count: usize) {
        let counts = self.counts.lock().unwrap();
        let (counts, timeout) = self
            .changed
            .wait_timeout_while(counts, PATIENCE, |counts| counts.get(what).copied().unwrap_or_default() < count)
            .unwrap();
        assert!(!timeout.timed_out(), "`{what}` never happened {count} times: {counts:?}");
    }
}

/// Something that handlers await, and that the test opens.
#[derive(Default)]
pub struct Gate(Mutex<(bool, Vec<Waker>)>);

impl Gate {
    pub async fn pass(&self) {
        poll_fn(|context| {
            let (open, wakers) = &mut *self.0.lock().unwrap();
            if *open {
                return Poll::Ready(());
            }
            wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    pub fn open(&self) {
        let (open, wakers) = &mut *self.0.lock().unwrap();
        *open = true;
        wakers.drain(..).for_each(Waker::wake);
    }
}

/// A client that keeps its connection and wants good answers on it, whatever happens beside.
pub struct Honest(Connection);

impl Honest {
    pub fn connect(address: SocketAddr) -> Self {
        let mut honest = Self(Connection::connect(address).unwrap());
        honest.is_answered();
        honest
    }

    /// One request, one good answer.
    pub fn is_answered(&mut self) {
        self.0.ask(Asked::new("GET"), b"GET /honest HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = self.0.receive().unwrap_or_else(|fault| panic!("the honest client: {fault}"));
        assert_eq!(answer.head.status, 200);
    }
}

/// Wants as many requests served at the same time as there are slots: each holds its slot, as the 100 (Continue) that only a
/// running handler asks for shows.
pub fn every_slot_serves(address: SocketAddr, slots: usize) {
    let mut clients: Vec<_> = (0..slots)
        .map(|_| {
            let mut client = Connection::connect(address).unwrap();
            let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
            client.ask(Asked::new("POST"), head).unwrap();
            let mut interim = [0; 25];
            (&mut client.stream()).read_exact(&mut interim).unwrap();
            assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
            client
        })
        .collect();
    for client in &mut clients {
        client.send(b"ok").unwrap();
        let answer = client.receive().unwrap();
        assert_eq!((answer.head.status, &answer.content[..]), (200, &b"ok"[..]));
    }
    for client in clients {
        client.stream().shutdown(Shutdown::Write).unwrap();
    }
}

/// A client that keeps to no rule.
pub fn rogue(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    (&stream).write_all(bytes).unwrap();
    stream
}

/// Closes with a reset.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Everything up to the end, and which end it was.
pub fn rest(stream: &TcpStream) -> (Vec<u8>, Ending) {
    let (mut bytes, mut buffer, mut stream) = (Vec::new(), [0; 65_536], stream);
    loop {
        match read(&mut stream, &mut buffer).unwrap() {
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(ending) => return (bytes, ending),
        }
    }
}

/// Reads until `what` has come; gives all that came.
pub fn until(stream: &TcpStream, what: &[u8]) -> Vec<u8> {
    let (mut bytes, mut buffer, mut stream) = (Vec::new(), [0; 4_096], stream);
    while !contains(&bytes, what) {
        match read(&mut stream, &mut buffer).unwrap() {
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(ending) => panic!("{ending:?} before {}: {}", what.escape_ascii(), bytes.escape_ascii()),
        }
    }
    bytes
}

pub fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// All answers to `requests` GETs up to an orderly end, each checked against every duty.
pub fn answers(bytes: &[u8], asked: &[Asked]) -> Vec<Answer> {
    let mut reader = Reader::new();
    asked.iter().cloned().for_each(|asked| reader.ask(asked));
    reader.push(bytes);
    let mut answers: Vec<_> = std::iter::from_fn(|| reader.response()).collect();
    answers.extend(reader.end(Ending::Eof, true));
    assert!(reader.violations().is_empty(), "{:?} in {}", reader.violations(), bytes.escape_ascii());
    answers
}

/// Sends `bytes` and gives the statuses and contents of all answers up to the end, which the server has to bring about in an
/// orderly way.
pub fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<(u16, String)> {
    let stream = rogue(address, bytes);
    let (received, ending) = rest(&stream);
    assert_eq!(ending, Ending::Eof, "after {}", received.escape_ascii());
    answers(&received, &vec![Asked::new("GET"); 16])
        .into_iter()
        .map(|answer| (answer.head.status, String::from_utf8(answer.content).unwrap()))
        .collect()
}

/// Whether an answer was seen not to be whole.
pub fn is_truncated(asked: Asked, bytes: &[u8], ending: Ending) -> bool {
    let mut reader = Reader::new();
    reader.ask(asked);
    reader.push(bytes);
    assert_eq!(reader.response(), None, "it is whole: {}", bytes.escape_ascii());
    reader.end(ending, false).is_none()
}

/// Sends an honest request and `drip` to each client, in turn, until each client's connection has ended. Gives what they received,
/// and how their connections ended.
pub fn drip(honest: &mut Honest, clients: &[TcpStream], drip: &[u8]) -> Vec<(Vec<u8>, Ending)> {
    let began = Instant::now();
    let mut results: Vec<_> = clients.iter().map(|_| (Vec::new(), Ending::Open)).collect();
    for client in clients {
        client.set_nonblocking(true).unwrap();
    }
    while results.iter().any(|(_, ending)| *ending == Ending::Open) {
        honest.is_answered();
        for (mut client, (bytes, ending)) in clients.iter().zip(&mut results) {
            // Whoever is refused may be closed already.
            let _ = client.write(drip);
            let mut buffer = [0; 4_096];
            match read(&mut client, &mut buffer).unwrap() {
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(Ending::Open) => assert!(began.elapsed() < PATIENCE, "never ended: {}", bytes.escape_ascii()),
                Err(end) => *ending = end,
            }
        }
    }
    results
}

/// Writes as much as the other side takes without being read from.
pub fn stuff(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let (mut sent, mut stream) = (0, stream);
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// Small, seeded, and good enough to cut messages with (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }
}

//! The checklist against the example program `conformance`, over real sockets: every row in one write, and again one
//! byte per segment.
//!
//! `cargo test --workspace` builds the example too; a test of this package alone takes the one that was built last.
//! `MIDGE_CONFORMANCE_ADDR=HOST:PORT` runs it against a server that is running already.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod checklist;
mod exchange;
mod outcome;
mod self_test;
#[cfg(feature = "tls")]
mod tunnel;

use std::fmt::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use midge_tests::server::Server;
use midge_tests::wire::{Asked, Connection, Response};

use checklist::Row;
use exchange::{Bounds, Cut, Observed, exchange};

const CHECKLIST: &str = include_str!("rfc-checklist.md");

/// Rows spend their time waiting for the server, or for nothing to come.
const THREADS: usize = 8;

#[test]
fn every_row_is_answered_as_wanted() {
    check_all(&Target::new());
}

/// The same over TLS: what is under HTTP changes nothing of it.
#[cfg(feature = "tls")]
#[test]
fn every_row_is_answered_as_wanted_over_tls() {
    let directory = std::env::temp_dir().join(format!("midge-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| directory.join(file));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let flags = ["--cert".as_ref(), cert.as_os_str(), "--key".as_ref(), key.as_os_str()];
    let server = Server::start_with("conformance", flags).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    let address = tunnel::open(server.address(), made.cert.der().clone());
    check_all(&Target { address, server: Some(server) });
}

fn check_all(target: &Target) {
    let rows = checklist::parse(CHECKLIST).unwrap();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(at) else { break };
                    let found = target.check(row);
                    failures.lock().unwrap().extend(found.map(|failure| (at, failure)));
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let failed = failures.len();
    let table: String = failures.into_iter().map(|(_, failure)| failure).collect();
    assert!(failed == 0, "{failed} of {} rows failed:\n{table}", rows.len());
}

#[test]
fn the_checklist_has_all_its_rows() {
    let rows = checklist::parse(CHECKLIST).unwrap();
    assert_eq!(rows.len(), 158);
}

/// R05: a length that is declared where no content follows is that of the content which a GET would have had.
#[test]
fn the_length_after_head_is_that_of_get() {
    let target = Target::new();
    for path in ["/", "/echo", "/stream", "/cookie", "/status/204"] {
        let length = |method| {
            let mut connection = Connection::connect(target.address).unwrap();
            let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            connection.ask(Asked::new(method), request.as_bytes()).unwrap();
            let response = connection.receive().unwrap_or_else(|fault| panic!("{method} {path}: {fault}"));
            response.head.value("content-length").map(<[u8]>::to_vec)
        };
        if let Some(head) = length("HEAD") {
            assert_eq!(Some(head), length("GET"), "{path}");
        }
    }
}

/// R08.
#[test]
fn a_burst_is_answered_in_order() {
    let target = Target::new();
    let mut connection = Connection::connect(target.address).unwrap();
    let mut burst = String::new();
    for number in 0..100 {
        let content = number.to_string();
        let length = content.len();
        match number % 3 {
            0 => write!(burst, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{content}").unwrap(),
            1 => write!(
                burst,
                "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{content}\r\n0\r\n\r\n"
            )
            .unwrap(),
            _ => burst.push_str("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        }
        connection.ask(Asked::new("POST"), b"").unwrap();
    }
    connection.send(burst.as_bytes()).unwrap();
    for number in 0..100 {
        let response = connection.receive().unwrap_or_else(|fault| panic!("answer {number}: {fault}"));
        let wanted = if number % 3 == 2 { "OK".to_owned() } else { number.to_string() };
        assert_eq!((response.head.status, response.content), (200, wanted.into_bytes()));
    }
    connection.half_close().unwrap();
    connection.finish().unwrap();
}

/// The server under test.
struct Target {
    address: SocketAddr,
    // Runs for as long as the target is there.
    server: Option<Server>,
}

impl Target {
    fn new() -> Self {
        match std::env::var("MIDGE_CONFORMANCE_ADDR") {
            Ok(address) => {
                let address = address.to_socket_addrs().unwrap_or_else(|error| panic!("{address}: {error}"));
                Self { address: address.into_iter().next().unwrap(), server: None }
            }
            Err(_) => {
                let server = Server::start("conformance").unwrap();
                Self { address: server.address(), server: Some(server) }
            }
        }
    }

    /// Runs a row both ways. Gives what is wrong, as text.
    fn check(&self, row: &Row) -> Option<String> {
        let [whole, bytewise] = [Cut::Whole, Cut::Bytewise]
            .map(|cut| exchange(self.address, &row.input, cut, row.wanted.most(), Bounds::default()));
        let (whole, bytewise) = match (whole, bytewise) {
            (Ok(whole), Ok(bytewise)) => (whole, bytewise),
            (Err(error), _) | (_, Err(error)) => return Some(report(row, &format!("socket: {error}"), None)),
        };
        if self.lacks(row, &whole) {
            return None;
        }
        let mut reports = String::new();
        for (cut, observed) in [(Cut::Whole, &whole), (Cut::Bytewise, &bytewise)] {
            if let Some(what) = fault(row, observed) {
                reports.push_str(&report(row, &format!("{cut:?}: {what}"), Some(observed)));
            }
        }
        if reports.is_empty() && !same(&whole, &bytewise) {
            reports.push_str(&report(row, "whole and bytewise differ; whole", Some(&whole)));
            reports.push_str(&report(row, "whole and bytewise differ; bytewise", Some(&bytewise)));
        }
        (!reports.is_empty()).then_some(reports)
    }

    /// Whether a foreign server has no such resource: some are optional.
    fn lacks(&self, row: &Row, observed: &Observed) -> bool {
        let optional = [&b" /status/204 "[..], b" /status/304 ", b" /stream "];
        let bytes = row.input.bytes();
        let asks = optional.iter().any(|path| bytes.windows(path.len()).any(|window| window == *path));
        let missing = observed.responses.first().is_some_and(|response| response.head.status == 404);
        self.server.is_none() && asks && missing
    }
}

/// What is wrong with an observation, if anything is.
fn fault(row: &Row, observed: &Observed) -> Option<String> {
    let violations: Vec<_> = observed.violations.iter().map(ToString::to_string).collect();
    let mut what = violations.join("; ");
    if !row.wanted.matches(&observed.responses, observed.state) {
        let within = row.allowed.matches(&observed.responses, observed.state);
        what.push_str(if within { " not as wanted, though allowed" } else { " not allowed" });
    }
    (!what.is_empty()).then(|| what.trim_start().to_owned())
}

/// Whether the statuses, the contents and the end are the same, as they must be however the bytes are cut.
fn same(one: &Observed, other: &Observed) -> bool {
    let statuses = |response: &Response| -> Vec<u16> {
        response.interim.iter().chain([&response.head]).map(|head| head.status).collect()
    };
    let same = |(one, other): (&Response, &Response)| statuses(one) == statuses(other) && one.content == other.content;
    one.state == other.state
        && one.responses.len() == other.responses.len()
        && one.responses.iter().zip(&other.responses).all(same)
}

fn report(row: &Row, what: &str, observed: Option<&Observed>) -> String {
    let mut text = format!("\n{} ({}, {:?}) {what}\n  wanted   {}\n", row.id, row.section, row.level, row.wanted);
    if let Some(observed) = observed {
        let statuses: Vec<_> = observed.responses.iter().map(|response| response.head.status.to_string()).collect();
        let statuses = if statuses.is_empty() { "none".to_owned() } else { statuses.join(",") };
        let _ = writeln!(text, "  got      {statuses} {:?}", observed.state);
        let _ = writeln!(text, "  sent     {}", excerpt(&row.input.bytes()));
        let _ = writeln!(text, "  received {}", excerpt(&observed.raw));
    }
    text
}

fn excerpt(bytes: &[u8]) -> String {
    const LENGTH: usize = 200;
    match bytes.get(..LENGTH) {
        Some(start) => format!("{} ... {} bytes", start.escape_ascii(), bytes.len()),
        None => bytes.escape_ascii().to_string(),
    }
}

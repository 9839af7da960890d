//! The runner against servers that answer wrongly: each must be caught.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use midge_tests::wire::Duty;

use crate::checklist::parse_input;
use crate::exchange::{Bounds, Cut, Observed, exchange};
use crate::outcome::{Outcome, State};

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const GOOD: &str = "HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\n\r\nOK";
const LAST: &str = "HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\nConnection: close\r\n\r\nOK";
const GET: &str = r"GET / HTTP/1.1\r\n{H}\r\n";

/// What a fake server does when it has answered.
#[derive(Clone, Copy)]
enum Then {
    /// Goes on to the next answer, for the next request.
    Next,
    Close,
    /// Closes with bytes unread, which sends a reset.
    Reset,
    /// Does nothing more until the client is gone.
    Hang,
}

/// Serves one connection with canned answers, each after the empty line of a request.
fn fake(answers: &[(&str, Then)]) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Vec<_> = answers.iter().map(|(answer, then)| (answer.replace("{D}", DATE), *then)).collect();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for (answer, then) in answers {
            if matches!(then, Then::Reset) {
                // Seen, but left unread.
                stream.peek(&mut [0]).unwrap();
            } else if !head(&mut stream) {
                return;
            }
            stream.write_all(answer.as_bytes()).unwrap();
            match then {
                Then::Next => {}
                Then::Close => break,
                Then::Reset => return,
                Then::Hang => while stream.read(&mut [0]).is_ok_and(|count| count > 0) {},
            }
        }
        // Drained, so that no reset overtakes the answer.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        while stream.read(&mut [0; 512]).is_ok_and(|count| count > 0) {}
    });
    (address, server)
}

/// Reads a request without content. `false` at the end.
fn head(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn observe(input: &str, wanted: &str, answers: &[(&str, Then)], cut: Cut) -> (Observed, bool) {
    let (address, server) = fake(answers);
    let wanted = Outcome::parse(wanted).unwrap();
    // What is waited for never comes from a server that hangs; from the others it does, however busy the machine is.
    let hangs = answers.iter().any(|(_, then)| matches!(then, Then::Hang));
    let bound = Duration::from_secs(2);
    let bounds = if hangs { Bounds { answer: bound, quiet: bound } } else { Bounds::default() };
    let observed = exchange(address, &parse_input(input).unwrap(), cut, wanted.most(), bounds).unwrap();
    server.join().unwrap();
    let matches = wanted.matches(&observed.responses, observed.state);
    (observed, matches)
}

fn passes(observed: &(Observed, bool)) -> bool {
    observed.1 && observed.0.violations.is_empty()
}

#[test]
fn good_servers_pass() {
    for cut in [Cut::Whole, Cut::Bytewise] {
        for (input, wanted, answers) in [
            (GET, "200 open", &[(GOOD, Then::Next), (LAST, Then::Next)][..]),
            (GET, "200 close has:Connection", &[(LAST, Then::Close)]),
            (r"GET / HTTP/1.1\r\n{H}\r\n{eof}", "200 close", &[(GOOD, Then::Close)]),
            (r"GET / HTTP/1.1\r\n{H}", "none open", &[(GOOD, Then::Next)]),
            (r"GET / HTTP/1.1\r\n{H}{eof}", "none close", &[(GOOD, Then::Next)]),
            (
                r"HEAD / HTTP/1.1\r\n{H}\r\nGET / HTTP/1.1\r\n{H}\r\n",
                "200,200 open",
                &[
                    ("HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\n\r\n", Then::Next),
                    (GOOD, Then::Next),
                    (LAST, Then::Next),
                ],
            ),
        ] {
            let observed = observe(input, wanted, answers, cut);
            assert!(passes(&observed), "{input} {wanted}: {:?} {:?}", observed.0.state, observed.0.violations);
        }
    }
}

#[test]
fn wrong_answers_are_caught_by_their_duty() {
    let next = (LAST, Then::Next);
    for (duty, answers) in [
        (Duty::R01, &[("HTTP/1.1 200\r\n{D}Content-Length: 2\r\n\r\nOK", Then::Next), next][..]),
        (
            Duty::R02,
            &[
                ("HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Then::Next),
                next,
            ],
        ),
        (Duty::R03, &[("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", Then::Next), next]),
        (Duty::R05, &[("HTTP/1.1 204 No Content\r\n{D}\r\nOK", Then::Next), next]),
        (Duty::R06, &[(GOOD, Then::Close)]),
        (Duty::R06, &[(LAST, Then::Hang)]),
        (Duty::R06, &[(GOOD, Then::Next), (GOOD, Then::Close)]),
        (Duty::R07, &[(LAST, Then::Reset)]),
        (Duty::R07, &[("", Then::Reset)]),
        (Duty::Complete, &[("HTTP/1.1 200 OK\r\n{D}Content-Length: 3\r\n\r\nOK", Then::Close)]),
    ] {
        let (observed, _) = observe(GET, "200 or 204", answers, Cut::Whole);
        let found: Vec<_> = observed.violations.iter().map(|violation| violation.duty).collect();
        assert!(found.contains(&duty), "{duty:?} in {answers:?}: {found:?}", answers = answers[0].0);
    }
}

#[test]
fn wrong_outcomes_are_caught() {
    let next = (LAST, Then::Next);
    let twice = format!("{GOOD}{GOOD}");
    let rows = [
        ("another status", GET, "400", &[(GOOD, Then::Next), next][..]),
        ("open in place of close", GET, "200 close", &[(GOOD, Then::Next), next]),
        ("close in place of open", GET, "200 open", &[next]),
        ("close in place of open, and unsaid", GET, "200 open", &[(GOOD, Then::Close)]),
        ("no answer", GET, "200", &[("", Then::Hang)]),
        ("an answer to part of a request", r"GET / HTTP/1.1\r\n\r\nGET", "none open", &[(GOOD, Then::Hang)]),
        ("two answers", GET, "200 open", &[(&twice, Then::Next), next]),
        ("no answer to the probe", GET, "200 open", &[(GOOD, Then::Next), ("", Then::Hang)]),
        ("an interim answer that is missing", GET, "200 cont", &[(GOOD, Then::Next), next]),
    ];
    // Side by side, since most of them wait for what never comes.
    thread::scope(|scope| {
        for (what, input, wanted, answers) in rows {
            scope.spawn(move || {
                let observed = observe(input, wanted, answers, Cut::Whole);
                assert!(!passes(&observed), "{what}: {:?}", observed.0.state);
            });
        }
    });
}

#[test]
fn a_pause_waits_for_the_interim_answer() {
    let input = r"POST / HTTP/1.1\r\n{H}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n{pause}\r\n\r\n";
    let answers = [("HTTP/1.1 100 Continue\r\n\r\n", Then::Next), (GOOD, Then::Next), (LAST, Then::Next)];
    for cut in [Cut::Whole, Cut::Bytewise] {
        let observed = observe(input, "200 cont open", &answers, cut);
        assert!(passes(&observed), "{:?} {:?}", observed.0.state, observed.0.violations);
    }
}

#[test]
fn a_stuck_server_is_in_no_outcome() {
    let (observed, matches) = observe(GET, "200 or none", &[("", Then::Hang)], Cut::Whole);
    assert!(matches!(observed.state, State::Open), "nothing came, and nothing ended");
    assert!(matches, "which is what `none` without a state says");
    let (observed, matches) = observe(GET, "200", &[(LAST, Then::Hang)], Cut::Whole);
    assert!(matches!(observed.state, State::Stuck) && !matches);
}

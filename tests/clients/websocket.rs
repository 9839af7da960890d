//! The example `websocket`, with Python's websockets and in Chromium.

use std::path::Path;

use midge_tests::server::Server;

use crate::program::{DIRECTORY, printed, run};

#[test]
fn an_echo() {
    case("echo");
}

#[test]
fn pings_are_answered() {
    case("pings");
}

#[test]
fn closing_is_answered() {
    case("closes");
}

#[test]
fn a_chat_across_workers() {
    case("chat");
}

#[test]
fn a_room_that_is_full() {
    case("full");
}

#[test]
fn handshakes_that_are_wrong() {
    case("handshakes");
}

#[test]
fn frames_that_are_wrong() {
    case("violations");
}

#[test]
fn a_browser_connects() {
    case("browser");
}

fn case(name: &str) {
    let server = Server::start_with("websocket", ["--workers", "2"]).unwrap();
    let python = format!("{}/../.cache/clients/python/bin/python3", env!("CARGO_MANIFEST_DIR"));
    assert!(Path::new(&python).exists(), "Python's websockets are not installed; tests/run installs them");
    let script = format!("{DIRECTORY}/websocket.py");
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let said = printed(&python, run(&python, [&script, &host, &port, name]));
    // A script that ended without an error, but before its end, is no success.
    assert_eq!(said, format!("{name}: ok\n"));
}

//! Clients that come with a language: Python's http.client, Node's fetch and http.Agent.
//!
//! Each script takes the addresses of `conformance` and of `stream`, and the name of the case to run; what fails, fails there.

use midge_tests::server::Server;

use crate::program::{DIRECTORY, printed, run};

#[test]
fn python_keeps_a_connection() {
    case("python3", "http_client.py", "keep_alive");
}

#[test]
fn python_uploads_in_chunks() {
    case("python3", "http_client.py", "chunked");
}

#[test]
fn python_is_not_confused_by_trailers() {
    case("python3", "http_client.py", "trailers");
}

#[test]
fn python_asks_for_heads() {
    case("python3", "http_client.py", "head");
}

#[test]
fn python_downloads_a_stream() {
    case("python3", "http_client.py", "download");
}

#[test]
fn node_fetches_in_parallel() {
    case("node", "node.mjs", "parallelFetch");
}

#[test]
fn node_fetches_with_streamed_bodies() {
    case("node", "node.mjs", "streamedFetch");
}

#[test]
fn node_keeps_its_agents_connections() {
    case("node", "node.mjs", "keepAliveAgent");
}

#[test]
fn node_uploads_and_downloads_at_once() {
    case("node", "node.mjs", "streamedAgent");
}

fn case(program: &str, script: &str, name: &str) {
    let (conformance, stream) = (Server::start("conformance").unwrap(), Server::start("stream").unwrap());
    let [conformance, stream] = [&conformance, &stream].map(|server| server.address().to_string());
    let said = printed(program, run(program, [&format!("{DIRECTORY}/{script}"), &conformance, &stream, name]));
    // A script that ended without an error, but before its end, is no success.
    assert_eq!(said, format!("{name}: ok\n"));
}

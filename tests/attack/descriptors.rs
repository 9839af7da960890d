//! Out of file descriptors, a server keeps those that it has, and takes new ones as soon as it can.

use std::process::Command;

use midge_tests::{
    server::Server,
    wire::{Asked, Connection},
};

#[test]
fn out_of_file_descriptors_it_keeps_serving_and_accepts_again_when_some_are_free() {
    let hello = Server::command("hello").unwrap();
    let mut limited = Command::new("sh");
    // The example's own program behind a shell that lowers its limit.
    limited.args(["-c", "ulimit -n 32; exec \"$0\" --workers 1 127.0.0.1:0"]).arg(hello.get_program());
    let server = Server::spawn(limited).unwrap();

    // More connections than it can have; what it can't accept waits in the backlog.
    let mut connections: Vec<Connection> = (0..64).map(|_| Connection::connect(server.address()).unwrap()).collect();
    let ask = |connection: &mut Connection| {
        connection.ask(Asked::new("GET"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(connection.receive().unwrap().content, b"Hello, World!");
    };
    // The ones that it has are served, again and again.
    for _ in 0..3 {
        connections.iter_mut().take(8).for_each(ask);
    }
    // As they leave, the waiting ones get their places: every one is served in the end.
    while !connections.is_empty() {
        let leaving = connections.len().min(8);
        connections.iter_mut().take(leaving).for_each(ask);
        connections.drain(..leaving);
    }
    // And so is a newcomer.
    ask(&mut Connection::connect(server.address()).unwrap());
}

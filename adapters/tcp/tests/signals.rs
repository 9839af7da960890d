//! SIGTERM and SIGINT, sent to a process of its own: this program again, in another part.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    env,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

use common::{Client, Gate};
use midge::{Request, Response};
use midge_tcp::Server;

const CHILD: &str = "MIDGE_TCP_SIGNALS_CHILD";

/// The child's part: not a test of its own.
#[test]
fn serve_as_a_child() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let gate = Gate::default();
    let server = Server::bind("127.0.0.1:0").unwrap().workers(2);
    // The first line break ends what the test harness has written.
    println!("\nlistening on {}", server.local_addr().unwrap());
    let ended = server.run(async |request: Request<'_>, response: Response<'_>| {
        if request.path() == "/for-ever" {
            gate.pass().await;
        }
        response.status(204).empty().await
    });
    ended.unwrap();
    println!("\nended in order");
}

struct Serving {
    child: Child,
    address: SocketAddr,
    lines: io::Lines<BufReader<ChildStdout>>,
}

impl Serving {
    fn start() -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "serve_as_a_child", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .find_map(|line| line.unwrap().strip_prefix("listening on ").map(|address| address.parse().unwrap()))
            .unwrap();
        let mut server = Self { child, address, lines };
        // Once it answers, it listens for signals too.
        assert_eq!(Client::connect(server.address).get("/").status(), 204);
        assert!(server.child.try_wait().unwrap().is_none());
        server
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_signal_ends_the_server_in_order() {
    for name in ["-TERM", "-INT"] {
        let mut server = Serving::start();
        let mut idle = Client::connect(server.address);
        assert_eq!(idle.get("/").status(), 204);
        server.signal(name);
        assert!(idle.is_at_end());
        assert!(server.lines.any(|line| line.unwrap() == "ended in order"));
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    for (name, status) in [("-TERM", 128 + 15), ("-INT", 128 + 2)] {
        let mut server = Serving::start();
        let mut idle = Client::connect(server.address);
        assert_eq!(idle.get("/").status(), 204);
        let mut busy = Client::connect(server.address);
        busy.ask("/for-ever");
        // Closed idle connections tell that the first signal has been acted on.
        server.signal("-TERM");
        assert!(idle.is_at_end());
        server.signal(name);
        assert_eq!(server.child.wait().unwrap().code(), Some(status));
    }
}

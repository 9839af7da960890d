//! wrk: ten seconds of load without an error of any kind.

use midge_tests::server::Server;

use crate::program::{printed, run};

#[test]
fn ten_seconds_without_an_error() {
    let server = Server::start("hello").unwrap();
    let url = format!("http://{}/", server.address());
    // Its own time-out is generous: what it tells is an answer that never comes.
    let said = printed("wrk", run("wrk", ["--threads=1", "--connections=64", "--duration=10s", "--timeout=30s", &url]));
    for error in ["Socket errors", "Non-2xx"] {
        assert!(!said.contains(error), "{said}");
    }
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in ")).unwrap().0;
    assert!(requests.parse::<u64>().unwrap() > 0, "{said}");
}

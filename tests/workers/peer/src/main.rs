//! The applications of the tests on the TCP host: `peer conformance` or `peer rest`.

#[path = "../../../../examples/src/conformance.rs"]
#[allow(dead_code)]
mod conformance;
#[path = "../../../../examples/src/rest.rs"]
mod rest;

use std::error::Error;

use midge_tcp::Server;

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0")?.workers(1);
    println!("listening on {server}");
    match std::env::args().nth(1).as_deref() {
        Some("conformance") => server.run(conformance::Conformance { json: false })?,
        Some("rest") => server.run(rest::app(|| std::time::Duration::ZERO))?,
        _ => return Err("conformance or rest".into()),
    }
    Ok(())
}

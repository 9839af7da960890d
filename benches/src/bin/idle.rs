//! Opens many idle keep-alive connections to a server, and prints by how much the server's own memory grew.
//!
//! Kernel memory (the sockets themselves) does not count: it is the same for every server.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use midge_benches::client::{Connection, REQUEST, Reader};
use midge_benches::{Failure, conclude, limits};

const HELP: &str = "\
Usage: idle --pid PID [OPTIONS] ADDRESS:PORT

  --pid PID           the server's process
  --connections N     how many idle connections (10000)
  --seconds N         give up after so long (60)
  --help

Each connection has had one request answered, and has to answer another one after the memory was read.
";

/// Connections that warm the server up, and stay open.
const WARM: usize = 64;

fn main() -> ExitCode {
    conclude("idle", run())
}

fn run() -> Result<(), Failure> {
    let mut arguments = pico_args::Arguments::from_env();
    if arguments.contains("--help") {
        print!("{HELP}");
        return Ok(());
    }
    let pid: u32 = arguments.value_from_str("--pid")?;
    let count = arguments.opt_value_from_str("--connections")?.unwrap_or(10_000_usize);
    let seconds = arguments.opt_value_from_str("--seconds")?.unwrap_or(60);
    let address: SocketAddr = arguments.free_from_str()?;
    if let Some(surplus) = arguments.finish().first() {
        return Err(format!("unknown argument: {}", surplus.display()).into());
    }
    if count == 0 {
        return Err("--connections: must not be 0".into());
    }
    limits::raise_open_files();
    limits::end_after("idle", seconds);

    let mut reader = Reader::new(3 * count);
    let mut warm = Vec::with_capacity(WARM);
    for nth in 0..WARM {
        warm.push(open(address, nth)?);
    }
    // As many requests as there will be connections: what a pool touches in turn, it has touched by now.
    for _ in 0..count.div_ceil(WARM) {
        for connection in &mut warm {
            connection.send(REQUEST, 1)?;
        }
        for connection in &mut warm {
            reader.receive(connection)?;
        }
    }

    let before = anonymous_bytes(pid)?;
    let mut idle = Vec::with_capacity(count);
    for nth in 0..count {
        let mut connection = open(address, WARM + nth)?;
        ask(&mut connection, &mut reader)?;
        idle.push(connection);
    }
    // Once these are answered, whatever the server does after an answer is done for all the others.
    for connection in &mut warm {
        ask(connection, &mut reader)?;
    }
    let after = anonymous_bytes(pid)?;
    for (nth, connection) in idle.iter_mut().enumerate() {
        ask(connection, &mut reader).map_err(|error| format!("idle connection {} is gone: {error}", nth + 1))?;
    }

    let mut out = std::io::stdout().lock();
    writeln!(out, "connections {count}")?;
    writeln!(out, "bytes-before {before}")?;
    writeln!(out, "bytes-after {after}")?;
    writeln!(out, "bytes/connection {:.1}", (after as f64 - before as f64) / count as f64)?;
    Ok(())
}

fn open(address: SocketAddr, nth: usize) -> Result<Connection, Failure> {
    Connection::open(address, nth).map_err(|error| format!("connection {} to {address}: {error}", nth + 1).into())
}

fn ask(connection: &mut Connection, reader: &mut Reader) -> Result<(), Failure> {
    connection.send(REQUEST, 1)?;
    reader.receive(connection)
}

/// Resident memory that no file backs. The `RssAnon` of `status` would be off by up to 32 pages per core, since
/// the kernel counts it lazily; this file is counted when it is read.
fn anonymous_bytes(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .ok_or_else(|| format!("{path}: no Anonymous field"))?;
    Ok(kibibytes * 1024)
}

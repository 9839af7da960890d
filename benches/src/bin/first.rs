//! Starts a server again and again, and prints how long it takes from exec to the first whole answer.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use midge_benches::client::{Connection, REQUEST, Reader};
use midge_benches::{Failure, conclude, limits};
use rustix::thread::{CpuSet, sched_setaffinity};

const HELP: &str = "\
Usage: first [OPTIONS] ADDRESS:PORT COMMAND [ARGUMENT...]

  --times N           how often (31)
  --seconds N         give up after so long (60)
  --help

The command has to serve at the address. It starts on core 0, the client stays on core 1, where there are two. It is
ended by SIGKILL after its first answer, which has to be 200 with the body `Hello, World!`. Prints the median.
";

fn main() -> ExitCode {
    conclude("first", run())
}

fn run() -> Result<(), Failure> {
    let mut all: Vec<_> = std::env::args_os().skip(1).collect();
    // What follows the address is the command's.
    let own = all.iter().position(|argument| argument.to_string_lossy().parse::<SocketAddr>().is_ok());
    let command = all.split_off(own.map_or(all.len(), |at| at + 1));
    let mut arguments = pico_args::Arguments::from_vec(all);
    if arguments.contains("--help") {
        print!("{HELP}");
        return Ok(());
    }
    let times = arguments.opt_value_from_str("--times")?.unwrap_or(31_usize);
    let seconds = arguments.opt_value_from_str("--seconds")?.unwrap_or(60);
    let address: SocketAddr = arguments.free_from_str()?;
    if let Some(surplus) = arguments.finish().first() {
        return Err(format!("unknown argument: {}", surplus.display()).into());
    }
    let [program, rest @ ..] = command.as_slice() else { return Err("no command; --help tells how".into()) };
    if times == 0 {
        return Err("--times: must not be 0".into());
    }
    limits::end_after("first", seconds);

    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).stdout(Stdio::null());
        took.push(once(&mut command, address)?);
    }
    took.sort_unstable();
    let median = took.get(times / 2).copied().unwrap_or_default();
    writeln!(std::io::stdout(), "times {times}\nmedian {:.1} us", median.as_secs_f64() * 1e6)?;
    Ok(())
}

fn once(command: &mut Command, address: SocketAddr) -> Result<Duration, Failure> {
    if Connection::open(address, 0).is_ok() {
        return Err(format!("{address}: something serves there already").into());
    }
    stay_on(0);
    let begin = Instant::now();
    let mut server = Ended(command.spawn()?);
    stay_on(1);
    let mut connection = loop {
        match Connection::open(address, 0) {
            Ok(connection) => break connection,
            // Not yet. Trying at once again is what tells the time most exactly.
            Err(_) => match server.0.try_wait()? {
                Some(status) => return Err(format!("the server ended before it served: {status}").into()),
                None => std::thread::yield_now(),
            },
        }
    };
    connection.send(REQUEST, 1)?;
    Reader::new(1).receive(&mut connection)?;
    Ok(begin.elapsed())
}

/// On a machine with one core the server and the client share it.
fn stay_on(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    let _ = sched_setaffinity(None, &set);
}

/// A server that does not outlive its measurement.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

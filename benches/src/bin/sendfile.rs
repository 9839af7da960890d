//! What `sendfile` would save: a file sent over loopback by it, and by `pread` into a slot's output buffer and `write` from there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use midge_benches::{Failure, conclude};
use rustix::time::{ClockId, clock_gettime};

const HELP: &str = "\
Usage: sendfile [OPTIONS]

  --rounds N   of which the median is taken (9)
  --buffer N   bytes that are read and written at once (16384, a slot's output buffer)
  --help

Prints the sender's processor time, in microseconds for each file, user and system together.
";

/// The length of a file, and how often it is sent in a round.
const SIZES: [(u64, u32); 3] = [(16_384, 4_000), (1_000_000, 200), (100_000_000, 2)];

/// As long as the head of an answer.
const HEAD: [u8; 250] = [b'h'; 250];

fn main() -> ExitCode {
    conclude("sendfile", run())
}

fn run() -> Result<(), Failure> {
    let mut arguments = pico_args::Arguments::from_env();
    if arguments.contains("--help") {
        print!("{HELP}");
        return Ok(());
    }
    let rounds = arguments.opt_value_from_str("--rounds")?.unwrap_or(9_usize);
    let buffer = arguments.opt_value_from_str("--buffer")?.unwrap_or(16_384_usize);
    if let Some(surplus) = arguments.finish().first() {
        return Err(format!("unknown argument: {}", surplus.display()).into());
    }
    if rounds == 0 || buffer <= HEAD.len() {
        return Err("--rounds must not be 0, and --buffer must be larger than a head".into());
    }

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let reader = thread::spawn(move || -> io::Result<u64> {
        let (mut stream, mut buffer, mut total) = (TcpStream::connect(address)?, vec![0; 1 << 20], 0);
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(total),
                count => total += count as u64,
            }
        }
    });
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;

    let path = std::env::temp_dir().join(format!("midge-sendfile-{}", std::process::id()));
    let (mut buffer, mut sent) = (vec![0; buffer], 0);
    println!("| bytes | pread and write | sendfile | saved |\n|---|---|---|---|");
    for (size, times) in SIZES {
        fs::write(&path, vec![b'x'; size as usize])?;
        let (mut copied, mut passed) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (mode, results) in [(true, &mut copied), (false, &mut passed)] {
                let before = processor_micros();
                for _ in 0..times {
                    // Opened for each, as a server does.
                    let file = File::open(&path)?;
                    if mode {
                        copy(&file, &mut stream, &mut buffer)?;
                    } else {
                        pass(&file, &mut stream, size)?;
                    }
                    sent += size + HEAD.len() as u64;
                }
                results.push((processor_micros() - before) / f64::from(times));
            }
        }
        let (copied, passed) = (median(copied), median(passed));
        println!("| {size} | {copied:.1} | {passed:.1} | {:.0} % |", 100.0 * (1.0 - passed / copied));
    }
    fs::remove_file(&path)?;
    drop(stream);
    match reader.join() {
        Ok(Ok(total)) if total == sent => Ok(()),
        Ok(Ok(total)) => Err(format!("{total} bytes arrived of {sent}").into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err("the reader panicked".into()),
    }
}

/// The head goes out with the first part, as an answer's does.
fn copy(file: &File, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let (mut filled, mut at) = (HEAD.len(), 0);
    if let Some(place) = buffer.get_mut(..filled) {
        place.copy_from_slice(&HEAD);
    }
    loop {
        let count = rustix::io::pread(file, buffer.get_mut(filled..).unwrap_or_default(), at)?;
        filled += count;
        if filled == 0 {
            return Ok(());
        }
        stream.write_all(buffer.get(..filled).unwrap_or_default())?;
        (filled, at) = (0, at + count as u64);
        if count == 0 {
            return Ok(());
        }
    }
}

fn pass(file: &File, stream: &mut TcpStream, size: u64) -> io::Result<()> {
    stream.write_all(&HEAD)?;
    let mut at = 0;
    while at < size {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(&mut *stream, file, Some(&mut at), left)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Of this thread, user and system.
fn processor_micros() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

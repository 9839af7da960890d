//! Example programs as child processes.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running example program, on a port of its own; killed and waited for on drop.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    // Held so that whatever the program prints later doesn't meet a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the example called `name` on 127.0.0.1 and any free port.
    ///
    /// # Errors
    ///
    /// When the program isn't built, doesn't start, or doesn't say where it listens.
    pub fn start(name: &str) -> io::Result<Self> {
        Self::start_with(name, [] as [&str; 0])
    }

    /// As [`start`](Self::start), with further arguments after the address.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with<I>(name: &str, arguments: I) -> io::Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Self::command(name)?;
        command.arg("127.0.0.1:0").args(arguments);
        Self::spawn(command)
    }

    /// The command that runs the example called `name`, without arguments, for a test that needs another environment,
    /// other limits or the program's stderr. With `MIDGE_UNDER` in the environment it runs under what that names, as
    /// `valgrind --quiet`.
    ///
    /// # Errors
    ///
    /// When the program isn't built.
    pub fn command(name: &str) -> io::Result<Command> {
        let path = example(name)?;
        if !path.is_file() {
            let what = format!("example `{name}` isn't built: run `cargo build --workspace --examples` first");
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        let under = std::env::var("MIDGE_UNDER").unwrap_or_default();
        let mut words = under.split_whitespace();
        let mut command = match words.next() {
            None => Command::new(path),
            Some(tool) => {
                let mut command = Command::new(tool);
                command.args(words).arg(path);
                command
            }
        };
        for variable in ["HOST", "PORT", "AWS_LAMBDA_HTTP_ENDPOINT"] {
            command.env_remove(variable);
        }
        Ok(command)
    }

    /// Runs `command` and reads from its first line of output where it listens.
    ///
    /// # Errors
    ///
    /// When it doesn't start, or its first line isn't `listening on http://ADDRESS` (or `https:`).
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        match listening(&mut child) {
            Ok((address, stdout)) => Ok(Self { child, address, _stdout: stdout }),
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }

    /// The child process, to signal it or to take its stderr.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Cargo puts tests into `deps/` and examples beside it into `examples/`.
fn example(name: &str) -> io::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Ok(path)
}

fn listening(child: &mut Child) -> io::Result<(SocketAddr, BufReader<ChildStdout>)> {
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("the program has no stdout"))?;
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    let url = line.trim_end().strip_prefix("listening on ");
    let address = url.and_then(|url| url.strip_prefix("http://").or(url.strip_prefix("https://")));
    let address = address.and_then(|address| address.parse().ok());
    let address = address.ok_or_else(|| io::Error::other(format!("it doesn't say where it listens: {line:?}")))?;
    Ok((address, stdout))
}

fn stop(child: &mut Child) {
    // Both fail only when the program is gone already.
    let _ = child.kill();
    let _ = child.wait();
}

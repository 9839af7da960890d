//! The platform's emulator around a program, and a client of it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::fake::{PATIENCE, port::Port};

/// What `tests/lambda/run` found or made.
pub fn path_of(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: tests/lambda/run sets it")).into()
}

/// A program and whatever it starts, ended with the test.
pub struct Group(pub std::process::Child);

impl Group {
    pub fn start(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt;
        Self(command.process_group(0).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// A keep-alive connection of a client's, to a server that may just be starting.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let begun = Instant::now();
        loop {
            match TcpStream::connect(address) {
                Ok(stream) => {
                    // A server may build the function before it answers, while others build, too.
                    stream.set_read_timeout(Some(20 * PATIENCE)).unwrap();
                    stream.set_nodelay(true).unwrap();
                    return Self(BufReader::new(stream));
                }
                // There is nothing to wait for but the attempt itself.
                Err(_) if begun.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(20)),
                Err(error) => panic!("nobody listens at {address}: {error}"),
            }
        }
    }

    /// The status and the body of the answer.
    pub fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> (u16, String) {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "{head:?}");
        }
        let status = head[9..12].parse().unwrap();
        let head = head.to_ascii_lowercase();
        let mut body = Vec::new();
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line).unwrap();
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                let start = body.len();
                body.resize(start + size + 2, 0);
                self.0.read_exact(&mut body[start..]).unwrap();
                body.truncate(start + size);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).unwrap();
        }
        (status, String::from_utf8(body).unwrap())
    }
}

/// The platform's emulator around a program.
pub struct Rie {
    pub address: SocketAddr,
    _group: Group,
    _ports: [Port; 2],
}

impl Rie {
    pub fn start(mut bootstrap: Command) -> Self {
        let ports = [Port::take(), Port::take()];
        let [api, address] = ports.each_ref().map(Port::address);
        let program = bootstrap.get_program().to_owned();
        let command = bootstrap.get_envs().fold(Command::new(path_of("MIDGE_RIE")), |mut command, (name, value)| {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
            command
        });
        bootstrap = command;
        bootstrap.args(["--runtime-api-address", &api.to_string()]);
        bootstrap.args(["--runtime-interface-emulator-address", &address.to_string()]);
        bootstrap.arg(program).stdout(Stdio::null()).stderr(Stdio::null());
        Self { address, _group: Group::start(&mut bootstrap), _ports: ports }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Client {
    pub fn invoke(&mut self, event: impl AsRef<[u8]>) -> String {
        self.ask("POST", "/2015-03-31/functions/function/invocations", event.as_ref()).1
    }
}

/// The command that runs a program where nothing else is: in a root of its own, which is made at `root`.
pub fn alone(program: &Path, root: &Path) -> Command {
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root).unwrap();
    let name = program.file_name().unwrap();
    fs::copy(program, root.join(name)).unwrap();
    // A user namespace, where the test doesn't run as root.
    let mut command = if rustix::process::getuid().is_root() {
        Command::new("chroot")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "chroot"]);
        command
    };
    command.arg(root).arg(Path::new("/").join(name));
    command
}

/// What a zip file has in it, with the permissions of each.
pub fn members(package: &Path) -> String {
    const LIST: &str = "import sys,zipfile\nfor e in zipfile.ZipFile(sys.argv[1]).infolist(): print(e.filename, oct(e.external_attr >> 16))";
    let listed = Command::new("python3").args(["-c", LIST]).arg(package).output().unwrap();
    String::from_utf8(listed.stdout).unwrap()
}

//! The platform's emulator in a mount namespace of its own: there, `/opt/extensions` is what a layer makes of it.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    sync::mpsc::Receiver,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    fake::{PATIENCE, event, port::Port},
    rie::{Client, Group, path_of},
    support::lines,
};

/// The emulator around a function with the extension beside it, or without.
pub struct Emulated {
    pub group: Group,
    /// Where it takes invocations.
    pub address: SocketAddr,
    /// The extension's server.
    pub server: SocketAddr,
    /// What the emulator and all that it runs write to their standard output and to stderr.
    pub out: Receiver<String>,
    pub err: Receiver<String>,
    _ports: [Port; 3],
}

/// Sets up what the image of a function has, in the namespace, and becomes the emulator.
const SET_UP: &str = "
    mount -t tmpfs none /opt && mkdir /opt/extensions &&
    { [ -z \"$1\" ] || cp \"$1\" /opt/extensions/midge-extension; } &&
    cp \"$2\" /opt/bootstrap && cp \"$3\" /opt/emulator &&
    { [ -d /var/task ] || { mount -t tmpfs none /var && mkdir /var/task; }; } &&
    shift 3 && exec /opt/emulator \"$@\"";

impl Emulated {
    pub fn start(with_extension: bool, variables: &[(&str, &str)]) -> Self {
        let ports = [Port::take(), Port::take(), Port::take()];
        let [api, address, server] = ports.each_ref().map(Port::address);
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", SET_UP, "sh"]);
        if with_extension {
            command.arg(path_of("MIDGE_EXTENSION_X86_64"));
        } else {
            command.arg("");
        }
        command.arg(path_of("MIDGE_BOOTSTRAP_X86_64")).arg(path_of("MIDGE_RIE"));
        command.args(["--runtime-api-address", &api.to_string()]);
        command.args(["--runtime-interface-emulator-address", &address.to_string(), "--log-level", "debug"]);
        command.env_remove("AWS_LAMBDA_MAX_CONCURRENCY").env("MIDGE_EXTENSION_PORT", server.port().to_string());
        command.env("MIDGE_EXTENSION_BUFFER_MS", "25").envs(variables.iter().copied());
        let mut group = Group::start(command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (out, err) = (lines(group.0.stdout.take().unwrap()), lines(group.0.stderr.take().unwrap()));
        Self { group, address, server, out, err, _ports: ports }
    }

    pub fn invoke(&self, client: &mut Client) {
        let answer = loop {
            let answer = client.invoke(event("GET", "/"));
            // A managed instance answers so while none of its runtime's workers has asked for an event yet.
            if answer != "{\"errorType\":\"Runtime.Unavailable\"}" {
                break answer;
            }
        };
        assert!(answer.contains("\"body\":\"Hello from midge!\\n\""), "{answer}");
    }

    /// The next line that has `text` in it.
    pub fn line(lines: &Receiver<String>, text: &str) -> String {
        loop {
            let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line says {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Asks the emulator to end, as the platform does with an environment, and waits for it.
    pub fn end(&mut self) {
        kill_process(Pid::from_child(&self.group.0), Signal::TERM).unwrap();
        self.group.0.wait().unwrap();
        // The extension was told before, and is gone.
        assert!(std::net::TcpStream::connect(self.server).is_err());
    }
}

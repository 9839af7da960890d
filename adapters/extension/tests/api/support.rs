//! A process of the extension's, and the platform's side of it.

use std::{
    io::{BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU8, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    fake::{Api, Asked, Fake, PATIENCE},
    rie::Client,
};

pub const REGISTER: &str = "POST /2020-01-01/extension/register";
pub const NEXT: &str = "GET /2020-01-01/extension/event/next";
pub const SUBSCRIBE: &str = "PUT /2022-07-01/telemetry";
pub const INIT_ERROR: &str = "POST /2020-01-01/extension/init/error";
pub const EXIT_ERROR: &str = "POST /2020-01-01/extension/exit/error";
pub const IDENTIFIER: &str = "0b8f6fd0-1b6b-4d0b-8d3c-5e9f6f0a7c11";

/// An extension that runs, and the API that it talks to.
pub struct Platform {
    pub fake: Fake,
    pub api: Api,
    pub extension: Extension,
}

impl Platform {
    /// An extension that has connected, with these variables and no others.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_midge-extension")), variables)
    }

    /// The same with another build of it, or one under a tool.
    pub fn of(command: Command, variables: &[(&str, &str)]) -> Self {
        let fake = Fake::start();
        let extension = Extension::spawn(command, &fake, own_host(), variables);
        let api = fake.accept();
        Self { fake, api, extension }
    }

    /// One that has asked for its first event.
    pub fn ready(variables: &[(&str, &str)]) -> Self {
        Self::start(variables).get_ready()
    }

    /// From the registration to the request for the first event.
    pub fn get_ready(self) -> Self {
        let mut platform = self;
        platform.register();
        platform.api.expect(SUBSCRIBE);
        platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\"OK\"");
        platform.api.expect(NEXT);
        platform
    }

    pub fn register(&mut self) -> Asked {
        let asked = self.api.expect(REGISTER);
        let body =
            r#"{"functionName":"hello","functionVersion":"$LATEST","handler":"bootstrap","accountId":"123456789012"}"#;
        self.api.send(format!(
            "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: {IDENTIFIER}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        asked
    }

    /// Answers `GET /event/next`, which was read, with an event.
    pub fn event(&mut self, event: &str) {
        self.api.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{event}", event.len()));
    }

    /// One invocation: the next event is asked for before anything else happens.
    pub fn invoke(&mut self) {
        self.event(&invoke());
        self.api.expect(NEXT);
    }

    /// The environment is to go, in so many milliseconds.
    pub fn shutdown(&mut self, millis: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        self.event(&format!(r#"{{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":{}}}"#, now + millis));
    }

    /// A client of the extension's server.
    pub fn client(&self) -> Client {
        Client::connect(self.extension.address)
    }

    /// Pushes events as the platform does, and gives the answer's status.
    pub fn push(&self, events: &[String]) -> u16 {
        let (status, body) = self.client().ask("POST", "/", format!("[{}]", events.join(",")).as_bytes());
        assert_eq!(body, "");
        status
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> Option<String> {
        let (status, text) = self.client().ask("GET", "/metrics", b"");
        assert_eq!(status, 200, "{text}");
        let line =
            text.lines().find_map(|line| line.strip_prefix("midge_extension_")?.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    }

    /// Shuts it down, and gives the lines on its standard output that weren't read and all of those on stderr.
    pub fn end(mut self) -> (Vec<String>, String) {
        // Nothing is missing that would have to be waited for.
        self.shutdown(0);
        let (status, out, err) = self.extension.ended();
        assert_eq!(status.code(), Some(0), "{err}");
        (out, err)
    }
}

pub fn invoke() -> String {
    r#"{"eventType":"INVOKE","deadlineMs":4102444800000,"requestId":"3da1f2dc-3222-475e-9205-e2e6c6318895","invokedFunctionArn":
    "arn:aws:lambda:us-east-1:123456789012:function:hello","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-5f35ae12"}}"#
        .to_owned()
}

/// An event of the telemetry: its time is this many seconds after another one's.
pub fn event(seconds: &str, kind: &str, record: &str) -> String {
    format!(r#"{{"time":"2022-10-12T00:00:{seconds}Z","type":"platform.{kind}","record":{{{record}}}}}"#)
}

pub fn report(id: &str, duration: &str) -> String {
    let record = format!(
        r#""requestId":"{id}","status":"success","metrics":{{"durationMs":{duration},"billedDurationMs":20,"memorySizeMB":128,"maxMemoryUsedMB":40}}"#
    );
    event("30.000", "report", &record)
}

/// A process.
pub struct Extension {
    pub child: Child,
    pub address: SocketAddr,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Extension {
    pub fn start(fake: &Fake, variables: &[(&str, &str)]) -> Self {
        Self::start_on(fake, own_host(), variables)
    }

    /// On this of the loopback's addresses: with one of its own, each test may use the same port.
    pub fn start_on(fake: &Fake, host: Ipv4Addr, variables: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_midge-extension")), fake, host, variables)
    }

    /// Another build of it, or one under a tool.
    pub fn spawn(mut command: Command, fake: &Fake, host: Ipv4Addr, variables: &[(&str, &str)]) -> Self {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("AWS_LAMBDA_RUNTIME_API", fake.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "hello")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("MIDGE_EXTENSION_HOST", host.to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, address: SocketAddr::new(IpAddr::V4(host), 8_081), out, err }
    }

    /// The next line on its standard output.
    pub fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("a line on the standard output")
    }

    /// The next line on stderr.
    pub fn log(&self) -> String {
        self.err.recv_timeout(PATIENCE).expect("a line on stderr")
    }

    /// Waits for the end: its status, the lines that weren't read, and what it wrote to stderr.
    pub fn ended(mut self) -> (ExitStatus, Vec<String>, String) {
        let all = |lines: &Receiver<String>| {
            let mut all = Vec::new();
            loop {
                match lines.recv_timeout(PATIENCE) {
                    Ok(line) => all.push(line),
                    Err(RecvTimeoutError::Disconnected) => return all,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
                }
            }
        };
        let (out, err) = (all(&self.out), all(&self.err));
        (self.child.wait().unwrap(), out, err.join("\n"))
    }

    /// As [`ended`](Self::ended), for one that fails with a single line, which says so.
    pub fn fails(self, line: &str) {
        let (status, out, err) = self.ended();
        assert_eq!((status.code(), out), (Some(1), Vec::new()), "{err}");
        assert_eq!(err, format!("midge-extension: {line}"));
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes line by line, on a thread of its own.
pub fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    lines
}

/// An address of the loopback's that no other test has.
pub fn own_host() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // 127.0.0.x is other programs'.
    Ipv4Addr::new(127, high | 1, low, number)
}

//! The example `proxy` between clients and servers that people use: Python's, Node's, and midge's own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use midge_tests::server::Server;

use crate::{
    port::Port,
    program::{DIRECTORY, printed, run},
};

/// What clients do to the examples they do through the proxy.
#[test]
fn clients_do_not_notice_it() {
    let servers = ["conformance", "stream"].map(|name| Server::start(name).unwrap());
    let [conformance, stream] = servers.each_ref().map(|server| {
        let to = server.address().to_string();
        Server::start_with("proxy", ["--to", &to]).unwrap()
    });
    let addresses = [&conformance, &stream].map(|proxy| proxy.address().to_string());
    let cases = [
        ("python3", "http_client.py", "keep_alive"),
        ("python3", "http_client.py", "chunked"),
        ("python3", "http_client.py", "head"),
        ("python3", "http_client.py", "download"),
        ("node", "node.mjs", "parallelFetch"),
        ("node", "node.mjs", "streamedFetch"),
        ("node", "node.mjs", "keepAliveAgent"),
        ("node", "node.mjs", "streamedAgent"),
    ];
    for (program, script, name) in cases {
        let arguments = [&format!("{DIRECTORY}/{script}"), &addresses[0], &addresses[1], &name.to_owned()];
        assert_eq!(printed(program, run(program, arguments)), format!("{name}: ok\n"));
    }
}

#[test]
fn pythons_server_is_asked_in_every_way() {
    let backend = Backend::start();
    let proxy = Server::start_with("proxy", ["--to", &backend.address, "--workers", "1"]).unwrap();
    let mut client = Client(BufReader::new(TcpStream::connect(proxy.address()).unwrap()));

    let (head, body) = client.ask("GET /a%20b?c=d HTTP/1.1\r\nHost: a.example\r\nUser-Agent: x\r\nConnection: x-drop, keep-alive\r\nX-Drop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX-Forwarded-Host: forged\r\n\r\n", "");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(body.contains(r#""method": "GET", "target": "/a%20b?c=d""#), "{body}");
    for field in [
        r#"["user-agent", "x"]"#,
        r#"["x-forwarded-for", "127.0.0.1"]"#,
        r#"["x-forwarded-host", "a.example"]"#,
        r#"["via", "1.1 midge"]"#,
    ] {
        assert!(body.contains(field), "{field} in {body}");
    }
    assert!(body.contains(&format!(r#"["host", "{}"]"#, backend.address)), "{body}");
    for name in ["x-drop", "connection", "te\"", "keep-alive", "proxy-connection", "forged", "expect"] {
        assert!(!body.contains(name), "{name} in {body}");
    }
    assert!(head.contains("\r\nx-end: to be seen\r\n") && head.contains("\r\nvia: 1.1 midge\r\n"), "{head}");
    assert!(!head.contains("x-hop") && !head.contains("keep-alive"), "{head}");

    let lines: String = (0..1_000).map(|number| format!("line {number}\n")).collect();
    assert_eq!(client.ask("GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n", "").1, lines);
    assert_eq!(client.ask("GET /end HTTP/1.1\r\nHost: a\r\n\r\n", "").1, "to the end");
    assert!(client.ask("GET /none HTTP/1.1\r\nHost: a\r\n\r\n", "").0.starts_with("http/1.1 204 "));
    let (head, body) = client.ask("HEAD /none-of-these HTTP/1.1\r\nHost: a\r\n\r\n", "");
    assert!(head.contains("\r\ncontent-length: ") && body.is_empty(), "{head}");
    let (head, body) = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "hello");
    assert!(head.contains("\r\ncontent-length: 5\r\n"));
    assert_eq!(body, "olleh");
    let chunks = "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    let request = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(client.ask(request, chunks).1, "olleh");
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "").1, "");
    // Connections to the backend are kept: one, and another for the one that it closed itself.
    assert_eq!(client.ask("GET /connections HTTP/1.1\r\nHost: a\r\n\r\n", "").1, "2");

    // An answer that is cut is never passed on as a whole one.
    client.0.get_mut().write_all(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut received = Vec::new();
    let _ = client.0.read_to_end(&mut received);
    let received = String::from_utf8_lossy(&received).to_ascii_lowercase();
    assert!(received.contains("content-length: 100\r\n") && received.len() < 500, "{received}");
}

#[test]
fn a_server_that_cannot_be_reached_or_says_nonsense_is_a_bad_gateway() {
    let port = Port::take();
    let (listener, to) = (port.listen(), port.address());
    let proxy = Server::start_with("proxy", ["--to", &format!("http://{to}/"), "--workers", "1"]).unwrap();
    let mut client = Client(BufReader::new(TcpStream::connect(proxy.address()).unwrap()));
    let answering = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        let _ = peer.read_to_end(&mut Vec::new());
        // And then nobody listens any more.
    });
    let (head, _) = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "");
    assert!(head.starts_with("http/1.1 502 "), "{head}");
    answering.join().unwrap();
    let (head, body) = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "");
    assert!(head.starts_with("http/1.1 502 ") && body.contains("cannot be reached"), "{head}{body}");
}

#[test]
fn what_cannot_be_asked_is_said_in_one_line() {
    for (to, reason) in [("https://a.example", "no TLS"), ("ftp://a", "only http"), ("a b", "wanted host:port")] {
        let output = Server::command("proxy").unwrap().args(["--to", to]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.starts_with("error: ") && said.contains(reason), "{said}");
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// Head, in lower case, and body of the final answer.
    fn ask(&mut self, head: &str, body: &str) -> (String, String) {
        self.0.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        loop {
            let mut answer = String::new();
            while !answer.ends_with("\r\n\r\n") {
                assert!(self.0.read_line(&mut answer).unwrap() > 0, "the connection ended behind {answer:?}");
            }
            let answer = answer.to_ascii_lowercase();
            if answer.starts_with("http/1.1 1") {
                continue;
            }
            let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let mut content = Vec::new();
            if head.starts_with("HEAD ") || answer.starts_with("http/1.1 204 ") {
            } else if let Some(length) = length {
                content.resize(length, 0);
                self.0.read_exact(&mut content).unwrap();
            } else {
                assert!(answer.contains("\r\ntransfer-encoding: chunked\r\n"), "{answer}");
                loop {
                    let mut line = String::new();
                    self.0.read_line(&mut line).unwrap();
                    let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                    let mut chunk = vec![0; size + 2];
                    self.0.read_exact(&mut chunk).unwrap();
                    content.extend_from_slice(&chunk[..size]);
                    if size == 0 {
                        break;
                    }
                }
            }
            return (answer, String::from_utf8(content).unwrap());
        }
    }
}

/// `backend.py`, which ends when its input does.
struct Backend {
    child: Child,
    address: String,
}

impl Backend {
    fn start() -> Self {
        let mut command = Command::new("python3");
        command.arg(format!("{DIRECTORY}/backend.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("python3: {error}; tests/run installs it"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap())).to_string();
        Self { child, address }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

//! The example `rest` in memory, on a socket and in Lambda: the same requests get the same answers. (In Workers: `tests/workers`.)

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use midge::testing::{Scratch, call};
use midge_examples::rest;
use serde_json::Value;

use crate::fake::{Fake, NEXT, response, with_body};

/// Method, path, body. An HTTP API hands its paths on decoded, so that a malformed encoding can't come through one. Those that change something come before those that show it, and leave the same behind wherever they run.
const REQUESTS: [(&str, &str, &str); 23] = [
    ("GET", "/", ""),
    ("HEAD", "/", ""),
    ("GET", "/health", ""),
    ("GET", "/users/42", ""),
    ("POST", "/users", "Ada"),
    ("GET", "/stream", ""),
    ("DELETE", "/stream", ""),
    ("OPTIONS", "/users", ""),
    ("PROPFIND", "/users", ""),
    ("GET", "/nothing", ""),
    ("GET", "/users/%zz", ""),
    ("GET", "/items/%37", ""),
    ("GET", "/items/x", ""),
    ("GET", "/items/16", ""),
    ("GET", "/items", ""),
    ("PUT", "/items/7", "{\"stock\":6}"),
    ("PUT", "/items/7", "{\"stock\":-6}"),
    ("PUT", "/items/7", "nonsense"),
    ("POST", "/items/7/orders", "{\"count\":7}"),
    ("POST", "/items/7/orders", "{\"count\":2}"),
    ("GET", "/items/7", ""),
    ("PUT", "/items/7", "{\"stock\":10}"),
    ("GET", "/items/7/orders", ""),
];

/// What a client sees: status, fields by name, body.
type Seen = (u16, Vec<(String, String)>, String);

fn seen(status: u16, fields: impl Iterator<Item = (String, String)>, body: &str) -> Seen {
    // A host's own, or what frames the message.
    let own = ["date", "connection", "content-length", "transfer-encoding"];
    let mut fields: Vec<_> = fields.filter(|(name, _)| !own.contains(&name.as_str())).collect();
    fields.sort();
    (status, fields, body.into())
}

fn request(method: &str, path: &str, body: &str) -> String {
    let fields = "Host: example.com\r\nContent-Type: application/json\r\nX-Request-Id: parity\r\nConnection: close\r\n";
    format!("{method} {path} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// An answer's bytes, read as they are.
fn parse(bytes: &[u8]) -> Seen {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let fields = fields
        .split("\r\n")
        .map(|field| field.split_once(": ").unwrap())
        .map(|(name, value)| (name.into(), value.into()));
    let is_chunked = head.contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunked(body) } else { body.into() };
    seen(status, fields, &body)
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&behind[..size]);
        rest = &behind[size + 2..];
    }
    whole
}

#[test]
fn rest_answers_alike_in_memory_on_a_socket_and_in_lambda() {
    let clock = || Duration::ZERO;
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, rest::app(clock));
    let mut api = fake.accept();
    let server = midge_tests::server::Server::start("rest").unwrap();
    let handler = rest::app(clock);
    for (method, path, body) in REQUESTS {
        let bytes = request(method, path, body);
        let mut scratch = Scratch::new();
        let answer = call(&handler, bytes.as_bytes(), &mut scratch).unwrap();
        let fields =
            answer.headers().iter().map(|(name, value)| (name.into(), String::from_utf8(value.to_vec()).unwrap()));
        let in_memory = seen(answer.status(), fields, str::from_utf8(answer.body()).unwrap());

        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(parse(&received), in_memory, "{method} {path} {body} on a socket");

        let event = with_body(method, path, &body.replace('"', "\\\""))
            .replace("\"text/plain\"", "\"application/json\",\"x-request-id\":\"parity\"");
        if path == "/items/7/orders" && method == "POST" {
            // Lambda's side runs in this process too, and has the stock that was just taken from.
            call(&handler, request("PUT", "/items/7", "{\"stock\":6}").as_bytes(), &mut Scratch::new()).unwrap();
        }
        api.expect(NEXT);
        api.event("id", event);
        let asked = api.expect(&response("id"));
        let json: Value = serde_json::from_str(asked.text()).unwrap();
        api.accepted();
        let fields = json["headers"].as_object().unwrap().iter();
        let fields = fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().into()));
        let status = json["statusCode"].as_u64().unwrap().try_into().unwrap();
        let in_lambda = seen(status, fields, json["body"].as_str().unwrap());
        assert_eq!(in_lambda, in_memory, "{method} {path} {body} in Lambda");
    }
    fake.end(api, runtime);
}

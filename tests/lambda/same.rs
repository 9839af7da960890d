//! The events of the corpus, and the requests that they stand for over TCP: the same handler sees the same, and its answers are the
//! same to their clients.

use std::{collections::BTreeMap, fs, net::TcpStream, sync::Mutex, thread, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use midge::{Failure, Handler, Request, Response, Sent};
use midge_tcp::Server;
use midge_tests::wire::{Asked, Connection};
use serde_json::Value;

use crate::fake::{Fake, NEXT, response};

/// What a handler was shown: the method, the target, the fields that don't frame, the body.
type Seen = (String, String, Vec<(String, Vec<u8>)>, Vec<u8>);

/// Notes what it sees, and answers what it was told to.
#[derive(Default)]
struct Scripted {
    answer: Mutex<Value>,
    seen: Mutex<Option<Seen>>,
}

impl Handler for &Scripted {
    async fn handle(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let fields = request.headers().iter();
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()));
        let fields = fields.filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length")).collect();
        let (method, target) = (request.method().as_str().to_owned(), request.target().to_owned());
        let body = request.body().all().await?.to_vec();
        *self.seen.lock().unwrap() = Some((method, target, fields, body));

        let answer = self.answer.lock().unwrap().clone();
        let mut head = response.status(u16::try_from(answer["status"].as_u64().unwrap()).unwrap());
        for field in answer["fields"].as_array().unwrap() {
            head = head.header(field[0].as_str().unwrap(), field[1].as_str().unwrap());
        }
        head.body(&bytes_of(&answer["body"])).await
    }
}

/// What a client gets: the status, fields by their small names, cookies, the body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    status: u64,
    fields: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: Vec<u8>,
}

impl Got {
    fn field(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "set-cookie" => self.cookies.push(value.to_owned()),
            // What HTTP/1.1 adds.
            "server" | "date" | "content-length" | "connection" => {}
            name => {
                let joined = self.fields.entry(name.to_owned()).or_default();
                *joined = if joined.is_empty() { value.to_owned() } else { format!("{joined}, {value}") };
            }
        }
    }

    /// What a source makes of the JSON that it is given.
    fn of_json(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).unwrap();
        let mut got = Self { status: json["statusCode"].as_u64().unwrap(), ..Self::default() };
        for (name, value) in json["headers"].as_object().into_iter().flatten() {
            got.field(name, value.as_str().unwrap());
        }
        for (name, values) in json["multiValueHeaders"].as_object().into_iter().flatten() {
            values.as_array().unwrap().iter().for_each(|value| got.field(name, value.as_str().unwrap()));
        }
        for cookie in json["cookies"].as_array().into_iter().flatten() {
            got.field("set-cookie", cookie.as_str().unwrap());
        }
        let body = json["body"].as_str().unwrap();
        let encoded = json["isBase64Encoded"].as_bool().unwrap();
        got.body = if encoded { STANDARD.decode(body).unwrap() } else { body.into() };
        // Objects have no order that could be relied on.
        got.cookies.sort();
        got
    }
}

#[test]
fn the_corpus_is_answered_alike_over_tcp() {
    let scripted: &'static Scripted = Box::leak(Box::default());
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, scripted);
    let mut api = fake.accept();

    let server = Server::bind("127.0.0.1:0").unwrap().handle_signals(false).workers(1).grace(Duration::ZERO);
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let serving = thread::spawn(move || server.run(scripted));
    let mut connection = Connection::connect(address).unwrap();

    let events = corpus();
    for (name, (event, expected)) in &events {
        let (request, answer) = (&expected["request"], &expected["answer"]);
        scripted.answer.lock().unwrap().clone_from(answer);

        api.expect(NEXT);
        api.event(name, event);
        let asked = api.expect(&response(name));
        api.accepted();
        let over_lambda = (scripted.seen.lock().unwrap().take().expect(name), Got::of_json(asked.text()));

        let method = request["method"].as_str().unwrap();
        connection.ask(Asked::new(method), &wire(request)).unwrap();
        let response = connection.receive().unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        let mut got = Got { status: response.head.status.into(), body: response.content, ..Got::default() };
        for field in &response.head.fields {
            got.field(&field.name, std::str::from_utf8(&field.value).unwrap());
        }
        got.cookies.sort();
        let over_tcp = (scripted.seen.lock().unwrap().take().expect(name), got);

        assert_eq!(over_lambda, over_tcp, "{name}");
    }
    assert!(events.len() >= 25, "only {} events are accepted", events.len());
    drop(connection);
    handle.shutdown();
    serving.join().unwrap().unwrap();
    fake.end(api, runtime);
    assert!(TcpStream::connect(address).is_err());
}

/// The request as a client would send it.
fn wire(request: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let body = bytes_of(&request["body"]);
    let mut head = format!("{} {} HTTP/1.1\r\n", text(&request["method"]), text(&request["target"]));
    head += &format!("Host: {}\r\n", text(&request["authority"]));
    for field in request["fields"].as_array().unwrap() {
        let (name, value) = (text(&field[0]), text(&field[1]));
        if !["host", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [format!("{head}\r\n").as_bytes(), &body].concat()
}

/// The events that are requests, each with what is expected of it.
fn corpus() -> BTreeMap<String, (Vec<u8>, Value)> {
    let mut corpus = BTreeMap::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/events")).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".event.json").map(str::to_owned)
        else {
            continue;
        };
        let expected = fs::read(path.with_file_name(format!("{name}.expected.json"))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        if expected.get("request").is_some() {
            corpus.insert(name, (fs::read(&path).unwrap(), expected));
        }
    }
    corpus
}

/// A body of the corpus: text, or an object with `base64`.
fn bytes_of(body: &Value) -> Vec<u8> {
    match body.get("base64") {
        Some(encoded) => STANDARD.decode(encoded.as_str().unwrap()).unwrap(),
        None => body.as_str().unwrap().into(),
    }
}

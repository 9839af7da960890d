//! Answers that are streamed.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use midge::{Failure, Handler, Request, Response, Sent};

use crate::fake::{Api, Asked, Fake, NEXT, Running, error, event, response};

/// Something that a handler awaits and the test opens.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    async fn pass(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        state.1.take().into_iter().for_each(Waker::wake);
    }
}

struct Streaming(Gate);

impl Handler for Streaming {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let head = response.status(200).header("content-type", "text/plain").header("set-cookie", "a=1");
        match request.path() {
            "/failure" => return Err(Failure::new(404).because("nothing here")),
            "/panic" => panic!("at once"),
            "/whole" => return head.body("hello").await,
            "/empty" => return head.empty().await,
            _ => {}
        }
        let mut body = head.stream().await?;
        body.write("one").await?;
        body.flush().await?;
        match request.path() {
            "/gate" => self.0.pass().await,
            "/unflushed" => {
                body.write("two").await?;
                self.0.pass().await;
                return body.finish().await;
            }
            "/late-failure" => return Err(Failure::new(409).because("changed its mind")),
            "/late-panic" => panic!("in the middle"),
            "/for-ever" => std::future::pending::<()>().await,
            "/large" => {
                for _ in 0..8 {
                    body.write(vec![b'#'; 1 << 20]).await?;
                }
            }
            _ => {}
        }
        body.write("two").await?;
        body.flush().await?;
        body.write("three").await?;
        body.finish().await
    }
}

/// The prelude of the handler's answers, and the NULs, each as a chunk.
const BEGINNING: &str = "000063\r\n{\"statusCode\":200,\"headers\":{\"content-type\":\"text/plain\"},\"multiValueHeaders\":{},\"cookies\":[\"a=1\"]}\r\n000008\r\n\0\0\0\0\0\0\0\0\r\n";

fn start() -> (Fake, Running, Gate) {
    let (fake, gate) = (Fake::start(), Gate::default());
    let runtime = fake.run(|runtime| runtime.streaming(true), Streaming(gate.clone()));
    (fake, runtime, gate)
}

fn is_streamed(asked: &Asked) {
    assert_eq!(asked.field("lambda-runtime-function-response-mode"), Some("streaming"));
    assert_eq!(asked.field("transfer-encoding"), Some("chunked"));
    assert_eq!(asked.field("content-type"), Some("application/vnd.awslambda.http-integration-response"));
    assert_eq!(asked.field("trailer"), Some("Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"));
    assert_eq!(asked.field("content-length"), None);
}

/// What the body of the answer to `path` is on the wire; the connection closes behind it.
fn streamed(path: &str) -> String {
    let (fake, runtime, _) = start();
    let mut api = fake.accept();
    let asked = ask(&mut api, path);
    let mut next = fake.accept();
    assert!(api.read().is_none());
    // The loop goes on, over a fresh connection.
    let whole = ask(&mut next, "/whole");
    assert_eq!(whole.text(), format!("{BEGINNING}000005\r\nhello\r\n0\r\n\r\n"));
    let last = fake.accept();
    fake.end(last, runtime);
    asked.text().to_owned()
}

fn ask(api: &mut Api, path: &str) -> Asked {
    api.expect(NEXT);
    api.event("id", event("GET", path));
    let asked = api.expect(&response("id"));
    is_streamed(&asked);
    api.accepted();
    asked
}

#[test]
fn each_flush_is_a_chunk() {
    let expected = format!("{BEGINNING}000003\r\none\r\n000003\r\ntwo\r\n000005\r\nthree\r\n0\r\n\r\n");
    assert_eq!(streamed("/"), expected);
}

#[test]
fn an_answer_without_a_body_is_its_prelude() {
    assert_eq!(streamed("/empty"), format!("{BEGINNING}0\r\n\r\n"));
}

#[test]
fn a_failure_before_the_head_is_an_answer() {
    let expected = "{\"statusCode\":404,\"headers\":{\"content-type\":\"text/plain; charset=utf-8\"},\"multiValueHeaders\":{},\
                    \"cookies\":[]}";
    let body = "404 Not Found: nothing here\n";
    let expected = format!(
        "{:06x}\r\n{expected}\r\n000008\r\n\0\0\0\0\0\0\0\0\r\n{:06x}\r\n{body}\r\n0\r\n\r\n",
        expected.len(),
        body.len()
    );
    assert_eq!(streamed("/failure"), expected);
}

#[test]
fn an_answer_may_be_larger_than_all_memory_for_it() {
    let text = streamed("/large");
    assert_eq!(text.bytes().filter(|byte| *byte == b'#').count(), 8 << 20);
    assert!(text.ends_with("\r\n0\r\n\r\n"));
}

/// The trailers of an answer to `path` that fails after its first chunk: the error's type and message.
fn trailers(path: &str) -> (String, String) {
    let text = streamed(path);
    let rest = text.strip_prefix(&*format!("{BEGINNING}000003\r\none\r\n0\r\n")).expect(&text);
    let mut lines = rest.split("\r\n");
    let mut value = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).expect(rest).to_owned();
    let kind = value("Lambda-Runtime-Function-Error-Type: ");
    let body = value("Lambda-Runtime-Function-Error-Body: ");
    assert_eq!(lines.collect::<Vec<_>>(), ["", ""]);
    let document = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    let start = format!("{{\"errorType\":\"{kind}\",\"errorMessage\":\"");
    let message = document.strip_prefix(&*start).and_then(|rest| rest.strip_suffix("\",\"stackTrace\":[]}"));
    (kind, message.expect(&document).to_owned())
}

#[test]
fn a_failure_in_the_middle_is_told_in_trailers() {
    assert_eq!(trailers("/late-failure"), ("Function.Failure".to_owned(), "409 Conflict: changed its mind".to_owned()));
}

#[test]
fn a_panic_in_the_middle_is_told_in_trailers() {
    let (kind, message) = trailers("/late-panic");
    assert_eq!(kind, "Function.Panic");
    assert!(message.starts_with("in the middle (") && message.contains("streaming.rs:"), "{message}");
}

#[test]
fn a_panic_before_the_head_is_an_error() {
    let (fake, runtime, _) = start();
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id", event("GET", "/panic"));
    let asked = api.expect(&error("id"));
    assert_eq!(asked.field("lambda-runtime-function-error-type"), Some("Function.Panic"));
    api.accepted();
    ask(&mut api, "/whole");
    let last = fake.accept();
    fake.end(last, runtime);
}

#[test]
fn a_handler_that_waits_too_long_in_the_middle_is_told_in_trailers() {
    let (fake, runtime, _) = start();
    let mut api = fake.accept();
    api.expect(NEXT);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let deadline = now + Duration::from_millis(300);
    api.event_with(
        "id",
        &format!("Lambda-Runtime-Deadline-Ms: {}\r\n", deadline.as_millis()),
        event("GET", "/for-ever"),
    );
    let asked = api.expect(&response("id"));
    assert!(
        asked.text().contains("\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Timeout\r\n"),
        "{}",
        asked.text()
    );
    api.accepted();
    let last = fake.accept();
    fake.end(last, runtime);
}

/// Up to what was flushed, an answer is there while its handler still waits: the test opens the gate only when it has it.
fn arrives_early(path: &str, early: &str, late: &str) {
    let (fake, runtime, gate) = start();
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id", event("GET", path));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(api.raw(1));
    }
    let early = format!("{BEGINNING}{early}");
    assert_eq!(String::from_utf8(api.raw(early.len())).unwrap(), early);
    gate.open();
    assert_eq!(String::from_utf8(api.raw(late.len())).unwrap(), late);
    api.accepted();
    let last = fake.accept();
    fake.end(last, runtime);
}

#[test]
fn what_was_flushed_is_there_before_the_rest_is_written() {
    arrives_early("/gate", "000003\r\none\r\n", "000003\r\ntwo\r\n000005\r\nthree\r\n0\r\n\r\n");
}

#[test]
fn what_was_written_goes_out_while_the_handler_waits() {
    arrives_early("/unflushed", "000003\r\none\r\n000003\r\ntwo\r\n", "0\r\n\r\n");
}

#[test]
fn a_stream_that_the_platform_ends_does_not_end_the_loop() {
    let (fake, runtime, _) = start();
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id", event("GET", "/large"));
    api.raw(1_000);
    // Not read to its end: the runtime sees a reset.
    drop(api);
    let mut next = fake.accept();
    ask(&mut next, "/whole");
    let last = fake.accept();
    fake.end(last, runtime);
}

//! What goes wrong, and who is told.

use midge::{Failure, Request, Response, Sent};

use crate::fake::{Api, Fake, NEXT, answer, error, event, response};

/// Does what the path says.
async fn troubled(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/failure" => Err(Failure::new(402).because("no coffee")),
        "/panic" => panic!("the \"path\" is\n{}", request.path()),
        "/late-failure" => {
            let mut body = response.status(200).header("x-first", "1").stream().await?;
            body.write("some").await?;
            body.flush().await?;
            Err(Failure::new(409))
        }
        "/short" => {
            let mut body = response.status(200).length(10).stream().await?;
            body.write("some").await?;
            body.finish().await
        }
        "/large" => {
            let mut body = response.status(200).header("content-type", "text/plain").stream().await?;
            for _ in 0..7 {
                body.write(vec![b'x'; 1 << 20]).await?;
            }
            body.finish().await
        }
        path if path.starts_with("/exactly/") => {
            let bytes = path["/exactly/".len()..].parse().map_err(|_| Failure::new(400))?;
            response.status(200).header("content-type", "text/plain").body(vec![b'x'; bytes]).await
        }
        "/binary" => response.status(200).header("content-type", "text/plain").body(b"a\xff").await,
        _ => response.status(200).header("content-type", "text/plain").body("hello").await,
    }
}

/// What each path is answered with, after which the loop goes on.
fn answered(path: &str, expected: &str) {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, troubled);
    let mut api = fake.accept();
    for _ in 0..2 {
        assert_eq!(api.invoke("id-1", event("GET", path)).text(), expected);
        assert_eq!(api.invoke("id-2", event("GET", "/")).text(), answer(200, "hello"));
    }
    fake.end(api, runtime);
}

fn plain(status: u16, text: &str) -> String {
    format!(
        "{{\"statusCode\":{status},\"headers\":{{\"content-type\":\"text/plain; charset=utf-8\"}},\"cookies\":[],\"body\":\"{text}\\n\",\
         \"isBase64Encoded\":false}}"
    )
}

#[test]
fn a_failure_is_an_answer() {
    answered("/failure", &plain(402, "402 Payment Required: no coffee"));
}

#[test]
fn a_failure_after_the_body_began_is_an_answer_too_since_nothing_was_sent() {
    answered("/late-failure", &plain(409, "409 Conflict"));
    answered("/short", &plain(500, "500 Internal Server Error"));
}

#[test]
fn an_answer_that_is_too_large_is_a_502() {
    answered("/large", &plain(502, "502 Bad Gateway"));
    // To the byte: what the platform takes is the whole JSON.
    let most = 6_291_556 - answer(200, "").len();
    answered(&format!("/exactly/{most}"), &answer(200, &"x".repeat(most)));
    answered(&format!("/exactly/{}", most + 1), &plain(502, "502 Bad Gateway"));
}

#[test]
fn a_text_that_is_none_goes_as_base64() {
    answered(
        "/binary",
        "{\"statusCode\":200,\"headers\":{\"content-type\":\"text/plain\"},\"cookies\":[],\"body\":\"Yf8=\",\"isBase64Encoded\":true}",
    );
}

/// The error that an event brings about, after which the loop goes on.
fn reported(event_text: &str, kind: &str, document: impl Fn(&str) -> bool) {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, troubled);
    let mut api = fake.accept();
    for id in ["id-1", "id-2"] {
        api.expect(NEXT);
        api.event_with(id, "Lambda-Runtime-Invocation-Id: inv-1\r\n", event_text);
        let asked = api.expect(&error(id));
        assert_eq!(asked.field("lambda-runtime-function-error-type"), Some(kind));
        assert_eq!(asked.field("lambda-runtime-invocation-id"), Some("inv-1"));
        let start = format!("{{\"errorType\":\"{kind}\",\"errorMessage\":\"");
        let message = asked.text().strip_prefix(&*start).and_then(|rest| rest.strip_suffix("\",\"stackTrace\":[]}"));
        assert!(message.is_some_and(&document), "{}", asked.text());
        api.accepted();
        assert_eq!(api.invoke("id-3", event("GET", "/")).text(), answer(200, "hello"));
    }
    fake.end(api, runtime);
}

#[test]
fn a_panic_is_an_error_with_its_text_and_place() {
    let is_it = |message: &str| {
        message.starts_with("the \\\"path\\\" is\\n/panic (")
            && message.contains("errors.rs:")
            && message.ends_with(')')
    };
    reported(&event("GET", "/panic"), "Function.Panic", is_it);
}

#[test]
fn what_is_no_request_is_an_error() {
    reported("{\"Records\":[]}", "Runtime.UnsupportedEvent", |message| message.contains("Records"));
    reported("{", "Runtime.UnmarshalError", |message| message.contains("JSON"));
    reported("", "Runtime.UnmarshalError", |message| message.contains("JSON"));
}

/// What the runtime does after its `POST /response` was answered so.
fn after(status: u16) -> (Fake, crate::fake::Running, Api) {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, troubled);
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id-1", event("GET", "/"));
    api.expect(&response("id-1"));
    api.status(status);
    (fake, runtime, api)
}

#[test]
fn the_loop_goes_on_after_410_and_413_and_reports_nothing() {
    for status in [200, 202, 410, 413] {
        let (fake, runtime, mut api) = after(status);
        // The very next request is no `POST /error`.
        assert_eq!(api.invoke("id-2", event("GET", "/")).text(), answer(200, "hello"));
        fake.end(api, runtime);
    }
}

#[test]
fn the_runtime_gives_up_after_any_other_answer() {
    for status in [300, 400, 403, 404, 500, 503] {
        let (_fake, runtime, mut api) = after(status);
        runtime.fails();
        assert!(api.read().is_none(), "{status}");
    }
}

#[test]
fn the_runtime_gives_up_when_next_is_refused() {
    for status in [201, 301, 400, 403, 500] {
        let fake = Fake::start();
        let runtime = fake.run(|runtime| runtime, troubled);
        let mut api = fake.accept();
        api.expect(NEXT);
        api.status(status);
        runtime.fails();
        assert!(api.read().is_none(), "{status}");
    }
}

#[test]
fn an_event_without_a_usable_id_ends_the_runtime() {
    for id in ["", "a/../b", "a b"] {
        let fake = Fake::start();
        let runtime = fake.run(|runtime| runtime, troubled);
        let mut api = fake.accept();
        api.expect(NEXT);
        api.event(id, event("GET", "/"));
        runtime.fails();
        assert!(api.read().is_none(), "{id:?}");
    }
}

#[test]
fn a_connection_that_ends_before_an_answer_is_opened_once_more() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, troubled);
    let mut api = fake.accept();
    // Before the event, and before the answer to the response.
    api.expect(NEXT);
    drop(api);
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id-1", event("GET", "/"));
    api.expect(&response("id-1"));
    drop(api);
    let mut api = fake.accept();
    api.expect(&response("id-1"));
    api.accepted();
    assert_eq!(api.invoke("id-2", event("GET", "/")).text(), answer(200, "hello"));
    // A second time in a row is once too often.
    api.expect(NEXT);
    drop(api);
    let mut api = fake.accept();
    api.expect(NEXT);
    drop(api);
    runtime.fails();
    assert!(!fake.has_another());
}

#[test]
fn a_connection_that_ends_within_an_answer_is_not_opened_again() {
    for part in [
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Re",
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 9\r\n\r\n{",
    ] {
        let fake = Fake::start();
        let runtime = fake.run(|runtime| runtime, troubled);
        let mut api = fake.accept();
        api.expect(NEXT);
        api.send(part);
        drop(api);
        runtime.fails();
        assert!(!fake.has_another());
    }
}

#[test]
fn an_answer_that_is_none_ends_the_runtime() {
    for part in
        ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
    {
        let fake = Fake::start();
        let runtime = fake.run(|runtime| runtime, troubled);
        let mut api = fake.accept();
        api.expect(NEXT);
        api.send(part);
        runtime.fails();
        assert!(!fake.has_another());
    }
}

#[test]
fn an_answer_that_closes_is_followed_by_a_fresh_connection() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, troubled);
    let mut api = fake.accept();
    api.expect(NEXT);
    api.event("id-1", event("GET", "/"));
    api.expect(&response("id-1"));
    api.send("HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let mut next = fake.accept();
    assert!(api.read().is_none());
    assert_eq!(next.invoke("id-2", event("GET", "/")).text(), answer(200, "hello"));
    fake.end(next, runtime);
}

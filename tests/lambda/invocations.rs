//! Events in, answers out.

use std::{
    cell::RefCell,
    future::poll_fn,
    process::ExitCode,
    sync::mpsc,
    task::{Poll, Waker},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use midge::{Failure, Peer, Request, RequestId, Response, Sent, around::TimeLimit};
use midge_lambda::{Context, Runtime};

use crate::fake::{Fake, NEXT, answer, event, response, with_body};

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).header("content-type", "text/plain").body("hello").await
}

/// Answers with the number of bytes of its body.
async fn count(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let length = request.body().all().await?.len().to_string();
    response.status(200).header("content-type", "text/plain").body(length).await
}

#[test]
fn invocations_go_over_one_connection() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, hello);
    let mut api = fake.accept();
    for id in ["8476a536-e9f4-11e8-9739-2dfe598c3fcd", "id-2", "id-3"] {
        let asked = api.expect(NEXT);
        assert_eq!(asked.field("host"), Some(&*fake.address.to_string()));
        assert!(asked.field("user-agent").is_some_and(|agent| agent.starts_with("midge-lambda/")));
        assert_eq!(asked.field("content-length"), None);
        api.event(id, event("GET", "/"));
        let asked = api.expect(&response(id));
        assert_eq!(asked.text(), answer(200, "hello"));
        assert_eq!(asked.field("content-type"), Some("application/json"));
        assert_eq!(asked.field("lambda-runtime-invocation-id"), None);
        assert_eq!(asked.field("lambda-runtime-function-response-mode"), None);
        api.accepted();
    }
    assert!(!fake.has_another());
    fake.end(api, runtime);
}

#[test]
fn the_api_may_be_behind_a_scheme_and_a_path() {
    let fake = Fake::start();
    let address = format!("http://{}/.rt/boot/", fake.address);
    let runtime = fake.run(move |runtime| runtime.api(address), hello);
    let mut api = fake.accept();
    api.expect("GET /.rt/boot/2018-06-01/runtime/invocation/next");
    api.event("id", event("GET", "/"));
    api.expect("POST /.rt/boot/2018-06-01/runtime/invocation/id/response");
    fake.end(api, runtime);
}

#[test]
fn the_invocation_id_is_echoed() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, hello);
    let mut api = fake.accept();
    for (lines, echoed) in [("Lambda-Runtime-Invocation-Id: inv-7\r\n", Some("inv-7")), ("", None)] {
        api.expect(NEXT);
        api.event_with("id", lines, event("GET", "/"));
        let asked = api.expect(&response("id"));
        assert_eq!(asked.field("lambda-runtime-invocation-id"), echoed);
        api.accepted();
    }
    fake.end(api, runtime);
}

#[test]
fn events_of_every_size_come_whole() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, count);
    let mut api = fake.accept();
    let around = with_body("POST", "/", "").len();
    // Up to 2,048 bytes with a length, above it chunked, and the largest there is.
    for size in [2_047, 2_048, 2_049, 100_000, 6_291_556] {
        let body = "x".repeat(size - around);
        let asked = api.invoke("id", with_body("POST", "/", &body));
        assert_eq!(asked.text(), answer(200, &body.len().to_string()), "{size}");
    }
    // After a large event, the memory is other memory.
    assert_eq!(api.invoke("id", with_body("POST", "/", "12345")).text(), answer(200, "5"));
    fake.end(api, runtime);
}

#[test]
fn an_event_that_is_too_large_is_reported_and_the_loop_goes_on() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, count);
    let mut api = fake.accept();
    let around = with_body("POST", "/", "").len();
    api.expect(NEXT);
    api.event("id-1", with_body("POST", "/", &"x".repeat(6_291_557 - around)));
    let asked = api.expect("POST /2018-06-01/runtime/invocation/id-1/error");
    assert_eq!(asked.field("lambda-runtime-function-error-type"), Some("Runtime.EventTooLarge"));
    assert!(asked.text().contains("larger than 6291556 bytes"), "{}", asked.text());
    api.accepted();
    assert_eq!(api.invoke("id-2", with_body("POST", "/", "12345")).text(), answer(200, "5"));
    fake.end(api, runtime);
}

#[test]
fn an_empty_answer_to_next_is_asked_for_again() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, hello);
    let mut api = fake.accept();
    for _ in 0..3 {
        api.expect(NEXT);
        api.send("HTTP/1.1 204 No Content\r\n\r\n");
    }
    assert_eq!(api.invoke("id", event("GET", "/")).text(), answer(200, "hello"));
    fake.end(api, runtime);
}

/// Says everything that an invocation can know.
async fn everything(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let context = midge_lambda::context().ok_or(Failure::new(500))?;
    let RequestId::Text(id) = request.id() else { return Err(Failure::new(501)) };
    assert_eq!(id, context.request_id());
    let Peer::Ip(peer) = request.peer() else { return Err(Failure::new(502)) };
    let left = context.remaining();
    assert_eq!(left.is_some(), request.deadline().is_some());
    let text = format!(
        "{id} {} {:?} {:?} {:?} {:?} {} {} {:?} {}",
        context.invoked_function_arn(),
        context.trace_id(),
        context.tenant_id(),
        context.client_context(),
        context.cognito_identity(),
        context.request_context().len(),
        peer.ip(),
        context.event().map(<[u8]>::len),
        left.is_some_and(|left| left <= Duration::from_secs(60)),
    );
    response.status(200).header("content-type", "text/plain").body(text.replace('"', "'")).await
}

#[test]
fn a_handler_sees_what_the_platform_says() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime.keep_event(true), everything);
    let mut api = fake.accept();
    let event = event("GET", "/");
    let context =
        event.split("\"requestContext\":").nth(1).and_then(|rest| rest.split(",\"body\"").next()).unwrap().len();
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 60_000;
    let lines = format!(
        "Lambda-Runtime-Deadline-Ms: {soon}\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:x\r\nLambda-Runtime-Trace-Id: \
         Root=1\r\nLambda-Runtime-Aws-Tenant-Id: t1\r\nLambda-Runtime-Client-Context: cc\r\nlambda-runtime-cognito-identity: \
         ci\r\n"
    );
    let full = format!(
        "id-1 arn:aws:x Some('Root=1') Some('t1') Some('cc') Some('ci') {context} 192.0.2.1 Some({}) true",
        event.len()
    );
    // Nothing of it is left for the next invocation, and an empty value is none.
    let empty = format!("id-2  None None None None {context} 192.0.2.1 Some({}) false", event.len());
    let none = "Lambda-Runtime-Trace-Id: \r\nLambda-Runtime-Aws-Tenant-Id:\r\n";
    for (id, lines, expected) in [("id-1", &*lines, full), ("id-2", none, empty)] {
        api.expect(NEXT);
        api.event_with(id, lines, &event);
        assert_eq!(api.expect(&response(id)).text(), answer(200, &expected));
        api.accepted();
    }
    assert!(midge_lambda::context().is_none());
    fake.end(api, runtime);
}

#[test]
fn a_context_that_is_kept_stays_as_it_was() {
    thread_local! {
        static KEPT: RefCell<Vec<Context>> = const { RefCell::new(Vec::new()) };
    }
    async fn keep(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let ids = KEPT.with_borrow_mut(|kept| {
            kept.extend(midge_lambda::context());
            kept.iter().map(Context::request_id).collect::<Vec<_>>().join(" ")
        });
        response.status(200).header("content-type", "text/plain").body(ids).await
    }
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, keep);
    let mut api = fake.accept();
    for (id, expected) in [("id-1", "id-1"), ("id-2", "id-1 id-2"), ("id-3", "id-1 id-2 id-3")] {
        assert_eq!(api.invoke(id, event("GET", "/")).text(), answer(200, expected));
    }
    fake.end(api, runtime);
}

#[test]
fn a_handler_may_wait_for_another_thread() {
    let (send, wakers) = mpsc::channel::<Waker>();
    let waking = thread::spawn(move || wakers.iter().map(Waker::wake).count());
    let handler = Waiting(send);
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, handler);
    let mut api = fake.accept();
    for id in ["id-1", "id-2"] {
        assert_eq!(api.invoke(id, event("GET", "/")).text(), answer(200, "woken"));
    }
    fake.end(api, runtime);
    assert_eq!(waking.join().unwrap(), 2);
}

struct Waiting(mpsc::Sender<Waker>);

impl midge::Handler for Waiting {
    async fn handle(&self, _request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let mut sent = false;
        poll_fn(|context| {
            if sent {
                return Poll::Ready(());
            }
            sent = self.0.send(context.waker().clone()).is_ok();
            Poll::Pending
        })
        .await;
        response.status(200).header("content-type", "text/plain").body("woken").await
    }
}

#[test]
fn the_loop_is_a_future_too() {
    let fake = Fake::start();
    let address = fake.address.to_string();
    let runtime = fake.beside(move || {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = executor.block_on(Runtime::from_env().api(address).serve(sleeper));
        assert!(matches!(ended, Err(midge_lambda::Error::Connection(_))), "{ended:?}");
        ExitCode::FAILURE
    });
    let mut api = fake.accept();
    assert_eq!(api.invoke("id-1", event("GET", "/")).text(), answer(200, "slept"));
    // Nothing but the deadline wakes it.
    api.expect(NEXT);
    api.event_with("id-2", &deadline(300), event("GET", "/for-ever"));
    assert!(api.expect(&response("id-2")).text().starts_with("{\"statusCode\":504,"));
    api.accepted();
    assert_eq!(api.invoke("id-3", event("GET", "/")).text(), answer(200, "slept"));
    fake.end(api, runtime);
}

/// Waits for tokio's timer, or for nothing at all.
async fn sleeper(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    if request.path() == "/for-ever" {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    response.status(200).header("content-type", "text/plain").body("slept").await
}

/// The field that says that this much time is left.
fn deadline(millis: u128) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("Lambda-Runtime-Deadline-Ms: {}\r\n", now + millis)
}

/// Waits for ever, except under `/hello`.
async fn waiter(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    if request.path() != "/hello" {
        std::future::pending::<()>().await;
    }
    let text = if request.deadline().is_some() { "a deadline" } else { "none" };
    response.status(200).header("content-type", "text/plain").body(text).await
}

#[test]
fn a_handler_that_waits_too_long_is_answered_504() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime.deadline_margin(Duration::from_millis(50)), waiter);
    let mut api = fake.accept();
    for id in ["id-1", "id-2"] {
        api.expect(NEXT);
        api.event_with(id, &deadline(200), event("GET", "/"));
        let asked = api.expect(&response(id));
        assert_eq!(
            asked.text(),
            "{\"statusCode\":504,\"headers\":{\"content-type\":\"text/plain; charset=utf-8\"},\"cookies\":[],\"body\":\"504 Gateway Timeout: the \
             function did not answer in time\\n\",\"isBase64Encoded\":false}"
        );
        api.accepted();
    }
    fake.end(api, runtime);
}

#[test]
fn a_time_limit_of_the_handler_s_own_is_answered_504_too() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, TimeLimit::new(Duration::from_millis(50), waiter));
    let mut api = fake.accept();
    // Whether the platform says when it would end the invocation or not.
    for lines in ["", &*deadline(60_000)] {
        api.expect(NEXT);
        api.event_with("id-1", lines, event("GET", "/"));
        assert!(api.expect(&response("id-1")).text().starts_with("{\"statusCode\":504,"));
        api.accepted();
        assert_eq!(api.invoke("id-2", event("GET", "/hello")).text(), answer(200, "a deadline"));
    }
    fake.end(api, runtime);
}

#[test]
fn a_deadline_that_is_past_or_days_away_counts_as_none() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, waiter);
    let mut api = fake.accept();
    let far = deadline(25 * 60 * 60 * 1_000);
    let cases = [
        (&*deadline(60_000), "a deadline"),
        ("Lambda-Runtime-Deadline-Ms: 1000\r\n", "none"),
        (&*far, "none"),
        ("Lambda-Runtime-Deadline-Ms: soon\r\n", "none"),
        ("Lambda-Runtime-Deadline-Ms: 99999999999999999999999\r\n", "none"),
        ("", "none"),
    ];
    for (lines, expected) in cases {
        api.expect(NEXT);
        api.event_with("id", lines, event("GET", "/hello"));
        assert_eq!(api.expect(&response("id")).text(), answer(200, expected), "{lines:?}");
        api.accepted();
    }
    fake.end(api, runtime);
}

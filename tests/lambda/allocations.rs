//! After its first invocations, the Lambda host allocates nothing for 10,000 more of them.
//!
//! The handler answers with how often its thread asked for memory so far; the test's own threads count for themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]
#![allow(dead_code, reason = "the Runtime API is shared with other tests, which use more of it")]

mod fake;

use midge::{Failure, Request, Response, Sent};
use midge_counting_allocator::{Counting, of_this_thread};

use fake::{Api, Fake, NEXT, error, event, response, with_body};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const INVOCATIONS: usize = 10_000;

/// How many invocations come first: more than anything at start that grows would take.
const WARM_UP: usize = 10;

async fn counting(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let length = request.body().all().await?.len();
    if request.path() == "/allocating" {
        drop(std::hint::black_box(Box::new(length)));
    }
    let context = midge_lambda::context().ok_or(Failure::new(500))?;
    let mut body = response
        .status(200)
        .header("content-type", "text/plain")
        .header("x-trace", context.trace_id().unwrap_or("none"))
        .header_fmt("x-count", format_args!("{}.{length}.", of_this_thread()))
        .stream()
        .await?;
    body.write("one").await?;
    body.flush().await?;
    body.write("two").await?;
    body.finish().await
}

/// The count in an answer.
fn count(text: &str) -> u64 {
    let start = text.find("\"x-count\":\"").expect(text) + 11;
    text[start..].split('.').next().unwrap().parse().expect(text)
}

/// How often memory was asked for in many invocations with this event.
fn allocations(streaming: bool, event: &str) -> u64 {
    let fake = Fake::start();
    let runtime = fake.run(move |runtime| runtime.streaming(streaming), counting);
    let mut api = fake.accept();
    let ask = |api: &mut Api| {
        api.expect(NEXT);
        api.event_with("8476a536-e9f4-11e8-9739-2dfe598c3fcd", "Lambda-Runtime-Trace-Id: Root=1\r\n", event);
        let asked = api.expect(&response("8476a536-e9f4-11e8-9739-2dfe598c3fcd"));
        api.accepted();
        if streaming {
            *api = fake.accept();
        }
        count(asked.text())
    };
    for _ in 0..WARM_UP {
        ask(&mut api);
    }
    let before = ask(&mut api);
    for _ in 1..INVOCATIONS {
        ask(&mut api);
    }
    let after = ask(&mut api);
    fake.end(api, runtime);
    after - before
}

#[test]
fn a_buffered_answer() {
    assert_eq!(allocations(false, &event("GET", "/")), 0);
}

#[test]
fn an_event_in_chunks() {
    assert_eq!(allocations(false, &with_body("POST", "/", &"a\\n\\u00e9".repeat(500))), 0);
}

#[test]
fn a_streamed_answer() {
    assert_eq!(allocations(true, &event("GET", "/")), 0);
}

#[test]
fn what_a_handler_allocates_is_seen() {
    assert_eq!(allocations(false, &event("GET", "/allocating")), INVOCATIONS as u64);
}

#[test]
fn an_event_that_is_refused() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime, counting);
    let mut api = fake.accept();
    let mut counts = Vec::new();
    for _ in 0..1_000 {
        counts.push(count(api.invoke("id", event("GET", "/")).text()));
        api.expect(NEXT);
        api.event("id", "{\"Records\":[]}");
        api.expect(&error("id"));
        api.accepted();
    }
    assert_eq!(counts[10], counts[999]);
    fake.end(api, runtime);
}

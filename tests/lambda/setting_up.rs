//! Before the first event: initialization, snapshots, several workers.

use std::{
    convert::Infallible,
    process::ExitCode,
    sync::{Arc, Barrier, Mutex},
};

use midge::{Failure, Handler, Request, Response, Sent};
use midge_lambda::Runtime;

use crate::fake::{Api, Fake, NEXT, answer, event, response};

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).header("content-type", "text/plain").body("hello").await
}

const INIT_ERROR: &str = "POST /2018-06-01/runtime/init/error";
const RESTORE_NEXT: &str = "GET /2018-06-01/runtime/restore/next";
const RESTORE_ERROR: &str = "POST /2018-06-01/runtime/restore/error";

/// The error that is reported over `api` with this request; nothing follows it.
fn reports(mut api: Api, line: &str, kind: &str, message: &str) {
    let asked = api.expect(line);
    assert_eq!(asked.field("lambda-runtime-function-error-type"), Some(kind));
    let start = format!("{{\"errorType\":\"{kind}\",\"errorMessage\":\"{message}");
    assert!(asked.text().starts_with(&start), "{}", asked.text());
    api.accepted();
    assert!(api.read().is_none());
}

#[test]
fn what_goes_wrong_in_init_is_an_init_error() {
    let fake = Fake::start();
    let address = fake.address.to_string();
    let init = || Err::<Never, _>("TABLE is not set");
    let runtime = fake.beside(move || Runtime::from_env().api(address).run_with(init));
    reports(fake.accept(), INIT_ERROR, "Function.InitError", "TABLE is not set\"");
    runtime.fails();
}

#[test]
fn a_panic_in_init_is_an_init_error() {
    let fake = Fake::start();
    let address = fake.address.to_string();
    let init = || -> Result<Never, &str> { panic!("no table") };
    let runtime = fake.beside(move || Runtime::from_env().api(address).run_with(init));
    reports(fake.accept(), INIT_ERROR, "Function.Panic", "no table (");
    runtime.fails();
}

/// A handler that is never made.
struct Never;

impl Handler for Never {
    async fn handle(&self, _request: Request<'_>, _response: Response<'_>) -> Result<Sent, Failure> {
        unreachable!()
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn noting(&self, what: &'static str) -> impl FnOnce() -> Result<(), Box<dyn std::error::Error>> + Send + use<> {
        let log = self.clone();
        move || {
            log.note(what);
            Ok(())
        }
    }

    fn so_far(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn a_snapshot_is_taken_between_its_hooks() {
    let (fake, log) = (Fake::start(), Log::default());
    let (address, noted) = (fake.address.to_string(), log.clone());
    let runtime = fake.beside(move || {
        Runtime::from_env()
            .api(address)
            .snap_start(true)
            .before_snapshot(noted.noting("before 1"))
            .before_snapshot(noted.noting("before 2"))
            .after_restore(noted.noting("after 1"))
            .after_restore(noted.noting("after 2"))
            .run_with(move || {
                noted.note("init");
                Ok::<_, Infallible>(hello)
            })
    });
    let mut api = fake.accept();
    api.expect(RESTORE_NEXT);
    assert_eq!(log.so_far(), ["init", "before 2", "before 1"]);
    assert!(!fake.has_another());
    api.status(200);
    // The connection of before the snapshot is not used again.
    assert!(api.read().is_none());
    let mut api = fake.accept();
    api.expect(NEXT);
    assert_eq!(log.so_far(), ["init", "before 2", "before 1", "after 1", "after 2"]);
    api.event("id", event("GET", "/"));
    assert_eq!(api.expect(&response("id")).text(), answer(200, "hello"));
    api.accepted();
    fake.end(api, runtime);
}

#[test]
fn without_snapstart_no_hook_runs() {
    let (fake, log) = (Fake::start(), Log::default());
    let (before, after) = (log.noting("before"), log.noting("after"));
    let runtime = fake.run(|runtime| runtime.before_snapshot(before).after_restore(after), hello);
    let mut api = fake.accept();
    assert_eq!(api.invoke("id", event("GET", "/")).text(), answer(200, "hello"));
    assert!(log.so_far().is_empty());
    fake.end(api, runtime);
}

#[test]
fn a_hook_that_fails_before_the_snapshot_is_an_init_error() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime.snap_start(true).before_snapshot(|| Err("not now".into())), hello);
    reports(fake.accept(), INIT_ERROR, "Runtime.BeforeSnapshotError", "not now\"");
    runtime.fails();
}

#[test]
fn a_hook_that_fails_after_the_restore_is_a_restore_error() {
    let fake = Fake::start();
    let failing = |runtime: Runtime| runtime.snap_start(true).after_restore(|| Err("no database".into()));
    let panicking = |runtime: Runtime| runtime.snap_start(true).after_restore(|| panic!("no database"));
    for (configure, kind) in
        [(failing as fn(Runtime) -> Runtime, "Runtime.AfterRestoreError"), (panicking, "Function.Panic")]
    {
        let runtime = fake.run(configure, hello);
        let mut api = fake.accept();
        api.expect(RESTORE_NEXT);
        api.status(200);
        reports(fake.accept(), RESTORE_ERROR, kind, "no database");
        runtime.fails();
    }
}

#[test]
fn a_restore_that_is_refused_ends_the_runtime() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime.snap_start(true), hello);
    let mut api = fake.accept();
    api.expect(RESTORE_NEXT);
    api.status(500);
    runtime.fails();
}

/// Answers only when as many invocations as there are workers have come.
struct Together(Barrier);

impl Handler for Together {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        self.0.wait();
        response.status(200).header("content-type", "text/plain").body(request.path()).await
    }
}

#[test]
fn four_workers_answer_four_invocations_at_once() {
    let fake = Fake::start();
    let runtime = fake.run(|runtime| runtime.concurrency(4), Together(Barrier::new(4)));
    let mut apis: Vec<Api> = (0..4).map(|_| fake.accept()).collect();
    for round in 0..3 {
        let id = |worker| format!("id-{worker}-{round}");
        for (worker, api) in apis.iter_mut().enumerate() {
            api.expect(NEXT);
            api.event(&id(worker), event("GET", &format!("/{worker}")));
        }
        for (worker, api) in apis.iter_mut().enumerate() {
            let asked = api.expect(&response(&id(worker)));
            assert_eq!(asked.text(), answer(200, &format!("/{worker}")));
            api.accepted();
        }
    }
    assert!(!fake.has_another());
    // One worker that gives up ends the runtime, though the others wait.
    let mut api = apis.pop().unwrap();
    api.expect(NEXT);
    api.status(500);
    runtime.fails();
}

#[test]
fn an_address_that_is_none_ends_the_runtime() {
    for address in ["https://127.0.0.1:1", "http://", "127.0.0.1:1"] {
        let ended = Runtime::from_env().api(address).run(hello);
        assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::FAILURE), "{address}");
    }
}

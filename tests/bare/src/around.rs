//! A router, and handlers around other ones.

use core::{hint::black_box, time::Duration};

use midge::{
    Failure, Handler, Method, Request, Response, Router, Routes, Sent,
    around::{
        BodyLimit, Cors, Metered, Metrics, Problems, TimeLimit, Trace, TraceContext, TraceState, WithRequestId,
        request_id,
    },
    testing::{Scratch, call},
};

use crate::checks::{Checks, Text, check};

const FILE: u32 = 4;

/// Calls them all.
pub fn reach(checks: &mut Checks) {
    let mut scratch = Scratch::new();
    for (request, status) in [
        (b"GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), 200),
        (b"GET /sub/users/7 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /sub/x HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"PUT /users/7 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"BREW /users HTTP/1.1\r\nHost: a\r\n\r\n", 203),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204),
        (b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413),
        (b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n", 418),
    ] {
        check!(checks, call(&handler, black_box(request), &mut scratch).is_ok_and(|answer| answer.status() == status));
    }
    let traced = Trace::new(|| black_box([7; 16]), check_trace).sampled(true).answers(true);
    let request = b"GET / HTTP/1.1\r\nHost: a\r\ntracestate: a=b\r\n\r\n";
    check!(checks, call(&traced, request, &mut scratch).is_ok_and(|answer| answer.header("traceresponse").is_some()));
    let shared = Cors::new(ok).origins(&["https://a"]).methods(&["PUT"]).headers(&["x-a"]).expose(&["x-b"]);
    let shared = WithRequestId::new(Problems::new(shared.credentials().max_age(1)));
    let request = b"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
    let answer = call(&shared, black_box(request), &mut scratch);
    check!(checks, answer.is_ok_and(|answer| answer.header("access-control-max-age") == Some("1")));
    let open = Metered::new(&METRICS, || Duration::from_millis(1), Cors::new(metrics).any_origin());
    let answer = call(&open, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch);
    check!(checks, answer.is_ok_and(|answer| answer.body().starts_with(b"# HELP http_requests_total")));
    check!(checks, Text::of(format_args!("{}", Failure::new(404).because("gone").message())).as_str() == "gone");
    let known = Router::<_, 4>::sized().get("/a", ok);
    check!(checks, known.pattern_of(Method::Get, black_box("/a")) == Some("/a"));
}

const fn app() -> Router<impl Routes> {
    Router::new()
        .get("/users/{id}", show)
        .post("/users", BodyLimit::new(2, create))
        .put("/put", ok)
        .patch("/patch", ok)
        .delete("/delete", ok)
        .head("/head", ok)
        .options("/options", ok)
        .on(Method::Other("BREW"), "/users", brew)
        .any("/any", ok)
        .nest("/sub", TimeLimit::new(Duration::from_secs(1), Router::new().get("/users/{id}", show)))
        .fallback(teapot)
}

/// Around them all.
async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let outcome = response.outcome();
    let response = response.with("x-one", "1").with_fmt("x-two", format_args!("{}", 2));
    let result = const { &app() }.handle(request, response).await;
    let same = outcome.request().path().len() > 1 || outcome.request().path() == "*";
    let told = outcome.begun().is_some() || outcome.can_restart();
    if !(same && told && outcome.body_bytes() < 100 && outcome.is_complete() == result.is_ok()) {
        return Err(Failure::new(500));
    }
    if outcome.status(&result).code() == 203
        && let Some(response) = outcome.restart()
    {
        return response.status(203).empty().await;
    }
    result
}

async fn show(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let id: u32 = request.param("id")?.parse()?;
    let nested = request.path().starts_with("/sub");
    if id != 7 || request.pattern() != Some("/users/{id}") || !request.path_below().is_empty() {
        return Err(Failure::new(500));
    }
    if nested && request.deadline().is_none() {
        return Err(Failure::new(500));
    }
    response.status(200).body("user").await
}

async fn create(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let body = request.body().all().await?;
    response.status(200).body(body).await
}

async fn brew(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    request.limit_time(Duration::from_secs(1));
    request.limit_body(1);
    response.status(203).body("brewed").await
}

async fn ok(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).empty().await
}

async fn teapot(_request: Request<'_>, _response: Response<'_>) -> Result<Sent, Failure> {
    Err(Failure::new(418))
}

async fn check_trace(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let wrong = Failure::new(500);
    let own = request.trace().ok_or(wrong)?;
    let parsed = TraceContext::parse(Text::of(format_args!("{own}")).as_str()).ok_or(wrong)?;
    let child = parsed.child([1; 8]).ok_or(wrong)?;
    request.set_trace(child);
    let state = TraceState::of(&request).and_then(|state| state.with("c", "d")).ok_or(wrong)?;
    let is_same = parsed == own && child.trace_id() == [7; 16] && child.span_id() == [1; 8] && child.is_sampled();
    if !is_same || state.members().count() != 2 || TraceContext::of(&request).is_some() {
        return Err(wrong);
    }
    response.status(200).empty().await
}

static METRICS: Metrics = Metrics::new();

async fn metrics(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let response = response.with_fmt("x-id", format_args!("{}", request_id(&request)));
    METRICS.expose(response).await
}

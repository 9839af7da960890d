//! A small REST service: the same on a socket, in Lambda and in a Worker.
//!
//! Its state is a shelf of items, each with a stock that orders take from: atomics, so that threads share it without a lock.

use core::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use midge::{
    Failure, FieldLines, Handler, Request, Response, Router, Routes, Sent,
    around::{BodyLimit, Metered, Metrics, Problems, TimeLimit, WithRequestId},
};
use serde::{Deserialize, Serialize};

/// The whole service. `clock` tells the time since whenever, for the metrics.
///
/// | | |
/// |---|---|
/// | `GET /items/{id}` | an item and its stock |
/// | `PUT /items/{id}` | sets the stock: `{"stock":5}` |
/// | `POST /items/{id}/orders` | takes from the stock: `{"count":2}`; 409 if there is too little |
/// | `GET /users/{id}`, `POST /users` | a user; what was sent |
/// | `GET /stream` | a body that comes piece by piece |
/// | `GET /metrics` | what was served, for Prometheus |
/// | `GET /`, `GET /health` | a greeting; nothing |
pub const fn app<C: Fn() -> Duration>(clock: C) -> impl Handler {
    Metered::new(&METRICS, clock, WithRequestId::new(Problems::new(routes())))
}

/// A table no larger than it has to be: in a Worker, each request in flight has its own.
const fn routes() -> Router<impl Routes, 16> {
    Router::sized()
        .get("/", hello)
        .get("/health", health)
        .get("/metrics", metrics)
        .get("/stream", stream)
        .post("/users", create)
        .get("/users/{id}", user)
        .nest("/items", TimeLimit::new(Duration::from_secs(10), BodyLimit::new(1_024, items())))
}

/// What is below `/items`.
const fn items() -> Router<impl Routes, 8> {
    Router::sized().get("/{item}", show).put("/{item}", restock).post("/{item}/orders", order)
}

static METRICS: Metrics = Metrics::new();

/// How much there is of each item.
static STOCK: [AtomicU32; 16] = [const { AtomicU32::new(10) }; 16];

/// What a client is shown of an item.
#[derive(Serialize)]
struct Item {
    id: usize,
    stock: u32,
}

/// What a client says of an item.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restock {
    stock: u32,
}

/// What a client orders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    count: u32,
}

/// The item that the path names, and its stock.
fn item(request: &Request<'_>) -> Result<(usize, &'static AtomicU32), Failure> {
    let id: usize = request.param("item")?.parse()?;
    STOCK.get(id).map(|stock| (id, stock)).ok_or(Failure::new(404).because("no such item"))
}

async fn show(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let (id, stock) = item(&request)?;
    response.status(200).json(&Item { id, stock: stock.load(Relaxed) }).await
}

async fn restock(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let (id, place) = item(&request)?;
    let Restock { stock } = request.json().await?;
    place.store(stock, Relaxed);
    response.status(200).json(&Item { id, stock }).await
}

async fn order(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let (id, stock) = item(&request)?;
    let Order { count } = request.json().await?;
    let taken = stock.fetch_update(Relaxed, Relaxed, |stock| stock.checked_sub(count));
    let before = taken.map_err(|_| Failure::new(409).because("there is not so much of it"))?;
    let location = format_args!("/items/{id}");
    response.status(201).header_fmt("location", location).json(&Item { id, stock: before - count }).await
}

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).lines(TEXT).body("Hello from midge!\n").await
}

async fn health(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(204).empty().await
}

async fn metrics(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    METRICS.expose(response).await
}

async fn user(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    // Letters and digits: what can stand in JSON as it is.
    let id = request.param("id")?.raw();
    if !id.iter().all(u8::is_ascii_alphanumeric) {
        return Err(Failure::new(404).because("no such user"));
    }
    let mut body = response.status(200).lines(JSON).stream().await?;
    body.write("{\"id\":\"").await?;
    body.write(id).await?;
    body.write("\"}\n").await?;
    body.finish().await
}

/// Echoes the body, and its type.
async fn create(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream");
    let content = request.body().all().await?;
    response.status(201).header("content-type", content_type).header("location", "/users/1").body(content).await
}

async fn stream(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut body = response.status(200).lines(TEXT).stream().await?;
    for line in ["one\n", "two\n", "three\n"] {
        body.write(line).await?;
        // A host that can shows it now.
        body.flush().await?;
    }
    body.finish().await
}

const TEXT: FieldLines = FieldLines::new("content-type: text/plain; charset=utf-8\r\n");
const JSON: FieldLines = FieldLines::new("content-type: application/json\r\n");

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use midge::testing::{CallError, Scratch, call};

    use super::app;

    #[test]
    fn the_routes_answer() -> Result<(), CallError> {
        let handler = app(|| Duration::ZERO);
        let problem = |status: u16, title: &str, detail: &str| {
            let detail = if detail.is_empty() { String::new() } else { format!(",\"detail\":\"{detail}\"") };
            format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status}{detail}}}\n")
        };
        let missing = problem(404, "Not Found", "no such item");
        let cases: [(&str, &str, u16, &str); 25] = [
            ("GET /", "", 200, "Hello from midge!\n"),
            ("GET /health", "", 204, ""),
            ("GET /users/42", "", 200, "{\"id\":\"42\"}\n"),
            ("POST /users", "Ada", 201, "Ada"),
            ("GET /stream", "", 200, "one\ntwo\nthree\n"),
            ("HEAD /stream", "", 200, ""),
            ("OPTIONS /stream", "", 204, ""),
            ("POST /", "", 405, &problem(405, "Method Not Allowed", "")),
            ("GET /users", "", 405, &problem(405, "Method Not Allowed", "")),
            ("GET /nothing", "", 404, &problem(404, "Not Found", "")),
            ("GET /users/a%22b", "", 404, &problem(404, "Not Found", "no such user")),
            ("GET /items/15", "", 200, "{\"id\":15,\"stock\":10}"),
            ("GET /items/%31%35", "", 200, "{\"id\":15,\"stock\":10}"),
            ("GET /items/16", "", 404, &missing),
            ("PUT /items/16", "{\"stock\":1}", 404, &missing),
            ("PUT /items/15", "{\"stock\":7}", 200, "{\"id\":15,\"stock\":7}"),
            ("POST /items/15/orders", "{\"count\":3}", 201, "{\"id\":15,\"stock\":4}"),
            ("POST /items/15/orders", "{\"count\":5}", 409, &problem(409, "Conflict", "there is not so much of it")),
            ("POST /items/15/orders", "{\"count\":4}", 201, "{\"id\":15,\"stock\":0}"),
            ("GET /items/15", "", 200, "{\"id\":15,\"stock\":0}"),
            ("HEAD /items/15", "", 200, ""),
            ("GET /items", "", 404, &problem(404, "Not Found", "")),
            ("DELETE /items/15", "", 405, &problem(405, "Method Not Allowed", "")),
            ("GET /items/15/orders", "", 405, &problem(405, "Method Not Allowed", "")),
            ("POST /items/15/orders/", "{}", 404, &problem(404, "Not Found", "")),
        ];
        for (line, body, status, expected) in cases {
            let mut scratch = Scratch::new();
            let answer = call(&handler, request(line, body).as_bytes(), &mut scratch)?;
            assert_eq!((answer.status(), answer.body()), (status, expected.as_bytes()), "{line}");
            assert_eq!(answer.header("x-request-id"), Some("0000000000000001"), "{line}");
        }
        Ok(())
    }

    #[test]
    fn bad_input_is_refused_and_changes_nothing() -> Result<(), CallError> {
        let handler = app(|| Duration::ZERO);
        for (line, body, status) in [
            ("GET /items/x", "", 400),
            ("GET /items/-1", "", 400),
            ("GET /items/%zz", "", 400),
            ("PUT /items/14", "", 400),
            ("PUT /items/14", "{\"stock\":-1}", 400),
            ("PUT /items/14", "{\"stock\":1,\"stock\":2}", 400),
            ("PUT /items/14", "{\"stock\":1,\"price\":2}", 400),
            ("PUT /items/14", "{\"stock\":99999999999}", 400),
            ("PUT /items/14", "{\"stock\":1}x", 400),
            ("PUT /items/14", "1", 400),
            ("PUT /items/14", &format!("{{\"stock\":1{}}}", " ".repeat(1_024)), 413),
            ("POST /items/14/orders", "{\"count\":11}", 409),
            ("PATCH /items/14", "{\"stock\":1}", 405),
        ] {
            let mut scratch = Scratch::new();
            let answer = call(&handler, request(line, body).as_bytes(), &mut scratch)?;
            assert_eq!(answer.status(), status, "{line} {body}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{line} {body}");
        }
        let mut scratch = Scratch::new();
        let plain = request("PUT /items/14", "{\"stock\":1}").replace("application/json", "text/plain");
        assert_eq!(call(&handler, plain.as_bytes(), &mut scratch)?.status(), 415);
        let answer = call(&handler, request("GET /items/14", "").as_bytes(), &mut scratch)?;
        assert_eq!(answer.body(), b"{\"id\":14,\"stock\":10}");
        Ok(())
    }

    fn request(line: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

//! The handler that the examples of all hosts share: its routes are the same on a socket, in Lambda and in a Worker.

use midge::{Failure, FieldLines, Method, Request, Response, Sent};

/// Answers `GET /` with a greeting, `GET /users/{id}` with a user, `POST /users` with what it was sent, and `GET /stream` with a body
/// that comes piece by piece.
///
/// # Errors
///
/// What is wrong with the body, or 404 for everything else.
pub async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    // A HEAD is a GET whose body isn't sent: that is the engine's part.
    let is_get = matches!(request.method(), Method::Get | Method::Head);
    match (request.path(), request.path().strip_prefix("/users/")) {
        ("/", _) if is_get => response.status(200).lines(TEXT).body("Hello from midge!\n").await,
        ("/stream", _) if is_get => stream(response).await,
        ("/users", _) if matches!(request.method(), Method::Post) => create(request, response).await,
        (_, Some(id)) if is_get && is_id(id) => user(id, response).await,
        ("/" | "/stream", _) => not_allowed("GET, HEAD", response).await,
        ("/users", _) => not_allowed("POST", response).await,
        (_, Some(id)) if is_id(id) => not_allowed("GET, HEAD", response).await,
        _ => Err(Failure::new(404).because("there are /, /users, /users/{id} and /stream")),
    }
}

async fn user(id: &str, response: Response<'_>) -> Result<Sent, Failure> {
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

async fn stream(response: Response<'_>) -> Result<Sent, Failure> {
    let mut body = response.status(200).lines(TEXT).stream().await?;
    for line in ["one\n", "two\n", "three\n"] {
        body.write(line).await?;
        // A host that can shows it now.
        body.flush().await?;
    }
    body.finish().await
}

async fn not_allowed(allow: &'static str, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(405).header("allow", allow).empty().await
}

/// Letters and digits: what can stand in JSON as it is.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

const TEXT: FieldLines = FieldLines::new("content-type: text/plain; charset=utf-8\r\n");
const JSON: FieldLines = FieldLines::new("content-type: application/json\r\n");

#[cfg(test)]
mod tests {
    use midge::testing::{CallError, Scratch, call};

    use super::handler;

    #[test]
    fn the_routes_answer() -> Result<(), CallError> {
        let cases: [(&str, &str, u16, &str); 9] = [
            ("GET /", "", 200, "Hello from midge!\n"),
            ("GET /users/42", "", 200, "{\"id\":\"42\"}\n"),
            ("POST /users", "Ada", 201, "Ada"),
            ("GET /stream", "", 200, "one\ntwo\nthree\n"),
            ("HEAD /stream", "", 200, ""),
            ("POST /", "", 405, ""),
            ("DELETE /users/42", "", 405, ""),
            ("GET /users", "", 405, ""),
            ("GET /users/a%22b", "", 404, "404 Not Found: there are /, /users, /users/{id} and /stream\n"),
        ];
        for (line, body, status, expected) in cases {
            let request = format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let mut scratch = Scratch::new();
            let answer = call(&handler, request.as_bytes(), &mut scratch)?;
            assert_eq!((answer.status(), answer.body()), (status, expected.as_bytes()), "{line}");
        }
        Ok(())
    }
}

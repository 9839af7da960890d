//! The application that the conformance checklist describes, for midge's own tests and for other suites.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use midge::{BodyStream, Failure, Handler, Method, Request, Response, Sent};

/// Answers as the checklist's preamble says, or with what it read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conformance {
    /// Answer every accepted request with 200 and a JSON object of what was read: `method`, `uri`, `version`, `body` and
    /// `headers`, all but the version in base64.
    pub json: bool,
}

impl Handler for Conformance {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        if self.json {
            return describe(request, response).await;
        }
        match request.method() {
            Method::Get | Method::Head | Method::Options => get(request, response).await,
            Method::Post | Method::Put if request.path() == "/echo" => fields(request, response).await,
            Method::Post | Method::Put => echo(request, response).await,
            Method::Other(_) => Err(Failure::new(501).because("not a method that this application knows")),
            _ => response.status(405).header("allow", "GET, HEAD, OPTIONS, POST, PUT").empty().await,
        }
    }
}

async fn get(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let path = request.path();
    match path {
        "/echo" => fields(request, response).await,
        "/cookie" => cookies(request, response).await,
        "/stream" => {
            let mut body = response.status(200).header("content-type", "text/plain").stream().await?;
            for piece in ["a body ", "of unknown ", "length"] {
                body.write(piece).await?;
                body.flush().await?;
            }
            body.finish().await
        }
        _ => match path.strip_prefix("/status/").and_then(|code| code.parse::<u16>().ok()) {
            Some(status @ (204 | 205 | 304)) => response.status(status).empty().await,
            Some(405) => response.status(405).header("allow", "POST").empty().await,
            Some(status @ 200..=599) => response.status(status).body("status").await,
            _ => response.status(200).header("content-type", "text/plain").body("OK").await,
        },
    }
}

/// The body, once it is there whole: a malformed one is answered 400, not with its first half.
async fn echo(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let body = request.body().all().await?;
    response.status(200).header("content-type", "application/octet-stream").body(body).await
}

/// The fields that were received, one to a line.
async fn fields(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    request.body().all().await?;
    let mut body = response.status(200).header("content-type", "text/plain").stream().await?;
    for (name, value) in request.headers().iter() {
        body.write(name).await?;
        body.write(": ").await?;
        body.write(value).await?;
        body.write("\n").await?;
    }
    body.finish().await
}

/// The cookies, one to a line.
async fn cookies(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut body = response.status(200).header("content-type", "text/plain").stream().await?;
    for value in request.headers().all("cookie") {
        for cookie in value.split(|byte| *byte == b';') {
            body.write(cookie.trim_ascii()).await?;
            body.write("\n").await?;
        }
    }
    body.finish().await
}

async fn describe(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let content = request.body().all().await?;
    let mut body = response.status(200).header("content-type", "application/json").stream().await?;
    member(&mut body, "{\"method\":", request.method().as_str().as_bytes()).await?;
    member(&mut body, ",\"uri\":", request.target().as_bytes()).await?;
    body.write(",\"version\":\"").await?;
    body.write(request.version().as_str()).await?;
    body.write("\"").await?;
    member(&mut body, ",\"body\":", content).await?;
    body.write(",\"headers\":[").await?;
    for (index, (name, value)) in request.headers().iter().enumerate() {
        member(&mut body, if index == 0 { "[" } else { ",[" }, name.as_bytes()).await?;
        member(&mut body, ",", value).await?;
        body.write("]").await?;
    }
    body.write("]}").await?;
    body.finish().await
}

/// Writes `before`, and `value` as a string in base64.
async fn member(body: &mut BodyStream<'_>, before: &str, value: &[u8]) -> Result<(), Failure> {
    body.write(before).await?;
    body.write("\"").await?;
    for piece in value.chunks(48) {
        let mut text = [0; 64];
        let length = STANDARD.encode_slice(piece, &mut text).map_err(|_| Failure::new(500))?;
        body.write(text.get(..length).unwrap_or_default()).await?;
    }
    body.write("\"").await
}

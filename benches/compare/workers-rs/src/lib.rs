//! Answers every request with `Hello, World!`.

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(_request: Request, _env: Env, _context: Context) -> Result<Response> {
    let mut response = Response::ok("Hello, World!")?;
    response.headers_mut().set("content-type", "text/plain")?;
    Ok(response)
}

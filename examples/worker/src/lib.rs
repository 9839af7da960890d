//! The example `rest` as a Worker, and a route that uses KV.
#![no_std]

#[path = "../../src/rest.rs"]
mod rest;

use core::time::Duration;

use midge::{Failure, Handler, Method, Request, Response, Sent};
use midge_workers::kv;

/// `PUT /notes/{name}` keeps a note in KV, `GET` gives it back; everything else is the example's.
async fn handler(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let Some(name) = request.path().strip_prefix("/notes/").filter(|name| !name.is_empty()) else {
        return const { &rest::app(clock) }.handle(request, response).await;
    };
    match request.method() {
        Method::Get => match kv("NOTES").get_stream(name).await? {
            // The note itself never enters this program's memory.
            Some(note) => note.pass(response.status(200).header("content-type", "text/plain")).await,
            None => Err(Failure::new(404).because("no such note")),
        },
        Method::Put => {
            let note = request.body().all().await?;
            kv("NOTES").put(name, note).await?;
            response.status(204).empty().await
        }
        _ => response.status(405).header("allow", "GET, PUT").empty().await,
    }
}

/// The platform's clock, which stands still while a handler computes.
fn clock() -> Duration {
    Duration::from_millis(midge_workers::now())
}

midge_workers::export!(handler, headers: ["content-type", "x-request-id"]);

//! The server of the soak: each way to read and to answer, with few slots and places, so that a crowd finds none left.

use std::process::ExitCode;

use midge::{Failure, Handler, Method, Request, Response, Sent};
use midge_examples::{cli, websocket::Sockets};

fn main() -> ExitCode {
    cli::serve(
        "soak [ADDR:PORT]: what the soak test loads",
        |_| App { sockets: Sockets::new(1) },
        |server| server.slots(8).connections(100),
    )
}

struct App {
    sockets: Sockets,
}

impl Handler for App {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match (request.method(), request.path()) {
            (Method::Get, "/hello") => {
                response.status(200).header("content-type", "text/plain").body("Hello, World!").await
            }
            (Method::Get, "/stream") => {
                let bytes = request.query().and_then(|query| query.parse().ok()).unwrap_or(0_u64);
                let mut body = response.status(200).stream().await?;
                // Not allocated, since the memory is looked at.
                let mut piece = [0; 20 * 251];
                piece.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 251) as u8);
                let mut left = bytes;
                while left > 0 {
                    let count = left.min(piece.len() as u64);
                    body.write(piece.get(..count as usize).unwrap_or_default()).await?;
                    left -= count;
                }
                body.finish().await
            }
            (Method::Post, "/echo") => {
                let mut from = request.into_body();
                let mut to = response.status(200).stream().await?;
                while let Some(chunk) = from.chunk().await? {
                    to.write(chunk).await?;
                }
                to.finish().await
            }
            (Method::Post, "/all") => {
                let mut request = request;
                let body = request.body().all().await?;
                response.status(200).body(body).await
            }
            _ => self.sockets.handle(request, response).await,
        }
    }
}

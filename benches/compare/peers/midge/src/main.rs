//! midge on one worker.

use midge::{Failure, FieldLines, Method, Request, Response, Sent};
use shared::{HELLO, PIECE, PIECES};

fn main() -> Result<(), midge_tcp::Error> {
    midge_tcp::Server::bind(shared::address())?.workers(1).run(serve)
}

async fn serve(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match (request.method(), request.path()) {
        (Method::Get, "/") => response.status(200).lines(TEXT).body(HELLO).await,
        (Method::Post, "/echo") => {
            let body = request.body().all().await?;
            response.status(200).lines(TEXT).body(body).await
        }
        (Method::Get, "/stream") => {
            let mut body = response.status(200).lines(BYTES).stream().await?;
            for _ in 0..PIECES {
                body.write(&PIECE).await?;
            }
            body.finish().await
        }
        (Method::Post, "/upload") => {
            let mut bytes = 0;
            while let Some(chunk) = request.body().chunk().await? {
                bytes += chunk.len();
            }
            response.status(200).lines(TEXT).body(bytes.to_string()).await
        }
        _ => Err(Failure::new(404)),
    }
}

const TEXT: FieldLines = FieldLines::new("server: midge\r\ncontent-type: text/plain\r\n");
const BYTES: FieldLines = FieldLines::new("server: midge\r\ncontent-type: application/octet-stream\r\n");

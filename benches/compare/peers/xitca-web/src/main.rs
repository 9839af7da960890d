//! xitca-web with one worker.

use std::{convert::Infallible, time::Duration};

use futures_util::stream;
use shared::{HELLO, KEEP_ALIVE, PIECE, PIECES};
use xitca_web::{
    App,
    body::{BodyExt, BoxBody, RequestBody, ResponseBody, StreamDataBody},
    bytes::Bytes,
    error::Error,
    handler::{body::Body, handler_service},
    http::{HeaderValue, WebResponse, header::CONTENT_TYPE},
    route::{get, post},
};

fn main() -> std::io::Result<()> {
    App::new()
        .at("/", get(handler_service(async || answer(TEXT, HELLO))))
        .at("/echo", post(handler_service(async |body: Bytes| answer(TEXT, body))))
        .at("/stream", get(handler_service(pieces)))
        .at("/upload", post(handler_service(upload)))
        .serve()
        .worker_threads(1)
        .keep_alive_timeout(Duration::from_secs(KEEP_ALIVE.into()))
        .bind(shared::address())?
        .run()
        .wait()
}

async fn pieces() -> WebResponse {
    // Not `stream::iter`: xitca-web takes the number of its items for the number of their bytes.
    let pieces = stream::unfold(0, async |sent| {
        (sent < PIECES).then(|| (Ok::<_, Infallible>(Bytes::from_static(&PIECE)), sent + 1))
    });
    answer(BYTES, BoxBody::new(StreamDataBody::new(pieces)))
}

async fn upload(Body(body): Body<RequestBody>) -> Result<WebResponse, Error> {
    let (mut bytes, mut body) = (0, std::pin::pin!(body));
    while let Some(piece) = body.as_mut().data().await {
        bytes += piece?.len();
    }
    Ok(answer(TEXT, bytes.to_string()))
}

fn answer(kind: &'static str, body: impl Into<ResponseBody>) -> WebResponse {
    let mut response = WebResponse::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

const TEXT: &str = "text/plain";
const BYTES: &str = "application/octet-stream";

//! axum on tokio's current-thread runtime.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    http::header::{CONTENT_TYPE, HeaderName},
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use shared::{HELLO, PIECE, PIECES};
use tokio::net::TcpListener;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(shared::address()).await?.tap_io(|stream| {
            // A client that goes away is no failure of the server's.
            let _ = stream.set_nodelay(true);
        });
        let app = Router::new()
            .route("/", get(async || ([TEXT], HELLO)))
            .route("/echo", post(async |body: Bytes| ([TEXT], body)))
            .route("/stream", get(pieces))
            .route("/upload", post(upload));
        axum::serve(listener, app).await
    })
}

async fn pieces() -> impl IntoResponse {
    let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE)));
    ([BYTES], Body::from_stream(stream::iter(pieces)))
}

async fn upload(body: Body) -> Result<impl IntoResponse, String> {
    let count = body.into_data_stream().try_fold(0, async |bytes, piece| Ok(bytes + piece.len()));
    count.await.map(|bytes| ([TEXT], bytes.to_string())).map_err(|error| error.to_string())
}

const TEXT: (HeaderName, &str) = (CONTENT_TYPE, "text/plain");
const BYTES: (HeaderName, &str) = (CONTENT_TYPE, "application/octet-stream");

//! ntex on its own runtime, neon, with one worker.

use std::convert::Infallible;

use futures_util::{StreamExt, stream};
use ntex::{
    SharedCfg,
    http::{HttpServiceConfig, KeepAlive},
    time::Seconds,
    util::Bytes,
    web::{self, App, HttpResponse, HttpServer, types::Payload},
};
use shared::{HELLO, KEEP_ALIVE, PIECE, PIECES};

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let app = async || {
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().content_type(TEXT).body(HELLO)))
            .route("/echo", web::post().to(async |body: Bytes| HttpResponse::Ok().content_type(TEXT).body(body)))
            .route("/stream", web::get().to(pieces))
            .route("/upload", web::post().to(upload))
    };
    let http = HttpServiceConfig::new().set_keepalive(KeepAlive::Timeout(Seconds(KEEP_ALIVE)));
    let config = SharedCfg::new("peer").add(http);
    HttpServer::new(app).workers(1).config(config).bind(shared::address())?.run().await
}

async fn pieces() -> HttpResponse {
    let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE)));
    HttpResponse::Ok().content_type("application/octet-stream").streaming(stream::iter(pieces))
}

async fn upload(mut body: Payload) -> Result<HttpResponse, web::error::PayloadError> {
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        bytes += piece?.len();
    }
    Ok(HttpResponse::Ok().content_type(TEXT).body(bytes.to_string()))
}

const TEXT: &str = "text/plain";

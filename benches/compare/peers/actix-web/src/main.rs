//! actix-web with one worker.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{self, Bytes, Payload},
};
use futures_util::{StreamExt, stream};
use shared::{HELLO, KEEP_ALIVE, PIECE, PIECES};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let app = || {
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().content_type(TEXT).body(HELLO)))
            .route("/echo", web::post().to(async |body: Bytes| HttpResponse::Ok().content_type(TEXT).body(body)))
            .route("/stream", web::get().to(pieces))
            .route("/upload", web::post().to(upload))
    };
    HttpServer::new(app)
        .workers(1)
        .keep_alive(Duration::from_secs(KEEP_ALIVE.into()))
        .bind(shared::address())?
        .run()
        .await
}

async fn pieces() -> HttpResponse {
    let pieces = (0..PIECES).map(|_| Ok::<_, Infallible>(Bytes::from_static(&PIECE)));
    HttpResponse::Ok().content_type("application/octet-stream").streaming(stream::iter(pieces))
}

async fn upload(mut body: Payload) -> actix_web::Result<HttpResponse> {
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        bytes += piece?.len();
    }
    Ok(HttpResponse::Ok().content_type(TEXT).body(bytes.to_string()))
}

const TEXT: &str = "text/plain";

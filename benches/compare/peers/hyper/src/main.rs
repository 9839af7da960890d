//! hyper on tokio's current-thread runtime.

use std::{convert::Infallible, iter::Map, ops::Range};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use shared::{HELLO, PIECE, PIECES};
use tokio::{net::TcpListener, task::LocalSet};

type Body = Either<Full<Bytes>, StreamBody<stream::Iter<Pieces>>>;
type Pieces = Map<Range<usize>, fn(usize) -> Result<Frame<Bytes>, Infallible>>;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, listen())
}

async fn listen() -> std::io::Result<()> {
    let listener = TcpListener::bind(shared::address()).await?;
    let mut http = http1::Builder::new();
    // What benchmarks of hyper set: the answers to a pipelined burst go out together.
    http.pipeline_flush(true).timer(TokioTimer::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(serve));
        tokio::task::spawn_local(async move {
            // A client that goes away is no failure of the server's.
            let _ = connection.await;
        });
    }
}

async fn serve(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (TEXT, whole(Bytes::from_static(HELLO.as_bytes()))),
        (&Method::POST, "/echo") => (TEXT, whole(request.into_body().collect().await?.to_bytes())),
        (&Method::GET, "/stream") => {
            let piece: fn(usize) -> _ = |_| Ok(Frame::data(Bytes::from_static(&PIECE)));
            (BYTES, Either::Right(StreamBody::new(stream::iter((0..PIECES).map(piece)))))
        }
        (&Method::POST, "/upload") => {
            let (mut bytes, mut body) = (0, request.into_body());
            while let Some(frame) = body.frame().await {
                bytes += frame?.data_ref().map_or(0, Bytes::len);
            }
            (TEXT, whole(bytes.to_string().into()))
        }
        _ => {
            let mut response = Response::new(whole(Bytes::new()));
            *response.status_mut() = hyper::StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

fn whole(bytes: Bytes) -> Body {
    Either::Left(Full::new(bytes))
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

//! hyper's client.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use midge_examples::stream::LINES;
use midge_tests::server::Server;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

type Body = BoxBody<Bytes, Infallible>;

#[test]
fn many_requests_on_one_connection() {
    let server = Server::start("conformance").unwrap();
    block_on(async {
        let mut client = connect(&server).await;
        for number in 0..500 {
            let body = format!("request {number}");
            let response = send(&mut client, Method::POST, "/", Full::new(body.clone().into()).boxed()).await;
            assert_eq!((response.status(), whole(response).await), (StatusCode::OK, body.into()));
            let response = send(&mut client, Method::HEAD, "/", empty()).await;
            assert_eq!(response.headers().get("content-length").unwrap(), "2");
            assert_eq!(whole(response).await, "");
            let response = send(&mut client, Method::GET, "/status/404", empty()).await;
            assert_eq!((response.status(), whole(response).await), (StatusCode::NOT_FOUND, "status".into()));
        }
    });
}

#[test]
fn an_upload_in_pieces() {
    let server = Server::start("stream").unwrap();
    block_on(async {
        let mut client = connect(&server).await;
        for _ in 0..3 {
            let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
            let sending = tokio::spawn(async move {
                let (mut hash, mut bytes) = (Sha256::new(), 0);
                for number in 0..400 {
                    let piece = Bytes::from(vec![number as u8; 1 + number * 5]);
                    hash.update(&piece);
                    bytes += piece.len();
                    sender.send_data(piece).await.unwrap();
                }
                (bytes, hash.finalize())
            });
            let response = send(&mut client, Method::POST, "/upload", body.boxed()).await;
            let (bytes, hash) = sending.await.unwrap();
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(whole(response).await, format!("{bytes} bytes, sha256 {hash}\n"));
        }
    });
}

#[test]
fn a_download_in_pieces() {
    let server = Server::start("stream").unwrap();
    block_on(async {
        let mut client = connect(&server).await;
        for _ in 0..2 {
            let mut body = send(&mut client, Method::GET, "/lines", empty()).await.into_body();
            let (mut lines, mut pieces, mut last) = (0, 0, Vec::new());
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.unwrap().into_data() else { continue };
                lines += data.iter().filter(|byte| **byte == b'\n').count();
                pieces += 1;
                last.extend_from_slice(&data);
                last.drain(..last.len().saturating_sub(32));
            }
            assert_eq!(lines, LINES as usize);
            assert!(pieces > 100, "in {pieces} pieces");
            assert!(last.ends_with(format!("\nline {LINES} of {LINES}\n").as_bytes()));
        }
    });
}

async fn connect(server: &Server) -> SendRequest<Body> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    client
}

async fn send(client: &mut SendRequest<Body>, method: Method, path: &str, body: Body) -> Response<Incoming> {
    // A connection that the server closed is never ready again.
    client.ready().await.unwrap();
    let request = Request::builder().method(method).uri(path).header("host", "localhost").body(body).unwrap();
    client.send_request(request).await.unwrap()
}

async fn whole(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn empty() -> Body {
    Empty::new().boxed()
}

/// One that waits for ever fails its test.
fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let patience = Duration::from_secs(120);
    runtime.block_on(async { tokio::time::timeout(patience, test).await.expect("an answer never came") });
}

//! may_minihttp with one worker. It has no streamed answers: `/stream` is gathered whole before it is sent.

use std::io::{self, Read as _};

use may_minihttp::{HttpServer, HttpService, Request, Response};
use shared::{HELLO, PIECE, PIECES};

fn main() -> io::Result<()> {
    may::config().set_workers(1);
    HttpServer(Peer).start(shared::address())?.wait();
    Ok(())
}

#[derive(Clone)]
struct Peer;

impl HttpService for Peer {
    fn call(&mut self, request: Request<'_, '_, '_>, response: &mut Response<'_>) -> io::Result<()> {
        match (request.method(), request.path()) {
            ("GET", "/") => response.header(TEXT).body(HELLO),
            ("POST", "/echo") => {
                let mut body = Vec::new();
                request.body().read_to_end(&mut body)?;
                response.header(TEXT).body_vec(body);
            }
            ("GET", "/stream") => {
                response.header("Content-Type: application/octet-stream");
                for _ in 0..PIECES {
                    response.body_mut().extend_from_slice(&PIECE);
                }
            }
            ("POST", "/upload") => {
                let bytes = io::copy(&mut request.body(), &mut io::sink())?;
                response.header(TEXT).body_vec(bytes.to_string().into_bytes());
            }
            _ => {
                response.status_code(404, "Not Found");
            }
        }
        Ok(())
    }
}

const TEXT: &str = "Content-Type: text/plain";

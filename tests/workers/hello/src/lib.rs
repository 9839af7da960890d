//! Answers every request with `Hello, World!`.
#![no_std]

use midge::{Failure, FieldLines, Request, Response, Sent};

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).lines(FIELDS).body(b"Hello, World!").await
}

const FIELDS: FieldLines = FieldLines::new("content-type: text/plain\r\n");

midge_workers::export!(hello, headers: [], head: 4_096, body: 4_096, output: 4_096);

//! Answers every request with `Hello, World!`.

use std::process::ExitCode;

use midge::{Failure, FieldLines, Request, Response, Sent};

fn main() -> ExitCode {
    midge_lambda::run(hello)
}

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).lines(PLAIN).body(b"Hello, World!").await
}

const PLAIN: FieldLines = FieldLines::new("content-type: text/plain\r\n");

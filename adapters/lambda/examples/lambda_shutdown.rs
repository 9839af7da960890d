//! A function that says goodbye at SIGTERM.

use std::process::ExitCode;

use midge::{Failure, Request, Response, Sent};
use midge_lambda::Runtime;

fn main() -> ExitCode {
    Runtime::from_env().on_shutdown(|| println!("first")).on_shutdown(|| println!("second")).run(hello)
}

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).header("content-type", "text/plain").body("hello").await
}

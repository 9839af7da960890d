//! A function that panics where it is told to: at its start with `PANIC=init`, else under `/panic` and in the middle of `/stream`.
//! Built with `panic = "abort"`, it shows that the platform is told before the process ends.
#![allow(clippy::panic, reason = "it is what the program is for")]

use std::{convert::Infallible, env, process::ExitCode};

use midge::{Failure, Request, Response, Sent};
use midge_lambda::Runtime;

fn main() -> ExitCode {
    let is = |name, value| env::var_os(name).is_some_and(|set| set == value);
    Runtime::from_env().streaming(is("STREAMING", "1")).run_with(|| {
        if is("PANIC", "init") {
            panic!("as it was asked to");
        }
        Ok::<_, Infallible>(troubled)
    })
}

async fn troubled(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/panic" => panic!("as it was asked to"),
        "/stream" => {
            let mut body = response.status(200).stream().await?;
            body.write("some").await?;
            body.flush().await?;
            panic!("as it was asked to");
        }
        _ => response.status(200).header("content-type", "text/plain").body("hello").await,
    }
}

//! The example `rest` as an AWS Lambda function: the whole program.
//!
//! The environment sets what a person would choose when deploying it: `STREAMING=1` for a function whose URL has the invoke mode
//! `RESPONSE_STREAM`.

use std::{env, process::ExitCode};

use midge_examples::{clock, rest};
use midge_lambda::Runtime;

fn main() -> ExitCode {
    let streaming = env::var_os("STREAMING").is_some_and(|value| value == "1");
    Runtime::from_env().streaming(streaming).run(rest::app(clock::since_start))
}

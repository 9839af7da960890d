//! What the measuring programs share: dialling, sending requests and checking every answer.
//!
//! Nothing here knows midge: the figures can be taken of any server that answers `Hello, World!`.

pub mod answer;
pub mod client;
pub mod limits;
pub mod requests;

/// Whatever ends a program early, as one line for the console.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints the failure of `program`, if there is one, as one line, and gives the exit code.
pub fn conclude(program: &str, outcome: Result<(), Failure>) -> std::process::ExitCode {
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{program}: {failure}");
            std::process::ExitCode::FAILURE
        }
    }
}

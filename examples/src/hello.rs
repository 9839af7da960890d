//! The smallest handler.

use midge::{Failure, FieldLines, Request, Response, Sent};

/// Answers every request with `Hello, World!`.
///
/// # Errors
///
/// None: the answer fits every host's buffers.
pub async fn handler(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).lines(FIELDS).body(b"Hello, World!").await
}

/// Fields that never change are checked by the compiler and written with one copy.
const FIELDS: FieldLines = FieldLines::new("server: midge\r\ncontent-type: text/plain\r\n");

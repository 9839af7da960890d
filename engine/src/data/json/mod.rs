//! JSON, by serde (feature `json`).
//!
//! Reading is done in the memory that the document came in: strings are unescaped where they stand, so that a type may borrow every one of
//! them (`&str`), and nothing is allocated. It is strict (RFC 8259): all of the document is checked, what is skipped too, nesting is limited to
//! [`MAX_DEPTH`], and an error says at which byte it was.
//!
//! Writing goes straight into the answer. A value that is larger than the output buffer is serialised again for each buffer of it, so that any
//! length goes out without memory of its own; that costs time in the square of the length over the buffer's.
//!
//! ```
//! use midge::{Failure, Request, Response, Sent, testing};
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct User<'a> {
//!     name: &'a str,
//!     age: u8,
//! }
//!
//! async fn birthday(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
//!     let mut user: User<'_> = request.json().await?;
//!     user.age += 1;
//!     response.status(200).json(&user).await
//! }
//!
//! let mut scratch = testing::Scratch::new();
//! let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n";
//! let request = [head.as_bytes(), br#"{"name": "Ada\u0021", "age":36}"#].concat();
//! let answer = testing::call(&birthday, &request, &mut scratch)?;
//! assert_eq!(answer.body(), br#"{"name":"Ada!","age":37}"#);
//!
//! let request = [head.as_bytes(), br#"{"name": "Ada\u0021", "age":+1}"#].concat();
//! let answer = testing::call(&birthday, &request, &mut scratch)?;
//! assert_eq!(answer.status(), 400);
//! assert_eq!(answer.body(), b"400 Bad Request: malformed JSON: a value was expected, at byte 28\n");
//! # Ok::<(), testing::CallError>(())
//! ```

mod error;
mod nested;
mod read;
mod text;
mod write;

pub use self::{
    error::{Error, Fault},
    read::{MAX_DEPTH, read},
    write::{length, write},
};

//! Bodies larger than memory: an upload that is counted and hashed as it streams in, an answer that is made as it streams out.

use core::fmt::{self, Write as _};

use midge::{Failure, Method, Request, Response, Sent};
use sha2::{Digest, Sha256};

/// `POST /upload` answers with the body's length and SHA-256; `GET /lines` answers with a million numbered lines.
///
/// # Errors
///
/// What is wrong with the body, or 404 for everything else.
pub async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match (request.method(), request.path()) {
        (Method::Post | Method::Put, "/upload") => upload(request, response).await,
        (Method::Get | Method::Head, "/lines") => lines(response).await,
        (_, "/upload") => response.status(405).header("allow", "POST, PUT").empty().await,
        (_, "/lines") => response.status(405).header("allow", "GET, HEAD").empty().await,
        _ => Err(Failure::new(404).because("there are /upload and /lines")),
    }
}

async fn upload(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    while let Some(chunk) = request.body().chunk().await? {
        bytes += chunk.len() as u64;
        hash.update(&*chunk);
    }
    let mut line = Line::default();
    write!(line, "{bytes} bytes, sha256 ").map_err(|_| Failure::new(500))?;
    for byte in hash.finalize() {
        write!(line, "{byte:02x}").map_err(|_| Failure::new(500))?;
    }
    line.push(b"\n");
    response.status(200).header("content-type", "text/plain").body(line.as_bytes()).await
}

async fn lines(response: Response<'_>) -> Result<Sent, Failure> {
    let mut body = response.status(200).header("content-type", "text/plain").stream().await?;
    for number in 1..=LINES {
        let mut line = Line::default();
        writeln!(line, "line {number} of {LINES}").map_err(|_| Failure::new(500))?;
        body.write(line.as_bytes()).await?;
    }
    body.finish().await
}

/// Lines of the answer to `/lines`.
pub const LINES: u32 = 1_000_000;

/// A line being written, on the stack.
struct Line {
    bytes: [u8; 128],
    length: usize,
}

impl Line {
    fn push(&mut self, text: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + text.len()) {
            place.copy_from_slice(text);
            self.length += text.len();
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.bytes.len() - self.length < text.len() {
            return Err(fmt::Error);
        }
        self.push(text.as_bytes());
        Ok(())
    }
}

//! A handler for each kind of request, none of which allocates but the one that is there for it.

use std::{
    fmt::{self, Write},
    sync::LazyLock,
};

use midge::{Failure, Handler as _, Request, Response, Sent};
use midge_counting_allocator::of_this_thread;
use midge_examples::websocket::Sockets;
use midge_tcp::files::Files;

use crate::{data::data, routed::routed};

/// Made by the first request that wants it, before anything is counted.
static SOCKETS: LazyLock<Sockets> = LazyLock::new(|| Sockets::new(8));
/// A directory with a file of a megabyte, and no other.
static FILES: LazyLock<Result<Files, midge_tcp::Error>> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("midge-allocations-{}", std::process::id()));
    // Where it can't be made, serving it fails, and the test with it.
    let _ = std::fs::create_dir_all(directory.join("directory"));
    let _ = std::fs::write(directory.join("megabyte.txt"), [b'x'; 1_000_000]);
    Files::new(&directory)
});

/// Answers by path.
pub async fn handler(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    if request.path().starts_with("/data/") {
        return data(request, response).await;
    }
    if request.path().starts_with("/routed/") {
        return routed(request, response).await;
    }
    let mut line = Line::default();
    match request.path() {
        "/" => response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await,
        "/allocations" => {
            line.print(format_args!("allocations so far: {}\n", of_this_thread()))?;
            response.status(200).body(line.as_bytes()).await
        }
        "/count" => {
            let mut bytes = 0;
            while let Some(chunk) = request.body().chunk().await? {
                bytes += chunk.len();
            }
            let trailers = request.body().trailers().map_or(0, |trailers| trailers.len());
            line.print(format_args!("{bytes} bytes, trailers {trailers}"))?;
            response.status(200).body(line.as_bytes()).await
        }
        "/all" => {
            let bytes = request.body().all().await?.len();
            line.print(format_args!("{bytes} bytes in one piece"))?;
            response.status(200).body(line.as_bytes()).await
        }
        "/stream" => {
            // More than the output buffer holds, so that the handler waits for room.
            let mut body = response.status(200).stream().await?;
            for _ in 0..24 {
                body.write([b'x'; 1_024]).await?;
            }
            body.flush().await?;
            body.write("the end").await?;
            body.finish().await
        }
        "/upgrade" => {
            let mut upgraded = response.status(101).upgrade("echo").await?;
            let mut buffer = [0; 64];
            loop {
                let count = upgraded.read(&mut buffer).await?;
                if count == 0 {
                    return upgraded.finish().await;
                }
                upgraded.write(buffer.get(..count).unwrap_or_default()).await?;
                upgraded.flush().await?;
            }
        }
        path if path.starts_with("/files") => {
            let path = path.strip_prefix("/files").unwrap_or_default();
            FILES.as_ref().map_err(|_| Failure::new(500))?.serve(path, &request, response).await
        }
        "/echo" | "/chat" => SOCKETS.handle(request, response).await,
        #[cfg(feature = "arena")]
        "/arena" => {
            let numbers = request.arena().alloc_slice_fill_iter(0..1_000_u32);
            let sum = request.arena().alloc(numbers.iter().sum::<u32>());
            line.print(format_args!("sum {sum}"))?;
            response.status(200).body(line.as_bytes()).await
        }
        "/vec" => {
            let bytes = std::hint::black_box(Vec::<u8>::with_capacity(100)).capacity();
            line.print(format_args!("{bytes} bytes on the heap"))?;
            response.status(200).body(line.as_bytes()).await
        }
        path => match path.strip_prefix("/bytes/").and_then(|count| count.parse::<usize>().ok()) {
            Some(count) => {
                let mut body = response.status(200).length(count as u64).stream().await?;
                let mut left = count;
                while left > 0 {
                    let block = [b'y'; 8_192];
                    let part = block.get(..left.min(block.len())).unwrap_or_default();
                    body.write(part).await?;
                    left -= part.len();
                }
                body.finish().await
            }
            None => Err(Failure::new(404).because("nothing here")),
        },
    }
}

/// Text on the stack.
struct Line {
    bytes: [u8; 64],
    length: usize,
}

impl Line {
    fn print(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.write_fmt(text).map_err(|_| Failure::new(500))
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; 64], length: 0 }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let place = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

//! Files of a directory as a handler.

mod open;
mod path;
#[cfg(target_os = "linux")]
pub(crate) mod send;

use std::{
    fmt::{self, Write as _},
    io,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use midge::{BodyStream, EntityTag, Failure, Handler, Method, Representation, Request, Response, Selected, Sent};
use rustix::{
    fs::{CWD, Mode, OFlags, Stat, openat},
    io::{Errno, pread},
};

use self::{
    open::{Found, find},
    path::{Name, Refused},
};
use crate::Error;

/// The files below a directory, by `GET` and `HEAD`.
///
/// ```no_run
/// # fn main() -> Result<(), midge_tcp::Error> {
/// let files = midge_tcp::files::Files::new("public")?;
/// midge_tcp::Server::bind("127.0.0.1:8080")?.run(files)
/// # }
/// ```
///
/// - **Which file** a path means is decoded once. Nothing leads out of the directory: no `..`, no encoded slash, and no symbolic link (on Linux
///   5.6 and later those that stay below it are followed; elsewhere none is). Names that begin with a dot are not served, but for
///   `/.well-known`. Pipes, devices and sockets are not served either. What isn't served is 404; a path that can't be a name is 400.
/// - **A directory** is redirected to its path with a slash, and there answered with its `index.html`; there are no listings.
/// - **Conditions and ranges** are answered as [`midge::select`] decides. The entity tag is made of inode, length and time of change; it is weak
///   within two seconds of the change, when another could leave it as it is.
/// - **The bytes** go from the system's cache to the socket by `sendfile` on Linux, if they are more than 15 KiB and the connection isn't under
///   TLS; else they are read into the slot's output buffer, one buffer at a time. Nothing is allocated. A file that shrinks meanwhile has its answer cut, one
///   that grows is served in its old length. Reading blocks the worker where the file is not in the system's cache.
#[derive(Debug)]
pub struct Files {
    root: OwnedFd,
    dot_files: bool,
}

impl Files {
    /// The files below `directory`, which is found now: should it be renamed, it stays the same one.
    ///
    /// # Errors
    ///
    /// There is no such directory, or it may not be read.
    pub fn new(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        match openat(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(root) => Ok(Self { root, dot_files: false }),
            Err(error) => {
                let error = io::Error::from(error);
                Err(Error::setting(format!("cannot serve the directory {}: {error}", directory.display())))
            }
        }
    }

    /// Whether names that begin with a dot are served too. Default false.
    #[must_use]
    pub const fn dot_files(mut self, served: bool) -> Self {
        self.dot_files = served;
        self
    }

    /// Answers with the file at `path`, percent-encoded, below the directory: for handlers that serve it under a prefix.
    ///
    /// # Errors
    ///
    /// 404, 400 for a path that can't be a name, 503 when the process is out of descriptors; and what cuts an answer that has begun.
    pub async fn serve(&self, path: &str, request: &Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return response.status(405).header("allow", "GET, HEAD").empty().await;
        }
        let (file, kind) = match self.file(path, request.path())? {
            Some(found) => found,
            None => return redirect(request, response).await,
        };
        let tag = Tag::of(&file);
        let current = Representation::new(file.length).etag(tag.entity_tag()).modified(file.modified.min(file.now));
        let current = current.modified_is_strong(file.is_settled());
        let selection = request.select(Some(&current));
        let head = response.selected(&selection);
        if !matches!(selection.outcome(), Selected::Whole | Selected::Part(_)) {
            return head.empty().await;
        }
        let charset = if kind.starts_with("text/") { "; charset=utf-8" } else { "" };
        let head = head.header_fmt("content-type", format_args!("{kind}{charset}"));
        // It is what it says it is, whatever it looks like.
        let mut body = head.header("x-content-type-options", "nosniff").stream().await?;
        if request.method() == Method::Get {
            let range = selection.range();
            let (descriptor, mut at) = sent(&mut body, file.descriptor, range.clone()).await?;
            while let Some(descriptor) = descriptor.as_ref().filter(|_| at < range.end) {
                match body.write_with(|space| read(descriptor, space, at)).await? {
                    // It has become shorter: what was promised can't be kept, and is seen not to be.
                    Ok(0) | Err(_) => return Err(Failure::new(500)),
                    Ok(count) => at += count as u64,
                }
            }
        }
        body.finish().await
    }

    /// The file at `path`, and its media type; nothing if it is a directory whose path lacks the slash.
    fn file(&self, path: &str, whole: &str) -> Result<Option<(File, &'static str)>, Failure> {
        if path.is_empty() && !whole.ends_with('/') {
            return Ok(None);
        }
        let name = Name::read(path, self.dot_files).map_err(|refused| match refused {
            Refused::Malformed => Failure::new(400).because("the path can't be the name of a file"),
            Refused::NotFound => Failure::new(404),
        })?;
        match find(self.root.as_fd(), &name) {
            Ok(Found::File(descriptor, stat)) => {
                let kind = mime_guess::from_ext(name.extension()).first_raw().unwrap_or("application/octet-stream");
                Ok(Some((File::new(descriptor, &stat), kind)))
            }
            // An index that is a directory is no index.
            Ok(Found::Directory) if whole.ends_with('/') => Err(Failure::new(404)),
            Ok(Found::Directory) => Ok(None),
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => Err(Failure::new(503)),
            // That it is there, and may not be read, is nobody's business.
            Err(_) => Err(Failure::new(404)),
        }
    }
}

impl Handler for Files {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        self.serve(request.path(), &request, response).await
    }
}

/// To the same path with a slash: relative to where it is, so that it leads nowhere else whatever stands before it.
async fn redirect(request: &Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let part = request.path().rsplit('/').next().unwrap_or_default();
    let (mark, query) = request.query().map_or(("", ""), |query| ("?", query));
    response.status(301).header_fmt("location", format_args!("./{part}/{mark}{query}")).empty().await
}

/// Lets the kernel send what it can of a large file. Gives the file back, and where it has to be read from.
#[cfg(target_os = "linux")]
async fn sent(body: &mut BodyStream<'_>, file: OwnedFd, range: Range<u64>) -> Result<(Option<OwnedFd>, u64), Failure> {
    if range.end.saturating_sub(range.start) <= send::LEAST {
        return Ok((Some(file), range.start));
    }
    send::send(body, file, range).await
}

/// Elsewhere all of it is read.
#[cfg(not(target_os = "linux"))]
async fn sent(_: &mut BodyStream<'_>, file: OwnedFd, range: Range<u64>) -> Result<(Option<OwnedFd>, u64), Failure> {
    Ok((Some(file), range.start))
}

fn read(file: &OwnedFd, space: &mut [u8], at: u64) -> Result<usize, Errno> {
    loop {
        match pread(file, &mut *space, at) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// An open file, and how it was then.
struct File {
    descriptor: OwnedFd,
    inode: u64,
    length: u64,
    /// Seconds since 1970, and the rest.
    modified: u64,
    nanos: u64,
    now: u64,
}

impl File {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "the types differ from one system to the other"
    )]
    fn new(descriptor: OwnedFd, stat: &Stat) -> Self {
        Self {
            descriptor,
            inode: stat.st_ino as u64,
            length: u64::try_from(stat.st_size).unwrap_or(0),
            // What was changed before 1970 was changed then.
            modified: u64::try_from(stat.st_mtime).unwrap_or(0),
            nanos: stat.st_mtime_nsec as u64,
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }

    /// Whether a change from now on is seen by its time.
    fn is_settled(&self) -> bool {
        self.modified.saturating_add(2) <= self.now
    }
}

/// The text of an entity tag.
struct Tag {
    bytes: [u8; 80],
    length: usize,
    is_weak: bool,
}

impl Tag {
    fn of(file: &File) -> Self {
        let mut tag = Self { bytes: [0; 80], length: 0, is_weak: !file.is_settled() };
        // Four numbers of 16 digits fit.
        let _ = write!(tag, "{:x}-{:x}-{:x}.{:x}", file.inode, file.length, file.modified, file.nanos);
        tag
    }

    fn entity_tag(&self) -> Option<EntityTag<'_>> {
        let text = std::str::from_utf8(self.bytes.get(..self.length)?).ok()?;
        if self.is_weak { EntityTag::weak(text) } else { EntityTag::strong(text) }
    }
}

impl fmt::Write for Tag {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.saturating_add(text.len());
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

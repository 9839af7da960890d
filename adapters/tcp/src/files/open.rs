//! Opening a file below a directory, and nowhere else.

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{FileType, Mode, OFlags, Stat, fstat, openat},
    io::Errno,
};

use super::path::Name;

/// Without `NONBLOCK`, opening a pipe would wait for its writer. What was opened is looked at before it is read.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// What a name stands for.
pub(super) enum Found {
    File(OwnedFd, Stat),
    Directory,
}

/// Opens what `name` stands for below `root`. Pipes, devices and sockets are as if they weren't there.
pub(super) fn find(root: BorrowedFd<'_>, name: &Name) -> Result<Found, Errno> {
    let file = open(root, name)?;
    let stat = fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Found::File(file, stat)),
        FileType::Directory => Ok(Found::Directory),
        _ => Err(Errno::NOENT),
    }
}

/// The kernel looks that no link leads out, whatever changes meanwhile.
#[cfg(target_os = "linux")]
fn open(root: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    for _ in 0..RACES {
        match openat2(root, name.as_c_str(), FILE, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            // Something was renamed on the way.
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Linux before 5.6, or a sandbox that doesn't know the call.
            Err(Errno::NOSYS | Errno::PERM) => return walk(root, name),
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
fn open(root: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, Errno> {
    walk(root, name)
}

/// Part by part, through no link at all.
fn walk(root: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, Errno> {
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut parts = name.as_bytes().split(|byte| *byte == b'/').peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_some() { directory } else { FILE | OFlags::NOFOLLOW };
        // A part has no more than 255 bytes, and no NUL.
        let mut buffer = [0; 256];
        buffer.get_mut(..part.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
        let part = CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::NAMETOOLONG)?;
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        at = Some(openat(from, part, flags, Mode::empty())?);
    }
    at.ok_or(Errno::NOENT)
}

/// How often a path is tried that changes while it is walked.
#[cfg(target_os = "linux")]
const RACES: usize = 8;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::{fs, os::unix::fs::symlink, process};

    use super::*;

    /// The way of systems that have no `openat2` opens what is there, and follows nothing.
    #[test]
    fn the_walk_goes_through_no_link() {
        let base = std::env::temp_dir().join(format!("midge-walk-{}", process::id()));
        fs::create_dir_all(base.join("root/a/b")).unwrap();
        fs::write(base.join("secret"), "secret").unwrap();
        fs::write(base.join("root/a/b/file"), "file").unwrap();
        symlink(base.join("secret"), base.join("root/out")).unwrap();
        symlink("../..", base.join("root/a/up")).unwrap();
        symlink("a", base.join("root/inside")).unwrap();
        let root = fs::File::open(base.join("root")).unwrap();
        let walk = |path| walk(root.as_fd(), &Name::read(path, false).unwrap());
        assert!(walk("/a/b/file").is_ok());
        assert!(walk("/a/b").is_ok());
        for (path, error) in [
            ("/out", [Errno::LOOP, Errno::MLINK]),
            ("/a/up/secret", [Errno::LOOP, Errno::NOTDIR]),
            ("/inside/b/file", [Errno::LOOP, Errno::NOTDIR]),
            ("/a/b/file/c", [Errno::NOTDIR, Errno::NOENT]),
            ("/none", [Errno::NOENT, Errno::NOENT]),
        ] {
            assert!(error.contains(&walk(path).unwrap_err()), "{path}");
        }
        fs::remove_dir_all(base).unwrap();
    }
}

//! From the path of a request to the name of a file.

use std::ffi::CStr;

use midge::PercentEncoded;

/// The longest name, in bytes, from the served directory on.
const MOST: usize = 1_024;
/// The longest part of one, as file systems have it.
const LONGEST_PART: usize = 255;

/// What a directory shows.
const INDEX: &[u8] = b"index.html";

/// Why a path names no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It can't be the name of one, and whoever sent it is up to something: 400.
    Malformed,
    /// There is none that is served: 404.
    NotFound,
}

/// A name below the served directory: no part of it is empty, `.` or `..`, and it ends with NUL.
#[derive(Debug)]
pub(super) struct Name {
    bytes: [u8; MOST + 1],
    length: usize,
}

impl Name {
    /// Reads a path: its parts are decoded once, and what is decoded divides no parts.
    pub(super) fn read(path: &str, dot_files: bool) -> Result<Self, Refused> {
        let mut name = Self { bytes: [0; MOST + 1], length: 0 };
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut parts = path.split('/').peekable();
        let mut is_first = true;
        while let Some(part) = parts.next() {
            if part.is_empty() && parts.peek().is_none() {
                name.part(INDEX)?;
                return Ok(name);
            }
            let mut buffer = [0; LONGEST_PART];
            let part = decode(part, &mut buffer)?;
            match part {
                b"" | b"." | b".." => return Err(Refused::NotFound),
                // RFC 8615: it is there for everybody.
                b".well-known" if is_first => {}
                [b'.', ..] if !dot_files => return Err(Refused::NotFound),
                _ => {}
            }
            name.part(part)?;
            is_first = false;
        }
        Ok(name)
    }

    fn part(&mut self, part: &[u8]) -> Result<(), Refused> {
        let separator: &[u8] = if self.length == 0 { b"" } else { b"/" };
        for bytes in [separator, part] {
            let end = self.length.saturating_add(bytes.len());
            // The last byte stays NUL.
            let place = self.bytes.get_mut(self.length..end).filter(|_| end <= MOST).ok_or(Refused::NotFound)?;
            place.copy_from_slice(bytes);
            self.length = end;
        }
        Ok(())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    /// What stands behind the last dot of its last part.
    pub(super) fn extension(&self) -> &str {
        let part = self.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let extension = part.iter().rposition(|byte| *byte == b'.').and_then(|dot| part.get(dot + 1..));
        std::str::from_utf8(extension.unwrap_or_default()).unwrap_or_default()
    }
}

/// Takes the percent-encoding off one part. A slash, a backslash or a NUL that was hidden in it is an attack, and not a name.
fn decode<'b>(part: &str, buffer: &'b mut [u8; LONGEST_PART]) -> Result<&'b [u8], Refused> {
    let encoded = PercentEncoded::new(part);
    let mut length = 0;
    let mut fits = true;
    for byte in encoded.bytes() {
        match byte {
            Ok(b'/' | b'\\' | 0) | Err(_) => return Err(Refused::Malformed),
            Ok(byte) => match buffer.get_mut(length) {
                Some(place) => {
                    *place = byte;
                    length += 1;
                }
                None => fits = false,
            },
        }
    }
    buffer.get(..length).filter(|_| fits).ok_or(Refused::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<String, Refused> {
        let name = Name::read(path, false)?;
        assert_eq!(name.as_c_str().to_bytes(), name.as_bytes());
        Ok(String::from_utf8_lossy(name.as_bytes()).into_owned())
    }

    #[test]
    fn names_are_decoded_once() {
        for (path, wanted) in [
            ("/", "index.html"),
            ("", "index.html"),
            ("/a/", "a/index.html"),
            ("/a/b.txt", "a/b.txt"),
            ("a/b.txt", "a/b.txt"),
            ("/a%20b+c", "a b+c"),
            ("/%2541", "%41"),
            ("/caf%C3%A9", "café"),
            ("/%69ndex.html", "index.html"),
            ("/.well-known/acme", ".well-known/acme"),
            ("/...", "..."),
        ] {
            let wanted = if path == "/..." { Err(Refused::NotFound) } else { Ok(wanted.to_owned()) };
            assert_eq!(read(path), wanted, "{path}");
        }
    }

    #[test]
    fn nothing_leads_up_or_hides_a_separator() {
        for path in [
            "/..",
            "/../a",
            "/a/..",
            "/a/../b",
            "/%2e%2e/a",
            "/.%2E/a",
            "/.",
            "/a/./b",
            "/%2e",
            "//",
            "//a",
            "/a//b",
            "/a//",
        ] {
            assert_eq!(read(path), Err(Refused::NotFound), "{path}");
        }
        for path in [
            "/a%2fb",
            "/..%2Fa",
            "/..%2F..%2Fetc",
            "/a%5Cb",
            "/..\\a",
            "/a%00",
            "/%00",
            "/a%",
            "/a%4",
            "/a%zz",
            "/%2%65",
        ] {
            assert_eq!(read(path), Err(Refused::Malformed), "{path}");
        }
    }

    #[test]
    fn dot_files_are_hidden_unless_they_are_asked_for() {
        for path in ["/.git/config", "/a/.env", "/%2egit", "/a/.well-known/b"] {
            assert_eq!(read(path), Err(Refused::NotFound), "{path}");
            assert!(Name::read(path, true).is_ok());
        }
        assert_eq!(Name::read("/..", true).err(), Some(Refused::NotFound));
    }

    #[test]
    fn names_that_no_file_system_has_are_not_looked_for() {
        assert!(read(&"a".repeat(LONGEST_PART)).is_ok());
        assert_eq!(read(&"a".repeat(LONGEST_PART + 1)), Err(Refused::NotFound));
        let deep = "a/".repeat(MOST);
        assert_eq!(read(&deep), Err(Refused::NotFound));
        assert!(read(&"aaa/".repeat(MOST / 4 - 3)).is_ok());
    }

    #[test]
    fn extensions() {
        for (path, wanted) in
            [("/a.txt", "txt"), ("/a.tar.gz", "gz"), ("/a.b/c", ""), ("/a", ""), ("/a.", ""), ("/", "html")]
        {
            assert_eq!(
                Name::read(path, false).map(|name| name.extension().to_owned()),
                Ok(wanted.to_owned()),
                "{path}"
            );
        }
    }
}

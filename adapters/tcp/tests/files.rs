//! A directory's files over real sockets.

#![cfg(feature = "files")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::symlink, net::UnixListener},
    path::PathBuf,
    process::{self, Command},
    time::{Duration, SystemTime},
};

use common::{Answer, Client, beside, server};
use midge::{Failure, Request, Response, Sent};
use midge_tcp::files::Files;

/// A directory `public` with a secret beside it; removed in the end.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let base = std::env::temp_dir().join(format!("midge-files-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(base.join("public/dir/empty")).unwrap();
        let tree = Self(base);
        fs::write(tree.0.join("secret.txt"), "secret").unwrap();
        tree.write("index.html", "<p>index");
        tree.write("dir/index.html", "<p>of dir");
        tree.write("letters.txt", "abcdefghijklmnopqrstuvwxyz");
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join("public").join(name)
    }

    /// A file that was written long ago, so that its entity tag is strong.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut file = File::create(self.path(name)).unwrap();
        file.write_all(content.as_ref()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
    }

    fn files(&self) -> Files {
        Files::new(self.0.join("public")).unwrap()
    }

    fn serve(&self, test: impl FnOnce(SocketAddr)) {
        let (server, address) = server();
        beside(server, self.files(), || test(address)).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn get(address: SocketAddr, path: &str, fields: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    client.answer().unwrap()
}

fn field(answer: &Answer, name: &str) -> Option<String> {
    answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
}

#[test]
fn files_and_indexes_come_with_their_types() {
    let tree = Tree::new("types");
    tree.write("script.js", "1");
    tree.write("data.json", "{}");
    tree.write("unknown.thing", "?");
    tree.write("image.PNG", "png");
    tree.write("a b%.txt", "blank");
    tree.serve(|address| {
        for (path, kind, body) in [
            ("/", "text/html; charset=utf-8", "<p>index"),
            ("/index.html", "text/html; charset=utf-8", "<p>index"),
            ("/dir/", "text/html; charset=utf-8", "<p>of dir"),
            ("/letters.txt", "text/plain; charset=utf-8", "abcdefghijklmnopqrstuvwxyz"),
            ("/letters.txt?query", "text/plain; charset=utf-8", "abcdefghijklmnopqrstuvwxyz"),
            ("/script.js", "text/javascript; charset=utf-8", "1"),
            ("/data.json", "application/json", "{}"),
            ("/image.PNG", "image/png", "png"),
            ("/unknown.thing", "application/octet-stream", "?"),
            ("/a%20b%25.txt", "text/plain; charset=utf-8", "blank"),
        ] {
            let answer = get(address, path, "");
            assert_eq!((answer.status(), answer.body.as_str()), (200, body), "{path}");
            assert_eq!(field(&answer, "content-type").as_deref(), Some(kind), "{path}");
            assert_eq!(field(&answer, "x-content-type-options").as_deref(), Some("nosniff"));
            assert_eq!(field(&answer, "last-modified").as_deref(), Some("sun, 06 nov 1994 08:49:37 gmt"));
            assert_eq!(field(&answer, "accept-ranges").as_deref(), Some("bytes"));
        }
    });
}

#[test]
fn head_has_the_length_and_other_methods_are_refused() {
    let tree = Tree::new("methods");
    tree.write("nothing", "");
    tree.serve(|address| {
        let mut client = Client::connect(address);
        for (path, length) in [("/letters.txt", 26), ("/nothing", 0)] {
            client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let mut byte = [0];
                client.reader.read_exact(&mut byte).unwrap();
                head.push(char::from(byte[0]));
            }
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert!(head.contains(&format!("\r\ncontent-length: {length}\r\n")), "{head}");
        }
        assert_eq!(client.get("/nothing").body, "");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            client.send(format!("{method} /letters.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
            let answer = client.answer().unwrap();
            assert_eq!((answer.status(), field(&answer, "allow").as_deref()), (405, Some("get, head")));
        }
    });
}

#[test]
fn a_directory_is_redirected_to_its_slash() {
    let tree = Tree::new("redirect");
    fs::create_dir(tree.path("a:b")).unwrap();
    tree.serve(|address| {
        for (path, location) in [
            ("/dir", "./dir/"),
            ("/dir?a=b", "./dir/?a=b"),
            ("/dir/empty", "./empty/"),
            ("/a:b", "./a:b/"),
            ("/%64ir", "./%64ir/"),
        ] {
            let answer = get(address, path, "");
            assert_eq!((answer.status(), field(&answer, "location").as_deref()), (301, Some(location)), "{path}");
        }
        for path in ["/dir/empty/", "/letters.txt/", "/none", "/none/", "//dir", "/dir//"] {
            assert_eq!(get(address, path, "").status(), 404, "{path}");
        }
    });
}

#[test]
fn nothing_leads_out() {
    let tree = Tree::new("out");
    let secret = tree.0.join("secret.txt");
    symlink(&secret, tree.path("absolute")).unwrap();
    symlink("../secret.txt", tree.path("relative")).unwrap();
    symlink("..", tree.path("up")).unwrap();
    symlink("/", tree.path("root")).unwrap();
    symlink("/proc/self/fd", tree.path("magic")).unwrap();
    symlink("loop", tree.path("loop")).unwrap();
    symlink("letters.txt", tree.path("inside")).unwrap();
    tree.write(".env", "secret");
    fs::create_dir(tree.path(".git")).unwrap();
    tree.write(".git/config", "secret");
    fs::create_dir(tree.path(".well-known")).unwrap();
    tree.write(".well-known/open", "open");
    tree.serve(|address| {
        for path in [
            "/../secret.txt",
            "/dir/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/%2E./secret.txt",
            "/absolute",
            "/relative",
            "/up/secret.txt",
            "/root/etc/passwd",
            "/magic/0",
            "/loop",
            "/.env",
            "/%2eenv",
            "/.git/config",
            "/.git",
            "/dir/.",
            "/./letters.txt",
        ] {
            let answer = get(address, path, "");
            assert_eq!(answer.status(), 404, "{path}");
            assert!(!answer.body.contains("secret"), "{path}");
        }
        for path in [
            "/..%2fsecret.txt",
            "/..%5csecret.txt",
            "/dir%2findex.html",
            "/letters.txt%00",
            "/letters.txt%00.html",
            "/a%zz",
            "/a%2",
        ] {
            assert_eq!(get(address, path, "").status(), 400, "{path}");
        }
        assert_eq!(get(address, "/.well-known/open", "").body, "open");
        if cfg!(target_os = "linux") {
            assert_eq!(get(address, "/inside", "").body, "abcdefghijklmnopqrstuvwxyz");
        }
    });
    let (server, address) = server();
    beside(server, tree.files().dot_files(true), || assert_eq!(get(address, "/.env", "").body, "secret")).unwrap();
}

/// A pipe would be waited for, by whoever opens or reads it.
#[test]
fn pipes_and_sockets_are_refused_at_once() {
    let tree = Tree::new("pipes");
    assert!(Command::new("mkfifo").arg(tree.path("pipe")).status().unwrap().success());
    let _listener = UnixListener::bind(tree.path("socket")).unwrap();
    tree.serve(|address| {
        for path in ["/pipe", "/socket"] {
            assert_eq!(get(address, path, "").status(), 404, "{path}");
        }
        assert_eq!(get(address, "/", "").status(), 200);
    });
}

#[test]
fn conditions_and_ranges() {
    let tree = Tree::new("conditions");
    tree.serve(|address| {
        let path = "/letters.txt";
        let etag = field(&get(address, path, ""), "etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (fields, status, body) in [
            ("Range: bytes=0-4\r\n".to_owned(), 206, "abcde"),
            ("Range: bytes=20-\r\n".to_owned(), 206, "uvwxyz"),
            ("Range: bytes=-3\r\n".to_owned(), 206, "xyz"),
            ("Range: bytes=5-1000\r\n".to_owned(), 206, "fghijklmnopqrstuvwxyz"),
            ("Range: bytes=26-\r\n".to_owned(), 416, ""),
            ("Range: lines=1-2\r\n".to_owned(), 200, "abcdefghijklmnopqrstuvwxyz"),
            (format!("If-None-Match: {etag}\r\n"), 304, ""),
            (format!("If-None-Match: W/{etag}\r\n"), 304, ""),
            (format!("If-Modified-Since: {date}\r\n"), 304, ""),
            ("If-Match: \"other\"\r\n".to_owned(), 412, ""),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".to_owned(), 412, ""),
            (format!("If-Range: {etag}\r\nRange: bytes=0-0\r\n"), 206, "a"),
            (format!("If-Range: {date}\r\nRange: bytes=0-0\r\n"), 206, "a"),
            ("If-Range: \"other\"\r\nRange: bytes=0-0\r\n".to_owned(), 200, "abcdefghijklmnopqrstuvwxyz"),
        ] {
            let mut client = Client::connect(address);
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
            let answer = client.answer().unwrap();
            assert_eq!((answer.status(), answer.body.as_str()), (status, body), "{fields}");
            // Nothing of it is left on the connection.
            assert_eq!(client.get("/").body, "<p>index");
        }
        let part = get(address, path, "Range: bytes=0-4\r\n");
        assert_eq!(field(&part, "content-range").as_deref(), Some("bytes 0-4/26"));
        let none = get(address, path, "Range: bytes=26-\r\n");
        assert_eq!(field(&none, "content-range").as_deref(), Some("bytes */26"));

        // Another content, length or time is another version.
        tree.write("letters.txt", "ABC");
        let answer = get(address, path, &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((answer.status(), answer.body.as_str()), (200, "ABC"));
        // One that was changed just now may change again without showing it.
        fs::write(tree.path("letters.txt"), "abc").unwrap();
        let weak = field(&get(address, path, ""), "etag").unwrap();
        assert!(weak.starts_with("w/\""), "{weak}");
        let answer = get(address, path, &format!("If-None-Match: {}\r\n", weak.replace("w/", "W/")));
        assert_eq!(answer.status(), 304);
    });
}

#[test]
fn a_large_file_comes_whole_and_in_parts() {
    let tree = Tree::new("large");
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    tree.write("large", &content);
    tree.serve(|address| {
        for (range, wanted) in [
            ("", &content[..]),
            ("Range: bytes=1000001-\r\n", &content[1_000_001..]),
            ("Range: bytes=16383-32768\r\n", &content[16_383..32_769]),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{range}\r\n").unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let body = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            assert!(answer[body..] == *wanted, "{range}");
        }
    });
}

/// Asks for a file of 64 MiB, which no socket's buffers hold, and gives what is left of the answer when its head is here.
fn begun(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.ask("/growing");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.reader.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.contains(&format!("content-length: {LARGE}\r\n")), "{head}");
    client
}

const LARGE: u64 = 64 << 20;

#[test]
fn a_file_that_shrinks_has_its_answer_cut() {
    let tree = Tree::new("shrinks");
    File::create(tree.path("growing")).unwrap().set_len(LARGE).unwrap();
    tree.serve(|address| {
        let mut client = begun(address);
        OpenOptions::new().write(true).open(tree.path("growing")).unwrap().set_len(100).unwrap();
        let mut rest = Vec::new();
        // An end or a reset, but too early.
        let _ = client.reader.read_to_end(&mut rest);
        assert!((rest.len() as u64) < LARGE, "{}", rest.len());
        assert_eq!(get(address, "/", "").status(), 200);
    });
}

#[test]
fn a_file_that_grows_is_served_in_the_length_that_was_declared() {
    let tree = Tree::new("grows");
    File::create(tree.path("growing")).unwrap().set_len(LARGE).unwrap();
    tree.serve(|address| {
        let mut client = begun(address);
        OpenOptions::new().append(true).open(tree.path("growing")).unwrap().write_all(&[1; 100_000]).unwrap();
        let mut rest = vec![1; LARGE as usize];
        client.reader.read_exact(&mut rest).unwrap();
        assert!(rest.iter().all(|byte| *byte == 0));
        assert_eq!(client.get("/").body, "<p>index");
    });
}

/// Under a prefix, by a handler of one's own.
#[test]
fn a_handler_serves_files_under_a_prefix() {
    let tree = Tree::new("prefix");
    let files = tree.files();
    let handler = async |request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        match request.path().strip_prefix("/static") {
            Some(path) => files.serve(path, &request, response).await,
            None => response.status(200).body("elsewhere").await,
        }
    };
    let (server, address) = server();
    beside(server, handler, || {
        assert_eq!(get(address, "/static/letters.txt", "").body, "abcdefghijklmnopqrstuvwxyz");
        assert_eq!(get(address, "/static/", "").body, "<p>index");
        assert_eq!(field(&get(address, "/static", ""), "location").as_deref(), Some("./static/"));
        assert_eq!(field(&get(address, "/static/dir", ""), "location").as_deref(), Some("./dir/"));
        assert_eq!(get(address, "/letters.txt", "").body, "elsewhere");
    })
    .unwrap();
}

#[test]
fn a_directory_that_is_none_is_refused_with_its_name() {
    let tree = Tree::new("none");
    for name in ["none", "letters.txt"] {
        let error = Files::new(tree.path(name)).unwrap_err().to_string();
        assert!(error.starts_with("cannot serve the directory ") && error.contains(name), "{error}");
    }
}

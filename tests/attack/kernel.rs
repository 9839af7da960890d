//! What the kernel may refuse a server of files: each refusal has an answer, and none is a wrong one.
//!
//! strace has the system calls fail, which a kernel or a sandbox without them would do.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use midge_tests::{
    server::Server,
    wire::{Asked, Connection, Response},
};

/// A directory with a large file and a small one, and a link that leads out of it. It is gone after the test.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("midge-kernel-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("below")).unwrap();
        fs::write(root.join("large"), large()).unwrap();
        fs::write(root.join("below/small"), "small").unwrap();
        symlink("/etc/hostname", root.join("link")).unwrap();
        Self(root)
    }

    /// Serves it, with this in front of the program and its arguments.
    fn served_by(&self, mut command: Command) -> Server {
        command.arg(Server::command("files").unwrap().get_program());
        command.args(["--workers", "1", "--root"]).arg(&self.0).arg("127.0.0.1:0");
        Server::spawn(command).unwrap()
    }

    /// Serves it where a system call does what `inject` says.
    fn served_with(&self, call: &str, inject: &str) -> Server {
        let mut strace = Command::new("strace");
        // The program stays this process's own child, and strace goes with it.
        strace.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
        strace.arg("-e").arg(format!("inject={call}:{inject}"));
        self.served_by(strace)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes of which no two pieces are alike.
fn large() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn ask(connection: &mut Connection, path: &str) -> Response {
    connection.ask(Asked::new("GET"), format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    connection.receive().unwrap()
}

#[test]
fn a_file_is_read_where_the_kernel_sends_none() {
    let tree = Tree::new("sendfile");
    // At once, or after some of the file went out.
    for inject in ["error=EINVAL", "error=ENOSYS", "error=EPERM", "error=EINVAL:when=2+"] {
        let server = tree.served_with("sendfile", inject);
        let mut connection = Connection::connect(server.address()).unwrap();
        for _ in 0..2 {
            let answer = ask(&mut connection, "/large");
            assert_eq!(answer.head.status, 200, "{inject}");
            assert!(answer.content == large(), "{inject}: another content of {} bytes", answer.content.len());
        }
        let small = ask(&mut connection, "/below/small");
        assert_eq!((small.head.status, &small.content[..]), (200, &b"small"[..]));
    }
}

#[test]
fn a_file_is_found_and_no_link_followed_where_the_kernel_does_not_look() {
    let tree = Tree::new("openat2");
    for inject in ["error=ENOSYS", "error=EPERM"] {
        let server = tree.served_with("openat2", inject);
        let mut connection = Connection::connect(server.address()).unwrap();
        for (path, status) in
            [("/below/small", 200), ("/link", 404), ("/below/none", 404), ("/large/small", 404), ("/below", 301)]
        {
            assert_eq!(ask(&mut connection, path).head.status, status, "{path}");
        }
    }
}

#[test]
fn what_is_renamed_meanwhile_is_looked_for_again() {
    let tree = Tree::new("renamed");
    let server = tree.served_with("openat2", "error=EAGAIN:when=1+2");
    let mut connection = Connection::connect(server.address()).unwrap();
    assert_eq!(ask(&mut connection, "/below/small").content, b"small");
    // But not for ever.
    let server = tree.served_with("openat2", "error=EAGAIN");
    assert_eq!(ask(&mut Connection::connect(server.address()).unwrap(), "/below/small").head.status, 503);
}

#[test]
fn a_file_that_no_descriptor_is_left_for_is_answered_503_until_there_is_one() {
    let tree = Tree::new("descriptors");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 32; exec \"$0\" \"$@\""]);
    let server = tree.served_by(limited);
    let mut connection = Connection::connect(server.address()).unwrap();
    assert_eq!(ask(&mut connection, "/below/small").head.status, 200);
    // More connections than it can have. It takes them one turn after the other.
    let others: Vec<Connection> = (0..64).map(|_| Connection::connect(server.address()).unwrap()).collect();
    let mut becomes = |status: u16| (0..10_000).any(|_| ask(&mut connection, "/below/small").head.status == status);
    assert!(becomes(503));
    drop(others);
    assert!(becomes(200));
}

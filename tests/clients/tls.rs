//! curl and openssl over TLS, and certificates that are renewed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use midge_examples::stream::LINES;
use midge_tests::server::Server;
use sha2::{Digest, Sha256};

use crate::program::{printed, run, run_with};

/// Certificates by openssl, in a directory of their own that is removed in the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("midge-clients-{}-{name}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let files = Self(directory);
        files.make("cert.pem", "key.pem");
        files
    }

    fn make(&self, cert: &str, key: &str) {
        let (cert, key) = (self.path(cert), self.path(key));
        let given =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3"];
        let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
        let files = ["-keyout", key.as_str(), "-out", cert.as_str()];
        printed("openssl", run("openssl", given.into_iter().chain(names).chain(files)));
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    fn server(&self, example: &str) -> Server {
        Server::start_with(example, ["--cert", &self.path("cert.pem"), "--key", &self.path("key.pem")]).unwrap()
    }

    /// Puts `file` in the place of `of`, in one step.
    fn replace(&self, of: &str, file: &str) {
        fs::rename(self.path(file), self.path(of)).unwrap();
    }

    /// curl's output, if it trusts `trusted`.
    fn try_curl<'a>(&self, trusted: &str, given: impl IntoIterator<Item = &'a str>) -> process::Output {
        self.curl_with(trusted, given, Vec::new())
    }

    fn curl_with<'a>(
        &self,
        trusted: &str,
        given: impl IntoIterator<Item = &'a str>,
        input: Vec<u8>,
    ) -> process::Output {
        let trusted = self.path(trusted);
        let all = ["--disable", "--silent", "--show-error", "--noproxy", "*", "--cacert", &trusted];
        let given = given.into_iter().map(str::to_owned);
        run_with("curl", all.into_iter().map(str::to_owned).chain(given), input)
    }

    fn curl<'a>(&self, given: impl IntoIterator<Item = &'a str>) -> String {
        printed("curl", self.try_curl("cert.pem", given))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn url(server: &Server, path: &str) -> String {
    format!("https://localhost:{}{path}", server.address().port())
}

/// `openssl s_client` with `input` for it to send: all that it said.
fn openssl(server: &Server, given: &[&str], input: &[u8]) -> String {
    let address = server.address().to_string();
    let arguments = ["s_client", "-connect", &address].into_iter().chain(given.iter().copied());
    let output = run_with("openssl", arguments, input.to_vec());
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn curl_agrees_on_http_1_1_and_keeps_the_connection() {
    let files = Files::new("curl");
    let server = files.server("hello");
    for version in ["1.2", "1.3"] {
        let urls: Vec<_> = (0..3).map(|number| url(&server, &format!("/{number}"))).collect();
        let format = "\n%{num_connects} %{http_version} %{http_code}\n";
        let given = ["--tls-max", version, "--http2", "--write-out", format];
        let said = files.curl(given.into_iter().chain(urls.iter().map(String::as_str)));
        let line = |connects| format!("Hello, World!\n{connects} 1.1 200\n");
        assert_eq!(said, [line(1), line(0), line(0)].concat());
    }
    let said = files.curl(["--http1.0", "--include", &url(&server, "/")]);
    assert!(said.contains("connection: close") && said.ends_with("Hello, World!"), "{said}");
}

#[test]
fn curl_sends_and_gets_megabytes() {
    let files = Files::new("megabytes");
    let server = files.server("stream");
    let upload: Vec<u8> = (0..1_000_000).map(|index| (index % 251) as u8).collect();
    let hash: String = Sha256::digest(&upload).iter().map(|byte| format!("{byte:02x}")).collect();
    let given = ["--upload-file", "-", &url(&server, "/upload")];
    let said = printed("curl", files.curl_with("cert.pem", given, upload));
    assert_eq!(said, format!("1000000 bytes, sha256 {hash}\n"));
    // 23 million bytes: to a client slow enough that the handler waits for it, and up to the connection's end, which curl
    // takes for an error if nobody said goodbye.
    for given in [["--limit-rate", "20M"], ["--http1.0", "--no-alpn"]] {
        let lines = files.curl(given.into_iter().chain([url(&server, "/lines").as_str()]));
        assert_eq!(lines.lines().count(), LINES as usize);
        assert!(lines.ends_with(&format!("line {LINES} of {LINES}\n")));
    }
}

#[test]
fn openssl_finds_two_versions_one_protocol_and_no_renegotiation() {
    let files = Files::new("openssl");
    let server = files.server("hello");
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = openssl(&server, &[version, "-alpn", "http/1.1", "-ign_eof"], ask);
        assert!(said.contains(name) && said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("HTTP/1.1 200 OK\r\n") && said.contains("Hello, World!"), "{said}");
    }
    let old = openssl(&server, &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], b"");
    assert!(old.contains("SSL alert number") && old.contains("Cipher is (NONE)"), "{old}");
    let other = openssl(&server, &["-alpn", "h2"], b"");
    assert!(other.contains("no application protocol"), "{other}");
    // A line with an R asks for a new handshake.
    let again = openssl(&server, &["-tls1_2"], b"R\n");
    assert!(again.contains("RENEGOTIATING") && again.contains("no renegotiation"), "{again}");
}

#[test]
fn plain_http_on_the_port_of_tls_ends_in_order() {
    let files = Files::new("plain");
    let server = files.server("hello");
    let output = files.try_curl("cert.pem", [format!("http://{}/", server.address()).as_str()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The alert, which is no HTTP; not a reset, and not a wait.
    assert!(said.contains("HTTP/0.9"), "{said}");
    assert_eq!(files.curl([url(&server, "/").as_str()]), "Hello, World!");
}

fn hang_up(server: &mut Server) {
    let id = server.child().id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
}

#[test]
fn a_certificate_is_renewed_under_load_without_a_failure() {
    let files = Files::new("renewed");
    let mut server = files.server("hello");
    files.make("next.pem", "next-key.pem");
    let both = [files.path("cert.pem"), files.path("next.pem")].map(|file| fs::read_to_string(file).unwrap());
    fs::write(Path::new(&files.path("both.pem")), both.concat()).unwrap();
    fs::copy(files.path("next.pem"), files.path("new.pem")).unwrap();

    let url = url(&server, "/");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = 0;
                    while !done.load(Ordering::Relaxed) {
                        // Two on one connection, and a connection for each two.
                        let said = printed("curl", files.try_curl("both.pem", [url.as_str(), url.as_str()]));
                        assert_eq!(said, "Hello, World!Hello, World!");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        let renewed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            files.replace("cert.pem", "next.pem");
            files.replace("key.pem", "next-key.pem");
            hang_up(&mut server);
            // Soon, on both workers; a client that trusts the new one alone knows.
            (0..1_000).any(|_| (0..20).all(|_| files.try_curl("new.pem", [url.as_str()]).status.success()))
        }));
        done.store(true, Ordering::Relaxed);
        for load in load {
            assert!(load.join().unwrap() > 0);
        }
        assert!(renewed.unwrap(), "the new certificate is not in use");
    });
}

#[test]
fn a_bad_certificate_is_one_line_and_the_old_one_stays() {
    let files = Files::new("bad");
    let mut command = Server::command("hello").unwrap();
    command.args(["127.0.0.1:0", "--cert", &files.path("cert.pem"), "--key", &files.path("key.pem")]);
    command.stderr(Stdio::piped());
    let mut server = Server::spawn(command).unwrap();
    let mut stderr = BufReader::new(server.child().stderr.take().unwrap()).lines();
    fs::copy(files.path("cert.pem"), files.path("good.pem")).unwrap();
    files.make("other.pem", "other-key.pem");
    for (of, file, wanted) in
        [("key.pem", "other-key.pem", "can't be used"), ("cert.pem", "none.pem", "cannot read the certificate")]
    {
        let kept = fs::read(files.path(of)).unwrap();
        fs::remove_file(files.path(of)).unwrap();
        if Path::new(&files.path(file)).exists() {
            files.replace(of, file);
        }
        hang_up(&mut server);
        let line = stderr.next().unwrap().unwrap();
        assert!(line.starts_with("error: the certificate was not renewed, the old one stays"), "{line}");
        assert!(line.contains(wanted) && line.contains(&files.path(of)), "{line}");
        let answer = files.try_curl("good.pem", [url(&server, "/").as_str()]);
        assert_eq!(printed("curl", answer), "Hello, World!");
        fs::write(files.path(of), kept).unwrap();
    }
}

#[test]
fn files_that_cannot_be_used_end_the_program_with_one_line() {
    let files = Files::new("unusable");
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| files.path(file));
    for (given, wanted) in [
        (vec!["--cert", &cert], "--cert and --key go together"),
        (vec!["--cert", &key, "--key", &key], "holds no PEM section with the certificate"),
        (vec!["--cert", "none", "--key", &key], "cannot read the certificate none: "),
    ] {
        let mut command = Server::command("hello").unwrap();
        let output = command.arg("127.0.0.1:0").args(given).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.lines().count() == 1 && said.contains(wanted), "{said}");
    }
}

//! The examples' command line: an address, a number of workers, `--help`.

use std::{io::Write as _, process::ExitCode};

use midge::Handler;
use midge_tcp::Server;
use pico_args::Arguments;

/// Serves a handler where the command line or the environment says, until it is told to stop.
///
/// `usage` is what `--help` prints first; `flags` reads the example's own flags and makes its handler; `tune` sets what the
/// example needs otherwise than by default.
pub fn serve<H: Handler + Sync>(
    usage: &str,
    flags: impl FnOnce(&mut Arguments) -> H,
    tune: impl FnOnce(Server) -> Server,
) -> ExitCode {
    let mut arguments = Arguments::from_env();
    if arguments.contains(["-h", "--help"]) {
        println!("{usage}\n{COMMON}");
        return ExitCode::SUCCESS;
    }
    let handler = flags(&mut arguments);
    match bind(arguments).map(tune).and_then(|server| run(server, handler)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn bind(mut arguments: Arguments) -> Result<Server, String> {
    let secure = tls(&mut arguments)?;
    let workers: Option<usize> = arguments.opt_value_from_str("--workers").map_err(|error| error.to_string())?;
    let mut free = arguments.finish().into_iter();
    let address =
        free.next().map(|address| address.into_string().map_err(|bad| format!("{bad:?} is not text"))).transpose()?;
    if let Some(flag) = address.as_deref().filter(|address| address.starts_with('-')) {
        return Err(format!("unknown flag {flag}; --help lists the known ones"));
    }
    if let Some(more) = free.next() {
        return Err(format!("{more:?} is one argument too many; --help lists the known ones"));
    }
    let server = match address {
        Some(address) => match address.strip_prefix("unix:") {
            Some(path) => Server::bind_unix(path),
            None => Server::bind(address.as_str()),
        },
        None => Server::from_env(),
    };
    let server = server.map_err(|error| error.to_string())?.workers(workers.unwrap_or(0));
    Ok(secure(server))
}

/// Reads `--cert` and `--key`, and puts them to use.
#[cfg(feature = "tls")]
fn tls(arguments: &mut Arguments) -> Result<impl FnOnce(Server) -> Server + use<>, String> {
    let mut file = |flag| -> Result<Option<String>, String> {
        arguments.opt_value_from_str(flag).map_err(|error| error.to_string())
    };
    let tls = match (file("--cert")?, file("--key")?) {
        (Some(cert), Some(key)) => Some(midge_tcp::Tls::from_pem_files(cert, key).map_err(|error| error.to_string())?),
        (None, None) => None,
        _ => return Err("--cert and --key go together: TLS needs both files".to_owned()),
    };
    Ok(|server: Server| match tls {
        Some(tls) => server.tls(tls),
        None => server,
    })
}

#[cfg(not(feature = "tls"))]
fn tls(_: &mut Arguments) -> Result<impl FnOnce(Server) -> Server + use<>, String> {
    Ok(|server| server)
}

fn run<H: Handler + Sync>(server: Server, handler: H) -> Result<(), String> {
    // Whoever waits for this line may be gone: that is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "listening on {server}");
    server.run(handler).map_err(|error| error.to_string())
}

const COMMON: &str = "
  ADDR:PORT        where to listen; unix:PATH for a Unix socket; port 0 takes a free one
                   (default: the environment's HOST and PORT, or AWS_LAMBDA_HTTP_ENDPOINT; else 127.0.0.1:8080)
  --cert FILE      TLS, if built with the feature tls: the certificate chain in PEM,
  --key FILE       and its private key; read again on SIGHUP
  --workers N      threads that serve (default: one per core)
  -h, --help       this text";

//! Passes requests on to another server, and its answers back.

use std::{
    process::{ExitCode, exit},
    time::Duration,
};

use midge_examples::{cli, proxy::Proxy};
use midge_tcp::Client;
use pico_args::Arguments;

fn main() -> ExitCode {
    cli::serve(
        "proxy [--to HOST:PORT | --to unix:PATH] [--deadline SECONDS] [ADDR:PORT]: passes requests on to another server

  --to HOST:PORT   the server that is asked, over plain HTTP/1.1 (default: 127.0.0.1:9000)
  --deadline N     seconds that it may take for a whole answer (default: any number)",
        |arguments| match proxy(arguments) {
            Ok(proxy) => proxy,
            Err(message) => {
                eprintln!("error: {message}");
                exit(1);
            }
        },
        // Every request is a call: as many of them as there are slots.
        |server| server.calls(256).outbound(512),
    )
}

fn proxy(arguments: &mut Arguments) -> Result<Proxy, String> {
    let to: Option<String> = arguments.opt_value_from_str("--to").map_err(|error| error.to_string())?;
    let seconds: Option<u64> = arguments.opt_value_from_str("--deadline").map_err(|error| error.to_string())?;
    let to = to.as_deref().unwrap_or("127.0.0.1:9000");
    let client = match to.strip_prefix("unix:") {
        Some(path) => Client::unix(path),
        None => Client::new(to).map_err(|error| error.to_string())?,
    };
    Ok(Proxy::new(client, seconds.map(Duration::from_secs)))
}

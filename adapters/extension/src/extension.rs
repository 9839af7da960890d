//! The program: its settings, its two threads, and its way from the registration to the shutdown.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    fs::File,
    io,
    net::SocketAddr,
    os::fd::AsFd as _,
    path::Path,
    process::ExitCode,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use midge_lambda::platform::{self, Endpoint};
use midge_tcp::{Handle, Limits, Server};

use crate::{
    client::{Client, Identity},
    collect::{Collector, Function},
    emf::Sink,
    protocol::{Ask, ErrorKind, News, Protocol, Registration, Turn},
    service::Service,
    settings::Settings,
    shared::Shared,
};

/// The extension, about to run.
#[derive(Debug)]
#[must_use = "an extension does nothing until it is run"]
pub struct Extension {
    /// The extension's file name.
    name: OsString,
    api: Option<OsString>,
    settings: Result<Settings, String>,
    /// What the environment says of the function.
    function: Function,
    is_managed: bool,
    output: io::Result<File>,
}

impl Extension {
    /// An extension that is set as the process's environment says, and named as its program is.
    pub fn from_env() -> Self {
        Self::from_variables(env::var_os::<&str>)
    }

    /// The same with the variables that `variable` gives, an empty one counting as none.
    pub fn from_variables(variable: impl Fn(&'static str) -> Option<OsString>) -> Self {
        let text = |name| variable(name).map_or_else(String::new, |value| value.to_string_lossy().into_owned());
        let mut initialization_type = text("AWS_LAMBDA_INITIALIZATION_TYPE");
        let is_managed = initialization_type == MANAGED || !text("AWS_LAMBDA_MAX_CONCURRENCY").is_empty();
        if is_managed {
            MANAGED.clone_into(&mut initialization_type);
        }
        // Room for whatever the platform calls it later.
        initialization_type.reserve(64);
        let function = Function {
            name: text("AWS_LAMBDA_FUNCTION_NAME"),
            version: text("AWS_LAMBDA_FUNCTION_VERSION"),
            initialization_type,
            account_id: String::new(),
        };
        let program = env::args_os().next().unwrap_or_default();
        Self {
            name: Path::new(&program).file_name().unwrap_or(OsStr::new("midge-extension")).to_owned(),
            api: variable("AWS_LAMBDA_RUNTIME_API").filter(|api| !api.is_empty()),
            settings: Settings::read(&variable).map_err(|error| error.to_string()),
            function,
            is_managed,
            output: io::stdout().as_fd().try_clone_to_owned().map(File::from),
        }
    }

    /// Writes metrics there instead of to the standard output: a pipe, or a file.
    pub fn output(mut self, output: File) -> Self {
        self.output = Ok(output);
        self
    }

    /// Runs until the platform shuts the environment down: then the code says success. Whatever else ends it is reported to the
    /// platform, where that can be reached, and on stderr, in one line.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let started = Instant::now();
        let Some(api) = &self.api else {
            log(format_args!(
                "AWS_LAMBDA_RUNTIME_API is not set: AWS Lambda starts this program from /opt/extensions, beside a function; it does \
                 nothing by itself"
            ));
            return ExitCode::FAILURE;
        };
        let endpoint = match Endpoint::parse(api.to_string_lossy().into_owned()) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                log(format_args!("{error}"));
                return ExitCode::FAILURE;
            }
        };
        let mut session = Session {
            client: Client::new(endpoint),
            identity: Identity {
                name: self.name.to_string_lossy().into_owned(),
                registration: if self.is_managed { SHUTDOWN_ALONE } else { BOTH_EVENTS },
                ..Identity::default()
            },
            serving: None,
            has_telemetry: false,
        };
        let (unready, prepared) = match self.prepare() {
            Ok((prepared, subscription)) => {
                session.identity.subscription = subscription;
                (None, Some(prepared))
            }
            Err((kind, what)) => {
                log(format_args!("{what}"));
                session.identity.failure = what;
                (Some(kind), None)
            }
        };
        session.run(Protocol::new(unready), prepared, started)
    }

    /// All that can be refused before the platform knows of the extension. Gives also the body of the subscription.
    fn prepare(self) -> Result<(Prepared, String), (ErrorKind, String)> {
        let settings = self.settings.map_err(|what| (ErrorKind::CONFIG, what))?;
        let server = Server::bind(SocketAddr::new(settings.address, settings.port));
        let server = server.map_err(|error| (ErrorKind::LISTEN, format!("{error} ({PORT_ADVICE})")))?;
        let output = if settings.metrics {
            let cannot =
                |error| (ErrorKind::CONFIG, format!("metrics can't be written to the standard output: {error}"));
            Some(self.output.map_err(cannot)?)
        } else {
            None
        };
        let Settings { port, destination, buffer_ms, namespace, .. } = settings;
        let version = if self.is_managed { MANAGED_SCHEMA } else { SCHEMA };
        let subscription = format!(
            "{{\"schemaVersion\":\"{version}\",\"types\":[\"platform\"],\"buffering\":{{\"maxItems\":1000,\"maxBytes\":262144,\
             \"timeoutMs\":{buffer_ms}}},\"destination\":{{\"protocol\":\"HTTP\",\"URI\":\"http://{destination}:{port}\"}}}}"
        );
        Ok((Prepared { server, function: self.function, sink: Sink::new(output, namespace) }, subscription))
    }
}

/// What the server's thread is started with.
struct Prepared {
    server: Server,
    function: Function,
    sink: Sink,
}

/// The way through the protocol.
struct Session {
    client: Client,
    identity: Identity,
    serving: Option<Serving>,
    has_telemetry: bool,
}

impl Session {
    fn run(mut self, mut protocol: Protocol, mut prepared: Option<Prepared>, started: Instant) -> ExitCode {
        let well = loop {
            let ask = match protocol.turn() {
                Turn::Ask(ask) => ask,
                Turn::Drain(deadline) => {
                    self.drain(deadline);
                    protocol.drained();
                    continue;
                }
                Turn::Leave(well) => break well,
            };
            let news = match self.client.ask(ask, &mut self.identity) {
                Ok(answer) => protocol.answered(answer.status, answer.identified, answer.body),
                Err(error) => {
                    log(format_args!("{}: {error}", name(ask)));
                    protocol.lost();
                    continue;
                }
            };
            if news == News::Invoked {
                // All that an invocation takes; whoever waits for the next event waits no longer.
                if let Some(serving) = &self.serving
                    && !serving.shared.invoked()
                {
                    self.fail(&mut protocol);
                }
                continue;
            }
            self.take(news, &mut protocol, &mut prepared, started);
        };
        if let Some(serving) = self.serving {
            serving.stop();
        }
        if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    #[cold]
    fn take(&mut self, news: News, protocol: &mut Protocol, prepared: &mut Option<Prepared>, started: Instant) {
        match news {
            News::Registered(registration) => {
                if let Some(prepared) = prepared.take() {
                    match Serving::start(prepared, registration, started) {
                        Ok(serving) => self.serving = Some(serving),
                        Err(error) => {
                            self.identity.failure = format!("the server's thread could not be started: {error}");
                            log(format_args!("{}", self.identity.failure));
                            protocol.fail(ErrorKind::SERVER);
                        }
                    }
                }
            }
            News::Subscribed => self.has_telemetry = true,
            News::NoTelemetry(status) => log(format_args!(
                "the Telemetry API is not to be had here (it answered {status}): /health and /metrics know of invocations alone"
            )),
            News::Refused(ask, status) => {
                self.identity.failure = format!("{} was answered {status}", name(ask));
                log(format_args!("{}", self.identity.failure));
            }
            News::Unreadable(ask) => {
                self.identity.failure = format!("what {} was answered can't be read", name(ask));
                log(format_args!("{}", self.identity.failure));
            }
            News::UnknownEvent => log(format_args!("an event of an unknown type was passed over")),
            News::Invoked | News::Shutdown | News::Reported => {}
        }
    }

    #[cold]
    fn fail(&mut self, protocol: &mut Protocol) {
        "the server stopped serving".clone_into(&mut self.identity.failure);
        protocol.fail(ErrorKind::SERVER);
    }

    /// Waits for the reports that are still to come, and is done well before the platform ends the process.
    fn drain(&self, deadline: u64) {
        let Some(serving) = &self.serving else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_millis(deadline).saturating_sub(now).saturating_sub(MARGIN);
        serving.shared.drain(if self.has_telemetry { left } else { Duration::ZERO });
    }
}

/// The thread that serves.
struct Serving {
    shared: Arc<Shared>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Serving {
    fn start(prepared: Prepared, registration: Registration, started: Instant) -> io::Result<Self> {
        let Prepared { server, mut function, sink } = prepared;
        let Registration { function_name, function_version, account_id } = registration;
        for (known, told) in [(&mut function.name, function_name), (&mut function.version, function_version)] {
            if !told.is_empty() {
                *known = told;
            }
        }
        function.account_id = account_id;
        let shared = Arc::new(Shared::new(started, Collector::new(function, sink)));
        let server = server
            .workers(1)
            .connections(CONNECTIONS)
            .slots(SLOTS)
            .input_bytes(PUSH_BYTES + LIMITS.head_bytes as usize)
            .output_bytes(OUTPUT_BYTES)
            // The handler opens no sockets, and runs no timers.
            .timers(0)
            .outbound(0)
            .calls(0)
            .limits(LIMITS)
            .grace(GRACE)
            .handle_signals(false);
        let handle = server.handle();
        let service = Service(Arc::clone(&shared));
        let of_thread = Arc::clone(&shared);
        let serve = move || {
            if let Err(error) = server.run(service) {
                log(format_args!("{error}"));
            }
            of_thread.stopped_serving();
        };
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(serve)?;
        Ok(Self { shared, handle, thread })
    }

    fn stop(self) {
        self.handle.shutdown();
        // It ends within the grace period; a panic in it was told of already.
        let _ = self.thread.join();
    }
}

/// One line on stderr, which the platform keeps in the function's log.
#[cold]
fn log(what: fmt::Arguments<'_>) {
    platform::log("midge-extension", what);
}

const fn name(ask: Ask) -> &'static str {
    match ask {
        Ask::Register => "the registration",
        Ask::Subscribe => "the subscription to the Telemetry API",
        Ask::Next => "the request for the next event",
        Ask::Report(..) => "the report of the failure",
    }
}

const MANAGED: &str = "lambda-managed-instances";

/// The bodies of registrations. On managed instances, registering for `INVOKE` is refused, and ends the environment.
const BOTH_EVENTS: &str = "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}";
const SHUTDOWN_ALONE: &str = "{\"events\":[\"SHUTDOWN\"]}";

/// Versions of the events' schema: managed instances take the newer one alone.
const SCHEMA: &str = "2022-12-13";
const MANAGED_SCHEMA: &str = "2025-01-29";

const PORT_ADVICE: &str = "MIDGE_EXTENSION_PORT and MIDGE_EXTENSION_HOST say where to listen";

/// How long before the platform's deadline nothing is waited for any more. The platform gives two seconds.
const MARGIN: Duration = Duration::from_millis(500);
/// How long requests that are being answered may take after that.
const GRACE: Duration = Duration::from_millis(100);

const CONNECTIONS: usize = 64;
/// One for the platform, which pushes over one connection, and one for whoever asks.
const SLOTS: usize = 2;
/// Bytes of the largest push. The platform is asked for 256 KiB, to which it may add one event.
const PUSH_BYTES: usize = 320 << 10;
const OUTPUT_BYTES: usize = 4_096;
const STACK_BYTES: usize = 256 << 10;

/// Between invocations everything is frozen, for hours maybe, and then every clock has jumped: no deadline means anything here.
const LIMITS: Limits = Limits {
    head_bytes: 8_192,
    body_in_memory_bytes: PUSH_BYTES as u32,
    response_head_bytes: 1_024,
    head_time: FOREVER,
    body_rate: 0,
    write_rate: 0,
    idle_time: FOREVER,
    ..Limits::DEFAULT
};
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3_600);

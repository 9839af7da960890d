//! Setting a function up, and starting its loops.

use std::{
    any::Any,
    convert::Infallible,
    env, fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use midge::Handler;

use crate::{
    Error,
    api::{ErrorKind, What},
    context::{Current, within},
    endpoint::Endpoint,
    hooks::{HookResult, Hooks},
    link::Link,
    log,
    panic::{self, REPORT_BYTES},
    timer::{Parking, block_on},
    wait::Beside,
    worker::{Settings, Worker},
};

/// Serves `handler` as the environment says: the whole `main` of a custom runtime. It returns only when it has to give up, after
/// one line on stderr that says why.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use midge::{Failure, Request, Response, Sent};
///
/// async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
/// }
///
/// fn main() -> ExitCode {
///     midge_lambda::run(hello)
/// }
/// ```
pub fn run<H: Handler + Send + Sync + 'static>(handler: H) -> ExitCode {
    Runtime::from_env().run(handler)
}

/// As [`run`], as a future: for handlers that need a runtime around them, such as those that use the AWS SDK on tokio.
///
/// Neither the wait for the next invocation nor a handler's waiting blocks the thread: other tasks go on, also where there is one thread
/// for all of them, as far as the platform lets the process run. (It freezes it between invocations.) Sending an answer and reading its receipt
/// block for as long as that takes. Two threads of its own wait for the connection and for deadlines; `run` needs neither, and is
/// the better choice where no runtime is.
///
/// ```no_run
/// # async fn hello(_: midge::Request<'_>, response: midge::Response<'_>) -> Result<midge::Sent, midge::Failure> {
/// #     response.status(200).body(b"hello").await
/// # }
/// # struct Tokio;
/// # impl Tokio { fn block_on<F: Future>(&self, _: F) -> F::Output { unimplemented!() } }
/// # let tokio = Tokio;
/// // In a tokio program: #[tokio::main(flavor = "current_thread")], and then
/// tokio.block_on(async { midge_lambda::serve(hello).await })?;
/// # Ok::<(), midge_lambda::Error>(())
/// ```
///
/// # Errors
///
/// As [`Error`] lists. It never returns otherwise.
pub async fn serve<H: Handler>(handler: H) -> Result<Infallible, Error> {
    Runtime::from_env().serve(handler).await
}

/// A function's runtime, before it runs: its settings and its hooks.
#[derive(Debug)]
#[must_use = "a runtime has to run"]
pub struct Runtime {
    api: Option<String>,
    settings: Settings,
    concurrency: usize,
    snap_start: bool,
    hooks: Hooks,
    #[cfg(feature = "signals")]
    shutdown: crate::signals::Shutdown,
}

impl Runtime {
    /// The runtime that the environment describes: `AWS_LAMBDA_RUNTIME_API`, `AWS_LAMBDA_INITIALIZATION_TYPE` and
    /// `AWS_LAMBDA_MAX_CONCURRENCY`.
    pub fn from_env() -> Self {
        let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            api: text("AWS_LAMBDA_RUNTIME_API"),
            settings: Settings::default(),
            concurrency: text("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|value| value.parse().ok()).unwrap_or(1),
            snap_start: text("AWS_LAMBDA_INITIALIZATION_TYPE").is_some_and(|kind| kind == "snap-start"),
            hooks: Hooks::default(),
            #[cfg(feature = "signals")]
            shutdown: crate::signals::Shutdown::default(),
        }
    }

    /// Where the Runtime API is: `host:port`, with or without `http://` and a path.
    pub fn api(mut self, address: impl Into<String>) -> Self {
        self.api = Some(address.into());
        self
    }

    /// How many invocations at once [`Runtime::run`] takes, each on a thread of its own (Lambda Managed Instances).
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.concurrency = workers;
        self
    }

    /// Whether a snapshot is taken before the first invocation (SnapStart).
    pub fn snap_start(mut self, snap_start: bool) -> Self {
        self.snap_start = snap_start;
        self
    }

    /// Streams answers, as a function has to whose URL has the invoke mode `RESPONSE_STREAM`, or that a REST API invokes so. The event
    /// doesn't tell, and a function that is invoked otherwise would answer with what its client can't read.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.settings.streaming = streaming;
        self
    }

    /// How long before the platform would end the invocation a handler that still waits is dropped, and the client answered 504.
    /// Default 100 ms; at most half of the time that the invocation has.
    pub fn deadline_margin(mut self, margin: Duration) -> Self {
        self.settings.margin = margin;
        self
    }

    /// Keeps a copy of each event for [`Context::event`](crate::Context::event).
    pub fn keep_event(mut self, keep: bool) -> Self {
        self.settings.keep_event = keep;
        self
    }

    /// Gives each worker's arena this much memory at once, and no more later. Default 64 KiB.
    #[cfg(feature = "arena")]
    pub fn arena_bytes(mut self, bytes: usize) -> Self {
        self.settings.arena_bytes = bytes;
        self
    }

    /// Adds a hook that runs before a snapshot is taken; the last one added runs first. See [the crate's page](crate#snapstart)
    /// for what belongs there.
    pub fn before_snapshot(mut self, hook: impl FnOnce() -> HookResult + Send + 'static) -> Self {
        self.hooks.before_snapshot(hook);
        self
    }

    /// Adds a hook that runs after a restore from a snapshot, in the order they were added.
    pub fn after_restore(mut self, hook: impl FnOnce() -> HookResult + Send + 'static) -> Self {
        self.hooks.after_restore(hook);
        self
    }

    /// Adds a hook that runs at SIGTERM, on a thread of its own and in the order they were added; then the process ends. The platform
    /// sends SIGTERM only to functions with an extension, and gives them 300 to 500 ms.
    #[cfg(feature = "signals")]
    pub fn on_shutdown(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.shutdown.push(hook);
        self
    }

    /// Serves `handler`; see [`run`].
    pub fn run<H: Handler + Send + Sync + 'static>(self, handler: H) -> ExitCode {
        self.run_with(move || Ok::<H, Infallible>(handler))
    }

    /// Makes a handler and serves it. What goes wrong in `init`, a panic included, is reported as the function's initialization error.
    ///
    /// ```no_run
    /// # struct Table;
    /// # impl midge::Handler for Table {
    /// #     async fn handle(&self, _: midge::Request<'_>, _: midge::Response<'_>) -> Result<midge::Sent, midge::Failure> {
    /// #         Err(midge::Failure::new(404))
    /// #     }
    /// # }
    /// use std::{env, process::ExitCode};
    ///
    /// fn main() -> ExitCode {
    ///     midge_lambda::Runtime::from_env().run_with(|| {
    ///         let _table = env::var("TABLE_NAME").map_err(|_| "TABLE_NAME is not set")?;
    ///         Ok::<Table, &str>(Table)
    ///     })
    /// }
    /// ```
    pub fn run_with<H, E>(self, init: impl FnOnce() -> Result<H, E>) -> ExitCode
    where
        H: Handler + Send + Sync + 'static,
        E: fmt::Display,
    {
        let Err(error) = self.try_run(init);
        log(format_args!("{error}"));
        ExitCode::FAILURE
    }

    /// Serves `handler`, as one loop that is a future; see [`serve`].
    ///
    /// # Errors
    ///
    /// As [`Error`] lists. It never returns otherwise.
    pub async fn serve<H: Handler>(self, handler: H) -> Result<Infallible, Error> {
        panic::install();
        let Started { link, settings, .. } = self.start(|| Ok::<(), Infallible>(()))?.0;
        Err(Worker::new(link, settings).run(&handler, &Beside::default()).await)
    }

    fn try_run<H, E>(self, init: impl FnOnce() -> Result<H, E>) -> Result<Infallible, Error>
    where
        H: Handler + Send + Sync + 'static,
        E: fmt::Display,
    {
        panic::install();
        let (Started { link, settings, concurrency }, handler) = self.start(init)?;
        if concurrency <= 1 {
            return Err(serve_blocking(link, settings, &handler));
        }
        // Not scoped: the first loop that gives up ends the process, while the others wait for events.
        let handler = Arc::new(handler);
        let (give_up, gave_up) = mpsc::channel();
        for _ in 0..concurrency {
            let (handler, endpoint, give_up) = (Arc::clone(&handler), link.endpoint().clone(), give_up.clone());
            let serve = move || give_up.send(serve_blocking(Rc::new(Link::new(endpoint)), settings, &*handler));
            thread::Builder::new().spawn(serve).map_err(Error::Thread)?;
        }
        drop(give_up);
        Err(gave_up.recv().unwrap_or(Error::Init("every worker is gone".to_owned())))
    }

    /// Everything before the first event.
    fn start<H, E: fmt::Display>(self, init: impl FnOnce() -> Result<H, E>) -> Result<(Started, H), Error> {
        let Self { api, settings, concurrency, snap_start, mut hooks, .. } = self;
        let link = Rc::new(Link::new(Endpoint::parse(api.ok_or(Error::NotInLambda)?)?));
        let setting_up = SettingUp { link: &link };
        let handler = setting_up.step(What::InitError, ErrorKind::INIT, init).map_err(Error::Init)?;
        if snap_start {
            let before = || hooks.run_before_snapshot();
            setting_up.step(What::InitError, ErrorKind::BEFORE_SNAPSHOT, before).map_err(Error::Hook)?;
            wait_for_restore(&link)?;
            let after = || hooks.run_after_restore();
            setting_up.step(What::RestoreError, ErrorKind::AFTER_RESTORE, after).map_err(Error::Hook)?;
        }
        #[cfg(feature = "signals")]
        self.shutdown.watch()?;
        Ok((Started { link, settings, concurrency }, handler))
    }
}

/// What is left to do when a function was set up.
struct Started {
    link: Rc<Link>,
    settings: Settings,
    concurrency: usize,
}

fn serve_blocking<H: Handler>(link: Rc<Link>, settings: Settings, handler: &H) -> Error {
    let timer = Parking::default();
    block_on(Worker::new(link, settings).run(handler, &timer), &timer)
}

/// Waits until the platform has taken its snapshot, and somebody restored it. The connection that it was asked over belongs to
/// the time before.
fn wait_for_restore(link: &Link) -> Result<(), Error> {
    let mut answer = [0; REPORT_BYTES];
    let received = link.ask(link.api.restore_next(), &mut answer, 0, |_| {});
    link.close();
    match received?.status {
        200..=299 => Ok(()),
        status => Err(Error::Refused { what: "GET /runtime/restore/next", status }),
    }
}

/// The steps before the first event, each of whose failures is reported.
struct SettingUp<'l> {
    link: &'l Rc<Link>,
}

impl SettingUp<'_> {
    fn step<T, E: fmt::Display>(
        &self,
        what: fn(ErrorKind) -> What<'static>,
        kind: ErrorKind,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, String> {
        let current = Current { link: Rc::clone(self.link), invocation: None };
        match within(current, || catch_unwind(AssertUnwindSafe(step))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let mut memory = [0; REPORT_BYTES];
                // The process gives up in any case, and says why on stderr.
                let _ = panic::post_error(self.link, what(kind), kind, None, &error, &mut memory);
                Err(error.to_string())
            }
            Err(payload) => {
                let _ = panic::report(self.link, what(ErrorKind::PANIC), None);
                Err(text_of(&*payload))
            }
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("(no text)"))
}

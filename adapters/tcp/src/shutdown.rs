//! Asking a server to shut down, from anywhere.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use crate::{
    sync::{AtomicBool, Mutex},
    wake::Alarm,
};

/// The one thing that workers share: whether to shut down, and how to wake each other for it.
#[derive(Default)]
pub(crate) struct Shutdown {
    asked: AtomicBool,
    alarms: Mutex<Vec<Arc<Alarm>>>,
}

impl Shutdown {
    /// A worker that is asleep is woken; one that starts later looks by itself.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        for alarm in &*self.alarms.lock().unwrap_or_else(PoisonError::into_inner) {
            // Fails only if the worker is being woken already.
            let _ = alarm.interrupt();
        }
    }

    #[inline]
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    pub(crate) fn watch(&self, alarms: Vec<Arc<Alarm>>) {
        *self.alarms.lock().unwrap_or_else(PoisonError::into_inner) = alarms;
    }
}

/// Shuts a server down from another thread; made by [`Server::handle`](crate::Server::handle).
///
/// ```no_run
/// # async fn hello(_: midge::Request<'_>, response: midge::Response<'_>) -> Result<midge::Sent, midge::Failure> {
/// #     response.status(200).body(b"hello").await
/// # }
/// # fn main() -> Result<(), midge_tcp::Error> {
/// let server = midge_tcp::Server::bind("127.0.0.1:0")?;
/// let handle = server.handle();
/// std::thread::spawn(move || handle.shutdown());
/// server.run(hello)
/// # }
/// ```
#[derive(Clone)]
pub struct Handle(Arc<Shutdown>);

impl Handle {
    pub(crate) fn new(shutdown: &Arc<Shutdown>) -> Self {
        Self(Arc::clone(shutdown))
    }

    /// Asks the server to stop accepting, to let the requests in flight finish within its grace period, and to return from
    /// [`Server::run`](crate::Server::run). Returns at once; may be called at any time, more than once.
    pub fn shutdown(&self) {
        self.0.ask();
    }
}

//! Waiting for time to pass.

use std::{
    error, fmt,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use midge::{Failure, Instant};

use crate::reactor::{Reactor, Timer, WorkerError};

/// Waits until `duration` has passed, counted from this call: never less, and as a rule a millisecond or two more.
///
/// Called from a handler, it takes one of its worker's [timers](crate::Server::timers) when it is first polled, and gives it back when it
/// is over or dropped. It costs no system call of its own and allocates nothing.
///
/// ```
/// use std::time::Duration;
/// # use midge::{Failure, Request, Response, Sent};
///
/// async fn patient(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     midge_tcp::sleep(Duration::from_millis(250)).await?;
///     response.status(200).body("later").await
/// }
/// ```
///
/// # Errors
///
/// Awaited elsewhere than on a worker of a [`Server`](crate::Server), or while all timers are taken, it gives a [`WorkerError`] at once.
#[must_use = "nobody waits unless it is awaited"]
pub fn sleep(duration: Duration) -> Sleep {
    match Reactor::current() {
        Ok(reactor) => Sleep::until(reactor.exact_now().after(whole(duration)), reactor),
        Err(error) => Sleep(State::Failed(error)),
    }
}

/// Lets `future` take no longer than `duration`; then it is dropped where it waits.
///
/// A timer is taken only if the future isn't ready at once.
///
/// ```
/// use std::time::Duration;
/// # use midge::{Failure, Request, Response, Sent};
///
/// async fn hurried(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     let body = midge_tcp::timeout(Duration::from_secs(5), request.body().all()).await??;
///     response.status(200).body(body).await
/// }
/// ```
///
/// # Errors
///
/// [`TimeoutError::Elapsed`] when the time is over first; a [`WorkerError`] where there is no timer to be had, and the future isn't
/// ready at once.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, TimeoutError> {
    within(sleep(duration), future).await
}

/// The same with a sleep that has begun.
pub(crate) async fn within<F: Future>(sleep: Sleep, future: F) -> Result<F::Output, TimeoutError> {
    let (mut sleep, mut future) = (sleep, pin!(future));
    poll_fn(|context| {
        if let Poll::Ready(done) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        Pin::new(&mut sleep).poll(context).map(|slept| Err(slept.err().map_or(TimeoutError::Elapsed, Into::into)))
    })
    .await
}

/// The future of [`sleep`].
#[must_use = "nobody waits unless it is awaited"]
pub struct Sleep(State);

enum State {
    Begun { deadline: Instant, reactor: Rc<Reactor> },
    Waiting(Timer),
    Over,
    Failed(WorkerError),
}

impl Sleep {
    pub(crate) const fn until(deadline: Instant, reactor: Rc<Reactor>) -> Self {
        Self(State::Begun { deadline, reactor })
    }
}

impl Future for Sleep {
    type Output = Result<(), WorkerError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.0 {
            State::Begun { deadline, reactor } if *deadline > reactor.now() => {
                match Timer::start(reactor, *deadline, context.waker()) {
                    Ok(timer) => {
                        self.0 = State::Waiting(timer);
                        return Poll::Pending;
                    }
                    Err(error) => self.0 = State::Failed(error),
                }
            }
            State::Waiting(timer) if !timer.is_over(context.waker()) => return Poll::Pending,
            State::Begun { .. } | State::Waiting(_) => self.0 = State::Over,
            State::Over | State::Failed(_) => {}
        }
        Poll::Ready(match self.0 {
            State::Failed(error) => Err(error),
            _ => Ok(()),
        })
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Begun { .. } => "begun",
            State::Waiting(_) => "waiting",
            State::Over => "over",
            State::Failed(_) => "failed",
        };
        formatter.debug_tuple("Sleep").field(&state).finish()
    }
}

/// Why [`timeout`] gives no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutError {
    /// The time was over first.
    Elapsed,
    /// There was no timer to be had.
    Worker(WorkerError),
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elapsed => formatter.write_str("it took too long"),
            Self::Worker(error) => error.fmt(formatter),
        }
    }
}

impl error::Error for TimeoutError {}

impl From<WorkerError> for TimeoutError {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

/// 504 when the time was over, otherwise as [`WorkerError`].
impl From<TimeoutError> for Failure {
    fn from(error: TimeoutError) -> Self {
        match error {
            TimeoutError::Elapsed => Self::new(504).because("what the handler waited for took too long"),
            TimeoutError::Worker(error) => error.into(),
        }
    }
}

/// Rounded up to milliseconds.
fn whole(duration: Duration) -> Duration {
    duration.checked_add(Duration::from_nanos(999_999)).unwrap_or(Duration::MAX)
}

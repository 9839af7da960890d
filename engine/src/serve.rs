//! One connection, driven over `embedded-io-async`.

use core::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    task::{self, Poll},
    time::Duration,
};

use embedded_io_async::{Read, Write};

use crate::{
    connection::{Connection, Step},
    exchange::{
        Exchange, Peer, RequestContext, RequestId,
        failure::{BodyError, Failure},
        handler::Handler,
    },
    http1::{limits::Limits, reject::Reject, state::State},
    slot::Slot,
    time::{Clock, Instant},
};

/// How serving a connection ended, and what its host does with it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It waits for the client's next request: nothing is buffered, everything went out.
    Idle,
    /// Close it lingering: end the write side, read and throw away until the client closes (or [`Limits::linger_bytes`] or
    /// [`Limits::linger_time`] are used up), then close. An orderly close at once would risk a reset that overtakes the last answer
    /// (RFC 9112, section 9.6).
    Linger,
    /// Close it.
    Close,
    /// Reset it: an answer was cut whose end is the connection's end.
    Reset,
}

/// What a host and the future that serves its connection tell each other between polls.
#[derive(Debug)]
pub struct Watch {
    state: Cell<State>,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    closing: Cell<bool>,
    next_id: Cell<u64>,
}

impl Watch {
    /// A watch over nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Cell::new(State::Idle),
            deadline: Cell::new(None),
            expired: Cell::new(false),
            closing: Cell::new(false),
            next_id: Cell::new(1),
        }
    }

    /// Forgets the last connection.
    #[inline]
    pub fn reset(&self) {
        self.state.set(State::Idle);
        self.deadline.set(None);
        self.expired.set(false);
        self.closing.set(false);
    }

    /// Where the connection stands. `Idle`, while the future is pending, says that nothing is buffered: it may be dropped.
    #[must_use]
    #[inline]
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// When the future has to be polled at the latest.
    #[must_use]
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Makes the deadline that is being waited for pass at the next poll.
    pub fn expire(&self) {
        self.expired.set(true);
    }

    /// Closes the connection after the answer that is being written, or the next one, and says so in it.
    pub fn close_after_answer(&self) {
        self.closing.set(true);
    }

    /// The number that the next request is given as its [`RequestId`]; each further one gets the next number.
    pub fn set_next_id(&self, id: u64) {
        self.next_id.set(id);
    }

    /// Whether the deadline passed, or the host says so.
    fn is_late(&self, now: Instant) -> bool {
        self.expired.take() || self.deadline.get().is_some_and(|deadline| now >= deadline)
    }

    #[inline]
    fn id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        id
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves one connection until it has to be closed, in the way that the result says.
///
/// `io`'s reads and writes must be cancel-safe: one that is dropped before it is ready must not have moved a byte. The future has to
/// be polled when `io` may be ready, when its waker says so, and when `clock` reaches [`Watch::deadline`]; it may be dropped
/// at any time, which abandons the request in flight.
///
/// # Errors
///
/// What reading or writing said; the connection is of no use any more.
pub async fn serve<IO, H, C>(
    io: &mut IO,
    handler: &H,
    slot: &mut Slot<'_>,
    limits: &Limits,
    clock: &C,
    peer: Peer,
    watch: &Watch,
) -> Result<Ended, IO::Error>
where
    IO: Read + Write,
    H: Handler,
    C: Clock,
{
    loop {
        match serve_ready(io, handler, slot, limits, clock, peer, watch).await? {
            Ended::Idle => {}
            ended => return Ok(ended),
        }
    }
}

/// Serves what is there: as [`serve`], but returns [`Ended::Idle`] between two requests, so that a host can lend the slot to
/// another connection until the next one comes. A burst of requests is answered with one write.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_ready<IO, H, C>(
    io: &mut IO,
    handler: &H,
    slot: &mut Slot<'_>,
    limits: &Limits,
    clock: &C,
    peer: Peer,
    watch: &Watch,
) -> Result<Ended, IO::Error>
where
    IO: Read + Write,
    H: Handler,
    C: Clock,
{
    let mut connection = Connection::new(slot, limits, clock.now());
    let mut answered = false;
    loop {
        let step = connection.step(clock.now(), clock.date());
        watch.state.set(connection.state());
        match step {
            Step::Exchange => {
                let deadline = limits.request_time.map(|time| clock.now().after(time));
                let context = RequestContext { peer, deadline, id: RequestId::Number(watch.id()) };
                let ended = match connection.exchange(context) {
                    Some(exchange) => run(&exchange, handler, io, clock, limits, watch, deadline).await?,
                    // `step` said that a request is there.
                    None => return Ok(Ended::Close),
                };
                connection.finish(ended, clock.now());
                answered = true;
            }
            Step::Idle if watch.closing.get() => connection.close(clock.now()),
            Step::Idle if answered => return Ok(Ended::Idle),
            Step::Idle | Step::Read => {
                watch.deadline.set(connection.deadline());
                match until_late(io.read(connection.space()), clock, watch).await {
                    Some(count) => connection.filled(count?),
                    None => connection.expire(clock.now(), clock.date()),
                }
            }
            Step::Write => {
                let mut meter = Meter::new(limits.write_grace, limits.write_rate);
                while !connection.pending().is_empty() {
                    watch.deadline.set(meter.deadline(clock.now()));
                    match until_late(io.write(connection.pending()), clock, watch).await {
                        Some(count) => {
                            let count = count?;
                            connection.wrote(count);
                            meter.moved(count, clock.now());
                        }
                        None => return Ok(Ended::Reset),
                    }
                }
            }
            Step::Linger => return Ok(Ended::Linger),
            Step::Close => return Ok(Ended::Close),
            Step::Reset => return Ok(Ended::Reset),
        }
    }
}

/// Reads and throws away what a client still sends after its connection's write side was ended, until it closes too
/// or the limits are used up: the part of a lingering close that needs no slot.
///
/// # Errors
///
/// What reading said.
pub async fn linger<IO, C>(io: &mut IO, limits: &Limits, clock: &C, watch: &Watch) -> Result<(), IO::Error>
where
    IO: Read,
    C: Clock,
{
    watch.deadline.set(Some(clock.now().after(limits.linger_time)));
    let mut scratch = [0; 256];
    let mut left = limits.linger_bytes as usize;
    while left > 0 {
        match until_late(io.read(&mut scratch), clock, watch).await {
            Some(count) => match count? {
                0 => return Ok(()),
                count => left = left.saturating_sub(count),
            },
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Runs a handler on an exchange, and moves its bytes until it is done.
async fn run<'x, IO, H, C>(
    exchange: &'x Exchange<'x>,
    handler: &H,
    io: &mut IO,
    clock: &C,
    limits: &Limits,
    watch: &Watch,
    deadline: Option<Instant>,
) -> Result<crate::exchange::Ended, IO::Error>
where
    IO: Read + Write,
    H: Handler,
    C: Clock,
{
    exchange.set_date(clock.date());
    if watch.closing.get() {
        exchange.close_after();
    }
    let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
    let mut pump = Pump {
        body: Meter::new(limits.body_grace, limits.body_rate),
        answer: Meter::new(limits.write_grace, limits.write_rate),
    };
    poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(exchange.ended(result)));
            }
            let Moved::Yes = (match pump.moved(exchange, io, clock, watch, deadline, context) {
                Ok(moved) => moved,
                Err(Stop::Io(error)) => return Poll::Ready(Err(error)),
                Err(Stop::Late) => {
                    let failure = Failure::from(BodyError(Reject::RequestTimeout));
                    return Poll::Ready(Ok(exchange.ended(Err(failure))));
                }
                Err(Stop::Stuck) => return Poll::Ready(Ok(exchange.given_up())),
            }) else {
                return Poll::Pending;
            };
            exchange.set_date(clock.date());
        }
    })
    .await
}

/// Moves the bytes of an exchange whose handler waits.
struct Pump {
    body: Meter,
    answer: Meter,
}

/// Whether there is something new for the handler.
enum Moved {
    Yes,
    No,
}

/// Why an exchange can't go on.
enum Stop<E> {
    Io(E),
    /// Its deadline passed.
    Late,
    /// The client doesn't take its answer.
    Stuck,
}

impl Pump {
    #[inline(never)]
    fn moved<IO, C>(
        &mut self,
        exchange: &Exchange<'_>,
        io: &mut IO,
        clock: &C,
        watch: &Watch,
        deadline: Option<Instant>,
        context: &mut task::Context<'_>,
    ) -> Result<Moved, Stop<IO::Error>>
    where
        IO: Read + Write,
        C: Clock,
    {
        let now = clock.now();
        if watch.closing.get() {
            exchange.close_after();
        }
        let want = exchange.want();
        let mut moved = Moved::No;

        // What may go out goes out whatever the handler waits for: a client may wait for it.
        let mut blocked = false;
        while let Some(sent) = exchange.drain(|pending| match poll_once(io.write(pending), context) {
            Poll::Ready(Ok(count)) => (count, Poll::Ready(Ok(count))),
            other => (0, other),
        }) {
            match sent {
                Poll::Ready(Ok(count)) => {
                    self.answer.moved(count, now);
                    if want.output {
                        moved = Moved::Yes;
                    }
                }
                Poll::Ready(Err(error)) => return Err(Stop::Io(error)),
                Poll::Pending => {
                    blocked = true;
                    break;
                }
            }
        }
        if !blocked && want.output {
            // Everything is out already.
            moved = Moved::Yes;
        }

        let mut waiting = false;
        if want.input {
            let received = exchange.fill(|space| match poll_once(io.read(space), context) {
                Poll::Ready(Ok(count)) => (count, Poll::Ready(Ok(count))),
                other => (0, other),
            });
            match received {
                Some(Poll::Ready(Ok(0))) => exchange.end_of_input(),
                Some(Poll::Ready(Ok(count))) => self.body.moved(count, now),
                Some(Poll::Ready(Err(error))) => return Err(Stop::Io(error)),
                Some(Poll::Pending) | None => waiting = true,
            }
            if !waiting {
                moved = Moved::Yes;
            }
        }
        if matches!(moved, Moved::Yes) {
            return Ok(moved);
        }

        // Nothing moved: how long may that last?
        let answer = if blocked { self.answer.deadline(now) } else { None };
        let body = if waiting && !exchange.is_upgraded() { self.body.deadline(now) } else { None };
        watch.deadline.set([answer, body, deadline].into_iter().flatten().min());
        if !watch.is_late(now) {
            return Ok(Moved::No);
        }
        if answer.is_some_and(|answer| now >= answer) {
            return Err(Stop::Stuck);
        }
        if body.is_some_and(|body| now >= body) {
            exchange.refuse_body(Reject::BodyTimeout);
            return Ok(Moved::Yes);
        }
        Err(Stop::Late)
    }
}

/// Polls a future once and drops it.
fn poll_once<F: Future>(future: F, context: &mut task::Context<'_>) -> Poll<F::Output> {
    pin!(future).poll(context)
}

/// Waits for `future`, or until the watch's deadline passes: `None`.
async fn until_late<F: Future, C: Clock>(future: F, clock: &C, watch: &Watch) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let future: Pin<&mut F> = future.as_mut();
        match future.poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if watch.is_late(clock.now()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Holds a transfer to its least rate: only the time that the engine waited for the other side counts, so that neither a slow
/// handler nor a dripping client is taken for the other.
struct Meter {
    grace: Duration,
    /// Bytes a second.
    rate: u32,
    bytes: u64,
    waited: Duration,
    /// When the present wait began.
    since: Option<Instant>,
}

impl Meter {
    const fn new(grace: Duration, rate: u32) -> Self {
        Self { grace, rate, bytes: 0, waited: Duration::ZERO, since: None }
    }

    /// `count` bytes moved.
    fn moved(&mut self, count: usize, now: Instant) {
        self.bytes = self.bytes.saturating_add(count as u64);
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(now.since(since));
        }
    }

    /// Until when more has to have moved, in a wait that lasts already or begins now.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.rate == 0 {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let earned = Duration::from_millis(self.bytes.saturating_mul(1_000) / u64::from(self.rate));
        Some(since.after(self.grace.saturating_add(earned).saturating_sub(self.waited)))
    }
}

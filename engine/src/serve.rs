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
        Exchange, Peer, RequestContext, RequestId, Verdict,
        failure::{BodyError, Failure},
        handler::{Handler, Sent},
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

    /// Waits until `deadline`: ready, with nothing, once that passed.
    fn wait<T>(&self, deadline: Option<Instant>, now: Instant) -> Poll<Option<T>> {
        self.deadline.set(deadline);
        if self.is_late(now) { Poll::Ready(None) } else { Poll::Pending }
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
/// at any time, which abandons the request in flight. Its `flush` is called only where the host sends bytes of a body itself
/// ([`BodyStream::write_past`](crate::BodyStream::write_past)).
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
#[expect(clippy::manual_async_fn, reason = "an async fn keeps each argument twice")]
pub fn serve_ready<IO, H, C>(
    io: &mut IO,
    handler: &H,
    slot: &mut Slot<'_>,
    limits: &Limits,
    clock: &C,
    peer: Peer,
    watch: &Watch,
) -> impl Future<Output = Result<Ended, IO::Error>>
where
    IO: Read + Write,
    H: Handler,
    C: Clock,
{
    async move {
        let now = clock.now();
        let mut connection = Connection::new(slot, limits, now);
        let mut context = RequestContext { peer, now: Cell::new(now), ..RequestContext::default() };
        let mut driver = Driver { io, limits, clock, watch, pump: None };
        let mut answered = false;
        // Nothing is there yet: what `step` would say.
        let mut step = Step::Idle;
        loop {
            match step {
                Step::Exchange => {
                    if let Some(time) = limits.request_time {
                        context.deadline = Some(clock.now().after(time));
                    }
                    context.id = RequestId::Number(watch.id());
                    let verdict = {
                        let exchange = connection.exchange(&context);
                        let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
                        driver.pump = None;
                        // A wait that was to end has ended with the head.
                        watch.expired.set(false);
                        poll_fn(|task| driver.poll(&exchange, &context, future.as_mut(), task)).await?
                    };
                    connection.finish(verdict, clock.now());
                    answered = true;
                }
                Step::Idle if watch.closing.get() => connection.close(clock.now()),
                Step::Idle if answered => return Ok(driver.over(&connection, Ended::Idle)),
                Step::Idle | Step::Read => match poll_fn(|task| driver.read(&mut connection, task)).await {
                    Some(count) => {
                        connection.filled(count?);
                        refresh(&context, clock);
                    }
                    None => connection.expire(clock),
                },
                Step::Write => {
                    driver.pump = None;
                    watch.expired.set(false);
                    while connection.has_pending() {
                        match poll_fn(|task| driver.write(&connection, task)).await {
                            Some(count) => connection.wrote(count?),
                            None => return Ok(Ended::Reset),
                        }
                    }
                    if driver.pump.is_some() {
                        // It has waited, and another request may be there already.
                        refresh(&context, clock);
                    }
                    // Nearly always that was all.
                    if connection.is_idle() && !watch.closing.get() {
                        return Ok(driver.over(&connection, Ended::Idle));
                    }
                }
                Step::Linger => return Ok(driver.over(&connection, Ended::Linger)),
                Step::Close => return Ok(driver.over(&connection, Ended::Close)),
                Step::Reset => return Ok(driver.over(&connection, Ended::Reset)),
            }
            step = connection.step(clock);
        }
    }
}

/// Has handlers see the time as it is now.
#[inline]
fn refresh<C: Clock>(context: &RequestContext<'_>, clock: &C) {
    context.date.set(clock.date());
    context.now.set(clock.now());
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
    let deadline = Some(clock.now().after(limits.linger_time));
    let mut scratch = [0; 256];
    let mut left = limits.linger_bytes as usize;
    while left > 0 {
        let read = poll_fn(|task| match poll_once(io.read(&mut scratch), task) {
            Poll::Ready(count) => Poll::Ready(Some(count)),
            Poll::Pending => watch.wait(deadline, clock.now()),
        });
        match read.await {
            Some(count) => match count? {
                0 => return Ok(()),
                count => left = left.saturating_sub(count),
            },
            None => return Ok(()),
        }
    }
    Ok(())
}

/// What an exchange is driven with.
struct Driver<'d, IO, C> {
    io: &'d mut IO,
    limits: &'d Limits,
    clock: &'d C,
    watch: &'d Watch,
    /// What it takes to move bytes, once a handler waits.
    pump: Option<Pump>,
}

impl<IO, C> Driver<'_, IO, C>
where
    IO: Read + Write,
    C: Clock,
{
    /// Reads what is there. `None` if the wait for it was too long.
    #[inline]
    fn read(
        &mut self,
        connection: &mut Connection<'_, '_>,
        task: &mut task::Context<'_>,
    ) -> Poll<Option<Result<usize, IO::Error>>> {
        match poll_once(self.io.read(connection.space()), task) {
            Poll::Ready(count) => Poll::Ready(Some(count)),
            Poll::Pending => self.wait(connection, connection.deadline()),
        }
    }

    /// Writes what is pending. `None` if the client takes it too slowly.
    #[inline]
    fn write(
        &mut self,
        connection: &Connection<'_, '_>,
        task: &mut task::Context<'_>,
    ) -> Poll<Option<Result<usize, IO::Error>>> {
        match poll_once(self.io.write(connection.pending()), task) {
            Poll::Ready(count) => {
                if let (Some(pump), Ok(count)) = (&mut self.pump, &count) {
                    pump.answer.moved(*count, self.clock.now());
                }
                Poll::Ready(Some(count))
            }
            Poll::Pending => {
                let pump = self.pump.get_or_insert_with(|| Pump::new(self.limits));
                let deadline = pump.answer.deadline(self.clock.now());
                self.wait(connection, deadline)
            }
        }
    }

    /// Says where the connection stands at the end.
    #[inline]
    fn over(&self, connection: &Connection<'_, '_>, ended: Ended) -> Ended {
        self.watch.state.set(connection.state());
        ended
    }

    /// Waits until `deadline`: ready, with nothing, once that passed.
    #[cold]
    fn wait<T>(&self, connection: &Connection<'_, '_>, deadline: Option<Instant>) -> Poll<Option<T>> {
        self.watch.state.set(connection.state());
        self.watch.wait(deadline, self.clock.now())
    }

    /// Polls a handler, and moves the bytes of its exchange, until it is done or nothing moves any more.
    #[inline]
    fn poll<F>(
        &mut self,
        exchange: &Exchange<'_>,
        context: &RequestContext<'_>,
        mut handler: Pin<&mut F>,
        task: &mut task::Context<'_>,
    ) -> Poll<Result<Verdict, IO::Error>>
    where
        F: Future<Output = Result<Sent, Failure>>,
    {
        loop {
            if self.pump.is_some() {
                // It has waited, and time may have passed.
                refresh(context, self.clock);
            }
            if self.watch.closing.get() {
                exchange.close_after();
            }
            if let Poll::Ready(result) = handler.as_mut().poll(task) {
                return Poll::Ready(Ok(exchange.ended(result)));
            }
            let pump = self.pump.get_or_insert_with(|| Pump::new(self.limits));
            match pump.moved(exchange, self.io, self.clock, self.watch, exchange.deadline(), task) {
                Ok(Moved::Yes) => {}
                Ok(Moved::No) => return Poll::Pending,
                Err(Stop::Io(error)) => return Poll::Ready(Err(error)),
                Err(Stop::Late) => {
                    let failure = Failure::from(BodyError(Reject::RequestTimeout));
                    return Poll::Ready(Ok(exchange.ended(Err(failure))));
                }
                Err(Stop::Stuck) => {
                    exchange.give_up();
                    return Poll::Ready(Ok(Verdict::Reset));
                }
            }
        }
    }
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

/// What became of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// There was nothing to do.
    Idle,
    /// Something moved that the handler waits for.
    Moved,
    /// The client is waited for.
    Blocked,
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
    #[cold]
    const fn new(limits: &Limits) -> Self {
        Self {
            body: Meter::new(limits.body_grace, limits.body_rate),
            answer: Meter::new(limits.write_grace, limits.write_rate),
        }
    }

    /// Moves what can be moved: first what may go out, whatever the handler waits for, since a client may wait for it; then what is to
    /// come in. Where nothing did, says how long that may last.
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
        watch.state.set(State::Exchange);
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Stop::Late);
        }
        let want = exchange.want();
        let out = self.moved_out(exchange, io, want.output, now, context)?;
        let come = if want.input { self.moved_in(exchange, io, now, context)? } else { Side::Idle };
        if out == Side::Moved || come == Side::Moved {
            return Ok(Moved::Yes);
        }
        let answer = if out == Side::Blocked { self.answer.deadline(now) } else { None };
        let body = if come == Side::Blocked && !exchange.is_upgraded() { self.body.deadline(now) } else { None };
        let first = [answer, body, deadline].into_iter().flatten().min();
        watch.deadline.set(first);
        if !watch.is_late(now) {
            return Ok(Moved::No);
        }
        match first {
            None => Err(Stop::Late),
            first if first == answer => Err(Stop::Stuck),
            first if first == body => {
                exchange.refuse_body(Reject::BodyTimeout);
                Ok(Moved::Yes)
            }
            _ => Err(Stop::Late),
        }
    }

    /// Writes and flushes. What is written is nothing new for a handler that has not `wanted` it.
    #[inline(always)]
    fn moved_out<IO: Read + Write>(
        &mut self,
        exchange: &Exchange<'_>,
        io: &mut IO,
        wanted: bool,
        now: Instant,
        context: &mut task::Context<'_>,
    ) -> Result<Side, Stop<IO::Error>> {
        let past = exchange.past();
        if past.moved > 0 {
            self.answer.moved(usize::try_from(past.moved).unwrap_or(usize::MAX), now);
        }
        let mut side = Side::Idle;
        while let Some(sent) = exchange.drain(|pending| counted(poll_once(io.write(pending), context))) {
            match sent {
                Poll::Ready(Ok(count)) => {
                    self.answer.moved(count, now);
                    if wanted {
                        side = Side::Moved;
                    }
                }
                Poll::Ready(Err(error)) => return Err(Stop::Io(error)),
                // What went out may have made room for the handler.
                Poll::Pending => return Ok(if side == Side::Moved { side } else { Side::Blocked }),
            }
        }
        if wanted {
            // Everything is out.
            side = Side::Moved;
        }
        if past.waits {
            match poll_once(io.flush(), context) {
                // How many bytes that was, the handler is told, and then tells.
                Poll::Ready(Ok(())) => side = Side::Moved,
                Poll::Ready(Err(error)) => return Err(Stop::Io(error)),
                Poll::Pending if side == Side::Idle => side = Side::Blocked,
                Poll::Pending => {}
            }
        }
        Ok(side)
    }

    /// Reads.
    #[inline(always)]
    fn moved_in<IO: Read + Write>(
        &mut self,
        exchange: &Exchange<'_>,
        io: &mut IO,
        now: Instant,
        context: &mut task::Context<'_>,
    ) -> Result<Side, Stop<IO::Error>> {
        match exchange.fill(|space| counted(poll_once(io.read(space), context))) {
            Some(Poll::Ready(Ok(0))) => exchange.end_of_input(),
            Some(Poll::Ready(Ok(count))) => self.body.moved(count, now),
            Some(Poll::Ready(Err(error))) => return Err(Stop::Io(error)),
            Some(Poll::Pending) | None => return Ok(Side::Blocked),
        }
        Ok(Side::Moved)
    }
}

/// Polls a future once and drops it.
#[inline(always)]
fn poll_once<F: Future>(future: F, context: &mut task::Context<'_>) -> Poll<F::Output> {
    pin!(future).poll(context)
}

/// How many bytes a transfer moved, beside what became of it.
#[inline(always)]
fn counted<E>(moved: Poll<Result<usize, E>>) -> (usize, Poll<Result<usize, E>>) {
    (if let Poll::Ready(Ok(count)) = moved { count } else { 0 }, moved)
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
    #[inline]
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

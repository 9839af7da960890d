//! The loop: an event comes in, the handler answers it, the answer goes back.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use midge::{
    AnswerHead, Exchange, ExchangeState, Failure, Field, Handler, Head, Limits, Peer, PlainEnd, PlainMemory,
    RequestContext, RequestId, Sent, Status,
};

use crate::{
    Error,
    api::{ErrorKind, HEAD_ROOM, Post, What},
    context::{Current, Invocation, within},
    event::{self, Renderer, Source, TooLarge},
    link::{Link, Lost, Received, Stage},
    log,
    note::{emptied, note},
    panic,
    region::{EVENT_ROOM, MAX_ANSWER, MAX_EVENT, Region},
    stream::Stream,
    timer::Timer,
    wait::Wait,
};

/// What a runtime was told about all of its invocations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) streaming: bool,
    pub(crate) margin: Duration,
    pub(crate) keep_event: bool,
    #[cfg(feature = "arena")]
    pub(crate) arena_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streaming: false,
            margin: Duration::from_millis(100),
            keep_event: false,
            #[cfg(feature = "arena")]
            arena_bytes: 64 << 10,
        }
    }
}

/// One connection, the memory for one invocation at a time, and the loop over both.
pub(crate) struct Worker {
    link: Rc<Link>,
    settings: Settings,
    region: Region,
    table: [Field; FIELDS],
    state: ExchangeState,
    /// What the platform said of the last invocation. Its memory is there before the first one, which isn't to wait for it.
    invocation: Option<Rc<Invocation>>,
    /// The origin of [`midge::Instant`]s.
    epoch: Instant,
}

impl Worker {
    pub(crate) fn new(link: Rc<Link>, settings: Settings) -> Self {
        Self {
            link,
            settings,
            region: Region::new(),
            table: [Field::EMPTY; FIELDS],
            #[cfg(feature = "arena")]
            state: ExchangeState::new().with_arena(settings.arena_bytes),
            #[cfg(not(feature = "arena"))]
            state: ExchangeState::new(),
            invocation: Some(Rc::new(Invocation::with_room())),
            epoch: Instant::now(),
        }
    }

    /// Serves events until that can't go on.
    pub(crate) async fn run<H: Handler, T: Wait>(mut self, handler: &H, timer: &T) -> Error {
        match self.serve(handler, timer).await {
            Err(error) => error,
        }
    }

    async fn serve<H: Handler, T: Wait>(&mut self, handler: &H, timer: &T) -> Result<Infallible, Error> {
        loop {
            let received = self.next(timer).await?;
            let event = EVENT_ROOM + received.start;
            let used = if received.too_large {
                let text = format_args!("the event is larger than {MAX_EVENT} bytes");
                self.refuse(ErrorKind::EVENT_TOO_LARGE, &text)?;
                MAX_EVENT
            } else {
                let answered = self.answer(event, received.length, handler, timer).await?;
                received.length.max(answered)
            };
            self.region.used(used);
        }
    }

    /// Waits for the next event: it stands in the region then, behind [`EVENT_ROOM`].
    async fn next(&mut self, wait: &impl Wait) -> Result<Received, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let (input, ..) = self.region.parts();
            let (last, margin) = (&mut self.invocation, self.settings.margin);
            let note = |head: &AnswerHead<'_>| {
                if let Some(invocation) = emptied(last) {
                    note(invocation, head, margin);
                }
            };
            let place = input.get_mut(EVENT_ROOM..).unwrap_or_default();
            let received = self.link.ask_and_wait(wait, self.link.api.next(), place, MAX_EVENT, note).await?;
            match received.status {
                200 if self.invocation().request_id.is_empty() => {
                    return Err(Error::Field("Lambda-Runtime-Aws-Request-Id"));
                }
                200 => return Ok(received),
                204 => {
                    wait.pause(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                status => return Err(Error::Refused { what: "GET /runtime/invocation/next", status }),
            }
        }
    }

    /// Answers an event; gives how many bytes of the answer's memory that took.
    async fn answer<H: Handler, T: Timer>(
        &mut self,
        at: usize,
        length: usize,
        handler: &H,
        timer: &T,
    ) -> Result<usize, Error> {
        let (input, output, out) = self.region.parts();
        let (out, answer_memory) = out.split_at_mut_checked(HEAD_ROOM + MAX_ANSWER).unwrap_or_default();
        if self.settings.keep_event
            && let Some(invocation) = self.invocation.as_mut().and_then(Rc::get_mut)
        {
            invocation.event.extend_from_slice(input.get(at..at + length).unwrap_or_default());
        }
        let event = match event::read(input, EVENT_ROOM, at..at + length, &mut self.table) {
            Ok(event) => event,
            Err(error) => {
                self.refuse(ErrorKind(error.error_type()), &error)?;
                return Ok(0);
            }
        };
        let (head, body, tail) = event.split(input);
        if let Some(invocation) = self.invocation.as_mut().and_then(Rc::get_mut) {
            invocation.request_context.extend_from_slice(event.request_context(head, tail));
        }
        let invocation = self.invocation.clone().unwrap_or_default();
        let begun = Instant::now();
        let context = RequestContext {
            peer: event.client.map_or(Peer::Unknown, Peer::Ip),
            deadline: invocation.deadline.map(|deadline| since(self.epoch, deadline)),
            now: Cell::new(since(self.epoch, begun)),
            id: RequestId::Text(&invocation.request_id),
            ..RequestContext::default()
        };
        let filled = body.len();
        let memory = PlainMemory { input: body, filled, state: &mut self.state, output };
        let fields = self.table.get(..event.fields).unwrap_or_default();
        let exchange = Exchange::plain(Head::plain(head, fields, event.head()), memory, &context, &LIMITS);
        let run = Run {
            exchange: &exchange,
            current: Current { link: Rc::clone(&self.link), invocation: Some(Rc::clone(&invocation)) },
            begun,
            deadline: invocation.handler_deadline,
            timer,
        };
        self.link.stage.set(Stage::Invocation);
        let answered = if self.settings.streaming {
            let stream = Stream::new(&self.link, &invocation, event.source, out);
            run.post_streamed(handler, stream, answer_memory).await?.map(|()| 0)
        } else {
            run.post(handler, &invocation, event.source, out, answer_memory).await?
        };
        match answered {
            Some(length) => Ok(length),
            None => self.report_panic().map(|()| 0),
        }
    }

    fn invocation(&self) -> Rc<Invocation> {
        self.invocation.clone().unwrap_or_default()
    }

    /// Reports an event that the handler is not shown.
    #[cold]
    fn refuse(&self, kind: ErrorKind, message: &dyn fmt::Display) -> Result<(), Error> {
        log(format_args!("{message}"));
        let invocation = self.invocation();
        let what = What::InvocationError(&invocation.request_id, kind);
        let mut memory = [0; panic::REPORT_BYTES];
        let invocation_id = invocation.invocation_id();
        let received = panic::post_error(&self.link, what, kind, invocation_id, message, &mut memory)?;
        verdict("POST /error", received.status)
    }

    #[cold]
    fn report_panic(&self) -> Result<(), Error> {
        let invocation = self.invocation();
        let what = What::InvocationError(&invocation.request_id, ErrorKind::PANIC);
        let received = panic::report(&self.link, what, invocation.invocation_id())?;
        verdict("POST /error", received.status)
    }
}

/// The engine's name for a time.
fn since(epoch: Instant, at: Instant) -> midge::Instant {
    let millis = at.saturating_duration_since(epoch).as_millis();
    midge::Instant::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// What an answer to a `POST` means for the loop.
fn verdict(what: &'static str, status: u16) -> Result<(), Error> {
    match status {
        200..=299 => Ok(()),
        // The invocation is over, or its answer too large for it: there is nothing to add to that.
        410 | 413 => {
            log(format_args!("the Runtime API answered {what} with {status}"));
            Ok(())
        }
        // After anything else, the same event would be handed out again.
        _ => Err(Error::Refused { what, status }),
    }
}

/// A handler at work on one event.
struct Run<'x, T> {
    exchange: &'x Exchange<'x>,
    current: Current,
    begun: Instant,
    deadline: Option<Instant>,
    timer: &'x T,
}

/// How a handler's future ended.
enum Outcome {
    Done(Result<Sent, Failure>),
    Panicked,
    Late,
    Lost(Lost),
}

/// What became of a streamed answer.
enum Answered {
    /// It went out, or its failure did.
    Sent,
    Lost(Lost),
    /// The handler panicked before anything went out.
    Panicked,
}

impl<'x, T: Timer> Run<'x, T> {
    /// Answers in one piece, which is put together in `out`. Gives its length; `None` if the handler panicked.
    async fn post<H: Handler>(
        &self,
        handler: &H,
        invocation: &Invocation,
        source: Source,
        out: &mut [u8],
        memory: &mut [u8],
    ) -> Result<Option<usize>, Error> {
        let link = &self.current.link;
        let place = out.get_mut(HEAD_ROOM..HEAD_ROOM + MAX_ANSWER).unwrap_or_default();
        let Some(length) = self.buffered(handler, source, place).await else { return Ok(None) };
        let what = What::Response(&invocation.request_id);
        let post = Post { what, invocation_id: invocation.invocation_id(), length: Some(length) };
        let head = out.get_mut(..HEAD_ROOM).unwrap_or_default();
        let Some(start) = link.api.post_before(&post, head) else { return Err(Error::Field("request id")) };
        let request = out.get(start..HEAD_ROOM + length).unwrap_or_default();
        let status = link.ask(request, memory, 0, |_| {})?.status;
        verdict("POST /response", status)?;
        Ok(Some(length))
    }

    /// Answers piece by piece; `None` if the handler panicked before anything went out.
    async fn post_streamed<H: Handler>(
        &self,
        handler: &H,
        stream: Stream<'_>,
        memory: &mut [u8],
    ) -> Result<Option<()>, Error> {
        let link = &self.current.link;
        let lost = match self.streamed(handler, stream).await {
            Answered::Sent => None,
            Answered::Lost(lost) => Some(lost),
            Answered::Panicked => return Ok(None),
        };
        let received = link.receive(memory, 0, &mut |_| {});
        link.close();
        match (received, lost) {
            // If the answer broke off, the platform may have said why it takes no more of it.
            (Ok(Received { status, .. }), _) => verdict("POST /response", status)?,
            // If the platform is gone too, the next request shows it.
            (Err(_), Some(lost)) | (Err(lost), None) => {
                log(format_args!("a streamed answer broke off: {}", Error::from(lost)));
            }
        }
        Ok(Some(()))
    }

    /// Gives the length of the answer's JSON; `None` if the handler panicked.
    async fn buffered<H: Handler>(&self, handler: &H, source: Source, out: &mut [u8]) -> Option<usize> {
        let mut answer = Buffered { renderer: Renderer::new(source, &mut *out), begun: false, too_large: false };
        let outcome = self
            .drive(handler, |exchange| {
                answer.take(exchange);
                Ok(())
            })
            .await;
        let result = match outcome {
            Outcome::Done(result) => result,
            Outcome::Late | Outcome::Lost(_) => Err(late()),
            Outcome::Panicked => return None,
        };
        let failed = result.as_ref().err().map(Failure::status);
        let ended = if answer.begun && failed.is_some() { PlainEnd::Cut } else { self.exchange.end(result) };
        let instead = match ended {
            PlainEnd::Answered => match answer.end(self.exchange) {
                Ok(length) => return Some(length),
                Err(TooLarge) => {
                    log(format_args!("the answer is larger than {MAX_ANSWER} bytes: the client is answered 502"));
                    BAD_GATEWAY
                }
            },
            // Nothing was sent yet: the client can be told.
            PlainEnd::Cut => failed.unwrap_or(Status::INTERNAL_SERVER_ERROR),
        };
        Some(render_status(Renderer::new(source, out), instead).unwrap_or_default())
    }

    async fn streamed<H: Handler>(&self, handler: &H, mut answer: Stream<'_>) -> Answered {
        let outcome = self.drive(handler, |exchange| answer.push(exchange, false)).await;
        let (result, kind) = match outcome {
            Outcome::Done(result) => (result, ErrorKind::FAILURE),
            Outcome::Late => (Err(late()), ErrorKind::TIMEOUT),
            Outcome::Lost(lost) => return Answered::Lost(lost),
            Outcome::Panicked if answer.has_begun() => {
                let failed = panic::with_message(&self.current.link, |message| answer.fail(ErrorKind::PANIC, message));
                return failed.map_or_else(Answered::Lost, |()| Answered::Sent);
            }
            Outcome::Panicked => return Answered::Panicked,
        };
        let failure = result.as_ref().err().copied();
        let sent = match failure {
            Some(failure) if answer.has_begun() => answer.fail(kind, &failure),
            _ => match self.exchange.end(result) {
                PlainEnd::Answered => answer.push(self.exchange, true),
                PlainEnd::Cut => answer.fail(kind, &"the answer is not complete"),
            },
        };
        sent.map_or_else(Answered::Lost, |()| Answered::Sent)
    }

    /// When the handler is dropped if it still waits: shortly before the platform ends the invocation, or at its own time limit.
    fn deadline(&self) -> Option<Instant> {
        let own = self.exchange.time_limit().and_then(|time| self.begun.checked_add(time));
        [self.deadline, own].into_iter().flatten().min()
    }

    /// Runs the handler. Whenever it waits, `take` is given what there is of its answer.
    async fn drive<H: Handler>(&self, handler: &H, mut take: impl FnMut(&Exchange<'_>) -> Result<(), Lost>) -> Outcome {
        let exchange = self.exchange;
        // Called inside the future: a `handle` that panics before it returns its future is caught too.
        let mut handled = pin!(async { handler.handle(exchange.request(), exchange.response()).await });
        let mut waited = false;
        let outcome = poll_fn(|context| {
            loop {
                // The future is never polled again after a panic, and what the handler shares between requests is as consistent as
                // its own locks make it: the same bargain that threads strike.
                let poll = || catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(context)));
                match within(self.current.clone(), poll) {
                    Ok(Poll::Ready(result)) => return Poll::Ready(Outcome::Done(result)),
                    Ok(Poll::Pending) => {}
                    Err(_) => return Poll::Ready(Outcome::Panicked),
                }
                let want = exchange.want();
                if let Err(lost) = take(exchange) {
                    return Poll::Ready(Outcome::Lost(lost));
                }
                if want.input {
                    // The whole body was there from the beginning.
                    exchange.end_of_input();
                }
                if let Some(deadline) = self.deadline() {
                    if Instant::now() >= deadline {
                        return Poll::Ready(Outcome::Late);
                    }
                    if !want.input && !want.output {
                        self.timer.set(deadline, context.waker());
                        waited = true;
                    }
                }
                if !want.input && !want.output {
                    return Poll::Pending;
                }
            }
        })
        .await;
        if waited {
            self.timer.clear();
        }
        outcome
    }
}

/// The failure of a handler that is still waiting when its time is up.
#[cold]
fn late() -> Failure {
    log(format_args!("a handler still waited at its deadline, and was dropped"));
    Failure::new(504).because("the function did not answer in time")
}

/// An answer that is put together as JSON before it is sent.
struct Buffered<'o> {
    renderer: Renderer<'o>,
    begun: bool,
    /// There is no room for it. It is thrown away, so that the handler comes to its end.
    too_large: bool,
}

impl Buffered<'_> {
    /// Takes what there is of the answer.
    fn take(&mut self, exchange: &Exchange<'_>) {
        if !self.begun {
            let Some(answer) = exchange.answer_head() else { return };
            self.begun = true;
            self.too_large = self.renderer.begin(answer.status(), answer.lines()).is_err();
        }
        while exchange
            .drain(|pending| {
                self.too_large = self.too_large || self.renderer.body(pending).is_err();
                (pending.len(), ())
            })
            .is_some()
        {}
    }

    fn end(mut self, exchange: &Exchange<'_>) -> Result<usize, TooLarge> {
        self.take(exchange);
        if self.too_large { Err(TooLarge) } else { self.renderer.end() }
    }
}

/// Writes an answer that says no more than its status.
#[cold]
fn render_status(mut renderer: Renderer<'_>, status: Status) -> Result<usize, TooLarge> {
    renderer.begin(status, b"content-type: text/plain; charset=utf-8\r\n")?;
    renderer.body(&status.digits())?;
    renderer.body(b" ")?;
    renderer.body(status.reason().as_bytes())?;
    renderer.body(b"\n")?;
    renderer.end()
}

/// 502 (Bad Gateway)
const BAD_GATEWAY: Status = match Status::new(502) {
    Some(status) => status,
    None => Status::INTERNAL_SERVER_ERROR,
};
/// The body is in memory whole: a handler may have all of it.
const LIMITS: Limits = Limits { body_in_memory_bytes: u32::MAX, response_head_bytes: 16_384, ..Limits::DEFAULT };
/// Header fields that an event may have.
const FIELDS: usize = 256;
/// How long the loop waits after an empty answer, and at most after several.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

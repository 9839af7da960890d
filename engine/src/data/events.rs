//! Server-sent events.

use core::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::exchange::{
    BodyStream, FieldLines, ResponseHead,
    failure::{Failure, ResponseError},
    handler::Sent,
};

/// A server-sent event (WHATWG HTML standard, section 9.2), as [`EventStream::send`] sends it.
///
/// Data of several lines goes out as several, and comes back as one text with LF between them, whatever ended the lines. An event without data
/// is not shown to the client's program, but its `id` and `retry` are heeded.
///
/// ```
/// use midge::ServerEvent;
///
/// let event = ServerEvent::new().event("price").id("7").data("one\ntwo");
/// assert_eq!(event.to_string(), "event: price\nid: 7\ndata: one\ndata: two\n\n");
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "an event goes out with EventStream::send"]
pub struct ServerEvent<'a> {
    event: Option<&'a str>,
    id: Option<Text<'a>>,
    retry: Option<Duration>,
    data: Option<Text<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum Text<'a> {
    Plain(&'a str),
    Format(fmt::Arguments<'a>),
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Format(text) => f.write_fmt(*text),
        }
    }
}

impl<'a> ServerEvent<'a> {
    /// An event with nothing in it yet.
    pub const fn new() -> Self {
        Self { event: None, id: None, retry: None, data: None }
    }

    /// What kind of event it is; without this, `message`.
    pub const fn event(mut self, name: &'a str) -> Self {
        self.event = Some(name);
        self
    }

    /// What the client sends as `Last-Event-ID` when it connects again.
    pub const fn id(mut self, id: &'a str) -> Self {
        self.id = Some(Text::Plain(id));
        self
    }

    /// The same, formatted when it is sent: `event.id_fmt(format_args!("{number}"))`.
    pub const fn id_fmt(mut self, id: fmt::Arguments<'a>) -> Self {
        self.id = Some(Text::Format(id));
        self
    }

    /// How long the client waits before it connects again, in whole milliseconds.
    pub const fn retry(mut self, after: Duration) -> Self {
        self.retry = Some(after);
        self
    }

    /// What it says.
    pub const fn data(mut self, text: &'a str) -> Self {
        self.data = Some(Text::Plain(text));
        self
    }

    /// What it says, formatted when it is sent: `event.data_fmt(format_args!("{count} left"))`.
    pub const fn data_fmt(mut self, text: fmt::Arguments<'a>) -> Self {
        self.data = Some(Text::Format(text));
        self
    }

    /// Whether its name and id can be sent: neither may have a line end in it, and the id no NUL, which clients would pass over.
    fn is_sound(&self) -> bool {
        let event = self.event.is_none_or(|event| Without(&['\r', '\n']).write_str(event).is_ok());
        event && self.id.is_none_or(|id| write!(Without(&['\r', '\n', '\0']), "{id}").is_ok())
    }
}

/// As it goes out, the empty line behind it included.
impl fmt::Display for ServerEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(event) = self.event {
            writeln!(f, "event: {event}")?;
        }
        if let Some(id) = self.id {
            writeln!(f, "id: {id}")?;
        }
        if let Some(after) = self.retry {
            writeln!(f, "retry: {}", after.as_millis())?;
        }
        if let Some(data) = self.data {
            Lines::new(f, "data: ").all(format_args!("{data}"))?;
        }
        f.write_str("\n")
    }
}

/// An answer that goes on for as long as its handler has events. Each goes out at once.
///
/// ```
/// # use midge::{testing, Request, Response, ServerEvent};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |_request: Request<'_>, response: Response<'_>| {
///     let mut events = response.status(200).events().await?;
///     for count in 0..2 {
///         events.send(&ServerEvent::new().data_fmt(format_args!("{count}"))).await?;
///     }
///     events.finish().await
/// }
/// # ;
/// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch)?;
/// # assert_eq!(answer.body(), b"data: 0\n\ndata: 1\n\n");
/// # Ok::<(), testing::CallError>(())
/// ```
#[must_use = "a stream of events has to be finished"]
#[derive(Debug)]
pub struct EventStream<'x> {
    body: BodyStream<'x>,
}

impl EventStream<'_> {
    /// Sends an event, and waits until it went out.
    ///
    /// # Errors
    ///
    /// A name or id with a line end in it, or an id with a NUL ([`ResponseError::Event`]); then nothing of it goes out.
    pub async fn send(&mut self, event: &ServerEvent<'_>) -> Result<(), Failure> {
        if !event.is_sound() {
            return Err(ResponseError::Event.into());
        }
        write!(self.body, "{event}").await?;
        self.body.flush().await
    }

    /// Sends a comment, which clients pass over: every 15 seconds or so, it keeps middle men from taking the connection for dead, and shows
    /// whether the client is still there.
    ///
    /// # Errors
    ///
    /// None today.
    pub async fn comment(&mut self, text: &str) -> Result<(), Failure> {
        struct Comment<'a>(&'a str);
        impl fmt::Display for Comment<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Lines::new(f, ": ").all(format_args!("{}", self.0))?;
                f.write_str("\n")
            }
        }
        write!(self.body, "{}", Comment(text)).await?;
        self.body.flush().await
    }

    /// Ends the answer. Clients connect again, after the time that [`ServerEvent::retry`] said, unless they are answered 204.
    ///
    /// # Errors
    ///
    /// As [`BodyStream::finish`].
    pub async fn finish(self) -> Result<Sent, Failure> {
        self.body.finish().await
    }
}

impl<'x> ResponseHead<'x> {
    /// Goes on with server-sent events: `content-type: text/event-stream`, not to be stored. What a client had seen last is in its request's field
    /// `last-event-id`.
    ///
    /// An answer to `HEAD` is sent no events: a handler that would go on for ever has to look at the method.
    ///
    /// # Errors
    ///
    /// As [`ResponseHead::stream`].
    pub async fn events(self) -> Result<EventStream<'x>, Failure> {
        let body = self.lines(EVENTS).stream().await?;
        Ok(EventStream { body })
    }
}

/// Takes text that none of these characters are in.
struct Without(&'static [char]);

impl fmt::Write for Without {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.contains(self.0) { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Writes each line of a text behind a prefix. CR LF, CR and LF end a line.
struct Lines<'f, 'o> {
    out: &'f mut fmt::Formatter<'o>,
    prefix: &'static str,
    is_behind_cr: bool,
}

impl<'f, 'o> Lines<'f, 'o> {
    const fn new(out: &'f mut fmt::Formatter<'o>, prefix: &'static str) -> Self {
        Self { out, prefix, is_behind_cr: false }
    }

    fn all(mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        self.out.write_str(self.prefix)?;
        self.write_fmt(text)?;
        self.out.write_str("\n")
    }
}

impl fmt::Write for Lines<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What is written may end between CR and LF.
        let mut rest = match text.strip_prefix('\n') {
            Some(rest) if self.is_behind_cr => rest,
            _ => text,
        };
        if !text.is_empty() {
            self.is_behind_cr = text.ends_with('\r');
        }
        while let Some(at) = rest.find(['\r', '\n']) {
            let (line, behind) = rest.split_at(at);
            self.out.write_str(line)?;
            self.out.write_str("\n")?;
            self.out.write_str(self.prefix)?;
            rest = behind.strip_prefix("\r\n").or_else(|| behind.get(1..)).unwrap_or_default();
        }
        self.out.write_str(rest)
    }
}

const EVENTS: FieldLines = FieldLines::new("content-type: text/event-stream\r\ncache-control: no-store\r\n");

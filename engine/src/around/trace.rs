//! W3C Trace Context: which trace a request belongs to, taken in and handed on.
//!
//! Read as strictly as the Recommendation (Level 1, 2021) says: what is malformed counts as absent, and then a new trace begins. The engine
//! has no randomness: new identifiers are the caller's.

use core::{fmt, str};

use crate::exchange::{
    Request, Response,
    failure::Failure,
    handler::{Handler, Sent},
};

/// A place in a trace: the trace's identifier, that of a span in it, and its flags. What `traceparent` says.
///
/// ```
/// use midge::around::TraceContext;
///
/// let parent = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").expect("well-formed");
/// assert!(parent.is_sampled());
/// let child = parent.child([7; 8]).expect("not zero");
/// assert_eq!(child.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0707070707070707-01");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl TraceContext {
    /// Nobody's.
    pub(crate) const NONE: Self = Self { trace: [0; 16], span: [0; 8], flags: 0 };

    /// The first span of a new trace. `None` if an identifier is all zeros, which stands for none (section 3.2.2).
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Option<Self> {
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace: trace_id, span: span_id, flags: u8::from(sampled) })
    }

    /// What a `traceparent` field says; `None` if it is malformed. A version above 00 is read as far as 00 goes (section 4.3).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (version, rest) = hex::<1>(bytes)?;
        let (trace, rest) = hex::<16>(dash(rest)?)?;
        let (span, rest) = hex::<8>(dash(rest)?)?;
        let ([flags], rest) = hex::<1>(dash(rest)?)?;
        match (version, rest) {
            ([0xff], _) | ([0], [_, ..]) => return None,
            (_, [] | [b'-', ..]) => {}
            _ => return None,
        }
        let context = Self::new(trace, span, false)?;
        Some(Self { flags: flags & (SAMPLED | RANDOM), ..context })
    }

    /// What a request's own `traceparent` says; `None` if it has none, several, or a malformed one.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Option<Self> {
        let mut values = request.headers().iter().filter(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Self::parse(str::from_utf8(value).ok()?),
            _ => None,
        }
    }

    /// Another span of the same trace: what is handed on as `traceparent` to whatever is called next. `None` if `span_id` is all
    /// zeros.
    #[must_use]
    pub fn child(&self, span_id: [u8; 8]) -> Option<Self> {
        (span_id != [0; 8]).then_some(Self { span: span_id, ..*self })
    }

    /// The trace's identifier.
    #[must_use]
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace
    }

    /// The span's identifier: `parent-id` in the Recommendation's words, as whoever is handed this sees it.
    #[must_use]
    pub const fn span_id(&self) -> [u8; 8] {
        self.span
    }

    /// Whether the caller may have recorded this trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

/// A request's `tracestate`: what each system in the trace noted for itself, the last one first. It is handed on with `traceparent`.
///
/// ```
/// # use midge::{Failure, Request, Response, Sent, around::TraceState, testing};
/// # let handler =
/// async |request: Request<'_>, response: Response<'_>| {
///     let state = TraceState::of(&request).unwrap_or_default();
///     let handed_on = state.with("midge", "1").ok_or(Failure::new(500))?;
///     response.status(200).header_fmt("x-state", format_args!("{handed_on}")).empty().await
/// }
/// # ;
/// # let mut scratch = testing::Scratch::new();
/// # let request = b"GET / HTTP/1.1\r\nHost: a\r\ntracestate: a=b,midge=0\r\nTraceState: c=d\r\n\r\n";
/// # assert_eq!(testing::call(&handler, request, &mut scratch)?.header("x-state"), Some("midge=1,a=b,c=d"));
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceState<'x> {
    fields: Option<crate::Fields<'x>>,
    /// A member that was added in front; those of its name behind it are left out.
    first: Option<(&'x str, &'x str)>,
}

impl<'x> TraceState<'x> {
    /// What all `tracestate` fields of a request say together. `None` if there are none, one of them is malformed, or they have more
    /// than 32 members (section 3.3).
    #[must_use]
    pub fn of(request: &Request<'x>) -> Option<Self> {
        let state = Self { fields: Some(request.headers()), first: None };
        let (mut count, mut good) = (0, true);
        for member in state.all() {
            count += 1;
            good &= member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value));
        }
        let is_text = state.values().all(|value| str::from_utf8(value).is_ok());
        (good && is_text && count > 0 && count <= MAX_MEMBERS).then_some(state)
    }

    /// The same with a member of your own in front, instead of what was there under its name. `None` if the key or the
    /// value isn't one.
    #[must_use]
    pub fn with(&self, key: &'x str, value: &'x str) -> Option<Self> {
        (is_key(key) && is_value(value)).then_some(Self { first: Some((key, value)), ..*self })
    }

    /// Key and value of each member; the last of 33 is left out.
    pub fn members(&self) -> impl Iterator<Item = (&'x str, &'x str)> {
        let own = self.first;
        let others = self.all().filter_map(|member| member.split_once('='));
        own.into_iter().chain(others.filter(move |(key, _)| own.is_none_or(|(name, _)| name != *key))).take(MAX_MEMBERS)
    }

    /// The members as they came, without the empty ones, which are allowed.
    fn all(&self) -> impl Iterator<Item = &'x str> {
        let texts = self.values().filter_map(|value| str::from_utf8(value).ok());
        texts
            .flat_map(|text| text.split(','))
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty())
    }

    fn values(&self) -> impl Iterator<Item = &'x [u8]> {
        let fields = self.fields.into_iter().flat_map(|fields| fields.iter());
        fields.filter(|(name, _)| name.eq_ignore_ascii_case("tracestate")).map(|(_, value)| value)
    }
}

impl fmt::Display for TraceState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.members().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Gives each request a place in a trace: a span of the trace that its `traceparent` names, else the first span of a new one.
/// [`Request::trace`] tells the handler, which hands it on as `traceparent` with what it calls.
///
/// Identifiers come from `ids`, 16 random bytes at a time: the engine has no randomness.
///
/// ```
/// # use midge::{Failure, Request, Response, Sent, around::Trace, testing};
/// # fn random() -> [u8; 16] { [7; 16] }
/// async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     let trace = request.trace().ok_or(Failure::new(500))?;
///     response.status(200).header_fmt("x-trace", format_args!("{trace}")).empty().await
/// }
///
/// let handler = Trace::new(random, handler);
/// # let mut scratch = testing::Scratch::new();
/// # let request = b"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-000000000000000000000000000000ff-0000000000000001-01\r\n\r\n";
/// # assert_eq!(testing::call(&handler, request, &mut scratch)?.header("x-trace"), Some("00-000000000000000000000000000000ff-0707070707070707-01"));
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Trace<I, H> {
    ids: I,
    sampled: bool,
    answers: bool,
    inner: H,
}

impl<I: Fn() -> [u8; 16], H> Trace<I, H> {
    /// Traces the requests of `inner`.
    #[must_use]
    pub const fn new(ids: I, inner: H) -> Self {
        Self { ids, sampled: false, answers: false, inner }
    }

    /// Marks new traces as recorded; those of others stay as they are.
    #[must_use]
    pub const fn sampled(mut self, sampled: bool) -> Self {
        self.sampled = sampled;
        self
    }

    /// Tells the client too, with `traceresponse`: not in the Recommendation, but in its next level's drafts.
    #[must_use]
    pub const fn answers(mut self, answers: bool) -> Self {
        self.answers = answers;
        self
    }
}

impl<I: Fn() -> [u8; 16], H: Handler> Handler for Trace<I, H> {
    fn handle(&self, request: Request<'_>, mut response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        let span = u128::from_be_bytes((self.ids)()) as u64;
        let span = span.to_be_bytes();
        let trace = match TraceContext::of(&request) {
            Some(parent) => parent.child(span),
            None => TraceContext::new((self.ids)(), span, self.sampled),
        };
        // Without identifiers, there is nothing to hand on.
        if let Some(trace) = trace {
            request.set_trace(trace);
            if self.answers {
                response = response.with_fmt("traceresponse", format_args!("{trace}"));
            }
        }
        self.inner.handle(request, response)
    }
}

/// `N` bytes in lower-case hexadecimal digits, and what follows.
fn hex<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (place, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        *place = digit(high)? << 4 | digit(low)?;
    }
    Some((bytes, rest))
}

fn dash(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"-")
}

/// `simple-key` or `tenant@system` (section 3.3.1.3.1).
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, longest: usize, digit_first: bool| {
        let first = part.bytes().next();
        part.len() <= longest
            && first.is_some_and(|byte| byte.is_ascii_lowercase() || (digit_first && byte.is_ascii_digit()))
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/')
            })
    };
    match key.split_once('@') {
        Some((tenant, system)) => is_part(tenant, 241, true) && is_part(system, 14, false),
        None => is_part(key, 256, false),
    }
}

/// Up to 256 printable characters, not `,` or `=`, and no blank at the end (section 3.3.1.3.2).
fn is_value(value: &str) -> bool {
    let is_char = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= 256 && value.bytes().all(is_char) && !value.ends_with(' ')
}

const SAMPLED: u8 = 1;
/// That the trace's identifier is random, which whoever hands it on keeps (Level 2).
const RANDOM: u8 = 2;
const MAX_MEMBERS: usize = 32;

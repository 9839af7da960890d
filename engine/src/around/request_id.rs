//! A name for each request that its client, its answer and every log agree on.

use core::str;

use crate::exchange::{
    Request, RequestId, Response,
    failure::Failure,
    handler::{Handler, Sent},
};

/// Answers each request with its name in `x-request-id`: the one that it came with, if that is well-formed, else the host's
/// ([`Request::id`]). Handlers find the same one with [`request_id`].
///
/// ```
/// # use midge::{Failure, Request, Response, Sent, around::{WithRequestId, request_id}, testing};
/// async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     response.status(200).header_fmt("x-handed-on", format_args!("{}", request_id(&request))).empty().await
/// }
///
/// let handler = WithRequestId::new(handler);
/// # let mut scratch = testing::Scratch::new();
/// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: r-1\r\n\r\n", &mut scratch)?;
/// # assert_eq!((answer.header("x-request-id"), answer.header("x-handed-on")), (Some("r-1"), Some("r-1")));
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WithRequestId<H> {
    inner: H,
}

impl<H> WithRequestId<H> {
    /// Names the requests of `inner`.
    #[must_use]
    pub const fn new(inner: H) -> Self {
        Self { inner }
    }
}

impl<H: Handler> Handler for WithRequestId<H> {
    #[inline]
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        let response = response.with_fmt(FIELD, format_args!("{}", request_id(&request)));
        self.inner.handle(request, response)
    }
}

/// A request's name: what its only `x-request-id` says, if that is 1 to 128 letters, digits and `-._~:+/=`, so that it can stand in a log
/// as it is; else the host's.
#[must_use]
pub fn request_id<'x>(request: &Request<'x>) -> RequestId<'x> {
    let mut values = request.headers().iter().filter(|(name, _)| name.eq_ignore_ascii_case(FIELD));
    let given = match (values.next(), values.next()) {
        (Some((_, value)), None) if is_id(value) => str::from_utf8(value).ok(),
        _ => None,
    };
    given.map_or(request.id(), RequestId::Text)
}

fn is_id(value: &[u8]) -> bool {
    let is_char = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'+' | b'/' | b'=')
    };
    !value.is_empty() && value.len() <= LONGEST && value.iter().all(is_char)
}

const FIELD: &str = "x-request-id";
const LONGEST: usize = 128;

//! The requests that the Runtime API is sent, byte for byte.

use std::ops::Range;

use crate::{endpoint::Endpoint, text::Text};

/// The requests' unchanging parts, put together once, and in one piece.
#[derive(Debug)]
pub(crate) struct Api {
    text: Vec<u8>,
    next: Range<usize>,
    restore_next: Range<usize>,
    /// `POST` and the target up to `runtime/`.
    post: Range<usize>,
    /// The end of a request line and the fields that every request has.
    common: Range<usize>,
    /// What stands around an invocation's id in most heads: those of answers that have a length.
    before_id: Range<usize>,
    behind_id: Range<usize>,
}

/// What a `POST` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post<'p> {
    pub(crate) what: What<'p>,
    /// Echoed where the platform gave one.
    pub(crate) invocation_id: Option<&'p [u8]>,
    /// Its `Content-Length`; chunked without.
    pub(crate) length: Option<usize>,
}

/// What a `POST` is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'p> {
    /// The answer to the invocation with this id.
    Response(&'p str),
    /// It failed, and so.
    InvocationError(&'p str, ErrorKind),
    /// The function could not be set up.
    InitError(ErrorKind),
    /// It could not be restored from its snapshot.
    RestoreError(ErrorKind),
}

/// What the platform's metrics and logs call a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorKind(pub(crate) &'static str);

impl ErrorKind {
    pub(crate) const PANIC: Self = Self("Function.Panic");
    pub(crate) const FAILURE: Self = Self("Function.Failure");
    pub(crate) const TIMEOUT: Self = Self("Function.Timeout");
    pub(crate) const INIT: Self = Self("Function.InitError");
    pub(crate) const EVENT_TOO_LARGE: Self = Self("Runtime.EventTooLarge");
    pub(crate) const BEFORE_SNAPSHOT: Self = Self("Runtime.BeforeSnapshotError");
    pub(crate) const AFTER_RESTORE: Self = Self("Runtime.AfterRestoreError");
}

impl Api {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        let (authority, prefix) = (endpoint.authority().as_bytes(), endpoint.prefix().as_bytes());
        let mut text = Vec::with_capacity(1_600);
        let mut put = |parts: &[&[u8]]| {
            let start = text.len();
            parts.iter().for_each(|part| text.extend_from_slice(part));
            start..text.len()
        };
        let common: [&[u8]; 3] = [b" HTTP/1.1\r\nhost: ", authority, USER_AGENT];
        let get = |what| [b"GET ", prefix, VERSION, what, common[0], common[1], common[2], b"\r\n"];
        Self {
            next: put(&get(b"invocation/next")),
            restore_next: put(&get(b"restore/next")),
            post: put(&[b"POST ", prefix, VERSION]),
            common: put(&common),
            before_id: put(&[b"POST ", prefix, VERSION, b"invocation/"]),
            behind_id: put(&[b"/response", common[0], common[1], common[2], JSON]),
            text,
        }
    }

    pub(crate) fn next(&self) -> &[u8] {
        self.text.get(self.next.clone()).unwrap_or_default()
    }

    pub(crate) fn restore_next(&self) -> &[u8] {
        self.text.get(self.restore_next.clone()).unwrap_or_default()
    }

    /// Writes a head into the end of `place`, right before its body, and gives where it begins. `None` if it doesn't fit.
    pub(crate) fn post_before(&self, post: &Post<'_>, place: &mut [u8]) -> Option<usize> {
        if let Post { what: What::Response(id), invocation_id: None, length: Some(length) } = *post {
            return self.answer_before(id, length, place);
        }
        let mut head = Text::new(place);
        self.write(post, &mut head);
        if head.is_cut() {
            return None;
        }
        let length = head.as_bytes().len();
        let start = place.len() - length;
        place.copy_within(..length, start);
        Some(start)
    }

    /// The head of most answers, whose parts are all known.
    fn answer_before(&self, id: &str, length: usize, place: &mut [u8]) -> Option<usize> {
        let mut digits = [0; 20];
        let mut number = Text::new(&mut digits);
        number.push_number(length);
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let parts = [part(&self.before_id), id.as_bytes(), part(&self.behind_id), number.as_bytes(), b"\r\n\r\n"];
        let start = place.len().checked_sub(parts.iter().map(|part| part.len()).sum())?;
        let mut head = Text::new(place.get_mut(start..)?);
        parts.iter().for_each(|part| head.push(part));
        Some(start)
    }

    fn write(&self, post: &Post<'_>, head: &mut Text<'_>) {
        head.push(self.text.get(self.post.clone()).unwrap_or_default());
        let kind = match post.what {
            What::Response(id) => {
                head.push(b"invocation/");
                head.push(id.as_bytes());
                head.push(b"/response");
                None
            }
            What::InvocationError(id, kind) => {
                head.push(b"invocation/");
                head.push(id.as_bytes());
                head.push(b"/error");
                Some(kind)
            }
            What::InitError(kind) => {
                head.push(b"init/error");
                Some(kind)
            }
            What::RestoreError(kind) => {
                head.push(b"restore/error");
                Some(kind)
            }
        };
        head.push(self.text.get(self.common.clone()).unwrap_or_default());
        if let Some(ErrorKind(kind)) = kind {
            head.push(b"lambda-runtime-function-error-type: ");
            head.push(kind.as_bytes());
            head.push(b"\r\n");
        }
        if let Some(id) = post.invocation_id {
            head.push(b"lambda-runtime-invocation-id: ");
            head.push(id);
            head.push(b"\r\n");
        }
        match post.length {
            Some(length) => {
                head.push(JSON);
                head.push_number(length);
                head.push(b"\r\n\r\n");
            }
            None => head.push(STREAMED),
        }
    }
}

/// What every target begins with.
const VERSION: &[u8] = b"/2018-06-01/runtime/";
const USER_AGENT: &[u8] = concat!("\r\nuser-agent: midge-lambda/", env!("CARGO_PKG_VERSION"), "\r\n").as_bytes();

/// What announces JSON, up to its length.
const JSON: &[u8] = b"content-type: application/json\r\ncontent-length: ";
/// What an answer that is streamed is announced with, its trailers included.
const STREAMED: &[u8] = b"lambda-runtime-function-response-mode: streaming\r\n\
    content-type: application/vnd.awslambda.http-integration-response\r\n\
    trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// Bytes that a request's head may have.
pub(crate) const HEAD_ROOM: usize = 2_048;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed, and says where")]
mod tests {
    use super::{Api, ErrorKind, HEAD_ROOM, Post, What};
    use crate::endpoint::Endpoint;

    fn api() -> Api {
        Api::new(&Endpoint::parse("127.0.0.1:9001/.rt".to_owned()).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn a_head_stands_right_before_its_body() {
        let mut place = [b'-'; HEAD_ROOM];
        let post = Post { what: What::Response("id-1"), invocation_id: Some(b"inv-2"), length: Some(12) };
        let start = api().post_before(&post, &mut place);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "POST /.rt/2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nhost: 127.0.0.1:9001\r\nuser-agent: \
             midge-lambda/{version}\r\nlambda-runtime-invocation-id: inv-2\r\ncontent-type: application/json\r\ncontent-length: \
             12\r\n\r\n"
        );
        assert_eq!(start, Some(HEAD_ROOM - expected.len()));
        assert_eq!(String::from_utf8_lossy(&place[HEAD_ROOM - expected.len()..]), expected);
    }

    #[test]
    fn a_head_is_the_same_but_for_the_id_that_is_echoed() {
        let head = |invocation_id| {
            let mut place = [0; HEAD_ROOM];
            let post = Post { what: What::Response("id-1"), invocation_id, length: Some(12) };
            let start = api().post_before(&post, &mut place).unwrap_or_default();
            String::from_utf8_lossy(&place[start..]).into_owned()
        };
        assert_eq!(head(None), head(Some(b"inv-2")).replace("lambda-runtime-invocation-id: inv-2\r\n", ""));
    }

    #[test]
    fn a_head_that_does_not_fit_is_not_sent() {
        let id = "x".repeat(HEAD_ROOM);
        let post = Post { what: What::Response(&id), invocation_id: None, length: None };
        assert_eq!(api().post_before(&post, &mut [0; HEAD_ROOM]), None);
        let post = Post { what: What::InitError(ErrorKind::INIT), invocation_id: None, length: Some(0) };
        assert_eq!(api().post_before(&post, &mut [0; 16]), None);
    }

    #[test]
    fn error_kinds_are_what_the_platform_takes() {
        let kinds = [
            ErrorKind::PANIC,
            ErrorKind::FAILURE,
            ErrorKind::TIMEOUT,
            ErrorKind::INIT,
            ErrorKind::EVENT_TOO_LARGE,
            ErrorKind::BEFORE_SNAPSHOT,
            ErrorKind::AFTER_RESTORE,
        ];
        for ErrorKind(kind) in kinds {
            let name = kind.strip_prefix("Runtime.").or_else(|| kind.strip_prefix("Function."));
            let name = name.unwrap_or_default().as_bytes();
            // (Runtime|Function)\.[A-Z][a-zA-Z]+
            assert!(
                name.len() > 1 && name[0].is_ascii_uppercase() && name.iter().all(u8::is_ascii_alphabetic),
                "{kind}"
            );
        }
    }
}

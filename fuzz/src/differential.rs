//! Invariant: midge may be stricter than hyper and is never more lenient: a request that midge shows to its handler, hyper shows to
//! its own, with the same method, target, fields and body, and so with the same boundaries.
//!
//! Input: what a client sends on one connection.

use std::{
    cell::RefCell,
    convert::Infallible,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};
use midge::{Failure, Request, Response, Sent};

use crate::{Lines, common::Bench};

/// Has both serve one client, and compares what their handlers saw.
pub fn check(data: &[u8]) {
    // midge reads later minor versions as 1.1 (RFC 9110, section 6.2); hyper knows none.
    if data.windows(8).any(|window| window.starts_with(b"HTTP/1.") && matches!(window[7], b'2'..=b'9')) {
        return;
    }
    let ours = by_midge(data);
    if ours.is_empty() {
        return;
    }
    let theirs = by_hyper(data);
    for (at, request) in ours.iter().enumerate() {
        let Some(other) = theirs.get(at) else {
            // What only hyper's own URIs don't hold: without it, both have to see the same again.
            let plain = in_hypers_uri(&request.raw);
            assert!(plain != request.raw, "hyper saw {} requests, midge request {at} too: {request:?}", theirs.len());
            let plain = replaced(data, request.raw.as_bytes(), plain.as_bytes());
            assert!(by_midge(&plain).len() > at, "midge sees no request {at} any more: {}", plain.escape_ascii());
            return check(&plain);
        };
        assert_eq!(request.head(), other.head());
        if let (Some(body), Some(other)) = (&request.body, &other.body) {
            assert_eq!(body.escape_ascii().to_string(), other.escape_ascii().to_string());
        }
        assert!(request.body.is_none() || other.body.is_some(), "hyper refuses the body of {request:?}");
    }
}

#[derive(Debug)]
struct Seen {
    method: String,
    /// As it stands there; unknown of hyper.
    raw: String,
    target: String,
    http10: bool,
    fields: Lines,
    /// Nothing if it could not be read to its end.
    body: Option<Vec<u8>>,
}

impl Seen {
    fn head(&self) -> (&str, &str, bool, &Lines) {
        (&self.method, &self.target, self.http10, &self.fields)
    }
}

fn by_midge(data: &[u8]) -> Vec<Seen> {
    let seen = RefCell::new(Vec::new());
    let handler = async |mut request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let mut fields: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
        fields.sort();
        let head = Seen {
            method: request.method().as_str().to_owned(),
            raw: request.target().to_owned(),
            target: normal(request.target()),
            http10: request.version().as_str() == "1.0",
            fields,
            body: None,
        };
        let body = request.body().all().await.map(<[u8]>::to_vec);
        seen.borrow_mut().push(Seen { body: body.as_ref().ok().cloned(), ..head });
        body?;
        response.status(200).body("").await
    };
    Bench::new().run(&handler, &[data]);
    seen.into_inner()
}

fn by_hyper(data: &[u8]) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let mut fields: Vec<_> = head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect();
            fields.sort();
            let mut request = Seen {
                method: head.method.as_str().to_owned(),
                raw: String::new(),
                target: normal(&head.uri.to_string()),
                http10: head.version == hyper::Version::HTTP_10,
                fields,
                body: None,
            };
            request.body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
            seen.borrow_mut().push(request);
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::new())))
        }
    });
    let mut builder = http1::Builder::new();
    builder.half_close(true).max_headers(200);
    {
        let mut connection = pin!(builder.serve_connection(Wire(data), service));
        // Nothing of it waits for anything but the client, who is done.
        for _ in 0..1_000 {
            if connection.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                break;
            }
        }
    }
    seen.take()
}

/// A target as both can tell it: hyper's has no fragment, and `/` where an absolute one has no path.
fn normal(target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    format!("{}://{}{path}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase())
}

/// A target of the same length without what hyper's URIs don't hold: a backtick, which browsers send, and percent-encoding in a host
/// (RFC 3986, section 3.2.2).
fn in_hypers_uri(target: &str) -> String {
    let mut plain = target.replace('`', "x");
    let authority = plain.find("://").filter(|_| !plain.starts_with('/')).map_or(0, |at| at + 3);
    let end = plain[authority..].find(['/', '?']).map_or(plain.len(), |at| authority + at);
    let is_connect = !plain.contains('/') && plain.contains(':');
    if authority > 0 || is_connect {
        while let Some(at) = plain[authority..end].find('%') {
            plain.replace_range(authority + at..authority + at + 3, "xxx");
        }
    }
    plain
}

fn replaced(data: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    while let Some(at) = data.windows(wanted.len()).position(|window| window == wanted) {
        data[at..at + by.len()].copy_from_slice(by);
    }
    data
}

/// A client that has sent everything, and takes whatever comes.
struct Wire<'d>(&'d [u8]);

impl Read for Wire<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(self.0.len().min(buf.remaining()));
        buf.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! A gateway (RFC 9110, section 3.7): each request is sent on to one backend, and the backend's answer is passed back as it comes.

use std::time::Duration;

use midge::{Failure, Fields, Handler, Peer, Request, Response, Sent};
use midge_tcp::{CallRequest, Client, Upload};

/// Passes requests on to one server, and its answers back, in constant memory.
///
/// Methods, targets, fields and bodies go through as they are, but for the fields that are about one connection alone (RFC 9110, section
/// 7.6.1), `Expect`, and `Host`, which is the backend's. `Via` is added both ways, and the backend is told who asked and for what host in
/// `X-Forwarded-For` and `X-Forwarded-Host`. Trailers are not passed on.
#[derive(Debug)]
pub struct Proxy {
    backend: Client,
    deadline: Option<Duration>,
}

impl Proxy {
    /// A gateway to `backend`. `deadline` is the time for a whole exchange with it, the bodies included; none is the default.
    #[must_use]
    pub const fn new(backend: Client, deadline: Option<Duration>) -> Self {
        Self { backend, deadline }
    }
}

impl Handler for Proxy {
    /// # Errors
    ///
    /// 502 when the backend can't be reached or doesn't answer as it should, 504 when it is late, 503 when too many calls are being made; what
    /// is wrong with the request's body. Once the answer's head is out, the connection is cut instead.
    async fn handle(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let mut call = self.backend.call()?;
        if let Some(deadline) = self.deadline {
            call = call.deadline(deadline);
        }
        let target = match request.query() {
            Some(query) => [request.path(), "?", query],
            None => [request.path(), "", ""],
        };
        let outgoing = call.request_with_target(request.method(), &target);
        let outgoing = forwarded(&request, outgoing);

        let mut answer = match request.content_length() {
            Some(0) => outgoing.send().await?,
            length => {
                let mut upload = outgoing.stream(length).await?;
                pass_on(&mut request, &mut upload).await?;
                upload.answer().await?
            }
        };

        let fields = answer.headers();
        let mut head = response.status(answer.status());
        for (name, value) in fields.iter().filter(|(name, _)| passes(name, &fields)) {
            head = head.header(name, value);
        }
        head = head.header("via", "1.1 midge");
        if matches!(answer.status(), 204 | 205 | 304) {
            return head.empty().await;
        }
        if let Some(length) = length(&fields) {
            head = head.length(length);
        }
        let mut body = head.stream().await?;
        while let Some(chunk) = answer.chunk().await? {
            body.write(chunk).await?;
            // What the backend sends now may be wanted now. It also waits here while the client is slower.
            body.flush().await?;
        }
        body.finish().await
    }
}

/// Adds the fields that go on to the backend.
fn forwarded<'k>(request: &Request<'_>, mut outgoing: CallRequest<'k>) -> CallRequest<'k> {
    let fields = request.headers();
    for (name, value) in fields.iter().filter(|(name, _)| passes(name, &fields)) {
        if !["host", "expect", "x-forwarded-host"].iter().any(|other| name.eq_ignore_ascii_case(other)) {
            outgoing = outgoing.header(name, value);
        }
    }
    if let Peer::Ip(address) = request.peer() {
        outgoing = outgoing.header_fmt("x-forwarded-for", format_args!("{}", address.ip()));
    }
    outgoing = outgoing.header("x-forwarded-host", request.authority());
    outgoing.header_fmt("via", format_args!("{} midge", request.version().as_str()))
}

/// Sends the request's body on as it comes, unless the backend has answered before it is all there.
async fn pass_on(request: &mut Request<'_>, upload: &mut Upload<'_>) -> Result<(), Failure> {
    while let Some(chunk) = request.body().chunk().await? {
        if !upload.write(&*chunk).await? || !upload.flush().await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a field is about the message and not about the connection that it came over: RFC 9110, section 7.6.1, and what `Connection` names.
/// How a message is framed is decided anew for each connection.
fn passes(name: &str, fields: &Fields<'_>) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    !HOP_BY_HOP.iter().any(|other| is(other))
        && !fields.all("connection").any(|options| {
            options.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        })
}

/// The length that the backend declared. It was checked when the answer was read.
fn length(fields: &Fields<'_>) -> Option<u64> {
    std::str::from_utf8(fields.get("content-length")?).ok()?.parse().ok()
}

const HOP_BY_HOP: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

//! WebSocket (RFC 6455) by an upgrade: an echo, and a chat among all connections of all workers.

mod messages;
mod room;

use std::{future::poll_fn, pin::pin, task::Poll};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use midge::{Failure, Handler, Method, Request, Response, Sent, Upgraded};
use sha1::{Digest, Sha1};
use websocket_sans_io::Opcode;

pub use self::{
    messages::{CONTROL_BYTES, MESSAGE_BYTES, Message, Messages, Violation},
    room::{Lagged, Member, Room},
};

/// `GET /echo` and `GET /chat` by WebSocket, and a page at `/` that tries both.
#[derive(Debug)]
pub struct Sockets {
    room: Room,
}

impl Sockets {
    /// With a chat for so many members.
    #[must_use]
    pub fn new(members: usize) -> Self {
        Self { room: Room::new(members) }
    }
}

impl Handler for Sockets {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let chat = match (request.method(), request.path()) {
            (Method::Get, "/echo") => false,
            (Method::Get, "/chat") => true,
            (Method::Get | Method::Head, "/") => {
                return response.status(200).header("content-type", "text/html; charset=utf-8").body(PAGE).await;
            }
            (_, "/echo" | "/chat") => return response.status(405).header("allow", "GET").empty().await,
            (_, "/") => return response.status(405).header("allow", "GET, HEAD").empty().await,
            _ => return Err(Failure::new(404).because("there are /, /echo and /chat")),
        };
        let accept = match handshake(&request) {
            Ok(accept) => accept,
            // The versions that would do (section 4.4).
            Err(Refused::Version) => {
                let head = response.status(426).header("sec-websocket-version", "13").offer_upgrade("websocket");
                return head.body("this is WebSocket, version 13\n").await;
            }
            Err(Refused::Other(failure)) => return Err(failure),
        };
        let member = if chat {
            let full = Failure::new(503).because("the room is full");
            Some(self.room.enter().ok_or(full)?)
        } else {
            None
        };
        let accept = core::str::from_utf8(&accept).unwrap_or_default();
        let upgraded = response.status(101).header("sec-websocket-accept", accept).upgrade("websocket").await?;
        match member {
            Some(member) => self.chat(upgraded, member).await,
            None => echo(upgraded).await,
        }
    }
}

enum Refused {
    /// Another version, or no WebSocket at all.
    Version,
    Other(Failure),
}

/// Checks what a client has to send (section 4.2.1), and gives what proves that it was understood.
fn handshake(request: &Request<'_>) -> Result<[u8; 28], Refused> {
    let bad = |reason| Refused::Other(Failure::new(400).because(reason));
    let one = |name| {
        let mut values = request.headers().all(name);
        (values.next(), values.next().is_some())
    };
    if !request.offers_upgrade("websocket") {
        return Err(Refused::Version);
    }
    if request.content_length() != Some(0) {
        return Err(bad("a handshake has no body"));
    }
    match one("sec-websocket-version") {
        (Some(b"13"), false) => {}
        (None, _) => return Err(bad("Sec-WebSocket-Version is missing")),
        _ => return Err(Refused::Version),
    }
    let (Some(key), false) = one("sec-websocket-key") else {
        return Err(bad("there has to be one Sec-WebSocket-Key"));
    };
    // 16 bytes in base64.
    let mut nonce = [0; 18];
    if key.len() != 24 || STANDARD.decode_slice(key, &mut nonce) != Ok(16) {
        return Err(bad("Sec-WebSocket-Key isn't 16 bytes in base64"));
    }
    // Browsers let every page connect everywhere, with the user's cookies: only pages from here may (section 10.2).
    if let Some(origin) = request.header("origin") {
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        if !authority.eq_ignore_ascii_case(request.authority()) {
            return Err(Refused::Other(Failure::new(403).because("pages from elsewhere may not connect")));
        }
    }
    let digest = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    let mut accept = [0; 28];
    STANDARD.encode_slice(digest, &mut accept).map_err(|_| Refused::Other(Failure::new(500)))?;
    Ok(accept)
}

/// Sends back what comes, in one frame for each message.
async fn echo(mut upgraded: Upgraded<'_>) -> Result<Sent, Failure> {
    let (mut input, mut messages) = ([0; INPUT], Messages::new());
    loop {
        let count = upgraded.read(&mut input).await?;
        let mut at = 0;
        let came = input.get_mut(..count).unwrap_or_default();
        if came.is_empty() {
            return upgraded.finish().await;
        }
        loop {
            let message = match messages.next(came, &mut at) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(Violation(code)) => return close(upgraded, Some(code)).await,
            };
            match message {
                Message::Text(text) => send(&mut upgraded, Opcode::Text, text.as_bytes()).await?,
                Message::Binary(bytes) => send(&mut upgraded, Opcode::Binary, bytes).await?,
                Message::Ping(bytes) => send(&mut upgraded, Opcode::Pong, bytes).await?,
                Message::Pong => {}
                Message::Close(code) => return close(upgraded, code).await,
            }
        }
        // One write for all that was answered.
        upgraded.flush().await?;
    }
}

impl Sockets {
    /// Tells everybody what this one says, and this one what everybody says.
    async fn chat(&self, mut upgraded: Upgraded<'_>, mut member: Member<'_>) -> Result<Sent, Failure> {
        let (mut input, mut messages, mut said) = ([0; INPUT], Messages::new(), [0; MESSAGE_BYTES]);
        loop {
            // Whichever is first; what isn't ready leaves nothing behind.
            let event = {
                let mut reading = pin!(upgraded.read(&mut input));
                poll_fn(|context| {
                    if let Poll::Ready(next) = member.poll_next(&mut said, context) {
                        return Poll::Ready(Event::Said(next));
                    }
                    reading.as_mut().poll(context).map(Event::Read)
                })
                .await
            };
            let count = match event {
                Event::Said(Ok(length)) => {
                    send(&mut upgraded, Opcode::Text, said.get(..length).unwrap_or_default()).await?;
                    upgraded.flush().await?;
                    continue;
                }
                // Try again later.
                Event::Said(Err(Lagged)) => return close(upgraded, Some(1_013)).await,
                Event::Read(count) => count?,
            };
            let mut at = 0;
            let came = input.get_mut(..count).unwrap_or_default();
            if came.is_empty() {
                return upgraded.finish().await;
            }
            loop {
                match messages.next(came, &mut at) {
                    Ok(Some(Message::Text(text))) => self.room.say(text),
                    Ok(Some(Message::Ping(bytes))) => send(&mut upgraded, Opcode::Pong, bytes).await?,
                    Ok(Some(Message::Pong)) => {}
                    // Only text is said here.
                    Ok(Some(Message::Binary(_))) => return close(upgraded, Some(1_003)).await,
                    Ok(Some(Message::Close(code))) => return close(upgraded, code).await,
                    Ok(None) => break,
                    Err(Violation(code)) => return close(upgraded, Some(code)).await,
                }
            }
            upgraded.flush().await?;
        }
    }
}

enum Event {
    Said(Result<usize, Lagged>),
    Read(Result<usize, Failure>),
}

async fn send(upgraded: &mut Upgraded<'_>, opcode: Opcode, payload: &[u8]) -> Result<(), Failure> {
    upgraded.write(messages::header(opcode, payload.len())).await?;
    upgraded.write(payload).await
}

/// The last frame; the connection ends behind it, lingering, so that the peer reads it.
async fn close(mut upgraded: Upgraded<'_>, code: Option<u16>) -> Result<Sent, Failure> {
    let code = code.map(u16::to_be_bytes);
    send(&mut upgraded, Opcode::ConnectionClose, code.as_ref().map_or(&[], |code| code.as_slice())).await?;
    upgraded.finish().await
}

/// Bytes that are read at once.
const INPUT: usize = 2_048;

const PAGE: &str = include_str!("page.html");

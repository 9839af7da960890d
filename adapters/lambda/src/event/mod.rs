//! Events to requests, and answers back: the JSON that the platform's sources put HTTP into.
//!
//! [`read()`] turns an event into a request where it stands; [`Renderer`] turns an answer into the JSON that the event's source
//! wants, and [`prelude`] into the one that stands before a streamed answer. Nothing is allocated, and no tree is built.
//!
//! ```text
//!   before   | room |   whatever   | event .......................................... |
//!   after    | target, method |    | names, values ... | body |  ... requestContext ...|
//!            |------------------ head ----------------| body |-------- tail ---------|
//! ```
//!
//! The strings of a request are unescaped where they stand, and a base64 body is decoded there; only what has to be put together
//! (the target, a method) goes into the room before the event. So head and body lie in one buffer, which [`Event::split`] takes
//! apart: `Head::plain` over the first part, the exchange's input over the second.
//!
//! `requestContext` is read without being changed, and [`Event::request_context`] says where it is: the authorizer's claims
//! are there, as the JSON that the platform wrote, without a copy of the event.
//!
//! What a handler sees is the same whatever the source:
//!
//! - The target's path is percent-encoded and has no stage. Some sources decode paths and some don't, and nothing in the event says
//!   which, so what is encoded already stays, and what can't stand in a path is encoded.
//! - The query is raw. An HTTP API and a function URL send it so; a load balancer's parameters are as the client wrote them, and
//!   are put together again; a REST API's and VPC Lattice's are decoded, and encoded again. The order is the event's.
//! - Cookies are there once. `cookies` stands for all `cookie` fields, as one.
//! - Repeated fields are repeated, where the source tells (`multiValueHeaders`, arrays).
//! - Of two members with the same name, the later counts.

mod base64;
pub(crate) mod error;
mod escape;
mod fields;
pub(crate) mod json;
mod read;
mod render;
mod scan;
mod target;

use core::net::SocketAddr;

use midge::{PlainHead, Span};

pub(crate) use self::{
    read::read,
    render::{Renderer, TooLarge, prelude},
};

/// Which of the platform's sources an event came from: it decides the form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// API Gateway, REST API, and HTTP API with payload format 1.0.
    RestApi,
    /// API Gateway, HTTP API with payload format 2.0.
    HttpApi,
    /// A Lambda function URL.
    FunctionUrl,
    /// An Application Load Balancer.
    AlbSingle,
    /// An Application Load Balancer whose target group has multi-value headers enabled.
    AlbMulti,
    /// VPC Lattice, with event structure version 2.
    Lattice,
}

/// A request that was read from an event: where its parts stand in the event's buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// Where it came from.
    pub(crate) source: Source,
    /// The method's name: a token.
    pub(crate) method: Span,
    /// Path and query, percent-encoded.
    pub(crate) target: Span,
    /// `Host`, or the domain name that the event tells; empty if neither is there.
    pub(crate) authority: Span,
    /// Number of header fields, from the table's first on.
    pub(crate) fields: usize,
    /// The body, decoded. Every other span but `request_context` lies before it.
    pub(crate) body: Span,
    /// `requestContext` as the platform wrote it: a JSON object, before the body or behind it. Empty if there is none.
    pub(crate) request_context: Span,
    /// The client, as the source saw it; port 0 where the source doesn't tell it.
    pub(crate) client: Option<SocketAddr>,
}

impl Event {
    /// The request's head, for `Head::plain` over the first part of [`Event::split`].
    pub(crate) fn head(&self) -> PlainHead {
        let length = self.body.end() - self.body.start();
        PlainHead { method: self.method, target: self.target, authority: self.authority, body: Some(length as u64) }
    }

    /// Takes the event's buffer apart: what the head and its fields stand in, the body alone, and what is behind it.
    pub(crate) fn split<'b>(&self, buffer: &'b mut [u8]) -> (&'b [u8], &'b mut [u8], &'b [u8]) {
        let (head, rest) = buffer.split_at_mut_checked(self.body.start()).unwrap_or_default();
        let (body, tail) = rest.split_at_mut_checked(self.body.end() - self.body.start()).unwrap_or_default();
        (head, body, tail)
    }

    /// `requestContext`, in the first and the last part of [`Event::split`].
    pub(crate) fn request_context<'b>(&self, head: &'b [u8], tail: &'b [u8]) -> &'b [u8] {
        let (start, end) = (self.request_context.start(), self.request_context.end());
        match start.checked_sub(self.body.end()) {
            Some(start) => tail.get(start..end - self.body.end()).unwrap_or_default(),
            None => head.get(start..end).unwrap_or_default(),
        }
    }
}

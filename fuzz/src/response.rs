//! Invariant: whatever a handler writes, the client's side parses back to exactly that, or sees that it was cut, or gets a failure in
//! its place: never another status, field, body or trailer, and never a second answer.
//!
//! Input: what the handler does, step by step, by `arbitrary`.

use std::cell::RefCell;

use arbitrary::{Arbitrary, Unstructured};
use midge::{Failure, Request, Response, Sent};
use midge_tests::wire::{Asked, Ending, Field, Reader};

use crate::{Lines, common::Bench};

#[derive(Arbitrary, Debug)]
pub(crate) struct Script {
    method: Method,
    http10: bool,
    take: u8,
    interim: Option<(u16, Lines)>,
    status: u16,
    usual: bool,
    pub(crate) fields: Lines,
    pub(crate) length: Option<u8>,
    close: bool,
    body: Body,
    fails: bool,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq)]
enum Method {
    Get,
    Head,
    Post,
}

#[derive(Arbitrary, Debug)]
enum Body {
    Empty,
    Whole(Vec<u8>),
    Stream { pieces: Vec<(Vec<u8>, bool)>, trailers: Lines, finishes: bool },
}

/// What the handler believes that it wrote.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) content: Vec<u8>,
    trailers: Lines,
    /// `Sent` was made.
    pub(crate) sent: bool,
}

/// Lets a handler follow a script, and reads what comes out.
pub fn check(data: &[u8]) {
    let Ok(script) = Script::arbitrary(&mut Unstructured::new(data)) else { return };
    let written = RefCell::new(Written::default());
    let handler = async |_: Request<'_>, response: Response<'_>| follow(&script, &written, response).await;
    let mut bench = Bench::sized(1024, 2048, 16, midge::Limits { response_head_bytes: 1024, ..midge::Limits::DEFAULT });
    bench.take = if script.take == 0 { usize::MAX } else { usize::from(script.take) };
    let method = match script.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
    };
    let version = if script.http10 { "1.0" } else { "1.1" };
    let request = format!("{method} / HTTP/{version}\r\nHost: a\r\n\r\n");
    let outcome = bench.run(&handler, &[request.as_bytes()]);
    let written = written.into_inner();

    let asked = Asked::new(method);
    let mut reader = Reader::new();
    reader.ask(if script.http10 { asked.http10() } else { asked });
    reader.push(&outcome.out);
    let reset = outcome.stop == crate::common::Stop::Ended(midge::Ended::Reset);
    let response = match reader.response() {
        Some(response) => Some(response),
        None if reset => None,
        None => reader.end(Ending::Eof, true),
    };
    let context = || format!("{script:?}, {written:?}: {outcome:?}");
    let Some(response) = response else {
        assert!(!written.sent || reset, "an answer that was finished is not there: {}", context());
        return;
    };
    assert!(reader.response().is_none() && reader.rest().is_empty(), "more than one answer: {}", context());
    assert!(!reset, "a whole answer, and a reset: {}", context());
    if written.sent {
        assert_eq!(response.head.status, script.status(), "{}", context());
        // (What is written to a HEAD, or with 204 or 304, tells a length and no more.)
        let is_bodiless = script.method == Method::Head || matches!(script.status(), 204 | 304);
        let expected = if is_bodiless { &[][..] } else { &written.content[..] };
        assert_eq!(response.content, expected, "{}", context());
        // A declared length is the body's, or is told of a body that isn't there at all.
        let is_told = is_bodiless && written.content.is_empty();
        let declared = script.length.map_or(written.content.len(), usize::from);
        assert!(is_told || declared == written.content.len(), "{declared} were declared: {}", context());
        if let Some(length) = script.length.filter(|_| script.status() != 204) {
            assert_eq!(response.head.value("content-length"), Some(length.to_string().as_bytes()), "{}", context());
        }
        // The script's fields in their order, and the engine's own, each once.
        let own = ["date", "connection", "content-length", "transfer-encoding", "keep-alive", "trailer"];
        let is_own = |name: &str| own.iter().any(|own| name.eq_ignore_ascii_case(own));
        let theirs = |name: &str| script.fields.iter().any(|(own, _)| name.eq_ignore_ascii_case(own));
        let given: Vec<_> = pairs(&response.head.fields).filter(|(name, _)| theirs(name) || !is_own(name)).collect();
        let wanted: Vec<_> = script.fields.iter().map(|(name, value)| pair(name, value)).collect();
        assert_eq!(given, wanted, "{}", context());
        for name in own {
            let times = pairs(&response.head.fields).filter(|(given, _)| given == name && !theirs(name)).count();
            assert!(times <= 1, "{name} comes {times} times: {}", context());
        }
        // Where the body isn't chunked, there is no place for them.
        let has_place = response.head.value("transfer-encoding").is_some() && !is_bodiless;
        let trailers: Vec<_> = written.trailers.iter().map(|(name, value)| pair(name, value)).collect();
        let wanted = if has_place { trailers } else { Vec::new() };
        assert_eq!(pairs(&response.trailers).collect::<Vec<_>>(), wanted, "{}", context());
        // An interim answer goes before it, if the client knows of such.
        let interim = script.interim.as_ref().filter(|_| !script.http10);
        let given: Vec<_> =
            response.interim.iter().map(|head| (head.status, pairs(&head.fields).collect::<Vec<_>>())).collect();
        let wanted: Vec<_> = interim
            .map(|(status, fields)| (*status, fields.iter().map(|(name, value)| pair(name, value)).collect()))
            .into_iter()
            .collect();
        assert_eq!(given, wanted, "{}", context());
    } else {
        // The head alone, of an answer to HEAD or a 304, can't show that its body was cut, nor can a body that is there whole as its length
        // was declared.
        let whole = script.length.is_some_and(|length| usize::from(length) == written.content.len());
        let shows = script.method != Method::Head && script.status() != 304 && !whole;
        assert!(response.head.status >= 400 || !shows, "a whole answer that was never finished: {}", context());
    }
    // Framing fields that a script sets would be refused; the rest of the duties hold whatever it does.
    let excused =
        |what: &str| what.contains("Allow") || what.contains("Upgrade") || what.to_ascii_lowercase().contains("date");
    for violation in reader.violations() {
        assert!(excused(&format!("{violation:?}")), "{violation:?}: {}", context());
    }
}

/// A field to be compared: names are the same in any case, and blanks around a value are nobody's.
fn pair(name: &str, value: &[u8]) -> (String, Vec<u8>) {
    (name.to_ascii_lowercase(), value.trim_ascii().to_vec())
}

fn pairs(fields: &[Field]) -> impl Iterator<Item = (String, Vec<u8>)> {
    fields.iter().map(|field| pair(&field.name, &field.value))
}

impl Script {
    pub(crate) fn status(&self) -> u16 {
        if self.usual { 200 + self.status % 5 * 100 % 400 } else { self.status }
    }
}

/// Does what a script says.
pub(crate) async fn follow(
    script: &Script,
    written: &RefCell<Written>,
    mut response: Response<'_>,
) -> Result<Sent, Failure> {
    if let Some((status, fields)) = &script.interim {
        let mut interim = response.interim(*status);
        for (name, value) in fields {
            interim = interim.header(name, value);
        }
        interim.send().await?;
    }
    let mut head = response.status(script.status());
    for (name, value) in &script.fields {
        head = head.header(name, value);
    }
    if let Some(length) = script.length {
        head = head.length(u64::from(length));
    }
    if script.close {
        head = head.close();
    }
    let sent = match &script.body {
        Body::Empty => head.empty().await?,
        Body::Whole(body) => {
            written.borrow_mut().content = body.clone();
            head.body(body).await?
        }
        Body::Stream { pieces, trailers, finishes } => {
            let mut body = head.stream().await?;
            for (piece, flush) in pieces {
                body.write(piece).await?;
                written.borrow_mut().content.extend_from_slice(piece);
                if *flush {
                    body.flush().await?;
                }
            }
            for (name, value) in trailers {
                body.trailer(name, value).await?;
                written.borrow_mut().trailers.push((name.clone(), value.clone()));
            }
            if !finishes {
                return Err(Failure::new(500));
            }
            body.finish().await?
        }
    };
    written.borrow_mut().sent = true;
    if script.fails { Err(Failure::new(500)) } else { Ok(sent) }
}

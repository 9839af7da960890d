//! A panic becomes an error report, from memory that is there already, and also where it aborts the process.

use std::{
    fmt,
    panic::{self, PanicHookInfo},
    sync::Once,
};

use midge::AnswerHead;

use crate::{
    Error,
    api::{ErrorKind, HEAD_ROOM, Post, What},
    context::{Current, Invocation, current},
    link::{Link, Received, Stage},
    stream,
    text::{Text, error_document},
};

/// Has every panic's message noted. Where panics abort, one of the handler's is reported before the process ends.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let current = current();
            if let Some(current) = &current {
                note(current, info);
            }
            // To the log first: what comes next may fail.
            previous(info);
            if cfg!(panic = "abort")
                && let Some(current) = &current
            {
                report_current(current);
            }
        }));
    });
}

/// Reports the panic that was noted on this thread.
pub(crate) fn report(link: &Link, what: What<'_>, invocation_id: Option<&[u8]>) -> Result<Received, Error> {
    let mut memory = [0; REPORT_BYTES];
    with_message(link, |message| post_error(link, what, ErrorKind::PANIC, invocation_id, message, &mut memory))
}

/// The message of the panic that was noted on this thread, given to `work`.
pub(crate) fn with_message<T>(link: &Link, work: impl FnOnce(&dyn fmt::Display) -> T) -> T {
    match link.panic.try_borrow() {
        Ok(message) => work(&*message),
        Err(_) => work(&"a panic"),
    }
}

/// Reports a failure of any kind. The answer is read into `memory` too, which has to hold [`REPORT_BYTES`].
pub(crate) fn post_error(
    link: &Link,
    what: What<'_>,
    kind: ErrorKind,
    invocation_id: Option<&[u8]>,
    message: &dyn fmt::Display,
    memory: &mut [u8],
) -> Result<Received, Error> {
    let (place, answer) = memory.split_at_mut_checked(HEAD_ROOM + DOCUMENT_BYTES).unwrap_or_default();
    let (head, document) = place.split_at_mut_checked(HEAD_ROOM).unwrap_or_default();
    let length = error_document(document, kind.0, message).len();
    let post = Post { what, invocation_id, length: Some(length) };
    let Some(start) = link.api.post_before(&post, head) else { return Err(Error::Field("request id")) };
    let request = place.get(start..HEAD_ROOM + length).unwrap_or_default();
    link.ask(request, answer, 0, |_: &AnswerHead<'_>| {})
}

/// Before an abort: nobody can be told what goes wrong here.
#[cold]
fn report_current(current: &Current) {
    let Current { link, invocation } = current;
    let _ = match (link.stage.get(), invocation) {
        (Stage::Init, _) | (_, None) => report(link, What::InitError(ErrorKind::PANIC), None).map(|_| ()),
        (Stage::Invocation, Some(invocation)) => {
            let Invocation { request_id, .. } = &**invocation;
            let what = What::InvocationError(request_id, ErrorKind::PANIC);
            report(link, what, invocation.invocation_id()).map(|_| ())
        }
        (Stage::Streaming, Some(_)) => {
            let mut memory = [0; REPORT_BYTES];
            with_message(link, |message| stream::fail(link, ErrorKind::PANIC, message, &mut memory))
                // The platform is to have read it before the process, and with it the connection, is gone.
                .and_then(|()| link.receive(&mut memory, 0, &mut |_| {}))
                .map(|_| ())
                .map_err(Error::from)
        }
    };
}

/// Notes the panic's message where its thread's connection is.
fn note(current: &Current, info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "a panic without text",
    };
    // A panic within a panic's report leaves the first one's message.
    if let Ok(mut message) = current.link.panic.try_borrow_mut() {
        match info.location() {
            Some(location) => message.set(format_args!("{text} ({location})")),
            None => message.set(format_args!("{text}")),
        }
    }
}

/// A panic's message, as much of it as there is room for.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: [u8; 1_024],
    length: usize,
}

impl Message {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; 1_024], length: 0 }
    }

    fn set(&mut self, text: fmt::Arguments<'_>) {
        let mut place = Text::new(&mut self.bytes);
        let _ = fmt::write(&mut place, text);
        self.length = place.as_bytes().len();
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.bytes.get(..self.length).unwrap_or_default()).unwrap_or_default())
    }
}

/// Bytes of the longest error document.
const DOCUMENT_BYTES: usize = 4_096;
/// What [`post_error`] works in: the request, and the answer's head.
pub(crate) const REPORT_BYTES: usize = HEAD_ROOM + DOCUMENT_BYTES + 8_192;

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut message = Message::new();
        message.set(format_args!("x{}", "é".repeat(1_000)));
        assert_eq!(message.to_string(), format!("x{}", "é".repeat(511)));
        message.set(format_args!("short"));
        assert_eq!(message.to_string(), "short");
    }
}

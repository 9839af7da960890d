//! A panic becomes an error report, from memory that is there already, and also where it aborts the process.

use std::{
    cell::RefCell,
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
            note(info);
            // To the log first: what comes next may fail.
            previous(info);
            if cfg!(panic = "abort")
                && let Some(current) = current()
            {
                report_current(&current);
            }
        }));
    });
}

/// Reports the panic that was noted on this thread.
pub(crate) fn report(link: &Link, what: What<'_>, invocation_id: Option<&str>) -> Result<Received, Error> {
    with_memory(|memory| {
        let (message, memory) = (&memory.message, &mut memory.report);
        post_error(link, what, ErrorKind::PANIC, invocation_id, message, memory)
    })
}

/// The message of the panic that was noted on this thread, given to `work`.
pub(crate) fn with_message<T>(work: impl FnOnce(&dyn fmt::Display) -> T) -> T {
    MEMORY.with_borrow(|memory| work(&memory.message))
}

/// Reports a failure of any kind. The answer is read into `memory` too, which has to hold [`REPORT_BYTES`].
pub(crate) fn post_error(
    link: &Link,
    what: What<'_>,
    kind: ErrorKind,
    invocation_id: Option<&str>,
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
        (Stage::Streaming, Some(_)) => with_memory(|Memory { message, report }| {
            stream::fail(link, ErrorKind::PANIC, message, report)?;
            // The platform is to have read it before the process, and with it the connection, is gone.
            link.receive(report, 0, &mut |_| {}).map(|_| ()).map_err(Error::from)
        }),
    };
}

fn note(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "a panic without text",
    };
    // A panic within a panic's report leaves the first one's message.
    let _ = MEMORY.try_with(|memory| {
        if let Ok(mut memory) = memory.try_borrow_mut() {
            match info.location() {
                Some(location) => memory.message.set(format_args!("{text} ({location})")),
                None => memory.message.set(format_args!("{text}")),
            }
        }
    });
}

fn with_memory<T>(work: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(work)
}

struct Memory {
    message: Message,
    report: [u8; REPORT_BYTES],
}

/// A panic's message, as much of it as there is room for.
struct Message {
    bytes: [u8; 1_024],
    length: usize,
}

impl Message {
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

thread_local! {
    static MEMORY: RefCell<Memory> = const {
        RefCell::new(Memory { message: Message { bytes: [0; 1_024], length: 0 }, report: [0; REPORT_BYTES] })
    };
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
        let mut message = Message { bytes: [0; 1_024], length: 0 };
        message.set(format_args!("x{}", "é".repeat(1_000)));
        assert_eq!(message.to_string(), format!("x{}", "é".repeat(511)));
        message.set(format_args!("short"));
        assert_eq!(message.to_string(), "short");
    }
}

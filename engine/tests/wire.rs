//! The client over a connection whose every step is written down.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use midge::{
    AnswerError, Field, Limits, Method,
    client::{AnswerReader, CallError, Host, RequestError, RequestHead, Sending, Wire},
};

/// What happens next on a connection.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The server takes at most so many bytes.
    Takes(usize),
    /// It takes no more, and reset the connection.
    Resets,
    /// These bytes come.
    Sends(&'static [u8]),
    /// It closed its side.
    Closes,
    /// A read fails.
    Fails,
    /// Nothing, until the next poll.
    Waits,
}

#[derive(Default)]
struct Server {
    steps: RefCell<VecDeque<Step>>,
    taken: RefCell<Vec<u8>>,
}

impl Server {
    fn new(steps: &[Step]) -> Self {
        Self { steps: RefCell::new(steps.iter().copied().collect()), taken: RefCell::default() }
    }

    fn taken(&self) -> String {
        String::from_utf8(self.taken.borrow().clone()).unwrap()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Broken {}

impl embedded_io_async::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

struct End<'s>(&'s Server);

impl ErrorType for End<'_> {
    type Error = Broken;
}

impl Read for End<'_> {
    async fn read(&mut self, to: &mut [u8]) -> Result<usize, Broken> {
        poll_fn(|_| {
            let mut steps = self.0.steps.borrow_mut();
            match steps.pop_front() {
                Some(Step::Sends(bytes)) => {
                    let count = bytes.len().min(to.len());
                    to[..count].copy_from_slice(&bytes[..count]);
                    if count < bytes.len() {
                        steps.push_front(Step::Sends(&bytes[count..]));
                    }
                    Poll::Ready(Ok(count))
                }
                Some(Step::Closes) => Poll::Ready(Ok(0)),
                Some(Step::Fails) => Poll::Ready(Err(Broken("read"))),
                Some(Step::Waits) => Poll::Pending,
                other => {
                    steps.extend(other);
                    steps.rotate_right(usize::from(other.is_some()));
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Write for End<'_> {
    async fn write(&mut self, from: &[u8]) -> Result<usize, Broken> {
        poll_fn(|_| {
            let mut steps = self.0.steps.borrow_mut();
            match steps.front() {
                Some(Step::Takes(most)) => {
                    let count = from.len().min(*most);
                    self.0.taken.borrow_mut().extend_from_slice(&from[..count]);
                    steps.pop_front();
                    Poll::Ready(Ok(count))
                }
                Some(Step::Resets) => {
                    steps.pop_front();
                    Poll::Ready(Err(Broken("write")))
                }
                _ => Poll::Pending,
            }
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

/// What a call came to: whether it was answered early, its status, its body, and whether the connection can be kept.
type Outcome = Result<(Sending, u16, Vec<u8>, bool), (CallError<Broken>, bool)>;

/// Posts `pieces` in chunks to a server that does as it is told, and reads its answer.
fn post(server: &Server, pieces: &[&[u8]]) -> Outcome {
    let limits = Limits { body_bytes: 50, ..Limits::DEFAULT };
    let (mut output, mut input, mut table) = ([0; 128], [0; 512], [Field::EMPTY; 8]);
    let mut request = RequestHead::new(&mut output, Method::Post, "/", Host::new("a").unwrap()).chunked().unwrap();
    let mut answer = AnswerReader::new(&mut input, &mut table, &limits);
    let mut wire = Wire::new(End(server), End(server));
    let sent = finished(async {
        for piece in pieces {
            if wire.write(&mut request, &mut answer, piece).await? == Sending::Answered {
                return Ok(Sending::Answered);
            }
        }
        let sending = wire.finish(&mut request, &mut answer).await?;
        wire.receive(&mut answer).await?;
        Ok(sending)
    });
    let begun = answer.has_begun();
    let sending = sent.map_err(|error| (error, begun))?;
    let (head, mut content) = answer.into_parts().unwrap();
    let mut body = Vec::new();
    finished(async {
        while let Some(bytes) = wire.read(&mut content).await? {
            body.extend_from_slice(bytes);
        }
        Ok(())
    })
    .map_err(|error| (error, begun))?;
    let _ = wire.into_inner();
    Ok((sending, head.status().code(), body, content.can_reuse()))
}

/// Polls until it is done. A step that waits is over with each poll.
fn finished<T>(future: impl Future<Output = Result<T, CallError<Broken>>>) -> Result<T, CallError<Broken>> {
    let mut future = pin!(future);
    for _ in 0..1_000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
    panic!("it waits for ever");
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
const REFUSED: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn a_request_goes_out_and_its_answer_comes_in_whatever_the_pace() {
    for rate in [1, 2, 10, 1_000] {
        let mut steps = vec![];
        for _ in 0..200 / rate + 5 {
            steps.extend([Step::Waits, Step::Takes(rate)]);
        }
        let sent = Server::new(&steps);
        // (The waiting steps are for reads: a write leaves them.)
        sent.steps.borrow_mut().retain(|step| !matches!(step, Step::Waits));
        let length = HEAD.len() + b"000005\r\nhello\r\n0\r\n\r\n".len();
        let takes = length.div_ceil(rate);
        sent.steps.borrow_mut().truncate(takes);
        sent.steps.borrow_mut().extend([Step::Waits, Step::Sends(&DONE[..20]), Step::Waits, Step::Sends(&DONE[20..])]);
        assert_eq!(post(&sent, &[b"he", b"llo"]), Ok((Sending::Sent, 200, b"done".to_vec(), true)));
        assert_eq!(sent.taken(), format!("{HEAD}000005\r\nhello\r\n0\r\n\r\n"));
    }
}

#[test]
fn an_answer_before_the_body_was_sent_ends_the_sending() {
    let large: &[u8] = &[b'x'; 1_000];
    // The server stops taking, and answers; it may well have taken nothing.
    for taken in [0, 10, 100] {
        let server = Server::new(&[Step::Takes(taken), Step::Sends(&REFUSED[..9]), Step::Sends(&REFUSED[9..])]);
        if taken == 0 {
            server.steps.borrow_mut().pop_front();
        }
        assert_eq!(post(&server, &[large]), Ok((Sending::Answered, 413, vec![], false)));
    }
    // It answers and resets the connection: what it said is still there.
    let server = Server::new(&[Step::Takes(10), Step::Resets, Step::Sends(REFUSED), Step::Fails]);
    assert_eq!(post(&server, &[large]), Ok((Sending::Answered, 413, vec![], false)));
    // An interim answer is none.
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    let server = Server::new(&[Step::Sends(interim), Step::Takes(1_000), Step::Sends(DONE)]);
    assert_eq!(post(&server, &[b"x"]), Ok((Sending::Sent, 200, b"done".to_vec(), true)));
}

#[test]
fn a_connection_that_breaks_is_told_by_how_far_it_came() {
    let all = Step::Takes(1_000);
    let cases = [
        (vec![Step::Resets, Step::Closes], CallError::Write(Broken("write")), false),
        (vec![Step::Resets, Step::Fails], CallError::Write(Broken("write")), false),
        (vec![all, Step::Closes], CallError::Ended, false),
        (vec![all, Step::Fails], CallError::Read(Broken("read")), false),
        (vec![Step::Closes], CallError::Ended, false),
        (vec![Step::Fails], CallError::Read(Broken("read")), false),
        (vec![Step::Takes(0)], CallError::Ended, false),
        (vec![all, Step::Sends(b"HTTP/1.1 2"), Step::Closes], CallError::Ended, true),
        (vec![all, Step::Sends(b"HTTP/1.1 2"), Step::Fails], CallError::Read(Broken("read")), true),
        (vec![Step::Resets, Step::Sends(b"no answer\r\n")], CallError::Answer(AnswerError::StatusLine), true),
        (vec![Step::Sends(b"no answer\r\n")], CallError::Answer(AnswerError::StatusLine), true),
        (
            vec![all, Step::Sends(&DONE[..DONE.len() - 1]), Step::Closes],
            CallError::Answer(AnswerError::Truncated),
            true,
        ),
        (vec![all, Step::Sends(&DONE[..DONE.len() - 1]), Step::Fails], CallError::Read(Broken("read")), true),
    ];
    for (steps, error, begun) in cases {
        let text = error.to_string();
        assert!(!text.is_empty());
        assert_eq!(post(&Server::new(&steps), &[b"x"]), Err((error, begun)), "{steps:?}");
    }
}

#[test]
fn a_body_is_gathered_up_to_a_limit_and_read_to_its_end() {
    let (mut output, mut table) = ([0; 128], [Field::EMPTY; 8]);
    for (limit, wanted, is_all) in [(0, "", false), (3, "don", false), (4, "done", true), (100, "done", true)] {
        let server = Server::new(&[Step::Takes(500), Step::Sends(&DONE[..40]), Step::Sends(&DONE[40..])]);
        let mut input = [0; 256];
        let mut request = RequestHead::new(&mut output, Method::Get, "/", Host::new("a").unwrap()).empty().unwrap();
        let mut answer = AnswerReader::new(&mut input, &mut table, &Limits::DEFAULT);
        let mut wire = Wire::new(End(&server), End(&server));
        let (gathered, kept, reuse) = finished(async {
            assert_eq!(wire.send(&mut request, &mut answer).await?, Sending::Sent);
            wire.receive(&mut answer).await?;
            let (_, mut content) = answer.into_parts().unwrap();
            let gathered = wire.gather(&mut content, limit).await?;
            Ok((gathered, String::from_utf8(content.kept().to_vec()).unwrap(), content.can_reuse()))
        })
        .unwrap();
        assert_eq!((gathered, kept.as_str(), reuse), (is_all, wanted, true));
    }
}

#[test]
fn a_buffer_without_room_for_a_byte_is_an_error_and_no_endless_loop() {
    let server = Server::new(&[Step::Takes(500); 8]);
    let (mut output, mut input, mut table) = ([0; 62], [0; 256], [Field::EMPTY; 8]);
    let result = finished(async {
        let mut request = RequestHead::new(&mut output, Method::Post, "/", Host::new("a").unwrap()).chunked()?;
        let mut answer = AnswerReader::new(&mut input, &mut table, &Limits::DEFAULT);
        let mut wire = Wire::new(End(&server), End(&server));
        // The head alone fits; behind it, once it went out, so does a chunk.
        wire.write(&mut request, &mut answer, b"x").await
    });
    assert_eq!(result, Ok(Sending::Sent));
    let request = RequestHead::new(&mut output, Method::Post, "/", Host::new("a").unwrap()).length(1);
    assert_eq!(request.unwrap().write(b"xy"), Err(RequestError::Length));
}

/// The end of a body may wait for room, and goes out before its answer is waited for.
#[test]
fn a_body_s_end_goes_out_whatever_room_the_buffer_has() {
    let head = HEAD.len();
    for room in head..head + 40 {
        let server = Server::new(&[Step::Takes(7); 60]);
        let (mut output, mut input, mut table) = (vec![0; room], [0; 256], [Field::EMPTY; 8]);
        let host = Host::new("a").unwrap();
        let mut request = RequestHead::new(&mut output, Method::Post, "/", host).chunked().unwrap();
        let mut answer = AnswerReader::new(&mut input, &mut table, &Limits::DEFAULT);
        let mut wire = Wire::new(End(&server), End(&server));
        let sent = finished(async {
            assert_eq!(wire.write(&mut request, &mut answer, b"hello").await?, Sending::Sent);
            wire.finish(&mut request, &mut answer).await
        });
        assert_eq!((sent, request.is_finished()), (Ok(Sending::Sent), true), "{room}");
        let taken = server.taken();
        let (said, mut rest) = taken.split_at(head);
        let mut body = String::new();
        while let Some((size, data)) = rest.split_once("\r\n").filter(|(size, _)| *size != "0") {
            let (data, behind) = data.split_at(usize::from_str_radix(size, 16).unwrap());
            body += data;
            rest = behind.strip_prefix("\r\n").unwrap();
        }
        assert_eq!((said, body.as_str(), rest), (HEAD, "hello", "0\r\n\r\n"), "{room}");
    }
}

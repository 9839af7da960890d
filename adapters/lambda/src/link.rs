//! The one connection to the Runtime API, and the answers that come over it.

use std::{
    cell::{Cell, RefCell},
    io::{self, Read, Write as _},
    net::TcpStream,
};

use midge::{
    AnswerError, AnswerHead, Field, Limits,
    client::{AnswerReader, Content},
};

use crate::{Error, api::Api, endpoint::Endpoint, panic::Message, wait::Wait};

/// A keep-alive connection with blocking calls. It is opened when it is first needed, and again after it was closed.
#[derive(Debug)]
pub(crate) struct Link {
    endpoint: Endpoint,
    pub(crate) api: Api,
    stream: RefCell<Option<TcpStream>>,
    /// How many connections there were.
    opened: Cell<u64>,
    /// Where an answer's fields are noted.
    table: RefCell<[Field; FIELDS]>,
    /// What the thread is doing: a panic is reported accordingly.
    pub(crate) stage: Cell<Stage>,
    /// The message of its thread's last panic.
    pub(crate) panic: RefCell<Message>,
}

/// How far things have come on a connection's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The function is being set up.
    Init,
    /// An invocation is being answered, and nothing of the answer went out.
    Invocation,
    /// The answer's head went out, and its body is being streamed.
    Streaming,
}

/// What came of a request: its status, and where its body stands in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Offset of the body.
    pub(crate) start: usize,
    /// Bytes of the body; of one that doesn't fit, what was kept.
    pub(crate) length: usize,
    /// The body is larger than what was to be kept; it was read all the same.
    pub(crate) too_large: bool,
}

impl Link {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let api = Api::new(&endpoint);
        Self {
            endpoint,
            api,
            stream: RefCell::new(None),
            opened: Cell::new(0),
            table: RefCell::new([Field::EMPTY; FIELDS]),
            stage: Cell::new(Stage::Init),
            panic: RefCell::new(Message::new()),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a whole request and reads its answer into `buffer`, of the body at most `limit` bytes. `head` is shown the answer's head.
    ///
    /// A connection that ends before the first byte of the answer is opened once more.
    pub(crate) fn ask(
        &self,
        request: &[u8],
        buffer: &mut [u8],
        limit: usize,
        mut head: impl FnMut(&AnswerHead<'_>),
    ) -> Result<Received, Error> {
        let mut again = true;
        loop {
            let answered = self.send(request).and_then(|()| self.receive(buffer, limit, &mut head));
            if let Some(done) = self.judged(answered, &mut again) {
                return done;
            }
        }
    }

    /// The same for an answer that may be long in coming: until it comes, it is `wait` who waits.
    pub(crate) async fn ask_and_wait(
        &self,
        wait: &impl Wait,
        request: &[u8],
        buffer: &mut [u8],
        limit: usize,
        mut head: impl FnMut(&AnswerHead<'_>),
    ) -> Result<Received, Error> {
        let mut again = true;
        loop {
            let sent = self.send(request);
            if sent.is_ok() {
                wait.readable(self).await;
            }
            let answered = sent.and_then(|()| self.receive(buffer, limit, &mut head));
            if let Some(done) = self.judged(answered, &mut again) {
                return done;
            }
        }
    }

    /// What came of a request; `None` if it is to be sent once more, which `again` allows.
    fn judged(&self, answered: Result<Received, Lost>, again: &mut bool) -> Option<Result<Received, Error>> {
        match answered {
            Ok(received) => Some(Ok(received)),
            Err(lost) => {
                self.close();
                let is_fresh = matches!(lost, Lost::BeforeAnswer(_)) && *again;
                *again = false;
                if is_fresh { None } else { Some(Err(lost.into())) }
            }
        }
    }

    /// Sends bytes, over a fresh connection if there is none.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Lost> {
        let mut stream = self.stream.try_borrow_mut().map_err(|_| Lost::busy())?;
        let stream = match &mut *stream {
            Some(stream) => stream,
            none => none.insert(self.connect().map_err(Lost::BeforeAnswer)?),
        };
        stream.write_all(bytes).map_err(Lost::BeforeAnswer)
    }

    /// Reads an answer.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
        limit: usize,
        head: &mut dyn FnMut(&AnswerHead<'_>),
    ) -> Result<Received, Lost> {
        let mut stream = self.stream.try_borrow_mut().map_err(|_| Lost::busy())?;
        let mut table = self.table.try_borrow_mut().map_err(|_| Lost::busy())?;
        let Some(open) = &mut *stream else { return Err(Lost::busy()) };
        let (received, keep) = receive(open, &mut *table, buffer, limit, head)?;
        if !keep {
            *stream = None;
        }
        Ok(received)
    }

    /// The next request goes over a fresh connection.
    pub(crate) fn close(&self) {
        if let Ok(mut stream) = self.stream.try_borrow_mut() {
            *stream = None;
        }
    }

    /// The connection's number.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.get()
    }

    /// A second handle of the connection, if there is one.
    pub(crate) fn handle(&self) -> Option<TcpStream> {
        self.stream.try_borrow().ok()?.as_ref()?.try_clone().ok()
    }

    fn connect(&self) -> io::Result<TcpStream> {
        self.opened.set(self.opened.get() + 1);
        self.endpoint.connect()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The connection ended before the first byte of one.
    BeforeAnswer(io::Error),
    /// It ended, or failed, later.
    Within(io::Error),
    /// What came is none.
    Answer(AnswerError),
}

impl Lost {
    /// A connection that is lent out or not there: the callers see to it that this doesn't happen.
    fn busy() -> Self {
        Self::Within(io::Error::from(io::ErrorKind::NotConnected))
    }

    /// Something that is to be sent is larger than the memory for it.
    pub(crate) fn no_room() -> Self {
        Self::Within(io::Error::from(io::ErrorKind::OutOfMemory))
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::BeforeAnswer(error) | Lost::Within(error) => Self::Connection(error),
            Lost::Answer(error) => Self::Answer(error),
        }
    }
}

impl From<AnswerError> for Lost {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

/// Reads one final answer: its body stands behind its head, without framing. Gives whether the connection is kept.
fn receive(
    stream: &mut impl Read,
    table: &mut [Field],
    buffer: &mut [u8],
    limit: usize,
    note: &mut dyn FnMut(&AnswerHead<'_>),
) -> Result<(Received, bool), Lost> {
    let mut answer = AnswerReader::new(buffer, table, &LIMITS);
    while !answer.is_ready() {
        match read(stream, answer.space()) {
            Ok(count) => drop(answer.received(count)?),
            Err(error) if !answer.has_begun() => return Err(Lost::BeforeAnswer(error)),
            Err(error) => {
                answer.ended()?;
                return Err(Lost::Within(error));
            }
        }
    }
    // Ready: they are there.
    let Some((head, mut content)) = answer.into_parts() else { return Err(Lost::busy()) };
    note(&head);
    let mut too_large = false;
    loop {
        match content.step()? {
            Content::Data => {
                let length = content.data().len();
                too_large |= content.keep(limit - content.kept().len()) < length;
            }
            Content::More => match read(stream, content.space()?) {
                Ok(count) => content.received(count),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && content.ended().is_ok() => {}
                Err(error) => return Err(Lost::Within(error)),
            },
            Content::End => break,
        }
    }
    let (status, start, length) = (head.status().code(), content.offset(), content.kept().len());
    Ok((Received { status, start, length, too_large }, content.can_reuse()))
}

/// At least one byte, or an error: the end of the stream is one.
fn read(stream: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    if space.is_empty() {
        return Err(io::Error::from(io::ErrorKind::OutOfMemory));
    }
    loop {
        match stream.read(space) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Fields that an answer may have: the API sends about ten.
const FIELDS: usize = 64;

/// An event of any length is read to its end, whether it is kept or not.
const LIMITS: Limits = Limits { body_bytes: u64::MAX, ..Limits::DEFAULT };

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]
mod tests {
    use std::io::{self, Read};

    use super::{FIELDS, Lost, Received, receive};
    use midge::Field;

    /// Gives its bytes in pieces that end at `cuts`, and then the end of the stream.
    struct Pieces<'b> {
        bytes: &'b [u8],
        at: usize,
        cuts: Vec<usize>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let cut = self.cuts.iter().copied().find(|cut| *cut > self.at).unwrap_or(self.bytes.len());
            let count = (cut.min(self.bytes.len()) - self.at).min(space.len());
            space[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
            self.at += count;
            Ok(count)
        }
    }

    /// The status, the body as far as it was kept, whether it was larger, and whether the connection is kept.
    fn read(bytes: &[u8], cuts: &[usize], limit: usize) -> Result<(u16, Vec<u8>, bool, bool), Lost> {
        let mut stream = Pieces { bytes, at: 0, cuts: cuts.to_vec() };
        let mut buffer = [0; 512];
        let (received, keep) = receive(&mut stream, &mut [Field::EMPTY; FIELDS], &mut buffer, limit, &mut |_| {})?;
        let Received { status, start, length, too_large } = received;
        Ok((status, buffer[start..start + length].to_vec(), too_large, keep))
    }

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\na: b\r\n\r\n";

    #[test]
    fn an_answer_is_the_same_wherever_it_is_cut() {
        let length = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
        let until_end = b"HTTP/1.1 200 OK\r\n\r\nhello world";
        for (bytes, kept) in [(CHUNKED, true), (length, true), (until_end, false)] {
            for first in 1..bytes.len() {
                for second in first..bytes.len() {
                    let answer = read(bytes, &[first, second], 100);
                    let expected = (200, b"hello world".to_vec(), false, kept);
                    assert!(
                        matches!(&answer, Ok(answer) if *answer == expected),
                        "cut at {first} and {second}: {answer:?}"
                    );
                }
            }
            let cuts: Vec<usize> = (1..bytes.len()).collect();
            assert!(matches!(read(bytes, &cuts, 100), Ok((200, body, false, _)) if body == b"hello world"));
        }
    }

    #[test]
    fn a_body_over_the_limit_is_read_to_its_end_and_not_kept() {
        for limit in 0..11 {
            let answer = read(CHUNKED, &[50, 60, 70], limit);
            assert!(matches!(&answer, Ok((200, body, true, true)) if *body == b"hello world"[..limit]), "{answer:?}");
        }
        // Far more than the buffer holds.
        let large = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".as_slice(), &[b'x'; 100_000]].concat();
        assert!(matches!(read(&large, &[], 100), Ok((200, body, true, true)) if body == [b'x'; 100]));
    }

    #[test]
    fn the_end_of_the_stream_is_told_apart() {
        for cut in 0..CHUNKED.len() {
            match read(&CHUNKED[..cut], &[], 100) {
                Err(Lost::BeforeAnswer(_)) => assert_eq!(cut, 0),
                Err(Lost::Within(_)) => assert!(cut > 0),
                other => assert!(matches!(other, Err(Lost::Answer(_))), "{cut}: {other:?}"),
            }
        }
        assert!(matches!(read(b"SSH-2.0-x\r\n", &[], 100), Err(Lost::Answer(_))));
    }

    #[test]
    fn bytes_behind_an_answer_end_the_connection() {
        let followed = [CHUNKED, b"HTTP/1.1 200 OK\r\n"].concat();
        assert!(matches!(read(&followed, &[], 100), Ok((200, _, false, false))));
    }
}

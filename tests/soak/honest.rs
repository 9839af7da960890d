//! Clients that ask for what there is, and look at each byte of what comes.

use std::{fmt::Write as _, io::Write as _, net::SocketAddr, thread};

use midge_tests::wire::{Asked, Connection, Ending, Fault, Response};

use crate::Numbers;

/// One client, with a connection that it keeps while the server does.
pub(crate) struct Honest {
    address: SocketAddr,
    connection: Option<Connection>,
    numbers: Numbers,
    /// Good answers so far.
    pub(crate) answers: u64,
    /// What had to be asked for again, because the server had closed the idle connection first, as it may.
    pub(crate) again: u64,
}

/// What is asked, in one piece, and what has to come for it.
struct Exchange {
    asked: Vec<Asked>,
    head: Vec<u8>,
    /// Sent while the answer is read.
    body: Vec<u8>,
    contents: Vec<Vec<u8>>,
}

impl Honest {
    pub(crate) fn new(address: SocketAddr, seed: u64) -> Self {
        Self { address, connection: None, numbers: Numbers(seed << 20), answers: 0, again: 0 }
    }

    /// One exchange, of one kind or another.
    pub(crate) fn ask(&mut self) {
        let exchange = match self.numbers.below(5) {
            0 => get(1),
            1 => {
                let count = 2 + self.numbers.below(15);
                get(count as usize)
            }
            2 => self.post("/all", 16_000),
            3 => self.post("/echo", 300_000),
            _ => self.stream(),
        };
        for _ in 0..3 {
            match self.exchange(&exchange) {
                Ok(answers) => {
                    for (answer, content) in answers.iter().zip(&exchange.contents) {
                        assert_eq!(
                            answer.head.status,
                            200,
                            "{:?} after {:?}",
                            answer.head,
                            exchange.head.escape_ascii()
                        );
                        assert!(answer.content == *content, "wrong bytes after {}", exchange.head.escape_ascii());
                    }
                    self.answers += answers.len() as u64;
                    return;
                }
                // Before any byte of an answer: the server had closed the connection already.
                Err(Lost::Idle) => self.again += 1,
                Err(Lost::Fault(fault)) => panic!("{fault} after {}", exchange.head.escape_ascii()),
            }
        }
        panic!("three connections were closed before {}", exchange.head.escape_ascii());
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<Vec<Response>, Lost> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::connect(self.address).map_err(|error| Lost::Fault(error.into()))?,
        };
        for asked in &exchange.asked {
            // What can't be sent is missed when it is read.
            let _ = connection.ask(asked.clone(), b"");
        }
        let answers = thread::scope(|scope| {
            let mut stream = connection.stream().try_clone().unwrap();
            scope.spawn(move || {
                let _ = stream.write_all(&exchange.head).and_then(|()| stream.write_all(&exchange.body));
            });
            let mut answers = Vec::new();
            for _ in &exchange.asked {
                match connection.receive() {
                    Ok(answer) => answers.push(answer),
                    Err(fault) => {
                        // What is still being sent has nowhere to go.
                        let _ = connection.stream().shutdown(std::net::Shutdown::Both);
                        return Err(if answers.is_empty() { Lost::from(fault) } else { Lost::Fault(fault) });
                    }
                }
            }
            Ok(answers)
        })?;
        if !connection.reader().says_close() {
            self.connection = Some(connection);
        }
        Ok(answers)
    }

    /// A body up to so long, with a length or in chunks.
    fn post(&mut self, path: &str, most: u64) -> Exchange {
        let length = self.numbers.below(most);
        let content = self.numbers.bytes(length);
        let (framing, body) = if self.numbers.below(2) == 0 {
            (format!("Content-Length: {length}"), content.clone())
        } else {
            let mut body = Vec::new();
            let mut rest = &content[..];
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(rest.len().min(1 + self.numbers.below(20_000) as usize));
                body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                body.extend_from_slice(piece);
                body.extend_from_slice(b"\r\n");
                rest = left;
            }
            body.extend_from_slice(b"0\r\n\r\n");
            ("Transfer-Encoding: chunked".to_owned(), body)
        };
        Exchange {
            asked: vec![Asked::new("POST")],
            head: format!("POST {path} HTTP/1.1\r\nHost: soak\r\n{framing}\r\n\r\n").into_bytes(),
            body,
            contents: vec![content],
        }
    }

    fn stream(&mut self) -> Exchange {
        let length = self.numbers.below(400_000);
        Exchange {
            asked: vec![Asked::new("GET")],
            head: format!("GET /stream?{length} HTTP/1.1\r\nHost: soak\r\n\r\n").into_bytes(),
            body: Vec::new(),
            contents: vec![(0..length).map(|at| (at % 251) as u8).collect()],
        }
    }
}

/// So many requests in one piece.
fn get(count: usize) -> Exchange {
    let mut head = String::new();
    for number in 0..count {
        write!(head, "GET /hello HTTP/1.1\r\nHost: soak\r\nX-Number: {number}\r\n\r\n").unwrap();
    }
    Exchange {
        asked: vec![Asked::new("GET"); count],
        head: head.into_bytes(),
        body: Vec::new(),
        contents: vec![b"Hello, World!".to_vec(); count],
    }
}

enum Lost {
    Idle,
    Fault(Fault),
}

impl From<Fault> for Lost {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Ended(Ending::Eof | Ending::Reset) => Self::Idle,
            fault => Self::Fault(fault),
        }
    }
}

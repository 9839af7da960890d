//! A handler that does what the path says, and writes down what it was shown.

use std::cell::RefCell;

use midge::{BodyError, Failure, Fields, Handler, Method, Reject, Request, Response, Sent};

/// What a handler was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Request {
        method: String,
        target: String,
        version: &'static str,
        path: String,
        query: Option<String>,
        authority: String,
        fields: Vec<(String, Vec<u8>)>,
    },
    /// The body, however many pieces it came in; up to where it was refused.
    Body(Vec<u8>),
    Trailers(Vec<(String, Vec<u8>)>),
    Refused(Reject),
    /// The bytes of another protocol.
    Raw(Vec<u8>),
}

#[derive(Default)]
pub struct App {
    pub events: RefCell<Vec<Event>>,
}

impl App {
    pub fn take(&self) -> Vec<Event> {
        self.events.take()
    }

    fn note(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    async fn all(&self, request: &mut Request<'_>) -> Result<Vec<u8>, Failure> {
        let all = request.body().all().await.map(<[u8]>::to_vec);
        self.read(request, all.clone().unwrap_or_default(), all.map(drop))
    }

    async fn chunks(&self, request: &mut Request<'_>) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let end = loop {
            match request.body().chunk().await {
                Ok(Some(chunk)) => {
                    assert!(!chunk.is_empty());
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.read(request, body, end)
    }

    async fn reads(&self, request: &mut Request<'_>) -> Result<Vec<u8>, Failure> {
        let (mut body, mut buffer) = (Vec::new(), [0; 3]);
        loop {
            match request.body().read(&mut buffer).await {
                Ok(0) => return self.read(request, body, Ok(())),
                Ok(count) => body.extend_from_slice(&buffer[..count]),
                Err(error) => return self.read(request, body, Err(error)),
            }
        }
    }

    fn read(&self, request: &mut Request<'_>, body: Vec<u8>, end: Result<(), BodyError>) -> Result<Vec<u8>, Failure> {
        self.note(Event::Body(body.clone()));
        if let Err(error) = end {
            assert!(request.body().trailers().is_none(), "trailers of a body that did not end");
            self.note(Event::Refused(error.reject()));
            return Err(error.into());
        }
        assert!(request.body().is_over());
        let trailers = request.body().trailers().unwrap();
        self.note(Event::Trailers(list(trailers)));
        Ok(body)
    }
}

impl Handler for App {
    async fn handle(&self, mut request: Request<'_>, mut response: Response<'_>) -> Result<Sent, Failure> {
        self.note(Event::Request {
            method: request.method().as_str().to_owned(),
            target: request.target().to_owned(),
            version: request.version().as_str(),
            path: request.path().to_owned(),
            query: request.query().map(str::to_owned),
            authority: request.authority().to_owned(),
            fields: list(request.headers()),
        });
        let path = request.path();
        let number = |prefix| path.strip_prefix(prefix).and_then(|number: &str| number.parse().ok());
        if let Some(status) = number("/status/") {
            return response.status(status).empty().await;
        }
        if let Some(status) = number("/fail/") {
            return Err(Failure::new(status).because("as asked"));
        }
        match path {
            "/unread" => response.status(200).body("unread").await,
            "/chunks" => {
                let body = self.chunks(&mut request).await?;
                response.status(200).body(body).await
            }
            "/read" => {
                let body = self.reads(&mut request).await?;
                response.status(200).body(body).await
            }
            "/late" => {
                let head = response.status(202).header("x-begun", "yes");
                let body = self.all(&mut request).await?;
                head.header("x-read", "yes").body(body).await
            }
            "/hints" => {
                response.interim(103).header("link", "</a>; rel=preload").send().await?;
                let body = self.all(&mut request).await?;
                response.status(200).body(body).await
            }
            "/stream" => {
                let mut body = response.status(200).header("x", "y").stream().await?;
                for piece in ["a body ", "", "of unknown ", "length"] {
                    body.write(piece).await?;
                    body.flush().await?;
                }
                body.finish().await
            }
            "/trailers" => {
                let mut body = response.status(200).stream().await?;
                body.write("content").await?;
                body.trailer("x-one", "1").await?;
                body.trailer("x-two", "2").await?;
                body.finish().await
            }
            "/cut" => {
                let mut body = response.status(200).stream().await?;
                body.write("half of ").await?;
                body.flush().await?;
                Err(Failure::new(500))
            }
            "/close" => response.status(200).close().body("closed").await,
            "/upgrade" => {
                self.all(&mut request).await?;
                let mut raw = response.status(101).upgrade("echo").await?;
                let (mut got, mut buffer) = (Vec::new(), [0; 5]);
                loop {
                    match raw.read(&mut buffer).await? {
                        0 => break,
                        count => got.extend_from_slice(&buffer[..count]),
                    }
                }
                raw.write(&got).await?;
                self.note(Event::Raw(got));
                raw.finish().await
            }
            _ if matches!(request.method(), Method::Post | Method::Put) => {
                let body = self.all(&mut request).await?;
                response.status(200).body(body).await
            }
            _ => response.status(200).header("content-type", "text/plain").body("OK").await,
        }
    }
}

fn list(fields: Fields<'_>) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

//! Server-sent events: a page that counts, and the stream that it counts by.

use core::time::Duration;

use midge::{Failure, Handler, Method, PercentError, Request, Response, Sent, ServerEvent};

/// `GET /` is a page that shows `GET /ticks`, a stream of numbered events. It is served by whatever host has a way to wait: that is what `sleep` is.
#[derive(Debug)]
pub struct Ticks<S> {
    sleep: S,
}

impl<S, F, E> Ticks<S>
where
    S: Fn(Duration) -> F,
    F: Future<Output = Result<(), E>>,
    Failure: From<E>,
{
    /// A handler that waits by `sleep`.
    pub const fn new(sleep: S) -> Self {
        Self { sleep }
    }

    async fn ticks(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let every = Duration::from_millis(number(&request, "every")?.unwrap_or(1_000).clamp(1, 3_600_000));
        let count = number(&request, "count")?.unwrap_or(u64::MAX);
        // A client that connects again says what it had seen last.
        let last = request.header("last-event-id").and_then(|id| id.parse().ok()).unwrap_or(0_u64);
        let is_head = request.method() == Method::Head;

        let mut events = response.status(200).events().await?;
        if is_head {
            return events.finish().await;
        }
        events.send(&ServerEvent::new().retry(RETRY)).await?;
        for tick in (last..u64::MAX).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let mut left = every;
            while left > KEEP_ALIVE {
                (self.sleep)(KEEP_ALIVE).await?;
                events.comment("still here").await?;
                left -= KEEP_ALIVE;
            }
            (self.sleep)(left).await?;
            let number = tick + 1;
            let event = ServerEvent::new().event("tick");
            let (id, data) = (format_args!("{number}"), format_args!("tick {number}"));
            events.send(&event.id_fmt(id).data_fmt(data)).await?;
        }
        events.finish().await
    }
}

impl<S, F, E> Handler for Ticks<S>
where
    S: Fn(Duration) -> F,
    F: Future<Output = Result<(), E>>,
    Failure: From<E>,
{
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        match (request.method(), request.path()) {
            (Method::Get | Method::Head, "/") => response.status(200).html(PAGE).await,
            (Method::Get | Method::Head, "/ticks") => self.ticks(request, response).await,
            (_, "/" | "/ticks") => response.status(405).header("allow", "GET, HEAD").empty().await,
            _ => Err(Failure::new(404).because("there are / and /ticks")),
        }
    }
}

/// The number in the query by this name; 400 if it is none.
fn number(request: &Request<'_>, name: &str) -> Result<Option<u64>, PercentError> {
    request.query_pairs().get(name).map(|number| number.parse()).transpose()
}

const PAGE: &str = r#"<!doctype html>
<title>ticks</title>
<pre id="log"></pre>
<script>
const log = document.getElementById("log");
const ticks = new EventSource("/ticks");
ticks.addEventListener("tick", (event) => { log.textContent += event.data + "\n"; });
ticks.onerror = () => { log.textContent += "connection lost; the browser tries again\n"; };
</script>
"#;
/// After which silence a comment shows that the stream is alive: middle men give up at 30 or 60 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        future::{Ready, ready},
        time::Duration,
    };

    use midge::{
        Failure,
        testing::{CallError, Scratch, call},
    };

    use super::Ticks;

    /// The body of the answer, and what was slept.
    fn asked(target: &str, fields: &str) -> Result<(u16, String, Vec<u64>), CallError> {
        let slept = RefCell::new(Vec::new());
        let sleep = |time: Duration| -> Ready<Result<(), Failure>> {
            slept.borrow_mut().push(time.as_millis() as u64);
            ready(Ok(()))
        };
        let (handler, mut scratch) = (Ticks::new(sleep), Scratch::new());
        let request = format!("{target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let answer = call(&handler, request.as_bytes(), &mut scratch)?;
        Ok((answer.status(), String::from_utf8_lossy(answer.body()).into_owned(), slept.take()))
    }

    #[test]
    fn ticks_are_numbered_and_go_on_where_the_client_was() -> Result<(), CallError> {
        let (status, body, slept) = asked("GET /ticks?count=2", "")?;
        assert_eq!((status, slept), (200, vec![1_000, 1_000]));
        assert_eq!(body, "retry: 2000\n\nevent: tick\nid: 1\ndata: tick 1\n\nevent: tick\nid: 2\ndata: tick 2\n\n");
        let (_, body, slept) = asked("GET /ticks?count=1&every=5", "Last-Event-ID: 41\r\n")?;
        assert_eq!((body.contains("id: 42\ndata: tick 42\n"), slept), (true, vec![5]));
        Ok(())
    }

    #[test]
    fn comments_keep_a_slow_stream_alive() -> Result<(), CallError> {
        let (_, body, slept) = asked("GET /ticks?count=1&every=40000", "")?;
        assert_eq!((body.matches(": still here\n\n").count(), slept), (2, vec![15_000, 15_000, 10_000]));
        Ok(())
    }

    #[test]
    fn what_else_is_asked_is_answered() -> Result<(), CallError> {
        for (request, status) in [
            ("GET /", 200),
            ("HEAD /ticks", 200),
            ("GET /ticks?count=x", 400),
            ("GET /ticks?every=%zz", 400),
            ("POST /ticks", 405),
            ("GET /none", 404),
        ] {
            assert_eq!(asked(request, "")?.0, status, "{request}");
        }
        Ok(())
    }
}

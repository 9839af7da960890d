//! Routes for what waits: turns, deadlines, calls that are given up, bodies that are written piece by piece or were read before.

use core::{
    future::{self, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use midge::{Failure, Handler, Request, Response, Sent, around::TimeLimit};
use midge_workers::{Fetch, Upload, deadline, sleep};

pub(crate) async fn handler(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let number = request.query().unwrap_or_default().parse::<u32>().unwrap_or_default();
    let mut place = [0; 4096];
    match request.path() {
        // Lets others go first, so often.
        "/turns" => {
            for _ in 0..number {
                yield_now().await;
            }
            response.status(200).body("after all others").await
        }
        // Waits for its own other half, which was not yet polled.
        "/halves" => {
            let done = core::cell::Cell::new(false);
            let waker = core::cell::RefCell::new(None);
            let mut first = pin!(poll_fn(|context| {
                *waker.borrow_mut() = Some(context.waker().clone());
                if done.get() { Poll::Ready(()) } else { Poll::Pending }
            }));
            let mut second = pin!(async {
                done.set(true);
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
                future::pending::<()>().await
            });
            poll_fn(|context| {
                if first.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let _ = second.as_mut().poll(context);
                Poll::Pending
            })
            .await;
            response.status(200).body("both").await
        }

        // A handler's own time ends before its limit does.
        "/within" => TimeLimit::new(Duration::from_secs(600), within).handle(request, response).await,
        // The second limit begins later, and would end later.
        "/relimit" => {
            request.limit_time(Duration::from_secs(10));
            sleep(Duration::from_secs(6)).await?;
            request.limit_time(Duration::from_secs(5));
            sleep(Duration::from_secs(600)).await?;
            response.status(200).body("slept").await
        }
        // The second deadline takes the first one's place.
        "/redeadline" => {
            deadline(Duration::from_secs(2))?;
            sleep(Duration::from_secs(1)).await?;
            deadline(Duration::from_secs(3))?;
            sleep(Duration::from_secs(2)).await?;
            response.status(200).body("slept").await
        }
        // Waits for ten minutes, if it weren't for what it really waits for.
        "/given-up-sleep" => {
            let mut long = pin!(sleep(Duration::from_secs(600)));
            poll_fn(|context| {
                let _ = long.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
            response.status(200).body("answered").await
        }

        // An error that the handler can live with is nothing to its answer.
        "/recovered" => {
            let fetched = Fetch::new("GET", "http://service/fetched").service("SERVICE").send().await?;
            if fetched.header("a b", &mut place).is_ok() {
                return Err(Failure::new(500).because("a field of that name"));
            }
            let mut body = response.status(200).stream().await?;
            for _ in 0..40 {
                body.write([b'x'; 1000]).await?;
            }
            body.finish().await
        }
        // What was begun is not passed on.
        "/begun" => {
            let path = if number == 0 { "http://service/fetched" } else { "http://service/endless" };
            let mut fetched = Fetch::new("GET", path).service("SERVICE").send().await?;
            fetched.read(&mut [0; 2]).await?;
            fetched.pass(response).await
        }
        // Dropped before there is a response; one comes nevertheless.
        "/dropped" => {
            {
                let mut fetch = pin!(Fetch::new("GET", "http://service/late-endless").service("SERVICE").send());
                poll_fn(|context| {
                    let _ = fetch.as_mut().poll(context);
                    Poll::Ready(())
                })
                .await;
            }
            sleep(Duration::from_millis(20)).await?;
            response.status(200).body("answered").await
        }

        // The request's body goes into another request's, chunk by chunk.
        "/upload" | "/upload-sized" => {
            let length = if request.path() == "/upload" { None } else { request.content_length() };
            // Reads it all before it answers.
            let (body, fetching) = Fetch::new("POST", "http://service/echo-all").service("SERVICE").upload(length)?;
            filled(body, request).await?;
            fetching.head().await?.pass(response).await
        }
        // Both ways at once: what is sent comes back meanwhile.
        "/upload-duplex" => {
            let (mut body, fetching) = Fetch::new("POST", "http://service/echo").service("SERVICE").upload(None)?;
            let mut sending = pin!(async {
                for _ in 0..number {
                    body.write(&[b'd'; 1000]).await?;
                }
                body.finish().await
            });
            let mut answering = pin!(async { fetching.head().await?.pass(response).await });
            let (mut sent, mut answered) = (None, None);
            poll_fn(|context| {
                if sent.is_none()
                    && let Poll::Ready(result) = sending.as_mut().poll(context)
                {
                    sent = Some(result);
                }
                if answered.is_none()
                    && let Poll::Ready(result) = answering.as_mut().poll(context)
                {
                    answered = Some(result);
                }
                if sent.is_some() && answered.is_some() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            sent.ok_or(Failure::new(500))??;
            answered.ok_or(Failure::new(500))?
        }
        "/upload-short" | "/upload-long" => {
            let long = request.path() == "/upload-long";
            let (mut body, fetching) =
                Fetch::new("POST", "http://service/echo-all").service("SERVICE").upload(Some(10))?;
            let written = body.write(if long { b"longer than ten" } else { b"short" }).await;
            let finished = body.finish().await;
            let failed = written.is_err() || finished.is_err() || fetching.head().await.is_err();
            response.status(if failed { 200 } else { 500 }).empty().await
        }
        // Nobody reads what is sent: the answer comes before the end of it.
        "/upload-unread" => {
            let (mut body, fetching) = Fetch::new("POST", "http://service/fetched").service("SERVICE").upload(None)?;
            let mut answering = pin!(fetching.head());
            let fetched = {
                let mut writing = pin!(async { while body.write(&place).await.is_ok() {} });
                poll_fn(|context| {
                    let _ = writing.as_mut().poll(context);
                    answering.as_mut().poll(context)
                })
                .await?
            };
            body.finish().await?;
            fetched.pass(response).await
        }
        "/upload-dropped" => {
            let (mut body, fetching) = Fetch::new("POST", "http://service/broken").service("SERVICE").upload(None)?;
            body.write(b"begun").await?;
            drop(body);
            let status = fetching.head().await.map_or(599, |fetched| fetched.status());
            response.status(status).body("answered").await
        }
        // What the network has, and where it sends to.
        "/network" => {
            let url = request.header("x-url").unwrap_or_default();
            let mut fetched = Fetch::new("GET", url).send().await?;
            let mut location = [0; 256];
            let to = fetched.header("location", &mut location)?.unwrap_or_default();
            let head = response.status(fetched.status()).header("x-location", to);
            let mut body = head.stream().await?;
            loop {
                match fetched.read(&mut place).await? {
                    0 => return body.finish().await,
                    length => body.write(&place[..length]).await?,
                }
            }
        }
        "/network-sent-on" => {
            let url = request.header("x-url").unwrap_or_default();
            let got = Fetch::new("GET", url).send().await?.into_body();
            Fetch::new("POST", "http://service/echo").service("SERVICE").stream(&got).send().await?.pass(response).await
        }
        _ => {
            let _ = request.body();
            Err(Failure::new(404).because("no such route"))
        }
    }
}

async fn within(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    deadline(Duration::from_secs(2))?;
    sleep(Duration::from_secs(500)).await?;
    response.status(200).body("slept").await
}

async fn filled(mut upload: Upload, request: Request<'_>) -> Result<(), Failure> {
    let mut body = request.into_body();
    while let Some(chunk) = body.chunk().await? {
        upload.write(&chunk).await?;
    }
    Ok(upload.finish().await?)
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

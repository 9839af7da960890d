//! A route for every host call, and for everything that can go wrong.

use core::{future, pin::pin, task::Poll, time::Duration};

use midge::{Failure, Handler, Instant, Request, Response, Sent, around::TimeLimit};
use midge_workers::{
    CallError, Fetch, Level, deadline, kv, log, log_fmt, now, object_name, r2, random, sleep, sql, storage, var,
    wait_until,
};

use crate::waits;

pub(crate) async fn handler(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let query = request.query().unwrap_or_default();
    let number = query.parse::<u32>().unwrap_or_default();
    let mut place = [0; 4096];
    match request.path() {
        "/" => response.status(200).header("content-type", "text/plain").body("hello").await,
        "/heads" => {
            let head = response.status(200).header("content-type", "text/plain");
            head.header_fmt("x-number", format_args!("{number}")).body("head").await
        }
        "/page" => response.status(200).header("content-type", "text/html").body(PAGE).await,
        "/echo" => {
            let body = request.body().all().await?;
            response.status(200).header("content-type", "application/octet-stream").body(body).await
        }
        // Both ways at once, a buffer at a time.
        "/mirror" => {
            let mut answer = response.status(200).stream().await?;
            let mut body = request.into_body();
            while let Some(chunk) = body.chunk().await? {
                answer.write(&*chunk).await?;
            }
            answer.finish().await
        }
        "/count" => {
            let (mut bytes, mut sum) = (0_u64, 0_u32);
            while let Some(chunk) = request.body().chunk().await? {
                bytes += chunk.len() as u64;
                sum = chunk.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
            }
            response.status(200).header_fmt("x-count", format_args!("{bytes} {sum}")).empty().await
        }
        // Whether the body is there when the handler first asks for it.
        "/eager" => {
            let mut body = request.into_body();
            let mut all = pin!(body.all());
            match future::poll_fn(|context| Poll::Ready(all.as_mut().poll(context))).await {
                Poll::Ready(Ok(bytes)) => response.status(200).header("x-there", "at once").body(bytes).await,
                Poll::Ready(Err(failure)) => Err(failure.into()),
                Poll::Pending => response.status(200).header("x-there", "later").empty().await,
            }
        }
        "/no-deadline" => Err(Failure::new(if request.deadline().is_none() { 404 } else { 500 })),
        "/ignore" => response.status(200).body("not read").await,
        // `?n` blocks of 1000 bytes, without a length or with one.
        "/stream" | "/sized" => {
            let mut head = response.status(200);
            if request.path() == "/sized" {
                head = head.length(u64::from(number) * 1000);
            }
            let mut body = head.stream().await?;
            for block in 0..number {
                body.write([b'a' + (block % 26) as u8; 1000]).await?;
            }
            body.finish().await
        }
        "/fields" => {
            let mut body = response.status(200).stream().await?;
            for (name, value) in request.headers().iter() {
                for part in [name.as_bytes(), b": ", value, b"\n"] {
                    body.write(part).await?;
                }
            }
            body.finish().await
        }
        "/target" => {
            let mut body = response.status(200).stream().await?;
            for part in [request.method().as_str(), " ", request.authority(), " ", request.target()] {
                body.write(part).await?;
            }
            body.finish().await
        }
        "/cookies" => {
            let head = response.status(200).header("set-cookie", "a=1; Path=/").header("set-cookie", "b=2");
            head.header("x-repeated", "1").header("x-repeated", "2").header("x-latin", "\u{e9}").body("").await
        }
        "/status" => response.status(number as u16).empty().await,
        "/failure" => Err(Failure::new(number as u16).because("as asked")),
        "/with" => {
            let _response = response.with("x-added", "1").with_fmt("x-numbered", format_args!("{number}"));
            Err(Failure::new(409).because("with fields"))
        }
        "/bad-head" => response.status(200).header("x", "a\r\nb").empty().await,
        "/large-head" => response.status(200).header("x", [b'x'; 5000]).empty().await,

        "/panic" => panic!("panicked as asked, with {number}, {number:*>4} and {:?}", "h\u{e9}\n"),
        "/index" => Err(Failure::new(if place[number as usize] == 0 { 200 } else { 500 })),
        "/overflow" => Err(Failure::new(overflow(number) as u16)),
        "/late-panic" | "/late-failure" => {
            let mut body = response.status(200).stream().await?;
            body.write("begun").await?;
            body.flush().await?;
            assert!(request.path() == "/late-failure", "panicked behind the head");
            Err(Failure::new(500))
        }
        "/short" => {
            let mut body = response.status(200).length(10).stream().await?;
            body.write("begun").await?;
            body.flush().await?;
            body.finish().await
        }
        "/afterthought" => {
            let _sent = response.status(200).body("answered").await?;
            Err(Failure::new(500))
        }
        "/stall" => future::pending().await,
        "/sleep" => {
            sleep(Duration::from_millis(number.into())).await?;
            response.status(200).body("slept").await
        }
        "/limit" => TimeLimit::new(Duration::from_millis(number.into()), limited).handle(request, response).await,
        "/deadline" => {
            deadline(Duration::from_millis(number.into()))?;
            sleep(Duration::from_secs(600)).await?;
            response.status(200).body("slept").await
        }
        "/late-deadline" => {
            deadline(Duration::from_millis(number.into()))?;
            let mut body = response.status(200).stream().await?;
            body.write("begun").await?;
            body.flush().await?;
            sleep(Duration::from_secs(600)).await?;
            body.finish().await
        }
        "/wait-until" | "/late-wait-until" => {
            let late = request.path() == "/late-wait-until";
            if late {
                sleep(Duration::from_millis(1)).await?;
            }
            let sent = response.status(202).body("answered").await?;
            wait_until(sent, async {
                let _ = sleep(Duration::from_millis(10)).await;
                let _ = kv("KV").put(if late { "late" } else { "waited" }, b"until").await;
            })
            .await
        }
        "/abandoned" => {
            kv("KV").put("abandoned", b"begun").await?;
            sleep(Duration::from_secs(600)).await?;
            response.status(200).empty().await
        }

        "/var" => response.status(200).body(var(query, &mut place)?).await,
        "/now" => response.status(200).header_fmt("x-now", format_args!("{}", now())).empty().await,
        "/random" => {
            random(place.get_mut(..16).unwrap_or_default())?;
            response.status(200).body(&place[..16]).await
        }
        "/log" => {
            log(Level::Warn, "a line of the log");
            log_fmt(Level::Info, format_args!("{query:>600}"));
            response.status(204).empty().await
        }

        "/kv/get" => match kv("KV").get(query, &mut place).await {
            Ok(Some(value)) => response.status(200).body(value).await,
            Ok(None) => Err(Failure::new(404)),
            Err(CallError::TooLarge { size }) => {
                response.status(413).header_fmt("x-size", format_args!("{size}")).empty().await
            }
            Err(error) => Err(error.into()),
        },
        "/kv/stream" => match kv("KV").get_stream(query).await? {
            Some(value) => value.pass(response.status(200).header("content-type", "text/x-kv")).await,
            None => Err(Failure::new(404)),
        },
        "/kv/read" => {
            let Some(mut value) = kv("KV").get_stream(query).await? else { return Err(Failure::new(404)) };
            let mut body = response.status(200).stream().await?;
            loop {
                match value.read(&mut place).await? {
                    0 => return body.finish().await,
                    length => body.write(&place[..length]).await?,
                }
            }
        }
        "/kv/put" => {
            let value = request.body().all().await?;
            kv("KV").put(query, value).await?;
            response.status(204).empty().await
        }
        "/kv/expire" => {
            kv("KV").put_expiring(query, b"short-lived", Duration::from_secs(60)).await?;
            response.status(204).empty().await
        }
        "/kv/delete" => {
            kv("KV").delete(query).await?;
            response.status(204).empty().await
        }
        "/kv/list" => {
            let mut keys = kv("KV").list(query, "", 2).await?;
            let mut body = response.status(200).stream().await?;
            loop {
                while let Some(key) = keys.next(&mut place)? {
                    body.write(key).await?;
                    body.write("\n").await?;
                }
                let Some(cursor) = keys.cursor(&mut place)? else { return body.finish().await };
                let mut copy = [0; 256];
                let cursor = cursor.as_bytes();
                copy[..cursor.len()].copy_from_slice(cursor);
                let cursor = core::str::from_utf8(&copy[..cursor.len()]).map_err(|_| Failure::new(500))?;
                keys = kv("KV").list(query, cursor, 2).await?;
            }
        }
        // Two calls at once, and a third one given up.
        "/kv/two" => {
            let mut other = [0; 4096];
            let namespace = kv("KV");
            drop(pin!(namespace.get("dropped", &mut [0; 8])));
            let mut one = pin!(namespace.get("one", &mut place));
            let mut two = pin!(namespace.get("two", &mut other));
            let (mut first, mut second) = (None, None);
            future::poll_fn(|context| {
                if first.is_none()
                    && let Poll::Ready(value) = one.as_mut().poll(context)
                {
                    first = Some(value);
                }
                if second.is_none()
                    && let Poll::Ready(value) = two.as_mut().poll(context)
                {
                    second = Some(value);
                }
                if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let first = first.ok_or(Failure::new(500))??.unwrap_or_default();
            let second = second.ok_or(Failure::new(500))??.unwrap_or_default();
            let mut body = response.status(200).stream().await?;
            body.write(first).await?;
            body.write("+").await?;
            body.write(second).await?;
            body.finish().await
        }
        // Each call with what it can't take.
        "/wrong" => {
            let results = [
                matches!(kv("NOTHING").get("a", &mut place).await, Err(CallError::NoBinding)),
                matches!(kv("APP").get("a", &mut place).await, Err(CallError::NoBinding)),
                matches!(r2("KV").get("a").await, Err(CallError::NoBinding)),
                // A service has a method of any name, which would be sent to it.
                matches!(kv("SERVICE").get("a", &mut place).await, Err(CallError::NoBinding)),
                matches!(r2("SERVICE").delete("a").await, Err(CallError::NoBinding)),
                matches!(Fetch::new("GET", "http://a/").object("SERVICE", "a").send().await, Err(CallError::NoBinding)),
                matches!(var("KV", &mut place), Err(CallError::NoBinding)),
                matches!(var("toString", &mut place), Err(CallError::NoBinding)),
                matches!(var("APP", &mut []), Err(CallError::TooLarge { size: 5 })),
                matches!(Fetch::new("GET", "no url").send().await, Err(CallError::Invalid)),
                matches!(Fetch::new("GET", "http://a/").header("a b", "c").send().await, Err(CallError::Invalid)),
                matches!(Fetch::new("GET", "http://a/").service("NOTHING").send().await, Err(CallError::NoBinding)),
                matches!(sql("SELECT 1", &[]), Err(CallError::Unsupported)),
                matches!(storage().get("a", &mut place), Err(CallError::Unsupported)),
                matches!(object_name(&mut place), Err(CallError::Unsupported)),
                random(&mut []).is_ok(),
                sleep(Duration::ZERO).await.is_ok(),
            ];
            match results.iter().position(|right| !right) {
                None => response.status(200).body("all right").await,
                Some(at) => response.status(500).header_fmt("x-wrong", format_args!("{at}")).empty().await,
            }
        }

        "/service" => Fetch::new("GET", "http://service/fetched").service("SERVICE").send().await?.pass(response).await,
        // A body without an end, of which nobody reads more than a piece.
        "/service/unread" | "/service/begun" => {
            let mut fetched = Fetch::new("GET", "http://service/endless").service("SERVICE").send().await?;
            if request.path() == "/service/begun" {
                fetched.read(&mut place).await?;
            }
            response.status(200).body("answered").await
        }
        // The body passes through, or through memory; the answer with a field of its own.
        "/service/send" => {
            let fetch =
                Fetch::new("POST", "http://service/echo").service("SERVICE").header("x-sent", "yes").request_body();
            let fetched = fetch.send().await?;
            let status = fetched.status();
            fetched.into_body().pass(response.status(status).header("x-own", "field")).await
        }
        "/service/read" => {
            let fetch = Fetch::new("POST", "http://service/echo").service("SERVICE").body(b"from memory");
            let mut fetched = fetch.send().await?;
            let mut name = [0; 64];
            let kind = fetched.header("x-method", &mut name)?.unwrap_or_default();
            let length = fetched.read(&mut place).await?;
            let mut body = response.status(200).header("x-method", kind).stream().await?;
            body.write(&place[..length]).await?;
            body.finish().await
        }
        path if path.starts_with("/object/") => {
            let path = &path["/object".len()..];
            let mut url = [0; 128];
            let url = concat(&mut url, "http://object", path).ok_or(Failure::new(414))?;
            let fetch = Fetch::new(request.method().as_str(), url).object("COUNTER", query);
            let fetch = if request.content_length() == Some(0) { fetch } else { fetch.request_body() };
            fetch.send().await?.pass(response).await
        }
        "/r2/put" => {
            r2("R2").put_request_body(query).await?;
            response.status(204).empty().await
        }
        "/r2/small" => {
            r2("R2").put(query, b"small").await?;
            response.status(204).empty().await
        }
        "/r2/get" => match r2("R2").get(query).await? {
            Some(object) => object.pass(response.status(200)).await,
            None => Err(Failure::new(404)),
        },
        "/r2/copy" => {
            let object = r2("R2").get(query).await?.ok_or(Failure::new(404))?;
            r2("R2").put_stream("copy", object).await?;
            response.status(204).empty().await
        }
        "/r2/delete" => {
            r2("R2").delete(query).await?;
            response.status(204).empty().await
        }
        _ => waits::handler(request, response).await,
    }
}

/// Waits longer than any limit, behind what it has flushed if it is asked to.
async fn limited(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let response = response.with("x-added", "1");
    // From the request's beginning, since the engine is given no clock.
    let limit = request.query().and_then(|query| query.parse().ok()).map(Instant::from_millis);
    if request.deadline() != limit {
        return Err(Failure::new(500).because("another deadline"));
    }
    if request.headers().get("x-late").is_some() {
        let mut body = response.status(200).stream().await?;
        body.write("begun").await?;
        body.flush().await?;
        sleep(Duration::from_secs(600)).await?;
        return body.finish().await;
    }
    sleep(Duration::from_secs(600)).await?;
    response.status(200).body("slept").await
}

/// Uses more stack than there is.
#[allow(unconditional_recursion, reason = "that is what it is for")]
#[inline(never)]
fn overflow(depth: u32) -> u32 {
    let mut frame = [depth; 256];
    frame[(depth % 256) as usize] = overflow(core::hint::black_box(depth + 1));
    core::hint::black_box(&frame).iter().fold(0, |sum, number| sum.wrapping_add(*number))
}

fn concat<'p>(place: &'p mut [u8], first: &str, second: &str) -> Option<&'p str> {
    let length = first.len() + second.len();
    place.get_mut(..first.len())?.copy_from_slice(first.as_bytes());
    place.get_mut(first.len()..length)?.copy_from_slice(second.as_bytes());
    core::str::from_utf8(place.get(..length)?).ok()
}

/// Calls the Worker back, reads an answer that is streamed to it, and says so in the page's title.
const PAGE: &str = r#"<!doctype html><title>waiting</title><script type="module">
const response = await fetch("/stream?50");
let bytes = 0;
for await (const chunk of response.body) bytes += chunk.length;
const echo = await (await fetch("/echo", { method: "POST", body: "h\u00e9" })).text();
document.title = `done ${bytes} ${echo}`;
document.body.append(document.title);
</script>"#;

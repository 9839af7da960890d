//! A Worker with the standard library: what it takes from the heap, and how it panics.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use midge::{Failure, Request, Response, Sent};
use midge_workers::{Fetch, sleep};

async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let size: usize = request.query().unwrap_or("").parse().unwrap_or(0);
    match request.path() {
        // The memory grows while the handler runs: behind the answer's fields, and before its body.
        "/heap" => {
            let response = response.status(200).header("x-asked", size.to_string());
            let heap: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let sum: u64 = heap.iter().map(|&byte| u64::from(byte)).sum();
            response.body(format!("{sum}").as_bytes()).await
        }
        // A body from the heap, larger than any buffer of the host's.
        "/body" => response.status(200).body("midge".repeat(size / 5).as_bytes()).await,
        // As many sleeps at once, and a fetch, each of them polled only if it was woken.
        "/woken" => {
            let mut parts: Vec<Pin<Box<dyn Future<Output = bool>>>> = Vec::new();
            for turn in 0..size {
                parts.push(Box::pin(async move { sleep(Duration::from_millis(turn as u64 % 3)).await.is_ok() }));
            }
            parts.push(Box::pin(async {
                let Ok(mut fetched) = Fetch::new("GET", "http://service/").service("SERVICE").send().await else {
                    return false;
                };
                let mut place = [0; 64];
                matches!(fetched.read(&mut place).await, Ok(7)) && matches!(fetched.read(&mut place).await, Ok(0))
            }));
            let results = all_woken(parts).await;
            response.status(200).body(format!("{results:?}").as_bytes()).await
        }
        "/panic" => panic!("{size} is too much"),
        "/panic-any" => std::panic::panic_any(size),
        _ => Err(Failure::new(404)),
    }
}

/// Polls each part when it was woken, and only then.
async fn all_woken(parts: Vec<Pin<Box<dyn Future<Output = bool>>>>) -> Vec<bool> {
    let mut left: Vec<_> = parts.into_iter().map(|part| (part, None::<Arc<Woken>>)).collect();
    let mut results = Vec::new();
    poll_fn(|context| {
        left.retain_mut(|(part, woken)| {
            let woken = woken.get_or_insert_with(|| Arc::new(Woken(AtomicBool::new(true), context.waker().clone())));
            if !woken.0.swap(false, Relaxed) {
                return true;
            }
            match part.as_mut().poll(&mut Context::from_waker(&Waker::from(woken.clone()))) {
                Poll::Ready(result) => {
                    results.push(result);
                    false
                }
                Poll::Pending => true,
            }
        });
        if left.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results
}

/// Whether a part was woken, and whom that wakes in turn.
struct Woken(AtomicBool, Waker);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
        self.1.wake_by_ref();
    }
}

midge_workers::export!(std, handler);

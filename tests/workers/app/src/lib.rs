//! Three applications in one module: the conformance checklist's, the example `rest`, and a route for every host
//! call. The variable `APP` says which.
#![no_std]

#[path = "../../../../examples/src/conformance.rs"]
#[allow(dead_code)]
mod conformance;
mod counter;
#[path = "../../../../examples/src/rest.rs"]
mod rest;
mod routes;
mod waits;

use core::time::Duration;

use midge::{Failure, Handler, Request, Response, Sent};
use midge_workers::{Batch, CallError, Events, Scheduled, kv, var};

use counter::Counter;

/// Whichever application `APP` names.
struct App;

impl Handler for App {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let mut name = [0; 16];
        match var("APP", &mut name).unwrap_or_default() {
            "conformance" => conformance::Conformance { json: false }.handle(request, response).await,
            "rest" => const { &rest::app(|| Duration::ZERO) }.handle(request, response).await,
            _ => routes::handler(request, response).await,
        }
    }
}

/// Notes events in KV.
struct Notes;

impl Events for Notes {
    async fn scheduled(&self, event: Scheduled<'_>) -> Result<(), Failure> {
        if event.cron == "fail" {
            return Err(Failure::new(500));
        }
        kv("KV").put("cron", event.cron.as_bytes()).await?;
        kv("KV").put("cron-time", if event.time == 1_000 { b"1000" } else { b"else" }).await?;
        Ok(())
    }

    async fn queue(&self, mut batch: Batch<'_>) -> Result<(), Failure> {
        let mut place = [0; 512];
        loop {
            let message = match batch.next(&mut place) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                // Another one may have the memory for it.
                Err(CallError::TooLarge { .. }) => {
                    let Some(index) = batch.skip()? else { break };
                    batch.retry(index)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            kv("KV").put(message.id, message.body).await?;
            let index = message.index;
            if message.body == b"again" {
                batch.retry(index)?;
            } else {
                batch.acknowledge(index)?;
            }
        }
        kv("KV").put("queue", batch.queue.as_bytes()).await?;
        Ok(())
    }
}

midge_workers::export!(App, objects: [Counter], events: Notes);

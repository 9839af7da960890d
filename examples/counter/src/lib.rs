//! A Durable Object that counts in SQL: `GET /{name}` counts one more and says how many.
#![no_std]

use midge::{Failure, Request, Response, Sent};
use midge_workers::{Fetch, Object, sql};

/// One counter. Each name has its own object, and so its own database.
struct Counter;

impl Object for Counter {
    async fn fetch(&self, _request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        // No await: nothing can come between the two statements.
        sql("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER)", &[])?;
        let count = "INSERT INTO counter VALUES (1, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value";
        let mut place = [0; 32];
        let value =
            sql(count, &[])?.next(&mut place)?.and_then(|row| row.column(0).integer()).ok_or(Failure::new(500))?;
        response.status(200).header_fmt("x-count", format_args!("{value}")).empty().await
    }
}

/// Asks the object that has the path's name.
async fn handler(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let name = request.path().trim_start_matches('/');
    if name.is_empty() {
        return Err(Failure::new(404).because("GET /{name} counts"));
    }
    Fetch::new("GET", "http://counter/").object("COUNTER", name).send().await?.pass(response).await
}

midge_workers::export!(handler, objects: [Counter], headers: []);

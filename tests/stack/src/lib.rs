//! A connection polled once, with each of a few handlers: what `tests/stack/run` reads the depth of the stack from. The future is the
//! caller's memory; only what lies below the poll is counted.
#![no_std]
#![deny(unsafe_code)]

use core::{
    convert::Infallible,
    hint::{self, black_box},
    panic::PanicInfo,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use embedded_io_async::{ErrorType, Read, Write};
use midge::{
    Clock, Date, Ended, Failure, Field, Handler, Limits, Peer, Request, Response, Router, Routes, Sent, Slot, Watch,
    serve,
};
use serde::{Deserialize, Serialize};

/// What a slot is made of.
pub type Memory<'m> = (&'m mut [u8], &'m mut [u8], &'m mut [Field]);

/// What polls the future of a connection: where counting begins.
macro_rules! polled {
    ($($exported:ident, $poll:ident: $handler:expr;)+) => {
        $(
            /// Serves a connection with one handler.
            #[expect(unsafe_code, reason = "exported, so that it is built")]
            #[unsafe(no_mangle)]
            pub fn $exported(io: &mut Opaque, memory: Memory<'_>, limits: &Limits, clock: &Ticks, watch: &Watch, task: &mut Context<'_>) {
                let handler = $handler;
                // Made here, since with a slot come functions that are called by their addresses.
                let mut slot = Slot::new(memory.0, memory.1, memory.2);
                let _ = black_box($poll(pin!(serve(io, &handler, black_box(&mut slot), limits, clock, Peer::Unix, watch)), task));
            }

            #[inline(never)]
            fn $poll(connection: Pin<&mut impl Future<Output = Result<Ended, Infallible>>>, task: &mut Context<'_>) -> Poll<Result<Ended, Infallible>> {
                connection.poll(task)
            }
        )+
    };
}

polled! {
    stack_of_hello, poll_hello: hello;
    stack_of_echo, poll_echo: echo;
    stack_of_rest, poll_rest: Rest;
}

async fn hello(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).header("content-type", "text/plain").body(b"Hello, World!").await
}

/// A body streamed in and out.
async fn echo(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut out = response.status(200).stream().await?;
    while let Some(chunk) = request.body().chunk().await? {
        out.write(&*chunk).await?;
    }
    out.finish().await
}

/// Routes, JSON both ways, and a form.
struct Rest;

impl Handler for Rest {
    fn handle(&self, request: Request<'_>, response: Response<'_>) -> impl Future<Output = Result<Sent, Failure>> {
        const { &routes() }.handle(request, response)
    }
}

const fn routes() -> Router<impl Routes> {
    Router::new().get("/users/{id}", show).post("/users", create).post("/form", form)
}

#[derive(Serialize, Deserialize)]
struct User<'a> {
    id: u32,
    name: &'a str,
}

async fn show(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let id: u32 = request.param("id")?.parse()?;
    response.status(200).json(&User { id, name: "a" }).await
}

async fn create(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let user: User<'_> = request.json().await?;
    response.status(201).json(&user).await
}

async fn form(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let form = request.form().await?;
    response.status(200).text(form.get("name").unwrap_or_default()).await
}

/// A connection of which nothing is known.
#[derive(Debug)]
pub struct Opaque;

impl ErrorType for Opaque {
    type Error = Infallible;
}

impl Read for Opaque {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        black_box(buf);
        Ok(black_box(0))
    }
}

impl Write for Opaque {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        black_box(buf);
        Ok(black_box(0))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A clock of which nothing is known.
#[derive(Debug)]
pub struct Ticks;

impl Clock for Ticks {
    fn now(&self) -> midge::Instant {
        midge::Instant::from_millis(black_box(0))
    }

    fn date(&self) -> Option<Date> {
        Some(Date::from_unix_seconds(black_box(0)))
    }
}

/// The place is looked at so that it is known which panics are left.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    black_box(info.location());
    loop {
        hint::spin_loop();
    }
}

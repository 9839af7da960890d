//! Sixty routes, each with a handler of its own type: they compile within the compiler's own limits, and their future is as large as that
//! of the largest handler.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use midge::{
    Failure, Handler, Request, Response, Router, Routes, Sent,
    testing::{Scratch, call},
};

/// Six routes for each name: three kinds of handlers, none of them of the same type.
macro_rules! app {
    ($($name:literal)*) => {
        Router::new()
            $(
                .get(concat!("/", $name), async |_: Request<'_>, response: Response<'_>| {
                    response.status(200).body($name).await
                })
                .post(concat!("/", $name), async |mut request: Request<'_>, response: Response<'_>| {
                    let body = request.body().all().await?;
                    response.status(201).header("x-name", $name).body(body).await
                })
                .get(concat!("/", $name, "/{id}"), async |request: Request<'_>, response: Response<'_>| {
                    let id = request.param("id")?;
                    response.status(200).header("x-name", $name).body(id.raw()).await
                })
                .put(concat!("/", $name, "/{id}"), async |mut request: Request<'_>, response: Response<'_>| {
                    let mut body = response.status(200).header("x-name", $name).stream().await?;
                    while let Some(chunk) = request.body().chunk().await? {
                        body.write(&*chunk).await?;
                    }
                    body.finish().await
                })
                .delete(concat!("/", $name, "/{id}"), async |_: Request<'_>, response: Response<'_>| {
                    response.status(204).header("x-name", $name).empty().await
                })
                .get(concat!("/", $name, "/{id}/{*rest}"), async |request: Request<'_>, response: Response<'_>| {
                    let rest = request.param("rest")?;
                    response.status(200).header("x-name", $name).body(rest.raw()).await
                })
            )*
    };
}

const fn six() -> Router<impl Routes> {
    app!("users")
}

const fn sixty() -> Router<impl Routes> {
    app!("users" "orders" "invoices" "items" "shipments" "accounts" "payments" "returns" "stores" "events")
}

/// Says how large its inner handler's future is.
struct Sized<H>(H);

impl<H: Handler> Handler for Sized<H> {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let future = self.0.handle(request, response);
        assert!(future_bytes(&future) > 0);
        SIZE.set(future_bytes(&future));
        future.await
    }
}

thread_local! {
    static SIZE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn future_bytes<F: Future>(_: &F) -> usize {
    size_of::<F>()
}

#[test]
fn sixty_routes_answer_and_take_no_more_memory_than_six() {
    let mut scratch = Scratch::new();
    for name in
        ["users", "orders", "invoices", "items", "shipments", "accounts", "payments", "returns", "stores", "events"]
    {
        for (method, rest, expected) in [
            ("GET", "", (200, name)),
            ("POST", "", (201, "")),
            ("GET", "/7", (200, "7")),
            ("PUT", "/7", (200, "")),
            ("DELETE", "/7", (204, "")),
            ("GET", "/7/a/b", (200, "a/b")),
        ] {
            let request = format!("{method} /{name}{rest} HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = call(const { &Sized(sixty()) }, request.as_bytes(), &mut scratch).unwrap();
            assert_eq!((answer.status(), answer.body()), (expected.0, expected.1.as_bytes()), "{request}");
            assert_eq!(answer.header("x-name").unwrap_or(name), name, "{request}");
        }
    }
    let of_sixty = SIZE.get();
    call(&Sized(six()), b"GET /users HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch).unwrap();
    // A tag may not fit into the largest future's: a word more at the most.
    assert!(of_sixty <= SIZE.get() + 8, "{of_sixty} and {} bytes", SIZE.get());
}

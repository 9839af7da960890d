//! The loop as a future, on a tokio runtime that has one thread for everything.

use std::{
    future::poll_fn,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    pin::pin,
    process::ExitCode,
    sync::mpsc,
    task::Poll,
    time::Duration,
};

use ::tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net,
};
use midge::{Failure, Handler, Request, Response, Sent};
use midge_lambda::Runtime;

use crate::fake::{Fake, NEXT, PATIENCE, answer, error, event, response};

/// Asks the background task over tokio's socket, and lets tokio's clock pass, before it answers.
struct Asking(SocketAddr);

impl Handler for Asking {
    async fn handle(&self, request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        if request.path() == "/forever" {
            ::tokio::time::sleep(PATIENCE).await;
        }
        ::tokio::time::sleep(Duration::from_millis(1)).await;
        let mut stream = net::TcpStream::connect(self.0).await.map_err(|_| Failure::new(502))?;
        stream.write_all(b"x").await.map_err(|_| Failure::new(502))?;
        let byte = stream.read_u8().await.map_err(|_| Failure::new(502))?;
        response.status(200).header("content-type", "text/plain").body(&[byte]).await
    }
}

/// Serves on tokio's one thread, beside a task that turns one byte of each connection into a capital letter; gives its address.
fn serve(fake: &Fake) -> (crate::fake::Running, SocketAddr) {
    let (tell, told) = mpsc::channel();
    let api = fake.address.to_string();
    let running = fake.beside(move || {
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(async {
            let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tell.send(address).unwrap();
            ::tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let byte = stream.read_u8().await.unwrap();
                    stream.write_u8(byte.to_ascii_uppercase()).await.unwrap();
                }
            });
            Runtime::from_env().api(api).deadline_margin(PATIENCE).serve(Asking(address)).await
        });
        assert!(matches!(&ended, Err(midge_lambda::Error::Connection(_))), "{ended:?}");
        ExitCode::FAILURE
    });
    (running, told.recv_timeout(PATIENCE).expect("tokio runs"))
}

/// Asks the background task from outside.
fn ask(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"a").unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"A");
}

#[test]
fn a_background_task_goes_on_while_the_next_event_is_waited_for() {
    let fake = Fake::start();
    let (running, address) = serve(&fake);
    let mut api = fake.accept();
    for round in 0..3 {
        api.expect(NEXT);
        // Nothing wakes the loop: only its task can answer.
        ask(address);
        // And the handler waits for tokio: its timer, its sockets, and the task.
        let id = format!("id-{round}");
        api.event(&id, event("GET", "/"));
        assert_eq!(api.expect(&response(&id)).text(), answer(200, "X"));
        api.accepted();
    }
    api.expect(NEXT);
    ask(address);
    fake.end(api, running);
}

#[test]
fn an_empty_answer_and_a_lost_connection_are_waited_over() {
    let fake = Fake::start();
    let (running, address) = serve(&fake);
    let mut api = fake.accept();
    api.expect(NEXT);
    api.status(204);
    api.expect(NEXT);
    ask(address);
    // The connection ends while it is waited for: it is opened once more.
    drop(api);
    let mut api = fake.accept();
    api.expect(NEXT);
    ask(address);
    api.event("id-1", "{}");
    api.expect(&error("id-1"));
    api.accepted();
    api.expect(NEXT);
    fake.end(api, running);
}

#[test]
fn a_handler_that_waits_too_long_for_tokio_is_dropped() {
    let fake = Fake::start();
    let (running, _) = serve(&fake);
    let mut api = fake.accept();
    api.expect(NEXT);
    // Half of what is left is the margin at most.
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    let line = format!("Lambda-Runtime-Deadline-Ms: {}\r\n", soon.as_millis());
    api.event_with("id-1", &line, event("GET", "/forever"));
    assert!(api.expect(&response("id-1")).text().starts_with("{\"statusCode\":504,"));
    api.accepted();
    api.expect(NEXT);
    fake.end(api, running);
}

#[test]
fn a_loop_that_is_dropped_gives_its_connection_up() {
    let fake = Fake::start();
    let (drop_it, dropped) = mpsc::channel::<()>();
    let api = fake.address.to_string();
    let running = fake.beside(move || {
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = SocketAddr::from(([127, 0, 0, 1], 1));
            let mut serving = pin!(Runtime::from_env().api(api).serve(Asking(address)));
            let mut told = pin!(::tokio::task::spawn_blocking(move || dropped.recv()));
            poll_fn(|context| {
                assert!(serving.as_mut().poll(context).is_pending());
                if told.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        ExitCode::FAILURE
    });
    let mut api = fake.accept();
    api.expect(NEXT);
    drop_it.send(()).unwrap();
    api.ends();
    running.fails();
}

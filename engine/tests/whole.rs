//! Whether an answer for a host that does not speak HTTP/1.1 can be passed on in one piece.

#![allow(clippy::unwrap_used)]

use core::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use midge::{
    Exchange, ExchangeState, Failure, Handler, Head, Limits, PlainEnd, PlainHead, PlainMemory, Request, RequestContext,
    Response, Sent, Span,
};

/// What `whole_answer` shows.
type Whole = (u16, Vec<u8>, Vec<u8>, Option<u64>);

/// Has `handler` answer, taking what it streams away once it waits; what is whole before that and at the end, and what was taken.
fn whole(method: &str, handler: impl Handler) -> (Vec<Option<Whole>>, Vec<u8>) {
    let bytes = format!("{method} /");
    let parts = PlainHead {
        method: Span::new(0, method.len()),
        target: Span::new(method.len() + 1, bytes.len()),
        authority: Span::new(0, 0),
        body: Some(0),
    };
    let (mut output, mut state) = ([0; 512], ExchangeState::new());
    let memory = PlainMemory { input: &mut [], filled: 0, state: &mut state, output: &mut output };
    let (context, limits) = (RequestContext::default(), Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    let exchange = Exchange::plain(Head::plain(bytes.as_bytes(), &[], parts), memory, &context, &limits);
    let look = || {
        exchange.whole_answer(|whole| (whole.status.code(), whole.lines.to_vec(), whole.body.to_vec(), whole.length))
    };
    let (mut seen, mut taken) = (vec![look()], Vec::new());
    let mut future = pin!(handler.handle(exchange.request(), exchange.response()));
    let result = loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break result;
        }
        seen.push(look());
        exchange.drain(|pending| {
            taken.extend_from_slice(pending);
            (pending.len(), ())
        });
    };
    assert_eq!(exchange.end(result), PlainEnd::Answered);
    seen.push(look());
    (seen, taken)
}

#[test]
fn an_answer_that_is_there_whole_is_shown_in_one_piece() {
    let body =
        async |_: Request<'_>, response: Response<'_>| response.status(201).header("x-a", "b").body("hello").await;
    let expected = (201, b"x-a: b\r\n".to_vec(), b"hello".to_vec(), Some(5));
    assert_eq!(whole("GET", body), (vec![None, Some(expected)], Vec::new()));
    let streamed = async |_: Request<'_>, response: Response<'_>| {
        let mut stream = response.status(200).length(4).stream().await?;
        stream.write("hi").await?;
        stream.write("ho").await?;
        stream.finish().await
    };
    assert_eq!(whole("GET", streamed).0.last().unwrap(), &Some((200, Vec::new(), b"hiho".to_vec(), Some(4))));
    let empty = async |_: Request<'_>, response: Response<'_>| response.status(204).empty().await;
    assert_eq!(whole("GET", empty).0.last().unwrap(), &Some((204, Vec::new(), Vec::new(), Some(0))));
    let fails = async |_: Request<'_>, _: Response<'_>| Err::<Sent, _>(Failure::new(404));
    let (seen, _) = whole("GET", fails);
    assert_eq!(
        seen.last().unwrap().as_ref().map(|whole| (whole.0, &whole.2[..])),
        Some((404, &b"404 Not Found\n"[..]))
    );
}

#[test]
fn head_is_told_the_length_alone() {
    let body = async |_: Request<'_>, response: Response<'_>| response.status(200).body("hello").await;
    assert_eq!(whole("HEAD", body).0.last().unwrap(), &Some((200, Vec::new(), Vec::new(), Some(5))));
    let unknown = async |_: Request<'_>, response: Response<'_>| {
        let mut stream = response.status(200).stream().await?;
        stream.write("hi").await?;
        stream.finish().await
    };
    assert_eq!(whole("HEAD", unknown).0.last().unwrap(), &Some((200, Vec::new(), Vec::new(), None)));
}

#[test]
fn an_answer_whose_length_nobody_knows_or_that_is_partly_gone_is_not_whole() {
    let unknown = async |_: Request<'_>, response: Response<'_>| {
        let mut stream = response.status(200).stream().await?;
        stream.write("hi").await?;
        stream.finish().await
    };
    assert_eq!(whole("GET", unknown), (vec![None, None], Vec::new()));
    let large = async |_: Request<'_>, response: Response<'_>| response.status(200).body([b'x'; 600]).await;
    let (seen, taken) = whole("GET", large);
    assert!(seen.len() > 2 && seen.iter().all(Option::is_none), "{seen:?}");
    assert!(taken.len() < 600);
    let flushed = async |_: Request<'_>, response: Response<'_>| {
        let mut stream = response.status(200).length(4).stream().await?;
        stream.write("hi").await?;
        stream.flush().await?;
        stream.write("ho").await?;
        stream.finish().await
    };
    let (seen, taken) = whole("GET", flushed);
    assert!(seen.iter().all(Option::is_none), "{seen:?}");
    assert_eq!(taken, b"hi");
    // All of it is there, but it isn't complete.
    let unfinished = async |_: Request<'_>, response: Response<'_>| {
        let mut stream = response.status(200).length(4).stream().await?;
        stream.write("hiho").await?;
        stream.flush().await?;
        stream.finish().await
    };
    assert_eq!(whole("GET", unfinished), (vec![None; 3], b"hiho".to_vec()));
}

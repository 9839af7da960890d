//! Requests: what a handler is given, what the host is told, and what becomes of failures on either side.

use core::{cell::Cell, time::Duration};
use std::{string::ToString, sync::Mutex, vec::Vec};

use midge::{Failure, Request, Response, Sent};

use super::{All, Two, ready, request, request_with, strings};
use crate::{
    Fetch,
    abi::{CUT, DONE, FETCH, Memory, PENDING, Task, size_of_future},
    deadline,
    double::{Answer, EAGAIN, EIO, ENOSYS, Fields, Host, Read, with},
    host::serve,
    kv, wait_until,
};

#[test]
fn a_handler_is_given_the_host_s_request_and_the_host_its_answer() {
    let mut host = Host::new("PUT example.com/a?b=c");
    host.fields = &[("accept", "text/html"), ("x-empty", "")];
    (host.length, host.body) = (5, [Read::Bytes(b"he"), Read::Errno(EAGAIN), Read::Bytes(b"llo")].into());
    let host = host.enter();
    let (waited, state) = request(async |mut request: Request<'_>, response: Response<'_>| {
        assert_eq!((request.method().as_str(), request.path(), request.query()), ("PUT", "/a", Some("b=c")));
        assert_eq!(request.header("host"), None);
        assert_eq!(request.authority(), "example.com");
        assert_eq!((request.header("Accept"), request.header("x-empty")), (Some("text/html"), Some("")));
        let body = request.body().all().await?;
        response.status(201).header("x-b", "c").body(body).await
    });
    assert_eq!((waited, state), (1, DONE));
    assert_eq!(host.told(), strings(&[r#"answer 201 [x-b: c|] "hello" 5"#]));
}

#[test]
fn only_the_fields_that_were_asked_for_are_read() {
    let mut host = Host::new("GET a/");
    host.fields = &[("accept", "a/b"), ("x-other", "1"), ("host", "a")];
    let host = host.enter();
    let (_, state) = request_with::<Two>(async |request: Request<'_>, response: Response<'_>| {
        assert_eq!((request.header("accept"), request.header("cookie")), (Some("a/b"), None));
        assert_eq!(request.header("x-other"), None);
        response.status(204).empty().await
    });
    assert_eq!(state, DONE);
    assert_eq!(host.told(), strings(&[r#"answer 204 [] "" 0"#]));
}

#[test]
fn what_does_not_fit_is_refused_before_a_handler_runs() {
    const TARGET: &str = "GET a/\
        0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
        0123456789012345678901234567";
    const LONG: &str = TARGET.split_at("GET a/".len()).1;
    let never = async |_: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> { panic!("the handler runs") };
    let cases: [(&str, Fields, u32, u16); 4] = [
        (TARGET, &[], 0, 414),
        ("GET a/", &[("a", LONG)], 0, 431),
        ("GET a/", &[("accept", LONG)], 0, 431),
        ("GET a/", &[], u32::MAX - 1, 413),
    ];
    for (head, fields, length, status) in cases {
        for only_two in [false, true] {
            let host = Host { fields, length, ..Host::new(head) }.enter();
            let asked_for = !only_two || fields.iter().all(|(name, _)| *name == "accept");
            if asked_for {
                let (_, state) = if only_two { request_with::<Two>(never) } else { request_with::<All>(never) };
                assert_eq!((state, host.told()), (DONE, [std::format!("fail {status} \"\" []")].into()), "{head}");
            }
        }
    }
    // A host that takes no answer either.
    let mut host = Host::new(TARGET);
    host.takes_answer = EIO;
    let _host = host.enter();
    assert_eq!(request(never).1, CUT);
}

#[test]
fn a_body_of_unknown_length_is_read_as_it_comes() {
    let mut host = Host::new("POST a/");
    host.length = u32::MAX;
    host.body =
        [Read::Errno(EAGAIN), Read::Bytes(b"0123456789abcdefghij"), Read::Errno(EAGAIN), Read::Bytes(b"klm")].into();
    let host = host.enter();
    let read = Cell::new(0);
    let (waited, state) = request(async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body();
        let mut stream = response.status(200).stream().await?;
        while let Some(chunk) = body.chunk().await? {
            read.set(read.get() + chunk.len());
            stream.write(&chunk).await?;
        }
        stream.finish().await
    });
    assert_eq!((state, read.get()), (DONE, 23));
    assert!(waited >= 2, "{waited}");
    let told = host.told();
    assert_eq!(told[0], "respond 200 [] -1 0");
    assert!(told.last().unwrap().ends_with(" last"), "{told:?}");
    let written: std::string::String = told[1..].iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(written, "0123456789abcdefghijklm");
}

#[test]
fn a_body_that_breaks_off_is_told_to_the_handler_or_cuts_the_event() {
    for (length, body) in [(u32::MAX, Read::Errno(EIO)), (3, Read::Errno(EIO))] {
        let mut host = Host::new("POST a/");
        (host.length, host.body) = (length, [body].into());
        let host = host.enter();
        let (_, state) = request(async |mut request: Request<'_>, response: Response<'_>| {
            let body = request.body().all().await?;
            response.status(200).body(body).await
        });
        let told = host.told();
        if length == u32::MAX {
            assert_eq!(state, DONE);
            assert!(told[0].starts_with("fail 400 \"the "), "{told:?}");
        } else {
            assert_eq!((state, told), (CUT, Vec::new()));
        }
    }
}

#[test]
fn a_body_over_its_limit_is_answered_413() {
    let mut host = Host::new("POST a/");
    (host.length, host.body) = (u32::MAX, [Read::Bytes(b"0123456789abcdef"), Read::Bytes(b"g")].into());
    let host = host.enter();
    let (_, state) = request(async |mut request: Request<'_>, response: Response<'_>| {
        let body = request.body().all().await?;
        response.status(200).body(body).await
    });
    let told = host.told();
    assert_eq!((state, told.len()), (DONE, 1), "{told:?}");
    assert!(told[0].starts_with("fail 413 \"") && !told[0].contains("\"\""), "{told:?}");
}

#[test]
fn a_failure_says_why_as_long_as_no_answer_is_out() {
    let host = Host::new("GET a/").enter();
    let (_, state) =
        request(async |_: Request<'_>, _: Response<'_>| Err::<Sent, _>(Failure::new(404).because("no such thing")));
    assert_eq!((state, host.told()), (DONE, strings(&[r#"fail 404 "no such thing" []"#])));
    // What is wrong with an answer is no concern of the client's.
    let (_, state) =
        request(async |_: Request<'_>, response: Response<'_>| response.status(200).header("a", "b\nc").empty().await);
    assert_eq!((state, host.told()), (DONE, strings(&[r#"fail 500 "" []"#])));
    // Behind an answer that is out, the event is cut.
    let (_, state) = request(async |_: Request<'_>, response: Response<'_>| {
        let mut stream = response.status(200).stream().await?;
        stream.write(b"x").await?;
        stream.flush().await?;
        Err::<Sent, _>(Failure::new(500))
    });
    assert_eq!((state, host.told()), (CUT, strings(&["respond 200 [] -1 0", r#"write "x""#])));
}

#[test]
fn a_client_that_is_busy_is_waited_for_and_one_that_is_gone_ends_the_event() {
    for (writes, expected) in [([EAGAIN, EAGAIN], DONE), ([EAGAIN, EIO], CUT)] {
        let mut host = Host::new("GET a/");
        host.writes = writes.into();
        let host = host.enter();
        let (waited, state) = request(async |_: Request<'_>, response: Response<'_>| {
            let mut stream = response.status(200).stream().await?;
            stream.write(b"x").await?;
            stream.flush().await?;
            stream.finish().await
        });
        assert_eq!(state, expected);
        assert!(waited >= 1);
        assert_eq!(host.told().len(), if state == DONE { 3 } else { 1 });
    }
    // A host that takes no head.
    let mut host = Host::new("GET a/");
    host.takes_answer = EIO;
    let _host = host.enter();
    assert_eq!(request(async |_: Request<'_>, response: Response<'_>| response.status(200).body(b"x").await).1, CUT);
    let long = [b'x'; 600];
    assert_eq!(request(async |_: Request<'_>, response: Response<'_>| response.status(200).body(&long).await).1, CUT);
    assert_eq!(request(async |_: Request<'_>, _: Response<'_>| Err::<Sent, _>(Failure::new(404))).1, CUT);
}

#[test]
fn a_body_larger_than_the_output_goes_out_in_pieces() {
    let mut host = Host::new("GET a/");
    host.writes = [EAGAIN].into();
    let host = host.enter();
    let long = [b'x'; 600];
    let (_, state) = request(async |_: Request<'_>, response: Response<'_>| response.status(200).body(&long).await);
    let told = host.told();
    assert_eq!((state, told[0].as_str()), (DONE, "respond 200 [] 600 0"));
    let written: usize = told[1..].iter().map(|line| line.matches('x').count()).sum();
    assert_eq!(written, 600);
    assert_eq!(told.iter().filter(|line| line.ends_with("last")).count(), 1);
}

#[test]
fn a_time_limit_is_the_host_s_to_keep() {
    let host = Host::new("GET a/").enter();
    ready(async { deadline(Duration::from_millis(1_500)) }).unwrap();
    assert_eq!(host.told(), strings(&["deadline 1500 []"]));
    drop(host);
    let mut host = Host::new("GET a/");
    host.takes_answer = ENOSYS;
    let _host = host.enter();
    assert!(deadline(Duration::from_secs(1)).is_err());
}

#[test]
fn a_router_s_time_limit_is_told_once_with_the_fields_of_the_503() {
    async fn waits(_: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        crate::sleep(Duration::from_secs(9)).await?;
        response.status(200).empty().await
    }
    let within = |host: Host| {
        let host = host.enter();
        let limited = midge::around::TimeLimit::new(Duration::from_secs(2), waits);
        let state = request(limited).1;
        (state, host.told())
    };
    let slow = || Host {
        calls: [Answer { polls: [EAGAIN.into(), EAGAIN.into(), 0.0].into(), ..Answer::default() }].into(),
        ..Host::new("GET a/")
    };
    let (state, told) = within(slow());
    assert_eq!(state, DONE);
    assert_eq!(told.iter().filter(|line| line.as_str() == "limit 2000 []").count(), 1, "{told:?}");
    // Without a timer the limit can't be kept, and so the event isn't served.
    let (state, told) = within(Host { takes_answer: ENOSYS, ..slow() });
    assert_eq!((state, told.contains(&"limit 2000 []".to_string())), (CUT, true));
}

#[test]
fn what_the_host_holds_is_passed_on_unread() {
    let mut host = Host::new("GET a/");
    host.calls =
        [Answer::number(7.0), Answer { polls: [206.0].into(), fields: &[("x-a", "b")], ..Answer::default() }].into();
    let host = host.enter();
    let (_, state) = request(async |_: Request<'_>, response: Response<'_>| {
        let value = kv("ASSETS").get_stream("key").await?.unwrap();
        value.pass(response.status(200)).await
    });
    assert_eq!(state, DONE);
    assert_eq!(host.told(), strings(&[r#"call 11 "ASSETS" "key""#, "respond 200 [] 0 2", r#"write "" last"#]));
    // A whole response, with its fields; and the next answer passes nothing on.
    let (_, state) = request(async |_: Request<'_>, response: Response<'_>| {
        let fetched = Fetch::new("GET", "https://example.com/").send().await?;
        fetched.pass(response).await
    });
    assert_eq!((state, host.told()[1].as_str()), (DONE, "respond 206 [] 0 5"));
    let (_, state) = request(async |_: Request<'_>, response: Response<'_>| response.status(200).empty().await);
    assert_eq!((state, host.told()[0].as_str()), (DONE, r#"answer 200 [] "" 0"#));
}

#[test]
fn the_client_has_its_answer_while_work_goes_on_behind_it() {
    let mut host = Host::new("GET a/");
    host.calls = [Answer { polls: [EAGAIN.into(), 0.0].into(), ..Answer::default() }].into();
    let host = host.enter();
    let (waited, state) = request(async |_: Request<'_>, response: Response<'_>| {
        let sent = response.status(202).empty().await?;
        wait_until(sent, async { kv("LOG").put("last", b"now").await.unwrap() }).await
    });
    assert_eq!((waited, state), (1, DONE));
    let told = host.told();
    assert_eq!(told[1], "respond 202 [] 0 0");
    assert!(told[0].starts_with(r#"call 12 "LOG" "last" "now""#) && told.last().unwrap() == "close 1", "{told:?}");
}

#[test]
fn an_instance_serves_one_request_at_a_time() {
    static MEMORY: Memory<128, 16, 64> = Memory::new();
    fn event(kind: u32) -> impl Future<Output = u32> {
        serve(
            kind,
            async |_: Request<'_>, response: Response<'_>| {
                // A host that enters again from within an import is refused.
                let again = *AGAIN.lock().unwrap();
                assert_eq!(again.map(|enter| enter()), Some(3));
                crate::sleep(Duration::from_millis(1)).await?;
                response.status(200).empty().await
            },
            || &MEMORY,
            All,
        )
    }
    static TASK: Task<{ size_of_future(event) }> = Task::new();
    static AGAIN: Mutex<Option<fn() -> u32>> = Mutex::new(None);
    *AGAIN.lock().unwrap() = Some(|| TASK.run(event, None));

    let mut host = Host::new("GET a/");
    host.calls = [Answer { polls: [EAGAIN.into(), 0.0].into(), ..Answer::default() }].into();
    let _host = host.enter();
    assert_eq!(TASK.run(event, None), 3, "nothing to poll");
    with(|host| host.start(&MEMORY));
    assert_eq!(TASK.run(event, Some(FETCH)), PENDING);
    assert_eq!(TASK.run(event, Some(FETCH)), 3, "one is there");
    // The buffers are lent as well.
    assert_eq!(
        ready(serve(
            FETCH,
            async |_: Request<'_>, response: Response<'_>| response.status(200).empty().await,
            || &MEMORY,
            All
        )),
        CUT
    );
    assert_eq!(TASK.run(event, None), DONE);
    assert_eq!(TASK.run(event, None), 3);
    assert_eq!(TASK.run(event, Some(1)), CUT, "an event that is no request");
}

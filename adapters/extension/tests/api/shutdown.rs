//! The end of the environment, in every state, and a new one after it.

use std::{io::Write, net::TcpStream};

use crate::{
    emf,
    fake::Fake,
    support::{Extension, NEXT, Platform, SUBSCRIBE, own_host, report},
};

#[test]
fn the_last_report_is_waited_for() {
    let mut platform = Platform::ready(&[]);
    platform.invoke();
    platform.invoke();
    assert_eq!(platform.push(&[report("1", "9")]), 200);
    emf::check(&platform.extension.line());
    // One is missing, and there is an hour left.
    platform.shutdown(3_600_000);
    let mut client = platform.client();
    while client.ask("GET", "/health", b"").0 != 503 {}
    let (_, health) = client.ask("GET", "/health", b"");
    assert!(health.starts_with("{\"status\":\"stopping\","), "{health}");
    assert_eq!(platform.push(&[report("2", "10")]), 200);
    assert_eq!(emf::check(&platform.extension.line())["duration_ms"], 10);
    let (status, out, err) = platform.extension.ended();
    assert_eq!((status.code(), out, err.as_str()), (Some(0), Vec::new(), ""));
}

#[test]
fn a_report_that_never_comes_is_not_waited_for_beyond_the_deadline() {
    let mut platform = Platform::ready(&[]);
    platform.invoke();
    // As good as over: half a second is left for the end itself.
    platform.shutdown(600);
    let (status, _, err) = platform.extension.ended();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}

#[test]
fn a_deadline_that_is_over_or_absent_leaves_no_time() {
    for event in [
        r#"{"eventType":"SHUTDOWN","shutdownReason":"timeout","deadlineMs":1}"#,
        r#"{"eventType":"SHUTDOWN","shutdownReason":"failure"}"#,
        r#"{"eventType":"SHUTDOWN","deadlineMs":-5}"#,
    ] {
        let mut platform = Platform::ready(&[]);
        platform.invoke();
        platform.event(event);
        let (status, _, err) = platform.extension.ended();
        assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{event}");
    }
}

#[test]
fn the_shutdown_may_be_the_first_event() {
    let mut platform = Platform::ready(&[]);
    platform.shutdown(3_600_000);
    let (status, out, err) = platform.extension.ended();
    assert_eq!((status.code(), out, err.as_str()), (Some(0), Vec::new(), ""));
}

#[test]
fn half_a_push_does_not_hold_up_the_shutdown() {
    let mut platform = Platform::ready(&[]);
    let mut stream = TcpStream::connect(platform.extension.address).unwrap();
    write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[").unwrap();
    // It is being served: a second client is answered while the first one waits.
    assert_eq!(platform.client().ask("GET", "/health", b"").0, 200);
    platform.shutdown(3_600_000);
    let (status, _, err) = platform.extension.ended();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}

#[test]
fn managed_instances_are_shut_down_when_all_that_started_was_reported() {
    let mut platform = Platform::start(&[("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")]);
    platform.register();
    platform.api.expect(SUBSCRIBE);
    platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\"OK\"");
    platform.api.expect(NEXT);
    let start = |id: &str| crate::support::event("24.000", "start", &format!(r#""requestId":"{id}""#));
    assert_eq!(platform.push(&[start("1"), start("2"), report("2", "9")]), 200);
    assert_eq!(platform.metric("invocations_total").as_deref(), Some("2"));
    platform.shutdown(3_600_000);
    let mut client = platform.client();
    while client.ask("GET", "/health", b"").0 != 503 {}
    assert_eq!(platform.push(&[report("1", "9")]), 200);
    let (status, out, _) = platform.extension.ended();
    assert_eq!((status.code(), out.len()), (Some(0), 2));
}

#[test]
fn a_new_process_takes_the_place_of_the_old_one() {
    let host = own_host();
    for _ in 0..3 {
        let fake = Fake::start();
        let extension = Extension::start_on(&fake, host, &[]);
        let mut platform = Platform { api: fake.accept(), fake, extension };
        platform.register();
        platform.api.expect(SUBSCRIBE);
        platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\"OK\"");
        platform.api.expect(NEXT);
        // A connection that is open to the end, and so is the server's to close.
        let mut client = platform.client();
        let (_, health) = client.ask("GET", "/health", b"");
        assert!(health.ends_with("\"invocations\":0}\n"), "{health}");
        platform.invoke();
        assert_eq!(platform.push(&[report("1", "9")]), 200);
        emf::check(&platform.extension.line());
        assert_eq!(platform.end(), (Vec::new(), String::new()));
    }
}

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed, and says where")]

use super::{Ask, ErrorKind, News, Phase, Protocol, Registration, Turn};

const REGISTERED: &str =
    r#"{"functionName":"hello","functionVersion":"$LATEST","handler":"h","accountId":"123456789012","new":[1]}"#;
const INVOKE: &str = r#"{"eventType":"INVOKE","deadlineMs":676051,"requestId":"3da1f2dc-3222-475e-9205-e2e6c6318895",
    "invokedFunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:hello","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}}"#;
const SHUTDOWN: &str = r#"{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":1665532815064}"#;

fn answer(protocol: &mut Protocol, status: u16, body: &str) -> News {
    protocol.answered(status, true, &mut body.as_bytes().to_vec())
}

/// One that has got so far.
fn at(ask: Ask) -> Protocol {
    let mut protocol = Protocol::new(None);
    if ask != Ask::Register {
        answer(&mut protocol, 200, REGISTERED);
    }
    if ask == Ask::Next {
        answer(&mut protocol, 200, "\"OK\"");
    }
    assert_eq!(protocol.turn(), Turn::Ask(ask));
    protocol
}

const fn report(phase: Phase, kind: ErrorKind) -> Turn {
    Turn::Ask(Ask::Report(phase, kind))
}

#[test]
fn a_life_without_trouble() {
    let mut protocol = at(Ask::Register);
    let registration = Registration {
        function_name: "hello".to_owned(),
        function_version: "$LATEST".to_owned(),
        account_id: "123456789012".to_owned(),
    };
    assert_eq!(answer(&mut protocol, 200, REGISTERED), News::Registered(registration));
    assert_eq!(protocol.turn(), Turn::Ask(Ask::Subscribe));
    assert_eq!(answer(&mut protocol, 200, "\"OK\""), News::Subscribed);
    for _ in 0..3 {
        assert_eq!(protocol.turn(), Turn::Ask(Ask::Next));
        assert_eq!(answer(&mut protocol, 200, INVOKE), News::Invoked);
    }
    assert_eq!(answer(&mut protocol, 200, SHUTDOWN), News::Shutdown);
    assert_eq!(protocol.turn(), Turn::Drain(1_665_532_815_064));
    protocol.drained();
    assert_eq!(protocol.turn(), Turn::Leave(true));
}

#[test]
fn the_shutdown_may_be_the_first_event() {
    let mut protocol = at(Ask::Next);
    assert_eq!(answer(&mut protocol, 200, "{\"eventType\":\"SHUTDOWN\"}"), News::Shutdown);
    // No deadline: there is no time to wait.
    assert_eq!(protocol.turn(), Turn::Drain(0));
}

#[test]
fn a_refused_registration_is_the_end() {
    for status in [400, 403, 500, 404, 202, 302] {
        let mut protocol = at(Ask::Register);
        assert_eq!(answer(&mut protocol, status, REGISTERED), News::Refused(Ask::Register, status));
        assert_eq!(protocol.turn(), Turn::Leave(false));
    }
}

#[test]
fn a_registration_that_cannot_be_used_is_the_end() {
    for (identified, body) in [(false, REGISTERED), (true, ""), (true, "[]"), (true, "{\"functionName\":")] {
        let mut protocol = at(Ask::Register);
        let news = protocol.answered(200, identified, &mut body.as_bytes().to_vec());
        assert_eq!(news, News::Unreadable(Ask::Register), "{body}");
        assert_eq!(protocol.turn(), Turn::Leave(false));
    }
}

#[test]
fn a_refused_subscription_is_no_end() {
    for status in [202, 400, 403, 404, 500] {
        let mut protocol = at(Ask::Subscribe);
        assert_eq!(answer(&mut protocol, status, ""), News::NoTelemetry(status));
        assert_eq!(protocol.turn(), Turn::Ask(Ask::Next));
    }
}

#[test]
fn a_refused_event_is_reported() {
    for status in [400, 403, 404, 202] {
        let mut protocol = at(Ask::Next);
        assert_eq!(answer(&mut protocol, status, INVOKE), News::Refused(Ask::Next, status));
        assert_eq!(protocol.turn(), report(Phase::Exit, ErrorKind::NEXT));
        assert_eq!(answer(&mut protocol, 202, ""), News::Reported);
        assert_eq!(protocol.turn(), Turn::Leave(false));
    }
}

#[test]
fn the_containers_error_ends_it_at_once() {
    let mut protocol = at(Ask::Next);
    assert_eq!(answer(&mut protocol, 500, ""), News::Refused(Ask::Next, 500));
    assert_eq!(protocol.turn(), Turn::Leave(false));
}

#[test]
fn an_event_that_cannot_be_read_is_reported() {
    for body in ["", "[]", "{", "null", "{\"eventType\":\"INVOKE\"", "{\"eventType\":\"INVOKE\"} x"] {
        let mut protocol = at(Ask::Next);
        assert_eq!(answer(&mut protocol, 200, body), News::Unreadable(Ask::Next), "{body}");
        assert_eq!(protocol.turn(), report(Phase::Exit, ErrorKind::EVENT));
    }
}

#[test]
fn an_event_of_another_kind_is_passed_over() {
    for body in ["{}", "{\"eventType\":\"RESTORE\"}", "{\"eventType\":5,\"deadlineMs\":\"x\"}"] {
        let mut protocol = at(Ask::Next);
        assert_eq!(answer(&mut protocol, 200, body), News::UnknownEvent, "{body}");
        assert_eq!(protocol.turn(), Turn::Ask(Ask::Next));
    }
}

#[test]
fn what_was_wrong_before_is_reported_after_the_registration() {
    for kind in [ErrorKind::CONFIG, ErrorKind::LISTEN] {
        let mut protocol = Protocol::new(Some(kind));
        assert_eq!(protocol.turn(), Turn::Ask(Ask::Register));
        answer(&mut protocol, 200, REGISTERED);
        assert_eq!(protocol.turn(), report(Phase::Init, kind));
        assert_eq!(answer(&mut protocol, 202, "{\"status\":\"OK\"}"), News::Reported);
        assert_eq!(protocol.turn(), Turn::Leave(false));
    }
}

#[test]
fn a_refused_report_is_the_end_too() {
    for status in [400, 403, 500] {
        let mut protocol = at(Ask::Next);
        protocol.fail(ErrorKind::SERVER);
        let ask = Ask::Report(Phase::Exit, ErrorKind::SERVER);
        assert_eq!(answer(&mut protocol, status, ""), News::Refused(ask, status));
        assert_eq!(protocol.turn(), Turn::Leave(false));
    }
}

#[test]
fn a_failure_is_reported_where_it_belongs() {
    let mut protocol = at(Ask::Register);
    protocol.fail(ErrorKind::SERVER);
    // There is no identifier yet.
    assert_eq!(protocol.turn(), Turn::Ask(Ask::Register));
    answer(&mut protocol, 200, REGISTERED);
    assert_eq!(protocol.turn(), report(Phase::Init, ErrorKind::SERVER));

    let mut protocol = at(Ask::Subscribe);
    protocol.fail(ErrorKind::SERVER);
    assert_eq!(protocol.turn(), report(Phase::Init, ErrorKind::SERVER));
    // The first failure is the one that counts.
    protocol.fail(ErrorKind::CONFIG);
    assert_eq!(protocol.turn(), report(Phase::Init, ErrorKind::SERVER));

    let mut protocol = at(Ask::Next);
    answer(&mut protocol, 200, SHUTDOWN);
    protocol.fail(ErrorKind::SERVER);
    assert_eq!(protocol.turn(), Turn::Drain(1_665_532_815_064));
}

#[test]
fn a_lost_connection_is_the_end_in_every_state() {
    for ask in [Ask::Register, Ask::Subscribe, Ask::Next] {
        let mut protocol = at(ask);
        protocol.lost();
        assert_eq!(protocol.turn(), Turn::Leave(false), "{ask:?}");
    }
    let mut protocol = at(Ask::Next);
    protocol.fail(ErrorKind::SERVER);
    protocol.lost();
    assert_eq!(protocol.turn(), Turn::Leave(false));
}

#[test]
fn nothing_is_waited_for_but_at_the_end() {
    for ask in [Ask::Register, Ask::Subscribe, Ask::Next] {
        let mut protocol = at(ask);
        protocol.drained();
        assert_eq!(protocol.turn(), Turn::Ask(ask));
    }
}

#[test]
fn error_kinds_are_what_the_platform_takes() {
    for ErrorKind(kind) in [ErrorKind::CONFIG, ErrorKind::LISTEN, ErrorKind::SERVER, ErrorKind::NEXT, ErrorKind::EVENT]
    {
        // Extension\.[A-Z][a-zA-Z]+
        let name = kind.strip_prefix("Extension.").unwrap_or_default().as_bytes();
        assert!(name.len() > 1 && name[0].is_ascii_uppercase() && name.iter().all(u8::is_ascii_alphabetic), "{kind}");
    }
}

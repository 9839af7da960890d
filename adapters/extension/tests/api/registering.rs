//! From the start of the process to the first event.

use crate::support::{IDENTIFIER, NEXT, Platform, SUBSCRIBE};

#[test]
fn it_registers_as_the_platform_wants_it() {
    let mut platform = Platform::start(&[]);
    let asked = platform.register();
    assert_eq!(asked.field("lambda-extension-name"), Some("midge-extension"));
    assert_eq!(asked.field("lambda-extension-accept-feature"), Some("accountId"));
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(asked.field("host"), Some(platform.fake.address.to_string().as_str()));
    assert_eq!(asked.text(), r#"{"events":["INVOKE","SHUTDOWN"]}"#);
    let asked = platform.api.expect(SUBSCRIBE);
    assert_eq!(asked.field("lambda-extension-identifier"), Some(IDENTIFIER));
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(
        asked.text(),
        r#"{"schemaVersion":"2022-12-13","types":["platform"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":1000},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8081"}}"#
    );
    // The server is there before the platform could push anything.
    assert_eq!(platform.client().ask("GET", "/health", b"").0, 200);
    platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\"OK\"");
    let asked = platform.api.expect(NEXT);
    assert_eq!(asked.field("lambda-extension-identifier"), Some(IDENTIFIER));
    assert!(!platform.fake.has_another(), "all of it goes over one connection");
    assert_eq!(platform.end(), (Vec::new(), String::new()));
}

#[test]
fn on_managed_instances_it_asks_for_the_shutdown_alone() {
    for variables in [
        [("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances"), ("AWS_LAMBDA_MAX_CONCURRENCY", "")],
        [("AWS_LAMBDA_INITIALIZATION_TYPE", ""), ("AWS_LAMBDA_MAX_CONCURRENCY", "10")],
    ] {
        let mut platform = Platform::start(&variables);
        assert_eq!(platform.register().text(), r#"{"events":["SHUTDOWN"]}"#);
        let asked = platform.api.expect(SUBSCRIBE);
        assert!(asked.text().starts_with(r#"{"schemaVersion":"2025-01-29","#), "{}", asked.text());
        platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\"OK\"");
        platform.api.expect(NEXT);
        let (_, text) = platform.client().ask("GET", "/metrics", b"");
        assert!(text.contains("initialization_type=\"lambda-managed-instances\""), "{text}");
        platform.end();
    }
}

#[test]
fn variables_say_where_and_how() {
    let mut platform = Platform::start(&[
        ("MIDGE_EXTENSION_DESTINATION", "localhost"),
        ("MIDGE_EXTENSION_PORT", "8082"),
        ("MIDGE_EXTENSION_BUFFER_MS", "25"),
    ]);
    platform.extension.address.set_port(8_082);
    platform.register();
    let asked = platform.api.expect(SUBSCRIBE);
    assert!(asked.text().contains("\"timeoutMs\":25}"), "{}", asked.text());
    assert!(asked.text().ends_with("\"URI\":\"http://localhost:8082\"}}"), "{}", asked.text());
    assert_eq!(platform.client().ask("GET", "/health", b"").0, 200);
    platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    platform.api.expect(NEXT);
    platform.end();
}

#[test]
fn the_api_may_stand_below_a_path() {
    let fake = crate::fake::Fake::start();
    let api = format!("http://{}/.rt", fake.address);
    let extension = crate::support::Extension::start(&fake, &[("AWS_LAMBDA_RUNTIME_API", &api)]);
    let asked = fake.accept().expect("POST /.rt/2020-01-01/extension/register");
    assert_eq!(asked.field("host"), Some(fake.address.to_string().as_str()));
    drop(extension);
}

#[test]
fn an_invocation_is_answered_by_asking_for_the_next_event() {
    let mut platform = Platform::ready(&[]);
    for _ in 0..1_000 {
        platform.invoke();
    }
    let (_, health) = platform.client().ask("GET", "/health", b"");
    assert!(health.ends_with(",\"init_duration_ms\":null,\"invocations\":1000}\n"), "{health}");
    assert_eq!(platform.metric("invocations_total").as_deref(), Some("1000"));
    platform.end();
}

#[test]
fn a_connection_that_ended_between_two_events_is_opened_again() {
    let mut platform = Platform::ready(&[]);
    for _ in 0..3 {
        // After a restore from a snapshot, what was connected is not any more.
        platform.api = {
            let old = platform.api;
            drop(old);
            platform.fake.accept()
        };
        let asked = platform.api.expect(NEXT);
        assert_eq!(asked.field("lambda-extension-identifier"), Some(IDENTIFIER));
        platform.invoke();
    }
    // So is one that the platform says it closes.
    let event = crate::support::invoke();
    platform
        .api
        .send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{event}", event.len()));
    platform.api = platform.fake.accept();
    platform.api.expect(NEXT);
    platform.end();
}

#[test]
fn events_of_unknown_types_and_odd_forms_are_passed_over() {
    let mut platform = Platform::ready(&[]);
    platform.event(r#"{"eventType":"RESTORE"}"#);
    assert_eq!(platform.extension.log(), "midge-extension: an event of an unknown type was passed over");
    platform.api.expect(NEXT);
    // In chunks, behind an interim answer.
    platform.api.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n{\"eventType\":\"INVOKE\"}\r\n0\r\n\r\n");
    platform.api.expect(NEXT);
    assert_eq!(platform.metric("invocations_total").as_deref(), Some("1"));
    platform.end();
}

#[test]
fn outside_of_lambda_one_line_says_so() {
    let fake = crate::fake::Fake::start();
    let extension = crate::support::Extension::start(&fake, &[("AWS_LAMBDA_RUNTIME_API", "")]);
    let (status, out, err) = extension.ended();
    assert_eq!((status.code(), out), (Some(1), Vec::new()));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("AWS_LAMBDA_RUNTIME_API is not set") && err.contains("/opt/extensions"), "{err}");
}

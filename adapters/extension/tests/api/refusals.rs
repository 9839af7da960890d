//! What the platform refuses, and what the extension can't do.

use std::net::TcpListener;

use crate::{
    fake::Fake,
    support::{EXIT_ERROR, Extension, IDENTIFIER, INIT_ERROR, NEXT, Platform, REGISTER, SUBSCRIBE, own_host, report},
};

#[test]
fn a_refused_registration_ends_it() {
    for status in [400, 403, 500] {
        let mut platform = Platform::start(&[]);
        platform.api.expect(REGISTER);
        platform.api.status(status);
        platform.extension.fails(&format!("the registration was answered {status}"));
    }
}

#[test]
fn a_registration_without_identifier_ends_it() {
    let mut platform = Platform::start(&[]);
    platform.api.expect(REGISTER);
    platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    platform.extension.fails("what the registration was answered can't be read");
}

#[test]
fn without_telemetry_it_goes_on_with_health_alone_and_says_so_once() {
    for status in [202, 400, 403, 500] {
        let mut platform = Platform::start(&[]);
        platform.register();
        platform.api.expect(SUBSCRIBE);
        let body = r#"{"errorMessage":"Telemetry API is not supported","errorType":"Telemetry.NotSupported"}"#;
        platform.api.send(format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        platform.api.expect(NEXT);
        for _ in 0..3 {
            platform.invoke();
        }
        let (code, health) = platform.client().ask("GET", "/health", b"");
        assert_eq!(code, 200);
        assert!(health.contains("\"init_duration_ms\":null,\"invocations\":3}"), "{health}");
        // Nothing is waited for that can't come, however much time there is.
        platform.shutdown(3_600_000);
        let (status_code, out, err) = platform.extension.ended();
        assert_eq!((status_code.code(), out), (Some(0), Vec::new()));
        let line = format!(
            "midge-extension: the Telemetry API is not to be had here (it answered {status}): /health and /metrics know of invocations alone"
        );
        assert_eq!(err, line);
    }
}

#[test]
fn a_refused_event_is_reported_as_an_exit() {
    for status in [400, 403] {
        let mut platform = Platform::ready(&[]);
        platform.api.status(status);
        let asked = platform.api.expect(EXIT_ERROR);
        assert_eq!(asked.field("lambda-extension-identifier"), Some(IDENTIFIER));
        assert_eq!(asked.field("lambda-extension-function-error-type"), Some("Extension.NextRefused"));
        let message = format!("the request for the next event was answered {status}");
        assert_eq!(
            asked.text(),
            format!(r#"{{"errorType":"Extension.NextRefused","errorMessage":"{message}","stackTrace":[]}}"#)
        );
        platform.api.accepted();
        platform.extension.fails(&message);
    }
}

#[test]
fn the_containers_error_ends_it_without_a_word() {
    let mut platform = Platform::ready(&[]);
    platform.api.status(500);
    assert!(platform.api.read().is_none(), "nothing more is asked");
    platform.extension.fails("the request for the next event was answered 500");
}

#[test]
fn an_event_that_cannot_be_read_is_reported() {
    for event in ["", "[]", "{\"eventType\":\"INVOKE\"", &"x".repeat(100_000)] {
        let mut platform = Platform::ready(&[]);
        platform.event(event);
        let asked = platform.api.expect(EXIT_ERROR);
        assert_eq!(asked.field("lambda-extension-function-error-type"), Some("Extension.EventInvalid"));
        platform.api.accepted();
        platform.extension.fails("what the request for the next event was answered can't be read");
    }
}

#[test]
fn a_report_that_is_refused_is_told_of_too() {
    let mut platform = Platform::ready(&[]);
    platform.api.status(403);
    platform.api.expect(EXIT_ERROR);
    platform.api.status(403);
    let (status, _, err) = platform.extension.ended();
    assert_eq!(status.code(), Some(1));
    let lines = "midge-extension: the request for the next event was answered 403\nmidge-extension: the report of the failure was \
                 answered 403";
    assert_eq!(err, lines);
}

#[test]
fn a_bad_variable_is_an_error_of_the_initialization() {
    for (name, value, wanted) in [
        ("MIDGE_EXTENSION_PORT", "eighty", "a port, a number from 1 to 65535"),
        ("MIDGE_EXTENSION_HOST", "localhost", "an IP address"),
        ("MIDGE_EXTENSION_METRICS", "yes", "emf or off"),
        ("MIDGE_EXTENSION_BUFFER_MS", "1s", "milliseconds, a number from 25 to 30000"),
    ] {
        let mut platform = Platform::start(&[(name, value)]);
        platform.register();
        let asked = platform.api.expect(INIT_ERROR);
        assert_eq!(asked.field("lambda-extension-identifier"), Some(IDENTIFIER));
        assert_eq!(asked.field("lambda-extension-function-error-type"), Some("Extension.ConfigInvalid"));
        let message = format!("{name} is {value:?}: wanted {wanted}");
        assert!(asked.text().contains(&message.replace('"', "\\\"")), "{}", asked.text());
        platform.api.accepted();
        platform.extension.fails(&message);
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_of_the_initialization() {
    let host = own_host();
    let _taken = TcpListener::bind((host, 8_081)).unwrap();
    let fake = Fake::start();
    let extension = Extension::start_on(&fake, host, &[]);
    let mut platform = Platform { api: fake.accept(), fake, extension };
    platform.register();
    let asked = platform.api.expect(INIT_ERROR);
    assert_eq!(asked.field("lambda-extension-function-error-type"), Some("Extension.PortUnavailable"));
    assert!(asked.text().contains("MIDGE_EXTENSION_PORT"), "{}", asked.text());
    platform.api.accepted();
    let (status, _, err) = platform.extension.ended();
    assert_eq!((status.code(), err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains(&format!("cannot listen on {host}:8081")), "{err}");
}

#[test]
fn a_platform_that_is_gone_ends_it_in_every_state() {
    // Before it answers the registration, the subscription, and the request for an event.
    for state in 0..3 {
        let mut platform = Platform::start(&[]);
        if state > 0 {
            platform.register();
            platform.api.expect(SUBSCRIBE);
        }
        if state > 1 {
            platform.api.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            platform.api.expect(NEXT);
            platform.push(&[report("1", "9")]);
            platform.extension.line();
        }
        platform.fake.stop();
        drop(platform.api);
        let (status, _, err) = platform.extension.ended();
        assert_eq!((status.code(), err.lines().count()), (Some(1), 1), "{state}: {err}");
        assert!(err.starts_with("midge-extension: the re") || err.starts_with("midge-extension: the sub"), "{err}");
    }
}

#[test]
fn an_answer_that_is_no_http_ends_it() {
    let mut platform = Platform::ready(&[]);
    platform.api.send("SSH-2.0-OpenSSH_9.7\r\n");
    let (status, _, err) = platform.extension.ended();
    assert_eq!((status.code(), err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.starts_with("midge-extension: the request for the next event: the answer cannot be read"), "{err}");
}

#[test]
fn nobody_at_the_api_ends_it() {
    let mut fake = Fake::start();
    fake.stop();
    let extension = Extension::start(&fake, &[]);
    let (status, _, err) = extension.ended();
    assert_eq!((status.code(), err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.starts_with("midge-extension: the registration: cannot connect: "), "{err}");
}

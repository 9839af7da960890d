//! The handlers around other ones that the engine has: request names, CORS, problem details, metrics.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[allow(dead_code)]
mod common;

use std::{cell::Cell, future::pending, time::Duration};

use common::{Bench, Wire, to_the_deadline};
use midge::{
    Failure, Handler, Request, Response, Router, Sent,
    around::{Cors, Metered, Metrics, Problems, TimeLimit, WithRequestId, request_id},
    testing::{Scratch, call},
};

async fn ok(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    response.status(200).body("ok").await
}

async fn fails(_request: Request<'_>, _response: Response<'_>) -> Result<Sent, Failure> {
    Err(Failure::new(404).because("no such \"user\"\\\n"))
}

/// Status, and the values of these fields.
fn ask<const N: usize>(handler: &impl Handler, request: &str, names: [&str; N]) -> (u16, [Option<String>; N]) {
    let mut scratch = Scratch::new();
    let answer = call(handler, format!("{request}\r\n\r\n").as_bytes(), &mut scratch).expect(request);
    (answer.status(), names.map(|name| answer.header(name).map(String::from)))
}

#[test]
fn a_request_s_own_name_is_taken_in_if_it_can_stand_in_a_log() {
    let handler = WithRequestId::new(async |request: Request<'_>, response: Response<'_>| {
        response.status(200).header_fmt("x-seen", format_args!("{}", request_id(&request))).empty().await
    });
    let host = "0000000000000001";
    let name = |fields: &str| {
        let (_, [answer, seen]) =
            ask(&handler, &format!("GET / HTTP/1.1\r\nHost: a{fields}"), ["x-request-id", "x-seen"]);
        assert_eq!(answer, seen);
        answer.unwrap()
    };
    for good in ["a", "7f-9_~.:+/=Z", &"x".repeat(128)] {
        assert_eq!(name(&format!("\r\nX-Request-ID: {good}")), good);
    }
    for bad in ["", "a b", "a\"b", "a,b", "é", "a;b", "{}", "<a>", &"x".repeat(129)] {
        assert_eq!(name(&format!("\r\nX-Request-ID: {bad}")), host, "{bad:?}");
    }
    assert_eq!(name(""), host);
    assert_eq!(name("\r\nX-Request-ID: a\r\nx-request-id: a"), host);
    // Failures have it too.
    let (status, [id]) = ask(&WithRequestId::new(fails), "GET / HTTP/1.1\r\nHost: a", ["x-request-id"]);
    assert_eq!((status, id.as_deref()), (404, Some(host)));
}

const CORS: [&str; 7] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "vary",
];

const fn shared<H>(inner: H) -> Cors<H> {
    Cors::new(inner)
        .origins(&["https://a.example", "http://b.example:8080"])
        .methods(&["PUT", "DELETE"])
        .headers(&["content-type", "x-token"])
        .expose(&["x-total"])
        .credentials()
        .max_age(600)
}

fn expect(seen: [Option<String>; 7], expected: [&str; 7], what: &str) {
    assert_eq!(seen.each_ref().map(|value| value.as_deref().unwrap_or_default()), expected, "{what}");
}

#[test]
fn cors_lets_the_origins_that_are_listed_read_answers_and_failures() {
    for (inner, status) in [(0, 200), (1, 404)] {
        let handler = shared(
            async |request: Request<'_>, response: Response<'_>| {
                if inner == 0 { ok(request, response).await } else { fails(request, response).await }
            },
        );
        for (origin, allowed) in [
            ("https://a.example", true),
            ("http://b.example:8080", true),
            ("http://a.example", false),
            ("https://a.example/", false),
            ("https://A.example", false),
            ("https://a.example.evil", false),
            ("https://xa.example", false),
            ("http://b.example", false),
            ("null", false),
            ("", false),
            ("*", false),
        ] {
            let (seen, fields) = ask(&handler, &format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: {origin}"), CORS);
            assert_eq!(seen, status);
            let expected = if allowed {
                [origin, "true", "x-total", "", "", "", "origin"]
            } else {
                ["", "", "", "", "", "", "origin"]
            };
            expect(fields, expected, origin);
        }
        let two = "Origin: https://a.example\r\nOrigin: https://a.example";
        for request in [
            "GET / HTTP/1.1\r\nHost: a",
            &format!("GET / HTTP/1.1\r\nHost: a\r\n{two}"),
            "OPTIONS / HTTP/1.1\r\nHost: a",
        ] {
            let (seen, fields) = ask(&handler, request, CORS);
            assert_eq!(seen, status);
            expect(fields, ["", "", "", "", "", "", "origin"], request);
        }
    }
}

#[test]
fn cors_answers_preflights_by_itself() {
    let called = Cell::new(0);
    let handler = shared(async |request: Request<'_>, response: Response<'_>| {
        called.set(called.get() + 1);
        ok(request, response).await
    });
    let vary = "origin, access-control-request-method, access-control-request-headers";
    let none = ["", "", "", "", "", "", vary];
    let origin = "https://a.example";
    let all = [origin, "true", "", "PUT, DELETE", "content-type, x-token", "600", vary];
    let cases: [(&str, &str, &str, [&str; 7]); 17] = [
        (origin, "PUT", "", all),
        (origin, "GET", "", all),
        (origin, "POST", "", all),
        (origin, "HEAD", "", all),
        (origin, "PUT", "content-type", all),
        (origin, "PUT", "Content-Type, X-TOKEN", all),
        (origin, "PUT", "content-type,,x-token ,", all),
        (origin, "PATCH", "", none),
        (origin, "put", "", none),
        (origin, "", "", none),
        (origin, "PUT", "authorization", none),
        (origin, "PUT", "content-type, x-other", none),
        (origin, "PUT", "content-type x-token", none),
        (origin, "PUT", "content-type;q=1", none),
        (origin, "PUT", "*", none),
        ("https://evil.example", "PUT", "content-type", none),
        ("null", "PUT", "", none),
    ];
    for (origin, method, headers, expected) in cases {
        let mut request =
            format!("OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: {method}");
        if !headers.is_empty() {
            request.push_str(&format!("\r\nAccess-Control-Request-Headers: {headers}"));
        }
        let (status, fields) = ask(&handler, &request, CORS);
        assert_eq!(status, 204);
        expect(fields, expected, &request);
    }
    assert_eq!(called.get(), 0);
    // Without `Origin` or a method, it is the handler's.
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: PUT";
    assert_eq!(ask(&handler, preflight, []).0, 200);
    assert_eq!(ask(&handler, &format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {origin}"), []).0, 200);
    assert_eq!(called.get(), 2);
}

#[test]
fn cors_for_any_origin_is_without_credentials_and_the_same_for_all() {
    let handler = Cors::new(ok).any_origin();
    let (_, fields) = ask(&handler, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://whoever.example", CORS);
    expect(fields, ["*", "", "", "", "", "", ""], "any");
    assert!(std::panic::catch_unwind(|| Cors::new(ok).any_origin().credentials()).is_err());
    assert!(std::panic::catch_unwind(|| Cors::new(ok).credentials().any_origin()).is_err());
}

#[test]
fn failures_become_problem_details() {
    let mut scratch = Scratch::new();
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = call(&Problems::new(fails), get, &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.header("content-type")), (404, Some("application/problem+json")));
    let json: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    let expected = serde_json::json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such \"user\"\\\n"});
    assert_eq!(json, expected);

    let app = Problems::new(Router::new().post("/", ok));
    let answer = call(&app, get, &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("POST, OPTIONS")));
    assert_eq!(answer.body(), b"{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405}\n");

    // A body that can't be read, one whose answer had begun, a reason that is too long, and a status that has no body.
    let reads = async |mut request: Request<'_>, response: Response<'_>| {
        request.body().all().await?;
        ok(request, response).await
    };
    let answer =
        call(&Problems::new(reads), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", &mut scratch)
            .unwrap();
    assert_eq!((answer.status(), answer.header("connection")), (413, Some("close")));
    assert!(serde_json::from_slice::<serde_json::Value>(answer.body()).is_ok());
    let late = |flushed: bool| {
        async move |_: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
            let mut body = response.status(200).stream().await?;
            body.write("some").await?;
            if flushed {
                body.flush().await?;
            }
            Err(Failure::new(409))
        }
    };
    let answer = call(&Problems::new(late(false)), get, &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.header("content-type")), (409, Some("application/problem+json")));
    assert!(call(&Problems::new(late(true)), get, &mut scratch).is_err());
    const LONG: &str = match str::from_utf8(&[b'x'; 2_000]) {
        Ok(long) => long,
        Err(_) => panic!(),
    };
    let long =
        async |_: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> { Err(Failure::new(400).because(LONG)) };
    let answer = call(&Problems::new(long), get, &mut scratch).unwrap();
    assert_eq!(answer.body(), b"{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400}\n");
    let bare = async |_: Request<'_>, _: Response<'_>| -> Result<Sent, Failure> { Err(Failure::new(304)) };
    assert_eq!(call(&Problems::new(bare), get, &mut scratch).unwrap().status(), 304);
    // What succeeds is left alone.
    assert_eq!(call(&Problems::new(ok), get, &mut scratch).unwrap().body(), b"ok");
}

/// Every line of the metrics but comments, as `name{labels}` and value.
fn exposed(metrics: &Metrics) -> Vec<(String, String)> {
    let handler = async |_: Request<'_>, response: Response<'_>| metrics.expose(response).await;
    let mut scratch = Scratch::new();
    let answer = call(&handler, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch).unwrap();
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    let (mut described, mut lines) = (vec![], vec![]);
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            described.push(comment.split(' ').nth(1).unwrap().to_owned());
        } else {
            let (name, value) = line.split_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            assert!(described.iter().any(|described| family.starts_with(described.as_str())), "{line}");
            lines.push((name.into(), value.into()));
        }
    }
    lines
}

#[test]
fn metrics_count_by_class_bytes_and_time() {
    let metrics = Metrics::new();
    let now = Cell::new(Duration::ZERO);
    let times = [100, 101, 7_000, 2_500_000, 20_000_000];
    let count = Cell::new(0);
    let handler = Metered::new(
        &metrics,
        || now.get(),
        async |request: Request<'_>, response: Response<'_>| {
            let index = count.replace(count.get() + 1);
            now.set(now.get() + Duration::from_micros(times[index]));
            match index {
                0 | 1 => ok(request, response).await,
                2 => response.status(304).empty().await,
                3 => Err(Failure::new(400)),
                _ => Err(Failure::new(503)),
            }
        },
    );
    for _ in times {
        ask(&handler, "GET / HTTP/1.1\r\nHost: a", []);
    }
    let lines = exposed(&metrics);
    let value = |name: &str| lines.iter().find(|(other, _)| other == name).expect(name).1.clone();
    for (class, expected) in [("none", "0"), ("1xx", "0"), ("2xx", "2"), ("3xx", "1"), ("4xx", "1"), ("5xx", "1")] {
        assert_eq!(value(&format!("http_requests_total{{status=\"{class}\"}}")), expected);
    }
    assert_eq!((value("http_requests_in_flight"), value("http_response_body_bytes_total")), ("0".into(), "4".into()));
    for (bound, expected) in [
        ("0.0001", "1"),
        ("0.00025", "2"),
        ("0.005", "2"),
        ("0.01", "3"),
        ("1", "3"),
        ("2.5", "4"),
        ("10", "4"),
        ("+Inf", "5"),
    ] {
        assert_eq!(value(&format!("http_request_duration_seconds_bucket{{le=\"{bound}\"}}")), expected, "{bound}");
    }
    assert_eq!(
        (value("http_request_duration_seconds_sum"), value("http_request_duration_seconds_count")),
        ("22.507201".into(), "5".into())
    );
    // Each family's own name stands once per line, and bounds grow.
    assert_eq!(lines.len(), 6 + 1 + 1 + 15 + 1 + 2);
}

#[test]
fn metrics_count_what_is_in_flight_and_what_was_dropped() {
    let metrics = Metrics::new();
    let handler = Metered::new(
        &metrics,
        || Duration::ZERO,
        async |_: Request<'_>, _: Response<'_>| {
            let value = exposed(&metrics).into_iter().find(|(name, _)| name == "http_requests_in_flight");
            assert_eq!(value.unwrap().1, "1");
            pending::<Result<Sent, Failure>>().await
        },
    );
    let mut bench = Bench::new();
    let mut wire = Wire::new(&[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
    wire.open = true;
    let limited = TimeLimit::new(Duration::from_secs(1), handler);
    bench.drive(&limited, &mut wire, 1_000, to_the_deadline);
    assert!(wire.out.starts_with(b"HTTP/1.1 503 "));
    // And one whose client goes away.
    let mut wire = Wire::new(&[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
    wire.open = true;
    bench.drive(&limited, &mut wire, 10, |_| false);
    let lines = exposed(&metrics);
    let value = |name: &str| lines.iter().find(|(other, _)| other == name).expect(name).1.clone();
    assert_eq!(
        (value("http_requests_in_flight"), value("http_requests_total{status=\"none\"}")),
        ("0".into(), "1".into())
    );
}

/// The client has the answer, whatever its handler finds wrong behind it.
#[test]
fn a_failure_behind_a_complete_answer_changes_nothing() {
    let metrics = Metrics::new();
    let after = async |_: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let _sent = response.status(200).body("answered").await?;
        Err(Failure::new(409))
    };
    let mut scratch = Scratch::new();
    let handler = Metered::new(&metrics, || Duration::ZERO, Problems::new(after));
    let answer = call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.body()), (200, &b"answered"[..]));
    let lines = exposed(&metrics);
    let value = |name: &str| lines.iter().find(|(other, _)| other == name).expect(name).1.clone();
    assert_eq!(value("http_requests_total{status=\"2xx\"}"), "1");
    assert_eq!(value("http_requests_total{status=\"4xx\"}"), "0");
    assert_eq!(value("http_response_body_bytes_total"), "8");
}

#[test]
fn metrics_count_a_body_behind_an_interim_answer() {
    let metrics = Metrics::new();
    let hints = async |_: Request<'_>, mut response: Response<'_>| {
        response.interim(103).header("link", "</a>").send().await?;
        response.status(200).body("hinted").await
    };
    let handler = Metered::new(&metrics, || Duration::ZERO, hints);
    for count in 1..=3 {
        let mut bench = Bench::new();
        let mut wire = Wire::new(&[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
        bench.drive(&handler, &mut wire, 1_000, to_the_deadline);
        assert!(wire.out.starts_with(b"HTTP/1.1 103 ") && wire.out.ends_with(b"hinted"));
        let lines = exposed(&metrics);
        let bytes = lines.iter().find(|(name, _)| name == "http_response_body_bytes_total").unwrap();
        assert_eq!(bytes.1, (6 * count).to_string());
    }
}

#[test]
fn they_go_around_each_other() {
    let metrics = Metrics::new();
    let app = Router::new().get("/users/{id}", ok);
    let app = WithRequestId::new(Metered::new(&metrics, || Duration::ZERO, Cors::new(Problems::new(app)).any_origin()));
    let names = ["x-request-id", "access-control-allow-origin", "content-type", "allow"];
    let (status, fields) =
        ask(&app, "PUT /users/1 HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nX-Request-Id: r", names);
    assert_eq!(status, 405);
    let expected = ["r", "*", "application/problem+json", "GET, HEAD, OPTIONS"];
    assert_eq!(fields.map(Option::unwrap), expected);
    assert!(exposed(&metrics).contains(&("http_requests_total{status=\"4xx\"}".into(), "1".into())));
}

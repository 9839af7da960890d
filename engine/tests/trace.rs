//! W3C trace context: what is taken in, what is not, and what is handed on.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::cell::Cell;

use midge::{
    Failure, Request, Response, Sent,
    around::{Trace, TraceContext, TraceState},
    testing::{Scratch, call},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn traceparent_is_read_strictly() {
    let good = [
        (format!("00-{TRACE}-{SPAN}-01"), format!("00-{TRACE}-{SPAN}-01")),
        (format!("00-{TRACE}-{SPAN}-00"), format!("00-{TRACE}-{SPAN}-00")),
        // Flags that nobody knows are not handed on.
        (format!("00-{TRACE}-{SPAN}-ff"), format!("00-{TRACE}-{SPAN}-03")),
        (format!("00-{TRACE}-{SPAN}-fc"), format!("00-{TRACE}-{SPAN}-00")),
        // A later version is read as far as this one goes, and handed on as this one.
        (format!("01-{TRACE}-{SPAN}-01"), format!("00-{TRACE}-{SPAN}-01")),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"), format!("00-{TRACE}-{SPAN}-01")),
        (format!("fe-{TRACE}-{SPAN}-01-"), format!("00-{TRACE}-{SPAN}-01")),
    ];
    for (text, expected) in good {
        let context = TraceContext::parse(&text).expect(&text);
        assert_eq!(context.to_string(), expected);
        assert_eq!(context.is_sampled(), !expected.ends_with('0'));
    }
    let zeros = "0".repeat(32);
    for text in [
        String::new(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("0x-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-x"),
        format!("00-{TRACE}-{SPAN}-011"),
        format!("cc-{TRACE}-{SPAN}-01.what"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", &zeros[..16]),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00_{TRACE}_{SPAN}_01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!("00-{}.-{SPAN}-01", &TRACE[1..]),
    ] {
        assert_eq!(TraceContext::parse(&text), None, "{text:?}");
    }
    assert_eq!(TraceContext::new([0; 16], [1; 8], true), None);
    assert_eq!(TraceContext::new([1; 16], [0; 8], true), None);
    assert_eq!(TraceContext::new([1; 16], [1; 8], true).and_then(|trace| trace.child([0; 8])), None);
}

/// What a request with these fields hands on: `traceparent`, and `tracestate`.
fn handed_on(fields: &str) -> (String, String) {
    let count = Cell::new(0);
    let ids = || {
        count.set(count.get() + 1);
        [count.get(); 16]
    };
    let told = Cell::new((String::new(), String::new()));
    let handler = async |request: Request<'_>, response: Response<'_>| -> Result<Sent, Failure> {
        let state = TraceState::of(&request).map_or_else(String::new, |state| state.to_string());
        told.set((request.trace().expect("there is one").to_string(), state));
        response.status(200).empty().await
    };
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut scratch = Scratch::new();
    let traced = Trace::new(ids, handler).answers(true);
    let answer = call(&traced, request.as_bytes(), &mut scratch).unwrap();
    let told = told.take();
    assert_eq!(answer.header("traceresponse"), Some(&*told.0));
    told
}

#[test]
fn a_trace_goes_on_with_a_span_of_its_own_or_a_new_one_begins() {
    let span = "01".repeat(8);
    let new = format!("00-{}-{span}-00", "02".repeat(16));
    let given = format!("traceparent: 00-{TRACE}-{SPAN}-01\r\n");
    assert_eq!(handed_on(&given).0, format!("00-{TRACE}-{span}-01"));
    assert_eq!(handed_on("").0, new);
    assert_eq!(handed_on(&format!("traceparent: 00-{TRACE}-{SPAN}-0\r\n")).0, new);
    // Two of them are as good as none.
    assert_eq!(handed_on(&format!("{given}TraceParent: 00-{TRACE}-{SPAN}-01\r\n")).0, new);
}

#[test]
fn identifiers_of_zeros_are_none() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        assert_eq!(request.trace(), None);
        response.status(200).empty().await
    };
    let mut scratch = Scratch::new();
    let traced = Trace::new(|| [0; 16], handler).answers(true);
    let answer = call(&traced, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut scratch).unwrap();
    assert_eq!((answer.status(), answer.header("traceresponse")), (200, None));
}

#[test]
fn a_trace_is_not_the_next_request_s() {
    let count = Cell::new(0);
    let handler = async |request: Request<'_>, response: Response<'_>| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            request.set_trace(TraceContext::new([1; 16], [1; 8], false).unwrap());
        } else {
            assert_eq!((request.trace(), request.pattern()), (None, None));
        }
        response.status(200).empty().await
    };
    let mut scratch = Scratch::new();
    call(&handler, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2).as_bytes(), &mut scratch).unwrap();
    assert_eq!(count.get(), 2);
}

#[test]
fn tracestate_is_read_strictly_and_all_of_it_or_nothing() {
    let state = |value: &str| handed_on(&format!("tracestate: {value}\r\n")).1;
    let long_key = "k".repeat(256);
    let long_value = "v".repeat(256);
    for good in [
        "a=b",
        "a=b,c=d",
        "rojo=00f067aa0ba902b7",
        "fw529a3039@dt=FfAAAAEAAAA",
        "0tenant@sys=1",
        "a_-*/0=x",
        "a= b c",
        "a=!\"#$%&'()*+-./:;<>?@[]^_`{|}~",
        // Level 1 lets whoever hands it on keep both.
        "a=b,a=c",
        &format!("{long_key}=1"),
        &format!("a={long_value}"),
        &format!("{}@{}=1", "t".repeat(241), "s".repeat(14)),
    ] {
        assert_eq!(state(good), good, "{good}");
    }
    assert_eq!(state("a=b , ,\tc=d,"), "a=b,c=d");
    assert_eq!(handed_on("tracestate: a=b\r\nTraceState: c=d\r\n").1, "a=b,c=d");
    let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(state(&many(32)), many(32));
    for bad in [
        "",
        ",",
        "a",
        "a=",
        "=b",
        "A=b",
        "0a=b",
        "a b=c",
        "a =b",
        "a=b=c",
        "a=b,C=d",
        "a=é",
        "a@=b",
        "@a=b",
        "a@b@c=d",
        "a@0=b",
        "A@a=b",
        "\u{e9}=b",
        &format!("{long_key}k=1"),
        &format!("a={long_value}v"),
        &format!("{}@s=1", "t".repeat(242)),
        &format!("t@{}=1", "s".repeat(15)),
        &many(33),
    ] {
        assert_eq!(state(bad), "", "{bad}");
    }
    assert_eq!(handed_on("tracestate: a=b\r\ntracestate: C=d\r\n").1, "");
}

#[test]
fn one_s_own_member_comes_first_and_replaces_its_last() {
    let handler = async |request: Request<'_>, response: Response<'_>| {
        let state = TraceState::of(&request).unwrap_or_default();
        assert!(state.with("A", "1").is_none() && state.with("a", "1,2").is_none() && state.with("a", "").is_none());
        let own = state.with("mine", "new").unwrap();
        response
            .status(200)
            .header_fmt("x-state", format_args!("{own}"))
            .header_fmt("x-count", format_args!("{}", own.members().count()))
            .empty()
            .await
    };
    let mut scratch = Scratch::new();
    let mut ask = |value: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\ntracestate: {value}\r\n\r\n");
        let answer = call(&handler, request.as_bytes(), &mut scratch).unwrap();
        (answer.header("x-state").unwrap().to_owned(), answer.header("x-count").unwrap().to_owned())
    };
    assert_eq!(ask("a=b,mine=old,c=d"), ("mine=new,a=b,c=d".into(), "3".into()));
    assert_eq!(ask("BAD"), ("mine=new".into(), "1".into()));
    let full = (0..32).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    let (state, count) = ask(&full);
    // The oldest gives way.
    assert!(state.ends_with(",k30=v") && count == "32", "{state}");
}

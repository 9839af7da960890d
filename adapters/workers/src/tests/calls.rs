//! Host calls: their arguments as the ABI has them, and what becomes of every answer.

use core::time::Duration;
use std::{format, string::ToString, vec};

use midge::Failure;

use super::{ready, row, run, strings};
use crate::{
    __private::panicked,
    CallError, Fetch, Level, Value,
    double::{Answer, EAGAIN, EBADF, EIO, EMSGSIZE, ENOENT, ENOSYS, Host, Read},
    kv, log, log_fmt, now, object_name, r2, random, set_alarm, sleep, sql, storage, var,
};

fn host(calls: impl IntoIterator<Item = Answer>) -> crate::double::Guard {
    Host { calls: calls.into_iter().collect(), ..Host::new("") }.enter()
}

#[test]
fn errnos_are_errors_of_their_own() {
    let cases = [
        (-2, CallError::NotFound),
        (-5, CallError::Failed),
        (-9, CallError::Failed),
        (-14, CallError::Invalid),
        (-19, CallError::NoBinding),
        (-22, CallError::Invalid),
        (-24, CallError::TooMany),
        (-38, CallError::Unsupported),
        (-90, CallError::TooLarge { size: 0 }),
        (i32::MIN, CallError::Failed),
    ];
    for (errno, error) in cases {
        let _host = host([Answer::refused(errno), Answer::number(errno.into())]);
        assert_eq!(var("A", &mut []), Err(error), "{errno}, at once");
        assert_eq!(ready(sleep(Duration::ZERO)), Err(error), "{errno}, later");
        assert!(!error.to_string().is_empty());
        assert_eq!(Failure::from(error).status().code(), 500);
    }
    assert_eq!(CallError::TooLarge { size: 7 }.to_string(), "a value of 7 bytes, larger than the memory given for it");
    assert_eq!(CallError::NoBinding.to_string(), "no binding of that name and kind");
}

#[test]
fn a_host_that_answers_nonsense_is_an_error() {
    // A call that ends at once, and doesn't; one that has a longer value than it said.
    let longer = Answer { polls: [1.0].into(), ..Answer::value(b"abc") };
    let _host = host([Answer::number(EAGAIN.into()), longer]);
    assert_eq!(storage().put("a", b""), Err(CallError::Failed));
    assert_eq!(var("A", &mut [0; 2]), Err(CallError::TooLarge { size: 0 }));
}

#[test]
fn variables_are_text() {
    let told = host([Answer::value(b"value"), Answer::value(b"value"), Answer::value(&[0xff])]);
    let mut place = [0; 5];
    assert_eq!(var("NAME", &mut place), Ok("value"));
    assert_eq!(told.told(), strings(&[r#"call 1 "NAME""#, "close 1"]));
    assert_eq!(var("NAME", &mut [0; 4]), Err(CallError::TooLarge { size: 5 }));
    assert_eq!(var("NAME", &mut place), Err(CallError::Failed));
}

#[test]
fn a_sleep_waits_for_the_host() {
    let told = host([Answer { polls: [EAGAIN.into(), EAGAIN.into(), 0.0].into(), ..Answer::default() }]);
    assert_eq!(run(sleep(Duration::from_millis(2_500))), (2, Ok(())));
    let bytes = 2_500.0_f64.to_le_bytes();
    assert_eq!(told.told(), [format!("call 2 {:?}", std::string::String::from_utf8_lossy(&bytes)), "close 1".into()]);
}

#[test]
fn time_and_randomness_are_the_host_s() {
    let _host = Host { now: 1_700_000_000_123.5, random: b"0123", ..Host::new("") }.enter();
    assert_eq!(now(), 1_700_000_000_123);
    let mut place = [0; 4];
    assert_eq!(random(&mut place), Ok(()));
    assert_eq!(&place, b"0123");
    assert_eq!(random(&mut [0; 5]), Err(CallError::Failed), "too little");
}

#[test]
fn a_line_of_the_log_is_cut_where_its_memory_ends() {
    let told = host([]);
    log(Level::Warn, "text");
    log_fmt(Level::Debug, format_args!("{}-{}", 1, 2));
    log_fmt(Level::Info, format_args!("{:600}", 1));
    let lines = told.told();
    assert_eq!(lines[..2], strings(&["log 2 text", "log 0 1-2"]));
    assert_eq!(lines[2].len(), "log 1 ".len() + 512);
}

#[test]
fn a_panic_is_logged_piece_by_piece_and_ends_the_instance() {
    let told = host([]);
    let ended = std::panic::catch_unwind(|| panicked(&format_args!("{} and {:?}", 1, 'x'), "file.rs", 7));
    assert!(ended.is_err());
    let lines = told.told();
    assert_eq!(lines.last().unwrap(), "panic file.rs 7");
    let text: std::string::String = lines.iter().filter_map(|line| line.strip_prefix("text ")).collect();
    assert_eq!(text, "1 and 'x'");
}

#[test]
fn kv_reads_into_the_caller_s_memory_or_says_how_much_it_takes() {
    let told =
        host([Answer::value(b"abc"), Answer::value(b"abc"), Answer::number(ENOENT.into()), Answer::number(EIO.into())]);
    let mut place = [0; 3];
    assert_eq!(ready(kv("A").get("key", &mut place)), Ok(Some(&b"abc"[..])));
    assert_eq!(ready(kv("A").get("key", &mut [0; 2])), Err(CallError::TooLarge { size: 3 }));
    assert_eq!(ready(kv("A").get("key", &mut place)), Ok(None));
    assert_eq!(ready(kv("A").get("key", &mut place)), Err(CallError::Failed));
    assert_eq!(told.told()[..2], strings(&[r#"call 10 "A" "key""#, "close 1"]));
}

#[test]
fn kv_writes_with_and_without_an_end() {
    let told = host([Answer::number(0.0), Answer::number(0.0), Answer::number(0.0), Answer::number(-22.0)]);
    let long = |seconds: f64| format!("{:?}", std::string::String::from_utf8_lossy(&seconds.to_le_bytes()));
    ready(kv("A").put("k", b"v")).unwrap();
    ready(kv("A").put_expiring("k", b"v", Duration::from_secs(90))).unwrap();
    ready(kv("A").delete("k")).unwrap();
    assert_eq!(ready(kv("A").put_expiring("", b"v", Duration::ZERO)), Err(CallError::Invalid));
    let calls = told.told();
    assert_eq!(calls[0], format!(r#"call 12 "A" "k" "v" {}"#, long(0.0)));
    assert_eq!(calls[2], format!(r#"call 12 "A" "k" "v" {}"#, long(90.0)));
    assert_eq!(calls[4], r#"call 13 "A" "k""#);
    assert_eq!(calls[6], format!(r#"call 12 "A" "" "v" {}"#, long(1.0)));
}

#[test]
fn keys_are_listed_one_by_one_up_to_a_cursor() {
    let mut list = Answer::value(b"next");
    list.rows = [b"key1".to_vec(), b"longer key".to_vec(), vec![0xff]].into();
    let _told = host([list, Answer { rows: [].into(), ..Answer::number(0.0) }, Answer::refused(-22)]);
    let mut keys = ready(kv("A").list("k", "", 10)).unwrap();
    let mut place = [0; 10];
    assert_eq!(keys.next(&mut place), Ok(Some("key1")));
    assert_eq!(keys.next(&mut [0; 4]), Err(CallError::TooLarge { size: 10 }));
    assert_eq!(keys.next(&mut place), Ok(Some("longer key")));
    assert_eq!(keys.next(&mut place), Err(CallError::Failed), "not text");
    assert_eq!(keys.next(&mut place), Ok(None));
    assert_eq!(keys.cursor(&mut place), Ok(Some("next")));
    assert_eq!(keys.cursor(&mut [0; 3]), Err(CallError::TooLarge { size: 4 }));
    let mut last = ready(kv("A").list("k", "next", 10)).unwrap();
    assert_eq!((last.next(&mut place), last.cursor(&mut [])), (Ok(None), Ok(None)));
    assert_eq!(ready(kv("A").list("", "?", 10)).unwrap_err(), CallError::Invalid);
}

#[test]
fn a_stream_is_read_as_it_comes() {
    let value =
        Answer { body: [Read::Errno(EAGAIN), Read::Bytes(b"abcd"), Read::Errno(EIO)].into(), ..Answer::number(4.0) };
    let told = host([value, Answer::number(ENOENT.into())]);
    let mut stream = ready(kv("A").get_stream("k")).unwrap().unwrap();
    let mut place = [0; 3];
    assert_eq!(ready(stream.read(&mut [])), Ok(0));
    assert_eq!(run(stream.read(&mut place)), (1, Ok(3)));
    assert_eq!(run(stream.read(&mut place)), (0, Ok(1)));
    assert_eq!(ready(stream.read(&mut place)), Err(CallError::Failed));
    assert_eq!(ready(stream.read(&mut place)), Ok(0));
    assert_eq!(format!("{stream:?}"), "Stream { .. }");
    drop(stream);
    assert_eq!(told.told().last().unwrap(), "close 1");
    assert!(ready(kv("A").get_stream("k")).unwrap().is_none());
}

#[test]
fn r2_takes_bytes_streams_and_the_request_s_body() {
    let told = host([
        Answer::number(9.0),
        Answer::number(0.0),
        Answer::number(0.0),
        Answer::number(0.0),
        Answer::number(0.0),
        Answer::number(ENOENT.into()),
    ]);
    let object = ready(r2("B").get("k")).unwrap().unwrap();
    ready(r2("B").put("k", b"v")).unwrap();
    ready(r2("B").put_stream("k2", object)).unwrap();
    ready(r2("B").put_request_body("k3")).unwrap();
    ready(r2("B").delete("k")).unwrap();
    assert!(ready(r2("B").get("k")).unwrap().is_none());
    let calls: vec::Vec<_> = told.told().into_iter().filter(|line| line.starts_with("call")).collect();
    let handle = |handle: f64| format!("{:?}", std::string::String::from_utf8_lossy(&handle.to_le_bytes()));
    assert_eq!(calls[0], r#"call 20 "B" "k""#);
    assert_eq!(calls[1], r#"call 21 "B" "k" "v""#);
    assert_eq!(calls[2], format!(r#"call 21 "B" "k2" "" {}"#, handle(1.0)));
    assert_eq!(calls[3], format!(r#"call 21 "B" "k3" "" {}"#, handle(0.0)));
    assert_eq!(calls[4], r#"call 22 "B" "k""#);
}

#[test]
fn a_fetch_says_where_to_and_what() {
    let response = Answer { fields: &[("etag", "\"1\"")], body: [Read::Bytes(b"hi")].into(), ..Answer::number(404.0) };
    let told = host([response, Answer::number(200.0), Answer::number(200.0), Answer::number(200.0)]);
    let request = Fetch::new("POST", "https://example.com/").header("accept", "text/html").body(b"body");
    assert!(format!("{request:?}").contains("https://example.com/"));
    let mut fetched = ready(request.send()).unwrap();
    assert_eq!(fetched.status(), 404);
    let mut place = [0; 8];
    assert_eq!(fetched.header("etag", &mut place), Ok(Some(&b"\"1\""[..])));
    assert_eq!(fetched.header("etag", &mut [0; 2]), Err(CallError::TooLarge { size: 0 }));
    assert_eq!(fetched.header("x", &mut place), Ok(None));
    assert_eq!(ready(fetched.read(&mut place)), Ok(2));
    let body = fetched.into_body();
    ready(Fetch::new("PUT", "u").service("OTHER").stream(&body).send()).unwrap();
    ready(Fetch::new("PUT", "u").object("ROOMS", "room").request_body().send()).unwrap();
    ready(Fetch::new("GET", "u").send()).unwrap();
    let calls: vec::Vec<_> = told.told().into_iter().filter(|line| line.starts_with("call")).collect();
    let number = |number: f64| format!("{:?}", std::string::String::from_utf8_lossy(&number.to_le_bytes()));
    assert_eq!(
        calls[0],
        format!(r#"call 4 "https://example.com/" "POST" "" "" "body" {} "accept" "text/html""#, number(-2.0))
    );
    assert_eq!(calls[1], format!(r#"call 4 "u" "PUT" "OTHER" "" "" {}"#, number(1.0)));
    assert_eq!(calls[2], format!(r#"call 4 "u" "PUT" "ROOMS" "room" "" {}"#, number(0.0)));
    assert_eq!(calls[3], format!(r#"call 4 "u" "GET" "" "" "" {}"#, number(-1.0)));
}

#[test]
fn a_body_is_written_piece_by_piece() {
    let calls = [Answer::number(0.0), Answer { polls: [EAGAIN.into(), 201.0].into(), ..Answer::default() }];
    // What was sent before is still being taken, twice.
    let host = Host { calls: calls.into(), writes: [5, EAGAIN, EAGAIN, 6, 0].into(), ..Host::new("") }.enter();
    let (mut body, response) = Fetch::new("PUT", "u").service("OTHER").upload(Some(11)).unwrap();
    assert_eq!(ready(body.write(b"first")), Ok(()));
    assert_eq!(run(body.write(b"second")), (2, Ok(())));
    assert_eq!(ready(body.finish()), Ok(()));
    let (waited, fetched) = run(response.head());
    assert_eq!((waited, fetched.unwrap().status()), (1, 201));
    let number = |number: f64| format!("{:?}", std::string::String::from_utf8_lossy(&number.to_le_bytes()));
    let expected = [
        format!("call 5 {}", number(11.0)),
        format!(r#"call 4 "u" "PUT" "OTHER" "" "" {}"#, number(1.0)),
        r#"send 1 "first""#.to_string(),
        r#"send 1 "second""#.to_string(),
        r#"send 1 "" last"#.to_string(),
        "close 1".to_string(),
        "close 2".to_string(),
    ];
    assert_eq!(host.told(), expected);
}

#[test]
fn a_body_that_nobody_takes_is_an_error() {
    let calls = [Answer::number(0.0), Answer::number(500.0)];
    let host = Host { calls: calls.into(), writes: [EIO, EIO].into(), ..Host::new("") }.enter();
    let (mut body, response) = Fetch::new("PUT", "u").upload(None).unwrap();
    assert_eq!(ready(body.write(b"bytes")), Err(CallError::Failed));
    assert_eq!(ready(body.finish()), Err(CallError::Failed));
    assert_eq!(ready(response.head()).unwrap().status(), 500);
    drop(host);
    // Neither half is begun without the other.
    let host = self::host([Answer::refused(-24)]);
    assert_eq!(Fetch::new("PUT", "u").upload(None).unwrap_err(), CallError::TooMany);
    drop(host);
    let host = self::host([Answer::number(0.0), Answer::refused(-24)]);
    assert_eq!(Fetch::new("PUT", "u").upload(None).unwrap_err(), CallError::TooMany);
    assert_eq!(host.told().last().unwrap(), "close 1");
}

#[test]
fn a_fetch_has_sixteen_fields_at_most() {
    let told = host([Answer::number(200.0)]);
    let mut request = Fetch::new("GET", "u");
    for _ in 0..16 {
        request = request.header("a", "b");
    }
    assert!(ready(request.send()).is_ok());
    assert_eq!(told.told()[0].matches(r#""a" "b""#).count(), 16);
    assert_eq!(ready(request.header("a", "b").send()).unwrap_err(), CallError::TooMany);
    assert!(told.told().iter().all(|line| !line.starts_with("call")));
}

#[test]
fn sql_has_tagged_parameters_and_rows() {
    let rows = Answer {
        rows: [row(&[(1, &7.0_f64.to_le_bytes()), (2, &0.5_f64.to_le_bytes())])].into(),
        ..Answer::number(0.0)
    };
    let told = host([rows, Answer::refused(-22)]);
    let parameters = [Value::from("t"), Value::from(&b"b"[..]), Value::Null, Value::from(0), Value::Real(0.0)];
    let mut rows = sql("SELECT ?", &parameters).unwrap();
    let zero = r#""\0\0\0\0\0\0\0\0""#;
    assert_eq!(
        told.told()[0],
        format!(r#"call 30 "SELECT ?" "\u{{3}}" "t" "\u{{4}}" "b" "\0" "" "\u{{1}}" {zero} "\u{{2}}" {zero}"#)
    );
    assert_eq!(rows.next(&mut [0; 8]).unwrap_err(), CallError::TooLarge { size: 26 });
    let mut place = [0; 26];
    let found = rows.next(&mut place).unwrap().unwrap();
    assert_eq!((found.column(0).integer(), found.column(1)), (Some(7), Value::Real(0.5)));
    assert_eq!((found.column(1).integer(), found.column(0).text(), found.column(0).bytes()), (None, None, None));
    assert_eq!(format!("{found:?}"), "[Integer(7), Real(0.5)]");
    assert!(rows.next(&mut [0; 26]).unwrap().is_none());
    assert_eq!(sql("nonsense", &[]).unwrap_err(), CallError::Invalid);
    assert_eq!(sql("", &[Value::Null; 17]).unwrap_err(), CallError::TooMany);
    assert_eq!(sql("", &[Value::Integer(i64::MAX)]).unwrap_err(), CallError::Invalid);
}

#[test]
fn an_object_s_storage_alarm_and_name() {
    let list = Answer { rows: [b"a".to_vec()].into(), ..Answer::number(0.0) };
    let told = host([
        Answer::value(b"v"),
        Answer::number(ENOENT.into()),
        Answer::number(0.0),
        Answer::number(1.0),
        Answer::number(0.0),
        list,
        Answer::number(0.0),
        Answer::number(0.0),
        Answer::value(b"room"),
        Answer::value(&[0xff]),
    ]);
    let mut place = [0; 8];
    assert_eq!(storage().get("a", &mut place), Ok(Some(&b"v"[..])));
    assert_eq!(storage().get("a", &mut place), Ok(None));
    assert_eq!(storage().put("a", b"v"), Ok(()));
    assert_eq!((storage().delete("a"), storage().delete("a")), (Ok(true), Ok(false)));
    let mut keys = storage().list("").unwrap();
    assert_eq!((keys.next(&mut place), keys.cursor(&mut [])), (Ok(Some("a")), Ok(None)));
    assert_eq!(keys.next(&mut place), Ok(None));
    assert_eq!((ready(set_alarm(Some(5))), ready(set_alarm(None))), (Ok(()), Ok(())));
    assert_eq!(object_name(&mut place), Ok("room"));
    assert_eq!(object_name(&mut place), Err(CallError::Failed));
    let calls: vec::Vec<_> = told.told().into_iter().filter(|line| line.starts_with("call")).collect();
    let number = |number: f64| format!("{:?}", std::string::String::from_utf8_lossy(&number.to_le_bytes()));
    assert_eq!(calls[2], r#"call 32 "a" "v""#);
    assert_eq!(calls[6], format!("call 35 {}", number(5.0)));
    assert_eq!(calls[7], format!("call 35 {}", number(-1.0)));
    // Outside of an object there is none of it.
    assert_eq!(storage().list("").unwrap_err(), CallError::Unsupported);
}

#[test]
fn handles_that_the_host_does_not_know_are_errors() {
    let _host = host([Answer::number(3.0)]);
    let mut rows = sql("", &[]).unwrap();
    crate::double::with(|host| host.calls.clear());
    assert_eq!(rows.next(&mut [0; 4]).unwrap_err(), CallError::from_errno(EBADF));
    assert_eq!(CallError::from_errno(EMSGSIZE), CallError::TooLarge { size: 0 });
    assert_eq!(CallError::from_errno(ENOSYS), CallError::Unsupported);
}

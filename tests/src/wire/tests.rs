//! The reader against canned answers: a good one passes, and each duty failed is seen.

use super::*;

const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// Everything that is wrong with `answer` (in which `{D}` is a good Date), given whole or byte by byte.
fn faults(asked: &[Asked], answer: &str, ending: Ending) -> Vec<Duty> {
    let answer = answer.replace("{D}", DATE);
    let read = |size: usize| {
        let mut reader = Reader::new();
        asked.iter().for_each(|asked| reader.ask(asked.clone()));
        let mut responses = Vec::new();
        for bytes in answer.as_bytes().chunks(size) {
            reader.push(bytes);
            responses.extend(std::iter::from_fn(|| reader.response()));
        }
        responses.extend(reader.end(ending, false));
        (responses, reader.violations().iter().map(|violation| violation.duty).collect::<Vec<_>>())
    };
    let whole = read(answer.len().max(1));
    assert_eq!(whole, read(1), "however it is split: {answer}");
    whole.1
}

#[test]
fn good_answers_pass() {
    let get = || Asked::new("GET");
    for (asked, answer, ending) in [
        (vec![get()], "HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\n\r\nOK", Ending::Open),
        (vec![get()], "HTTP/1.1 200 \r\n{D}Connection: close\r\n\r\nto the end", Ending::Eof),
        (vec![get()], "HTTP/1.0 200 OK\r\n{D}\r\nto the end", Ending::Eof),
        (
            vec![get()],
            "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nOK\r\n0\r\nT: v\r\n\r\n",
            Ending::Open,
        ),
        (vec![get()], "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (vec![Asked::new("HEAD")], "HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\n\r\n", Ending::Open),
        (vec![Asked::new("HEAD")], "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n", Ending::Open),
        (
            vec![get(), get()],
            "HTTP/1.1 204 No Content\r\n{D}\r\nHTTP/1.1 304 Not Modified\r\n{D}Content-Length: 9\r\n\r\n",
            Ending::Open,
        ),
        (vec![get()], "HTTP/1.1 405 Method Not Allowed\r\n{D}Allow:\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (
            vec![get()],
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nanything",
            Ending::Open,
        ),
        (vec![get()], "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (vec![], "", Ending::Eof),
        (vec![], "HTTP/1.1 408 Request Timeout\r\n{D}Content-Length: 0\r\nConnection: close\r\n\r\n", Ending::Eof),
    ] {
        assert_eq!(faults(&asked, answer, ending), [], "{answer}");
    }
}

#[test]
fn each_failed_duty_is_seen() {
    use Duty::{ChunkLines, Complete, R01, R02, R03, R04, R05, R06, R07, R08, R09, R10};
    let get = || Asked::new("GET");
    let head = || Asked::new("HEAD");
    let old = || get().http10();
    let rows: Vec<(Duty, Asked, &str, Ending)> = vec![
        (R01, get(), "HTTP/1.1 200\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R01, get(), "HTTP/1.1  200 OK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R01, get(), "HTTP/2.0 200 OK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R01, get(), "HTTP/1.1 600 OK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R01, get(), "HTTP/1.1 200 O\rK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R01, get(), "HTTP/1.1 200 OK\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R01, get(), "Hello\r\n\r\n", Ending::Open),
        (R01, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 1\r\n\r\nOK", Ending::Open),
        (
            R02,
            get(),
            "HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Ending::Open,
        ),
        (R02, get(), "HTTP/1.1 204 No Content\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R02, get(), "HTTP/1.1 204 No Content\r\n{D}Transfer-Encoding: chunked\r\n\r\n", Ending::Open),
        (R02, get(), "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R02, old(), "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Ending::Open),
        (R02, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R02, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: +0\r\nConnection: close\r\n\r\n", Ending::Eof),
        (R02, get(), "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Ending::Open),
        (
            R02,
            get(),
            "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
            Ending::Open,
        ),
        (R02, Asked::new("CONNECT"), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R03, get(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R03, get(), "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R03, get(), "HTTP/1.1 200 OK\r\n{D}{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R03, get(), "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R04, get(), "HTTP/1.1 405 Method Not Allowed\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R04, get(), "HTTP/1.1 426 Upgrade Required\r\n{D}Content-Length: 0\r\n\r\n", Ending::Open),
        (R04, get(), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Ending::Open),
        (R05, head(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 2\r\n\r\nOK", Ending::Open),
        (R05, get(), "HTTP/1.1 204 No Content\r\n{D}\r\nOK", Ending::Open),
        (R05, get(), "HTTP/1.1 304 Not Modified\r\n{D}Content-Length: 2\r\n\r\nOK", Ending::Open),
        (R06, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\n\r\n", Ending::Eof),
        (R06, old(), "HTTP/1.1 200 OK\r\n{D}\r\nto the end", Ending::Eof),
        (R06, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\nConnection: close\r\n\r\n", Ending::Open),
        (R06, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\nConnection: close\r\n\r\nmore", Ending::Eof),
        (R07, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\nConnection: close\r\n\r\n", Ending::Reset),
        (R07, get(), "", Ending::Reset),
        (R08, get(), "HTTP/1.1 204 A\r\n{D}\r\nHTTP/1.1 204 B\r\n{D}\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}X : y\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}nocolon\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}X: a\r\n b\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}X: a\0b\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}X: a\rb\r\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}X: a\nContent-Length: 0\r\n\r\n", Ending::Open),
        (R09, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 0\r\n\n", Ending::Open),
        (R10, old(), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n{D}\r\n", Ending::Open),
        (R10, get(), "HTTP/1.1 204 No Content\r\n{D}\r\nHTTP/1.1 100 Continue\r\n\r\n", Ending::Open),
        (ChunkLines, get(), "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n0\n\r\n", Ending::Open),
        (ChunkLines, get(), "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n;\r\n\r\n", Ending::Open),
        (
            ChunkLines,
            get(),
            "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n2 \r\nOK\r\n0\r\n\r\n",
            Ending::Open,
        ),
        (
            ChunkLines,
            get(),
            "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n2\r\nOKAY\r\n0\r\n\r\n",
            Ending::Open,
        ),
        (ChunkLines, get(), "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n0\r\n\n", Ending::Open),
        (Complete, get(), "HTTP/1.1 200 OK\r\n{D}Content-Length: 3\r\n\r\nOK", Ending::Eof),
        (Complete, get(), "HTTP/1.1 200 OK\r\n{D}Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n", Ending::Eof),
        (Complete, get(), "HTTP/1.1 200 OK\r\n{D}", Ending::Eof),
        (Complete, get(), "HTT", Ending::Eof),
    ];
    for (duty, asked, answer, ending) in rows {
        let faults = faults(&[asked], answer, ending);
        assert!(faults.contains(&duty), "{duty:?} in {answer:?}, then {ending:?}: {faults:?}");
    }
}

#[test]
fn an_answer_is_given_with_what_belongs_to_it() {
    let mut reader = Reader::new();
    reader.ask(Asked::new("GET"));
    reader.push(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nX: 1\r\nx:  2 \r\n");
    assert_eq!(reader.response(), None);
    assert!(reader.is_inside());
    assert_eq!(reader.interim().len(), 1);
    reader.push(DATE.as_bytes());
    reader.push(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n");
    let response = reader.response().unwrap();
    assert_eq!(response.interim[0].status, 103);
    assert_eq!((response.head.status, &response.head.reason[..]), (200, &b"OK"[..]));
    assert_eq!(response.head.values("x").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(response.content, b"abc0123456789");
    assert_eq!(response.trailers, [Field { name: "T".to_owned(), value: b"v".to_vec() }]);
    assert_eq!(response.framing, Framing::Chunked);
    assert!(!reader.is_inside());
    assert_eq!(reader.violations(), []);
}

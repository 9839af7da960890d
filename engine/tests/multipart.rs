//! Forms of several parts.
//!
//! Invariant: however a body is cut into segments, and however little memory there is, the same parts come out, with the same content; a body that isn't
//! what it has to be is refused, wherever it is cut, and what was given out of it until then is what it had.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
mod common;

use std::cell::RefCell;

use common::{Bench, Random};
use midge::{Failure, Limits, MultipartError, Request, Response};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Part {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    content: Vec<u8>,
}

type Parts = Result<Vec<Part>, MultipartError>;

/// How the content is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Chunk,
    Read(usize),
    All(usize),
    Nothing,
}

/// What is read of a body that comes in these pieces.
fn parts(content_type: &str, pieces: &[&[u8]], memory: usize, by: By) -> Parts {
    let found = RefCell::new(Ok(Vec::new()));
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let mut memory = vec![0xaa; memory];
        let mut parts = Vec::new();
        let result = async {
            let mut form = match request.multipart(&mut memory) {
                Ok(form) => form.max_parts(9),
                Err(failure) => {
                    assert_eq!(failure, Failure::from(MultipartError::Boundary));
                    return Err(MultipartError::Boundary);
                }
            };
            loop {
                let mut part = match form.next().await {
                    Ok(Some(part)) => part,
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(form.next().await.err(), Some(error), "it says so again");
                        return Err(error);
                    }
                };
                let content_type = part.content_type().map(|media| format!("{}/{}", media.kind(), media.subtype()));
                let (name, filename) = (part.name(), part.filename());
                let mut content = Vec::new();
                match by {
                    By::Chunk => {
                        while let Some(chunk) = part.chunk().await? {
                            assert!(!chunk.is_empty());
                            content.extend_from_slice(chunk);
                        }
                        assert!(part.chunk().await?.is_none());
                    }
                    By::Read(size) => {
                        let mut buffer = vec![0; size];
                        assert_eq!(part.read(&mut []).await, Ok(0));
                        while let count @ 1.. = part.read(&mut buffer).await? {
                            content.extend_from_slice(&buffer[..count]);
                        }
                    }
                    By::All(size) => content.extend_from_slice(part.all(&mut vec![0; size]).await?),
                    By::Nothing => {}
                }
                // What the head says is still there.
                parts.push(Part {
                    name: name.to_owned(),
                    filename: filename.map(str::to_owned),
                    content_type,
                    content,
                });
            }
            assert!(form.next().await?.is_none(), "and after the last one there is none");
            Ok(())
        }
        .await;
        *found.borrow_mut() = result.map(|()| parts);
        response.status(204).empty().await
    };
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let head =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
    let mut bench = Bench::sized(head.len() + 600, 1_024, 32, Limits { response_head_bytes: 256, ..Limits::DEFAULT });
    let pieces: Vec<_> = [head.as_bytes()].into_iter().chain(pieces.iter().copied()).collect();
    let outcome = bench.run(&handler, &pieces);
    assert_eq!(outcome.statuses(), [204], "{outcome:?}");
    found.into_inner()
}

const FORM: &str = "multipart/form-data; boundary=\"x'y\"";

fn whole(body: &[u8]) -> Parts {
    parts(FORM, &[body], 512, By::Chunk)
}

fn part(name: &str, filename: Option<&str>, content_type: Option<&str>, content: &[u8]) -> Part {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Part { name: name.into(), filename: owned(filename), content_type: owned(content_type), content: content.to_vec() }
}

/// As browsers, curl and Python's requests write it; with near-boundaries inside.
fn example() -> (Vec<u8>, Vec<Part>) {
    let body = b"--x'y\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n\xc3\xa9 --x'y \r\n-- \r\n--x' \r\r\n--x'\r\n\
        --x'y\r\ncontent-disposition:form-data;filename=\"C:\\a %22b\\\".txt\";name=file\r\nContent-Type: Text/Plain; a=\"b\"\r\n\r\n\r\n\
        \r\n--x'y \t\r\nContent-Type: image/png\r\nX: y\r\nContent-Disposition: form-data; name=\"\"; filename=\"\"\r\n\r\n\
        \r\n--x'y\r\nContent-Disposition: Form-Data; filename*=UTF-8''no; name=\"last\"\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\xff\r\n-\r\n--\r\n--x'y--and more";
    let parts = vec![
        part("text", None, None, b"\xc3\xa9 --x'y \r\n-- \r\n--x' \r\r\n--x'"),
        part("file", Some("C:\\a %22b\".txt"), Some("Text/Plain"), b"\r\n"),
        part("", Some(""), Some("image/png"), b""),
        part("last", None, None, b"\0\xff\r\n-\r\n--"),
    ];
    (body.to_vec(), parts)
}

#[test]
fn parts_are_read_however_they_are_asked_for() {
    let (body, wanted) = example();
    for by in [By::Chunk, By::Read(1), By::Read(7), By::Read(1_000), By::All(100)] {
        for memory in [512, 256, 200] {
            assert_eq!(parts(FORM, &[&body], memory, by), Ok(wanted.clone()), "{by:?} {memory}");
        }
    }
    let names: Vec<_> = wanted.iter().map(|part| Part { content: Vec::new(), ..part.clone() }).collect();
    assert_eq!(parts(FORM, &[&body], 512, By::Nothing), Ok(names));
    assert_eq!(parts(FORM, &[&body], 512, By::All(3)), Err(MultipartError::TooLarge));
    let (body, parts) = (b"--x'y--\r\n", Ok(Vec::new()));
    assert_eq!(whole(body), parts);
}

#[test]
fn every_cut_gives_the_same_parts() {
    let (body, wanted) = example();
    for cut in 0..=body.len() {
        let (front, back) = body.split_at(cut);
        for memory in [190, 512] {
            assert_eq!(parts(FORM, &[front, back], memory, By::Chunk), Ok(wanted.clone()), "{cut} {memory}");
        }
    }
    let bytes: Vec<_> = body.iter().map(std::slice::from_ref).collect();
    assert_eq!(parts(FORM, &bytes, 190, By::Chunk), Ok(wanted.clone()));
    let mut random = Random::new(4);
    for _ in 0..500 {
        let (mut rest, mut pieces) = (&body[..], Vec::new());
        while !rest.is_empty() {
            let (front, back) = rest.split_at((1 + random.below(40) as usize).min(rest.len()));
            pieces.push(front);
            rest = back;
        }
        let memory = 190 + random.below(400) as usize;
        assert_eq!(parts(FORM, &pieces, memory, By::Chunk), Ok(wanted.clone()), "{pieces:?}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let (body, _) = example();
    let end = body.len() - b"and more".len();
    for cut in 0..end {
        assert_eq!(whole(&body[..cut]), Err(MultipartError::Truncated), "{cut}");
    }
    assert!(whole(&body[..end]).is_ok());
}

/// What stands between the delimiters, by searching the whole body.
fn model(body: &[u8], boundary: &str) -> Vec<Vec<u8>> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let body = [b"\r\n", body].concat();
    let mut starts: Vec<_> = body
        .windows(delimiter.len())
        .enumerate()
        .filter(|(_, window)| *window == delimiter)
        .map(|(at, _)| at)
        .collect();
    let last = starts.pop().unwrap();
    assert!(body[last + delimiter.len()..].starts_with(b"--"));
    let ends = starts.iter().skip(1).copied().chain([last]);
    let contents = starts.iter().zip(ends).map(|(start, end)| {
        let part = &body[start + delimiter.len()..end];
        let head = part.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        part[head + 4..].to_vec()
    });
    contents.collect()
}

#[test]
fn random_content_comes_out_as_it_went_in() {
    let (mut random, mut compared) = (Random::new(8), 0);
    for round in 0..1_500 {
        let boundary = ["b", "--", "-", "b-b-b"][round % 4];
        let pieces = ["\r", "\n", "\r\n", "-", "--", "b", "\r\n-", "x"];
        let mut body = Vec::new();
        let mut wanted = Vec::new();
        for _ in 0..=random.below(4) {
            let content: String = (0..random.below(30)).map(|_| pieces[random.below(8) as usize]).collect();
            // A client chooses a boundary that doesn't stand in what it sends.
            if format!("\r\n{content}").contains(&format!("\r\n--{boundary}")) {
                continue;
            }
            body.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=n\r\n\r\n{content}\r\n").as_bytes(),
            );
            wanted.push(content.into_bytes());
        }
        body.extend_from_slice(format!("--{boundary}--").as_bytes());
        // An end that runs into the next delimiter is the model's to judge.
        if !wanted.is_empty() {
            let found = model(&body, boundary);
            if found != wanted {
                continue;
            }
        }
        let cut = random.below(body.len() as u64) as usize;
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let found = parts(&content_type, &[&body[..cut], &body[cut..]], 100, By::Chunk).unwrap();
        compared += wanted.len();
        assert_eq!(
            found.into_iter().map(|part| part.content).collect::<Vec<_>>(),
            wanted,
            "{:?}",
            body.escape_ascii().to_string()
        );
    }
    assert!(compared > 2_000, "{compared}");
}

/// The contents that another reader finds, if it finds the form sound.
fn peer(body: &[u8], boundary: &str) -> Option<Vec<Vec<u8>>> {
    let mut parser: nostd_multipart::Parser<'_> = nostd_multipart::Parser::new(boundary.as_bytes()).ok()?;
    let (mut at, mut contents) = (0, Vec::new());
    loop {
        let (used, event) = parser.parse(&body[at..], true).ok()?;
        at += used;
        match event {
            Some(nostd_multipart::Event::PartStart) => contents.push(Vec::new()),
            Some(nostd_multipart::Event::Data(data)) => contents.last_mut()?.extend_from_slice(data),
            Some(nostd_multipart::Event::Finished) => return Some(contents),
            _ => {}
        }
    }
}

#[test]
fn another_reader_finds_the_same_parts() {
    let (body, wanted) = example();
    let (mut random, mut same) = (Random::new(6), 0);
    let boundary = "x'y";
    let wanted: Vec<_> = wanted.into_iter().map(|part| part.content).collect();
    assert_eq!(peer(&body, boundary), Some(wanted));
    for _ in 0..4_000 {
        let mut mutated = body.clone();
        for _ in 0..=random.below(2) {
            let at = random.below(mutated.len() as u64) as usize;
            match random.below(3) {
                0 => mutated[at] = b"\r\n-xy' "[random.below(7) as usize],
                1 => mutated.insert(at, b"\r\n-xy' "[random.below(7) as usize]),
                _ => drop(mutated.remove(at)),
            }
        }
        // What one of them refuses is a matter of how strict it is; what both read, they read the same.
        if let (Some(theirs), Ok(ours)) = (peer(&mutated, boundary), whole(&mutated)) {
            let ours: Vec<_> = ours.into_iter().map(|part| part.content).collect();
            assert_eq!(ours, theirs, "{:?}", mutated.escape_ascii().to_string());
            same += 1;
        }
    }
    assert!(same > 1_000, "{same}");
}

#[test]
fn a_malformed_form_is_refused() {
    let with_head = |head: &str| whole(format!("--x'y\r\n{head}\r\n\r\ncontent\r\n--x'y--\r\n").as_bytes());
    let good = "Content-Disposition: form-data; name=\"a\"";
    assert!(with_head(good).is_ok());
    for disposition in [
        "X: y",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; filename=a",
        "Content-Disposition: attachment; name=a",
        "Content-Disposition: form-data name=a",
        "Content-Disposition: form-data; name=\"a",
        "Content-Disposition: form-data; name=\"a\\\"",
        "Content-Disposition: form-data; name=",
        "Content-Disposition: form-data; name",
        "Content-Disposition: form-data; =a",
        "Content-Disposition: form-data; name=a b",
        "Content-Disposition: form-data; name=a; name=b",
        "Content-Disposition: form-data; name=a; filename=b; filename=c",
        "Content-Disposition: form-data; name=\"\u{e9}\"; x=\u{e9}",
        &format!("{good}\r\n{good}"),
        &format!("{good}\r\nContent-Transfer-Encoding: base64"),
    ] {
        assert_eq!(with_head(disposition), Err(MultipartError::Disposition), "{disposition}");
    }
    let not_utf8 = b"--x'y\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n\r\n--x'y--";
    assert_eq!(whole(not_utf8), Err(MultipartError::Disposition));
    assert_eq!(whole(b"--x'y\r\n\r\ncontent\r\n--x'y--"), Err(MultipartError::Disposition));
    for head in ["a b: c", "no colon", ": x", "A: b\r\n c", "A: b\nC: d", "A: \0", "A: b\rC: d"] {
        assert_eq!(with_head(&format!("{good}\r\n{head}")), Err(MultipartError::Head), "{head:?}");
    }
    for behind in ["x", "-x", "\n", "\rx", " x", "y\r\n", " -x", " --", "\t--\r\n"] {
        let body = format!("--x'y{behind}\r\n{good}\r\n\r\n\r\n--x'y--\r\n");
        assert_eq!(whole(body.as_bytes()), Err(MultipartError::Delimiter), "{behind:?}");
    }
    for body in ["", "--", "x", "--x'z--", "\r\n--x\r\n"] {
        assert_eq!(whole(body.as_bytes()), Err(MultipartError::Truncated), "{body}");
    }
    // What stands before the first boundary is nobody's, if it begins a line.
    let after =
        |before: &str| whole(format!("{before}--x'y\r\n{good}\r\n\r\n\r\n--x'y--").as_bytes()).map(|parts| parts.len());
    assert_eq!((after("preamble\r\n"), after("\r\n"), after("")), (Ok(1), Ok(1), Ok(1)));
    assert_eq!(after("preamble"), Ok(0));
}

#[test]
fn parts_and_heads_are_limited() {
    let one = "--x'y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
    assert_eq!(whole(format!("{}--x'y--", one.repeat(9)).as_bytes()).map(|parts| parts.len()), Ok(9));
    assert_eq!(whole(format!("{}--x'y--", one.repeat(10)).as_bytes()), Err(MultipartError::TooManyParts));
    let fields = |count| {
        format!("--x'y\r\nContent-Disposition: form-data; name=a\r\n{}\r\n\r\n--x'y--", "A: b\r\n".repeat(count))
    };
    assert!(whole(fields(7).as_bytes()).is_ok());
    assert_eq!(whole(fields(8).as_bytes()), Err(MultipartError::HeadTooLarge));
    let long =
        |length| format!("--x'y\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n\r\n--x'y--", "n".repeat(length));
    // 512 bytes, less the head's other 42, a delimiter of 7 and a window of 16.
    assert!(whole(long(440).as_bytes()).is_ok());
    for length in [460, 500, 5_000] {
        assert_eq!(whole(long(length).as_bytes()), Err(MultipartError::HeadTooLarge), "{length}");
    }
    for memory in [0, 1, 6, 20, 60] {
        let found = parts(FORM, &[long(1).as_bytes()], memory, By::Chunk);
        assert_eq!(found, Err(MultipartError::HeadTooLarge), "{memory}");
    }
}

#[test]
fn the_boundary_is_one() {
    let body =
        |boundary: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--{boundary}--");
    let long = "b".repeat(70);
    for boundary in ["a", "0'()+_,-./:=?z", "a b", &long] {
        let content_type = format!("Multipart/Form-Data; charset=utf-8; boundary=\"{boundary}\"");
        assert_eq!(
            parts(&content_type, &[body(boundary).as_bytes()], 512, By::Chunk).map(|parts| parts.len()),
            Ok(1),
            "{boundary}"
        );
    }
    for boundary in ["", "=\"\"", "=\"a \"", "=\"a*b\"", "=\"\u{e9}\"", &format!("={}", "b".repeat(71)), "=\"a\\\"b\""]
    {
        let parameter = if boundary.is_empty() { String::new() } else { format!("; boundary{boundary}") };
        let found = parts(&format!("multipart/form-data{parameter}"), &[b"--a--"], 512, By::Chunk);
        assert_eq!(found, Err(MultipartError::Boundary), "{boundary}");
    }
}

#[test]
fn failures_have_their_status() {
    let handler = async |mut request: Request<'_>, response: Response<'_>| {
        let mut memory = [0; 256];
        let mut form = request.multipart(&mut memory)?.max_parts(1);
        while form.next().await?.is_some() {}
        response.status(204).empty().await
    };
    let one = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
    for (content_type, body, status) in [
        ("multipart/form-data; boundary=x", format!("{one}--x--"), 204),
        ("multipart/form-data; boundary=x", format!("{one}{one}--x--"), 413),
        ("multipart/form-data; boundary=x", one.to_owned(), 400),
        ("multipart/form-data", format!("{one}--x--"), 400),
        ("multipart/mixed; boundary=x", format!("{one}--x--"), 415),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(Bench::new().run(&handler, &[request.as_bytes()]).statuses(), [status], "{content_type} {body}");
    }
    let late = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 99\r\n\r\n--x\r\n";
    assert_eq!(Bench::new().run(&handler, &[late.as_bytes()]).statuses(), [400]);
}

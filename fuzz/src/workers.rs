//! Invariant: a handler on the Workers host is shown exactly what the shim holds of its request, or the request is refused because it has no room; its
//! body comes whole or as an error; the shim is told one answer, the handler's, whole and once, or one failure in its place, or nothing that
//! looks complete; and the event waits for nothing that doesn't come.
//!
//! Input: the event and what its handler does, by `arbitrary`, and at the end the request's body.

use std::{cell::RefCell, time::Duration};

use arbitrary::{Arbitrary, Unstructured};
use midge::{Failure, Field, Request, Response};
use midge_fuzz_workers::{Answer, CUT, DONE, Headers, Memory, Platform, serve, with};

use crate::{
    Lines,
    response::{Script, Written, follow},
};

#[derive(Arbitrary, Debug)]
struct Event {
    method: u8,
    authority: u8,
    target: String,
    fields: Vec<(u8, String, Vec<u8>)>,
    known: bool,
    breaks: bool,
    leaves: Option<u8>,
    reads_first: bool,
    /// Memory for the head, by four bytes.
    room: u8,
    named: bool,
    small: bool,
    /// The handler reads the body so many bytes at a time; 0 if it doesn't.
    reads: u8,
    limit: Option<u16>,
    adds: bool,
    script: Script,
    /// So many bytes of the body come at a time.
    piece: u8,
    body: Vec<u8>,
}

/// What a handler saw and did.
#[derive(Default, Debug)]
struct Seen {
    head: String,
    fields: Lines,
    length: Option<u64>,
    body: Vec<u8>,
    result: Option<Result<(), Failure>>,
}

/// Serves one event.
pub fn check(data: &[u8]) {
    let Ok(event) = Event::arbitrary_take_rest(Unstructured::new(data)) else { return };
    match (event.named, event.small) {
        (false, false) => run::<_, 256, 1_024>(&event, All),
        (false, true) => run::<_, 16, 256>(&event, All),
        (true, false) => run::<_, 256, 1_024>(&event, Named),
        (true, true) => run::<_, 16, 256>(&event, Named),
    }
}

struct All;

impl Headers for All {
    const NAMES: Option<&'static [&'static str]> = None;
}

struct Named;

impl Headers for Named {
    const NAMES: Option<&'static [&'static str]> = Some(&NAMES);
}

const NAMES: [&str; 4] = ["accept", "cookie", "x-a", "content-length"];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PURGE"];
const AUTHORITIES: [&str; 3] = ["example.com", "127.0.0.1:8787", "[::1]"];
const FIELDS: usize = 5;
const ADDED: &[u8] = b"x-added: 1\r\n";

fn run<H: Headers, const BODY: u32, const OUTPUT: u32>(event: &Event, headers: H) {
    let (seen, written) = (RefCell::new(None), RefCell::new(Written::default()));
    let handler = async |mut request: Request<'_>, mut response: Response<'_>| {
        *seen.borrow_mut() = Some(Seen::new(&request));
        let result = async {
            if let Some(millis) = event.limit {
                request.limit_time(Duration::from_millis(millis.into()));
            }
            if event.adds {
                response = response.with("x-added", "1");
            }
            let mut buffer = vec![0; event.reads.into()];
            // An empty buffer is not read into.
            while let count @ 1.. = request.body().read(&mut buffer).await? {
                seen.borrow_mut().as_mut().expect("set").body.extend_from_slice(&buffer[..count]);
            }
            follow(&event.script, &written, response).await
        }
        .await;
        seen.borrow_mut().as_mut().expect("set").result = Some(result.as_ref().map(|_| ()).map_err(|failure| *failure));
        result
    };
    let mut memory = (vec![0xaa; event.room()], [0x55; 256], [0x55; 1_024], [Field::EMPTY; FIELDS]);
    let (body, output) = (&mut memory.1[..BODY as usize], &mut memory.2[..OUTPUT as usize]);
    let memory = Memory::<BODY, OUTPUT>::new(&mut memory.0, body, output, &mut memory.3);
    let (state, platform) = with(event.platform(), serve(0, &handler, || &memory, headers));
    let (seen, written) = (seen.into_inner(), written.into_inner());
    let context = || format!("{event:?}: {state}, {seen:?}, {written:?}, {:?}", platform.answer);

    if event.breaks && event.length().is_some_and(|length| length <= BODY.into()) {
        // Its body was to be taken in whole, and broke off.
        assert!(seen.is_none(), "{}", context());
        assert_eq!((state, &platform.answer), (CUT, &Answer::default()), "{}", context());
        return;
    }
    let expected = event.fields_for(H::NAMES);
    if let Err(status) = expected {
        assert!(seen.is_none(), "{}", context());
        let failure = Some((status, String::new(), Vec::new()));
        assert_eq!((state, &platform.answer), (DONE, &Answer { failure, ..Answer::default() }), "{}", context());
        return;
    }
    let Some(seen) = &seen else { panic!("its handler never ran: {}", context()) };
    assert_eq!(seen.head, event.head(), "{}", context());
    assert_eq!(Ok(&seen.fields), expected.as_ref(), "{}", context());
    assert_eq!(seen.length, event.length(), "{}", context());
    let read = seen.body.len();
    assert_eq!(seen.body, event.body[..read], "{}", context());
    let Some(result) = seen.result else {
        // Dropped where it waited, since the client left.
        assert!(event.leaves.is_some() && state == CUT, "{}", context());
        assert!(!platform.answer.complete && platform.answer.failure.is_none(), "{}", context());
        return;
    };
    if event.reads > 0 && event.breaks {
        assert!(result.is_err(), "{}", context());
    } else if event.reads > 0 && (written.sent || result.is_ok()) {
        assert_eq!(read, event.body.len(), "{}", context());
    }
    answered(event, state, &platform.answer, result, &written, &context);
}

/// Whether the platform was told what the handler did.
fn answered(
    event: &Event,
    state: u32,
    answer: &Answer,
    result: Result<(), Failure>,
    written: &Written,
    context: &impl Fn() -> String,
) {
    let added = if event.adds { ADDED } else { b"" };
    if let Some((millis, lines)) = &answer.limit {
        assert_eq!((Some(*millis), &lines[..]), (event.limit.map(f64::from), added), "{}", context());
    }
    if state != DONE {
        assert_eq!(state, CUT, "{}", context());
        assert!(!answer.complete && answer.failure.is_none(), "it was cut, and looks complete: {}", context());
        assert!(event.leaves.is_some() || (answer.begun.is_some() && result.is_err()), "{}", context());
        return;
    }
    if let Some((status, _, lines)) = &answer.failure {
        assert!(answer.begun.is_none() && answer.body.is_empty() && !written.sent, "{}", context());
        assert_eq!(result.map_err(|failure| failure.status().code()), Err(*status), "{}", context());
        assert_eq!(lines, added, "{}", context());
        return;
    }
    let Some((status, lines, length)) = &answer.begun else { panic!("no answer: {}", context()) };
    assert!(answer.complete && written.sent, "an answer that was never finished: {}", context());
    assert_eq!(*status, event.script.status(), "{}", context());
    let trimmed = |(name, value): &(String, Vec<u8>)| (name.clone(), value.trim_ascii().to_vec());
    let mut fields: Lines = event.script.fields.iter().map(trimmed).collect();
    if event.adds {
        fields.insert(0, ("x-added".to_owned(), b"1".to_vec()));
    }
    assert_eq!(by_shim(lines).iter().map(trimmed).collect::<Lines>(), fields, "{}", context());
    let is_bodiless = event.method() == "HEAD" || matches!(status, 204 | 304);
    let expected = if is_bodiless { &[][..] } else { &written.content[..] };
    assert_eq!(answer.body, expected, "{}", context());
    if let Some(length) = length.filter(|_| !is_bodiless) {
        assert_eq!(length, answer.body.len() as u64, "{}", context());
    }
}

/// As the shim reads field lines.
fn by_shim(lines: &[u8]) -> Lines {
    let mut fields = Lines::new();
    let mut rest = lines;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let colon = rest[..end].iter().position(|byte| *byte == b':').expect("a line without a colon");
        let name = String::from_utf8(rest[..colon].to_vec()).expect("a name");
        fields.push((name, rest[colon + 2..end].to_vec()));
        rest = &rest[end + 2..];
    }
    assert!(rest.is_empty(), "a line without an end");
    fields
}

impl Seen {
    fn new(request: &Request<'_>) -> Self {
        let field = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_vec());
        Self {
            head: format!("{} {}{}", request.method().as_str(), request.authority(), request.target()),
            fields: request.headers().iter().map(field).collect(),
            length: request.content_length(),
            ..Self::default()
        }
    }
}

impl Event {
    fn method(&self) -> &'static str {
        METHODS[usize::from(self.method) % METHODS.len()]
    }

    /// As the platform's URLs are: visible ASCII, and no fragment.
    fn head(&self) -> String {
        let authority = AUTHORITIES[usize::from(self.authority) % AUTHORITIES.len()];
        let target: String = self.target.chars().filter(|char| char.is_ascii_graphic() && *char != '#').collect();
        format!("{} {authority}/{target}", self.method())
    }

    fn room(&self) -> usize {
        usize::from(self.room) * 4
    }

    /// As the platform's fields are: names in lower case, once each; no line ends in the values, and no blanks around them.
    fn platform_fields(&self) -> Vec<(String, String)> {
        let mut fields = Vec::<(String, String)>::new();
        for (known, name, value) in &self.fields {
            let is_tchar = |char: &char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*char);
            let name = match NAMES.get(usize::from(*known) % (NAMES.len() + 2)) {
                Some(name) => (*name).to_owned(),
                None => name.chars().filter(is_tchar).collect::<String>().to_ascii_lowercase(),
            };
            let value = value.iter().map(|byte| char::from(*byte)).filter(|char| !"\0\r\n".contains(*char));
            let value = value.collect::<String>().trim_matches([' ', '\t']).to_owned();
            if !name.is_empty() && fields.iter().all(|(other, _)| *other != name) {
                fields.push((name, value));
            }
        }
        fields
    }

    fn length(&self) -> Option<u64> {
        let length = self.body.len() as u64;
        self.known.then_some(length + u64::from(self.breaks))
    }

    fn platform(&self) -> Platform {
        Platform {
            head: self.head(),
            fields: self.platform_fields(),
            body: self.body.chunks(usize::from(self.piece) + 1).map(<[u8]>::to_vec).collect(),
            length: self.length(),
            breaks: self.breaks,
            leaves: self.leaves.map(usize::from),
            reads_first: self.reads_first,
            ..Platform::default()
        }
    }

    /// The fields that a handler is shown of those that it is to have; the status of the refusal where they have no room.
    fn fields_for(&self, names: Option<&[&str]>) -> Result<Lines, u16> {
        let fields = self.platform_fields();
        let room = self.room().checked_sub(self.head().len()).ok_or(414_u16)?;
        let bytes = |(name, value): (String, String)| (name, value.into_bytes());
        // Lines have a colon, a blank and a line end.
        let (shown, between): (Lines, _) = match names {
            None => (fields.into_iter().map(bytes).collect(), 4),
            Some(names) => {
                let of = |name: &&str| fields.iter().find(|(other, _)| other == name).cloned();
                (names.iter().filter_map(of).map(bytes).collect(), 0)
            }
        };
        let length: usize = shown.iter().map(|(name, value)| name.len() + value.len() + between).sum();
        if length > room || shown.len() > FIELDS { Err(431) } else { Ok(shown) }
    }
}

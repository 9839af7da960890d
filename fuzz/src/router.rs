//! Invariant: a router answers as a naive matcher does that tries every route: the best pattern's handler (a literal before a parameter, a parameter
//! before what takes the rest, segment by segment), with the parameters that stand there, or 404, 405 and `Allow`, or what `OPTIONS` is told.
//!
//! Input: three bytes for each of six routes (what it is, two halves of its pattern), one for the method, then paths, one to a line.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Mutex, OnceLock, PoisonError},
};

use midge::{
    Handler, Method, Request, Response, Router, Routes,
    testing::{Scratch, call},
};

use crate::number;

/// Builds a table, and looks for each path in it.
pub fn check(mut data: &[u8]) {
    let mut table = Vec::<Line>::new();
    let mut dice = || {
        let line = Line { verb: VERBS[number(&mut data, VERBS.len())], pattern: pattern(&mut data) };
        // What conflicts with another is an error at start, of which there are tests.
        let may_be = line.verb != Verb::Nest || is_prefix(line.pattern);
        if may_be && table.iter().all(|other| !conflict(other, &line)) {
            table.push(line);
        }
    };
    (0..ROUTES).for_each(|_| dice());
    let method = METHODS[number(&mut data, METHODS.len())];
    // Handlers are added to the type: each table has as many.
    while table.len() < ROUTES {
        table.push(Line { verb: Verb::Other, pattern: FILL[table.len()] });
    }
    let paths = data.split(|byte| *byte == b'\n').take(8);
    let paths: Vec<_> = paths.filter_map(|path| std::str::from_utf8(path).ok()).filter(|path| is_path(path)).collect();

    let seen = RefCell::new(None);
    let arm = |index: usize| {
        let seen = &seen;
        async move |request: Request<'_>, response: Response<'_>| {
            *seen.borrow_mut() = Some(Seen::new(index, &request));
            response.status(200).empty().await
        }
    };
    let router = add(Router::new(), &table[0], arm(0));
    let router = add(router, &table[1], arm(1));
    let router = add(router, &table[2], arm(2));
    let router = add(router, &table[3], arm(3));
    let router = add(router, &table[4], arm(4));
    let router = add(router, &table[5], arm(5));
    for path in paths {
        let expected = naive(&table, method, path);
        assert_eq!(ask(&router, method, path, &seen), expected, "{method} {path} in {table:?}");
        let pattern = if let Answer::Arm(seen) = expected { seen.pattern } else { None };
        assert_eq!(router.pattern_of(known(method), path), pattern, "{method} {path} in {table:?}");
    }
    let allow = allowed(&table.iter().collect::<Vec<_>>());
    assert_eq!(ask(&router, "OPTIONS", "*", &seen), Answer::Options(allow), "{table:?}");
}

const ROUTES: usize = 6;
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "OPTIONS", "PURGE", "get"];
const VERBS: [Verb; 7] = [Verb::Get, Verb::Head, Verb::Post, Verb::Options, Verb::Other, Verb::Any, Verb::Nest];
const FILL: [&str; ROUTES] = ["/fill/0", "/fill/1", "/fill/2", "/fill/3", "/fill/4", "/fill/5"];
/// What patterns are made of: few, so that there are few patterns.
const SEGMENTS: [&str; 12] = ["", "", "a", "b", "ab", "abcdefgh", "abcdxfgh", "%61", "{x}", "{y}", "{*x}", "{*z}"];

/// What a route answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Head,
    Post,
    Options,
    /// `PURGE`
    Other,
    Any,
    Nest,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    verb: Verb,
    pattern: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    arm: usize,
    pattern: Option<&'static str>,
    parameters: BTreeMap<&'static str, String>,
    below: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Arm(Seen),
    NotFound,
    NotAllowed(BTreeSet<String>),
    Options(BTreeSet<String>),
}

/// A pattern of up to four segments, which lives for ever: there are so few that it is no leak.
fn pattern(data: &mut &[u8]) -> &'static str {
    static ALL: OnceLock<Mutex<HashSet<&'static str>>> = OnceLock::new();
    let (first, second) = (number(data, 144), number(data, 144));
    let mut pattern = String::new();
    let mut names = Vec::new();
    for index in [first % 12, first / 12, second % 12, second / 12] {
        let segment = SEGMENTS[index];
        // A name stands once in a pattern.
        let is_again = segment.starts_with('{') && names.contains(&segment.trim_matches(['{', '*', '}']));
        if segment.is_empty() || is_again {
            continue;
        }
        names.push(segment.trim_matches(['{', '*', '}']));
        pattern.push('/');
        pattern.push_str(segment);
        if segment.starts_with("{*") {
            break;
        }
    }
    if pattern.is_empty() || (SEGMENTS[second / 12].is_empty() && second % 2 == 1 && !pattern.contains("{*")) {
        pattern.push('/');
    }
    let mut all = ALL.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    match all.get(&*pattern) {
        Some(known) => known,
        None => {
            let pattern = &*pattern.leak();
            all.insert(pattern);
            pattern
        }
    }
}

/// Adds a route, in the type's way: whatever it is, the type is the same.
fn add<R: Routes, H: Handler>(router: Router<R>, line: &Line, handler: H) -> Router<midge::Route<H, R>> {
    let Line { verb, pattern } = *line;
    match verb {
        Verb::Get => router.get(pattern, handler),
        Verb::Head => router.head(pattern, handler),
        Verb::Post => router.post(pattern, handler),
        Verb::Options => router.options(pattern, handler),
        Verb::Other => router.on(Method::Other("PURGE"), pattern, handler),
        Verb::Any => router.any(pattern, handler),
        Verb::Nest => router.nest(pattern, handler),
    }
}

impl Seen {
    fn new(arm: usize, request: &Request<'_>) -> Self {
        let value = |name| Some((name, String::from_utf8(request.param(name).ok()?.raw().to_vec()).ok()?));
        let parameters = ["x", "y", "z"].into_iter().filter_map(value).collect();
        Self { arm, pattern: request.pattern(), parameters, below: request.path_below().to_owned() }
    }
}

/// What the router does.
fn ask(router: &impl Handler, method: &str, path: &str, seen: &RefCell<Option<Seen>>) -> Answer {
    let mut scratch = Scratch::new();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    seen.take();
    let answer = call(router, request.as_bytes(), &mut scratch).expect(path);
    let allow = answer.header("allow").unwrap_or_default().split(", ").map(str::to_owned).collect();
    match (answer.status(), seen.take()) {
        (200, Some(seen)) => Answer::Arm(seen),
        (204, None) => Answer::Options(allow),
        (404, None) => Answer::NotFound,
        (405, None) => Answer::NotAllowed(allow),
        (status, seen) => panic!("{status} of {seen:?}"),
    }
}

fn known(method: &str) -> Method<'_> {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "OPTIONS" => Method::Options,
        other => Method::Other(other),
    }
}

// ---- the naive matcher

fn naive(table: &[Line], method: &str, path: &str) -> Answer {
    let matches = table.iter().enumerate().filter_map(|(arm, line)| Some((rank(line, path)?, arm)));
    let Some(best) = matches.clone().map(|(rank, _)| rank).min() else { return Answer::NotFound };
    let best: Vec<_> = matches.filter(|(rank, _)| *rank == best).map(|(_, arm)| arm).collect();
    let of = |verb: Verb| best.iter().copied().find(|arm| table[*arm].verb == verb);
    let own = match method {
        "GET" => of(Verb::Get),
        "HEAD" => of(Verb::Head).or(of(Verb::Get)),
        "POST" => of(Verb::Post),
        "OPTIONS" => of(Verb::Options),
        "PURGE" => of(Verb::Other),
        _ => None,
    };
    match own.or(of(Verb::Any)).or(of(Verb::Nest)) {
        Some(arm) => Answer::Arm(shown(arm, table[arm], path)),
        None => {
            let allow = allowed(&best.iter().map(|arm| &table[*arm]).collect::<Vec<_>>());
            if method == "OPTIONS" { Answer::Options(allow) } else { Answer::NotAllowed(allow) }
        }
    }
}

/// How well a route matches a path, segment by segment: 0 for a literal, 1 for a parameter, 2 for the rest. `None` if it doesn't.
fn rank(line: &Line, path: &str) -> Option<Vec<u8>> {
    let (pieces, texts) = (segments(line.pattern), segments(path));
    let mut ranks = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let text = texts.get(index)?;
        if piece.starts_with("{*") {
            ranks.push(2);
            return (!texts[index..].join("/").is_empty()).then_some(ranks);
        }
        match piece.starts_with('{') {
            true if !text.is_empty() => ranks.push(1),
            false if piece == text => ranks.push(0),
            _ => return None,
        }
    }
    if line.verb == Verb::Nest && texts.len() > pieces.len() {
        ranks.push(2);
        return Some(ranks);
    }
    (pieces.len() == texts.len()).then_some(ranks)
}

/// What a handler is shown of the path that its route matches.
fn shown(arm: usize, line: Line, path: &str) -> Seen {
    let (pieces, texts) = (segments(line.pattern), segments(path));
    let mut parameters = BTreeMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        if let Some(name) = piece.strip_prefix("{*") {
            parameters.insert(name.trim_end_matches('}'), texts[index..].join("/"));
        } else if let Some(name) = piece.strip_prefix('{') {
            parameters.insert(name.trim_end_matches('}'), texts[index].to_owned());
        }
    }
    let rest = texts.get(pieces.len()..).unwrap_or_default();
    let below =
        if line.verb == Verb::Nest { rest.iter().map(|text| format!("/{text}")).collect() } else { String::new() };
    Seen { arm, pattern: Some(line.pattern), parameters, below }
}

fn segments(path: &str) -> Vec<&str> {
    if path == "/" { Vec::new() } else { path.split('/').skip(1).collect() }
}

fn allowed(lines: &[&Line]) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["OPTIONS"]);
    for line in lines {
        match line.verb {
            Verb::Get => names.extend(["GET", "HEAD"]),
            Verb::Head => names.extend(["HEAD"]),
            Verb::Post => names.extend(["POST"]),
            Verb::Other => names.extend(["PURGE"]),
            Verb::Options | Verb::Any | Verb::Nest => {}
        }
    }
    names.into_iter().map(str::to_owned).collect()
}

/// Whether two routes can't be in one table: for the same method and the same paths, or one of them under the other's nested router.
fn conflict(one: &Line, other: &Line) -> bool {
    let shape = |line: &Line| -> Vec<String> {
        let shape = |piece: &&str| match piece {
            piece if piece.starts_with("{*") => "*".to_owned(),
            piece if piece.starts_with('{') => "{".to_owned(),
            piece => (*piece).to_owned(),
        };
        segments(line.pattern).iter().map(shape).collect()
    };
    let (first, second) = (shape(one), shape(other));
    let nests = |nest: &Line, prefix: &[String], shape: &[String]| {
        nest.verb == Verb::Nest && (shape == prefix || shape.strip_prefix(prefix).is_some_and(|rest| rest == ["*"]))
    };
    (first == second && one.verb == other.verb) || nests(one, &first, &second) || nests(other, &second, &first)
}

fn is_prefix(pattern: &str) -> bool {
    !pattern.ends_with('/') && !pattern.contains("{*")
}

/// Whether it can be a request's path: what RFC 3986, section 3.3, lets stand there.
fn is_path(path: &str) -> bool {
    let is_pchar = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap_or_default();
    let is_escaped = |piece: &str| piece.len() >= 2 && piece.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    first.starts_with('/')
        && path.len() < 512
        && first.bytes().all(is_pchar)
        && pieces.all(|piece| is_escaped(piece) && piece.bytes().all(is_pchar))
}

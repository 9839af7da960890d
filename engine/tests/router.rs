//! The router: which handler answers, and what is answered where none does.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use midge::{
    Failure, Handler, Method, PercentEncoded, Request, Response, Router, Routes, Sent,
    testing::{Scratch, call},
};

/// Answers with the pattern, what is left of the path, and the parameters of the names that the tests use.
async fn tell(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut body = response.status(200).stream().await?;
    body.write(request.pattern().unwrap_or("none")).await?;
    for name in ["a", "b", "rest"] {
        if let Ok(value) = request.param(name) {
            body.write(format!(" {name}={}", value.raw().escape_ascii())).await?;
        }
    }
    if !request.path_below().is_empty() {
        body.write(format!(" below {}", request.path_below())).await?;
    }
    body.finish().await
}

/// A handler that answers with a text.
fn says(text: &'static str) -> impl Handler {
    async move |_: Request<'_>, response: Response<'_>| response.status(200).body(text).await
}

/// Status, `Allow`, and body of an answer.
fn ask(handler: &impl Handler, line: &str) -> (u16, Option<String>, String) {
    let mut scratch = Scratch::new();
    let answer = call(handler, format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), &mut scratch).expect(line);
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status(), answer.header("allow").map(String::from), body)
}

fn body(handler: &impl Handler, line: &str) -> String {
    let (status, _, body) = ask(handler, line);
    if status == 200 { body } else { status.to_string() }
}

#[test]
fn literals_come_before_parameters_and_parameters_before_wildcards_whatever_the_order() {
    const PATTERNS: [&str; 6] = ["/x/{a}", "/x/me", "/x/{*rest}", "/x/{a}/posts", "/x/me/likes", "/{*rest}"];
    let cases = [
        ("/x/me", "/x/me"),
        ("/x/you", "/x/{a} a=you"),
        ("/x/me/likes", "/x/me/likes"),
        // Behind the literal nothing fits: the parameter does.
        ("/x/me/posts", "/x/{a}/posts a=me"),
        ("/x/me/other", "/x/{*rest} rest=me/other"),
        ("/x/a/b/c", "/x/{*rest} rest=a/b/c"),
        ("/x", "/{*rest} rest=x"),
        ("/x/", "/{*rest} rest=x/"),
        ("/", "404"),
    ];
    // Every rotation, forwards and backwards.
    for turn in 0..PATTERNS.len() {
        let mut order = PATTERNS;
        order.rotate_left(turn);
        for _ in 0..2 {
            let [a, b, c, d, e, f] = order;
            let app = Router::new().get(a, tell).get(b, tell).get(c, tell).get(d, tell).get(e, tell).get(f, tell);
            for (path, expected) in cases {
                assert_eq!(body(&app, &format!("GET {path}")), expected, "{path} {order:?}");
            }
            order.reverse();
        }
    }
}

#[test]
fn each_method_has_its_handler() {
    let app = Router::new()
        .get("/", says("get"))
        .post("/", says("post"))
        .put("/", says("put"))
        .patch("/", says("patch"))
        .delete("/", says("delete"))
        .on(Method::Other("PROPFIND"), "/", says("propfind"))
        .on(Method::Trace, "/", says("trace"))
        .head("/own", async |_: Request<'_>, response: Response<'_>| response.status(204).empty().await)
        .get("/own", says("get"))
        .options("/own", says("options"))
        .any("/any", says("any"))
        .get("/any", says("get"));
    for method in ["get", "post", "put", "patch", "delete", "propfind", "trace"] {
        assert_eq!(body(&app, &format!("{} /", method.to_uppercase())), method);
    }
    // `HEAD` from `GET`, unless it has its own.
    assert_eq!(ask(&app, "HEAD /"), (200, None, String::new()));
    assert_eq!(ask(&app, "HEAD /own").0, 204);
    assert_eq!(body(&app, "OPTIONS /own"), "options");
    // Its own before the one for all, whichever was added first.
    assert_eq!(body(&app, "GET /any"), "get");
    for line in ["POST /any", "OPTIONS /any", "BREW /any", "propfind /any"] {
        assert_eq!(body(&app, line), "any", "{line}");
    }
}

#[test]
fn what_has_no_handler_is_answered_by_the_router() {
    let app = Router::new()
        .get("/users/{id}", says("show"))
        .delete("/users/{id}", says("delete"))
        .post("/users", says("create"));
    let not_allowed = |allow: &str| (405, Some(String::from(allow)), String::from("405 Method Not Allowed\n"));
    let not_found = (404, None, String::from("404 Not Found\n"));
    assert_eq!(ask(&app, "POST /users/1"), not_allowed("GET, HEAD, DELETE, OPTIONS"));
    assert_eq!(ask(&app, "BREW /users/1"), not_allowed("GET, HEAD, DELETE, OPTIONS"));
    // A method's name is compared as it is.
    assert_eq!(ask(&app, "get /users/1"), not_allowed("GET, HEAD, DELETE, OPTIONS"));
    assert_eq!(ask(&app, "GET /users"), not_allowed("POST, OPTIONS"));
    for path in ["/", "/user", "/users/", "/users/1/", "/users//", "/users/1/2", "//users", "/Users", "/users%2F1"] {
        assert_eq!(ask(&app, &format!("GET {path}")), not_found, "{path}");
    }
    assert_eq!(ask(&app, "OPTIONS /users/1"), (204, Some("GET, HEAD, DELETE, OPTIONS".into()), String::new()));
    assert_eq!(ask(&app, "OPTIONS *"), (204, Some("GET, HEAD, POST, DELETE, OPTIONS".into()), String::new()));
    assert_eq!(ask(&app, "OPTIONS /nowhere"), not_found);
    assert_eq!(ask(&Router::new(), "GET /"), not_found);
    assert_eq!(ask(&Router::new(), "OPTIONS *"), (204, Some("OPTIONS".into()), String::new()));

    let app = app.on(Method::Other("PURGE"), "/users", says("purge")).fallback(tell);
    assert_eq!(ask(&app, "PATCH /users"), not_allowed("POST, OPTIONS, PURGE"));
    assert_eq!(body(&app, "PATCH /nowhere"), "none below /nowhere");
}

#[test]
fn parameters_are_what_the_client_wrote_until_they_are_decoded_once() {
    let decode = async |request: Request<'_>, response: Response<'_>| {
        let mut buffer = [0; 64];
        let value = request.param("a")?.decode(&mut buffer)?;
        response.status(200).body(value).await
    };
    let app = Router::new().get("/x/{a}/y", decode).get("/z/{*a}", decode);
    for (path, expected) in [
        ("/x/a%2Fb/y", "a/b"),
        ("/x/%2e%2e/y", ".."),
        ("/x/%252e/y", "%2e"),
        ("/x/caf%C3%A9/y", "café"),
        ("/x/a+b/y", "a+b"),
        ("/x/%zz/y", "400"),
        ("/x/%/y", "400"),
        ("/x/%ff/y", "400"),
        ("/x//y", "404"),
        ("/z/a/b%20c//", "a/b c//"),
        ("/z//", "/"),
        ("/z/", "404"),
        ("/z/%4", "400"),
        // A literal is compared as the client wrote it.
        ("/%78/a/y", "404"),
        // The query is no part of the path.
        ("/x/a/y?/z", "a"),
    ] {
        assert_eq!(body(&app, &format!("GET {path}")), expected, "{path}");
    }
    let (status, _, text) = ask(&app, "GET /x/%zz/y");
    assert_eq!((status, &*text), (400, "400 Bad Request: a '%' that is not followed by two hexadecimal digits\n"));
}

#[test]
fn a_parameter_that_the_route_does_not_have_is_the_program_s_mistake() {
    let wrong = async |request: Request<'_>, response: Response<'_>| {
        let value = request.param("id")?;
        response.status(200).body(value.raw()).await
    };
    assert_eq!(body(&Router::new().get("/{a}", wrong), "GET /x"), "500");
    assert_eq!(body(&wrong, "GET /x"), "500");
}

#[test]
fn absolute_targets_and_the_root_are_matched() {
    let app = Router::new().get("/", tell).get("/x/{a}", tell);
    assert_eq!(body(&app, "GET /"), "/");
    assert_eq!(body(&app, "GET /?x=/y"), "/");
    assert_eq!(body(&app, "GET http://example.com"), "/");
    assert_eq!(body(&app, "GET http://example.com/x/1"), "/x/{a} a=1");
    assert_eq!(body(&app, "GET //"), "404");
}

#[test]
fn routers_are_nested_under_prefixes() {
    const fn users() -> Router<impl Routes> {
        Router::new().get("/", tell).get("/{b}", tell).get("/me", tell).get("/{b}/", tell)
    }
    let api = Router::new().nest("/users", users()).get("/{a}", tell).get("/status", tell).fallback(tell);
    let app = Router::new().nest("/api/{a}", api).get("/api/1/users/top", tell).get("/", tell).nest("/files", tell);
    for (path, expected) in [
        ("/", "/"),
        ("/api/1/users", "/ a=1"),
        // What a nested router doesn't match, the outer one doesn't try again.
        ("/api/1/users/", "404"),
        ("/api/1/users/7", "/{b} a=1 b=7"),
        ("/api/1/users/7/", "/{b}/ a=1 b=7"),
        ("/api/1/users/me", "/me a=1"),
        // The outer router's own route is the better one, since its literal is.
        ("/api/1/users/top", "/api/1/users/top"),
        // The inner parameter hides the outer one of the same name.
        ("/api/1/x", "/{a} a=x"),
        ("/api/1/status", "/status a=1"),
        ("/api/1", "/api/{a} a=1"),
        ("/api/1/", "/api/{a} a=1 below /"),
        ("/api/1/x/y", "/api/{a} a=1 below /x/y"),
        ("/api", "404"),
        ("/files", "/files"),
        ("/files/", "/files below /"),
        ("/files/a/b%2F", "/files below /a/b%2F"),
        ("/filesystem", "404"),
    ] {
        assert_eq!(body(&app, &format!("GET {path}")), expected, "{path}");
    }
    let strict = Router::new().nest("/users", users()).fallback(tell);
    assert_eq!(body(&strict, "GET /users/1/2"), "404");
    assert_eq!(ask(&strict, "POST /users/1").1, Some("GET, HEAD, OPTIONS".into()));
    assert_eq!(ask(&strict, "OPTIONS *").0, 204);
}

#[test]
fn routers_too_deep_within_each_other_are_an_error_and_no_wrong_answer() {
    let app = Router::new().get("/x", tell);
    let app = Router::new().nest("/7", app);
    let app = Router::new().nest("/6", app);
    let app = Router::new().nest("/5", app);
    let app = Router::new().nest("/4", app);
    let app = Router::new().nest("/3", app);
    let app = Router::new().nest("/2", app);
    let app = Router::new().nest("/1", app);
    assert_eq!(body(&app, "GET /1/2/3/4/5/6/7/x"), "/x");
    let app = Router::new().nest("/0", app);
    assert_eq!(body(&app, "GET /0/1/2/3/4/5/6/7/x"), "500");
}

#[test]
fn wrong_routes_are_refused_at_start() {
    let wrong = |make: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(make)).expect_err("it is refused");
        panic
            .downcast_ref::<&str>()
            .map(|text| String::from(*text))
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap()
    };
    for (pattern, expected) in [
        ("", "begins with '/'"),
        ("users", "begins with '/'"),
        ("/a//b", "empty segment"),
        ("//", "empty segment"),
        ("/{}", "parameter's name"),
        ("/{a-b}", "parameter's name"),
        ("/{*}", "wildcard's name"),
        ("/{*a}/b", "nothing can follow"),
        ("/{*a}/", "nothing can follow"),
        ("/{a", "segment of a route's pattern"),
        ("/a}", "segment of a route's pattern"),
        ("/a{b}", "segment of a route's pattern"),
        ("/a b", "segment of a route's pattern"),
        ("/café", "segment of a route's pattern"),
        ("/a?b", "segment of a route's pattern"),
        ("/a#b", "segment of a route's pattern"),
        ("/{a}/{a}", "two parameters of the same name"),
        ("/{a}/b/{*a}", "two parameters of the same name"),
    ] {
        let message = wrong(&|| drop(Router::new().get(pattern, tell)));
        assert!(message.contains(expected), "{pattern:?}: {message}");
    }
    for prefix in ["", "/", "/a/", "/{*a}", "/a/{*b}"] {
        wrong(&|| drop(Router::new().nest(prefix, tell)));
    }
    for (one, other) in [("/a", "/a"), ("/{a}", "/{b}"), ("/{*a}", "/{*b}"), ("/x/{a}/", "/x/{b}/"), ("/", "/")] {
        let message = wrong(&|| drop(Router::new().get(one, tell).post(other, tell).get(other, tell)));
        assert!(message.contains("two routes"), "{message}");
    }
    // The same method twice on one path, and beside them what isn't a conflict.
    let _ = Router::new()
        .get("/a", tell)
        .post("/a", tell)
        .get("/{a}", tell)
        .get("/{*a}", tell)
        .get("/a/", tell)
        .any("/a", tell);
    wrong(&|| drop(Router::new().any("/a", tell).any("/a", tell)));
    wrong(&|| drop(Router::new().fallback(tell).fallback(tell)));
    wrong(&|| drop(Router::new().nest("/a", tell).nest("/a", tell)));
    wrong(&|| drop(Router::new().nest("/a", tell).get("/a", tell)));
    wrong(&|| drop(Router::new().get("/a", tell).nest("/a", tell)));
    wrong(&|| drop(Router::new().get("/a/{*rest}", tell).nest("/a", tell)));
    wrong(&|| drop(Router::new().nest("/a", tell).get("/a/{*rest}", tell)));
    let message = wrong(&|| drop(Router::<_, 2>::sized().get("/a/b", tell)));
    assert!(message.contains("Router::sized"), "{message}");
    let message = wrong(&|| drop(Router::<_, 2>::sized().get("/", tell).post("/", tell).put("/", tell)));
    assert!(message.contains("Router::sized"), "{message}");
    let other = |router: Router, name| drop(router.on(Method::Other(name), "/", tell));
    other(Router::new(), "PURGE");
    wrong(&|| {
        let router = Router::new().on(Method::Other("A"), "/", tell).on(Method::Other("B"), "/", tell);
        let router = router.on(Method::Other("C"), "/", tell).on(Method::Other("D"), "/", tell);
        let router = router.on(Method::Other("E"), "/", tell).on(Method::Other("F"), "/", tell);
        let router = router.on(Method::Other("G"), "/", tell).on(Method::Other("H"), "/", tell);
        drop(router.on(Method::Other("I"), "/", tell));
    });
}

/// A small generator of numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn path(&mut self, pattern: bool) -> String {
        let mut path = String::new();
        let segments = self.below(5);
        for index in 0..segments {
            path.push('/');
            match self.below(if pattern { 9 } else { 6 }) {
                6 | 7 => path.push_str(["{a}", "{b}", "{c}", "{d}", "{e}"][index]),
                8 => {
                    path.push_str("{*rest}");
                    return path;
                }
                5 if index + 1 == segments => {}
                other => path.push_str(["x", "y", "xyz", "xyzzy", "long-segment", "x"][other]),
            }
        }
        if path.is_empty() { "/".into() } else { path }
    }
}

/// How well a pattern matches a path: segment by segment 0 for a literal, 1 for a parameter, 2 for a wildcard. `None` if it doesn't.
fn naive(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let split = |text: &str| -> Vec<String> {
        if text == "/" { vec![] } else { text.split('/').skip(1).map(String::from).collect() }
    };
    let (pattern, path) = (split(pattern), split(path));
    let mut ranks = vec![];
    for (index, piece) in pattern.iter().enumerate() {
        let text = path.get(index)?;
        if piece.starts_with("{*") {
            ranks.push(2);
            return (!path[index..].join("/").is_empty()).then_some(ranks);
        }
        match piece.starts_with('{') {
            true if !text.is_empty() => ranks.push(1),
            false if piece == text => ranks.push(0),
            _ => return None,
        }
    }
    (pattern.len() == path.len()).then_some(ranks)
}

/// The two patterns match the same paths.
fn alike(one: &str, other: &str) -> bool {
    let shape = |pattern: &str| {
        let pieces = pattern.split('/').map(|piece| match piece {
            piece if piece.starts_with("{*") => "*",
            piece if piece.starts_with('{') => "{",
            piece => piece,
        });
        pieces.collect::<Vec<_>>().join("/")
    };
    shape(one) == shape(other)
}

/// A pattern for as long as the program runs, which is what a router is made of. It stays within reach, by which a detector of leaks tells it
/// from what was lost.
fn kept(pattern: String) -> &'static str {
    static KEPT: Mutex<Vec<&'static str>> = Mutex::new(vec![]);
    let pattern = pattern.leak();
    KEPT.lock().unwrap().push(pattern);
    pattern
}

#[test]
fn random_tables_match_as_a_naive_matcher_does() {
    let mut random = Random(0x5eed);
    let (mut matched, mut missed) = (0, 0);
    for _ in 0..400 {
        let mut patterns: Vec<&'static str> = vec![];
        while patterns.len() < 12 {
            let pattern: &'static str = kept(random.path(true));
            if !patterns.iter().any(|other| alike(pattern, other)) {
                patterns.push(pattern);
            }
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l] = patterns[..] else { panic!("twelve") };
        let router = Router::new().get(a, tell).get(b, tell).get(c, tell).get(d, tell).get(e, tell).get(f, tell);
        let router = router.get(g, tell).get(h, tell).get(i, tell).get(j, tell).get(k, tell).get(l, tell);
        for _ in 0..200 {
            let path = random.path(false);
            let best = patterns.iter().filter_map(|pattern| Some((naive(pattern, &path)?, *pattern))).min();
            let best = best.map(|(_, pattern)| pattern);
            assert_eq!(router.pattern_of(Method::Get, &path), best, "{path} in {patterns:?}");
            assert_eq!(router.pattern_of(Method::Post, &path), None);
            if best.is_some() { matched += 1 } else { missed += 1 }
        }
    }
    assert!(matched > 5_000 && missed > 5_000, "{matched} matched, {missed} missed");
}

#[test]
fn the_parameters_of_random_routes_are_the_path_s_segments() {
    let mut random = Random(0xfeed);
    for _ in 0..2_000 {
        let pattern: &'static str = kept(random.path(true));
        let router = Router::new().get(pattern, async |request: Request<'_>, response: Response<'_>| {
            let values =
                ["a", "b", "c", "d", "e", "rest"].map(|name| request.param(name).map(|value| value.raw().to_vec()));
            let values: Vec<_> = values.into_iter().flatten().collect();
            response.status(200).body(values.join(&b' ')).await
        });
        let path = random.path(false);
        if naive(pattern, &path).is_none() {
            continue;
        }
        let mut expected = vec![];
        let (pieces, texts): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        for (index, piece) in pieces.iter().enumerate() {
            if piece.starts_with("{*") {
                expected.push(texts[index..].join("/"));
            } else if piece.starts_with('{') {
                expected.push(texts[index].into());
            }
        }
        assert_eq!(body(&router, &format!("GET {path}")), expected.join(" "), "{path} {pattern}");
    }
}

#[test]
fn a_router_that_the_compiler_made_is_the_same() {
    const fn app() -> Router<impl Routes> {
        Router::new().get("/{a}", tell).get("/x", tell)
    }
    let constant = const { &app() };
    assert_eq!((body(constant, "GET /x"), body(constant, "GET /y")), ("/x".into(), "/{a} a=y".into()));
}

#[test]
fn parameters_compare_and_parse() {
    let app = Router::new().get("/{a}", async |request: Request<'_>, response: Response<'_>| {
        let value: PercentEncoded<'_> = request.param("a")?;
        let number: u32 = value.parse()?;
        response.status(if value.is("7") { 200 } else { 201 }).header_fmt("x-n", format_args!("{number}")).empty().await
    });
    assert_eq!(
        [ask(&app, "GET /7").0, ask(&app, "GET /%37").0, ask(&app, "GET /8").0, ask(&app, "GET /x").0],
        [200, 200, 201, 400]
    );
}

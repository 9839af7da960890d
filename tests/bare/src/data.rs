//! What handlers read and write beside heads and bytes.

use core::{hint::black_box, time::Duration};

use midge::{
    CookieError, Date, EntityTag, Failure, Fields, Form, MediaType, Method, Pairs, PercentError, Representation,
    Request, Response, SameSite, Selected, Sent, ServerEvent, SetCookie,
    json::{self, Fault},
    select,
    testing::{self, Scratch},
};
use serde::{Deserialize, Serialize};

use crate::checks::{Checks, Text, check};

const FILE: u32 = 5;

/// Calls them all.
pub fn reach(checks: &mut Checks) {
    pairs(checks);
    media(checks);
    cookies(checks);
    documents(checks);
    selected(checks);
    handled(checks);
}

fn pairs(checks: &mut Checks) {
    let pairs = Pairs::new(black_box("a=1&b=x+y&a=2"));
    check!(checks, pairs.iter().count() == 3 && pairs.all("a").count() == 2);
    check!(checks, pairs.get("b").is_some_and(|value| value.is("x y")));
    let mut body = *black_box(b"a=1&b=x+y&a=2");
    let form = Form::decode(&mut body);
    check!(checks, form.is_ok_and(|form| form.iter().count() == 3 && form.get("b") == Some("x y")));
    check!(checks, form.is_ok_and(|form| form.all("a").eq(["1", "2"])));
    check!(checks, Form::decode(black_box(&mut [b'%'])) == Err(PercentError::Malformed));
}

fn media(checks: &mut Checks) {
    let Some(media) = MediaType::parse(black_box("text/html; a=\"b\\c\"; d=E")) else { return check!(checks, false) };
    check!(checks, media.kind() == "text" && media.subtype() == "html" && media.is("TEXT", "HTML") && !media.is_json());
    check!(checks, media.parameters().count() == 2);
    let Some(parameter) = media.parameter("A") else { return check!(checks, false) };
    check!(checks, parameter.plain().is_none() && parameter.decode(&mut [0; 4]) == Some("bc") && parameter.is("bc"));
    check!(checks, media.parameter("d").is_some_and(|value| value.is_ignoring_case("e")));
}

fn cookies(checks: &mut Checks) {
    let cookie = SetCookie::new(black_box("__Host-a"), "1").path("/").secure().http_only().partitioned();
    let cookie = cookie.same_site(SameSite::Lax).expires(Date::from_unix_seconds(0)).max_age(Duration::from_secs(9));
    check!(checks, cookie.check().is_ok());
    check!(checks, cookie.domain("a.example").check() == Err(CookieError::Prefix));
    check!(checks, Text::of(format_args!("{}", SetCookie::forget("a"))).as_str() == "a=; Max-Age=0");
}

#[derive(Serialize, Deserialize)]
struct User<'a> {
    name: &'a str,
    age: u8,
}

fn documents(checks: &mut Checks) {
    let mut document = *black_box(br#"{"name":"A\u0041","age":1}"#);
    let Ok(user) = json::read::<User<'_>>(&mut document) else { return check!(checks, false) };
    check!(checks, user.name == "AA" && json::length(&user) == Some(21));
    check!(checks, json::write(&user, &mut [0; 21]) == Some(r#"{"name":"AA","age":1}"#));
    let Err(error) = json::read::<u8>(black_box(&mut [b'1', b' ', b'x'])) else { return check!(checks, false) };
    check!(checks, error.fault() == Fault::Behind && error.offset() == 2 && !error.fault().message().is_empty());
    check!(checks, !Text::of(format_args!("{error}")).as_str().is_empty());
    check!(checks, Failure::from(error).explain(&mut [0; 64]).is_some_and(|text| text.ends_with(", at byte 2")));
}

fn handled(checks: &mut Checks) {
    let mut scratch = Scratch::new();
    for (request, status, body) in black_box(REQUESTS) {
        let Ok(answer) = testing::call(&everything, request.as_bytes(), &mut scratch) else {
            return check!(checks, false);
        };
        check!(checks, answer.status() == status && answer.body() == body.as_bytes());
    }
}

fn selected(checks: &mut Checks) {
    check!(checks, Date::parse_unix_seconds(black_box(b"Sun Nov  6 08:49:37 1994")) == Some(784_111_777));
    let tag = EntityTag::weak(black_box("v1"));
    check!(checks, tag.is_some_and(|tag| tag.is_weak() && tag.opaque() == "v1"));
    let current = Representation::new(black_box(5)).etag(tag).modified(1).modified_is_strong(true).without_ranges();
    let selection = select(Method::Get, Fields::NONE, Some(&current));
    check!(
        checks,
        current.length() == 5 && *selection.outcome() == Selected::Whole && selection.status().code() == 200
    );
    check!(checks, selection.range() == (0..5) && selection.of(b"hello") == b"hello");
}

async fn everything(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/query" => {
            let mut buffer = [0; 8];
            let pairs = request.query_pairs();
            let name = pairs.get("name").ok_or(Failure::new(400))?;
            response.status(200).text(name.decode(&mut buffer)?).await
        }
        "/form" => {
            let is_form = request.content_type().is_some();
            let form = request.form().await?;
            response.status(200).html(form.get("name").filter(|_| is_form).unwrap_or_default()).await
        }
        "/cookies" => {
            let cookies = request.cookies();
            let is_whole = cookies.iter().count() == 2 && cookies.all("b").count() == 1;
            let cookie = SetCookie::new("c", "3");
            let value = cookies.get("b").filter(|_| is_whole).unwrap_or_default();
            response.status(200).cookie(&cookie).text(value).await
        }
        "/redirect" => response.redirect(303, "/query").await,
        "/not-modified" => response.not_modified().header("etag", "\"1\"").empty().await,
        "/write" => {
            let mut body = response.status(200).stream().await?;
            // The macro calls write_fmt.
            write!(body, "{} of {}", black_box(1), black_box(2)).await?;
            body.finish().await
        }
        "/accepts" => {
            let media = request.accepts(&["text/html", "text/plain"]);
            let encoding = request.accepts_encoding(&["br", "gzip"]);
            let language = request.accepts_language(&["en", "de"]);
            let is_right = (media, encoding, language) == (Some("text/plain"), Some("gzip"), Some("de"));
            response.status(if is_right { 204 } else { 500 }).empty().await
        }
        "/events" => {
            let mut events = response.status(200).events().await?;
            let event = ServerEvent::new().event("e").id("1").retry(Duration::from_millis(2));
            events.send(&event.data("a")).await?;
            let (id, data) = (format_args!("{}", black_box(2)), format_args!("{}", black_box(3)));
            events.send(&ServerEvent::new().id_fmt(id).data_fmt(data)).await?;
            events.comment("").await?;
            events.finish().await
        }
        "/multipart" => {
            let mut memory = [0; 256];
            let mut form = request.multipart(&mut memory)?.max_parts(3);
            let (mut parts, mut buffer) = (0, [0; 4]);
            while let Some(mut part) = form.next().await? {
                parts += 1;
                let is_known = part.headers().len() == 1 && part.content_type().is_none();
                let is_right = match part.name() {
                    "chunk" => part.chunk().await?.is_some_and(|chunk| chunk.len() == 1),
                    "read" => part.read(&mut buffer).await? == 1 && part.filename() == Some("f"),
                    _ => part.all(&mut buffer).await? == b"c",
                };
                if !(is_known && is_right) {
                    return Err(Failure::new(500));
                }
            }
            response.status(200).text(if parts == 3 { "three" } else { "" }).await
        }
        "/select" => {
            let current = Representation::new(5).etag(EntityTag::strong("v1"));
            let selection = request.select(Some(&current));
            response.selected(&selection).body(selection.of(b"hello")).await
        }
        "/json" => {
            let mut user: User<'_> = request.json().await?;
            user.age += 1;
            response.status(200).json(&user).await
        }
        _ => Err(Failure::new(404)),
    }
}

/// What is sent, and the status and body that have to come back.
const REQUESTS: [(&str, u16, &str); 12] = [
    (
        "GET /accepts HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\nAccept-Encoding: gzip\r\nAccept-Language: de-CH\r\n\r\n",
        204,
        "",
    ),
    ("GET /events HTTP/1.1\r\nHost: a\r\n\r\n", 200, "event: e\nid: 1\nretry: 2\ndata: a\n\nid: 2\ndata: 3\n\n: \n\n"),
    (
        "POST /multipart HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 178\r\n\r\n\
         --x\r\nContent-Disposition: form-data; name=chunk\r\n\r\na\r\n\
         --x\r\nContent-Disposition: form-data; name=read; filename=f\r\n\r\nb\r\n\
         --x\r\nContent-Disposition: form-data; name=all\r\n\r\nc\r\n--x--\r\n",
        200,
        "three",
    ),
    ("GET /select HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n", 206, "el"),
    ("GET /select HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"v1\"\r\n\r\n", 304, ""),
    (
        "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"name\":\"A\",\"age\":1}",
        200,
        "{\"name\":\"A\",\"age\":2}",
    ),
    ("GET /query?name=a+b HTTP/1.1\r\nHost: a\r\n\r\n", 200, "a b"),
    (
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\nname=a+b",
        200,
        "a b",
    ),
    ("GET /cookies HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\n\r\n", 200, "2"),
    ("GET /redirect HTTP/1.1\r\nHost: a\r\n\r\n", 303, ""),
    ("GET /not-modified HTTP/1.1\r\nHost: a\r\n\r\n", 304, ""),
    ("GET /write HTTP/1.1\r\nHost: a\r\n\r\n", 200, "1 of 2"),
];

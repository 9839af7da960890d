//! What handlers read and write beside heads and bytes.

use midge::{EntityTag, Failure, Representation, Request, Response, Sent, ServerEvent, SetCookie, json};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct User<'a> {
    name: &'a str,
    age: u8,
}

/// Answers by path, all of them below `/data`.
pub async fn data(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    match request.path() {
        "/data/head" => {
            let mut buffer = [0; 16];
            let pairs = request.query_pairs();
            let name = pairs.get("name").ok_or(Failure::new(400))?.decode(&mut buffer)?;
            let cookie = request.cookies().get("b").ok_or(Failure::new(400))?;
            let media = request.accepts(&["text/html", "text/plain"]).ok_or(Failure::new(406))?;
            let set = SetCookie::new("seen", cookie).path("/").http_only();
            let mut body = response.status(200).cookie(&set).header("content-type", media).stream().await?;
            write!(body, "{name} {cookie}").await?;
            body.finish().await
        }
        "/data/form" => {
            let form = request.form().await?;
            response.status(200).text(form.get("name").unwrap_or_default()).await
        }
        "/data/json" => {
            let mut user: User<'_> = request.json().await?;
            user.age += 1;
            response.status(200).json(&user).await
        }
        "/data/large-json" => {
            // Several output buffers of it.
            let users: [User<'_>; 2_000] = std::array::from_fn(|_| User { name: "Ada \"Lovelace\"", age: 36 });
            response.status(200).json(&users[..]).await
        }
        "/data/bad-json" => {
            let failure = request.json::<User<'_>>().await.err().ok_or(Failure::new(500))?;
            Err(failure)
        }
        "/data/select" => {
            let current = Representation::new(10).etag(EntityTag::strong("v1")).modified(784_111_777);
            let selection = request.select(Some(&current));
            response.selected(&selection).body(selection.of(b"0123456789")).await
        }
        "/data/events" => {
            let mut events = response.status(200).events().await?;
            let mut buffer = [0; 64];
            let user = json::write(&User { name: "Ada", age: 36 }, &mut buffer).ok_or(Failure::new(500))?;
            events.send(&ServerEvent::new().event("user").data(user)).await?;
            events.comment("still here").await?;
            events.finish().await
        }
        "/data/parts" => {
            let (mut memory, mut bytes) = ([0; 1_024], 0);
            let mut form = request.multipart(&mut memory)?;
            while let Some(mut part) = form.next().await? {
                while let Some(chunk) = part.chunk().await? {
                    bytes += chunk.len();
                }
            }
            let mut body = response.status(200).stream().await?;
            write!(body, "{bytes} bytes in parts").await?;
            body.finish().await
        }
        "/data/redirect" => response.redirect(303, "/data/elsewhere").await,
        _ => Err(Failure::new(404)),
    }
}

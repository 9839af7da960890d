//! Answers that come up again and again.

use crate::exchange::{
    FieldLines, Response, ResponseHead,
    failure::{Failure, ResponseError},
    handler::Sent,
};

impl ResponseHead<'_> {
    /// Ends the answer with plain text: `content-type: text/plain; charset=utf-8`.
    ///
    /// # Errors
    ///
    /// As [`ResponseHead::body`].
    pub async fn text(self, text: impl AsRef<str>) -> Result<Sent, Failure> {
        self.lines(TEXT).body(text.as_ref()).await
    }

    /// Ends the answer with HTML: `content-type: text/html; charset=utf-8`. Nothing in it is escaped.
    ///
    /// # Errors
    ///
    /// As [`ResponseHead::body`].
    pub async fn html(self, html: impl AsRef<str>) -> Result<Sent, Failure> {
        self.lines(HTML).body(html.as_ref()).await
    }
}

impl<'x> Response<'x> {
    /// Sends the client elsewhere, without a body: 301 or 308 for good, 302 or 307 for now (307 and 308 with the same method and body), 303 to
    /// what there is to see after a `POST` (RFC 9110, section 15.4).
    ///
    /// `location` is a URI reference, encoded as it has to be: `/path?query`, or a whole URI. One that comes from the request sends the client to
    /// wherever the request's author likes, `//elsewhere.example` included: compare it with what you know.
    ///
    /// # Errors
    ///
    /// Another status ([`ResponseError::Status`]), or a location that is empty or holds what no URI does
    /// ([`ResponseError::Location`]: blanks, controls, anything but ASCII, one of ``"<>\^`{|}``, a `%` without two hexadecimal digits).
    pub async fn redirect(self, status: u16, location: &str) -> Result<Sent, Failure> {
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(ResponseError::Status.into());
        }
        if !is_uri_reference(location) {
            return Err(ResponseError::Location.into());
        }
        self.status(status).header("location", location).empty().await
    }

    /// Begins a 304 (Not Modified): fields that its 200 would have had (`etag`, `cache-control`, `vary`, `expires`) are still to be added
    /// (RFC 9110, section 15.4.5), and [`ResponseHead::empty`] ends it. [`Request::select`](crate::Request::select)
    /// decides when it is due.
    pub fn not_modified(self) -> ResponseHead<'x> {
        self.status(304)
    }
}

/// Whether `text` has nothing in it that a URI reference can't have (RFC 3986, section 2).
fn is_uri_reference(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        match byte {
            b'%' => match tail {
                [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
                _ => return false,
            },
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => return false,
            0x21..=0x7e => {}
            _ => return false,
        }
        rest = tail;
    }
    !text.is_empty()
}

const TEXT: FieldLines = FieldLines::new("content-type: text/plain; charset=utf-8\r\n");
const HTML: FieldLines = FieldLines::new("content-type: text/html; charset=utf-8\r\n");

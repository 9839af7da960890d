//! The cookies that a client sends.

use crate::{exchange::Request, http1::fields::Fields};

/// The cookies of a request: of all its `Cookie` fields, in order (RFC 6265bis, section 4.2).
///
/// Names are compared as they are, case and all; values are given as they are, with quotes if they have any. A piece without `=`, and one that
/// isn't UTF-8, is no cookie and passed over.
///
/// ```
/// # use midge::{testing, Request, Response};
/// # let mut scratch = testing::Scratch::new();
/// # let handler =
/// async |request: Request<'_>, response: Response<'_>| {
///     response.status(200).text(request.cookies().get("session").unwrap_or("none")).await
/// }
/// # ;
/// # let answer = testing::call(&handler, b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; session=x=y\r\n\r\n", &mut scratch)?;
/// # assert_eq!(answer.body(), b"x=y");
/// # Ok::<(), testing::CallError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Cookies<'a>(Fields<'a>);

impl<'a> Cookies<'a> {
    /// Name and value of every cookie.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.0.all("cookie").flat_map(|field| field.split(|byte| *byte == b';')).filter_map(|pair| {
            let (name, value) = core::str::from_utf8(pair).ok()?.split_once('=')?;
            Some((name.trim_matches(BLANKS), value.trim_matches(BLANKS)))
        })
    }

    /// The value of the first cookie with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The values of all cookies with this name: a client may have several, for different paths or domains.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.iter().filter(move |(each, _)| *each == name).map(|(_, value)| value)
    }
}

impl<'x> Request<'x> {
    /// The cookies.
    #[must_use]
    pub fn cookies(&self) -> Cookies<'x> {
        Cookies(self.headers())
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

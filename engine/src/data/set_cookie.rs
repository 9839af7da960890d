//! Cookies that are given to a client.

use core::{fmt, time::Duration};

use crate::{
    exchange::{ResponseHead, failure::ResponseError},
    http1::date::Date,
};

use super::media::is_token;

/// A cookie to be set, with its attributes (RFC 6265bis, section 4.1). [`ResponseHead::cookie`] checks it and adds it to an answer.
///
/// ```
/// use midge::{SameSite, SetCookie};
///
/// let cookie = SetCookie::new("__Host-session", "38afes7a8").path("/").secure().http_only().same_site(SameSite::Lax);
/// assert!(cookie.check().is_ok());
/// assert_eq!(cookie.to_string(), "__Host-session=38afes7a8; Path=/; Secure; HttpOnly; SameSite=Lax");
/// assert!(SetCookie::new("name", "semi;colon").check().is_err());
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "a cookie is set with ResponseHead::cookie"]
pub struct SetCookie<'a> {
    name: &'a str,
    value: &'a str,
    path: Option<&'a str>,
    domain: Option<&'a str>,
    expires: Option<Date>,
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site: Option<SameSite>,
    partitioned: bool,
}

/// Whether a cookie goes along with requests that other sites cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always; such a cookie has to be secure.
    None,
}

impl<'a> SetCookie<'a> {
    /// A cookie that lasts as long as the client's session. The value is sent as it is: encode what isn't visible ASCII, or has a quote, comma,
    /// semicolon or backslash in it.
    pub const fn new(name: &'a str, value: &'a str) -> Self {
        Self {
            name,
            value,
            path: None,
            domain: None,
            expires: None,
            max_age: None,
            secure: false,
            http_only: false,
            same_site: None,
            partitioned: false,
        }
    }

    /// The cookie that makes a client forget the one with this name, given the same path and domain: empty, and over at once.
    pub const fn forget(name: &'a str) -> Self {
        Self::new(name, "").max_age(Duration::ZERO)
    }

    /// The paths that it goes to: this one and those below it.
    pub const fn path(mut self, path: &'a str) -> Self {
        self.path = Some(path);
        self
    }

    /// The host that it goes to, with those below it; without this, only to the one that set it.
    pub const fn domain(mut self, domain: &'a str) -> Self {
        self.domain = Some(domain);
        self
    }

    /// When it is over.
    pub const fn expires(mut self, date: Date) -> Self {
        self.expires = Some(date);
        self
    }

    /// How long it lasts, in whole seconds. Clients heed this more than [`SetCookie::expires`].
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// It goes out over TLS alone.
    pub const fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Scripts don't see it.
    pub const fn http_only(mut self) -> Self {
        self.http_only = true;
        self
    }

    /// Whether it goes along with requests that other sites cause.
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// It is kept apart for each site that embeds this one (CHIPS); such a cookie has to be secure.
    pub const fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Whether the cookie is one that clients keep.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), CookieError> {
        let is_path = |path: &str| path.starts_with('/') && path.bytes().all(is_attribute_byte);
        if !is_token(self.name) {
            return Err(CookieError::Name);
        }
        if !is_cookie_value(self.value) {
            return Err(CookieError::Value);
        }
        if self.name.len() + self.value.len() > MAX_PAIR {
            return Err(CookieError::TooLong);
        }
        if !self.path.is_none_or(is_path) {
            return Err(CookieError::Path);
        }
        if !self.domain.is_none_or(is_domain) {
            return Err(CookieError::Domain);
        }
        if !self.secure && (self.partitioned || self.same_site == Some(SameSite::None)) {
            return Err(CookieError::NotSecure);
        }
        // Clients compare the prefixes without regard to case (RFC 6265bis, section 4.1.3).
        if has_prefix(self.name, "__Secure-") && !self.secure {
            return Err(CookieError::Prefix);
        }
        if has_prefix(self.name, "__Host-") && !(self.secure && self.path == Some("/") && self.domain.is_none()) {
            return Err(CookieError::Prefix);
        }
        Ok(())
    }
}

/// The field's value.
impl fmt::Display for SetCookie<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)?;
        if let Some(path) = self.path {
            write!(f, "; Path={path}")?;
        }
        if let Some(domain) = self.domain {
            write!(f, "; Domain={domain}")?;
        }
        if let Some(date) = self.expires {
            write!(f, "; Expires={date}")?;
        }
        if let Some(age) = self.max_age {
            write!(f, "; Max-Age={}", age.as_secs())?;
        }
        for (is_set, attribute) in
            [(self.secure, "; Secure"), (self.http_only, "; HttpOnly"), (self.partitioned, "; Partitioned")]
        {
            f.write_str(if is_set { attribute } else { "" })?;
        }
        f.write_str(match self.same_site {
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
            None => "",
        })
    }
}

/// A cookie that clients would not keep, or would keep as another one than was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is not a token.
    Name,
    /// The value holds a blank, a control, a quote, a comma, a semicolon, a backslash or something that isn't ASCII. Quotes around it are right.
    Value,
    /// Name and value together are longer than 4,096 bytes, which is all that clients keep.
    TooLong,
    /// The path doesn't begin with `/`, or holds a semicolon, a control or something that isn't ASCII.
    Path,
    /// The domain isn't one: letters, digits, `-`, and dots between them.
    Domain,
    /// `SameSite=None` or `Partitioned` without `Secure`.
    NotSecure,
    /// A name that begins with `__Secure-` without `Secure`, or with `__Host-` without `Secure` and `Path=/`, or with a domain.
    Prefix,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a cookie's name that is not a token",
            Self::Value => "a cookie's value with a byte that cookies can't hold; encode it",
            Self::TooLong => "a cookie of more than 4,096 bytes",
            Self::Path => "a cookie's path that doesn't begin with / or has a byte that cookies can't hold",
            Self::Domain => "a cookie's domain that is none",
            Self::NotSecure => "a cookie with SameSite=None or Partitioned and without Secure",
            Self::Prefix => "a cookie whose name begins with __Secure- or __Host- and that isn't what that promises",
        })
    }
}

impl core::error::Error for CookieError {}

impl ResponseHead<'_> {
    /// Gives the client a cookie, in a `set-cookie` field of its own. One that breaks a rule is an error that the head's end gives
    /// ([`ResponseError::Cookie`]; [`SetCookie::check`] says why).
    pub fn cookie(self, cookie: &SetCookie<'_>) -> Self {
        match cookie.check() {
            Ok(()) => self.header_fmt("set-cookie", format_args!("{cookie}")),
            Err(_) => self.fault(ResponseError::Cookie),
        }
    }
}

/// `cookie-value`: cookie octets, with quotes around them or without.
fn is_cookie_value(value: &str) -> bool {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    inner.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e))
}

/// `av-octet`.
const fn is_attribute_byte(byte: u8) -> bool {
    matches!(byte, 0x20..=0x3a | 0x3c..=0x7e)
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !(label.starts_with('-') || label.ends_with('-'))
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Name and value of the longest cookie (RFC 6265bis, section 5.6).
const MAX_PAIR: usize = 4_096;

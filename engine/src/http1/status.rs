//! Status codes (RFC 9110, section 15).

use core::fmt;

/// A three-digit status code. [`Response::status`](crate::Response::status) takes plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

impl Status {
    /// 200 (OK)
    pub const OK: Self = Self(200);
    /// 206 (Partial Content)
    pub(crate) const PARTIAL_CONTENT: Self = Self(206);
    /// 304 (Not Modified)
    pub(crate) const NOT_MODIFIED: Self = Self(304);
    /// 412 (Precondition Failed)
    pub(crate) const PRECONDITION_FAILED: Self = Self(412);
    /// 416 (Range Not Satisfiable)
    pub(crate) const RANGE_NOT_SATISFIABLE: Self = Self(416);
    /// 500 (Internal Server Error)
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);

    /// The status with this code; `None` outside 100 to 599, which RFC 9110 has no meaning for.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 599 { Some(Self(code)) } else { None }
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether this is an interim (1xx) status, which an answer can't end with.
    #[must_use]
    pub const fn is_interim(self) -> bool {
        self.0 < 200
    }

    /// Whether an answer with this status has no content, whatever the method (RFC 9112, section 6.3).
    #[must_use]
    pub const fn is_bodiless(self) -> bool {
        self.is_interim() || self.0 == 204 || self.0 == 304
    }

    /// Whether an answer with this status has content, even if that is empty (RFC 9110, section 6.4.1).
    #[inline]
    pub(crate) const fn has_body(self) -> bool {
        !(self.is_bodiless() || self.0 == 205)
    }

    /// The code's three digits.
    #[must_use]
    pub const fn digits(self) -> [u8; 3] {
        [b'0' + (self.0 / 100) as u8, b'0' + (self.0 / 10 % 10) as u8, b'0' + (self.0 % 10) as u8]
    }

    /// The reason phrase that the registry gives the code; empty for a code without one.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self.0 {
            100 => "Continue",
            101 => "Switching Protocols",
            102 => "Processing",
            103 => "Early Hints",
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            203 => "Non-Authoritative Information",
            204 => "No Content",
            205 => "Reset Content",
            206 => "Partial Content",
            207 => "Multi-Status",
            208 => "Already Reported",
            226 => "IM Used",
            300 => "Multiple Choices",
            301 => "Moved Permanently",
            302 => "Found",
            303 => "See Other",
            304 => "Not Modified",
            305 => "Use Proxy",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Payment Required",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            409 => "Conflict",
            410 => "Gone",
            411 => "Length Required",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Range Not Satisfiable",
            417 => "Expectation Failed",
            421 => "Misdirected Request",
            422 => "Unprocessable Content",
            423 => "Locked",
            424 => "Failed Dependency",
            425 => "Too Early",
            426 => "Upgrade Required",
            428 => "Precondition Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            451 => "Unavailable For Legal Reasons",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            505 => "HTTP Version Not Supported",
            506 => "Variant Also Negotiates",
            507 => "Insufficient Storage",
            508 => "Loop Detected",
            511 => "Network Authentication Required",
            _ => "",
        }
    }
}

impl fmt::Display for Status {
    /// The code and, where there is one, the reason phrase: `404 Not Found`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason();
        if reason.is_empty() { write!(f, "{}", self.0) } else { write!(f, "{} {reason}", self.0) }
    }
}

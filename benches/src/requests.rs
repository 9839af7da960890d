//! The requests that are sent and read, byte for byte.

/// The smallest that a program sends: a `Host` and nothing else. 40 bytes.
pub const SMALL: &[u8] = include_bytes!("../requests/get-40.http");

/// As a browser asks for a script: 12 fields, 453 bytes.
pub const SCRIPT: &[u8] = include_bytes!("../requests/get-453.http");

/// As a browser asks for a page: 10 fields, 700 bytes.
pub const BROWSER: &[u8] = include_bytes!("../requests/get-browser-700.http");

/// As a browser asks for a page behind a login: 19 fields, 2 KiB.
pub const LARGE: &[u8] = include_bytes!("../requests/get-2k.http");

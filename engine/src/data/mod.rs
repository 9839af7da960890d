//! What handlers read and write beside heads and bytes: queries, forms, cookies, media types, documents. One file for each.
//!
//! All of it is asked for: a request that doesn't ask costs nothing, and nothing is kept in the request or the exchange.

mod accept;
mod answers;
pub(crate) mod cookies;
mod date;
pub(crate) mod escape;
pub(crate) mod etag;
pub(crate) mod events;
pub(crate) mod form;
#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(feature = "json")]
pub mod json;
pub(crate) mod media;
pub(crate) mod multipart;
pub(crate) mod query;
mod range;
pub(crate) mod select;
pub(crate) mod set_cookie;
mod window;

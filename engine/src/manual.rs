//! The manual: what doesn't fit beside one item.
//!
//! - [`embedding`]: how to serve handlers somewhere new, on a socket of your own, from events, or without an operating system.
//! - [`attacks`]: the field's past vulnerabilities one by one, and why each can't happen here.
//! - [`unsupported`]: what midge doesn't do, and why.

#[doc = include_str!("../manual/attacks.md")]
pub mod attacks {}

#[doc = include_str!("../manual/embedding.md")]
pub mod embedding {}

#[doc = include_str!("../manual/unsupported.md")]
pub mod unsupported {}

/// The examples of docs/data.md, which are compiled where all that they use is there.
#[cfg(all(doctest, feature = "json"))]
#[doc = include_str!("../../docs/data.md")]
mod data {}

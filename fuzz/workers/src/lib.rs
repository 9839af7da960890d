//! The Workers host's driver (`adapters/workers/src/host.rs`) as it is, on a shim that is written in Rust: `abi.rs` here stands where the adapter
//! has its imports, and does what `js/midge.js` does on the other side of them.

#![forbid(unsafe_code)]

mod abi;
#[allow(dead_code)]
#[path = "../../../adapters/workers/src/error.rs"]
mod error;
#[allow(dead_code)]
#[path = "../../../adapters/workers/src/host.rs"]
mod host;

pub use crate::{
    abi::{Answer, CUT, DONE, Memory, Platform, with},
    host::{Headers, serve},
};

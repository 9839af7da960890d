//! Invariant: a JSON body is read exactly if serde_json reads it (but for nesting over the limit), to the same value; what is written of it
//! is the same document again.
//!
//! Input: the document.

use std::collections::BTreeMap;

use midge::json::{self, Fault};
use serde::{Deserialize, Serialize};

/// Reads one document both ways, and writes it.
pub fn check(data: &[u8]) {
    // A number's form may change on the way (1e10 is written as 10000000000), and with it its variant of `Value`.
    compare::<serde_json::Value>(data, |_, _| true);
    compare::<BTreeMap<String, Vec<Record>>>(data, PartialEq::eq);
    compare::<Record>(data, PartialEq::eq);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u32,
    name: String,
    #[serde(default)]
    tags: Vec<String>,
    note: Option<String>,
    score: Option<i64>,
}

fn compare<T>(data: &[u8], is_same: fn(&T, &T) -> bool)
where
    T: serde::de::DeserializeOwned + Serialize + PartialEq + std::fmt::Debug,
{
    let ours = json::read::<T>(&mut data.to_vec());
    let theirs = serde_json::from_slice::<T>(data);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (Err(_), Err(_)) => return,
        // Deeper than the limit; or an escape in what is skipped, where serde_json doesn't look.
        (Err(error), Ok(_)) if matches!(error.fault(), Fault::Depth | Fault::Escape | Fault::Utf8) => return,
        _ => panic!("{ours:?}, but serde_json {theirs:?}"),
    }
    let Ok(value) = ours else { return };
    let length = json::length(&value).expect("it can be written");
    let mut buffer = vec![0; usize::try_from(length).expect("it fits")];
    let written = json::write(&value, &mut buffer).expect("there is room");
    assert_eq!(written.len() as u64, length);
    let again = serde_json::from_str::<T>(written).expect("it is JSON");
    assert!(is_same(&again, &value), "{again:?}, not {value:?}");
}

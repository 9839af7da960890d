//! All of the engine's tests in one program, which is built and run far sooner than thirty: what tests/mutants runs for each mutant.

#[path = "accept.rs"]
mod accept;
#[path = "access_log.rs"]
mod access_log;
#[path = "answers.rs"]
mod answers;
#[path = "arena.rs"]
mod arena;
#[path = "around.rs"]
mod around;
#[path = "bodies.rs"]
mod bodies;
#[path = "bounds.rs"]
mod bounds;
#[path = "client.rs"]
mod client;
#[path = "deadlines.rs"]
mod deadlines;
#[path = "events.rs"]
mod events;
#[path = "framing.rs"]
mod framing;
#[path = "heads.rs"]
mod heads;
#[path = "http_types.rs"]
mod http_types;
#[path = "json.rs"]
mod json;
#[path = "limits.rs"]
mod limits;
#[path = "multipart.rs"]
mod multipart;
#[path = "outside.rs"]
mod outside;
#[path = "pairs.rs"]
mod pairs;
#[path = "past.rs"]
mod past;
#[path = "percent.rs"]
mod percent;
#[path = "plain.rs"]
mod plain;
#[path = "pool.rs"]
mod pool;
#[path = "replies.rs"]
mod replies;
#[path = "router.rs"]
mod router;
#[path = "select.rs"]
mod select;
#[path = "sequences.rs"]
mod sequences;
#[path = "sixty.rs"]
mod sixty;
#[path = "space.rs"]
mod space;
#[path = "splits.rs"]
mod splits;
#[path = "steps.rs"]
mod steps;
#[path = "texts.rs"]
mod texts;
#[path = "trace.rs"]
mod trace;
#[path = "whole.rs"]
mod whole;
#[path = "wire.rs"]
mod wire;

//! Each class of bug that HTTP/1.1 implementations were seen to have, by the name of the class: the rule that midge has for it is
//! tested here, or where the list below says.
//!
//! | class | where |
//! |---|---|
//! | Content-Length and Transfer-Encoding; each of them disguised; HTTP/1.0 | [`framing`] |
//! | chunk lines, data, extensions, trailers; what httparse accepts | [`chunks`] |
//! | heads: blanks, CR, LF, NUL, folding, hostile fields, dribbling | [`heads`] |
//! | bodies: unread, declared and not sent; half-close; answers lost to a reset | [`bodies`] |
//! | response splitting | [`splitting`](crate::splitting) |
//! | `Expect` handled wrongly | [`expectations`](crate::expectations) |
//! | an upgrade granted too early | [`upgrades`](crate::upgrades) |
//! | a flood of tiny chunks | [`crowds`](crate::crowds) |
//! | slow heads, bodies and readers; half-close spins | [`slow`](crate::slow) |
//! | dependencies with advisories | [`dependencies`] |
//!
//! A path decoded twice, and traversal, take a router that decodes paths, which midge doesn't have: handlers see the path as it came,
//! and [`heads`] tests that.

mod bodies;
mod chunks;
mod dependencies;
mod framing;
mod heads;

use std::fmt::Debug;

use crate::support::{PATIENT, attack, every_slot_serves, talk};

/// What follows a message that could end in two places.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Wants each of `requests` to be refused with its status, and what follows it to be no request.
fn are_refused<R: AsRef<[u8]> + Debug>(requests: impl IntoIterator<Item = (u16, R)>) {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            for (status, request) in requests {
                let bytes = [request.as_ref(), SMUGGLED.as_bytes()].concat();
                let answers = talk(address, &bytes);
                let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
                assert_eq!(statuses, [status], "{:?}: {answers:?}", request.as_ref().escape_ascii().to_string());
            }
            let seen = app.seen();
            assert!(!seen.iter().any(|seen| seen.contains("smuggled")), "{seen:?}");
            every_slot_serves(address, 1);
        },
    );
}

/// Wants each of `requests` to be answered with its content and read to its end, so that what follows it is the next request.
fn are_read<R: AsRef<[u8]> + Debug>(requests: impl IntoIterator<Item = (R, &'static str)>) {
    attack(
        |server| server.slots(1).limits(PATIENT),
        |app, address| {
            for (request, content) in requests {
                let next = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                let answers = talk(address, &[request.as_ref(), next].concat());
                assert_eq!(answers, [(200, content.to_owned()), (200, "hello".to_owned())], "{request:?}");
                assert_eq!(app.seen().last().unwrap(), "GET /next");
            }
        },
    );
}

//! The states of a connection, and every transition between them.
//!
//! Rules of this file: everything that changes what may happen next on a connection stands here, as a table; nothing
//! else changes a state; and this file knows neither bytes nor time.
//!
//! ```text
//!            bytes         head read            answered, body read
//!   Idle ------------> Head ---------> Exchange -------------------> Idle
//!    |                  |              |  |  |                        ^
//!    | end, idle too    | refused      |  |  | answered, body left    | drained
//!    | long             | too slow     |  |  +-----------> Drain -----+
//!    v                  v              |  | refused, close |
//!  Closed <---------- Linger <---------+--+----------------+
//!    ^   client closed,                | cut
//!    |   lingered too long             |
//!    +---------------------------------+
//! ```

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Between two requests: nothing of the next one is there.
    Idle = 0,
    /// A part of a request head is there.
    Head = 1,
    /// A handler runs: the body is read and the answer written as it asks.
    Exchange = 2,
    /// The answer is complete; what the handler left of the body is read and thrown away.
    Drain = 3,
    /// The last answer is out. The connection's write side is closed, and what still arrives is thrown away, so that no
    /// reset overtakes the answer (RFC 9112, section 9.6).
    Linger = 4,
    /// Over.
    Closed = 5,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Event {
    /// Bytes of the next request are there.
    Bytes = 0,
    /// A head was read whole and accepted.
    HeadRead = 1,
    /// The request was refused, for what it says or for being slow, and that answer is written.
    Refused = 2,
    /// The answer is complete, the body was read to its end, and the connection is kept.
    Answered = 3,
    /// The answer is complete and the connection is kept, but some of the body is unread.
    BodyLeft = 4,
    /// The rest of the body was thrown away.
    Drained = 5,
    /// The answer is complete, or given up, and the connection isn't kept.
    Close = 6,
    /// The client closed its side and owes nothing, or everything it is owed is written.
    End = 7,
    /// The connection can't go on: cut it as it is, so that the client sees a truncated message.
    Cut = 8,
    /// What was there were empty lines, and no request.
    EmptyLines = 9,
}

impl State {
    /// The state after `event`. What can't happen in a state closes the connection.
    #[must_use]
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the tables are as large as the enums")]
    pub const fn after(self, event: Event) -> Self {
        TRANSITIONS[self as usize][event as usize]
    }

    /// Which of the deadlines counts in this state.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table is as large as the enum")]
    pub const fn deadline(self) -> Deadline {
        DEADLINES[self as usize]
    }
}

/// The deadlines that [`Limits`](crate::Limits) sets, by what they wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// None.
    None,
    /// `idle_time`: for the next request.
    Idle,
    /// `head_time`: for a head to be complete.
    Head,
    /// `body_grace` and `body_rate`, `write_grace` and `write_rate`, `request_time`: for progress.
    Progress,
    /// `linger_time`: for the client to close.
    Linger,
}

const EVENTS: usize = Event::EmptyLines as usize + 1;
const STATES: usize = Closed as usize + 1;

use State::{Closed, Drain, Exchange, Head, Idle, Linger};

#[rustfmt::skip]
const TRANSITIONS: [[State; EVENTS]; STATES] = [
    //              Bytes   HeadRead  Refused Answered BodyLeft Drained Close   End     Cut     EmptyLines
    /* Idle     */ [Head,   Closed,   Closed, Closed,  Closed,  Closed, Linger, Closed, Closed, Closed],
    /* Head     */ [Head,   Exchange, Linger, Closed,  Closed,  Closed, Linger, Closed, Closed, Idle],
    /* Exchange */ [Closed, Closed,   Linger, Idle,    Drain,   Closed, Linger, Closed, Closed, Closed],
    /* Drain    */ [Drain,  Closed,   Linger, Closed,  Closed,  Idle,   Linger, Closed, Closed, Closed],
    /* Linger   */ [Linger, Closed,   Linger, Closed,  Closed,  Closed, Linger, Closed, Closed, Closed],
    /* Closed   */ [Closed, Closed,   Closed, Closed,  Closed,  Closed, Closed, Closed, Closed, Closed],
];

const DEADLINES: [Deadline; STATES] =
    [Deadline::Idle, Deadline::Head, Deadline::Progress, Deadline::Progress, Deadline::Linger, Deadline::None];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; STATES] = [Idle, Head, Exchange, Drain, Linger, Closed];
    const EVENTS_ALL: [Event; EVENTS] = [
        Event::Bytes,
        Event::HeadRead,
        Event::Refused,
        Event::Answered,
        Event::BodyLeft,
        Event::Drained,
        Event::Close,
        Event::End,
        Event::Cut,
        Event::EmptyLines,
    ];

    #[test]
    fn nothing_leaves_closed_and_only_closing_leaves_linger() {
        for event in EVENTS_ALL {
            assert_eq!(Closed.after(event), Closed);
            assert!(matches!(Linger.after(event), Linger | Closed));
        }
    }

    #[test]
    fn a_cut_and_an_end_close_every_state() {
        for state in ALL {
            assert_eq!(state.after(Event::Cut), Closed);
            assert_eq!(state.after(Event::End), Closed);
        }
    }

    #[test]
    fn a_handler_runs_only_after_a_whole_head() {
        for state in ALL {
            for event in EVENTS_ALL {
                if state.after(event) == Exchange {
                    assert_eq!((state, event), (Head, Event::HeadRead));
                }
            }
        }
    }

    #[test]
    fn only_a_whole_request_or_none_leads_back_to_idle() {
        for state in ALL {
            for event in EVENTS_ALL {
                if state.after(event) == Idle {
                    assert!(matches!(
                        (state, event),
                        (Exchange, Event::Answered) | (Drain, Event::Drained) | (Head, Event::EmptyLines)
                    ));
                }
            }
        }
    }

    #[test]
    fn every_state_but_the_last_has_a_deadline() {
        for state in ALL {
            assert_eq!(state.deadline() == Deadline::None, state == Closed);
        }
    }
}

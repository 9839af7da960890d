//! A host for this crate's own tests: it answers what a test says, and writes down what it is told.

use std::{
    cell::RefCell,
    collections::VecDeque,
    format,
    string::{String, ToString},
    sync::{Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use crate::abi::{AnyMemory, Buffers, started};

/// What the host has for an event. Its answers are used up in the order in which they stand.
pub(crate) struct Host {
    /// `METHOD authority/path`.
    pub(crate) head: &'static str,
    pub(crate) class: &'static str,
    /// Of the request.
    pub(crate) fields: Fields,
    /// Of the request's body, `u32::MAX` if it isn't known.
    pub(crate) length: u32,
    /// The request's body.
    pub(crate) body: VecDeque<Read>,
    /// What `answer`, `respond`, `fail` and `deadline` give.
    pub(crate) takes_answer: i32,
    /// What the next calls of `write` and `send` give, before they take everything.
    pub(crate) writes: VecDeque<i32>,
    /// What the next calls come to. Their handles are 1, 2, and so on.
    pub(crate) calls: Vec<Answer>,
    pub(crate) now: f64,
    /// What is random: nothing else is given.
    pub(crate) random: &'static [u8],
    /// What it was told, in order.
    pub(crate) told: Vec<String>,
    pub(crate) started: usize,
}

pub(crate) type Fields = &'static [(&'static str, &'static str)];

/// A read of a body.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    Bytes(&'static [u8]),
    /// Nothing yet, or an error.
    Errno(i32),
}

/// What a host call comes to.
#[derive(Default)]
pub(crate) struct Answer {
    /// What `call` gives instead of a handle.
    pub(crate) refused: i32,
    /// What `poll` gives, one after the other; the last one again and again.
    pub(crate) polls: VecDeque<f64>,
    pub(crate) value: Vec<u8>,
    pub(crate) rows: VecDeque<Vec<u8>>,
    pub(crate) fields: Fields,
    pub(crate) body: VecDeque<Read>,
}

impl Answer {
    /// A call that has ended, with this value.
    pub(crate) fn value(value: &[u8]) -> Self {
        Self { value: value.to_vec(), polls: [value.len() as f64].into(), ..Self::default() }
    }

    /// A call that has ended, with this number or errno.
    pub(crate) fn number(number: f64) -> Self {
        Self { polls: [number].into(), ..Self::default() }
    }

    /// A call that isn't even begun.
    pub(crate) fn refused(errno: i32) -> Self {
        Self { refused: errno, ..Self::default() }
    }
}

impl Host {
    pub(crate) fn new(head: &'static str) -> Self {
        Self {
            head,
            class: "",
            fields: &[],
            length: 0,
            body: VecDeque::new(),
            takes_answer: 0,
            writes: VecDeque::new(),
            calls: Vec::new(),
            now: 0.0,
            random: b"",
            told: Vec::new(),
            started: 0,
        }
    }

    /// The host of this test from now on. One test at a time: what is passed on is noted for the whole program, as an instance has one event.
    pub(crate) fn enter(self) -> Guard {
        let guard = Guard(ONE.lock().unwrap_or_else(PoisonError::into_inner));
        HOST.with(|host| *host.borrow_mut() = Some(self));
        guard
    }

    fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    /// Has its request served in this memory: writes the head there, as much of it as there is room for, and says how long head and body are.
    pub(crate) fn start(&self, memory: &impl AnyMemory) {
        if let Some(Buffers { head, lent: _lent, .. }) = memory.lend() {
            head.iter_mut().zip(self.head.bytes()).for_each(|(place, byte)| *place = byte);
        }
        started(self.head.len() as u32, self.length);
    }

    pub(crate) fn class(&self, place: &mut [u8]) -> i32 {
        fill(self.class.as_bytes(), place)
    }

    pub(crate) fn field(&mut self, handle: u32, name: &[u8], place: &mut [u8]) -> i32 {
        let fields =
            if handle == 0 { self.fields } else { self.called(handle).map_or(&[][..], |answer| answer.fields) };
        let found = fields.iter().find(|(known, _)| known.as_bytes() == name);
        found.map_or(ENOENT, |(_, value)| fill(value.as_bytes(), place))
    }

    pub(crate) fn fields(&self, place: &mut [u8]) -> i32 {
        let lines: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        fill(lines.as_bytes(), place)
    }

    pub(crate) fn read(&mut self, handle: u32, place: &mut [u8]) -> i32 {
        let body = if handle == 0 {
            &mut self.body
        } else {
            match self.called(handle) {
                Some(answer) => &mut answer.body,
                None => return EBADF,
            }
        };
        match body.pop_front() {
            None => 0,
            Some(Read::Errno(errno)) => errno,
            Some(Read::Bytes(bytes)) => {
                let (now, later) = bytes.split_at(bytes.len().min(place.len()));
                if !later.is_empty() {
                    body.push_front(Read::Bytes(later));
                }
                fill(now, place)
            }
        }
    }

    pub(crate) fn answer(&mut self, status: u32, lines: &[u8], bytes: &[u8], body: f64) -> i32 {
        self.tell(format!("answer {status} [{}] {:?} {body}", lossy(lines), lossy(bytes)));
        self.takes_answer
    }

    pub(crate) fn respond(&mut self, status: u32, lines: &[u8], passed: u32, body: f64) -> i32 {
        self.tell(format!("respond {status} [{}] {body} {passed}", lossy(lines)));
        self.takes_answer
    }

    pub(crate) fn write(&mut self, bytes: &[u8], last: u32) -> i32 {
        let taken = self.writes.pop_front().unwrap_or(bytes.len() as i32);
        if taken >= 0 {
            self.tell(format!("write {:?}{}", lossy(bytes), if last == 1 { " last" } else { "" }));
        }
        taken
    }

    pub(crate) fn fail(&mut self, status: u32, message: &[u8], lines: &[u8]) -> i32 {
        self.tell(format!("fail {status} {:?} [{}]", lossy(message), lossy(lines)));
        self.takes_answer
    }

    pub(crate) fn deadline(&mut self, lines: &[u8], limit: u32, millis: f64) -> i32 {
        self.tell(format!("{} {millis} [{}]", if limit == 1 { "limit" } else { "deadline" }, lossy(lines)));
        self.takes_answer
    }

    pub(crate) fn call(&mut self, operation: u32, parts: &[&[u8]]) -> i32 {
        let parts: Vec<String> = parts.iter().map(|part| format!("{:?}", lossy(part))).collect();
        self.tell(format!("call {operation} {}", parts.join(" ")));
        let refused = self.calls.get(self.started).map(|answer| answer.refused);
        self.started += 1;
        match refused {
            Some(0) => self.started as i32,
            Some(errno) => errno,
            None => ENOSYS,
        }
    }

    pub(crate) fn poll(&mut self, handle: u32) -> f64 {
        let Some(answer) = self.called(handle) else { return f64::from(EBADF) };
        let number = answer.polls.front().copied().unwrap_or_default();
        if answer.polls.len() > 1 {
            answer.polls.pop_front();
        }
        number
    }

    pub(crate) fn take(&mut self, handle: u32, place: &mut [u8]) -> i32 {
        self.called(handle).map_or(EBADF, |answer| fill(&answer.value, place))
    }

    pub(crate) fn next(&mut self, handle: u32, place: &mut [u8]) -> i32 {
        let Some(answer) = self.called(handle) else { return EBADF };
        match answer.rows.front() {
            None => ENOENT,
            Some(row) if row.len() > place.len() => row.len() as i32,
            Some(row) => {
                let size = fill(row, place);
                answer.rows.pop_front();
                size
            }
        }
    }

    pub(crate) fn skip(&mut self, handle: u32) -> i32 {
        let Some(answer) = self.called(handle) else { return EBADF };
        if answer.rows.pop_front().is_some() { 0 } else { ENOENT }
    }

    pub(crate) fn send(&mut self, handle: u32, bytes: &[u8], last: u32) -> i32 {
        let taken = self.writes.pop_front().unwrap_or(bytes.len() as i32);
        if taken >= 0 {
            self.tell(format!("send {handle} {:?}{}", lossy(bytes), if last == 1 { " last" } else { "" }));
        }
        taken
    }

    pub(crate) fn again(&mut self) {
        self.tell("again".into());
    }

    pub(crate) fn close(&mut self, handle: u32) {
        self.tell(format!("close {handle}"));
    }

    pub(crate) fn random(&self, place: &mut [u8]) -> i32 {
        let count = self.random.len().min(place.len());
        fill(self.random.split_at(count).0, place)
    }

    pub(crate) fn log(&mut self, level: u32, text: &[u8]) {
        self.tell(format!("log {level} {}", lossy(text)));
    }

    pub(crate) fn panic_text(&mut self, text: &[u8]) {
        self.tell(format!("text {}", lossy(text)));
    }

    pub(crate) fn panic(&mut self, file: &[u8], line: u32) {
        self.tell(format!("panic {} {line}", lossy(file)));
    }

    fn called(&mut self, handle: u32) -> Option<&mut Answer> {
        self.calls.get_mut((handle as usize).checked_sub(1)?)
    }
}

/// Ends the test's time with its host.
pub(crate) struct Guard(#[allow(dead_code, reason = "it is held")] MutexGuard<'static, ()>);

impl Guard {
    /// What the host was told since this was last asked.
    pub(crate) fn told(&self) -> Vec<String> {
        with(|host| core::mem::take(&mut host.told))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        HOST.with(|host| *host.borrow_mut() = None);
    }
}

/// Runs `what` on this test's host; outside of one, on a host that has nothing.
pub(crate) fn with<T>(what: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with(|host| what(host.borrow_mut().get_or_insert_with(|| Host::new(""))))
}

fn fill(bytes: &[u8], place: &mut [u8]) -> i32 {
    let Some(place) = place.get_mut(..bytes.len()) else { return EMSGSIZE };
    place.copy_from_slice(bytes);
    bytes.len() as i32
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "|").to_string()
}

std::thread_local! {
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

static ONE: Mutex<()> = Mutex::new(());

pub(crate) const EAGAIN: i32 = -11;
pub(crate) const EIO: i32 = -5;
pub(crate) const ENOENT: i32 = -2;
pub(crate) const EBADF: i32 = -9;
pub(crate) const ENOSYS: i32 = -38;
pub(crate) const EMSGSIZE: i32 = -90;

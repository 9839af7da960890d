//! Events that are no requests: cron triggers, queues, alarms, and a Durable Object's class.

use core::cell::RefCell;
use std::{format, string::String, vec::Vec};

use midge::{Failure, Request, Response, Sent};

use super::{ready, request, row, strings};
use crate::{
    __private::{Fetches, alarm, class, event},
    Batch, CallError, Events, Object, Scheduled,
    abi::{CUT, DONE},
    double::{Answer, Host},
};

#[derive(Default)]
struct Seen(RefCell<Vec<String>>);

impl Events for &Seen {
    async fn scheduled(&self, event: Scheduled<'_>) -> Result<(), Failure> {
        self.0.borrow_mut().push(format!("{} at {}", event.cron, event.time));
        if event.time == 0 { Err(Failure::new(500).because("no time")) } else { Ok(()) }
    }

    async fn queue(&self, mut batch: Batch<'_>) -> Result<(), Failure> {
        let mut place = [0; 64];
        while let Some(message) = batch.next(&mut place)? {
            let body = String::from_utf8_lossy(message.body);
            self.0.borrow_mut().push(format!(
                "{} {} {} {} {body}",
                batch_name(&batch),
                message.index,
                message.id,
                message.attempts
            ));
            let index = message.index;
            if index == 0 { batch.acknowledge(index)? } else { batch.retry(index)? }
        }
        Ok(())
    }
}

fn batch_name(batch: &Batch<'_>) -> String {
    batch.queue.into()
}

fn number(number: f64) -> [u8; 8] {
    number.to_le_bytes()
}

#[test]
fn a_cron_trigger_is_read_and_its_failure_is_logged() {
    let mut host = Host::new("");
    host.calls = [12.0, 0.0].map(|time| Answer::value(&row(&[(3, b"* * * * *"), (1, &number(time))]))).into();
    let host = host.enter();
    let seen = Seen::default();
    assert_eq!(ready(event(&seen, false)), DONE);
    assert_eq!(ready(event(&seen, false)), CUT);
    assert_eq!(*seen.0.borrow(), strings(&["* * * * * at 12", "* * * * * at 0"]));
    let told = host.told();
    assert!(told.iter().any(|line| line.starts_with("log 3 ") && line.contains("no time")), "{told:?}");
}

#[test]
fn messages_of_a_queue_are_settled_one_by_one() {
    let message = |index: f64, id: &str, body: &[u8]| {
        row(&[(1, &number(index)), (3, id.as_bytes()), (1, &number(2.0)), (4, body)])
    };
    let mut queue = Answer::value(&row(&[(3, b"jobs")]));
    queue.rows = [message(0.0, "a", b"one"), message(1.0, "b", b"two")].into();
    let mut host = Host::new("");
    host.calls = [queue, Answer::number(0.0), Answer::number(0.0)].into();
    let host = host.enter();
    let seen = Seen::default();
    assert_eq!(ready(event(&seen, true)), DONE);
    assert_eq!(*seen.0.borrow(), strings(&["jobs 0 a 2 one", "jobs 1 b 2 two"]));
    assert_eq!(host.told().iter().filter(|line| line.starts_with("call 41 ")).count(), 2);
}

/// Notes the places of messages that are too large for its memory, and of the others.
#[derive(Default)]
struct Short(RefCell<Vec<String>>);

impl Events for &Short {
    async fn queue(&self, mut batch: Batch<'_>) -> Result<(), Failure> {
        loop {
            let line = match batch.next(&mut [0; 40]) {
                Ok(None) => break,
                Ok(Some(message)) => format!("read {}", message.index),
                Err(CallError::TooLarge { size }) => format!("{size} bytes, skipped {:?}", batch.skip()),
                Err(error) => return Err(error.into()),
            };
            self.0.borrow_mut().push(line);
        }
        self.0.borrow_mut().push(format!("then {:?}", batch.skip()));
        Ok(())
    }
}

#[test]
fn a_message_beyond_the_memory_for_it_is_passed_over() {
    let message = |index: f64, body: &[u8]| row(&[(1, &number(index)), (3, b"a"), (1, &number(1.0)), (4, body)]);
    let mut queue = Answer::value(&row(&[(3, b"jobs")]));
    queue.rows =
        [message(0.0, b"one"), message(1.0, &[b'x'; 50]), message(2.0, b"two"), message(3.0, &[b'x'; 9])].into();
    let _host = Host { calls: [queue].into(), ..Host::new("") }.enter();
    let short = Short::default();
    assert_eq!(ready(event(&short, true)), DONE);
    let expected =
        ["read 0", "87 bytes, skipped Ok(Some(1))", "read 2", "46 bytes, skipped Ok(Some(3))", "then Ok(None)"];
    assert_eq!(*short.0.borrow(), strings(&expected));
}

#[test]
fn an_event_that_the_host_garbles_fails() {
    let not_a_number = row(&[(3, b"0"), (3, b"a"), (1, &number(2.0)), (4, b"")]);
    let negative = row(&[(1, &number(-1.0)), (3, b"a"), (1, &number(2.0)), (4, b"")]);
    let without_body = row(&[(1, &number(0.0)), (3, b"a"), (1, &number(2.0))]);
    for bad in [not_a_number, negative, without_body, Vec::new()] {
        let mut queue = Answer::value(&row(&[(3, b"jobs")]));
        queue.rows = [bad].into();
        let _host = Host { calls: [queue].into(), ..Host::new("") }.enter();
        assert_eq!(ready(event(&Seen::default(), true)), CUT);
    }
    // No event at all, and one without a name.
    for call in [Answer::refused(-38), Answer::number(-5.0), Answer::value(&row(&[(0, b"")]))] {
        let _host = Host { calls: [call].into(), ..Host::new("") }.enter();
        assert_eq!(ready(event(&Seen::default(), true)), CUT);
    }
}

#[test]
fn events_that_a_program_does_not_serve_are_failures() {
    struct None;
    impl Events for None {}
    for is_queue in [true, false] {
        let _host = Host { calls: [Answer::value(&row(&[(3, b"x")]))].into(), ..Host::new("") }.enter();
        assert_eq!(ready(event(None, is_queue)), CUT);
    }
}

struct Counter;

impl Object for Counter {
    async fn fetch(&self, _: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let mut place = [0; 16];
        let name = crate::object_name(&mut place)?;
        response.status(200).body(name.as_bytes()).await
    }
}

struct Late;

impl Object for Late {
    async fn fetch(&self, _: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        response.status(200).empty().await
    }

    async fn alarm(&self) -> Result<(), Failure> {
        Err(CallError::Failed.into())
    }
}

#[test]
fn an_object_answers_requests_and_alarms() {
    let host = Host { class: "Counter", calls: [Answer::value(b"room 1")].into(), ..Host::new("GET a/") }.enter();
    let mut place = [0; 64];
    assert_eq!(class(&mut place), b"Counter");
    assert_eq!(class(&mut [0; 3]), b"");
    assert_eq!(request(Fetches(Counter)).1, DONE);
    assert!(host.told().contains(&r#"answer 200 [] "room 1" 6"#.into()));
    assert_eq!(ready(alarm(Counter)), DONE);
    assert_eq!(ready(alarm(Late)), CUT);
}

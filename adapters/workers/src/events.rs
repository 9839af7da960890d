//! Events that are no requests: cron triggers and queues.

use midge::Failure;

use crate::{
    abi::{self, Part},
    call::{Call, Operation, found},
    error::CallError,
    value::{Row, Value},
};

/// What a Worker does beside answering requests.
pub trait Events {
    /// A cron trigger fired.
    ///
    /// # Errors
    ///
    /// Then the platform notes the event as failed.
    fn scheduled(&self, event: Scheduled<'_>) -> impl Future<Output = Result<(), Failure>> {
        let _ = event;
        async { Err(Failure::new(501)) }
    }

    /// Messages came in from a queue. They are acknowledged all together unless [`Batch`] says otherwise.
    ///
    /// # Errors
    ///
    /// Then the platform delivers the batch again.
    fn queue(&self, batch: Batch<'_>) -> impl Future<Output = Result<(), Failure>> {
        let _ = batch;
        async { Err(Failure::new(501)) }
    }
}

/// A cron trigger.
#[derive(Debug, Clone, Copy)]
pub struct Scheduled<'e> {
    /// The expression that fired.
    pub cron: &'e str,
    /// When it was to fire, in milliseconds since 1970.
    pub time: u64,
}

/// Messages of a queue.
#[derive(Debug)]
pub struct Batch<'e> {
    /// The queue's name.
    pub queue: &'e str,
    call: Call,
    /// Place in the batch of the next message.
    at: u32,
}

/// A message of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// Its place in the batch.
    pub index: u32,
    /// The platform's name for it.
    pub id: &'m str,
    /// How often it was delivered, this time included.
    pub attempts: u32,
    /// What was sent: bytes or text as they were, anything else as JSON.
    pub body: &'m [u8],
}

impl Batch<'_> {
    /// The next message, in `place`.
    ///
    /// # Errors
    ///
    /// [`CallError::TooLarge`] if `place` is smaller than the message, which is then still the next one: [`Batch::skip`] passes it over.
    #[allow(clippy::should_implement_trait, reason = "it lends out the caller's memory")]
    pub fn next<'p>(&mut self, place: &'p mut [u8]) -> Result<Option<Message<'p>>, CallError> {
        let Some(row) = self.call.next(place)?.map(Row::new) else { return Ok(None) };
        self.at += 1;
        let number = |column| row.column(column).integer().and_then(|number| u32::try_from(number).ok());
        Ok(Some(Message {
            index: number(0).ok_or(CallError::Failed)?,
            id: row.column(1).text().ok_or(CallError::Failed)?,
            attempts: number(2).ok_or(CallError::Failed)?,
            body: row.column(3).bytes().ok_or(CallError::Failed)?,
        }))
    }

    /// Passes the next message over, unread; its place in the batch, for [`Batch::acknowledge`] or [`Batch::retry`]. `None` behind the last one.
    ///
    /// # Errors
    ///
    /// The platform failed.
    pub fn skip(&mut self) -> Result<Option<u32>, CallError> {
        let skipped = found(abi::skip(self.call.handle()))?.map(|()| self.at);
        self.at += u32::from(skipped.is_some());
        Ok(skipped)
    }

    /// Acknowledges one message, whatever becomes of the batch.
    ///
    /// # Errors
    ///
    /// No message with this index.
    pub fn acknowledge(&self, index: u32) -> Result<(), CallError> {
        self.settle(index, 1.0)
    }

    /// Has one message delivered again, whatever becomes of the batch.
    ///
    /// # Errors
    ///
    /// No message with this index.
    pub fn retry(&self, index: u32) -> Result<(), CallError> {
        self.settle(index, 0.0)
    }

    fn settle(&self, index: u32, done: f64) -> Result<(), CallError> {
        let (index, done) = (f64::from(index).to_le_bytes(), done.to_le_bytes());
        Call::start(Operation::Settle, &[&index, &done].map(|bytes| Part::new(bytes)))?.done_now().map(|_| ())
    }
}

/// Runs the event that the host has for this instance.
#[doc(hidden)]
pub async fn run(events: impl Events, is_queue: bool) -> Result<(), Failure> {
    let call = Call::start(Operation::Event, &[])?;
    let size = call.done_now()?;
    let mut place = [0; 256];
    let row = Row::new(call.take(size, &mut place)?);
    let Value::Text(name) = row.column(0) else { return Err(Failure::new(500)) };
    if is_queue {
        events.queue(Batch { queue: name, call, at: 0 }).await
    } else {
        let time = row.column(1).integer().unwrap_or_default();
        events.scheduled(Scheduled { cron: name, time: time.unsigned_abs() }).await
    }
}

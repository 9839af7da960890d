//! What the platform says of an invocation beside the request.

use std::{
    cell::RefCell,
    fmt,
    mem::ManuallyDrop,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::link::Link;

/// The invocation that the calling code runs in; `None` outside of one, as on any other host.
///
/// It is there wherever the handler's future runs, and so on its thread alone.
///
/// ```
/// use midge::{Failure, Request, Response, Sent};
///
/// async fn whoami(_request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
///     let context = midge_lambda::context();
///     let function = context.as_ref().map_or("not in Lambda", |context| context.invoked_function_arn());
///     response.status(200).header("content-type", "text/plain").body(function).await
/// }
/// # assert!(midge_lambda::context().is_none());
/// ```
#[must_use]
pub fn context() -> Option<Context> {
    CURRENT.with_borrow(|current| match &**current {
        Some(Current { invocation: Some(invocation), .. }) => Some(Context(Rc::clone(invocation))),
        _ => None,
    })
}

/// What the platform says of one invocation. Cloning it copies nothing.
#[derive(Clone)]
pub struct Context(Rc<Invocation>);

impl Context {
    /// The invocation's id.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The function's ARN, with the version or alias that was invoked; empty where an emulator gives none.
    #[must_use]
    pub fn invoked_function_arn(&self) -> &str {
        text(&self.0.function_arn)
    }

    /// The X-Ray trace header.
    ///
    /// `_X_AMZN_TRACE_ID` is not set in the environment: changing it while other threads read it is undefined behaviour.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        present(text(&self.0.trace_id))
    }

    /// The tenant, of a function with tenant isolation.
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        present(text(&self.0.tenant_id))
    }

    /// What the AWS Mobile SDK says of its client, as JSON.
    #[must_use]
    pub fn client_context(&self) -> Option<&str> {
        present(text(&self.0.client_context))
    }

    /// The Amazon Cognito identity that invoked the function, as JSON.
    #[must_use]
    pub fn cognito_identity(&self) -> Option<&str> {
        present(text(&self.0.cognito_identity))
    }

    /// How long until the platform ends the invocation; `None` where it doesn't tell.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.0.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The event's `requestContext` as the platform wrote it: the JSON object that an authorizer's claims are in. Empty if the event
    /// has none.
    #[must_use]
    pub fn request_context(&self) -> &str {
        text(&self.0.request_context)
    }

    /// The whole event as it came; `None` unless [`Runtime::keep_event`](crate::Runtime::keep_event) asked for a copy of it.
    #[must_use]
    pub fn event(&self) -> Option<&[u8]> {
        if self.0.event.is_empty() { None } else { Some(&self.0.event) }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", &self.request_id())
            .field("invoked_function_arn", &self.invoked_function_arn())
            .field("trace_id", &self.trace_id())
            .finish_non_exhaustive()
    }
}

/// The memory of a [`Context`]: emptied and filled again for each invocation, unless a handler kept it.
#[derive(Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    /// Has to be echoed where it is given. This and what follows are fields' values as they came.
    pub(crate) invocation_id: Vec<u8>,
    pub(crate) function_arn: Vec<u8>,
    pub(crate) trace_id: Vec<u8>,
    pub(crate) tenant_id: Vec<u8>,
    pub(crate) client_context: Vec<u8>,
    pub(crate) cognito_identity: Vec<u8>,
    /// When the platform ends it.
    pub(crate) deadline: Option<Instant>,
    /// When its handler is dropped.
    pub(crate) handler_deadline: Option<Instant>,
    pub(crate) request_context: Vec<u8>,
    pub(crate) event: Vec<u8>,
}

impl Invocation {
    /// With memory for what the platform sends as a rule, and nothing in it.
    pub(crate) fn with_room() -> Self {
        Self {
            request_id: String::with_capacity(64),
            invocation_id: Vec::with_capacity(64),
            function_arn: Vec::with_capacity(256),
            trace_id: Vec::with_capacity(256),
            request_context: Vec::with_capacity(2_048),
            ..Self::default()
        }
    }

    pub(crate) fn clear(&mut self) {
        self.request_id.clear();
        let texts = [
            &mut self.invocation_id,
            &mut self.function_arn,
            &mut self.trace_id,
            &mut self.tenant_id,
            &mut self.client_context,
            &mut self.cognito_identity,
            &mut self.request_context,
            &mut self.event,
        ];
        for text in texts {
            text.clear();
        }
        (self.deadline, self.handler_deadline) = (None, None);
    }

    /// What the platform wants echoed, if it gave one.
    pub(crate) fn invocation_id(&self) -> Option<&[u8]> {
        if self.invocation_id.is_empty() { None } else { Some(&self.invocation_id) }
    }
}

/// A field's value as text: nothing that the platform sends is anything else. Looked at when it is asked for, and not before.
fn text(value: &[u8]) -> &str {
    str::from_utf8(value).unwrap_or_default()
}

/// An empty value counts as absent.
fn present(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// What runs on this thread just now: for [`context`], and for the report of a panic.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) link: Rc<Link>,
    pub(crate) invocation: Option<Rc<Invocation>>,
}

/// Does `work` with `current` as what runs on this thread.
pub(crate) fn within<T>(current: Current, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Current>);
    impl Drop for Restore {
        fn drop(&mut self) {
            swap(self.0.take());
        }
    }
    let _restore = Restore(swap(Some(current)));
    work()
}

fn swap(current: Option<Current>) -> Option<Current> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(current)))
}

/// What runs on this thread; `None` also where the thread itself is ending.
pub(crate) fn current() -> Option<Current> {
    CURRENT.try_with(|current| (**current.try_borrow().ok()?).clone()).ok()?
}

thread_local! {
    /// Never dropped, since it is empty again whenever [`within`] returns: dropping it at the thread's end would have to be arranged
    /// with system calls, at its start.
    static CURRENT: RefCell<ManuallyDrop<Option<Current>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

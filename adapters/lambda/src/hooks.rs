//! What a function does before its snapshot is taken, after it was restored from it, and before it is shut down.

use std::{error::Error as StdError, fmt};

/// What a hook gives.
pub(crate) type HookResult = Result<(), Box<dyn StdError>>;
type Hook = Box<dyn FnOnce() -> HookResult + Send>;

/// Hooks in the order they were given.
#[derive(Default)]
pub(crate) struct Hooks {
    before_snapshot: Vec<Hook>,
    after_restore: Vec<Hook>,
}

impl Hooks {
    pub(crate) fn before_snapshot(&mut self, hook: impl FnOnce() -> HookResult + Send + 'static) {
        self.before_snapshot.push(Box::new(hook));
    }

    pub(crate) fn after_restore(&mut self, hook: impl FnOnce() -> HookResult + Send + 'static) {
        self.after_restore.push(Box::new(hook));
    }

    /// The last one given first: what was set up last is taken down first.
    pub(crate) fn run_before_snapshot(&mut self) -> HookResult {
        self.before_snapshot.drain(..).rev().try_for_each(|hook| hook())
    }

    pub(crate) fn run_after_restore(&mut self) -> HookResult {
        self.after_restore.drain(..).try_for_each(|hook| hook())
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("before_snapshot", &self.before_snapshot.len())
            .field("after_restore", &self.after_restore.len())
            .finish()
    }
}

//! State that the handlers and tasks of one service share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex for short, synchronous critical sections; its guard must not be held across an `.await`.
#[derive(Debug, Default)]
pub(super) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        // A panic elsewhere must not take the whole service down: updates are small and leave the value usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

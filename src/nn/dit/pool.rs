//! Working memory that outlives a call: one piece per thread that ever ran at once.

use std::sync::{Mutex, PoisonError};

/// Idle pieces.
#[derive(Debug)]
pub struct Pool<M>(Mutex<Vec<M>>);

impl<M> Default for Pool<M> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<M> Pool<M> {
    /// Runs `f` on an idle piece, or a new one. What a piece holds has no meaning.
    pub fn with<R>(&self, new: impl FnOnce() -> M, f: impl FnOnce(&mut M) -> R) -> R {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = idle.unwrap_or_else(new);
        let out = f(&mut memory);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        out
    }
}

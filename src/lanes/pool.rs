//! Working memory that outlives a call: one piece per thread that ever ran at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle pieces.
#[derive(Debug)]
pub struct Pool<M>(Mutex<Vec<M>>);

impl<M> Default for Pool<M> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

/// A piece in use; goes back when dropped.
#[derive(Debug)]
pub struct Loan<'a, M> {
    /// Just the one.
    held: Vec<M>,
    pool: &'a Pool<M>,
}

impl<M> Pool<M> {
    fn idle(&self) -> MutexGuard<'_, Vec<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle piece, or a new one. What an idle piece holds has no meaning.
    pub fn lend(&self, new: impl FnOnce() -> M) -> Loan<'_, M> {
        let idle = self.idle().pop();
        Loan { held: vec![idle.unwrap_or_else(new)], pool: self }
    }
}

impl<M> Deref for Loan<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.held[0]
    }
}

impl<M> DerefMut for Loan<'_, M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.held[0]
    }
}

impl<M> Drop for Loan<'_, M> {
    fn drop(&mut self) {
        self.pool.idle().append(&mut self.held);
    }
}

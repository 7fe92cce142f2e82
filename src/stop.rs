//! Whether this process was asked to stop: a flag that every loop of more than a second looks at.
//!
//! What has a state worth keeping is asked at its steps and writes a checkpoint. What has none (bootstraps, transport, costs
//! of pairs) gives up where it is: its result is worthless then, and [`check`] makes an error of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// Checkpoints that are being written.
static KEEPING: AtomicUsize = AtomicUsize::new(0);

/// While it lives, something is being written that a stop should wait for.
pub struct Keeping(());

/// Begins to write something that a stop should wait for.
#[must_use]
pub fn keeping() -> Keeping {
    KEEPING.fetch_add(1, Ordering::SeqCst);
    Keeping(())
}

impl Drop for Keeping {
    fn drop(&mut self) {
        KEEPING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether anything is being written that a stop should wait for.
#[must_use]
pub fn is_keeping() -> bool {
    KEEPING.load(Ordering::SeqCst) > 0
}

/// Asks this process to stop; returns whether it was asked before.
pub fn request() -> bool {
    REQUESTED.swap(true, Ordering::SeqCst)
}

/// Whether this process was asked to stop. It is never taken back.
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Ends work whose result is worthless once the process was asked to stop.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn check() -> Result<()> {
    if requested() { Err(Error::Interrupted) } else { Ok(()) }
}

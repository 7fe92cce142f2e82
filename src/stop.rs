//! Whether this process was asked to stop: a flag that every loop of more than a second looks at.
//!
//! What has a state worth keeping is asked at its steps and writes a checkpoint. What has none (bootstraps, transport, costs
//! of pairs) gives up where it is: its result is worthless then, and [`check`] makes an error of it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);

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

//! Ctrl-C: the first asks all work to stop at the next step and write checkpoints, the second ends the process.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// Exit status of a process that was interrupted the hard way, by convention 128 + SIGINT.
const KILLED: i32 = 130;

/// Starts to listen for SIGINT, SIGTERM and SIGHUP.
pub fn listen() {
    INSTALL.call_once(|| {
        let handler = || {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(KILLED);
            }
            let note = "\ninterrupted: writing checkpoints (again to quit at once)";
            let _ = writeln!(std::io::stderr(), "{note}");
        };
        // Without a handler an interrupt kills the process, which is resumable too.
        let _ = ctrlc::set_handler(handler);
    });
}

/// Whether a signal asked this process to stop.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

//! SIGINT (Ctrl-C), SIGTERM and SIGHUP. Where there is something to be kept, the first asks all work to stop at the next step
//! and write checkpoints, and the second ends the process; where there is nothing, the first ends it.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::ExitCode;
use crate::stop;

/// Whether checkpoints are to be written.
static KEEPS: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// Starts to listen. A signal ends the process at once, as interrupted, until [`listen`] is called.
pub fn install() {
    INSTALL.call_once(|| {
        let handler = || {
            let again = stop::request();
            if again || !KEEPS.load(Ordering::SeqCst) {
                let _ = writeln!(std::io::stderr(), "\ninterrupted");
                std::process::exit(ExitCode::Interrupted.code());
            }
            let note = "\ninterrupted: writing checkpoints (again to quit at once)";
            let _ = writeln!(std::io::stderr(), "{note}");
        };
        // Without a handler an interrupt kills the process, which is resumable too.
        let _ = ctrlc::set_handler(handler);
    });
}

/// From here on there is something to be kept: the first signal only asks.
pub fn listen() {
    install();
    KEEPS.store(true, Ordering::SeqCst);
}

/// From here on there is nothing more to be kept: what follows (tables, figures) can be made again.
pub fn let_go() {
    KEEPS.store(false, Ordering::SeqCst);
}

/// Whether a signal asked this process to stop.
#[must_use]
pub fn interrupted() -> bool {
    stop::requested()
}

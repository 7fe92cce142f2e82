//! SIGINT (Ctrl-C), SIGTERM and SIGHUP. Where there is something to be kept, the first asks all work to stop at the next step
//! and write checkpoints, and the second ends the process; where there is nothing, the first ends it. A step may take longer than
//! anybody wants to wait (large networks on a CPU): then the process ends inside it, and goes on from its latest checkpoint some day,
//! as after a kill.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::exit::ExitCode;
use crate::stop;

/// Time that a step has to come to its end after a signal.
const GRACE: Duration = Duration::from_millis(1_900);
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
            std::thread::spawn(end_inside_a_long_step);
        };
        // Without a handler an interrupt kills the process, which is resumable too.
        let _ = ctrlc::set_handler(handler);
    });
}

/// Ends the process when its time is over, but not inside a checkpoint.
fn end_inside_a_long_step() {
    let asked = Instant::now();
    while asked.elapsed() < GRACE || stop::is_keeping() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let note = "ended inside a long step: the same command goes on from the latest checkpoint";
    let _ = writeln!(std::io::stderr(), "{note}");
    std::process::exit(ExitCode::Interrupted.code());
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

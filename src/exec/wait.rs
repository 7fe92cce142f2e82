//! Cells that other processes work on: a sweep ends when they are done, whoever does them. What a process that died leaves
//! behind is taken over.

use std::path::Path;
use std::time::Duration;

use super::cell::Outcome;
use super::planned::{Planned, plan};
use super::progress::Screen;
use crate::error::Result;
use crate::plan::{Action, Flags};
use crate::record::Status;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// How one cell ended, and after how long.
pub(super) struct Ended {
    pub(super) outcome: Result<Outcome>,
    pub(super) seconds: f64,
}

/// Waits for the cells `pending` of `planned`, and works on those that nobody works on any more. Gives how they ended; cells
/// still worked on when `stopped` says so are left out.
pub(super) fn until_done(
    results: &Path,
    planned: &[Planned],
    mut pending: Vec<usize>,
    screen: &Screen,
    stopped: &dyn Fn() -> bool,
    attend: &dyn Fn(&Planned) -> Ended,
) -> Vec<(usize, Ended)> {
    // Whatever was asked to be run again has been begun by the other process: it is not begun a second time here.
    let flags = Flags { retry_failed: false, ..Flags::default() };
    let mut all = Vec::new();
    let mut said = false;
    while !pending.is_empty() && !stopped() {
        pending.retain(|&i| {
            let by_others = |outcome| Ended { outcome, seconds: 0.0 };
            let ended = match plan(results, &planned[i].cell, flags) {
                Err(e) => by_others(Err(e)),
                Ok(now) => match now.action {
                    Action::Done => by_others(Ok(Outcome::Done)),
                    Action::Skip if now.run.status() == Status::Failed => {
                        by_others(Ok(Outcome::Failed { message: now.reason }))
                    }
                    Action::Skip => return true,
                    Action::Run | Action::Resume | Action::Evaluate => {
                        attend(&Planned { names: planned[i].names.clone(), ..now })
                    }
                },
            };
            if matches!(ended.outcome, Ok(Outcome::Skipped)) {
                return true; // somebody else was faster
            }
            all.push((i, ended));
            false
        });
        if !pending.is_empty() {
            if !said {
                screen.note(&format!("waiting for {} cell(s) that other processes work on", pending.len()));
                said = true;
            }
            std::thread::sleep(LOOK);
        }
    }
    all
}

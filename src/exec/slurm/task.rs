//! One entry of a frozen plan, as a task of an array does it. Doing it twice is as good as once.

use std::path::Path;
use std::time::{Duration, Instant};

use super::plan_file::{Entry, Kind, PlanFile};
use crate::error::{Error, Result};
use crate::exec::cell::{Outcome, Shop, work};
use crate::exec::progress::Screen;
use crate::exec::science::{Builtin, Science};
use crate::exec::{forecast, planned, signals};
use crate::identity;
use crate::plan::Action;
use crate::record::{Status, claim};
use crate::stop;

/// Time between two looks at a claim that somebody else holds.
const LOOK: Duration = Duration::from_millis(500);

/// Runs entry `index` of a plan; says in words what was done.
///
/// # Errors
/// [`Error::Refused`] for a plan of other code, [`Error::Usage`] for an index beyond its end and for what does not fit into this machine,
/// [`Error::Interrupted`], [`Error::RunsFailed`].
pub fn run_entry(path: &Path, index: usize, results: &Path, quiet: bool) -> Result<&'static str> {
    signals::listen();
    let plan = PlanFile::read(path)?;
    let ours = &identity::code().digest;
    if plan.code_digest != *ours {
        let message = format!(
            "{}: frozen by other code (digest {}, this program's is {ours}); submit the sweep again",
            path.display(),
            plan.code_digest
        );
        return Err(Error::Refused(message));
    }
    let Some(entry) = plan.entries.get(index) else {
        let (n, path) = (plan.entries.len(), path.display());
        return Err(Error::Usage(format!("--index {index}: {path} has {n} entries")));
    };
    let screen = Screen::new(quiet);
    let Entry { kind, cell } = entry;
    let bar = screen.begin(&format!("{} {} seed {}", cell.system, cell.row(), cell.seed), None);
    if *kind == Kind::Reference {
        Builtin.reference(results, cell, &mut |p| bar.show(p), &stop::requested)?;
        return Ok("the reference is there");
    }
    let shop = Shop {
        science: &Builtin,
        results,
        experiment: &plan.experiment,
        checkpoint_every: Duration::from_secs(plan.checkpoint_every),
        stop: &stop::requested,
        note: &|text| screen.note(text),
        begun: &|_| Ok(()), // tasks share no database
        late_reference: true,
    };
    let began = Instant::now();
    loop {
        let planned = planned::plan(results, cell, plan.flags())?;
        // What the machine that submitted could not know: whether this one is large enough.
        let one = std::slice::from_ref(&planned);
        forecast::check(one, &forecast::cells(&Builtin, results, one)?, &[], forecast::Machine::here(results))?;
        let outcome = match planned.action {
            Action::Skip if planned.run.status() == Status::Failed => {
                return Err(Error::RunsFailed(planned.reason));
            }
            Action::Skip => Outcome::Skipped,
            _ => work(&shop, &planned, &mut |p| bar.show(p))?,
        };
        if planned.run.file("spec.json").exists() {
            planned.run.join(&planned::labels(&plan.experiment, cell))?;
        }
        match outcome {
            Outcome::Done => return Ok("complete already"),
            Outcome::Ran => return Ok("complete"),
            Outcome::Partial { .. } => return Ok("partial"),
            Outcome::Evaluated => return Ok("evaluated"),
            Outcome::Interrupted => return Err(Error::Interrupted),
            Outcome::Failed { message } | Outcome::Broken { message } => return Err(Error::RunsFailed(message)),
            // The claim of a task that was killed on another node becomes stale; one that lives finishes the run.
            Outcome::Skipped if stop::requested() => return Err(Error::Interrupted),
            Outcome::Skipped if began.elapsed() > 2 * claim::STALE => {
                return Err(Error::RunsFailed(format!("left alone: {}", planned.reason)));
            }
            Outcome::Skipped => std::thread::sleep(LOOK),
        }
    }
}

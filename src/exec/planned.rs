//! A cell, the attempt that concerns it, and what [`plan::decide`] says about it.

use std::path::Path;

use super::references;
use crate::config::Cell;
use crate::error::Result;
use crate::identity::{self, Yardstick};
use crate::plan::{self, Action, Attempt, Decision, Flags};
use crate::record::evaluation::{self, Found};
use crate::record::{Failure, Labels, Partial, Provenance, RunDir, Status, atomic, attempts, claim, manifest};

/// A cell with the attempt that it concerns.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The cell.
    pub cell: Cell,
    /// What it asks for.
    pub asked: Asked,
    /// How its experiment calls it; more than one where several of its cells are the same run.
    pub names: Vec<Labels>,
    /// The attempt: the latest one, or the one to be begun.
    pub run: RunDir,
    /// Digest of the evaluation that the cell asks for, if the attempt has it.
    pub evaluation: Option<String>,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// What a cell asks for, whatever its seed.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its spec digest.
    pub spec_digest: String,
    /// What its samples are measured with. Its content is that of the reference that is there now.
    pub yardstick: Yardstick,
}

impl Asked {
    /// By the settings of a cell and the reference that is there.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for an unknown metric.
    pub fn of(results: &Path, cell: &Cell) -> Result<Self> {
        let content = references::known(results, &cell.run.system, &cell.eval.reference).map(|known| known.content);
        let yardstick = Yardstick::new(&cell.run.system, &cell.eval, content)?;
        Ok(Self { spec_digest: identity::spec_digest(&cell.run), yardstick })
    }
}

/// How an experiment calls a cell.
pub(super) fn labels(experiment: &str, cell: &Cell) -> Labels {
    Labels {
        experiment: experiment.to_owned(),
        system: cell.system.clone(),
        sampler: cell.sampler.clone(),
        label: cell.label.clone(),
        swept: cell.swept.clone(),
    }
}

/// Decides about one cell by what its run folders say.
///
/// # Errors
/// When the run folders cannot be read.
pub fn plan(results: &Path, cell: &Cell, flags: Flags) -> Result<Planned> {
    plan_asked(results, cell, &Asked::of(results, cell)?, flags)
}

/// [`plan()`] where what is asked for is known.
pub(super) fn plan_asked(results: &Path, cell: &Cell, asked: &Asked, flags: Flags) -> Result<Planned> {
    let latest = attempts(results, &asked.spec_digest, cell.seed)?.pop();
    let evaluation = latest.as_ref().and_then(|run| judged(run, &asked.yardstick, cell.seed));
    let facts = latest.as_ref().map(|run| facts(run, evaluation.is_some()));
    let Decision { action, reason } = plan::decide(facts, flags);
    let reason = latest.as_ref().and_then(detail).map_or(reason.to_owned(), |detail| format!("{reason}: {detail}"));
    let attempt = match &latest {
        None => 1,
        Some(run) => run.id.attempt.saturating_add(u32::from(action == Action::Run)),
    };
    let run = RunDir::new(results, &asked.spec_digest, cell.seed, attempt);
    Ok(Planned { cell: cell.clone(), asked: asked.clone(), names: Vec::new(), run, evaluation, action, reason })
}

fn facts(run: &RunDir, same_eval: bool) -> Attempt {
    // Killed before the provenance was written means killed before the first step: anybody may go on.
    let code = atomic::read_json::<Provenance>(&run.file("provenance.json")).ok().map(|p| p.sampling_digest);
    let same_code = code.is_none_or(|digest| digest == identity::code().sampling);
    Attempt { status: run.status(), same_code, same_eval }
}

/// Digest of the run's evaluation by this yardstick, by our code. A damaged one is none: it is made again.
pub(super) fn judged(run: &RunDir, yardstick: &Yardstick, seed: u64) -> Option<String> {
    match evaluation::find(run, yardstick, seed) {
        Ok(Found::Own(evaluation)) => Some(evaluation.digest),
        _ => None,
    }
}

/// Why a run has fewer samples than were asked for, if so.
pub(super) fn partial(run: &RunDir) -> Option<String> {
    atomic::read_json::<Partial>(&run.file("partial.json")).ok().map(|p| p.to_string())
}

/// What the table cannot know: the reason of a failure, the holder of a claim.
fn detail(run: &RunDir) -> Option<String> {
    match run.status() {
        Status::Failed => atomic::read_json::<Failure>(&run.file("failure.json")).ok().map(|f| f.reason),
        Status::Partial => partial(run),
        Status::Claimed => claim::holder(&run.file("claim")).map(|h| h.to_string()),
        Status::Damaged => manifest::read(&run.path).err().map(|e| e.to_string()),
        Status::Complete | Status::Interrupted => None,
    }
}

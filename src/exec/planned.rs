//! A cell, the attempt that concerns it, and what [`plan::decide`] says about it.

use std::path::Path;

use super::references;
use crate::config::Cell;
use crate::error::Result;
use crate::identity;
use crate::plan::{self, Action, Attempt, Decision, Flags, RunStatus};
use crate::record::{Failure, MetricsFile, Provenance, RunDir, Status, atomic, attempts, claim};

/// A cell with the attempt that it concerns.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The cell.
    pub cell: Cell,
    /// Its spec digest.
    pub spec_digest: String,
    /// Its evaluation digest.
    pub eval_digest: String,
    /// The attempt: the latest one, or the one to be begun.
    pub run: RunDir,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// Decides about one cell by what its run folders say.
///
/// # Errors
/// When the run folders cannot be read.
pub fn plan(results: &Path, cell: &Cell, flags: Flags) -> Result<Planned> {
    let (spec_digest, eval_digest) = (identity::spec_digest(&cell.run), identity::eval_digest(&cell.eval));
    let latest = attempts(results, &spec_digest, cell.seed)?.pop();
    let Decision { action, reason } =
        plan::decide(latest.as_ref().map(|run| facts(results, cell, run, &eval_digest)), flags);
    let reason = latest.as_ref().and_then(detail).map_or(reason.to_owned(), |detail| format!("{reason}: {detail}"));
    let attempt = match &latest {
        None => 1,
        Some(run) => run.id.attempt + u32::from(action == Action::Run),
    };
    let run = RunDir::new(results, &spec_digest, cell.seed, attempt);
    Ok(Planned { cell: cell.clone(), spec_digest, eval_digest, run, action, reason })
}

fn facts(results: &Path, cell: &Cell, run: &RunDir, eval_digest: &str) -> Attempt {
    let status = match run.status() {
        Status::Complete => RunStatus::Complete,
        Status::Failed => RunStatus::Failed,
        Status::Claimed => RunStatus::Running,
        Status::Interrupted => RunStatus::Interrupted,
    };
    // Killed before the provenance was written means killed before the first step: anybody may go on.
    let code = atomic::read_json::<Provenance>(&run.file("provenance.json")).ok().map(|p| p.sampling_digest);
    let same_code = code.is_none_or(|digest| digest == identity::code().sampling);
    Attempt { status, same_code, same_eval: is_judged(results, cell, run, eval_digest) }
}

/// Whether the run has metrics by these evaluation settings, against the reference that is there.
pub(super) fn is_judged(results: &Path, cell: &Cell, run: &RunDir, eval_digest: &str) -> bool {
    let Ok(metrics) = atomic::read_json::<MetricsFile>(&run.file("metrics.json")) else { return false };
    let now = || references::content(results, &cell.run.system, &cell.eval.reference);
    // Unknown on either side is no reason to judge again.
    let same_reference = metrics.reference_sha256.is_none_or(|then| now().is_none_or(|now| now == then));
    metrics.eval_digest == eval_digest && same_reference
}

/// What the table cannot know: the reason of a failure, the holder of a claim.
fn detail(run: &RunDir) -> Option<String> {
    match run.status() {
        Status::Failed => atomic::read_json::<Failure>(&run.file("failure.json")).ok().map(|f| f.reason),
        Status::Claimed => claim::holder(&run.file("claim")).map(|h| h.to_string()),
        Status::Complete | Status::Interrupted => None,
    }
}

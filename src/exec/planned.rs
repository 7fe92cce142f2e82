//! What is to be done about a cell, by what its run folders say.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Cell;
use crate::error::Result;
use crate::identity;
use crate::record::{Failure, MetricsFile, Provenance, RunDir, Status, atomic, attempts, claim};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    Done,
    /// Only the metrics.
    Evaluate,
    /// Go on from the last checkpoint.
    Resume,
    /// Begin.
    Run,
    /// Leave it to whoever works on it.
    Skip,
}

/// A cell with the attempt that it concerns.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The cell.
    pub cell: Cell,
    /// Its spec digest.
    pub spec_digest: String,
    /// Its evaluation digest.
    pub eval_digest: String,
    /// The attempt.
    pub run: RunDir,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// Decides about one cell.
///
/// # Errors
/// When the run folders cannot be read.
pub fn plan(results: &Path, cell: &Cell) -> Result<Planned> {
    let (spec_digest, eval_digest) = (identity::spec_digest(&cell.run), identity::eval_digest(&cell.eval));
    let last = attempts(results, &spec_digest, cell.seed)?.pop();
    let (attempt, action, reason) = match &last {
        None => (1, Action::Run, "never run".to_owned()),
        Some(run) => decide(run, &eval_digest),
    };
    let run = RunDir::new(results, &spec_digest, cell.seed, attempt);
    Ok(Planned { cell: cell.clone(), spec_digest, eval_digest, run, action, reason })
}

fn decide(run: &RunDir, eval_digest: &str) -> (u32, Action, String) {
    let attempt = run.id.attempt;
    match run.status() {
        Status::Complete => match judged(run) {
            Some(m) if m.eval_digest == eval_digest => (attempt, Action::Done, "complete".into()),
            Some(_) => (attempt, Action::Evaluate, "evaluation settings changed".into()),
            None => (attempt, Action::Evaluate, "not evaluated yet".into()),
        },
        Status::Failed => {
            let why =
                atomic::read_json::<Failure>(&run.file("failure.json")).map_or_else(|e| e.to_string(), |f| f.reason);
            (attempt + 1, Action::Run, format!("attempt {attempt} failed: {why}"))
        }
        Status::Claimed => {
            let who = claim::holder(&run.file("claim")).map_or_else(String::new, |h| format!(" by {h}"));
            (attempt, Action::Skip, format!("being worked on{who}"))
        }
        Status::Interrupted => {
            let code = atomic::read_json::<Provenance>(&run.file("provenance.json")).ok().map(|p| p.code_digest);
            if code.is_none_or(|c| c == identity::code().digest) {
                (attempt, Action::Resume, "interrupted".into())
            } else {
                let reason = format!("attempt {attempt} was interrupted, and the code has changed since");
                (attempt + 1, Action::Run, reason)
            }
        }
    }
}

/// The judgement of a run, if it is there and readable.
pub(super) fn judged(run: &RunDir) -> Option<MetricsFile> {
    atomic::read_json(&run.file("metrics.json")).ok()
}

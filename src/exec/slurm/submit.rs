//! Freezes what is to be done and hands it to Slurm.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan_file::{Entry, FORMAT, Kind, PlanFile};
use super::queue;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::exec::science::Builtin;
use crate::exec::sweep::{Options, check_clean, plan_all};
use crate::exec::{forecast, references};
use crate::identity;
use crate::plan::Action;
use crate::record::timestamp;

/// What a task runs. Its arguments: program, results folder, plan, first entry of the array, most restarts.
const TASK: &str = include_str!("../../../scripts/slurm_task.sh");

/// How to submit.
#[derive(Debug, Clone)]
pub struct Slurm {
    /// Options for `sbatch`, such as `--partition=gpu`.
    pub options: Vec<String>,
    /// Tasks at a time.
    pub at_most: Option<usize>,
    /// Seconds before the time limit at which a task is asked to stop.
    pub grace: u64,
    /// Most restarts of a task.
    pub restarts: u64,
}

/// One array: entries `offset .. offset + count` of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    /// Slurm's id.
    pub job: u64,
    /// First entry.
    pub offset: usize,
    /// Number of entries.
    pub count: usize,
    /// When.
    pub time: String,
}

/// What was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// The plan; absent when there was nothing to submit.
    pub plan: Option<PathBuf>,
    /// The arrays: one, unless the plan is longer than Slurm allows.
    pub arrays: Vec<Array>,
    /// Runs to make.
    pub runs: usize,
    /// References to make.
    pub references: usize,
    /// Cells that are complete, or running elsewhere.
    pub left: usize,
    /// Cells that wait in the queue already.
    pub queued: usize,
}

/// Submits every cell that is not complete and not in the queue.
///
/// # Errors
/// [`Error::Usage`] without Slurm, [`Error::Command`] when it refuses, [`Error::Io`].
pub fn submit(experiment: &Experiment, results: &Path, options: &Options, slurm: &Slurm) -> Result<Submitted> {
    check_clean(options)?;
    let results = std::path::absolute(results).map_err(Error::io(results))?;
    let planned = plan_all(experiment, &results, options)?;
    // Of the machines there nothing is known.
    let forecasts = forecast::cells(&Builtin, &results, &planned)?;
    let references = forecast::of_references(&Builtin, &results, &planned)?;
    forecast::check(&planned, &forecasts, &references, forecast::Machine::UNKNOWN)?;
    let queued = in_queue(&results, &experiment.name)?;
    let (mut left, mut waiting) = (0, 0);
    let (mut made, mut needed, mut runs) = (BTreeSet::new(), Vec::new(), Vec::new());
    for p in planned {
        let entry = Entry { kind: Kind::Run, cell: p.cell };
        if matches!(p.action, Action::Done | Action::Skip) {
            left += 1;
        } else if queued.contains_key(&entry.key()) {
            waiting += 1;
        } else {
            let reference = Entry { kind: Kind::Reference, ..entry.clone() };
            let key = reference.key();
            let there = references::exists(&results, &entry.cell.run.system, &entry.cell.eval.reference);
            if !there && !queued.contains_key(&key) && made.insert(key) {
                needed.push(reference);
            }
            runs.push(entry);
        }
    }
    let (references, count) = (needed.len(), runs.len());
    let mut submitted = Submitted { plan: None, arrays: Vec::new(), runs: count, references, left, queued: waiting };
    if count == 0 {
        return Ok(submitted);
    }
    // References first: tasks start in this order, and runs need them only at their end.
    let entries = [needed, runs].concat();
    let plan = PlanFile {
        format: FORMAT,
        experiment: experiment.name.clone(),
        profile: experiment.profile.clone(),
        code_digest: identity::code().digest.clone(),
        checkpoint_every: options.checkpoint_every.as_secs(),
        rerun_stale: options.flags.rerun_stale,
        entries,
    };
    let path = plan.write(&results)?;
    let folder = plan.folder(&results);
    let program = freeze_program(&folder)?;
    let script = folder.join("task.sh");
    std::fs::write(&script, TASK).map_err(Error::io(&script))?;
    submitted.plan = Some(path.clone());
    let size = queue::array_size();
    for offset in (0..plan.entries.len()).step_by(size) {
        let n = size.min(plan.entries.len() - offset);
        let at_most = slurm.at_most.map(|m| format!("%{m}")).unwrap_or_default();
        let mut all = vec![
            format!("--job-name={}", job_name(&plan)),
            format!("--array=0-{}{at_most}", n - 1),
            String::from("--requeue"),
            String::from("--open-mode=append"),
            format!("--signal=B:USR1@{}", slurm.grace),
            format!("--output={}", folder.join("log/%A_%a.txt").display()),
        ];
        all.extend(slurm.options.iter().cloned());
        let text = |path: &Path| path.display().to_string();
        let arguments = [text(&program), text(&results), text(&path), offset.to_string(), slurm.restarts.to_string()];
        let job = queue::sbatch(&all, &script, &arguments)?;
        let array = Array { job, offset, count: n, time: timestamp() };
        record(&folder, &array)?;
        submitted.arrays.push(array);
    }
    Ok(submitted)
}

/// Name of the jobs of a plan: tells an id that was given out again.
fn job_name(plan: &PlanFile) -> String {
    format!("pita-{}", plan.digest8())
}

/// The program as it is now: building it again must not change what queued tasks run.
fn freeze_program(folder: &Path) -> Result<PathBuf> {
    let here = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
    let there = folder.join("pita-bench");
    let fresh = there.with_extension("tmp"); // a running program cannot be written over
    std::fs::copy(&here, &fresh).map_err(Error::io(&fresh))?;
    std::fs::rename(&fresh, &there).map_err(Error::io(&there))?;
    Ok(there)
}

fn record(folder: &Path, array: &Array) -> Result<()> {
    let path = folder.join("submitted.jsonl");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io(&path))?;
    let line = serde_json::to_string(array).map_err(|e| Error::Internal(format!("array: {e}")))?;
    writeln!(file, "{line}").and_then(|()| file.sync_all()).map_err(Error::io(&path))
}

/// Entries of an experiment that Slurm has in its queue: key, and `job_index state`.
///
/// # Errors
/// When Slurm does not answer.
pub(super) fn in_queue(results: &Path, experiment: &str) -> Result<BTreeMap<(Kind, String, u64), String>> {
    let mut found = BTreeMap::new();
    for (folder, plan) in PlanFile::all_of(results, experiment)? {
        let path = folder.join("submitted.jsonl");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for array in text.lines().filter_map(|line| serde_json::from_str::<Array>(line).ok()) {
            for task in queue::live(array.job, &job_name(&plan))? {
                if let Some(entry) = plan.entries.get(array.offset + task.index) {
                    found.insert(entry.key(), format!("{}_{} {}", array.job, task.index, task.state));
                }
            }
        }
    }
    Ok(found)
}

//! How the cells of an experiment stand, by their run folders and by Slurm's queue; and their way into the database.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::plan_file::{Entry, Kind};
use super::submit::in_queue;
use crate::config::Experiment;
use crate::error::Result;
use crate::exec::references;
use crate::exec::sweep::{Options, plan_all};
use crate::plan::Action;
use crate::record;
use crate::store;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it makes.
    pub kind: Kind,
    /// Run id, or the beginning of the reference's digest.
    pub run: String,
    /// The same, as it was called first.
    pub id: String,
    /// System.
    pub system: String,
    /// Sampler with swept settings; empty for a reference.
    pub label: String,
    /// Seed.
    pub seed: u64,
    /// `complete`, `partial`, `not evaluated`, `failed`, `running`, `interrupted`, `missing`.
    pub state: String,
    /// What Slurm has of it in its queue: `job_index state`.
    pub queue: Option<String>,
    /// Why the next sweep would do what it would do.
    pub reason: String,
}

/// Every reference and every cell. The second value says why Slurm could not be asked, if so.
///
/// # Errors
/// When run folders cannot be read.
pub fn status(experiment: &Experiment, results: &Path, options: &Options) -> Result<(Vec<Row>, Option<String>)> {
    let (queue, silent) = match in_queue(results, &experiment.name) {
        Ok(queue) => (queue, None),
        Err(e) => (BTreeMap::new(), Some(e.to_string())),
    };
    let mut rows: Vec<Row> = Vec::new();
    for p in plan_all(experiment, results, options)? {
        let entry = Entry { kind: Kind::Run, cell: p.cell.clone() };
        let reference = Entry { kind: Kind::Reference, ..entry.clone() };
        let key = reference.key();
        let id = key.1[..16].to_owned();
        if !rows.iter().any(|r| r.kind == Kind::Reference && r.id == id) {
            let there = references::exists(results, &p.cell.run.system, &p.cell.eval.reference);
            rows.push(Row {
                kind: Kind::Reference,
                run: id.clone(),
                id,
                system: p.cell.system.clone(),
                label: String::new(),
                seed: p.cell.eval.reference.seed,
                state: if there { "complete" } else { "missing" }.into(),
                queue: queue.get(&key).cloned(),
                reason: String::new(),
            });
        }
        // A failed cell is planned as a new attempt: what counts here is the latest one there is.
        let state = match record::attempts(results, &p.asked.spec_digest, p.cell.seed)?.pop() {
            None => "missing",
            Some(run) => match run.status() {
                status if status.has_samples() && p.action == Action::Evaluate => "not evaluated",
                status => status.word(),
            },
        };
        rows.push(Row {
            kind: Kind::Run,
            run: p.run.id.to_string(),
            id: p.run.id.to_string(),
            system: p.cell.system.clone(),
            label: p.cell.row(),
            seed: p.cell.seed,
            state: state.into(),
            queue: queue.get(&entry.key()).cloned(),
            reason: p.reason,
        });
    }
    rows.sort_by_key(|r| r.kind);
    Ok((rows, silent))
}

/// Ingests every attempt at every cell; returns how many there were.
///
/// # Errors
/// When a run folder or the database cannot be used.
pub fn collect(experiment: &Experiment, results: &Path, options: &Options) -> Result<usize> {
    let planned = plan_all(experiment, results, options)?;
    let connection = store::open(results)?;
    let mut ingested = 0;
    for p in planned {
        for run in record::attempts(results, &p.asked.spec_digest, p.cell.seed)? {
            store::ingest(&connection, &run)?;
            ingested += 1;
        }
    }
    Ok(ingested)
}

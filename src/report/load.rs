//! What is recorded of an experiment: run folders into [`RunResult`]s, samples into [`Pictures`].

use std::collections::BTreeMap;
use std::path::Path;

use super::{Pictures, RunResult, Status};
use crate::array::{Arrays, read_npz};
use crate::config::spec::SamplerSpec;
use crate::config::{Cell, Experiment};
use crate::error::Result;
use crate::exec::reference_set;
use crate::identity;
use crate::metrics::MetricValue;
use crate::record::{self, Failure, MetricsFile, RunDir, atomic};
use crate::systems;

/// The latest attempt at every cell that was begun; a complete attempt counts more than a later one that is not.
///
/// # Errors
/// When the run folders cannot be read.
pub fn runs(experiment: &Experiment, results: &Path) -> Result<Vec<RunResult>> {
    let mut found = Vec::new();
    for cell in &experiment.cells {
        if let Some(run) = chosen(results, cell)? {
            found.push(result(cell, &run)?);
        }
    }
    Ok(found)
}

fn chosen(results: &Path, cell: &Cell) -> Result<Option<RunDir>> {
    let attempts = record::attempts(results, &identity::spec_digest(&cell.run), cell.seed)?;
    let complete = attempts.iter().rposition(|r| r.status() == record::Status::Complete);
    Ok(complete.map(|i| attempts[i].clone()).or_else(|| attempts.last().cloned()))
}

fn result(cell: &Cell, run: &RunDir) -> Result<RunResult> {
    let status = match run.status() {
        record::Status::Complete => Status::Complete,
        record::Status::Failed => Status::Failed,
        record::Status::Claimed | record::Status::Interrupted => Status::Unfinished,
    };
    let metrics = match run.file("metrics.json") {
        path if status == Status::Complete && path.exists() => metric_values(&path)?,
        _ => Vec::new(),
    };
    let counts = run.file("counts.json");
    let samples = run.file("samples.npz");
    Ok(RunResult {
        run_id: run.id.to_string(),
        system: cell.run.system.name.clone(),
        temperature: cell.run.system.temperature,
        sampler: kind(&cell.run.sampler).to_owned(),
        label: cell.label.clone(),
        seed: cell.seed,
        swept: cell.swept.iter().cloned().collect(),
        metrics,
        counts: if counts.exists() { atomic::read_json(&counts)? } else { Default::default() },
        status,
        failure: atomic::read_json::<Failure>(&run.file("failure.json")).ok().map(|f| f.reason),
        samples_path: (status == Status::Complete && samples.exists()).then_some(samples),
    })
}

fn metric_values(path: &Path) -> Result<Vec<MetricValue>> {
    let file: MetricsFile = atomic::read_json(path)?;
    let parse = |value| serde_json::from_value(value);
    file.metrics
        .into_iter()
        .map(|value| parse(value).map_err(|e| crate::error::Error::data(path, format!("not a metric: {e}"))))
        .collect()
}

fn kind(sampler: &SamplerSpec) -> &'static str {
    match sampler {
        SamplerSpec::Md(_) => "md",
        SamplerSpec::ReplicaExchange(_) => "replica-exchange",
        SamplerSpec::Pita(_) => "pita",
    }
}

/// The samples of the first complete seed of every row, and the reference that they were judged by.
///
/// # Errors
/// When samples or a reference cannot be read.
pub fn pictures(experiment: &Experiment, results: &Path, runs: &[RunResult]) -> Result<Vec<Pictures>> {
    let mut found = Vec::new();
    let mut places: Vec<(&str, f64)> = Vec::new();
    for run in runs.iter().filter(|r| r.samples_path.is_some()) {
        if !places.contains(&(run.system.as_str(), run.temperature)) {
            places.push((&run.system, run.temperature));
        }
    }
    for (name, temperature) in places {
        let here = |r: &&RunResult| r.system == name && r.temperature == temperature;
        let mut rows: Vec<(String, Arrays)> = Vec::new();
        let mut seen = BTreeMap::new();
        for run in runs.iter().filter(here) {
            if let Some(path) = &run.samples_path
                && seen.insert(run.row_label(), ()).is_none()
            {
                rows.push((run.row_label(), read_npz(path)?));
            }
        }
        let cell =
            experiment.cells.iter().find(|c| c.run.system.name == name && c.run.system.temperature == temperature);
        let Some(cell) = cell else { continue };
        let reference = reference_set(results, &cell.run.system, &cell.eval.reference)?;
        found.push(Pictures::new(&systems::by_name(name, temperature)?, &reference, &rows)?);
    }
    Ok(found)
}

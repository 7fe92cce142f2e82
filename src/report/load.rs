//! From run folders to what a report is made of.

use std::path::Path;

use super::runs::{RunResult, Status};
use super::write::Pictures;
use crate::array::{Arrays, read_npz};
use crate::config::{Cell, Experiment};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::MetricValue;
use crate::record::{self, Failure, MetricsFile, RunDir, atomic};
use crate::spec::SamplerSpec;
use crate::{exec, systems};

/// The runs of an experiment's cells: the latest attempt of each, none where a cell was never run.
///
/// # Errors
/// When a run folder cannot be read.
pub fn runs(experiment: &Experiment, results: &Path) -> Result<Vec<RunResult>> {
    let mut out = Vec::new();
    // Cells of one spec lie together: digests and references are looked up once for all their seeds.
    for cells in experiment.cells.chunk_by(|a, b| a.run == b.run && a.eval.reference == b.eval.reference) {
        let digest = identity::spec_digest(&cells[0].run);
        let reference = exec::references::counts(results, &cells[0].run.system, &cells[0].eval.reference);
        for cell in cells {
            if let Some(run) = record::attempts(results, &digest, cell.seed)?.pop() {
                out.extend(rows(cell, &run, reference.as_ref())?);
            }
        }
    }
    Ok(out)
}

/// A run is a row; with importance weights of its own kind a second one, its samples reweighted.
fn rows(cell: &Cell, run: &RunDir, reference: Option<&Counts>) -> Result<Vec<RunResult>> {
    let status = match run.status() {
        record::Status::Complete => Status::Complete,
        record::Status::Failed => Status::Failed,
        _ => Status::Unfinished,
    };
    let metrics_path = run.file("metrics.json");
    let (mut metrics, mut reweighted) = (Vec::new(), Vec::new());
    if status == Status::Complete && metrics_path.exists() {
        let file: MetricsFile = atomic::read_json(&metrics_path)?;
        let read = |values: Vec<serde_json::Value>| {
            let values = values.into_iter().map(serde_json::from_value::<MetricValue>);
            values.collect::<Result<_, _>>().map_err(|e| Error::data(&metrics_path, e.to_string()))
        };
        metrics = read(file.metrics)?;
        reweighted = read(file.reweighted)?;
    }
    let counts_path = run.file("counts.json");
    let failure: Option<Failure> = atomic::read_json(&run.file("failure.json")).ok();
    let kind = match &cell.run.sampler {
        SamplerSpec::External(program) => program.name.as_str(),
        SamplerSpec::Pita(spec) => spec.method(),
        built_in => built_in.kind(),
    };
    let plain = RunResult {
        run_id: run.id.to_string(),
        system: cell.run.system.name.clone(),
        temperature: cell.run.system.temperature,
        sampler: kind.to_owned(),
        label: cell.label.clone(),
        seed: cell.seed,
        swept: cell.swept.iter().cloned().collect(),
        metrics,
        counts: if counts_path.exists() { atomic::read_json(&counts_path)? } else { Default::default() },
        reference: reference.cloned(),
        status,
        failure: failure.map(|f| f.reason),
        samples_path: (status == Status::Complete).then(|| run.file("samples.npz")),
    };
    let second = (!reweighted.is_empty()).then(|| RunResult {
        label: format!("{} reweighted", plain.label),
        metrics: reweighted,
        samples_path: None, // figures show the samples themselves
        ..plain.clone()
    });
    Ok(std::iter::once(plain).chain(second).collect())
}

/// What the figures show: per system the reference, and the first complete seed of every row.
///
/// # Errors
/// When samples or references cannot be read.
pub fn pictures(experiment: &Experiment, results: &Path, runs: &[RunResult]) -> Result<Vec<Pictures>> {
    let mut out: Vec<Pictures> = Vec::new();
    for cell in &experiment.cells {
        let spec = &cell.run.system;
        let here = |system: &str, temperature: f64| system == spec.name && temperature == spec.temperature;
        if out.iter().any(|p| here(&p.system, p.temperature)) {
            continue;
        }
        let mut methods: Vec<(String, Arrays)> = Vec::new();
        for run in runs.iter().filter(|r| here(&r.system, r.temperature)) {
            let label = run.row_label();
            if let Some(path) = &run.samples_path
                && !methods.iter().any(|(l, _)| *l == label)
            {
                methods.push((label, read_npz(path)?));
            }
        }
        if !methods.is_empty() {
            let system = systems::build(spec)?;
            let reference = exec::references::quietly(results, spec, &cell.eval.reference)?;
            out.push(Pictures::new(&system, &reference, &methods)?);
        }
    }
    Ok(out)
}

//! From run folders to what a report is made of.

use std::path::Path;

use rayon::prelude::*;

use super::course::Course;
use super::names;
use super::pictures::{Gallery, Pictures};
use super::runs::{RunResult, by_key};
use crate::array::read_npz;
use crate::config::{Cell, Experiment};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::exec::{self, Asked};
use crate::metrics::MetricValue;
use crate::metrics::weights::reweighted;
use crate::record::evaluation::{self, Found};
use crate::record::{self, Failure, Origin, Partial, RunDir, Status, atomic, manifest};
use crate::spec::{SamplerSpec, Weighted};
use crate::systems;

/// The runs of an experiment, and what its table would lack.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The latest attempt of each cell; a cell that was never run is there as that.
    pub runs: Vec<RunResult>,
    /// Complete cells that have not been judged as the experiment asks, by this code.
    pub lacking: Vec<Lacking>,
    /// Runs that cannot be shown, and what is wrong with their files.
    pub damaged: Vec<String>,
}

/// A complete cell without an evaluation of our own.
#[derive(Debug)]
pub struct Lacking {
    /// The cell.
    pub cell: Cell,
    /// Whether other code has judged it so: the table can show that, and says it.
    pub by_other_code: bool,
}

/// What the run folders have for an experiment. Nothing is computed.
///
/// # Errors
/// When a run folder cannot be read.
pub fn runs(experiment: &Experiment, results: &Path) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    // Cells of one spec lie together: digests and references are looked up once for all their seeds.
    for cells in experiment.cells.chunk_by(|a, b| a.run == b.run && a.eval == b.eval) {
        let asked = Asked::of(results, &cells[0])?;
        let reference = exec::references::known(results, &cells[0].run.system, &cells[0].eval.reference);
        let read = |cell| of_cell(cell, &asked, reference.as_ref().map(|known| &known.report.counts), results);
        for one in cells.par_iter().map(read).collect::<Result<Vec<_>>>()? {
            loaded.runs.extend(one.runs);
            loaded.lacking.extend(one.lacking);
            loaded.damaged.extend(one.damaged);
        }
    }
    Ok(loaded)
}

/// What the run folders have for one cell.
fn of_cell(cell: &Cell, asked: &Asked, reference: Option<&Counts>, results: &Path) -> Result<Loaded> {
    let Some(run) = record::attempts(results, &asked.spec_digest, cell.seed)?.pop() else {
        return Ok(Loaded { runs: with_second(cell, blank(cell, None)), ..Loaded::default() });
    };
    let read = || -> Result<_> {
        let committed = run.status().has_samples();
        let found = committed.then(|| evaluation::find(&run, &asked.yardstick, cell.seed)).transpose()?;
        Ok((rows(cell, &run, reference, found.as_ref(), results)?, found))
    };
    Ok(match read() {
        Ok((runs, found)) => {
            let by_other_code = matches!(found, Some(Found::OtherCode(_)));
            let lacks = by_other_code || found == Some(Found::Missing);
            let lacking = lacks.then(|| Lacking { cell: cell.clone(), by_other_code });
            Loaded { runs, lacking: lacking.into_iter().collect(), damaged: Vec::new() }
        }
        Err(e) => {
            let damaged = RunResult { failure: Some(e.to_string()), ..blank(cell, Some((&run, Status::Damaged))) };
            let said = vec![format!("{}: {e}", run.id)];
            Loaded { runs: with_second(cell, damaged), damaged: said, ..Loaded::default() }
        }
    })
}

/// A run is a row; with importance weights of its own kind a second one, its samples reweighted.
fn rows(
    cell: &Cell,
    run: &RunDir,
    reference: Option<&Counts>,
    found: Option<&Found>,
    results: &Path,
) -> Result<Vec<RunResult>> {
    let status = match run.status() {
        Status::Damaged => return Err(manifest::read(&run.path).err().unwrap_or(Error::Interrupted)),
        Status::Partial => Status::Complete,
        other => other,
    };
    let evaluated_by = match found {
        Some(Found::OtherCode(evaluation)) => Some(code_name(results, &evaluation.code_digest)),
        _ => None,
    };
    let (mut metrics, mut reweighted, mut curve) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(Found::Own(evaluation) | Found::OtherCode(evaluation)) = found {
        let path = run.file(&evaluation::name(&evaluation.digest));
        let read = |values: &[serde_json::Value]| {
            let values = values.iter().cloned().map(serde_json::from_value::<MetricValue>);
            values.collect::<Result<_, _>>().map_err(|e| Error::data(&path, e.to_string()))
        };
        metrics = read(&evaluation.metrics)?;
        reweighted = read(&evaluation.reweighted)?;
        curve.clone_from(&evaluation.curve);
    }
    let counts_path = run.file("counts.json");
    let failure: Option<Failure> = atomic::read_json(&run.file("failure.json")).ok();
    let plain = RunResult {
        metrics,
        counts: if counts_path.exists() { atomic::read_json(&counts_path)? } else { Default::default() },
        reference: reference.cloned(),
        evaluated_by,
        partial: atomic::read_json::<Partial>(&run.file("partial.json")).ok().map(|p| p.to_string()),
        origin: atomic::read_json::<Origin>(&run.file("origin.json")).ok().map(|o| o.to_string()),
        failure: failure.map(|f| without_folders(&f.reason, run, cell)),
        samples_path: (status == Status::Complete).then(|| run.file("samples.npz")),
        ..blank(cell, Some((run, status)))
    };
    if status != Status::Complete {
        return Ok(with_second(cell, plain));
    }
    Ok(if reweighted.is_empty() {
        vec![RunResult { curve, ..plain }]
    } else {
        let second = RunResult { curve, ..second(&plain, reweighted) };
        vec![plain, second]
    })
}

/// The second row of a run: its samples reweighted.
fn second(plain: &RunResult, metrics: Vec<MetricValue>) -> RunResult {
    let label = format!("{} reweighted", plain.label);
    RunResult { label, metrics, reweighted: true, ..plain.clone() }
}

/// A run without values, and its second row where its kind has one.
fn with_second(cell: &Cell, plain: RunResult) -> Vec<RunResult> {
    let second = (cell.run.sampler.weighted() == Weighted::Always).then(|| second(&plain, vec![]));
    std::iter::once(plain).chain(second).collect()
}

/// The word for the sampler of a cell in experiment files.
pub(super) fn kind(cell: &Cell) -> &'static str {
    match &cell.run.sampler {
        SamplerSpec::Pita(spec) => spec.method(),
        SamplerSpec::ReplicaExchange(spec) => spec.method(),
        other => other.kind(),
    }
}

/// What a cell says about its run, without any result.
fn blank(cell: &Cell, run: Option<(&RunDir, Status)>) -> RunResult {
    let sampler = match &cell.run.sampler {
        SamplerSpec::External(program) => program.name.as_str(),
        _ => kind(cell),
    };
    RunResult {
        run_id: run.map_or(String::new(), |(run, _)| run.id.to_string()),
        system: cell.run.system.name.clone(),
        temperature: cell.run.system.temperature,
        sampler: sampler.to_owned(),
        label: cell.label.clone(),
        seed: cell.seed,
        swept: cell.swept.iter().cloned().collect(),
        counted: cell.run.sampler.counted(),
        status: run.map(|(_, status)| status),
        ..RunResult::default()
    }
}

/// A build as people know it: its commit, or the beginning of its digest.
fn code_name(results: &Path, digest: &str) -> String {
    let known = record::code::recall(results, digest).map(|file| file.code.short());
    known.unwrap_or_else(|| digest.get(..9).unwrap_or(digest).to_owned())
}

/// A reason as it can be passed on: the results folder and the folders of programs are left out of its paths.
pub(super) fn without_folders(reason: &str, run: &RunDir, cell: &Cell) -> String {
    // results/runs/<spec>/s<seed>/a<attempt>
    let results = run.path.ancestors().nth(4).filter(|p| !p.as_os_str().is_empty());
    let absolute = results.and_then(|p| std::path::absolute(p).ok());
    let real = results.and_then(|p| p.canonicalize().ok());
    let mut text = reason.to_owned();
    for folder in [real.as_deref(), absolute.as_deref(), results].into_iter().flatten() {
        text = text.replace(&format!("{}/", folder.display()), "");
    }
    match &cell.run.sampler {
        SamplerSpec::External(program) if !program.folder.is_empty() => {
            text = text.replace(&program.folder, &program.name);
        }
        SamplerSpec::Samples(samples) => {
            let path = Path::new(&samples.path);
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            text = text.replace(&samples.path, &name);
        }
        _ => {}
    }
    text
}

/// What the figures show of samples: per system the reference, and every complete seed of every row. A system whose reference
/// is not there has none.
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
        let runs: Vec<&RunResult> = runs.iter().filter(|r| here(&r.system, r.temperature)).collect();
        let sampled = |r: &&RunResult| r.samples_path.as_ref().is_some_and(|path| path.exists());
        let mut rows = first_seeds(runs.iter().copied());
        rows.iter_mut().for_each(|(_, of)| of.retain(sampled));
        rows.retain(|(_, of)| !of.is_empty());
        if rows.is_empty() || !exec::references::exists(results, spec, &cell.eval.reference) {
            continue;
        }
        let system = systems::build(spec)?;
        let reference = match exec::references::quietly(results, spec, &cell.eval.reference) {
            // A damaged reference has no picture either; what was judged by it stands in the table.
            Err(Error::Data { .. } | Error::Digest { .. }) => continue,
            found => found?,
        };
        let mut gallery = Gallery::new(&system, &reference)?;
        let names = names::short(runs.iter().copied());
        for (row, of) in rows {
            for run in &of {
                // Samples that cannot be read have no picture; `db verify` names them.
                let Some(Ok(samples)) = run.samples_path.as_ref().map(read_npz) else { continue };
                // What the row was judged by.
                let shown = if run.reweighted { reweighted(&samples, run.seed) } else { Some(samples) };
                if let Some(samples) = shown {
                    gallery.add((&row, names.get(&row).unwrap_or(&row)), of.len(), &samples)?;
                }
            }
        }
        out.push(gallery.finish());
    }
    Ok(out)
}

/// Most seeds of a row that figures draw and the page has details of: more are a blot, and a page that does not open.
pub(super) const SEEDS_SHOWN: usize = 10;

/// The first seeds of each row, in the order of the table. Row labels of a system at one temperature, or of all.
pub(super) fn first_seeds<'a>(runs: impl Iterator<Item = &'a RunResult>) -> Vec<(String, Vec<&'a RunResult>)> {
    let rows = by_key(runs.map(|run| ((&run.system, run.temperature.to_bits(), run.row_label()), run)));
    rows.into_iter().map(|((.., row), of)| (row, of.into_iter().take(SEEDS_SHOWN).collect())).collect()
}

/// What the first complete runs of each row recorded of their way, in the order of the table.
///
/// # Errors
/// When a log cannot be read.
pub fn courses(runs: &[RunResult]) -> Result<Vec<Course>> {
    let complete = first_seeds(runs.iter().filter(|r| r.is_complete() && !r.reweighted));
    let complete = complete.into_iter().flat_map(|(_, of)| of);
    // A log that is damaged has no curve; `db verify` names it.
    complete.map(Course::of).filter(|c| !matches!(c, Err(Error::Data { .. }))).filter_map(Result::transpose).collect()
}

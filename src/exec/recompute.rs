//! Recorded runs, computed again from their samples: energies, metrics, and whether the counts can be right.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::references;
use super::science::{Builtin, Science};
use crate::array::Array;
use crate::config::Cell;
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::evaluate::energies;
use crate::plan::cost;
use crate::record::audit::{Audited, audit};
use crate::record::{Evaluation, Provenance, RunDir};
use crate::spec::{Coordinates, Counted, Ladder, RunSpec, SamplerSpec};
use crate::systems::{self, System};

/// How far a recorded energy may be from ours, in kT: dynamics may run in single precision.
pub const ENERGY: f64 = 0.01;
/// How far numbers of a metric may be apart, relative to the larger, where another machine or another build made them.
pub const METRIC: f64 = 1e-6;

/// What was computed again.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Recomputed {
    /// Runs.
    pub runs: usize,
    /// Energies, one for each sample.
    pub energies: usize,
    /// The largest difference between a recorded energy and ours, in kT.
    pub energy_apart: f64,
    /// Metrics whose every number is the same to the last bit.
    pub identical: usize,
    /// Metrics made elsewhere that agree within [`METRIC`].
    pub within: usize,
    /// What could not be compared, and why.
    pub left: Vec<String>,
    /// What is not what was recorded.
    pub wrong: Vec<String>,
}

/// Computes the samples' energies and the metrics of runs again; `said` hears of each run.
///
/// # Errors
/// [`Error::Interrupted`]. What is wrong with a run is in the result.
pub fn recompute(
    results: &Path,
    runs: &[RunDir],
    stop: &dyn Fn() -> bool,
    said: &mut dyn FnMut(&RunDir),
) -> Result<Recomputed> {
    let mut found = Recomputed::default();
    for run in runs {
        if stop() {
            return Err(Error::Interrupted);
        }
        said(run);
        if !run.status().has_samples() {
            continue; // `verify` names those that are damaged
        }
        found.runs += 1;
        if let Err(e) = audit(run).and_then(|audited| one(results, run, &audited, &mut found)) {
            found.wrong.push(format!("{}: {e}", run.id));
        }
    }
    Ok(found)
}

fn one(results: &Path, run: &RunDir, audited: &Audited, found: &mut Recomputed) -> Result<()> {
    let Some((samples, counts)) = &audited.result else { return Ok(()) };
    let spec = &audited.request.spec;
    let system = systems::build(&spec.system)?;
    let path = run.file("samples.npz");
    let ours = energies(&system, &samples["positions"].to_f64());
    let unused = samples.get("log_weight").map_or_else(Vec::new, Array::to_f64);
    let recorded = samples.get("energy").map(Array::to_f64);
    let asked = spec.sampler.samples();
    for (i, &ours) in ours.iter().enumerate() {
        if unused.get(i) == Some(&f64::NEG_INFINITY) {
            continue; // a draw that is in no estimate may be anything
        }
        if !ours.is_finite() && asked.is_none() {
            continue; // samples of others may lie on each other: evaluations leave them out
        }
        if !ours.is_finite() {
            return Err(Error::NonFinite { path, message: format!("the energy of sample {i} is {ours}") });
        }
        let Some(theirs) = recorded.as_ref().map(|e| e[i]) else { continue };
        let apart = (ours - theirs).abs() / system.kt(system.temperature);
        if apart.is_nan() || apart > ENERGY {
            let message = format!("the energy of sample {i} is recorded as {theirs}, but it is {ours}");
            return Err(Error::digest(path, message));
        }
        found.energy_apart = found.energy_apart.max(apart);
    }
    found.energies += ours.len();
    plausible(run, spec, &system, counts, ours.len())?;
    for evaluation in &audited.evaluations {
        metrics(results, run, audited, evaluation, found)?;
    }
    Ok(())
}

/// Counts that this sampler can have come to with these settings.
fn plausible(run: &RunDir, spec: &RunSpec, system: &System, counts: &Counts, made: usize) -> Result<()> {
    let charged = counts.charged();
    let wrong = |message: String| Err(Error::data(run.file("counts.json"), message));
    if charged < made as u64 && spec.sampler.counted() == Counted::Here {
        return wrong(format!("{charged} evaluations cannot have made {made} samples"));
    }
    let expected = match &spec.sampler {
        // Of moves in internal coordinates those are not charged that end where no configuration is; how many rungs a ladder
        // has that is found on the way, energies decide.
        SamplerSpec::Smc(s) if s.coordinates == Coordinates::Internal || matches!(s.ladder, Ladder::Auto(_)) => None,
        SamplerSpec::Md(_) | SamplerSpec::ReplicaExchange(_) | SamplerSpec::Smc(_) => {
            cost::run(spec, system.atoms, system.topology.is_some()).evaluations
        }
        SamplerSpec::Samples(s) => s.evaluations,
        _ => None, // it depends on how training and annealing went
    };
    match (expected, spec.sampler.budget()) {
        (_, Some(budget)) if charged > budget => wrong(format!("{charged} evaluations, but the budget is {budget}")),
        (Some(expected), None) if charged != expected => {
            wrong(format!("{charged} evaluations, but these settings make {expected}"))
        }
        _ => Ok(()),
    }
}

/// Judges the samples again as an evaluation says it was done.
fn metrics(
    results: &Path,
    run: &RunDir,
    audited: &Audited,
    evaluation: &Evaluation,
    found: &mut Recomputed,
) -> Result<()> {
    let request = &audited.request;
    let short = identity::short(&evaluation.digest);
    let mut leave = |why: &str| {
        found.left.push(format!("{}, evaluation {short}: {why}", run.id));
        Ok(())
    };
    let Some(eval) = &evaluation.eval else { return leave("an older version did not record its settings") };
    let Some(here) = references::known(results, &request.spec.system, &eval.reference) else {
        return leave("its reference is not here");
    };
    if evaluation.reference_sha256.as_ref().is_some_and(|then| *then != here.content) {
        return leave("its reference was made again since then, with other frames");
    }
    let cell = Cell {
        system: request.labels.system.clone(),
        sampler: request.labels.sampler.clone(),
        label: request.labels.label.clone(),
        swept: request.labels.swept.clone(),
        seed: evaluation.seed.unwrap_or(request.seed),
        run: request.spec.clone(),
        eval: eval.clone(),
    };
    let samples = audited.result.as_ref().map(|(samples, _)| samples.clone()).unwrap_or_default();
    let judged = Builtin.judge(results, &cell, &run.path, samples)?;
    let same_machine =
        audited.provenance.as_ref().is_some_and(is_here) && evaluation.evaluation_code == identity::code().evaluation;
    let wrong =
        |message: String| Err(Error::digest(run.file(&crate::record::evaluation::name(&evaluation.digest)), message));
    let pairs = [(&evaluation.metrics, &judged.metrics), (&evaluation.reweighted, &judged.reweighted)];
    for (then, now) in pairs {
        for then in then {
            let id = then["id"].as_str().unwrap_or_default();
            let Some(now) = now.iter().find(|now| now["id"] == then["id"] && now["version"] == then["version"]) else {
                leave(&format!("{id} has another version now"))?;
                continue;
            };
            if now == then {
                found.identical += 1;
            } else if !same_machine && close(then, now) {
                found.within += 1;
            } else {
                return wrong(format!("{id} is recorded as {}, but it is {}", then["value"], now["value"]));
            }
        }
    }
    // Bundles without samples have no particles either; older evaluations have no curve.
    let known = !evaluation.curve.is_empty() && evaluation.curve.len() == judged.curve.len();
    if same_machine && known && evaluation.curve != judged.curve {
        return wrong("its curve is not what its particles give".into());
    }
    Ok(())
}

/// Whether a run was made on a machine that computes as this one does.
fn is_here(provenance: &Provenance) -> bool {
    let here = serde_json::to_value(identity::env()).unwrap_or_default();
    ["os", "cpu", "simd"].iter().all(|field| provenance.env[field] == here[field])
}

/// Whether the numbers of two metrics agree within [`METRIC`], and are missing in the same places.
fn close(a: &Value, b: &Value) -> bool {
    ["value", "lo", "hi", "floor"].iter().all(|field| match (a[field].as_f64(), b[field].as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= METRIC * a.abs().max(b.abs()),
        (a, b) => a.is_none() && b.is_none(),
    })
}

//! Ways to draw from finished models, measured: quality against evaluations of the network.

use serde::Serialize;

use super::further::Finished;
use super::progress::Show;
use super::references;
use crate::array::Arrays;
use crate::config::{Cell, Draws, Experiment};
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::{ReferenceSet, Weighed, evaluate_reweighted};
use crate::record;
use crate::samplers::Progress;
use crate::samplers::pita_ic::within;
use crate::spec::{EvalSpec, SamplerSpec};
use crate::{stats, stop};

/// What was measured of one way to draw, from one model, within one number of evaluations.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// The system's key.
    pub system: String,
    /// How the way to draw is called.
    pub label: String,
    /// Seed of the model and of the draws.
    pub seed: u64,
    /// Evaluations of the network that a draw might make.
    pub budget: usize,
    /// Those that it made.
    pub network: usize,
    /// Energies evaluated.
    pub energies: u64,
    /// Seconds of this machine.
    pub seconds: f64,
    /// Effective sample size, a fraction; none without weights.
    pub ess: Option<f64>,
    /// Values of the experiment's metrics as drawn, by id.
    pub plain: Vec<(String, Option<f64>)>,
    /// And reweighted.
    pub reweighted: Vec<(String, Option<f64>)>,
}

/// What is asked of all.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Evaluations of the network for each draw.
    pub budgets: Vec<usize>,
    /// Draws.
    pub samples: usize,
}

/// The finished model of a cell, if it is one of `pita-ic` and finished.
fn model(results: &std::path::Path, cell: &Cell) -> Result<Option<Finished>> {
    if !matches!(cell.run.sampler, SamplerSpec::PitaIc(_)) {
        return Ok(None);
    }
    let attempts = record::attempts(results, &identity::spec_digest(&cell.run), cell.seed)?;
    attempts.into_iter().rev().find(|run| run.status().has_samples()).map(Finished::open).transpose()
}

/// Draws from every finished model of an experiment in each of its ways.
///
/// # Errors
/// [`Error::Usage`] for an experiment without `[draws]`; [`Error::NothingSelected`] without finished models; [`Error::Interrupted`].
pub fn measure(
    results: &std::path::Path,
    experiment: &Experiment,
    asked: &Asked,
    show: &mut Show<'_>,
) -> Result<Vec<Point>> {
    let file = experiment.path.display();
    if experiment.draws.is_empty() {
        return Err(Error::Usage(format!("{file} has no ways to draw: expected at least one table [draws.NAME]")));
    }
    let mut models = Vec::new();
    for cell in &experiment.cells {
        if let Some(finished) = model(results, cell)? {
            models.push((cell, finished));
        }
    }
    if models.is_empty() {
        return Err(Error::NothingSelected(format!(
            "{file}: no run of `pita-ic` is complete; `pita-bench sweep {file}` trains the models"
        )));
    }
    let mut points = Vec::new();
    let total = (models.len() * experiment.draws.len() * asked.budgets.len()) as u64;
    for (cell, finished) in &models {
        let spec = &cell.eval.reference;
        let reference = references::ensure(results, &cell.run.system, spec, show, &stop::requested)?.set()?;
        for draws in &experiment.draws {
            for &budget in &asked.budgets {
                let phase = format!("{} seed {}: {} with {budget}", cell.system, cell.seed, draws.label);
                show(&Progress { done: points.len() as u64, total, phase, ..Progress::default() });
                points.push(point((*cell, finished), &reference, draws, (budget, asked.samples))?);
            }
        }
    }
    Ok(points)
}

fn point(
    (cell, finished): (&Cell, &Finished),
    reference: &ReferenceSet,
    draws: &Draws,
    (budget, samples): (usize, usize),
) -> Result<Point> {
    let sampler = finished.annealed(within(&draws.anneal, budget))?;
    let drawing = finished.draw(&finished.model(&sampler)?, cell.seed, samples, &mut |_| {})?;
    let arrays: Arrays = drawing.further.arrays(finished.system.atoms, drawing.weighted);
    let judged = arrays["positions"].shape[0] > 0;
    let spec = EvalSpec { bootstrap: 0, ..cell.eval.clone() };
    let values: Vec<Weighed> = if judged {
        evaluate_reweighted(&finished.system, (&arrays, None), reference, &spec, (cell.seed, None), &mut |_, _, _| {})?
    } else {
        vec![]
    };
    Ok(Point {
        system: cell.system.clone(),
        label: draws.label.clone(),
        seed: cell.seed,
        budget,
        network: drawing.network,
        energies: drawing.energies,
        seconds: drawing.seconds,
        ess: drawing.ess(),
        plain: values.iter().map(|v| (v.plain.id.clone(), v.plain.value)).collect(),
        reweighted: values.iter().map(|v| (v.plain.id.clone(), v.reweighted)).collect(),
    })
}

/// Mean of a quantity over the seeds at each budget, for one way to draw on one system: budgets, means, deviations between seeds.
#[must_use]
pub fn curve(points: &[&Point], of: &dyn Fn(&Point) -> Option<f64>) -> Vec<(f64, f64, Option<f64>)> {
    let mut budgets: Vec<usize> = points.iter().map(|p| p.budget).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let at = |budget: usize| {
        let values: Vec<f64> = points.iter().filter(|p| p.budget == budget).filter_map(|p| of(p)).collect();
        let mean = stats::mean(&values)?;
        Some((budget as f64, mean, stats::deviation(&values)))
    };
    budgets.into_iter().filter_map(at).collect()
}

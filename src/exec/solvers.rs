//! Ways to draw from finished models, measured: quality against evaluations of the network.

use std::collections::BTreeSet;

use serde::Serialize;

use super::further::Finished;
use super::progress::Show;
use super::references;
use crate::array::Arrays;
use crate::config::{Cell, Draws, Experiment};
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::{Judge, Weighed};
use crate::record;
use crate::samplers::Progress;
use crate::spec::{EvalSpec, SamplerSpec, Weights};
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

/// The finished model of a cell, if it is drawn from along paths that have weights, and finished.
fn model(results: &std::path::Path, cell: &Cell) -> Result<Option<Finished>> {
    let paths = match &cell.run.sampler {
        SamplerSpec::PitaIc(_) => true,
        SamplerSpec::Pita(spec) => spec.anneal.weights == Weights::Path,
        _ => false,
    };
    if !paths {
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
            "{file}: no run of `pita-ic`, or of `pita` with path weights, is complete; `pita-bench sweep {file}` trains the models"
        )));
    }
    let mut points = Vec::new();
    let total = (models.len() * experiment.draws.len() * asked.budgets.len()) as u64;
    for (cell, finished) in &models {
        let spec = &cell.eval.reference;
        let reference = references::ensure(results, &cell.run.system, spec, show, &stop::requested)?.set()?;
        let spec = EvalSpec { bootstrap: 0, ..cell.eval.clone() };
        let judge = Judge::new(&finished.system, &reference, &spec, cell.seed)?;
        for draws in &experiment.draws {
            for &budget in &asked.budgets {
                let phase = format!("{} seed {}: {} with {budget}", cell.system, cell.seed, draws.label);
                show(&Progress { done: points.len() as u64, total, phase, ..Progress::default() });
                points.extend(point((*cell, finished), &judge, draws, (budget, asked.samples))?);
            }
        }
    }
    Ok(points)
}

/// `None` for a way that the model cannot be drawn from in.
fn point(
    (cell, finished): (&Cell, &Finished),
    judge: &Judge<'_>,
    draws: &Draws,
    (budget, samples): (usize, usize),
) -> Result<Option<Point>> {
    let Some(sampler) = finished.way(&draws.anneal, budget)? else { return Ok(None) };
    let drawing = finished.draw(finished.model(&sampler)?, cell.seed, samples, &mut |_| {})?;
    let arrays: Arrays = drawing.further.arrays(finished.system.atoms, drawing.weighted);
    let judged = arrays["positions"].shape[0] > 0;
    let values: Vec<Weighed> =
        if judged { judge.reweighted((&arrays, None), None, &mut |_, _, _| {})? } else { vec![] };
    Ok(Some(Point {
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
    }))
}

/// What a curve is drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Evaluations of the network that a draw may make.
    Evaluations,
    /// Seconds of this machine for all draws, mean over the seeds.
    Seconds,
}

/// Mean of a quantity over the seeds at each budget, for one way to draw on one system: costs, means, deviations between seeds; by
/// rising cost.
#[must_use]
pub fn curve(points: &[&Point], cost: Cost, of: &dyn Fn(&Point) -> Option<f64>) -> Vec<(f64, f64, Option<f64>)> {
    let budgets: BTreeSet<usize> = points.iter().map(|p| p.budget).collect();
    let at = |budget: usize| {
        let here = || points.iter().filter(|p| p.budget == budget);
        let values: Vec<f64> = here().filter_map(|p| of(p)).collect();
        let seconds: Vec<f64> = here().map(|p| p.seconds).collect();
        let mean = stats::mean(&values)?;
        let cost = if cost == Cost::Seconds { stats::mean(&seconds)? } else { budget as f64 };
        Some((cost, mean, stats::deviation(&values)))
    };
    let mut curve: Vec<_> = budgets.into_iter().filter_map(at).collect();
    curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    curve
}

/// The costs that all curves reach over, if there are any: areas within them can be compared.
#[must_use]
pub fn common(curves: &[Vec<(f64, f64)>]) -> Option<(f64, f64)> {
    let ends = curves.iter().filter_map(|c| Some((c.first()?.0, c.last()?.0)));
    let (low, high) = ends.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))?;
    (low < high).then_some((low, high))
}

/// The part of a curve between two costs within its own, its ends by straight lines over the logarithm of the cost.
#[must_use]
pub fn within_costs(curve: &[(f64, f64)], (low, high): (f64, f64)) -> Vec<(f64, f64)> {
    let at = |cost: f64| {
        let pair = curve.windows(2).find(|w| w[0].0 <= cost && cost <= w[1].0 && w[0].0 < w[1].0)?;
        let part = (cost / pair[0].0).ln() / (pair[1].0 / pair[0].0).ln();
        Some((cost, pair[0].1 + part * (pair[1].1 - pair[0].1)))
    };
    let inside = curve.iter().copied().filter(|(cost, _)| low < *cost && *cost < high);
    at(low).into_iter().chain(inside).chain(at(high)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::area;

    /// Lines over the logarithm of the cost, cut at other costs than they have points at: their means there by hand.
    #[test]
    fn areas_over_the_same_costs() {
        let e = f64::exp;
        let (fast, slow) = (vec![(e(0.0), 0.0), (e(4.0), 4.0)], vec![(e(1.0), 10.0), (e(3.0), 10.0), (e(6.0), 16.0)]);
        let range = common(&[fast.clone(), slow.clone(), vec![]]).unwrap();
        assert_eq!(range, (e(1.0), e(4.0)));
        // From 1 to 4 on the line y = x: 2.5; 10 for two units, then from 10 to 12 for one: (20 + 11)/3.
        assert!((area(&within_costs(&fast, range)).unwrap() - 2.5).abs() < 1e-12);
        assert!((area(&within_costs(&slow, range)).unwrap() - 31.0 / 3.0).abs() < 1e-12);
        assert_eq!(common(&[vec![(1.0, 0.0), (2.0, 0.0)], vec![(3.0, 0.0), (4.0, 0.0)]]), None);
        let point = |budget, seconds, ess| Point {
            system: String::new(),
            label: String::new(),
            seed: 0,
            budget,
            network: budget,
            energies: 0,
            seconds,
            ess: Some(ess),
            plain: vec![],
            reweighted: vec![],
        };
        let points = [point(10, 5.0, 0.1), point(20, 3.0, 0.4), point(10, 7.0, 0.3)];
        let points: Vec<&Point> = points.iter().collect();
        let found = curve(&points, Cost::Seconds, &|p| p.ess);
        assert_eq!((found[0].0, found[0].1, found[1].0), (3.0, 0.4, 6.0));
        assert!((found[1].1 - 0.2).abs() < 1e-15);
        assert_eq!(curve(&points, Cost::Evaluations, &|p| p.ess)[0].0, 10.0);
    }
}

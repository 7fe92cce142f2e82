//! What stopping a run earlier would have been worth: its metrics over what it had spent.
//!
//! Of a chain the first frames are judged: a half of them, a quarter, ... Of particles on their way down a ladder those that the run
//! kept, reweighted to the target by `exp(-E/kT + E/kT')`, T' being their temperature. Of either as many at most: floors fall with
//! the number.

use std::path::Path;

use crate::array::{Array, Arrays};
use crate::config::Cell;
use crate::energy::Counts;
use crate::error::Result;
use crate::metrics::evaluate::energies;
use crate::metrics::{Judge, weights};
use crate::record::evaluation::Point;
use crate::record::{atomic, populations};
use crate::samplers::population::KEPT;
use crate::spec::SamplerSpec;
use crate::systems::System;

/// Points of a chain's curve.
const HALVES: i32 = 6;
/// Fewest frames of a point.
const FEWEST: usize = 16;

/// The points of a run before its end, in the order of their cost; none where nothing is known of the way. Metrics that need an array
/// beside the positions have none.
///
/// # Errors
/// When files of the run cannot be read; [`crate::error::Error::Interrupted`].
pub(super) fn curve(
    system: &System,
    cell: &Cell,
    run: &Path,
    samples: &Arrays,
    judge: &Judge<'_>,
) -> Result<Vec<Point>> {
    let point = |evaluations: f64, frames: &Arrays| -> Result<Point> {
        Ok(Point { evaluations, metrics: judge.numbers(frames, KEPT)? })
    };
    let counts = run.join("counts.json");
    let charged = if counts.exists() { atomic::read_json::<Counts>(&counts)?.charged() } else { 0 };
    let mut points = Vec::new();
    // The last ones, which cost as much as all, are the samples.
    for kept in populations::read(run)?.into_iter().filter(|kept| kept.evaluations < charged) {
        let positions = kept.positions.to_f64();
        let (from, to) = (system.kt(kept.temperature), system.kt(system.temperature));
        let mut frames = Arrays::from([("positions".to_owned(), kept.positions)]);
        if from != to {
            let log_weight: Vec<f64> = energies(system, &positions).iter().map(|e| e / from - e / to).collect();
            frames.insert("log_weight".into(), Array::f64(&[log_weight.len()], log_weight));
            let Some(reweighted) = weights::reweighted(&frames, cell.seed) else { continue };
            frames = reweighted;
        }
        points.push(point(kept.evaluations as f64, &frames)?);
    }
    if let Some(before) = unrecorded(&cell.run.sampler).filter(|before| *before < charged as f64) {
        for k in (1..=HALVES).rev() {
            let share = 0.5_f64.powi(k);
            let Some(first) = first(samples, share, system.atoms) else { continue };
            points.push(point(before + share * (charged as f64 - before), &first)?);
        }
    }
    Ok(points)
}

/// The first frames of `positions [n, atoms, 3]`, if there are enough of them.
fn first(samples: &Arrays, share: f64, atoms: usize) -> Option<Arrays> {
    let positions = samples.get("positions")?;
    let kept = (share * positions.shape[0] as f64) as usize;
    let numbers = (kept >= FEWEST).then(|| positions.to_f64()[..kept * 3 * atoms].to_vec())?;
    Some([("positions".to_owned(), Array::f64(&[kept, atoms, 3], numbers))].into())
}

/// Charged evaluations before the first frame of a sampler whose frames are in the order of time; `None` for others.
fn unrecorded(sampler: &SamplerSpec) -> Option<f64> {
    let steps = match sampler {
        SamplerSpec::Md(md) => md.walkers * (1 + md.equilibration + md.hot_start.as_ref().map_or(0, |h| h.steps)),
        SamplerSpec::ReplicaExchange(re) => re.copies * (re.ladder.len() + 1) * (1 + re.equilibration),
        _ => return None,
    };
    Some(steps as f64)
}

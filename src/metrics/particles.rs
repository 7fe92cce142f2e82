//! Metrics of energies, distances and whole configurations: what needs no topology.

use super::alignment::{PairCost, pair_costs};
use super::compare::{Compared, Settings, absolute, bootstrap_both, bootstrap_one, in_blocks, mean};
use super::ot;
use super::side::Side;
use super::wasserstein::{Pooled, pooled};
use crate::error::Result;

/// `W_p` on the line; weights are those of the groups of `a`.
pub(super) fn on_the_line(p: u32, a: &Pooled, weights: Option<&[f64]>, b: &Pooled, settings: Settings) -> Compared {
    bootstrap_both((a.groups(), b.groups()), weights, settings, |in_a, in_b| pooled(p, a, in_a, b, in_b))
}

/// Absolute difference of the mean reduced energies. Groups are single values here, numbered before sorting: weights are
/// spread, and any order will do for replicates.
pub(super) fn mean_difference(a: &Pooled, weights: Option<&[f64]>, b: &Pooled, settings: Settings) -> Compared {
    let weights = weights.map(|w| a.spread(w));
    absolute(bootstrap_both((a.groups(), b.groups()), weights.as_deref(), settings, |in_a, in_b| {
        Some(mean(a.values(), in_a)? - mean(b.values(), in_b)?)
    }))
}

/// Mean reduced energy of one side; the note tells the reference's.
pub(super) fn mean_energy(a: &Pooled, weights: Option<&[f64]>, b: &Pooled, settings: Settings) -> Compared {
    let weights = weights.map(|w| a.spread(w));
    let mut found = bootstrap_one(a.groups(), weights.as_deref(), settings, |in_a| mean(a.values(), in_a));
    found.note = match mean(b.values(), None) {
        Some(mean) => format!("reference mean {mean:.4} kT"),
        None => "the reference has no usable energies".into(),
    };
    found
}

/// Exact transport over frames, `finish` of its mean cost; the interval comes from disjoint blocks of the one cost matrix.
pub(super) fn geometric(
    pair_cost: PairCost,
    finish: fn(f64) -> f64,
    a: &Side,
    b: &Side,
    settings: Settings,
) -> Result<Compared> {
    let n = settings.geo_n.min(a.len()).min(b.len());
    if n == 0 {
        return Ok(Compared::default());
    }
    let cost = pair_costs(pair_cost, a.first(n), b.first(n), a.atoms());
    in_blocks(n, a.weights(), settings, |inside, weights| {
        if inside.len() == n {
            return Ok(finish(ot::mean_cost(&cost, n, weights)?));
        }
        let part: Vec<f64> = inside.clone().flat_map(|i| cost[i * n..][inside.clone()].to_vec()).collect();
        Ok(finish(ot::mean_cost(&part, inside.len(), weights)?))
    })
}

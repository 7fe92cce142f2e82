//! Metrics of energies, distances and whole configurations: what needs no topology.

use super::alignment::{PairCost, pair_costs};
use super::bootstrap::{self, BLOCKS};
use super::compare::{Compared, Settings, absolute, bootstrap_both, bootstrap_one, drawn};
use super::ot;
use super::side::Side;
use super::wasserstein::{Pooled, pooled};
use crate::error::Result;
use crate::stats::mean;

/// `W_p` on the line.
pub(super) fn on_the_line(p: u32, a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    bootstrap_both((a.groups(), b.groups()), pooled(p, a, None, b, None), settings, |in_a, in_b| {
        pooled(p, a, Some(in_a), b, Some(in_b))
    })
}

/// Mean of a replicate: every group is one value, and groups were numbered before sorting, so any order will do.
fn weighted_mean(values: &[f64], counts: &[u32]) -> f64 {
    values.iter().zip(counts).map(|(v, &c)| v * f64::from(c)).sum::<f64>() / drawn(counts)
}

/// Absolute difference of the mean reduced energies.
pub(super) fn mean_difference(a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let value = mean(a.values()).zip(mean(b.values())).map(|(a, b)| a - b);
    absolute(bootstrap_both((a.groups(), b.groups()), value, settings, |in_a, in_b| {
        Some(weighted_mean(a.values(), in_a) - weighted_mean(b.values(), in_b))
    }))
}

/// Mean reduced energy of one side; the note tells the reference's.
pub(super) fn mean_energy(a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let mut found =
        bootstrap_one(a.groups(), mean(a.values()), settings, |counts| Some(weighted_mean(a.values(), counts)));
    found.note = match mean(b.values()) {
        Some(mean) => format!("reference mean {mean:.4} kT"),
        None => "the reference has no usable energies".into(),
    };
    found
}

/// Exact transport over frames; the interval comes from disjoint blocks of the one cost matrix.
pub(super) fn geometric(kind: PairCost, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
    let n = settings.geo_n.min(a.len()).min(b.len());
    if n == 0 {
        return Ok(Compared::default());
    }
    let cost = pair_costs(kind, a.first(n), b.first(n), a.atoms());
    let finish = |mean: f64| if kind == PairCost::OnePass { mean } else { mean.sqrt() };
    let value = finish(ot::mean_cost(&cost, n)?);
    let size = n / BLOCKS;
    let interval = if settings.bootstrap > 0 && size >= 10 {
        let mut blocks = [0.0; BLOCKS];
        for (k, block) in blocks.iter_mut().enumerate() {
            let inside = k * size..(k + 1) * size;
            let part: Vec<f64> = inside.clone().flat_map(|i| cost[i * n..][inside.clone()].to_vec()).collect();
            *block = finish(ot::mean_cost(&part, size)?);
        }
        Some(bootstrap::block_interval(value, &blocks, settings.excess(n)))
    } else {
        None
    };
    Ok(Compared { value: Some(value), interval, used: (n, n), ..Compared::default() })
}

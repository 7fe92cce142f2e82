//! Two sets of frames against each other: every two-sided metric, with its interval.

use std::cell::OnceCell;

use super::alignment::{PairCost, pair_costs};
use super::bootstrap::{self, BLOCKS, Draw};
use super::ot;
use super::wasserstein::{Pooled, interatomic_distances, pooled};
use crate::error::{Error, Result};

/// Reduced energies beyond this are dropped (and counted): a single overlap of particles would decide the mean.
pub const ENERGY_LIMIT: f64 = 1_000.0;

/// Sizes and seed that a value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settings {
    /// Samples per side of one-dimensional metrics.
    pub n: usize,
    /// Samples per side of aligned-geometry metrics.
    pub geo_n: usize,
    /// Bootstrap replicates.
    pub bootstrap: usize,
    /// Seed of subsets and replicates.
    pub seed: u64,
}

/// One side of a comparison: frames with their reduced energies.
#[derive(Debug, Clone)]
pub struct Side {
    atoms: usize,
    positions: Vec<f64>,
    energies: Vec<f64>,
    kept: OnceCell<Pooled>,
    distances: OnceCell<Pooled>,
}

impl Side {
    /// Frames `[n, atoms, 3]` with reduced energies `[n]` (empty when no metric needs them).
    #[must_use]
    pub fn new(atoms: usize, positions: Vec<f64>, energies: Vec<f64>) -> Self {
        Self { atoms, positions, energies, kept: OnceCell::new(), distances: OnceCell::new() }
    }

    /// The same frames with these reduced energies `[n]`.
    #[must_use]
    pub fn with_energies(self, energies: Vec<f64>) -> Self {
        debug_assert_eq!(energies.len(), self.len());
        Self::new(self.atoms, self.positions, energies)
    }

    /// Positions `[n, atoms, 3]`.
    #[must_use]
    pub fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len() / (3 * self.atoms)
    }

    /// Whether there are no frames.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The frames with these indices.
    #[must_use]
    pub fn select(&self, frames: &[usize]) -> Self {
        let dim = 3 * self.atoms;
        let positions = frames.iter().flat_map(|&f| &self.positions[f * dim..(f + 1) * dim]).copied().collect();
        let energies =
            if self.energies.is_empty() { vec![] } else { frames.iter().map(|&f| self.energies[f]).collect() };
        Self::new(self.atoms, positions, energies)
    }

    /// Reduced energies within ±[`ENERGY_LIMIT`], ascending.
    pub(super) fn kept(&self) -> &Pooled {
        self.kept.get_or_init(|| {
            let kept: Vec<f64> = self.energies.iter().copied().filter(|u| u.abs() <= ENERGY_LIMIT).collect();
            Pooled::new(&kept, 1)
        })
    }

    /// All interatomic distances, ascending.
    fn distances(&self) -> &Pooled {
        let pairs = (self.atoms * self.atoms.saturating_sub(1) / 2).max(1);
        self.distances.get_or_init(|| Pooled::new(&interatomic_distances(&self.positions, self.atoms), pairs))
    }

    fn first(&self, frames: usize) -> &[f64] {
        &self.positions[..frames * 3 * self.atoms]
    }
}

/// Value of a two-sided metric, and its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compared {
    /// The value; `None` when a side is empty.
    pub value: Option<f64>,
    /// 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Frames used of the first and the second side.
    pub used: (usize, usize),
}

/// Computes a two-sided metric between `a` (samples) and `b` (reference), with an interval if `bootstrap > 0`.
///
/// # Errors
/// [`Error::Numerical`] when optimal transport fails, [`Error::Internal`] for a metric that is not two-sided.
pub fn compare(id: &str, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
    match id {
        "energy-w1" => Ok(on_the_line(1, a.kept(), b.kept(), settings)),
        "energy-w2" => Ok(on_the_line(2, a.kept(), b.kept(), settings)),
        "distance-w2" => Ok(on_the_line(2, a.distances(), b.distances(), settings)),
        "mean-energy-diff" => Ok(mean_difference(a.kept(), b.kept(), settings)),
        "geo-w1-ref" => geometric(PairCost::OnePass, a, b, settings),
        "geo-w2" => geometric(PairCost::IteratedSquared, a, b, settings),
        _ => Err(Error::Internal(format!("`{id}` does not compare two sets"))),
    }
}

fn replicate(a: &Pooled, b: &Pooled, seed: u64, r: usize) -> (Vec<u32>, Vec<u32>) {
    (
        bootstrap::counts(a.groups(), seed, Draw::ReplicateSamples, r),
        bootstrap::counts(b.groups(), seed, Draw::ReplicateReference, r),
    )
}

fn on_the_line(p: u32, a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let value = pooled(p, a, None, b, None);
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let (in_a, in_b) = replicate(a, b, settings.seed, r);
            pooled(p, a, Some(&in_a), b, Some(&in_b))
        })
    });
    Compared { value, interval, used: (a.groups(), b.groups()) }
}

/// Mean, or `None` without values.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean of a replicate: every group is one value, and groups were numbered before sorting, so any order will do.
fn weighted_mean(values: &[f64], counts: &[u32]) -> f64 {
    values.iter().zip(counts).map(|(v, &c)| v * f64::from(c)).sum::<f64>() / values.len() as f64
}

fn mean_difference(a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let value = mean(a.values()).zip(mean(b.values())).map(|(a, b)| a - b);
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let (in_a, in_b) = replicate(a, b, settings.seed, r);
            Some(weighted_mean(a.values(), &in_a) - weighted_mean(b.values(), &in_b))
        })
    });
    // The interval of the signed difference, folded at zero.
    let interval = interval
        .map(|(lo, hi)| (if lo <= 0.0 && hi >= 0.0 { 0.0 } else { lo.abs().min(hi.abs()) }, lo.abs().max(hi.abs())));
    Compared { value: value.map(f64::abs), interval, used: (a.groups(), b.groups()) }
}

/// Exact transport over frames; the interval comes from disjoint blocks of the one cost matrix.
fn geometric(kind: PairCost, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
    let n = settings.geo_n.min(a.len()).min(b.len());
    if n == 0 {
        return Ok(Compared::default());
    }
    let cost = pair_costs(kind, a.first(n), b.first(n), a.atoms);
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
        Some(bootstrap::block_interval(value, &blocks))
    } else {
        None
    };
    Ok(Compared { value: Some(value), interval, used: (n, n) })
}

/// Mean reduced energy within ±[`ENERGY_LIMIT`], with an interval if `bootstrap > 0`.
#[must_use]
pub fn mean_energy(side: &Side, settings: Settings) -> Compared {
    let kept = side.kept();
    let value = mean(kept.values());
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let counts = bootstrap::counts(kept.groups(), settings.seed, Draw::ReplicateSamples, r);
            Some(weighted_mean(kept.values(), &counts))
        })
    });
    Compared { value, interval, used: (kept.groups(), 0) }
}

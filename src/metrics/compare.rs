//! Two sets of frames against each other: every metric of positions and energies by id, with its interval.

use super::alignment::{PairCost, pair_costs};
use super::bootstrap::{self, BLOCKS, Draw};
use super::wasserstein::{Pooled, pooled};
use super::{ot, structure};
use crate::error::Result;

pub use super::side::Side;

/// Sizes and seed that a value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settings {
    /// Samples per side of one-dimensional metrics.
    pub n: usize,
    /// Samples per side of aligned-geometry metrics.
    pub geo_n: usize,
    /// Samples per side of optimal transport between dihedrals and between TICA components.
    pub ot_n: usize,
    /// Bootstrap replicates.
    pub bootstrap: usize,
    /// Seed of subsets and replicates.
    pub seed: u64,
}

/// Value of a metric, and its interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compared {
    /// The value; `None` where it is not defined.
    pub value: Option<f64>,
    /// 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Frames used of the first and the second side.
    pub used: (usize, usize),
    /// Frames of the first side that this metric left out.
    pub dropped: usize,
    /// Remarks; for an undefined value the reason.
    pub note: String,
}

impl Compared {
    /// No value, and why.
    #[must_use]
    pub fn undefined(why: impl Into<String>) -> Self {
        Self { note: why.into(), ..Self::default() }
    }

    /// Adds a remark to the note.
    pub fn remark(&mut self, remark: &str) {
        super::append(&mut self.note, remark);
    }
}

/// Computes a metric of `a` (samples) against `b` (reference), with an interval if `bootstrap > 0`.
///
/// # Errors
/// [`Error::Numerical`](crate::error::Error::Numerical) when optimal transport fails,
/// [`Error::Internal`](crate::error::Error::Internal) for a metric that is not of positions and energies.
pub fn compare(id: &str, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
    let energies = |found: Compared| Compared { dropped: a.len() - a.kept().groups(), ..found };
    let mut found = match id {
        "energy-w1" => energies(on_the_line(1, a.kept(), b.kept(), settings)),
        "energy-w2" => energies(on_the_line(2, a.kept(), b.kept(), settings)),
        "distance-w2" => on_the_line(2, a.distances(), b.distances(), settings),
        "mean-energy" => energies(mean_energy(a.kept(), b.kept(), settings)),
        "mean-energy-diff" => energies(mean_difference(a.kept(), b.kept(), settings)),
        "geo-w1-ref" => geometric(PairCost::OnePass, a, b, settings)?,
        "geo-w2" => geometric(PairCost::IteratedSquared, a, b, settings)?,
        _ => return structure::compare(id, a, b, settings),
    };
    if found.value.is_none() {
        found.note = "no usable samples".into();
    }
    Ok(found)
}

/// A statistic of one side of `n` frames: its value, and its interval from `statistic(counts)` on bootstrap replicates.
pub(super) fn bootstrap_one(
    n: usize,
    value: Option<f64>,
    settings: Settings,
    statistic: impl Fn(&[u32]) -> Option<f64> + Sync + Send,
) -> Compared {
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            statistic(&bootstrap::counts(n, settings.seed, Draw::ReplicateSamples, r))
        })
    });
    Compared { value, interval, used: (n, 0), ..Compared::default() }
}

/// A statistic of two sides of `n` frames: its value, and its interval from `statistic(counts of a, counts of b)`.
pub(super) fn bootstrap_both(
    n: (usize, usize),
    value: Option<f64>,
    settings: Settings,
    statistic: impl Fn(&[u32], &[u32]) -> Option<f64> + Sync + Send,
) -> Compared {
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            statistic(
                &bootstrap::counts(n.0, settings.seed, Draw::ReplicateSamples, r),
                &bootstrap::counts(n.1, settings.seed, Draw::ReplicateReference, r),
            )
        })
    });
    Compared { value, interval, used: n, ..Compared::default() }
}

/// A signed difference made absolute: its interval is folded at zero.
pub(super) fn absolute(signed: Compared) -> Compared {
    let fold = |(lo, hi): (f64, f64)| {
        (if lo <= 0.0 && hi >= 0.0 { 0.0 } else { lo.abs().min(hi.abs()) }, lo.abs().max(hi.abs()))
    };
    Compared { value: signed.value.map(f64::abs), interval: signed.interval.map(fold), ..signed }
}

fn on_the_line(p: u32, a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    bootstrap_both((a.groups(), b.groups()), pooled(p, a, None, b, None), settings, |in_a, in_b| {
        pooled(p, a, Some(in_a), b, Some(in_b))
    })
}

/// Mean, or `None` without values.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean of a replicate: every group is one value, and groups were numbered before sorting, so any order will do.
fn weighted_mean(values: &[f64], counts: &[u32]) -> f64 {
    values.iter().zip(counts).map(|(v, &c)| v * f64::from(c)).sum::<f64>() / values.len() as f64
}

fn mean_difference(a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let value = mean(a.values()).zip(mean(b.values())).map(|(a, b)| a - b);
    absolute(bootstrap_both((a.groups(), b.groups()), value, settings, |in_a, in_b| {
        Some(weighted_mean(a.values(), in_a) - weighted_mean(b.values(), in_b))
    }))
}

/// Mean reduced energy of one side; the note tells the reference's.
fn mean_energy(a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let mut found =
        bootstrap_one(a.groups(), mean(a.values()), settings, |counts| Some(weighted_mean(a.values(), counts)));
    found.note = match mean(b.values()) {
        Some(mean) => format!("reference mean {mean:.4} kT"),
        None => "the reference has no usable energies".into(),
    };
    found
}

/// Exact transport over frames; the interval comes from disjoint blocks of the one cost matrix.
fn geometric(kind: PairCost, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
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
        Some(bootstrap::block_interval(value, &blocks))
    } else {
        None
    };
    Ok(Compared { value: Some(value), interval, used: (n, n), ..Compared::default() })
}

//! What the comparison of two sets of frames gives, and how it gets its interval.

use std::ops::Range;

use super::bootstrap::{self, BLOCKS, Draw, counted};
use crate::error::Result;
use crate::stats::series;

/// Sizes and seed that a value depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
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
    /// How far the samples are correlated: they are `None` where they are independent.
    pub correlation: Option<Correlation>,
}

/// Samples of dynamics, in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Correlation {
    /// Frames that the samples were drawn from.
    pub total: usize,
    /// Their statistical inefficiency.
    pub inefficiency: f64,
}

impl Settings {
    /// The independent samples that `n` samples are worth.
    pub(super) fn effective(&self, n: usize) -> usize {
        match self.correlation {
            None => n,
            Some(c) => (series::effective(n, c.total, c.inefficiency).round() as usize).clamp(n.min(1), n),
        }
    }
}

/// Value of a metric, and its interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Compared {
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
    pub(super) fn undefined(why: impl Into<String>) -> Self {
        Self { note: why.into(), ..Self::default() }
    }

    /// Adds a remark to the note.
    pub(super) fn remark(&mut self, remark: &str) {
        super::append(&mut self.note, remark);
    }
}

/// A statistic of one side of `n` frames with weights `[n]` (or every frame alike), and its interval: the same with the
/// masses of bootstrap replicates.
pub(super) fn bootstrap_one(
    n: usize,
    weights: Option<&[f64]>,
    settings: Settings,
    statistic: impl Fn(Option<&[f64]>) -> Option<f64> + Sync + Send,
) -> Compared {
    bootstrap_both((n, 0), weights, settings, |in_a, _| statistic(in_a))
}

/// A statistic of two sides of `n` frames, of which the first has weights, and its interval.
pub(super) fn bootstrap_both(
    n: (usize, usize),
    weights: Option<&[f64]>,
    settings: Settings,
    statistic: impl Fn(Option<&[f64]>, Option<&[f64]>) -> Option<f64> + Sync + Send,
) -> Compared {
    let value = statistic(weights, None);
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let drawn = settings.effective(n.0);
            let mut in_a = bootstrap::counts(n.0, drawn, settings.seed, Draw::ReplicateSamples, r);
            in_a.iter_mut().zip(weights.into_iter().flatten()).for_each(|(count, weight)| *count *= weight);
            let in_b = bootstrap::counts(n.1, n.1, settings.seed, Draw::ReplicateReference, r);
            statistic(Some(&in_a), Some(&in_b))
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

/// Mean with masses `[n]`, or `None` without values.
pub(super) fn mean(values: &[f64], masses: Option<&[f64]>) -> Option<f64> {
    let total: f64 = masses.map_or(values.len() as f64, |m| m.iter().sum());
    let sum: f64 = values.iter().enumerate().map(|(i, v)| v * counted(masses, i)).sum();
    (!values.is_empty()).then(|| sum / total)
}

/// A distance between the first `n` frames of two sides, given as `distance(frames, their weights)`; the interval comes from
/// disjoint blocks of them.
pub(super) fn in_blocks(
    n: usize,
    weights: Option<&[f64]>,
    settings: Settings,
    distance: impl Fn(Range<usize>, Option<&[f64]>) -> Result<f64>,
) -> Result<Compared> {
    let part = |inside: &Range<usize>| weights.map(|w| &w[inside.clone()]);
    let massless = |inside: &Range<usize>| part(inside).is_some_and(|w| w.iter().all(|w| *w == 0.0));
    if massless(&(0..n)) {
        return Ok(Compared::undefined("no frame in use has a weight"));
    }
    let value = distance(0..n, part(&(0..n)))?;
    let size = n / BLOCKS;
    let blocks: [Range<usize>; BLOCKS] = std::array::from_fn(|k| k * size..(k + 1) * size);
    let interval = if settings.bootstrap > 0 && size >= 10 && !blocks.iter().any(massless) {
        let mut found = [0.0; BLOCKS];
        for (block, found) in blocks.into_iter().zip(&mut found) {
            *found = distance(block.clone(), part(&block))?;
        }
        // Samples over the independent ones that they are worth.
        let excess = n as f64 / settings.effective(n).max(1) as f64;
        Some(bootstrap::block_interval(value, &found, excess))
    } else {
        None
    };
    Ok(Compared { value: Some(value), interval, used: (n, n), ..Compared::default() })
}

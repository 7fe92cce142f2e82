//! What the comparison of two sets of frames gives, and how it gets its interval.

use super::bootstrap::{self, Draw};
use crate::stats::series;

/// Sizes and seed that a value depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// How far the samples are correlated: they are `None` where they are independent.
    pub correlation: Option<Correlation>,
}

/// Samples of dynamics, in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Frames that the samples were drawn from.
    pub total: usize,
    /// Their statistical inefficiency.
    pub inefficiency: f64,
}

impl Settings {
    /// The independent samples that `n` samples are worth.
    #[must_use]
    pub fn effective(&self, n: usize) -> usize {
        match self.correlation {
            None => n,
            Some(c) => (series::effective(n, c.total, c.inefficiency).round() as usize).clamp(n.min(1), n),
        }
    }

    /// Samples over the independent ones that they are worth.
    pub(super) fn excess(&self, n: usize) -> f64 {
        n as f64 / self.effective(n).max(1) as f64
    }
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

/// A statistic of one side of `n` frames: its value, and its interval from `statistic(counts)` on bootstrap replicates.
pub(super) fn bootstrap_one(
    n: usize,
    value: Option<f64>,
    settings: Settings,
    statistic: impl Fn(&[u32]) -> Option<f64> + Sync + Send,
) -> Compared {
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            statistic(&bootstrap::counts(n, settings.effective(n), settings.seed, Draw::ReplicateSamples, r))
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
                &bootstrap::counts(n.0, settings.effective(n.0), settings.seed, Draw::ReplicateSamples, r),
                &bootstrap::counts(n.1, n.1, settings.seed, Draw::ReplicateReference, r),
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

/// Items of a bootstrap replicate.
pub(super) fn drawn(counts: &[u32]) -> f64 {
    counts.iter().map(|&c| f64::from(c)).sum()
}

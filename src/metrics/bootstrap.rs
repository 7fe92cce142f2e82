//! Subsets and 95 % intervals, from Philox streams: the same on every machine and thread count.
//!
//! Frames of dynamics are correlated in time: a replicate draws as many of them as they are worth independent samples
//! ([`crate::stats::series`]), as the m out of n bootstrap does. Frames of the reference count as independent: it is sampled
//! with long strides.

use rayon::prelude::*;

use crate::diffusion::sde::quantile;
use crate::rng::{Purpose, Stream};
use crate::stats::{LEVEL, deviation, student};
use crate::stop;

/// What a draw of [`Purpose::Evaluation`] is for: steps of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Draw {
    /// Which samples are used.
    Samples = 0,
    /// Which reference frames are used: the same for every method at the same seed.
    Reference = 1,
    /// The two disjoint halves of the reference.
    Floor = 2,
    /// Bootstrap replicates of the samples.
    ReplicateSamples = 3,
    /// Bootstrap replicates of the reference.
    ReplicateReference = 4,
    /// Relabellings of a permutation test.
    Permutation = 5,
}

/// `min(n, total)` distinct indices below `total` in random order; a smaller `n` gives a prefix of a larger one.
#[must_use]
pub fn subset(total: usize, n: usize, seed: u64, draw: Draw) -> Vec<usize> {
    let mut draws = Stream::new(seed, Purpose::Evaluation, draw as u64).at(0);
    let mut all: Vec<usize> = (0..total).collect();
    let n = n.min(total);
    for i in 0..n {
        all.swap(i, i + draws.below(total - i));
    }
    all.truncate(n);
    all
}

/// How often each of `n` items occurs among the `drawn` of bootstrap replicate number `replicate`: whole numbers.
pub(super) fn counts(n: usize, drawn: usize, seed: u64, draw: Draw, replicate: usize) -> Vec<f64> {
    let mut draws = Stream::new(seed, Purpose::Evaluation, draw as u64).at(replicate as u32);
    let mut counts = vec![0.0; n];
    for _ in 0..drawn {
        counts[draws.below(n)] += 1.0;
    }
    counts
}

/// How much item `i` counts: once where items are neither weighted nor resampled.
pub(super) fn counted(masses: Option<&[f64]>, i: usize) -> f64 {
    masses.map_or(1.0, |m| m[i])
}

/// 95 % percentile interval of `statistic(replicate)` over `replicates` replicates, in parallel.
///
/// Resampling adds its own noise to a distance, so replicates lie above `value` on average; they are shifted to have
/// their mean at `value` before the percentiles are read. `None` with fewer than [`LEAST`] replicates, or when the statistic of
/// one is not defined: then the value hangs on a few samples.
pub(super) fn interval(
    value: f64,
    replicates: usize,
    statistic: impl Fn(usize) -> Option<f64> + Send + Sync,
) -> Option<(f64, f64)> {
    let one = |replicate| if stop::requested() { None } else { statistic(replicate) };
    let found: Vec<f64> = (0..replicates).into_par_iter().map(one).collect::<Option<_>>()?;
    if found.len() < LEAST {
        return None;
    }
    let shift = value - found.iter().sum::<f64>() / found.len() as f64;
    Some((quantile(&found, 0.025) + shift, quantile(&found, 0.975) + shift))
}

/// 95 % interval of `value` from the same statistic on [`BLOCKS`] disjoint blocks of the data: Student's t on the
/// blocks' spread over sqrt(blocks), around `value` (blocks are smaller, so their mean is biased, their spread is not).
///
/// Blocks are drawn at random from the whole, so that what their frames have in common by correlation does not show in their
/// spread: it is made wider by the root of `correlation`, frames over the independent ones that they are worth.
pub(super) fn block_interval(value: f64, blocks: &[f64; BLOCKS], correlation: f64) -> (f64, f64) {
    let t = student::quantile(LEVEL, (BLOCKS - 1) as f64);
    let half = t * deviation(blocks).unwrap_or(0.0) * (correlation / BLOCKS as f64).sqrt();
    (value - half, value + half)
}

/// Fewest replicates that make an interval.
pub(super) const LEAST: usize = 20;

/// Number of blocks of [`block_interval`].
pub(super) const BLOCKS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_distinct_prefixes() {
        let long = subset(100, 60, 7, Draw::Samples);
        assert_eq!(subset(100, 20, 7, Draw::Samples), long[..20]);
        assert_ne!(subset(100, 60, 8, Draw::Samples), long);
        let mut sorted = long;
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 60);
        assert_eq!(subset(3, 10, 0, Draw::Floor).len(), 3);
    }

    /// The interval of a mean of normals covers the truth about 95 times in 100, and has the textbook width.
    #[test]
    fn covers() {
        let n = 200;
        let mut covered = 0;
        for trial in 0..200 {
            let mut draws = Stream::new(trial, Purpose::Init, 0).at(0);
            let x: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
            let mean = x.iter().sum::<f64>() / n as f64;
            let (lo, hi) = interval(mean, 400, |r| {
                let counts = counts(n, n, trial, Draw::ReplicateSamples, r);
                Some(x.iter().zip(&counts).map(|(x, c)| x * c).sum::<f64>() / n as f64)
            })
            .unwrap();
            assert!(((hi - lo) / (2.0 * 1.96 / (n as f64).sqrt()) - 1.0).abs() < 0.35);
            covered += u32::from(lo < 0.0 && 0.0 < hi);
        }
        // Binomial(200, 0.95): mean 190, standard deviation 3.1.
        assert!((178..=200).contains(&covered), "{covered}");
    }

    #[test]
    fn blocks_by_hand() {
        // Standard deviation of 1..5 is sqrt(2.5); over sqrt(5) that is sqrt(0.5).
        let (lo, hi) = block_interval(10.0, &[1.0, 2.0, 3.0, 4.0, 5.0], 1.0);
        assert!((hi - 10.0 - 2.776_445_105_197_793 * 0.5_f64.sqrt()).abs() < 1e-9);
        assert!((lo + hi - 20.0).abs() < 1e-12);
        let wide = block_interval(10.0, &[1.0, 2.0, 3.0, 4.0, 5.0], 4.0);
        assert!((wide.1 - 10.0 - 2.0 * (hi - 10.0)).abs() < 1e-12);
        assert_eq!(interval(0.0, 10, |_| Some(1.0)), None);
        assert_eq!(interval(0.0, 50, |r| (r != 30).then_some(1.0)), None);
    }
}

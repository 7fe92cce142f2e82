//! Series in time: how many independent samples frames of dynamics are worth.
//!
//! The statistical inefficiency `g = 1 + 2 sum_t rho(t)` is the number of frames that tell as much as one independent sample
//! (Chodera et al., J. Chem. Theory Comput. 3, 26, 2007). The sum of the autocorrelation ends by Geyer's initial monotone
//! sequence (Statistical Science 7, 473, 1992). The mean is that over all walkers: walkers that stay where they are are
//! seen to be correlated, however long they stay.

/// Longest series whose autocorrelation is computed lag by lag; longer ones are averaged pair by pair first.
const LONGEST: usize = 1_024;

/// Statistical inefficiency of `values [frame, walker]` of `walkers` walkers (the last frame may lack some), at least 1 and
/// at most the frames of a walker. Values that are not finite count as the mean.
#[must_use]
pub fn inefficiency(values: &[f64], walkers: usize) -> f64 {
    let frames = values.len() / walkers.max(1);
    if frames < 2 {
        return 1.0;
    }
    let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let Some(mean) = super::mean(&finite) else { return 1.0 };
    let deviation = |x: f64| if x.is_finite() { x - mean } else { 0.0 };
    let walker = |w: usize| (0..frames).map(|f| deviation(values[f * walkers + w])).collect::<Vec<f64>>();
    let mut series: Vec<Vec<f64>> = (0..walkers).map(walker).collect();
    let power = |series: &[Vec<f64>]| {
        series.iter().flatten().map(|d| d * d).sum::<f64>() / series.iter().map(Vec::len).sum::<usize>().max(1) as f64
    };
    let single = power(&series);
    if single == 0.0 {
        return 1.0;
    }
    // The variance of the mean over all is that of the mean over the averages of pairs.
    let mut block = 1.0;
    while series[0].len() > LONGEST {
        series.iter_mut().for_each(|s| *s = s.as_chunks::<2>().0.iter().map(|[a, b]| 0.5 * (a + b)).collect());
        block *= 2.0;
    }
    let averaged = power(&series);
    if averaged == 0.0 {
        return 1.0;
    }
    let g = block * averaged / single * correlated(&series, averaged);
    g.clamp(1.0, frames as f64)
}

/// `1 + 2 sum rho(t)` of deviations of the given mean square, each lag weighted by the share of the series that it spans.
///
/// Deviations are from the mean of the series, not from the true one, which takes `g/n` from every `rho` of `n` values; that is
/// given back (Sokal, in Functional Integration, 131, 1997).
fn correlated(series: &[Vec<f64>], power: f64) -> f64 {
    let length = series[0].len();
    let n = (length * series.len()) as f64;
    let rho = |t: usize| {
        let products = series.iter().map(|s| s.iter().zip(&s[t.min(length)..]).map(|(a, b)| a * b).sum::<f64>());
        products.sum::<f64>() / (power * n)
    };
    let (mut sum, mut last, mut lags) = (0.0, f64::INFINITY, 0);
    while lags < length {
        // Sums of neighbouring lags of a reversible chain are positive and fall: what does not is noise.
        let both = (rho(lags) + rho(lags + 1)).min(last);
        if both <= 0.0 {
            break;
        }
        sum += both;
        last = both;
        lags += 2;
    }
    (2.0 * sum - 1.0) * (1.0 + (2 * lags) as f64 / n)
}

/// The independent samples that `n` frames are worth, drawn at random out of `total` with inefficiency `g`: two of them
/// covary as two frames of the whole do on average, so the variance of their mean is `1 + (n - 1)(g - 1)/(total - 1)` times
/// that of independent ones; `total / g` when all are drawn (to 1/total).
#[must_use]
pub fn effective(n: usize, total: usize, g: f64) -> f64 {
    let share = n.saturating_sub(1) as f64 / total.saturating_sub(1).max(1) as f64;
    n as f64 / (1.0 + share.min(1.0) * (g - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// First-order autoregression with unit variance, `[frame, walker]`: its inefficiency is (1 + rho)/(1 - rho).
    fn autoregression(seed: u64, frames: usize, walkers: usize, rho: f64) -> Vec<f64> {
        let mut out = vec![0.0; frames * walkers];
        for w in 0..walkers {
            let mut draws = Stream::new(seed, Purpose::Init, w as u64).at(0);
            let mut x = draws.normal();
            for f in 0..frames {
                out[f * walkers + w] = x;
                x = rho * x + (1.0 - rho * rho).sqrt() * draws.normal();
            }
        }
        out
    }

    #[test]
    fn autoregressions_by_their_closed_form() {
        for (rho, frames, walkers) in
            [(0.0, 400, 8), (0.5, 4_000, 4), (0.9, 2_000, 16), (0.9, 40_000, 1), (0.98, 20_000, 4)]
        {
            let found: f64 =
                (0..10).map(|seed| inefficiency(&autoregression(seed, frames, walkers, rho), walkers)).sum::<f64>()
                    / 10.0;
            let exact = (1.0 + rho) / (1.0 - rho);
            // A few chains end in noise that falls slowly too: its sum comes out high, never low.
            let high = if walkers < 8 { 0.2 } else { 0.1 };
            assert!(
                (-0.1..high).contains(&(found / exact - 1.0)),
                "{rho} {frames} {walkers}: {found}, exactly {exact}"
            );
        }
    }

    /// Walkers that never move are worth one sample each; whatever is constant or too short is worth all its frames.
    #[test]
    fn extremes() {
        let stuck: Vec<f64> = (0..600).map(|i| f64::from(i % 6)).collect();
        assert_eq!(inefficiency(&stuck, 6), 100.0);
        assert_eq!(inefficiency(&stuck, 600), 1.0);
        assert_eq!(inefficiency(&[3.0; 50], 5), 1.0);
        assert_eq!(inefficiency(&[f64::NAN; 50], 5), 1.0);
        assert_eq!(inefficiency(&[], 5), 1.0);
        let alternating: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert_eq!(inefficiency(&alternating, 1), 1.0);
    }

    /// The mean of a random subset, over many series: its variance is what `effective` says.
    #[test]
    fn subsets_by_simulation() {
        let (frames, n, rho) = (200, 60, 0.9);
        let g = 19.0;
        let trials = 4_000;
        let mut squares = 0.0;
        for seed in 0..trials {
            let series = autoregression(seed, frames, 1, rho);
            let mut draws = Stream::new(seed, Purpose::Evaluation, 0).at(0);
            let mut order: Vec<usize> = (0..frames).collect();
            (0..n).for_each(|i| order.swap(i, i + draws.below(frames - i)));
            squares += (order[..n].iter().map(|&i| series[i]).sum::<f64>() / n as f64).powi(2);
        }
        // Of so short a series the inefficiency is g - 2 rho (1 - rho^n)/(n (1 - rho)^2).
        let exact = g - 2.0 * rho * (1.0 - rho.powi(frames as i32)) / (frames as f64 * (1.0 - rho) * (1.0 - rho));
        let found = trials as f64 / squares;
        assert!((found / effective(n, frames, exact) - 1.0).abs() < 0.08, "{found} {}", effective(n, frames, exact));
        assert!((effective(1_000, 1_000, 20.0) - 50.0).abs() < 1e-9);
        assert_eq!((effective(500, 1_000, 1.0), effective(1, 1, 1.0)), (500.0, 1.0));
    }
}

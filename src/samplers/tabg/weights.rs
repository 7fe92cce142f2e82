//! Importance weights: clipping, effective sample sizes, resampling, log-partition estimates.

/// Sets the `floor(fraction n)` largest log-weights to the smallest of them; returns how many. NaN must have been removed.
pub fn clip(log_w: &mut [f64], fraction: f64) -> usize {
    let k = (fraction * log_w.len() as f64) as usize;
    if k > 0 {
        let mut sorted = log_w.to_vec();
        let (_, &mut level, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        log_w.iter_mut().for_each(|w| *w = w.min(level));
    }
    k
}

/// Reverse effective sample size per sample, `(sum w)^2 / (n sum w^2)` of weights `p/q` at samples of `q`, after clipping.
#[must_use]
pub fn reverse_ess(log_w: &[f64], fraction: f64) -> f64 {
    let mut log_w = log_w.to_vec();
    // As in the reference, one clipped weight is none: it would be set to itself.
    clip(&mut log_w, fraction);
    crate::diffusion::ess(&log_w)
}

/// Forward effective sample size, `n^2 / (sum w sum 1/w)` of weights `p/q` at samples of `p`, after clipping.
#[must_use]
pub fn forward_ess(log_w: &[f64], fraction: f64) -> f64 {
    let mut log_w = log_w.to_vec();
    clip(&mut log_w, fraction);
    let inverse: Vec<f64> = log_w.iter().map(|w| -w).collect();
    (-log_mean_exp(&log_w) - log_mean_exp(&inverse)).exp()
}

/// `ln mean exp`: of log-weights this is the estimate of `ln Z_p / Z_q`. Minus infinity counts as a weight of zero.
#[must_use]
pub fn log_mean_exp(log_w: &[f64]) -> f64 {
    let top = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + (log_w.iter().map(|w| (w - top).exp()).sum::<f64>() / log_w.len() as f64).ln()
}

/// Draws with replacement: for each uniform the first index whose normalised running sum exceeds it.
#[must_use]
pub fn resample(log_w: &[f64], uniforms: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut cumulative = crate::diffusion::normalise(log_w);
    let mut sum = 0.0;
    for w in &mut cumulative {
        sum += *w;
        *w = sum;
    }
    cumulative.iter_mut().for_each(|c| *c /= sum);
    uniforms.map(|u| cumulative.partition_point(|&c| c <= u).min(log_w.len() - 1)).collect()
}

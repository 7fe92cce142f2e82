//! Importance weights of draws: effective sample size, resampling.

use crate::metrics::weights::clip;

/// Reverse effective sample size per sample, `(sum w)^2 / (n sum w^2)` of weights `p/q` at samples of `q`, after clipping.
#[must_use]
pub fn reverse_ess(log_w: &[f64], fraction: f64) -> f64 {
    let mut log_w = log_w.to_vec();
    // As in the reference, one clipped weight is none: it would be set to itself.
    clip(&mut log_w, fraction);
    crate::diffusion::ess(&log_w)
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

//! Weights of particles: normalisation, effective sample size, systematic resampling.

/// `exp(log_weight - top)` and the largest finite log-weight `top`; 0 for what is not finite.
#[must_use]
pub fn factors(log_weight: &[f64]) -> (Vec<f64>, f64) {
    let top = log_weight.iter().copied().filter(|x| x.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    (log_weight.iter().map(|&x| if x.is_finite() { (x - top).exp() } else { 0.0 }).collect(), top)
}

/// `softmax(log_weight)`: weights that sum to 1. Non-finite log-weights count as zero weight; all of them non-finite
/// gives uniform weights.
#[must_use]
pub fn normalise(log_weight: &[f64]) -> Vec<f64> {
    let (w, top) = factors(log_weight);
    if top == f64::NEG_INFINITY {
        return vec![1.0 / log_weight.len() as f64; log_weight.len()];
    }
    let sum: f64 = w.iter().sum();
    w.into_iter().map(|x| x / sum).collect()
}

/// Effective sample size as a fraction of n: `1/(n sum w^2)`, in (0, 1].
#[must_use]
pub fn ess(log_weight: &[f64]) -> f64 {
    let w = normalise(log_weight);
    1.0 / (w.len() as f64 * w.iter().map(|x| x * x).sum::<f64>())
}

/// Systematic resampling: `count` sorted indices, index i expected `count * w_i` times and drawn within one of it.
/// `u` is one uniform in [0, 1).
#[must_use]
pub fn systematic(log_weight: &[f64], count: usize, u: f64) -> Vec<usize> {
    let w = normalise(log_weight);
    let mut indices = Vec::with_capacity(count);
    let (mut i, mut sum) = (0, w[0]);
    for k in 0..count {
        let level = (k as f64 + u) / count as f64;
        while level >= sum && i + 1 < w.len() {
            i += 1;
            sum += w[i];
        }
        indices.push(i);
    }
    indices
}

/// The reference's resampling, flaws included: probabilities clipped to [1e-6, 1] without renormalising, a grid that
/// wraps at 1 (so indices come rotated), and the overflow index folded to the last.
#[must_use]
pub fn systematic_faithful(log_weight: &[f64], count: usize, u: f64) -> Vec<usize> {
    let mut cumulative = normalise(log_weight);
    let mut sum = 0.0;
    for w in &mut cumulative {
        sum += w.clamp(1e-6, 1.0);
        *w = sum;
    }
    (0..count)
        .map(|k| {
            let level = (u + k as f64 / count as f64) % 1.0;
            cumulative.partition_point(|&c| c < level).min(log_weight.len() - 1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every third of a systematic choice is a systematic choice of a third as many.
    #[test]
    fn fewer_of_a_choice() {
        let log_weight: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17) / 5.0).collect();
        for u in [0.0, 0.31, 0.97] {
            let every: Vec<usize> = systematic(&log_weight, 36, u).into_iter().step_by(3).collect();
            assert_eq!(every, systematic(&log_weight, 12, u / 3.0));
        }
    }

    #[test]
    fn systematic_draws_within_one_of_expectation() {
        let log_weight: Vec<f64> = [0.1, 0.5, 0.15, 0.25_f64].iter().map(|w| w.ln()).collect();
        for u in [0.03, 0.32, 0.97] {
            let drawn = systematic(&log_weight, 10, u);
            assert!(drawn.is_sorted());
            for (i, want) in [1.0, 5.0, 1.5, 2.5].into_iter().enumerate() {
                let got = drawn.iter().filter(|&&k| k == i).count() as f64;
                assert!((got - want).abs() < 1.0, "index {i}: {got} of {want}");
            }
        }
    }

    #[test]
    fn ess_of_known_weights() {
        assert!((ess(&[3.0; 8]) - 1.0).abs() < 1e-15);
        assert!((ess(&[0.0, f64::NEG_INFINITY, f64::NAN, -800.0]) - 0.25).abs() < 1e-12);
        // weights 3/4, 1/4: 1/(2 (9/16 + 1/16)) = 0.8
        assert!((ess(&[3.0_f64.ln(), 0.0]) - 0.8).abs() < 1e-14);
    }
}

//! Diagnostics of importance weights and resampling.

/// Effective sample size per sample, `(sum w)^2 / (n sum w^2)`, in (0, 1]. `-inf` is a weight of zero.
///
/// `None` without samples, when no weight is positive, or when a log weight is NaN or `+inf`.
#[must_use]
pub fn ess(log_weight: &[f64]) -> Option<f64> {
    let top = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() || log_weight.iter().any(|w| w.is_nan()) {
        return None;
    }
    let (sum, squares) = log_weight.iter().fold((0.0, 0.0), |(s, q), l| {
        let w = (l - top).exp();
        (s + w, q + w * w)
    });
    Some(sum * sum / (log_weight.len() as f64 * squares))
}

/// Number of distinct ancestors per sample, in (0, 1]. `None` without samples.
#[must_use]
pub fn unique_parents(parents: &[i64]) -> Option<f64> {
    let mut distinct = parents.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    (!parents.is_empty()).then(|| distinct.len() as f64 / parents.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(ess(&[700.0; 8]), Some(1.0));
        assert_eq!(ess(&[0.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]), Some(0.25));
        // Weights 1 and 3: 16 / (2 * 10).
        assert!((ess(&[-900.0, -900.0 + 3.0_f64.ln()]).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(ess(&[]), None);
        assert_eq!(ess(&[f64::NEG_INFINITY]), None);
        assert_eq!(ess(&[0.0, f64::NAN]), None);
        assert_eq!(unique_parents(&[3, 3, 0, 7]), Some(0.75));
        assert_eq!(unique_parents(&[]), None);
    }
}

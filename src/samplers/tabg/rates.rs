//! Learning rates and temperatures by step.

use std::f64::consts::PI;

/// `base` going down to 0 by half a cosine over `period` steps.
#[must_use]
pub fn cosine(base: f64, step: usize, period: usize) -> f64 {
    0.5 * base * (1.0 + (PI * step as f64 / period as f64).cos())
}

/// Linear warm-up from 0 over `warm_up` steps, then a cosine to 0 at `period`. As in the reference, where the two are
/// chained, the cosine begins with the full rate after the warm-up.
#[must_use]
pub fn warmed_cosine(base: f64, step: usize, warm_up: usize, period: usize) -> f64 {
    if step <= warm_up && warm_up > 0 {
        return base * step as f64 / warm_up as f64;
    }
    let begin = if warm_up > 0 { warm_up + 1 } else { 0 };
    base * cosine(1.0, step, period) / cosine(1.0, begin.min(period.saturating_sub(1)), period)
}

/// From `hot` to `cold` in equal ratios over `steps` steps; `cold` from there on.
#[must_use]
pub fn cooled(hot: f64, cold: f64, step: usize, steps: usize) -> f64 {
    if step >= steps { cold } else { hot * (cold / hot).powf(step as f64 / steps as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cooling_is_geometric_and_ends() {
        assert_eq!(cooled(12_000.0, 1_200.0, 0, 100), 12_000.0);
        assert!((cooled(12_000.0, 1_200.0, 50, 100) - (12_000.0_f64 * 1_200.0).sqrt()).abs() < 1e-9);
        assert_eq!((cooled(12_000.0, 1_200.0, 100, 100), cooled(12_000.0, 1_200.0, 7_000, 100)), (1_200.0, 1_200.0));
    }
}

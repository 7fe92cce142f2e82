//! Noise levels: variances that fall, the last one before the data above 0.

use crate::diffusion::Elucidating;

/// `sigma^(1/7)` in equal steps from `sigma.1` to `sigma.0`, `n` levels.
#[must_use]
pub fn edm(n: usize, sigma: (f64, f64)) -> Vec<f64> {
    let schedule = Elucidating::new(sigma.0, sigma.1);
    let last = (n - 1).max(1) as f64;
    (0..n).map(|k| schedule.h(1.0 - k as f64 / last)).collect()
}

/// `ln sigma` in equal steps.
#[must_use]
pub fn geometric(n: usize, sigma: (f64, f64)) -> Vec<f64> {
    let last = (n - 1).max(1) as f64;
    (0..n).map(|k| (sigma.1 * (sigma.0 / sigma.1).powf(k as f64 / last)).powi(2)).collect()
}

/// Equal shares of `int rate dh` from the first of the pilot's levels down to the data, `n` levels and so `n` steps, where `rates` are
/// known at the levels and constant below the last. No level is below the last of the pilot's.
///
/// Kernels of steps `q` whose logarithm errs by `(q rate)^2` on average err least in the sum when all err alike (the geodesic of that
/// metric, as kinetic-optimal paths have it).
#[must_use]
pub fn kinetic(n: usize, levels: &[f64], rates: &[f64]) -> Vec<f64> {
    let m = levels.len();
    let mut lengths = vec![0.0; m + 1];
    for i in 0..m {
        let (next, rate) = if i + 1 < m { (levels[i + 1], rates[i + 1]) } else { (0.0, rates[i]) };
        lengths[i + 1] = lengths[i] + 0.5 * (rates[i] + rate) * (levels[i] - next);
    }
    let place = |k: usize| {
        let length = lengths[m] * k as f64 / n as f64;
        let i = lengths.partition_point(|l| *l <= length).clamp(1, m) - 1;
        let part = (length - lengths[i]) / (lengths[i + 1] - lengths[i]).max(f64::MIN_POSITIVE);
        let next = if i + 1 < m { levels[i + 1] } else { 0.0 };
        levels[i] + part.min(1.0) * (next - levels[i])
    };
    let floor = levels[m - 1];
    let mut grid: Vec<f64> = (0..n).map(place).collect();
    grid[0] = levels[0];
    // Where several fall below the floor, they go there evenly from the last above it.
    let above = grid.iter().filter(|h| **h > floor).count().max(1);
    let (from, left) = (grid[above - 1], n - above);
    for (i, h) in grid[above..].iter_mut().enumerate() {
        *h = from * (floor / from).powf((i + 1) as f64 / left as f64);
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate of `1/(1 + h)` has the length `ln(1 + h)`: levels at equal steps of it.
    #[test]
    fn kinetic_levels_have_equal_shares() {
        let levels = geometric(4_000, (0.01, 8.0));
        let rates: Vec<f64> = levels.iter().map(|h| 1.0 / (1.0 + h)).collect();
        let grid = kinetic(8, &levels, &rates);
        for (k, h) in grid.iter().enumerate() {
            let exact = 65.0_f64.ln() * (1.0 - k as f64 / 8.0);
            assert!((h.ln_1p() - exact).abs() < 1e-3, "{k}: {} {exact}", h.ln_1p());
        }
        let all_above: Vec<f64> = levels.iter().map(|h| if *h > 1.0 { 0.0 } else { 1.0 / h }).collect();
        let grid = kinetic(30, &levels, &all_above);
        assert!(grid.is_sorted_by(|a, b| a > b) && grid[29] >= 0.99e-4, "{grid:?}");
    }

    #[test]
    fn ends() {
        for grid in [edm(9, (0.1, 5.0)), geometric(9, (0.1, 5.0))] {
            assert!(
                (grid[0] - 25.0).abs() < 1e-12 && (grid[8] - 0.01).abs() < 1e-12 && grid.is_sorted_by(|a, b| a > b)
            );
        }
    }
}

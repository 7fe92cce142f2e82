//! Exact optimal transport between point clouds with uniform weights, as an assignment problem.

use crate::error::{Error, Result};

/// Least mean cost over all one-to-one matchings of `cost [n, n]`, row-major (Jonker-Volgenant).
///
/// # Errors
/// [`Error::Numerical`] when a cost is not finite; [`Error::Internal`] when the solver gives up.
pub fn mean_cost(cost: &[f64], n: usize) -> Result<f64> {
    if cost.iter().any(|c| !c.is_finite()) {
        return Err(Error::Numerical("optimal transport: a cost is not finite".into()));
    }
    if n == 0 {
        return Err(Error::Numerical("optimal transport: no points".into()));
    }
    let matrix = lapjv::Matrix::from_shape_vec((n, n), cost.to_vec())
        .map_err(|e| Error::Internal(format!("optimal transport: {e}")))?;
    let (columns, _) = lapjv::lapjv(&matrix).map_err(|e| Error::Internal(format!("optimal transport: {e}")))?;
    Ok(columns.iter().enumerate().map(|(i, &j)| cost[i * n + j]).sum::<f64>() / n as f64)
}

/// `W_p` (p = 1 or 2) between `a [n, dim]` and `b [m, dim]` for a squared distance between points.
///
/// Unequal sizes are exact too: both sides are replicated to the least common multiple of their sizes.
///
/// # Errors
/// As [`mean_cost`].
pub fn wasserstein(p: u32, a: &[f64], b: &[f64], dim: usize, squared: impl Fn(&[f64], &[f64]) -> f64) -> Result<f64> {
    let (n, m) = (a.len() / dim, b.len() / dim);
    if n == 0 || m == 0 {
        return Err(Error::Numerical("optimal transport: no points".into()));
    }
    let all = n / gcd(n, m) * m;
    let (copies_a, copies_b) = (all / n, all / m);
    let mut cost = Vec::with_capacity(all * all);
    for i in 0..all {
        let x = &a[i / copies_a * dim..][..dim];
        cost.extend((0..all).map(|j| {
            let d = squared(x, &b[j / copies_b * dim..][..dim]);
            if p == 1 { d.sqrt() } else { d }
        }));
    }
    let mean = mean_cost(&cost, all)?;
    Ok(if p == 1 { mean } else { mean.sqrt() })
}

/// Squared Euclidean distance.
#[must_use]
pub fn euclidean(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Squared distance on the torus: each coordinate is an angle in radians, the shorter way round.
#[must_use]
pub fn torus(x: &[f64], y: &[f64]) -> f64 {
    use std::f64::consts::TAU;
    x.iter()
        .zip(y)
        .map(|(x, y)| {
            let d = (x - y).rem_euclid(TAU);
            d.min(TAU - d).powi(2)
        })
        .sum()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_bad_costs() {
        // Crossing pays: (0,0)-(0,1) and (5,0)-(5,1).
        let (a, b) = ([0.0, 0.0, 5.0, 0.0], [5.0, 1.0, 0.0, 1.0]);
        assert!((wasserstein(2, &a, &b, 2, euclidean).unwrap() - 1.0).abs() < 1e-15);
        assert!((wasserstein(1, &[3.1], &[-3.1], 1, torus).unwrap() - (std::f64::consts::TAU - 6.2)).abs() < 1e-12);
        assert!((wasserstein(1, &[0.0], &[0.0, 3.0], 1, euclidean).unwrap() - 1.5).abs() < 1e-15);
        assert!(mean_cost(&[f64::NAN], 1).is_err());
        assert!(mean_cost(&[], 0).is_err());
    }
}

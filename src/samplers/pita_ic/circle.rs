//! The wrapped normal on a circle: its score and Fisher information.

use crate::samplers::internal::chart::{CIRCLE, settled};

/// Images on either side that are summed. At the largest noise of use (less than one circle) the next one is below e^-15.
const IMAGES: i32 = 5;
/// Points of the quadrature, and of the table per unit of `ln h`.
const POINTS: usize = 64;
const PER_LN: f64 = 16.0;

/// `d/dx ln p(x)` of the wrapped normal with mean 0 and variance `h` before wrapping.
#[must_use]
pub fn score(x: f64, h: f64) -> f64 {
    let x = settled(x);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for k in -IMAGES..=IMAGES {
        let d = x + CIRCLE * f64::from(k);
        let p = (0.5 * (x * x - d * d) / h).exp();
        sum += p;
        weighted += d * p;
    }
    -weighted / (h * sum)
}

/// `E[score^2]`: 1/h for narrow normals, 0 for uniform ones.
fn information(h: f64) -> f64 {
    // The narrow one fills few points of an even grid: the grid covers 6 standard deviations, or the circle.
    let half = (0.5 * CIRCLE).min(6.0 * h.sqrt());
    let (mut sum, mut weighted) = (0.0, 0.0);
    for i in 0..POINTS {
        let x = half * ((2 * i + 1) as f64 / POINTS as f64 - 1.0);
        let p: f64 = (-IMAGES..=IMAGES).map(|k| (-0.5 * (x + CIRCLE * f64::from(k)).powi(2) / h).exp()).sum();
        sum += p;
        weighted += p * score(x, h).powi(2);
    }
    weighted / sum
}

/// The information between two noise levels, tabulated.
#[derive(Debug, Clone)]
pub struct Information {
    first: f64,
    /// `ln J` at equal distances in `ln h`.
    logs: Vec<f64>,
}

impl Information {
    /// For variances between `low` and `high`.
    #[must_use]
    pub fn new(low: f64, high: f64) -> Self {
        let n = ((high / low).ln() * PER_LN).ceil() as usize + 2;
        let at = |i: usize| information((low.ln() + i as f64 / PER_LN).exp()).max(f64::MIN_POSITIVE).ln();
        Self { first: low.ln(), logs: (0..n).map(at).collect() }
    }

    /// At variance `h`.
    #[must_use]
    pub fn at(&self, h: f64) -> f64 {
        let place = ((h.ln() - self.first) * PER_LN).clamp(0.0, (self.logs.len() - 2) as f64);
        let (i, part) = (place as usize, place.fract());
        (self.logs[i] + part * (self.logs[i + 1] - self.logs[i])).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the derivative of the Fourier series, `ln (1 + 2 sum exp(-h w^2 n^2 / 2) cos(n w x))`.
    #[test]
    fn score_is_that_of_the_series() {
        let w = std::f64::consts::TAU / CIRCLE;
        for h in [0.5, 4.0, 20.0, 64.0] {
            for x in [-4.9, -1.0, 0.3, 2.0, 5.2, 30.0] {
                let (mut p, mut slope) = (1.0, 0.0);
                for n in 1..60 {
                    let k = f64::from(n) * w;
                    let a = 2.0 * (-0.5 * h * k * k).exp();
                    p += a * (k * x).cos();
                    slope -= a * k * (k * x).sin();
                }
                // Where the density is small the series has lost its digits.
                assert!(p < 1e-6 || (score(x, h) - slope / p).abs() < 1e-5, "{x} {h}: {} {}", score(x, h), slope / p);
            }
        }
    }

    #[test]
    fn information_of_narrow_and_wide() {
        let table = Information::new(4e-4, 64.0);
        for h in [4e-4, 0.01, 0.3, 1.0] {
            assert!((table.at(h) * h - 1.0).abs() < 2e-3, "{h}: {}", table.at(h));
        }
        // Nearly uniform: the first harmonic alone, J = (2 e^(-h w^2/2) w)^2 / 2.
        let w = std::f64::consts::TAU / CIRCLE;
        for h in [20.0_f64, 40.0] {
            let first = 2.0 * w * w * (-h * w * w).exp();
            assert!((table.at(h) / first - 1.0).abs() < 0.02, "{h}: {} {first}", table.at(h));
        }
    }
}

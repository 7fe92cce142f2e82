//! What the flow starts from: bonds and angles from a normal distribution truncated to [0, 1], torsions uniform on it.

use super::Counts;
use crate::real::Real;
use crate::rng::Draws;

/// Mean of bonds and angles.
const MEAN: f64 = 0.5;
/// Their standard deviation before truncation.
const SD: f64 = 0.1;
/// Probability of a standard normal beyond five standard deviations.
const CUT_OFF: f64 = 5.733_031_437_583_866e-7;

/// The prior over `dim` independent coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Prior {
    normal: usize,
    dim: usize,
}

impl Prior {
    /// For coordinates of these kinds.
    #[must_use]
    pub fn new(counts: Counts) -> Self {
        Self { normal: counts.bonds + counts.angles, dim: counts.dim() }
    }

    /// Draws one point.
    pub fn draw<T: Real>(&self, draws: &mut Draws, z: &mut [T]) {
        let (normal, uniform) = z[..self.dim].split_at_mut(self.normal);
        for z in normal {
            *z = loop {
                let draw = T::from_f64(MEAN + SD * draws.normal());
                if draw >= T::ZERO && draw <= T::ONE {
                    break draw;
                }
            };
        }
        for z in uniform {
            *z = T::from_f64(draws.uniform());
        }
    }

    /// `ln p(z)`.
    #[must_use]
    pub fn log_density<T: Real>(&self, z: &[T]) -> f64 {
        let constant = -(SD * std::f64::consts::TAU.sqrt()).ln() - (-CUT_OFF).ln_1p();
        let square = |z: &T| (z.to_f64() - MEAN).powi(2);
        let squares: f64 = z[..self.normal].iter().map(square).sum();
        self.normal as f64 * constant - squares / (2.0 * SD * SD)
    }

    /// Writes `factor` times the gradient of `ln p(z)`.
    pub fn gradient<T: Real>(&self, z: &[T], factor: f64, bar: &mut [T]) {
        for (bar, z) in bar.iter_mut().zip(&z[..self.normal]) {
            *bar = T::from_f64(-factor * (z.to_f64() - MEAN) / (SD * SD));
        }
        bar[self.normal..self.dim].fill(T::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Mean, variance and entropy of what is drawn are those of the density.
    #[test]
    fn draws_follow_the_density() {
        let prior = Prior::new(Counts { bonds: 2, angles: 1, torsions: 2 });
        let stream = Stream::new(5, Purpose::Init, 0);
        let n = 40_000;
        let (mut mean, mut square, mut uniform, mut entropy) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..n {
            let mut z = [0.0_f64; 5];
            prior.draw(&mut stream.at(i), &mut z);
            assert!(z.iter().all(|z| (0.0..=1.0).contains(z)));
            mean += z[0] - 0.5;
            square += (z[1] - 0.5).powi(2);
            uniform += (z[4] - 0.5).powi(2);
            entropy -= prior.log_density(&z);
        }
        let n = f64::from(n);
        assert!((mean / n).abs() < 5.0 * 0.1 / n.sqrt());
        assert!((square / n - 0.01).abs() < 5.0 * 0.01 * (2.0 / n).sqrt());
        assert!((uniform / n - 1.0 / 12.0).abs() < 5.0 * (1.0 / 180.0 / n).sqrt());
        // Three normals: ln(sd sqrt(2 pi e)) each, standard error sqrt(3/2/n).
        let exact = 3.0 * (0.1 * (std::f64::consts::TAU * std::f64::consts::E).sqrt()).ln();
        assert!((entropy / n - exact).abs() < 5.0 * (1.5 / n).sqrt() + 1e-5, "{} {exact}", entropy / n);
    }
}

//! Weights of particles on their way down a ladder, and the ratio of normalising constants that they estimate.

use crate::array::Arrays;
use crate::diffusion::{factors, systematic};
use crate::error::{Error, Result};
use crate::metrics::weights::distinct;
use crate::samplers::state;

/// Weights with their genealogy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// `[n]`, sum 1.
    mass: Vec<f64>,
    /// The initial frame that each particle descends from, `[n]`.
    pub parents: Vec<i64>,
    /// Estimate of `ln Z/Z_0`.
    log_z: f64,
    /// What the descendants of each initial walker added to it, to first order. The frames of one walker are not
    /// independent, walkers are.
    influence: Vec<f64>,
}

impl Weights {
    /// Equal weights of `n` frames by `walkers` walkers in turn.
    #[must_use]
    pub fn new(n: usize, walkers: usize) -> Self {
        Self {
            mass: vec![1.0 / n as f64; n],
            parents: (0..n as i64).collect(),
            log_z: 0.0,
            influence: vec![0.0; walkers.min(n)],
        }
    }

    /// Effective sample size as a fraction of n.
    #[must_use]
    pub fn ess(&self) -> f64 {
        1.0 / (self.mass.len() as f64 * self.mass.iter().map(|w| w * w).sum::<f64>())
    }

    /// Logarithms of the weights `[n]`.
    #[must_use]
    pub fn log(&self) -> Vec<f64> {
        self.mass.iter().map(|m| m.ln()).collect()
    }

    /// What a step with these log-weights would leave: `(sum W w)^2 / sum W w^2`, in (0, 1]; 0 when no weight is positive.
    #[must_use]
    pub fn step_ess(&self, change: &[f64]) -> f64 {
        let (factors, _) = factors(change);
        let (sum, squares) =
            self.mass.iter().zip(&factors).fold((0.0, 0.0), |(s, q), (m, w)| (s + m * w, q + m * w * w));
        if squares > 0.0 { sum * sum / squares } else { 0.0 }
    }

    /// Multiplies the weights with `exp(change) [n]`. What is not finite counts as a weight of zero.
    ///
    /// # Errors
    /// [`Error::Numerical`] when nothing is left.
    pub fn advance(&mut self, change: &[f64]) -> Result<()> {
        let (factors, top) = factors(change);
        let sum: f64 = self.mass.iter().zip(&factors).map(|(m, w)| m * w).sum();
        if sum <= 0.0 {
            return Err(Error::Numerical("smc: no particle has a finite energy".into()));
        }
        self.log_z += top + sum.ln();
        let walkers = self.influence.len();
        for ((mass, factor), &parent) in self.mass.iter_mut().zip(&factors).zip(&self.parents) {
            let new = *mass * factor / sum;
            self.influence[parent as usize % walkers] += new - *mass;
            *mass = new;
        }
        Ok(())
    }

    /// Systematic resampling by one uniform; returns who was kept. Weights are equal afterwards.
    pub fn resample(&mut self, u: f64) -> Vec<usize> {
        let log = self.log();
        let kept = systematic(&log, log.len(), u);
        self.parents = kept.iter().map(|&i| self.parents[i]).collect();
        self.mass.fill(1.0 / kept.len() as f64);
        kept
    }

    /// `ln Z/Z_0` and its standard error. A walker's share in the estimate is, to first order, what its descendants'
    /// weights gained over all steps; shares of different walkers are independent. (Grouping by the walker at the
    /// beginning as in Chan and Lai 2013, without the noise of resampling, which is no part of the weights.)
    #[must_use]
    pub fn log_z(&self) -> (f64, f64) {
        let walkers = self.influence.len() as f64;
        let variance = self.influence.iter().map(|x| x * x).sum::<f64>() * walkers / (walkers - 1.0).max(1.0);
        (self.log_z, variance.sqrt())
    }

    /// Initial frames that still have descendants.
    #[must_use]
    pub fn unique_parents(&self) -> usize {
        distinct(&self.parents)
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.insert("weights.mass".into(), state::floats(&self.mass));
        arrays.insert("weights.parents".into(), state::integers(&self.parents));
        arrays.insert("weights.log_z".into(), state::floats(&[self.log_z]));
        arrays.insert("weights.influence".into(), state::floats(&self.influence));
    }

    /// Reads what [`Weights::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        Ok(Self {
            mass: state::f64s(arrays, "weights.mass")?,
            parents: state::i64s(arrays, "weights.parents")?,
            log_z: state::f64s(arrays, "weights.log_z")?[0],
            influence: state::f64s(arrays, "weights.influence")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights 1, 1, 2, 0: mean 1, effective size 16/(4 * 6); two walkers gain (1 + 2)/4 - 1/2 and (1 + 0)/4 - 1/2.
    #[test]
    fn by_hand() {
        let mut weights = Weights::new(4, 2);
        let change = [0.0, 0.0, 2.0_f64.ln(), f64::NAN].map(|c| c - 900.0);
        assert!((weights.step_ess(&change) - 2.0 / 3.0).abs() < 1e-12);
        weights.advance(&change).unwrap();
        let (log_z, error) = weights.log_z();
        assert!((log_z + 900.0).abs() < 1e-12, "{log_z}");
        assert!((error - 0.25 * 2.0_f64.sqrt() * 2.0_f64.sqrt()).abs() < 1e-12, "{error}");
        assert!((weights.ess() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(weights.resample(0.5), [0, 1, 2, 2]);
        assert_eq!((weights.unique_parents(), weights.ess()), (3, 1.0));
        assert!(weights.advance(&[f64::NAN; 4]).is_err());
    }
}

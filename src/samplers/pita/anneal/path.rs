//! Weights of the whole path against the true energy: no energy network, no divergence.
//!
//! `log w = -u(x_0) + sum_k [log B(x_{k+1}|x_k) - log F(x_k|x_{k+1})] - log prior(x_K)`: what a model says of the levels in
//! between cancels, it only decides where to resample. The kernels' last step ends at zero noise, so that `x_0` is data.

use super::setting::{Moved, Setting};
use crate::array::Arrays;
use crate::diffusion::kernels::{Step, log_normal};
use crate::diffusion::sde::log_kernel_ratio;
use crate::diffusion::{ess, prior};
use crate::error::Result;
use crate::metrics::weights::log_mean_exp;
use crate::samplers::state;
use crate::spec::Between;

/// What path weights know of each particle.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Path {
    /// `sum log B/F - log prior` along its path, `[n]`.
    log_ratio: Vec<f64>,
    /// A model's log-density of the particle at its level, `[n]`: where to resample. Zeros when it is not asked.
    level: Vec<f64>,
    /// `level + log_ratio` when it was last resampled, `[n]`: that part of its weight is used up.
    used: Vec<f64>,
    /// `ln Z` of what was resampled so far, and its variance.
    log_z: [f64; 2],
}

/// The end of an annealing with path weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PathEnd {
    /// Effective sample size, as a fraction.
    pub ess: f64,
    /// `ln` of the integral of `exp(-u)` over the centred subspace, in network units.
    pub log_z: f64,
    /// Its standard error.
    pub error: f64,
}

impl Path {
    /// At the prior.
    pub(super) fn new(at: &Setting, x: &[f64]) -> Result<Self> {
        let dim = at.net.dim();
        let (h, gamma) = (at.schedule.h(1.0), at.gamma.at(1.0));
        let variance = prior(at.spec.noise, gamma, at.variance, h);
        let squares = x.chunks_exact(dim).map(|x| x.iter().map(|x| x * x).sum());
        let log_ratio: Vec<f64> = squares.map(|square: f64| -log_normal(square, variance, dim - 3)).collect();
        let level: Vec<f64> = match at.spec.between {
            // The prior's own density: nothing to weigh yet.
            Between::None | Between::KernelRatio => log_ratio.iter().map(|r| -r).collect(),
            Between::Energy => at.energy_value(x, h)?.iter().map(|u| -gamma * u).collect(),
        };
        Ok(Self { used: vec![0.0; level.len()], log_ratio, level, log_z: [0.0; 2] })
    }

    /// After a step from a level with this gamma, by its kernels and by those that denoise on their own.
    pub(super) fn moved(&mut self, at: &Setting, gamma: f64, moved: &[Moved], step: &Step, own: &Step) {
        let freedom = at.net.dim() - 3;
        for (i, squares) in moved.iter().enumerate() {
            self.log_ratio[i] +=
                log_kernel_ratio(freedom, (squares.change, step.backward), (squares.noise, step.forward));
            if at.spec.between == Between::KernelRatio {
                let residual = squares.residual(own.drift);
                self.level[i] -=
                    gamma * log_kernel_ratio(freedom, (squares.change, own.backward), (residual, own.forward));
            }
        }
    }

    /// The energy head's densities at the level that was reached.
    pub(super) fn reached(&mut self, at: &Setting, gamma: f64, x: &[f64], h: f64) -> Result<()> {
        let energies = at.energy_value(x, h.max(at.schedule.h(0.0)))?;
        self.level = energies.iter().map(|u| -gamma * u).collect();
        Ok(())
    }

    /// At the end, against the true reduced energies `[n]`: log-weights, and what they are worth.
    pub(super) fn finish(&mut self, reduced: &[f64]) -> (Vec<f64>, PathEnd) {
        self.level = reduced.iter().map(|u| -u).collect();
        let weights = self.weights();
        let [log_z, variance] = self.accounted(&weights);
        let end = PathEnd { ess: ess(&weights), log_z, error: variance.sqrt() };
        (weights, end)
    }

    /// The log-weight of each particle since it was last resampled.
    pub(super) fn weights(&self) -> Vec<f64> {
        self.level.iter().zip(&self.log_ratio).zip(&self.used).map(|((l, r), u)| l + r - u).collect()
    }

    /// Keeps some of the particles; their weights so far are used up.
    pub(super) fn select(&mut self, log_weight: &[f64], kept: &[usize]) {
        self.log_z = self.accounted(log_weight);
        for values in [&mut self.log_ratio, &mut self.level] {
            *values = kept.iter().map(|&i| values[i]).collect();
        }
        self.used = self.level.iter().zip(&self.log_ratio).map(|(l, r)| l + r).collect();
    }

    /// `ln Z` and its variance with what particles of these weights add.
    fn accounted(&self, log_weight: &[f64]) -> [f64; 2] {
        let variance = (1.0 / ess(log_weight) - 1.0) / log_weight.len() as f64;
        [self.log_z[0] + log_mean_exp(log_weight), self.log_z[1] + variance]
    }

    pub(super) fn save(&self, arrays: &mut Arrays) {
        for (name, values) in [("log_ratio", &self.log_ratio), ("level", &self.level), ("used", &self.used)] {
            arrays.insert(format!("anneal.path.{name}"), state::floats(values));
        }
        arrays.insert("anneal.path.log_z".into(), state::floats(&self.log_z));
    }

    pub(super) fn load(arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("anneal.path.{name}"));
        let log_z = get("log_z")?;
        Ok(Self { log_ratio: get("log_ratio")?, level: get("level")?, used: get("used")?, log_z: [log_z[0], log_z[1]] })
    }
}

//! Training data of one temperature.

use crate::array::Arrays;
use crate::error::Result;
use crate::samplers::state;

use super::loss::FORCE_CUT;

/// Configurations with their unreduced energies and forces.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Buffer {
    /// Positions `[n, dim]`, centred.
    pub x: Vec<f64>,
    /// Energies `[n]`.
    pub energy: Vec<f64>,
    /// Forces `[n, dim]`.
    pub force: Vec<f64>,
    /// Entries with the same number are not independent: frames of one walker, descendants of one particle. `[n]`
    pub origin: Vec<i64>,
}

impl Buffer {
    /// Entries whose reduced energy lies within `cut` of zero (and is finite).
    #[must_use]
    pub(crate) fn reasonable(&self, kt: f64, cut: f64) -> Vec<usize> {
        (0..self.energy.len()).filter(|&i| (self.energy[i] / kt).abs() <= cut).collect()
    }

    /// Some of the entries.
    #[must_use]
    pub(crate) fn select(&self, keep: &[usize]) -> Self {
        let dim = self.x.len() / self.energy.len().max(1);
        let rows = |v: &[f64]| keep.iter().flat_map(|&i| v[i * dim..(i + 1) * dim].iter().copied()).collect();
        Self {
            x: rows(&self.x),
            force: rows(&self.force),
            energy: keep.iter().map(|&i| self.energy[i]).collect(),
            origin: keep.iter().map(|&i| self.origin[i]).collect(),
        }
    }

    /// Variance of a coordinate on the centred subspace, over entries and coordinates. One number: turned at random, all
    /// coordinates are alike, and a subspace has no basis that would keep atoms apart.
    #[must_use]
    pub(crate) fn variance(&self) -> f64 {
        let n = self.energy.len();
        self.x.iter().map(|x| x * x).sum::<f64>() / (self.x.len() - 3 * n) as f64
    }

    /// Mean square of a coordinate of the force over kT, on the centred subspace and cut as in training.
    #[must_use]
    pub(crate) fn fisher(&self, kt: f64) -> f64 {
        let squares: f64 = self.force.iter().map(|f| (f / kt).clamp(-FORCE_CUT, FORCE_CUT).powi(2)).sum();
        squares / (self.force.len() - 3 * self.energy.len()) as f64
    }

    /// Measures lengths in units of `scale`, as networks do.
    pub(crate) fn rescale(&mut self, scale: f64) {
        self.x.iter_mut().for_each(|x| *x /= scale);
        self.force.iter_mut().for_each(|f| *f *= scale);
    }

    /// Saves into `arrays` under `prefix`.
    pub(crate) fn save(&self, prefix: &str, arrays: &mut Arrays) {
        for (name, values) in [("x", &self.x), ("energy", &self.energy), ("force", &self.force)] {
            arrays.insert(format!("{prefix}.{name}"), state::floats(values));
        }
        arrays.insert(format!("{prefix}.origin"), state::integers(&self.origin));
    }

    /// Reads what [`Buffer::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub(crate) fn load(prefix: &str, arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("{prefix}.{name}"));
        let origin = state::i64s(arrays, &format!("{prefix}.origin"))?;
        Ok(Self { x: get("x")?, energy: get("energy")?, force: get("force")?, origin })
    }
}

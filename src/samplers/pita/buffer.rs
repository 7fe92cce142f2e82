//! Training data of one temperature.

use crate::array::{Array, Arrays};
use crate::error::Result;
use crate::samplers::state;

/// Configurations with their unreduced energies and forces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buffer {
    /// Positions `[n, dim]`, centred.
    pub x: Vec<f64>,
    /// Energies `[n]`.
    pub energy: Vec<f64>,
    /// Forces `[n, dim]`.
    pub force: Vec<f64>,
}

impl Buffer {
    /// Keeps the entries whose reduced energy lies within `cut` of zero (and is finite); returns how many fell out.
    pub fn keep_reasonable(&mut self, kt: f64, cut: f64) -> usize {
        let dim = self.x.len() / self.energy.len().max(1);
        let keep: Vec<usize> = (0..self.energy.len()).filter(|&i| (self.energy[i] / kt).abs() <= cut).collect();
        let rows = |v: &[f64]| keep.iter().flat_map(|&i| v[i * dim..(i + 1) * dim].iter().copied()).collect();
        let dropped = self.energy.len() - keep.len();
        self.x = rows(&self.x);
        self.force = rows(&self.force);
        self.energy = keep.iter().map(|&i| self.energy[i]).collect();
        dropped
    }

    /// Saves into `arrays` under `prefix`.
    pub fn save(&self, prefix: &str, arrays: &mut Arrays) {
        for (name, values) in [("x", &self.x), ("energy", &self.energy), ("force", &self.force)] {
            arrays.insert(format!("{prefix}.{name}"), Array::f64(&[values.len()], values.clone()));
        }
    }

    /// Reads what [`Buffer::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(prefix: &str, arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("{prefix}.{name}"));
        Ok(Self { x: get("x")?, energy: get("energy")?, force: get("force")? })
    }
}

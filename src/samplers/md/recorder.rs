//! Frames recorded so far.

use crate::array::{Array, Arrays};
use crate::error::Result;
use crate::samplers::{Samples, state};

/// Collects frames and their energies up to a limit; forces too, for who wants them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorder {
    /// `[n, dim]`.
    pub(super) positions: Vec<f64>,
    /// `[n]`.
    pub(super) energies: Vec<f64>,
    /// `[n, dim]`, or empty.
    pub(super) forces: Vec<f64>,
}

impl Recorder {
    /// Frames so far.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.energies.len()
    }

    /// Takes frames until there are `limit`; `forces` may be empty.
    pub fn take(&mut self, limit: usize, positions: &[f64], energies: &[f64], forces: &[f64]) {
        let dim = positions.len() / energies.len().max(1);
        let n = energies.len().min(limit - self.frames());
        self.positions.extend_from_slice(&positions[..n * dim]);
        self.energies.extend_from_slice(&energies[..n]);
        self.forces.extend_from_slice(&forces[..forces.len().min(n * dim)]);
    }

    /// Goes on with some of the frames, one possibly several times.
    pub(super) fn select(&mut self, keep: &[usize]) {
        let dim = self.positions.len() / self.frames().max(1);
        let rows = |v: &[f64]| keep.iter().flat_map(|&i| v[i * dim..(i + 1) * dim].iter().copied()).collect();
        self.positions = rows(&self.positions);
        if !self.forces.is_empty() {
            self.forces = rows(&self.forces);
        }
        self.energies = keep.iter().map(|&i| self.energies[i]).collect();
    }

    /// The frames as samples.
    #[must_use]
    pub fn samples(&self, atoms: usize) -> Samples {
        let n = self.frames();
        Samples::from([
            ("positions".to_owned(), Array::f64(&[n, atoms, 3], self.positions.clone())),
            ("energy".to_owned(), Array::f64(&[n], self.energies.clone())),
        ])
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.insert("recorded.positions".into(), state::floats(&self.positions));
        arrays.insert("recorded.energies".into(), state::floats(&self.energies));
        arrays.insert("recorded.forces".into(), state::floats(&self.forces));
    }

    /// Reads what [`Recorder::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        Ok(Self {
            positions: state::f64s(arrays, "recorded.positions")?,
            energies: state::f64s(arrays, "recorded.energies")?,
            forces: state::f64s(arrays, "recorded.forces")?,
        })
    }
}

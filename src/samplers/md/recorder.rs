//! Frames recorded so far.

use crate::array::{Array, Arrays};
use crate::error::Result;
use crate::samplers::{Samples, state};

/// Collects frames and their energies up to a limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorder {
    positions: Vec<f64>,
    energies: Vec<f64>,
}

impl Recorder {
    /// Frames so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.energies.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.energies.is_empty()
    }

    /// Takes frames until there are `limit`.
    pub fn take(&mut self, limit: usize, positions: &[f64], energies: &[f64]) {
        let dim = positions.len() / energies.len().max(1);
        let n = energies.len().min(limit - self.len());
        self.positions.extend_from_slice(&positions[..n * dim]);
        self.energies.extend_from_slice(&energies[..n]);
    }

    /// The frames as samples.
    #[must_use]
    pub fn samples(&self, atoms: usize) -> Samples {
        let n = self.len();
        [
            ("positions".to_owned(), Array::f64(&[n, atoms, 3], self.positions.clone())),
            ("energy".to_owned(), Array::f64(&[n], self.energies.clone())),
        ]
        .into()
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.insert("recorded.positions".into(), state::floats(&self.positions));
        arrays.insert("recorded.energies".into(), state::floats(&self.energies));
    }

    /// Reads what [`Recorder::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        Ok(Self {
            positions: state::f64s(arrays, "recorded.positions")?,
            energies: state::f64s(arrays, "recorded.energies")?,
        })
    }
}

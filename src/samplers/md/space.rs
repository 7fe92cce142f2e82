//! The coordinates that walkers move in.

use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::geometry::centre;

/// Coordinates in which the density of an ensemble is `exp(-E/kT)`.
pub trait Space: Sync {
    /// Coordinates of a walker.
    fn dim(&self) -> usize;

    /// Takes out of a displacement (or of new coordinates) what is no degree of freedom.
    fn project(&self, row: &mut [f64]);

    /// Brings coordinates that have moved back to the range in which they are kept: circles to one turn.
    fn settle(&self, row: &mut [f64]);

    /// Unreduced energies `e [n]` and forces `f [n, dim]` along the coordinates `x`. Where no configuration exists the energy is infinite
    /// and the force 0; nothing is evaluated or charged there.
    ///
    /// # Errors
    /// As [`Metered::energy_forces`].
    fn evaluate(&self, energy: &mut Metered, purpose: Purpose, x: &[f64], e: &mut [f64], f: &mut [f64]) -> Result<()>;
}

/// Positions of all atoms, their centre at the origin.
#[derive(Debug, Clone, Copy)]
pub struct Cartesian {
    /// Atoms.
    pub atoms: usize,
}

impl Space for Cartesian {
    fn dim(&self) -> usize {
        3 * self.atoms
    }

    fn project(&self, row: &mut [f64]) {
        centre(row, self.atoms);
    }

    fn settle(&self, _: &mut [f64]) {}

    fn evaluate(&self, energy: &mut Metered, purpose: Purpose, x: &[f64], e: &mut [f64], f: &mut [f64]) -> Result<()> {
        energy.energy_forces(purpose, x, e, f)
    }
}

//! Energies and forces for batches of configurations, and the meter that counts every one of them.
//!
//! Positions, energies and forces are flat, row-major slices: `positions[f*dim + 3*a + c]` is coordinate `c` of atom
//! `a` in frame `f`, `dim = 3 * atoms`. Energies are *unreduced* (`E`, in the system's energy unit); the reduced energy
//! is `u = E / kT`.

pub mod exchange;
pub mod forcefield;
pub mod lanes;
pub mod langevin;
pub mod lj;
mod metered;
pub mod minimise;
pub mod tables;

use langevin::Plain;

use crate::error::Error;

pub use exchange::Exchange;
pub use langevin::{Dynamics, Walkers};
pub use metered::{Counts, Metered, Purpose};
pub use tables::Tables;

/// A potential energy surface, evaluated for whole batches. Samplers never see it: they get a [`Metered`].
pub trait Potential: Send + Sync {
    /// Number of atoms; a frame has `3 * atoms` coordinates.
    fn atoms(&self) -> usize;

    /// Energies `[n]` and forces `[n, atoms, 3]` (`-dE/dx`) of `n = energies.len()` frames, in f64.
    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]);

    /// Energies and forces in f32 (production precision; error stated against f64 by the implementor).
    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]);

    /// Moves walkers by Langevin dynamics, see [`langevin`]; one evaluation per walker and step. Potentials with a kernel
    /// of their own keep whole blocks of walkers in cache.
    fn langevin(&self, walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize) {
        let single = |x: &[f32], e: &mut [f32], f: &mut [f32]| self.energy_forces_f32(x, e, f);
        let double = |x: &[f64], e: &mut [f64], f: &mut [f64]| self.energy_forces(x, e, f);
        let atoms = self.atoms();
        let (single, double) = (Plain { atoms, evaluate: single }, Plain { atoms, evaluate: double });
        langevin::run(&single, &double, walkers, dynamics, steps);
    }

    /// The same with rounds of replica exchange in between, see [`exchange`]. A device keeps the walkers from the first step
    /// to the last.
    fn exchange(&self, mut walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize, exchange: &mut Exchange<'_>) {
        exchange::run(self, &mut walkers, dynamics, steps, exchange);
    }

    /// Names of the additive terms, in the order of [`Potential::per_term`].
    fn term_names(&self) -> &'static [&'static str];

    /// Per-term energies `[n, terms]` in f64 (diagnostics and golden tests; not a sampler's way in).
    fn per_term(&self, positions: &[f64], terms: &mut [f64]);

    /// The parameters as kernels of a GPU read them; `None` where there are no such kernels.
    fn tables(&self) -> Option<Tables> {
        None
    }

    /// What went wrong since the last call, where a device computes: results are not to be used then.
    fn fault(&self) -> Option<Error> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A bowl about the origin: `sum k_i x_i^2 / 2` over all coordinates.
    pub(crate) struct Bowl(pub(crate) Vec<f64>);

    impl Potential for Bowl {
        fn atoms(&self) -> usize {
            self.0.len() / 3
        }

        fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
            let dim = self.0.len();
            for ((x, e), f) in positions.chunks_exact(dim).zip(energies).zip(forces.chunks_exact_mut(dim)) {
                f.iter_mut().zip(&self.0).zip(x).for_each(|((f, k), x)| *f = -k * x);
                *e = -0.5 * x.iter().zip(f).map(|(x, f)| x * *f).sum::<f64>();
            }
        }

        fn energy_forces_f32(&self, _: &[f32], _: &mut [f32], _: &mut [f32]) {
            unreachable!("f64 only")
        }

        fn term_names(&self) -> &'static [&'static str] {
            &["bowl"]
        }

        fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
            self.energy_forces(positions, terms, &mut vec![0.0; positions.len()]);
        }
    }
}

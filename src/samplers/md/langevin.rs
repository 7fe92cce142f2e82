//! Langevin dynamics by BAOAB splitting (Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34), unit masses.

use rayon::prelude::*;

use crate::array::{Array, Arrays};
use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::rng::Stream;

use super::mala::{affordable, centre, centred_noise, take};

/// Many independent walkers at one temperature; the centre of mass rests at the origin.
#[derive(Debug, Clone)]
pub struct Langevin {
    dim: usize,
    kt: f64,
    step: f64,
    friction: f64,
    positions: Vec<f64>,
    velocities: Vec<f64>,
    energies: Vec<f64>,
    forces: Vec<f64>,
}

impl Langevin {
    /// Walkers at `positions [n, atoms, 3]` with thermal velocities drawn from `init.at(walker)`; time step `step` and
    /// `friction` in reduced units.
    #[must_use]
    pub fn new(mut positions: Vec<f64>, atoms: usize, kt: f64, step: f64, friction: f64, init: &Stream) -> Self {
        let dim = 3 * atoms;
        let mut velocities = vec![0.0; positions.len()];
        positions.chunks_mut(dim).for_each(centre);
        for (w, v) in velocities.chunks_mut(dim).enumerate() {
            centred_noise(&mut init.at(w as u32), v);
            v.iter_mut().for_each(|v| *v *= kt.sqrt());
        }
        Self { dim, kt, step, friction, positions, velocities, energies: Vec::new(), forces: Vec::new() }
    }

    /// Configurations `[n, atoms, 3]`, centred.
    #[must_use]
    pub fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// Velocities `[n, atoms, 3]`, of zero mean.
    #[must_use]
    pub fn velocities(&self) -> &[f64] {
        &self.velocities
    }

    /// Energies `[n]`; empty before the first step.
    #[must_use]
    pub fn energies(&self) -> &[f64] {
        &self.energies
    }

    /// One time step of every walker: one evaluation each (one more before the first step). When fewer charged
    /// evaluations are left than walkers, only the first walkers move.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`] when nothing is left.
    pub fn step(&mut self, energy: &mut Metered, purpose: Purpose, stream: &Stream) -> Result<()> {
        let (dim, h) = (self.dim, self.step);
        let walkers = self.positions.len() / dim;
        if self.energies.is_empty() {
            let (mut e, mut f) = (vec![0.0; walkers], vec![0.0; self.positions.len()]);
            energy.energy_forces(purpose, &self.positions, &mut e, &mut f)?;
            f.chunks_mut(dim).for_each(centre);
            (self.energies, self.forces) = (e, f);
        }
        let moving = affordable(energy, purpose, walkers);
        if moving == 0 {
            // Lets the meter refuse, with its own message.
            return energy.energy_forces(purpose, &self.positions[..dim], &mut [0.0], &mut vec![0.0; dim]);
        }
        let len = moving * dim;
        let keep = (-self.friction * h).exp();
        let kick = ((1.0 - keep * keep) * self.kt).sqrt();
        let walkers = self.positions[..len]
            .par_chunks_mut(dim)
            .zip(self.velocities[..len].par_chunks_mut(dim))
            .zip(self.forces[..len].par_chunks(dim));
        walkers.enumerate().with_min_len(16).for_each(|(w, ((x, v), f))| {
            let mut noise = vec![0.0; dim];
            centred_noise(&mut stream.at(w as u32), &mut noise);
            for k in 0..dim {
                v[k] += 0.5 * h * f[k];
                x[k] += 0.5 * h * v[k];
                v[k] = keep * v[k] + kick * noise[k];
                x[k] += 0.5 * h * v[k];
            }
            // Round-off alone moves the centre.
            centre(x);
        });
        energy.energy_forces(purpose, &self.positions[..len], &mut self.energies[..moving], &mut self.forces[..len])?;
        for (v, f) in self.velocities[..len].chunks_mut(dim).zip(self.forces[..len].chunks_mut(dim)) {
            centre(f);
            v.iter_mut().zip(f).for_each(|(v, f)| *v += 0.5 * h * *f);
        }
        Ok(())
    }

    /// Everything that changes, as named arrays with the prefix `langevin.`.
    #[must_use]
    pub fn state(&self) -> Arrays {
        let array = |v: &[f64]| Array::f64(&[v.len()], v.to_vec());
        Arrays::from([
            ("langevin.positions".into(), array(&self.positions)),
            ("langevin.velocities".into(), array(&self.velocities)),
            ("langevin.energies".into(), array(&self.energies)),
            ("langevin.forces".into(), array(&self.forces)),
        ])
    }

    /// Continues from [`Langevin::state`].
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when an array is missing or has another length.
    pub fn restore(&mut self, state: &Arrays) -> Result<()> {
        let len = self.positions.len();
        self.positions = take(state, "langevin.positions", &[len])?;
        self.velocities = take(state, "langevin.velocities", &[len])?;
        self.energies = take(state, "langevin.energies", &[0, len / self.dim])?;
        self.forces = take(state, "langevin.forces", &[0, len])?;
        Ok(())
    }
}

//! Langevin dynamics by BAOAB splitting (Leimkuhler and Matthews 2013), unit masses, many walkers at once, on the
//! centre-of-mass-free subspace.

use rayon::prelude::*;

use crate::array::Arrays;
use crate::diffusion::sde::centre;
use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::rng::{self, Stream};
use crate::samplers::state;

/// Walkers with positions, velocities and current forces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Langevin {
    /// Positions `[n, dim]`.
    pub positions: Vec<f64>,
    /// Velocities `[n, dim]`.
    pub velocities: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// Forces `[n, dim]`.
    pub forces: Vec<f64>,
    /// Steps done: keys the noise.
    pub steps: u64,
}

/// Step size, friction and temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dynamics {
    /// Time step.
    pub dt: f64,
    /// Friction, 1/time; 0 gives velocity Verlet.
    pub friction: f64,
    /// `kT`.
    pub kt: f64,
}

impl Langevin {
    /// Walkers at `positions` with thermal velocities; costs one evaluation each.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    pub fn new(mut positions: Vec<f64>, kt: f64, seed: u64, energy: &mut Metered, purpose: Purpose) -> Result<Self> {
        let dim = 3 * energy.atoms();
        centre(&mut positions, energy.atoms());
        let n = positions.len() / dim;
        let stream = Stream::new(seed, rng::Purpose::Init, 1);
        let mut velocities: Vec<f64> = Vec::with_capacity(positions.len());
        for i in 0..n {
            let mut draws = stream.at(i as u32);
            velocities.extend((0..dim).map(|_| kt.sqrt() * draws.normal()));
        }
        centre(&mut velocities, energy.atoms());
        let (mut energies, mut forces) = (vec![0.0; n], vec![0.0; positions.len()]);
        energy.energy_forces(purpose, &positions, &mut energies, &mut forces)?;
        Ok(Self { positions, velocities, energies, forces, steps: 0 })
    }

    /// One step of every walker: half kick, half drift, friction and noise, half drift, (force), half kick. One
    /// evaluation per walker; with less than that left in the budget, only the first walkers move.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`] when nothing is left; the walkers have not moved then.
    pub fn advance(&mut self, energy: &mut Metered, purpose: Purpose, d: Dynamics, seed: u64) -> Result<()> {
        let dim = 3 * energy.atoms();
        let n = energy.affordable(purpose, self.energies.len())?;
        let stream = Stream::new(seed, rng::Purpose::Dynamics, self.steps);
        let keep = (-d.friction * d.dt).exp();
        let kick = (d.kt * (1.0 - keep * keep)).sqrt();
        let forces = &self.forces;
        self.positions[..n * dim].par_chunks_mut(dim).zip(self.velocities.par_chunks_mut(dim)).enumerate().for_each(
            |(i, (x, v))| {
                let mut draws = stream.at(i as u32);
                let mut noise = vec![0.0; dim];
                if kick > 0.0 {
                    noise.iter_mut().for_each(|z| *z = draws.normal());
                    centre(&mut noise, dim / 3);
                }
                for k in 0..dim {
                    v[k] += 0.5 * d.dt * forces[i * dim + k];
                    x[k] += 0.5 * d.dt * v[k];
                    v[k] = keep * v[k] + kick * noise[k];
                    x[k] += 0.5 * d.dt * v[k];
                }
            },
        );
        let moved = ..n * dim;
        energy.energy_forces(purpose, &self.positions[moved], &mut self.energies[..n], &mut self.forces[moved])?;
        for (v, f) in self.velocities[moved].iter_mut().zip(&self.forces) {
            *v += 0.5 * d.dt * f;
        }
        self.steps += 1;
        Ok(())
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        for (name, values) in
            [("x", &self.positions), ("v", &self.velocities), ("energy", &self.energies), ("force", &self.forces)]
        {
            arrays.insert(format!("langevin.{name}"), state::floats(values));
        }
        arrays.insert("langevin.steps".into(), state::integers(&[self.steps as i64]));
    }

    /// Reads what [`Langevin::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("langevin.{name}"));
        Ok(Self {
            positions: get("x")?,
            velocities: get("v")?,
            energies: get("energy")?,
            forces: get("force")?,
            steps: state::i64s(arrays, "langevin.steps")?[0] as u64,
        })
    }
}

//! Walkers of Langevin dynamics as a sampler holds them; [`crate::energy::langevin`] moves them.

use crate::array::Arrays;
use crate::energy::{Dynamics, Exchange, Metered, Purpose, Walkers};
use crate::error::Result;
use crate::rng::{self, Stream};
use crate::samplers::state;

/// Walkers with positions, velocities and current forces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Langevin {
    /// Positions `[n, dim]`, their centre of mass at the origin.
    pub positions: Vec<f64>,
    /// Velocities `[n, dim]`, half a step behind the positions.
    pub velocities: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// Forces `[n, dim]`.
    pub forces: Vec<f64>,
    /// Salt and steps done: keys the noise.
    pub steps: u64,
}

/// Takes the mass-weighted mean out of every vector `[n, atoms, 3]`.
fn centre(vectors: &mut [f64], masses: &[f64]) {
    let total: f64 = masses.iter().sum();
    for frame in vectors.chunks_exact_mut(3 * masses.len()) {
        for axis in 0..3 {
            let weighted = masses.iter().zip(frame.iter().skip(axis).step_by(3)).map(|(m, x)| m * x);
            let mean = weighted.sum::<f64>() / total;
            frame.iter_mut().skip(axis).step_by(3).for_each(|x| *x -= mean);
        }
    }
}

impl Langevin {
    /// Walkers at `positions` with thermal velocities at `kt [n]`; costs one evaluation each. `key` as in
    /// [`Langevin::from_known`].
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    pub fn new(
        positions: Vec<f64>,
        kt: &[f64],
        masses: &[f64],
        key: (u64, u64),
        energy: &mut Metered,
        purpose: Purpose,
    ) -> Result<Self> {
        let (energies, forces) = (vec![0.0; kt.len()], vec![0.0; positions.len()]);
        let mut new = Self::from_known(positions, energies, forces, kt, masses, key);
        energy.energy_forces(purpose, &new.positions, &mut new.energies, &mut new.forces)?;
        Ok(new)
    }

    /// The same where `energies [n]` and `forces [n, dim]` are known. `key` is the seed and a salt (below 2^16) that keeps
    /// apart what one run does in different phases.
    #[must_use]
    pub fn from_known(
        mut positions: Vec<f64>,
        energies: Vec<f64>,
        forces: Vec<f64>,
        kt: &[f64],
        masses: &[f64],
        (seed, salt): (u64, u64),
    ) -> Self {
        centre(&mut positions, masses);
        let stream = Stream::new(seed, rng::Purpose::Init, 1 + salt);
        let mut velocities: Vec<f64> = Vec::with_capacity(positions.len());
        for (i, kt) in kt.iter().enumerate() {
            let mut draws = stream.at(i as u32);
            velocities.extend(masses.iter().flat_map(|m| [(kt / m).sqrt(); 3]).map(|width| width * draws.normal()));
        }
        centre(&mut velocities, masses);
        Self { positions, velocities, energies, forces, steps: salt << 40 }
    }

    /// Moves every walker `steps` steps at `kt [n]`; `dynamics.first_step` is set here. Returns the steps that all
    /// walkers made: fewer when the budget ends, see [`Metered::langevin`]. With `exchange`, they swap in the course of it.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`] when nothing is left; the walkers have not moved then.
    pub fn advance(
        &mut self,
        energy: &mut Metered,
        purpose: Purpose,
        dynamics: &Dynamics<'_>,
        kt: &[f64],
        steps: usize,
        exchange: Option<&mut Exchange<'_>>,
    ) -> Result<usize> {
        let walkers = Walkers {
            kt,
            positions: &mut self.positions,
            velocities: &mut self.velocities,
            forces: &mut self.forces,
            energies: &mut self.energies,
        };
        let dynamics = Dynamics { first_step: self.steps, ..dynamics.clone() };
        let done = energy.langevin(purpose, walkers, &dynamics, steps, exchange)?;
        self.steps += done as u64;
        Ok(done)
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.insert("langevin.x".into(), state::floats(&self.positions));
        arrays.insert("langevin.v".into(), state::floats(&self.velocities));
        arrays.insert("langevin.energy".into(), state::floats(&self.energies));
        arrays.insert("langevin.force".into(), state::floats(&self.forces));
        arrays.insert("langevin.steps".into(), state::integers(&[self.steps as i64]));
    }

    /// Reads what [`Langevin::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        Ok(Self {
            positions: state::f64s(arrays, "langevin.x")?,
            velocities: state::f64s(arrays, "langevin.v")?,
            energies: state::f64s(arrays, "langevin.energy")?,
            forces: state::f64s(arrays, "langevin.force")?,
            steps: state::i64s(arrays, "langevin.steps")?[0] as u64,
        })
    }
}

//! Metropolis-adjusted Langevin (MALA) for many walkers at once: on positions without their centre of mass, or in other
//! coordinates ([`Space`]). On circles the increment of a move is what was drawn, not the way around: a move and its reverse
//! have opposite increments, so detailed balance holds for each number of turns apart.
//!
//! The drift is truncated (MALTA: Roberts and Tweedie 1996, section 1.4): where atoms overlap the plain drift would throw
//! them so far that no move is ever accepted. The Metropolis step knows the truncated drift, so the target stays exact.

use rayon::prelude::*;

use super::space::Space;
use crate::array::Arrays;
use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::rng::{self, Stream};
use crate::samplers::state;

/// Dual averaging of the log step towards an acceptance rate (Hoffman and Gelman 2014, section 3.2).
#[derive(Debug, Clone, PartialEq)]
pub struct DualAveraging {
    target: f64,
    /// Where log steps are shrunk towards.
    centre: f64,
    /// Updates so far.
    count: f64,
    error: f64,
    averaged: f64,
}

impl DualAveraging {
    const GAMMA: f64 = 0.05;
    const T0: f64 = 10.0;
    const KAPPA: f64 = 0.75;
    /// Log steps are shrunk towards that of so many times the first step.
    const BOLDNESS: f64 = 10.0;
    /// Numbers in [`DualAveraging::state`].
    pub const STATE: usize = 5;

    /// Starts at `step`, aiming at the acceptance rate `target`.
    #[must_use]
    pub fn new(step: f64, target: f64) -> Self {
        Self { target, centre: (Self::BOLDNESS * step).ln(), count: 0.0, error: 0.0, averaged: step.ln() }
    }

    /// Where about the right `step` is known: that is tried first.
    #[must_use]
    pub fn near(step: f64, target: f64) -> Self {
        Self::new(step / Self::BOLDNESS, target)
    }

    /// Takes in one acceptance rate; returns the step to try next.
    pub fn update(&mut self, acceptance: f64) -> f64 {
        self.count += 1.0;
        let eta = 1.0 / (self.count + Self::T0);
        self.error += eta * (self.target - acceptance - self.error);
        let weight = self.count.powf(-Self::KAPPA);
        self.averaged += weight * (self.log_step() - self.averaged);
        self.current()
    }

    fn log_step(&self) -> f64 {
        self.centre - self.count.sqrt() / Self::GAMMA * self.error
    }

    /// The step to try next.
    #[must_use]
    pub fn current(&self) -> f64 {
        self.log_step().exp()
    }

    /// The averaged step, to go on with once adaptation ends.
    #[must_use]
    pub fn averaged(&self) -> f64 {
        self.averaged.exp()
    }

    /// The state, for checkpoints.
    #[must_use]
    pub fn state(&self) -> Vec<f64> {
        vec![self.target, self.centre, self.count, self.error, self.averaged]
    }

    /// What [`DualAveraging::state`] returned.
    #[must_use]
    pub fn from_state(s: &[f64]) -> Self {
        Self { target: s[0], centre: s[1], count: s[2], error: s[3], averaged: s[4] }
    }
}

/// The drift is at most this many times the typical length of the noise.
const LONGEST_DRIFT: f64 = 3.0;

/// What `eps F/kT` is multiplied with, so that it is no longer than allowed.
fn drift_factor(force: &[f64], kt: f64, eps: f64) -> f64 {
    let length = eps / kt * force.iter().map(|f| f * f).sum::<f64>().sqrt();
    let limit = LONGEST_DRIFT * (2.0 * eps * force.len() as f64).sqrt();
    if length.is_finite() { eps / kt * (limit / length).min(1.0) } else { 0.0 }
}

/// Walkers with their energies and forces; walker `i` moves at temperature `kt[i]` with step `step[i]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mala {
    /// Positions (coordinates of the space) `[n, dim]`; Cartesian ones are centred.
    pub positions: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// Forces `[n, dim]`.
    pub forces: Vec<f64>,
    /// Moves made: keys the random streams.
    pub moves: u64,
}

impl Mala {
    /// Walkers at `positions`; costs one evaluation each.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    pub fn new(space: &impl Space, mut positions: Vec<f64>, energy: &mut Metered, purpose: Purpose) -> Result<Self> {
        positions.chunks_exact_mut(space.dim()).for_each(|row| space.project(row));
        let mut energies = vec![0.0; positions.len() / space.dim()];
        let mut forces = vec![0.0; positions.len()];
        space.evaluate(energy, purpose, &positions, &mut energies, &mut forces)?;
        Ok(Self { positions, energies, forces, moves: 0 })
    }

    /// Some of the walkers, one possibly several times.
    #[must_use]
    pub fn select(&self, keep: &[usize]) -> Self {
        let dim = self.positions.len() / self.len().max(1);
        let rows = |v: &[f64]| keep.iter().flat_map(|&i| v[i * dim..(i + 1) * dim].iter().copied()).collect();
        Self {
            positions: rows(&self.positions),
            energies: keep.iter().map(|&i| self.energies[i]).collect(),
            forces: rows(&self.forces),
            moves: self.moves,
        }
    }

    /// Number of walkers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.energies.len()
    }

    /// Whether there are no walkers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.energies.is_empty()
    }

    /// One move of every walker: proposal `x + eps F/kT + sqrt(2 eps) z` (truncated drift), accepted by Metropolis-Hastings. One
    /// evaluation per walker; with less than that left in the budget, only the first walkers move. Returns the
    /// acceptance probability of each.
    ///
    /// `seed` and `salt` key the draws together with the move number; `salt` (below 2^16) keeps chains apart that one
    /// run makes in different phases.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`] when nothing is left; the walkers have not moved then.
    pub fn advance(
        &mut self,
        space: &impl Space,
        energy: &mut Metered,
        purpose: Purpose,
        (seed, stream, salt): (u64, rng::Purpose, u64),
        at: impl Fn(usize) -> (f64, f64) + Sync,
    ) -> Result<Vec<f64>> {
        let dim = space.dim();
        let n = energy.affordable(purpose, self.len())?;
        let stream = Stream::new(seed, stream, (salt << 40) | self.moves);
        let mut proposal = vec![0.0; n * dim];
        let accept_draw: Vec<f64> = proposal
            .par_chunks_mut(dim)
            .enumerate()
            .map(|(i, new)| {
                let (kt, eps) = at(i);
                let row = i * dim..(i + 1) * dim;
                let mut draws = stream.at(i as u32);
                let u = draws.uniform();
                new.iter_mut().for_each(|z| *z = draws.normal());
                space.project(new);
                let force = &self.forces[row.clone()];
                let drift = drift_factor(force, kt, eps);
                for ((p, x), f) in new.iter_mut().zip(&self.positions[row]).zip(force) {
                    *p = x + drift * f + (2.0 * eps).sqrt() * *p;
                }
                u
            })
            .collect();
        let mut new_energies = vec![0.0; n];
        let mut new_forces = vec![0.0; proposal.len()];
        space.evaluate(energy, purpose, &proposal, &mut new_energies, &mut new_forces)?;
        let mut acceptance = vec![0.0; self.len()];
        for (i, p) in acceptance[..n].iter_mut().enumerate() {
            let (kt, eps) = at(i);
            let row = i * dim..(i + 1) * dim;
            // log q(x|y) - log q(y|x), each -|to - from - drift(from)|^2 / (4 eps)
            let (mut there, mut back) = (0.0, 0.0);
            let forward = drift_factor(&self.forces[row.clone()], kt, eps);
            let backward = drift_factor(&new_forces[row.clone()], kt, eps);
            for k in row.clone() {
                let d = proposal[k] - self.positions[k];
                there += (d - forward * self.forces[k]).powi(2);
                back += (-d - backward * new_forces[k]).powi(2);
            }
            let log_ratio = (self.energies[i] - new_energies[i]) / kt + (there - back) / (4.0 * eps);
            *p = if log_ratio.is_nan() { 0.0 } else { log_ratio.exp().min(1.0) };
            if accept_draw[i] < *p {
                self.energies[i] = new_energies[i];
                self.positions[row.clone()].copy_from_slice(&proposal[row.clone()]);
                space.settle(&mut self.positions[row.clone()]);
                self.forces[row.clone()].copy_from_slice(&new_forces[row]);
            }
        }
        self.moves += 1;
        Ok(acceptance)
    }

    /// Saves into `arrays` under `prefix`.
    pub fn save(&self, prefix: &str, arrays: &mut Arrays) {
        for (name, values) in [("x", &self.positions), ("energy", &self.energies), ("force", &self.forces)] {
            arrays.insert(format!("{prefix}.{name}"), state::floats(values));
        }
        arrays.insert(format!("{prefix}.moves"), state::integers(&[self.moves as i64]));
    }

    /// Reads what [`Mala::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(prefix: &str, arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("{prefix}.{name}"));
        let moves = state::i64s(arrays, &format!("{prefix}.moves"))?[0] as u64;
        Ok(Self { positions: get("x")?, energies: get("energy")?, forces: get("force")?, moves })
    }
}

//! Metropolis-adjusted Langevin algorithm (Roberts & Tweedie, Bernoulli 2, 341, 1996), many walkers at once.
//!
//! ```text
//! x' = x + eps F(x)/kT + sqrt(2 eps) xi,   accepted with min(1, exp(-(E' - E)/kT) q(x|x') / q(x'|x))
//! ```
//!
//! on the subspace of configurations with the mean at the origin: noise and forces are centred.

use rayon::prelude::*;

use crate::array::{Array, Arrays};
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};
use crate::rng::{Draws, Stream};

use super::adapt::DualAveraging;

/// Batched MALA. Walker `w` belongs to rung `w % rungs`; a rung has its own temperature and step size.
///
/// Walker `w` takes its draws from `stream.at(w)`: results do not depend on threads or on how energies are batched.
#[derive(Debug, Clone)]
pub struct Mala {
    dim: usize,
    kt: Vec<f64>,
    steps: Vec<DualAveraging>,
    positions: Vec<f64>,
    energies: Vec<f64>,
    forces: Vec<f64>,
    accepted: Vec<f64>,
    proposed: Vec<f64>,
}

impl Mala {
    /// Walkers at `positions [n, atoms, 3]`, all at `kt`, with step size `eps = step`.
    #[must_use]
    pub fn new(positions: Vec<f64>, atoms: usize, kt: f64, step: f64) -> Self {
        Self::ladder(positions, atoms, &[kt], step)
    }

    /// Walkers over several temperatures; `positions.len()` is a multiple of `kts.len() * 3 * atoms`.
    #[must_use]
    pub fn ladder(mut positions: Vec<f64>, atoms: usize, kts: &[f64], step: f64) -> Self {
        let dim = 3 * atoms;
        positions.chunks_mut(dim).for_each(centre);
        Self {
            dim,
            kt: kts.to_vec(),
            steps: vec![DualAveraging::new(step); kts.len()],
            positions,
            energies: Vec::new(),
            forces: Vec::new(),
            accepted: vec![0.0; kts.len()],
            proposed: vec![0.0; kts.len()],
        }
    }

    /// Number of walkers.
    #[must_use]
    pub fn walkers(&self) -> usize {
        self.positions.len() / self.dim
    }

    /// Configurations `[n, atoms, 3]`, centred.
    #[must_use]
    pub fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// Energies `[n]`; empty before the first step.
    #[must_use]
    pub fn energies(&self) -> &[f64] {
        &self.energies
    }

    /// Centred forces `[n, atoms, 3]`; empty before the first step.
    #[must_use]
    pub fn forces(&self) -> &[f64] {
        &self.forces
    }

    /// Step size of a rung.
    #[must_use]
    pub fn step_size(&self, rung: usize) -> f64 {
        self.steps[rung].step()
    }

    /// Mean acceptance probability of a rung since the last [`Mala::reset_statistics`].
    #[must_use]
    pub fn acceptance(&self, rung: usize) -> f64 {
        self.accepted[rung] / self.proposed[rung].max(1.0)
    }

    /// Forgets the acceptance so far.
    pub fn reset_statistics(&mut self) {
        self.accepted.fill(0.0);
        self.proposed.fill(0.0);
    }

    /// Tunes step sizes towards `target` acceptance from the next step on (0.574 is optimal in high dimension: Roberts
    /// & Rosenthal, J. R. Stat. Soc. B 60, 255, 1998). Detailed balance does not hold until [`Mala::freeze`].
    pub fn adapt(&mut self, target: f64) {
        self.steps.iter_mut().for_each(|s| s.start(target));
    }

    /// Ends the adaptation at the averaged step sizes.
    pub fn freeze(&mut self) {
        self.steps.iter_mut().for_each(DualAveraging::stop);
    }

    /// Energies and forces of the starting configurations, if they are not known yet: one evaluation per walker.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`] when the budget does not cover all walkers.
    pub fn initialise(&mut self, energy: &mut Metered, purpose: Purpose) -> Result<()> {
        if self.energies.is_empty() {
            let (mut e, mut f) = (vec![0.0; self.walkers()], vec![0.0; self.positions.len()]);
            energy.energy_forces(purpose, &self.positions, &mut e, &mut f)?;
            f.chunks_mut(self.dim).for_each(centre);
            (self.energies, self.forces) = (e, f);
        }
        Ok(())
    }

    /// One MALA step of every walker: one evaluation each. When fewer charged evaluations are left than walkers, only
    /// the first walkers move, so that a budget is used up exactly.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`] when nothing is left.
    pub fn step(&mut self, energy: &mut Metered, purpose: Purpose, stream: &Stream) -> Result<()> {
        self.initialise(energy, purpose)?;
        let moving = affordable(energy, purpose, self.walkers());
        let (dim, rungs) = (self.dim, self.kt.len());
        let len = moving * dim;
        let mut proposal = vec![0.0; len];
        let mut uniforms = vec![0.0; moving];
        proposal.par_chunks_mut(dim).zip(&mut uniforms).enumerate().with_min_len(16).for_each(|(w, (out, u))| {
            let mut draws = stream.at(w as u32);
            let (eps, kt) = (self.steps[w % rungs].step(), self.kt[w % rungs]);
            centred_noise(&mut draws, out);
            let at = w * dim..(w + 1) * dim;
            for ((out, x), f) in out.iter_mut().zip(&self.positions[at.clone()]).zip(&self.forces[at]) {
                *out = x + eps * f / kt + (2.0 * eps).sqrt() * *out;
            }
            *u = draws.uniform();
        });
        let (mut e, mut f) = (vec![0.0; moving.max(1)], vec![0.0; len]);
        if moving == 0 {
            // Lets the meter refuse, with its own message.
            let (x, mut f) = (self.positions[..dim].to_vec(), vec![0.0; dim]);
            return energy.energy_forces(purpose, &x, &mut e, &mut f);
        }
        energy.energy_forces(purpose, &proposal, &mut e, &mut f)?;
        let mut sums = vec![(0.0, 0.0); rungs];
        for w in 0..moving {
            let (eps, kt) = (self.steps[w % rungs].step(), self.kt[w % rungs]);
            let at = w * dim..(w + 1) * dim;
            let (x, fx) = (&mut self.positions[at.clone()], &mut self.forces[at.clone()]);
            let (y, fy) = (&proposal[at.clone()], &mut f[at]);
            centre(fy);
            let (mut forward, mut backward) = (0.0, 0.0);
            for k in 0..dim {
                forward += (y[k] - x[k] - eps * fx[k] / kt).powi(2);
                backward += (x[k] - y[k] - eps * fy[k] / kt).powi(2);
            }
            let log_ratio = (self.energies[w] - e[w]) / kt + (forward - backward) / (4.0 * eps);
            // Overlapping atoms may give an infinite or undefined energy: never accepted.
            let probability = if log_ratio.is_nan() { 0.0 } else { log_ratio.exp().min(1.0) };
            if uniforms[w] < probability {
                x.copy_from_slice(y);
                fx.copy_from_slice(fy);
                self.energies[w] = e[w];
            }
            sums[w % rungs].0 += probability;
            sums[w % rungs].1 += 1.0;
        }
        for (rung, (sum, count)) in sums.into_iter().enumerate() {
            self.accepted[rung] += sum;
            self.proposed[rung] += count;
            if count > 0.0 {
                self.steps[rung].update(sum / count);
            }
        }
        Ok(())
    }

    /// Exchanges the configurations of two walkers (a replica exchange move).
    pub fn swap(&mut self, a: usize, b: usize) {
        self.energies.swap(a, b);
        for k in 0..self.dim {
            self.positions.swap(a * self.dim + k, b * self.dim + k);
            self.forces.swap(a * self.dim + k, b * self.dim + k);
        }
    }

    /// Everything that changes, as named arrays with the prefix `mala.`.
    #[must_use]
    pub fn state(&self) -> Arrays {
        let array = |v: &[f64]| Array::f64(&[v.len()], v.to_vec());
        let steps: Vec<f64> = self.steps.iter().flat_map(DualAveraging::state).collect();
        Arrays::from([
            ("mala.positions".into(), array(&self.positions)),
            ("mala.energies".into(), array(&self.energies)),
            ("mala.forces".into(), array(&self.forces)),
            ("mala.accepted".into(), array(&self.accepted)),
            ("mala.proposed".into(), array(&self.proposed)),
            ("mala.steps".into(), array(&steps)),
        ])
    }

    /// Continues from [`Mala::state`].
    ///
    /// # Errors
    /// [`Error::Internal`] when an array is missing or has another length.
    pub fn restore(&mut self, state: &Arrays) -> Result<()> {
        let (n, dim, rungs) = (self.walkers(), self.dim, self.kt.len());
        self.positions = take(state, "mala.positions", &[n * dim])?;
        self.energies = take(state, "mala.energies", &[0, n])?;
        self.forces = take(state, "mala.forces", &[0, n * dim])?;
        self.accepted = take(state, "mala.accepted", &[rungs])?;
        self.proposed = take(state, "mala.proposed", &[rungs])?;
        let steps = take(state, "mala.steps", &[rungs * 7])?;
        self.steps = steps.as_chunks().0.iter().map(|&s| DualAveraging::from_state(s)).collect();
        Ok(())
    }
}

/// The f64 array `name`, of one of the lengths `allowed`.
pub(super) fn take(state: &Arrays, name: &str, allowed: &[usize]) -> Result<Vec<f64>> {
    match state.get(name) {
        Some(array) if allowed.contains(&array.len()) => Ok(array.to_f64()),
        Some(array) => Err(Error::Internal(format!(
            "checkpoint array `{name}` has {} entries, expected {allowed:?}; it belongs to other settings",
            array.len()
        ))),
        None => Err(Error::Internal(format!("checkpoint has no array `{name}`"))),
    }
}

/// How many of `walkers` can still be evaluated once.
pub(super) fn affordable(energy: &Metered, purpose: Purpose, walkers: usize) -> usize {
    match energy.left() {
        Some(left) if purpose.charged() => (walkers as u64).min(left) as usize,
        _ => walkers,
    }
}

/// Takes the mean over atoms out of one frame.
pub(super) fn centre(frame: &mut [f64]) {
    let atoms = frame.len() / 3;
    for c in 0..3 {
        let mean = frame.iter().skip(c).step_by(3).sum::<f64>() / atoms as f64;
        frame.iter_mut().skip(c).step_by(3).for_each(|x| *x -= mean);
    }
}

/// Standard normal noise on the centred subspace.
pub(super) fn centred_noise(draws: &mut Draws, frame: &mut [f64]) {
    frame.iter_mut().for_each(|x| *x = draws.normal());
    centre(frame);
}

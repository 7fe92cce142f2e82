//! Markov chains of the particles at one temperature: MALA on the true energy with one step size for all of them.

use crate::array::Arrays;
use crate::energy::Purpose;
use crate::error::Result;
use crate::geometry::centre;
use crate::rng;
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::{Context, state};

/// Dual averaging begins at ten times its first step and shrinks towards that (Hoffman and Gelman 2014).
const BOLDNESS: f64 = 10.0;

/// The particles with their energies and forces.
#[derive(Debug, Clone)]
pub struct Moves {
    mala: Mala,
    step: DualAveraging,
    acceptance: f64,
}

impl Moves {
    /// No particles yet; `acceptance` is what steps are tuned to.
    #[must_use]
    pub fn new(acceptance: f64) -> Self {
        Self { mala: Mala::default(), step: DualAveraging::new(1.0, acceptance), acceptance }
    }

    /// Puts particles in: positions `[n, dim]` with their energies `[n]` and forces `[n, dim]`; costs nothing. `step` is
    /// the squared length that is tried first.
    pub fn begin(&mut self, mut positions: Vec<f64>, energies: Vec<f64>, forces: Vec<f64>, step: f64) {
        centre(&mut positions, forces.len() / energies.len().max(1) / 3);
        self.mala = Mala { positions, energies, forces, moves: 0 };
        self.step = DualAveraging::new(step / BOLDNESS, self.acceptance);
    }

    /// Begins another temperature: stable steps shrink with `ratio`, the new temperature over the old one.
    pub fn cool(&mut self, ratio: f64) {
        self.step = DualAveraging::new(self.step.averaged() * ratio / BOLDNESS, self.acceptance);
    }

    /// Keeps some of the particles, one possibly several times.
    pub fn select(&mut self, kept: &[usize]) {
        self.mala = self.mala.select(kept);
    }

    /// One move of every particle at `kt`. The step is adapted while `adapting` and fixed otherwise, which leaves the
    /// target invariant. Returns the mean acceptance.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    pub fn advance(&mut self, ctx: &mut Context, kt: f64, adapting: bool) -> Result<f64> {
        let step = if adapting { self.step.current() } else { self.step.averaged() };
        let key = (ctx.seed, rng::Purpose::Refine, 0);
        let p = self.mala.advance(&mut ctx.energy, Purpose::Sampling, key, |_| (kt, step))?;
        let mean = p.iter().sum::<f64>() / p.len() as f64;
        if adapting {
            self.step.update(mean);
        }
        Ok(mean)
    }

    /// Positions `[n, dim]`, centred.
    #[must_use]
    pub fn positions(&self) -> &[f64] {
        &self.mala.positions
    }

    /// Unreduced energies `[n]`.
    #[must_use]
    pub fn energies(&self) -> &[f64] {
        &self.mala.energies
    }

    /// The step by now, a squared length.
    #[must_use]
    pub fn step(&self) -> f64 {
        self.step.averaged()
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        self.mala.save("moves", arrays);
        arrays.insert("moves.step".into(), state::floats(&self.step.state()));
    }

    /// Reads what [`Moves::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.mala = Mala::load("moves", arrays)?;
        self.step = DualAveraging::from_state(&state::f64s(arrays, "moves.step")?);
        Ok(())
    }
}

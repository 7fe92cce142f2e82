//! The only way from a sampler to an energy: counts evaluations by purpose and enforces a budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::forcefield::{Bias, Biased};
use super::{Dynamics, Exchange, Potential, Walkers};
use crate::error::{Error, Result};

/// What an energy evaluation is for. Evaluation of metrics is recorded but not charged to the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Making a reference ensemble.
    Reference,
    /// Molecular dynamics or MCMC that is the method itself.
    Sampling,
    /// Initial data at the highest temperature.
    InitialData,
    /// Energies inside a training loss.
    Training,
    /// Weights during annealing, and filling the next rung's buffer.
    Annealing,
    /// Refinement of samples on the true energy (MALA, relaxation).
    Refinement,
    /// Metrics; recorded, not charged.
    Evaluation,
}

impl Purpose {
    /// Whether the method pays for it.
    #[must_use]
    pub fn charged(self) -> bool {
        self != Self::Evaluation
    }
}

/// Evaluations by purpose; one count is one configuration (energy, force, or both).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<Purpose, u64>);

impl Counts {
    /// Evaluations that the method pays for.
    #[must_use]
    pub fn charged(&self) -> u64 {
        self.0.iter().filter(|(p, _)| p.charged()).map(|(_, n)| n).sum()
    }
}

/// A potential behind a counter and an optional budget.
pub struct Metered {
    plain: Arc<dyn Potential>,
    /// The same, under a bias where there is one.
    potential: Arc<dyn Potential>,
    counts: Counts,
    budget: Option<u64>,
}

impl Metered {
    /// Wraps a potential; `budget` limits the charged evaluations.
    #[must_use]
    pub fn new(potential: Arc<dyn Potential>, budget: Option<u64>) -> Self {
        Self { plain: Arc::clone(&potential), potential, counts: Counts::default(), budget }
    }

    /// Energies from now on are those under a bias, or plain ones again; they count as before.
    pub fn set_bias(&mut self, bias: Option<&Arc<Bias>>) {
        let plain = Arc::clone(&self.plain);
        self.potential = match bias {
            Some(bias) => Arc::new(Biased::new(plain, Arc::clone(bias))),
            None => plain,
        };
    }

    /// Evaluations so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Puts back the counts of a checkpoint.
    pub fn restore(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// Charged evaluations left, `None` when unlimited.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        self.budget.map(|b| b.saturating_sub(self.counts.charged()))
    }

    /// How many of `n` evaluations for `purpose` the budget still pays for: at least one.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`] when it pays for none.
    pub fn affordable(&self, purpose: Purpose, n: usize) -> Result<usize> {
        match (self.budget, self.left()) {
            (Some(budget), Some(0)) if purpose.charged() => Err(Error::BudgetSpent { budget }),
            (_, Some(left)) if purpose.charged() => Ok(n.min(usize::try_from(left).unwrap_or(usize::MAX))),
            _ => Ok(n),
        }
    }

    /// Energies `e [n]` and forces `f [n, atoms, 3]` of the `n` frames `x`.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`] when fewer than `n` charged evaluations are left: nothing is evaluated or counted then;
    /// [`Error::Device`].
    pub fn energy_forces(&mut self, purpose: Purpose, x: &[f64], e: &mut [f64], f: &mut [f64]) -> Result<()> {
        if let Some(budget) = self.budget
            && purpose.charged()
            && self.counts.charged() + e.len() as u64 > budget
        {
            return Err(Error::BudgetSpent { budget });
        }
        self.potential.energy_forces(x, e, f);
        self.count(purpose, e.len())
    }

    /// Langevin dynamics, see [`super::langevin`]: moves all walkers `steps` steps, or as many as the budget pays for;
    /// what is left of it then moves the first walkers one step more. Returns the steps that all walkers made. With
    /// `exchange`, walkers swap in the course of them, see [`super::exchange`]; its `accepted` is `[n, rounds]` of the steps
    /// that were made.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`] when not a single evaluation is left; [`Error::Device`].
    pub fn langevin(
        &mut self,
        purpose: Purpose,
        mut walkers: Walkers<'_>,
        dynamics: &Dynamics<'_>,
        steps: usize,
        exchange: Option<&mut Exchange<'_>>,
    ) -> Result<usize> {
        let n = walkers.energies.len();
        if n == 0 || steps == 0 {
            return Ok(steps);
        }
        let paid = self.affordable(purpose, n * steps)?;
        let (whole, rest) = (paid / n, paid % n);
        if whole > 0 {
            match exchange {
                Some(exchange) => self.potential.exchange(walkers.part(0..n), dynamics, whole, exchange),
                None => self.potential.langevin(walkers.part(0..n), dynamics, whole),
            }
            self.count(purpose, whole * n)?;
        }
        if rest > 0 {
            let first_step = dynamics.first_step + whole as u64;
            self.potential.langevin(walkers.part(0..rest), &Dynamics { first_step, ..dynamics.clone() }, 1);
            self.count(purpose, rest)?;
        }
        Ok(whole)
    }

    /// Charges `n` evaluations, unless the device failed.
    fn count(&mut self, purpose: Purpose, n: usize) -> Result<()> {
        self.potential.fault().map_or(Ok(()), Err)?;
        *self.counts.0.entry(purpose).or_default() += n as u64;
        Ok(())
    }
}

//! The only way from a sampler to an energy: counts evaluations by purpose and enforces a budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Potential;
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
    potential: Arc<dyn Potential>,
    counts: Counts,
    budget: Option<u64>,
}

impl Metered {
    /// Wraps a potential; `budget` limits the charged evaluations.
    #[must_use]
    pub fn new(potential: Arc<dyn Potential>, budget: Option<u64>) -> Self {
        Self { potential, counts: Counts::default(), budget }
    }

    /// Atoms per frame.
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.potential.atoms()
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

    /// Energies `[n]` and forces `[n, atoms, 3]` of `n = energies.len()` frames.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`] when fewer than `n` charged evaluations are left: nothing is evaluated or counted then.
    pub fn energy_forces(
        &mut self,
        purpose: Purpose,
        positions: &[f64],
        energies: &mut [f64],
        forces: &mut [f64],
    ) -> Result<()> {
        let n = energies.len() as u64;
        if let Some(budget) = self.budget
            && purpose.charged()
            && self.counts.charged() + n > budget
        {
            return Err(Error::BudgetSpent { budget });
        }
        self.potential.energy_forces(positions, energies, forces);
        *self.counts.0.entry(purpose).or_default() += n;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::LennardJones;

    fn call(meter: &mut Metered, purpose: Purpose, n: usize) -> (Result<()>, f64) {
        let x: Vec<f64> = (0..6 * n).map(|k| if k % 6 == 3 { 1.0 } else { 0.0 }).collect();
        let (mut e, mut f) = (vec![f64::NAN; n], vec![f64::NAN; 6 * n]);
        (meter.energy_forces(purpose, &x, &mut e, &mut f), e[0])
    }

    #[test]
    fn budget_is_exact_and_a_refusal_costs_nothing() {
        let mut meter = Metered::new(Arc::new(LennardJones::new(2)), Some(10));
        assert!(call(&mut meter, Purpose::Training, 4).0.is_ok());
        assert!(call(&mut meter, Purpose::Refinement, 3).0.is_ok());
        let (refused, energy) = call(&mut meter, Purpose::Training, 4);
        assert!(matches!(refused, Err(Error::BudgetSpent { budget: 10 })));
        assert!(energy.is_nan(), "nothing was evaluated");
        assert_eq!((meter.counts().charged(), meter.left()), (7, Some(3)));
        assert!(call(&mut meter, Purpose::Training, 3).0.is_ok(), "exactly the rest fits");
        assert_eq!(meter.left(), Some(0));
        assert!(call(&mut meter, Purpose::Sampling, 1).0.is_err());
        // Evaluation is recorded but free.
        assert_eq!(call(&mut meter, Purpose::Evaluation, 5).1, -1.75);
        assert_eq!(meter.counts().charged(), 10);
        let expected = [(Purpose::Training, 7), (Purpose::Refinement, 3), (Purpose::Evaluation, 5)];
        assert_eq!(meter.counts().0, BTreeMap::from(expected));
    }

    #[test]
    fn counts_survive_a_checkpoint_as_text() {
        let mut meter = Metered::new(Arc::new(LennardJones::new(2)), Some(5));
        call(&mut meter, Purpose::InitialData, 4).0.unwrap();
        let text = serde_json::to_string(meter.counts()).unwrap();
        assert_eq!(text, r#"{"initial-data":4}"#);
        let mut again = Metered::new(Arc::new(LennardJones::new(2)), Some(5));
        again.restore(serde_json::from_str(&text).unwrap());
        assert_eq!(again.left(), Some(1));
        assert!(call(&mut again, Purpose::Training, 2).0.is_err());
    }
}

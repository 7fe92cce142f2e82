//! Settings of plain dynamics and of replica exchange.

use super::Precision;
use super::settings::Float::{Positive, Temperature};
use super::settings::{Word, budget, count, float, ladder, one_of, optional, settings, words};

words! {
    /// How plain dynamics moves.
    pub enum Integrator {
        /// Langevin dynamics (LangevinMiddle).
        Langevin = "langevin",
        /// Metropolis-adjusted Langevin algorithm.
        Mala = "mala",
    }
}

/// The words for [`Precision`].
pub const PRECISIONS: &[Word] = &[
    Word { name: "f32", doc: "Single: positions, velocities, forces and noise." },
    Word { name: "f64", doc: "Double." },
];

settings! {
    /// Plain MD or MALA: independent walkers from one configuration.
    pub struct MdSpec {
        /// Langevin dynamics or MALA.
        integrator: Integrator = Integrator::Langevin, one_of(Integrator::WORDS);
        /// Time step (Langevin) or initial step size (MALA, adapted during equilibration).
        step: f64 = 0.005, float(Positive);
        /// Friction, 1/time (Langevin).
        friction: f64 = 1.0, float(Positive);
        /// Arithmetic of Langevin dynamics.
        precision: Precision = Precision::F64, one_of(PRECISIONS);
        /// Independent walkers.
        walkers: usize = 16, count(1);
        /// Dynamics at a higher temperature first, so that walkers begin in different conformations.
        hot_start: Option<HotStartSpec> = None, optional::<HotStartSpec>();
        /// Steps dropped at the beginning, per walker.
        equilibration: usize = 2_000, count(0);
        /// Steps between two recorded frames of a walker.
        stride: usize = 100, count(1);
        /// Frames recorded over all walkers.
        samples: usize = 10_000, count(1);
        /// Stop at exactly this many charged energy evaluations.
        budget: Option<u64> = None, budget();
    }
}

settings! {
    /// Where walkers come from that do not begin in one conformation: every evaluation is counted.
    pub struct HotStartSpec {
        /// Temperature of the hot dynamics.
        temperature: f64 = 1_200.0, float(Temperature);
        /// Its steps, per walker.
        steps: usize = 10_000, count(1);
    }
}

settings! {
    /// Temperature replica exchange; also makes the reference sets.
    pub struct ReplicaExchangeSpec {
        /// Temperatures above the target, high to low; the target is appended.
        ladder: Vec<f64> = vec![4.0, 3.2, 2.6, 2.1, 1.7, 1.4, 1.2], ladder(1);
        /// How replicas move between exchanges.
        integrator: Integrator = Integrator::Mala, one_of(Integrator::WORDS);
        /// Time step (Langevin only; MALA finds a step for each temperature).
        step: f64 = 0.005, float(Positive);
        /// Friction, 1/time (Langevin).
        friction: f64 = 1.0, float(Positive);
        /// Arithmetic of Langevin dynamics.
        precision: Precision = Precision::F64, one_of(PRECISIONS);
        /// Independent copies of the whole ladder.
        copies: usize = 32, count(1);
        /// Steps between two exchange attempts.
        exchange_every: usize = 10, count(1);
        /// Steps dropped at the beginning (MALA adapts its step sizes here).
        equilibration: usize = 4_000, count(0);
        /// Steps between two recorded frames at the target temperature.
        stride: usize = 40, count(1);
        /// Frames recorded over all copies.
        samples: usize = 20_000, count(1);
        /// Stop at exactly this many charged energy evaluations.
        budget: Option<u64> = None, budget();
    }
    later {
        /// How often the temperatures between the first and the target are chosen anew, in the first half of the
        /// equilibration.
        tuning: usize = 0, count(0);
    }
}

impl ReplicaExchangeSpec {
    /// Non-reversible parallel tempering (Syed, Bouchard-Cote, Deligiannidis and Doucet 2021): even and odd pairs swap in
    /// turn, as always here, and the ladder is tuned to equal rejection.
    #[must_use]
    pub fn non_reversible() -> Self {
        Self { tuning: 5, copies: 16, samples: 10_000, ..Self::default() }
    }

    /// The name of the method that these settings are: folder of its published numbers in `baselines/`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.tuning > 0 { "nrpt" } else { "replica-exchange" }
    }
}

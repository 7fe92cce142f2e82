//! Settings of annealed sequential Monte Carlo (SMC).

use serde::{Deserialize, Serialize};

use super::InitialSpec;
use super::settings::Float::{Fraction, Inside, Temperature};
use super::settings::{budget, count, float, ladder_or_auto, one_of, settings, table, words};

/// Temperatures that samples are carried through, high to low; the target is the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ladder {
    /// Those above the target.
    Fixed(Vec<f64>),
    /// From one temperature down, each next one found from the weights.
    Auto(AutoLadder),
}

settings! {
    /// A ladder found on the way: every next temperature is the lowest that leaves `ess` of the weights.
    pub struct AutoLadder {
        /// Where a ladder begins that is found on the way.
        hottest: f64 = f64::MAX, float(Temperature).required();
        /// Effective sample size of a step of such a ladder, as a fraction.
        ess: f64 = 0.5, float(Inside).key("ladder_ess");
    }
}

impl Ladder {
    /// The temperatures that are known beforehand, high to low, without the target.
    #[must_use]
    pub fn known(&self) -> &[f64] {
        match self {
            Self::Fixed(all) => all,
            Self::Auto(auto) => std::slice::from_ref(&auto.hottest),
        }
    }
}

words! {
    /// Coordinates that a Markov chain moves in.
    pub enum Coordinates = Cartesian {
        /// Positions of all atoms.
        Cartesian = "cartesian",
        /// Volume-preserving internal coordinates of a molecule, whitened anew at each temperature, as `pita-ic` has them.
        Internal = "internal",
    }
}

settings! {
    /// Annealed SMC without any model: the start of PITA, its ladder, and moves on the true energy in between.
    #[serde(default)]
    pub struct SmcSpec {
        /// Temperatures above the target, or `auto`: each next one is found from the weights.
        ladder: Ladder = Ladder::Fixed(vec![4.0, 3.2, 2.6, 2.2, 1.9, 1.7, 1.5, 1.35, 1.2, 1.1]), ladder_or_auto::<AutoLadder>();
        /// Dynamics at the highest temperature; its frames are the particles. Few of them leave more moves for each.
        initial: InitialSpec = InitialSpec::default(), table::<InitialSpec>();
        /// What particles move in.
        coordinates: Coordinates = Coordinates::default(), one_of(Coordinates::WORDS);
        /// MALA moves of every particle at each temperature, with a step that is adapted in the first half of them.
        moves: usize = 10, count(0);
        /// Acceptance that the step is tuned to.
        acceptance: f64 = 0.574, float(Inside);
        /// Particles are resampled when their effective sample size falls under this fraction, and always at the target.
        ess_threshold: f64 = 0.5, float(Fraction);
        /// Moves between two recorded frames of a particle at the target.
        stride: usize = 10, count(1);
        /// Frames recorded at the target; with more than there are particles, each gives several.
        samples: usize = 10_000, count(1);
        /// Stop at exactly this many charged energy evaluations.
        budget: Option<u64> = None, budget();
    }
}

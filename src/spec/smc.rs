//! Settings of annealed sequential Monte Carlo (SMC).

use serde::{Deserialize, Serialize};

use super::InitialSpec;

/// Temperatures that samples are carried through, high to low; the target is the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ladder {
    /// Those above the target.
    Fixed(Vec<f64>),
    /// From one temperature down, each next one found from the weights.
    Auto(AutoLadder),
}

/// A ladder found on the way: every next temperature is the lowest that leaves `ess` of the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutoLadder {
    /// Where it begins.
    pub hottest: f64,
    /// Effective sample size of a step, as a fraction.
    pub ess: f64,
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

/// Coordinates that a Markov chain moves in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinates {
    /// Positions of all atoms.
    Cartesian,
    /// Volume-preserving internal coordinates of a molecule.
    Internal,
}

/// Annealed SMC without any model: the start of PITA, its ladder, and moves on the true energy in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmcSpec {
    /// Temperatures.
    pub ladder: Ladder,
    /// Dynamics at the highest temperature; its frames are the particles. Few of them leave more moves for each.
    pub initial: InitialSpec,
    /// What particles move in. Internal coordinates are for molecules: whitened anew at each temperature, as `pita-ic` has them.
    pub coordinates: Coordinates,
    /// MALA moves of every particle at each temperature, with a step that is adapted in the first half of them.
    pub moves: usize,
    /// Acceptance that the step is tuned to.
    pub acceptance: f64,
    /// Particles are resampled when their effective sample size falls under this fraction, and always at the target.
    pub ess_threshold: f64,
    /// Moves between two recorded frames of a particle at the target.
    pub stride: usize,
    /// Frames recorded at the target; with more than there are particles, each gives several.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for SmcSpec {
    fn default() -> Self {
        Self {
            ladder: Ladder::Fixed(vec![4.0, 3.2, 2.6, 2.2, 1.9, 1.7, 1.5, 1.35, 1.2, 1.1]),
            initial: InitialSpec::default(),
            coordinates: Coordinates::Cartesian,
            moves: 10,
            acceptance: 0.574,
            ess_threshold: 0.5,
            stride: 10,
            samples: 10_000,
            budget: None,
        }
    }
}

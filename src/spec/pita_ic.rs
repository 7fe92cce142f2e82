//! Settings of annealing in internal coordinates.

use serde::{Deserialize, Serialize};

use super::{InitialSpec, Integrator, Noise, Precision, Target};

/// Progressive inference-time annealing in whitened internal coordinates, with weights of whole paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PitaIcSpec {
    /// Temperatures above the target, high to low; the target is appended, and sampled from itself at last.
    pub ladder: Vec<f64>,
    /// Data at the highest temperature.
    pub initial: InitialSpec,
    /// The score network.
    pub net: IcNetSpec,
    /// Its training.
    pub train: IcTrainSpec,
    /// From one temperature to the next.
    pub anneal: IcAnnealSpec,
    /// Particles drawn at each temperature; each costs one evaluation, and one for every move.
    pub particles: usize,
    /// Samples drawn and weighted at the target temperature (the result); their energies are charged.
    pub samples: usize,
    /// MALA moves of the result after resampling by its weights: the reweighted row. 0 leaves it as drawn.
    pub refine: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for PitaIcSpec {
    fn default() -> Self {
        Self {
            ladder: vec![1_200.0, 952.0, 756.0, 600.0, 476.0, 378.0],
            initial: InitialSpec {
                integrator: Integrator::Langevin,
                step: 0.001,
                friction: 1.0,
                precision: Precision::F32,
                samples: 20_000,
                walkers: 128,
                equilibration: 5_000,
                stride: 100,
            },
            net: IcNetSpec::default(),
            train: IcTrainSpec::default(),
            anneal: IcAnnealSpec::default(),
            particles: 15_000,
            samples: 10_000,
            refine: 20,
            budget: None,
        }
    }
}

/// A residual perceptron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IcNetSpec {
    /// Hidden features, a multiple of 32.
    pub width: usize,
    /// Residual blocks of two layers.
    pub blocks: usize,
}

impl Default for IcNetSpec {
    fn default() -> Self {
        Self { width: 256, blocks: 3 }
    }
}

/// Training on each rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IcTrainSpec {
    /// Steps on the first rung.
    pub first_steps: usize,
    /// Steps on every other one, from the network of the rung before.
    pub steps: usize,
    /// Samples per step.
    pub batch: usize,
    /// Adam's step size after warm-up; a cosine takes it to 0 on every rung.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warm_up: usize,
    /// Largest gradient norm.
    pub clip: f64,
    /// Decay of the averaged parameters.
    pub ema: f64,
    /// What the network learns from.
    pub target: Target,
    /// Components of reduced forces (in standard deviations) beyond this are cut.
    pub force_clip: f64,
    /// Smallest noise, in standard deviations of the data at the rung's temperature.
    pub sigma_min: f64,
    /// Largest noise, where annealing begins.
    pub sigma_max: f64,
}

impl Default for IcTrainSpec {
    fn default() -> Self {
        Self {
            first_steps: 8_000,
            steps: 4_000,
            batch: 512,
            learning_rate: 1e-3,
            warm_up: 200,
            clip: 1.0,
            ema: 0.999,
            target: Target::Mixed,
            force_clip: 50.0,
            sigma_min: 0.02,
            sigma_max: 8.0,
        }
    }
}

/// From one temperature to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IcAnnealSpec {
    /// Steps from noise to data.
    pub steps: usize,
    /// Kernels of the path.
    pub noise: Noise,
    /// MALA moves of every particle after resampling, in the same coordinates.
    pub moves: usize,
    /// Acceptance that their step is tuned to.
    pub acceptance: f64,
}

impl Default for IcAnnealSpec {
    fn default() -> Self {
        Self { steps: 100, noise: Noise::Tempered, moves: 10, acceptance: 0.574 }
    }
}

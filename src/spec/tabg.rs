//! Settings of TA-BG: flow, start at the highest temperature, annealing. Defaults are the published ones for alanine
//! dipeptide.

use serde::{Deserialize, Serialize};

use super::{HotStartSpec, Precision};

/// How the flow is trained at its first temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// By energies of its own samples, without data.
    ReverseKl,
    /// By maximum likelihood on frames of molecular dynamics.
    ForwardKl,
}

/// Temperature-annealed Boltzmann generator on internal coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TabgSpec {
    /// Temperatures above the target, high to low; the target is appended.
    pub ladder: Vec<f64>,
    /// How the flow is trained at its first temperature.
    pub start: Start,
    /// Train at the target itself, without annealing (the ladder is not used).
    pub start_at_target: bool,
    /// Stages at the first temperature, before the first one down.
    pub fine_tune_start: usize,
    /// Further stages at the target, from the target.
    pub fine_tune: usize,
    /// The flow.
    pub flow: FlowSpec,
    /// Training by reverse KL (`start = "reverse-kl"`).
    pub reverse_kl: ReverseKlSpec,
    /// Training by forward KL (`start = "forward-kl"`).
    pub forward_kl: ForwardKlSpec,
    /// Its data: molecular dynamics at the first temperature.
    pub data: MdDataSpec,
    /// From one temperature to the next.
    pub anneal: StageSpec,
    /// Samples drawn and weighted at the target temperature (the result); their energies are charged.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for TabgSpec {
    fn default() -> Self {
        Self {
            // 1200 (300/1200)^(i/9), to two digits.
            ladder: vec![1_200.0, 1_028.69, 881.84, 755.95, 648.04, 555.52, 476.22, 408.24, 349.96],
            start: Start::ReverseKl,
            start_at_target: false,
            fine_tune_start: 0,
            fine_tune: 1,
            flow: FlowSpec::default(),
            reverse_kl: ReverseKlSpec::default(),
            forward_kl: ForwardKlSpec::default(),
            data: MdDataSpec::default(),
            anneal: StageSpec::default(),
            samples: 10_000,
            budget: None,
        }
    }
}

/// The flow: rational-quadratic spline couplings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowSpec {
    /// Blocks of two couplings.
    pub blocks: usize,
    /// Hidden features of the conditioners.
    pub hidden: usize,
}

impl Default for FlowSpec {
    fn default() -> Self {
        Self { blocks: 8, hidden: 256 }
    }
}

/// Training by the energies of the flow's own samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReverseKlSpec {
    /// Steps.
    pub steps: usize,
    /// Samples per step; each costs one evaluation.
    pub batch: usize,
    /// Adam's step size after warm-up; a cosine takes it to 0.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warm_up: usize,
    /// L2 regularisation.
    pub weight_decay: f64,
    /// Largest gradient norm.
    pub clip: f64,
    /// Samples of the highest energies that are left out of each batch.
    pub drop: usize,
    /// Training begins at this temperature, and cools in equal ratios to the first one over these steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_start: Option<HotStartSpec>,
}

impl Default for ReverseKlSpec {
    fn default() -> Self {
        Self {
            steps: 100_000,
            batch: 256,
            learning_rate: 1e-4,
            warm_up: 1_000,
            weight_decay: 1e-5,
            clip: 100.0,
            drop: 10,
            hot_start: None,
        }
    }
}

/// Training by maximum likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForwardKlSpec {
    /// Steps.
    pub steps: usize,
    /// Samples per step.
    pub batch: usize,
    /// Adam's first step size; a cosine takes it to 0.
    pub learning_rate: f64,
}

impl Default for ForwardKlSpec {
    fn default() -> Self {
        Self { steps: 100_000, batch: 1_024, learning_rate: 5e-5 }
    }
}

/// Langevin dynamics that makes training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MdDataSpec {
    /// Frames.
    pub samples: usize,
    /// Independent walkers.
    pub walkers: usize,
    /// Steps dropped at the beginning.
    pub equilibration: usize,
    /// Steps between two frames of a walker.
    pub stride: usize,
    /// Time step, ps.
    pub step: f64,
    /// Friction, 1/ps.
    pub friction: f64,
    /// Arithmetic.
    pub precision: Precision,
}

impl Default for MdDataSpec {
    fn default() -> Self {
        Self {
            samples: 50_000,
            walkers: 250,
            equilibration: 10_000,
            stride: 100,
            step: 0.001,
            friction: 1.0,
            precision: Precision::F32,
        }
    }
}

/// A stage: draw at one temperature, weight to the next, resample, train by maximum likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Samples drawn; each costs one evaluation.
    pub draws: usize,
    /// Samples resampled from them.
    pub buffer: usize,
    /// Fraction of the draws whose weights are clipped to the smallest of theirs.
    pub clip: f64,
    /// The run fails when the weights are worth fewer samples than this after clipping.
    pub min_effective: usize,
    /// Training steps.
    pub steps: usize,
    /// Samples per step.
    pub batch: usize,
    /// Adam's first step size; a cosine takes it to 0 in every stage.
    pub learning_rate: f64,
}

impl Default for StageSpec {
    fn default() -> Self {
        Self {
            draws: 5_000_000,
            buffer: 2_000_000,
            clip: 1e-4,
            min_effective: 100,
            steps: 30_000,
            batch: 2_048,
            learning_rate: 5e-6,
        }
    }
}

/// Temperature-annealed Boltzmann generator on Cartesian coordinates. Defaults of the flow are those published for alanine
/// dipeptide (`transferable-samplers`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TabgCartSpec {
    /// Temperatures above the target, high to low; the target is appended.
    pub ladder: Vec<f64>,
    /// How the flow is trained at its first temperature.
    pub start: Start,
    /// Train at the target itself, without annealing (the ladder is not used).
    pub start_at_target: bool,
    /// Stages at the first temperature, before the first one down.
    pub fine_tune_start: usize,
    /// Further stages at the target, from the target.
    pub fine_tune: usize,
    /// The flow.
    pub flow: TarFlowSpec,
    /// Training by reverse KL (`start = "reverse-kl"`).
    pub reverse_kl: ReverseKlSpec,
    /// Training by forward KL (`start = "forward-kl"`).
    pub forward_kl: ForwardKlSpec,
    /// Its data: molecular dynamics at the first temperature.
    pub data: MdDataSpec,
    /// From one temperature to the next.
    pub anneal: StageSpec,
    /// Samples drawn and weighted at the target temperature (the result); their energies are charged.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for TabgCartSpec {
    fn default() -> Self {
        let d = TabgSpec::default();
        Self {
            ladder: d.ladder,
            start: Start::ForwardKl,
            start_at_target: d.start_at_target,
            fine_tune_start: d.fine_tune_start,
            fine_tune: d.fine_tune,
            flow: TarFlowSpec::default(),
            reverse_kl: d.reverse_kl,
            forward_kl: ForwardKlSpec { batch: 512, learning_rate: 1e-4, ..d.forward_kl },
            data: d.data,
            anneal: d.anneal,
            samples: d.samples,
            budget: d.budget,
        }
    }
}

impl TabgCartSpec {
    /// What it has in common with the one on internal coordinates: everything but the flow.
    #[must_use]
    pub fn common(&self) -> TabgSpec {
        TabgSpec {
            ladder: self.ladder.clone(),
            start: self.start,
            start_at_target: self.start_at_target,
            fine_tune_start: self.fine_tune_start,
            fine_tune: self.fine_tune,
            reverse_kl: self.reverse_kl.clone(),
            forward_kl: self.forward_kl.clone(),
            data: self.data.clone(),
            anneal: self.anneal.clone(),
            samples: self.samples,
            budget: self.budget,
            ..TabgSpec::default()
        }
    }
}

/// A TarFlow: blocks of causal transformers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TarFlowSpec {
    /// Blocks.
    pub blocks: usize,
    /// Transformer layers of a block.
    pub layers: usize,
    /// Features of a token, a multiple of 32.
    pub width: usize,
    /// Features of an attention head, a divisor of the width.
    pub head: usize,
    /// Coordinates of a token: 1, or 3 for whole atoms.
    pub channels: usize,
}

impl Default for TarFlowSpec {
    fn default() -> Self {
        Self { blocks: 4, layers: 4, width: 256, head: 64, channels: 1 }
    }
}

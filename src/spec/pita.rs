//! Settings of PITA: ladder, networks, training, annealing, refinement.

use serde::{Deserialize, Serialize};

use super::{Integrator, MdSpec, Precision};

/// Which code evaluates the networks. Both give the same numbers within stated tolerances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// `Jet`s over candle tensors: the reference.
    Candle,
    /// Fused CPU kernels.
    Fused,
}

/// Weight increment of the annealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Feynman-Kac with the exact divergence (full Jacobian trace).
    Exact,
    /// Feynman-Kac with a Rademacher estimate of the divergence.
    Hutchinson,
    /// Ratio of forward and backward one-step kernels: no divergence.
    KernelRatio,
    /// No weights: the score is scaled by gamma, the energy head is never asked.
    None,
    /// Of the whole path against the true energy: the energy head is never asked and not trained, unless particles are
    /// resampled by it in between. The last rung's samples carry them as `log_weight`.
    Path,
}

/// Noise of the annealing's steps (`diffusion::kernels` has the formulas).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// The noise stays, the score is multiplied by gamma.
    #[default]
    Published,
    /// The score stays, the noise is divided by gamma: exact for Gaussian data at any step size.
    Tempered,
}

/// What path weights resample by on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Not at all.
    #[default]
    None,
    /// The model's own denoising kernels over the noising ones, to the power gamma (arXiv 2506.05668, 2509.23265).
    KernelRatio,
    /// The energy head.
    Energy,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// When to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// When the effective sample size falls under `ess_threshold * N`.
    Ess,
    /// At every step (reference).
    EveryStep,
}

/// Node features of the EGNN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeFeatures {
    /// `(c_noise, beta)` on every node.
    Fixed,
    /// The reference's reshape, which scrambles them and breaks permutation equivariance.
    Faithful,
}

/// Annealing-factor schedule gamma(t).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GammaSchedule {
    /// Constant.
    Constant,
    /// From 1 at t = 1 to gamma at t = 0.
    Linear,
    /// Logistic from 1 to gamma.
    Sigmoid,
}

/// PITA: ladder, networks, training, annealing, refinement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PitaSpec {
    /// Temperatures above the target, high to low; the target is appended. Empty: the networks are trained on data at the
    /// target itself, and nothing is annealed.
    pub ladder: Vec<f64>,
    /// Which code evaluates the networks.
    pub engine: Engine,
    /// Initial data at the highest temperature.
    pub initial: InitialSpec,
    /// Networks.
    pub net: NetSpec,
    /// Training on each rung.
    pub train: TrainSpec,
    /// Annealing to the next rung.
    pub anneal: AnnealSpec,
    /// Refinement on the true energy after each rung.
    pub refine: RefineSpec,
    /// Relaxation on the true energy after that.
    pub relax: RelaxSpec,
    /// Particles carried from rung to rung.
    pub particles: usize,
    /// Particles generated at the target temperature (the result).
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for PitaSpec {
    fn default() -> Self {
        Self {
            ladder: vec![4.0, 3.0, 2.0, 1.5, 1.2],
            engine: Engine::Fused,
            initial: InitialSpec::default(),
            net: NetSpec::default(),
            train: TrainSpec::default(),
            anneal: AnnealSpec::default(),
            refine: RefineSpec::default(),
            relax: RelaxSpec::default(),
            particles: 5_000,
            samples: 10_000,
            budget: None,
        }
    }
}

/// Initial data: dynamics at the highest temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InitialSpec {
    /// MALA or Langevin dynamics.
    pub integrator: Integrator,
    /// Time step (Langevin) or initial step size (MALA, adapted during equilibration).
    pub step: f64,
    /// Friction, 1/time (Langevin).
    pub friction: f64,
    /// Arithmetic of Langevin dynamics.
    pub precision: Precision,
    /// Frames.
    pub samples: usize,
    /// Independent walkers.
    pub walkers: usize,
    /// Steps dropped at the beginning.
    pub equilibration: usize,
    /// Steps between two frames of a walker.
    pub stride: usize,
}

impl Default for InitialSpec {
    fn default() -> Self {
        Self {
            integrator: Integrator::Mala,
            step: 1e-4,
            friction: 1.0,
            precision: Precision::F64,
            samples: 10_000,
            walkers: 250,
            equilibration: 2_000,
            stride: 50,
        }
    }
}

impl InitialSpec {
    /// The same as settings of plain dynamics.
    #[must_use]
    pub fn md(&self) -> MdSpec {
        MdSpec {
            integrator: self.integrator,
            step: self.step,
            friction: self.friction,
            precision: self.precision,
            walkers: self.walkers,
            hot_start: None,
            equilibration: self.equilibration,
            stride: self.stride,
            samples: self.samples,
            budget: None,
        }
    }
}

/// Backbone of both networks: an EGNN, or a diffusion transformer when `dit` is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetSpec {
    /// Hidden width.
    pub hidden: usize,
    /// Layers (blocks of the transformer).
    pub layers: usize,
    /// Node features (EGNN).
    pub node_features: NodeFeatures,
    /// Settings of the transformer. Left out of a record for an EGNN: those keep the identity they had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dit: Option<DitSpec>,
}

impl Default for NetSpec {
    fn default() -> Self {
        Self { hidden: 32, layers: 3, node_features: NodeFeatures::Fixed, dit: None }
    }
}

impl NetSpec {
    /// The published transformer of ALDP and AL3, conditioned on beta.
    #[must_use]
    pub fn dit() -> Self {
        Self { hidden: 192, layers: 6, dit: Some(DitSpec::default()), ..Self::default() }
    }
}

/// Which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackboneKind {
    /// Equivariant graph network.
    Egnn,
    /// Diffusion transformer.
    Dit,
}

/// What a diffusion transformer (DiT) has beside its width and its blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DitSpec {
    /// Attention heads.
    pub heads: usize,
    /// Width of the conditioning.
    pub cond: usize,
    /// Dropout probability in training.
    pub dropout: f64,
    /// Whether the network sees the temperature (the reference's configs for ALDP and AL3 leave it out).
    pub beta_conditioning: bool,
}

impl Default for DitSpec {
    fn default() -> Self {
        Self { heads: 6, cond: 64, dropout: 0.1, beta_conditioning: true }
    }
}

/// Which rungs training draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainOn {
    /// Half of a batch from the newest, half from all so far: for networks that know the temperature.
    All,
    /// The newest alone.
    Newest,
}

/// What the score network learns to denoise to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The clean sample.
    #[default]
    Clean,
    /// A mixture of the clean sample and what its force says, with the least noise at each level: the same mean.
    Mixed,
}

/// Noise levels in training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainNoise {
    /// `ln sigma ~ N(-1.2, 1.2^2)` (EDM).
    #[default]
    Edm,
    /// Uniform over the times that annealing visits.
    Visited,
}

/// Training of the score and energy nets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSpec {
    /// Which rungs batches are drawn from.
    pub rungs: TrainOn,
    /// Steps on the first rung (the nets start from nothing there).
    pub first_steps: usize,
    /// Steps on each later rung.
    pub steps: usize,
    /// Samples per step.
    pub batch: usize,
    /// Adam learning rate.
    pub learning_rate: f64,
    /// Gradient 2-norm above which gradients are scaled down.
    pub clip: f64,
    /// EMA decay (with warm-up).
    pub ema: f64,
    /// Weight of the denoising score loss.
    pub score: f64,
    /// Weight of the energy-score distillation.
    pub energy_score: f64,
    /// Weight of energy matching at t = 0.
    pub energy_matching: f64,
    /// Weight of target score matching.
    pub target_score: f64,
    /// Smallest noise level.
    pub sigma_min: f64,
    /// Largest noise level.
    pub sigma_max: f64,
    /// What the score network learns. Left out of a record while it is as published: such runs keep their identity.
    #[serde(skip_serializing_if = "is_default")]
    pub target: Target,
    /// Noise levels.
    #[serde(skip_serializing_if = "is_default")]
    pub noise: TrainNoise,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            rungs: TrainOn::All,
            first_steps: 37_500,
            steps: 50_000,
            batch: 512,
            learning_rate: 1e-3,
            clip: 0.5,
            ema: 0.999,
            score: 1.0,
            energy_score: 1.0,
            energy_matching: 1.0,
            target_score: 0.0,
            sigma_min: 0.05,
            sigma_max: 80.0,
            target: Target::default(),
            noise: TrainNoise::default(),
        }
    }
}

/// Inference-time annealing of one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnnealSpec {
    /// Euler-Maruyama steps from t = 1 to 0.
    pub steps: usize,
    /// Weight increment.
    pub weights: Weights,
    /// Probes of the Hutchinson estimate.
    pub probes: usize,
    /// When to resample.
    pub resampling: Resampling,
    /// Fraction of N under which `ess` resampling acts.
    pub ess_threshold: f64,
    /// Weights and resampling stop after this fraction of the steps.
    pub resample_until: f64,
    /// Clamp weight increments from above at this quantile (reference: 0.9); 1 is off.
    pub clamp_quantile: f64,
    /// Resample once at the end with the true energy (one evaluation per particle).
    pub final_resampling: bool,
    /// Clamp the weights of that resampling from above at this quantile (reference: 0.9, which leaves an effective sample
    /// size of a tenth at least and biases the result); 1 is off.
    pub final_clamp_quantile: f64,
    /// gamma(t).
    pub gamma: GammaSchedule,
    /// Noise of the steps. Left out of a record while it is the published one: such runs keep their identity.
    #[serde(skip_serializing_if = "is_default")]
    pub noise: Noise,
    /// What path weights resample by on the way.
    #[serde(skip_serializing_if = "is_default")]
    pub between: Between,
}

impl AnnealSpec {
    /// Whether the energy head is asked.
    #[must_use]
    pub fn needs_energy(&self) -> bool {
        match self.weights {
            Weights::None => self.final_resampling,
            Weights::Path => self.between == Between::Energy,
            _ => true,
        }
    }
}

impl Default for AnnealSpec {
    fn default() -> Self {
        Self {
            steps: 1_000,
            weights: Weights::KernelRatio,
            probes: 1,
            resampling: Resampling::Ess,
            ess_threshold: 0.5,
            resample_until: 0.9,
            clamp_quantile: 1.0,
            final_resampling: true,
            final_clamp_quantile: 1.0,
            gamma: GammaSchedule::Constant,
            noise: Noise::default(),
            between: Between::default(),
        }
    }
}

/// MALA refinement on the true energy, each particle with a step of its own: dual averaging in the first half, fixed in
/// the second; every evaluation counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefineSpec {
    /// MALA steps per particle; 0 is off.
    pub steps: usize,
    /// Acceptance that the step size is tuned to.
    pub acceptance: f64,
}

impl Default for RefineSpec {
    fn default() -> Self {
        Self { steps: 5, acceptance: 0.574 }
    }
}

/// Relaxation: short Langevin dynamics of every particle on the true energy, at the rung's temperature; every evaluation
/// counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelaxSpec {
    /// Steps per particle; 0 is off.
    pub steps: usize,
    /// Time step.
    pub step: f64,
    /// Friction, 1/time.
    pub friction: f64,
    /// Arithmetic.
    pub precision: Precision,
}

impl Default for RelaxSpec {
    fn default() -> Self {
        Self { steps: 0, step: 0.005, friction: 1.0, precision: Precision::F64 }
    }
}

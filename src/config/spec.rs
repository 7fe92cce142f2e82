//! The resolved specification of a run: plain data, every default written out. Its canonical form is the run's identity.

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use crate::energy::Precision;
use crate::error::{Error, Result};

/// What is asked for: one system at one temperature, one sampler. The seed is kept apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The system.
    pub system: SystemSpec,
    /// The sampler with all its settings.
    pub sampler: SamplerSpec,
}

/// A system at its target temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemSpec {
    /// Name, such as `lj13`.
    pub name: String,
    /// Target temperature (reduced for LJ, K for molecules).
    pub temperature: f64,
    /// The files of a molecule that is not built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<MoleculeFiles>,
}

impl SystemSpec {
    /// A built-in system.
    #[must_use]
    pub fn named(name: &str, temperature: f64) -> Self {
        Self { name: name.to_owned(), temperature, files: None }
    }
}

/// A molecule from files. Their text is part of the spec: a run's `spec.json` or a cell that travels holds the whole
/// molecule, and nothing can change behind it. In digests the content stands alone, without names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoleculeFiles {
    /// OpenMM System XML.
    pub xml: TextFile,
    /// PDB file.
    pub pdb: TextFile,
}

/// A text file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFile {
    /// Where it was read from, for messages only.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl TextFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Data`] when it is no text.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::data(path, "is not text (UTF-8)"))?;
        Ok(Self { path: path.display().to_string(), text })
    }
}

/// A sampler by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // one per run: its size does not matter
pub enum SamplerSpec {
    /// Plain molecular dynamics or MALA.
    Md(MdSpec),
    /// Temperature replica exchange.
    ReplicaExchange(ReplicaExchangeSpec),
    /// Progressive inference-time annealing.
    Pita(PitaSpec),
}

/// How plain dynamics moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrator {
    /// Langevin dynamics (LangevinMiddle, [`crate::energy::langevin`]).
    Langevin,
    /// Metropolis-adjusted Langevin algorithm.
    Mala,
}

/// Plain MD or MALA: independent walkers from one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MdSpec {
    /// Langevin dynamics or MALA.
    pub integrator: Integrator,
    /// Time step (Langevin) or initial step size (MALA, adapted during equilibration).
    pub step: f64,
    /// Friction, 1/time (Langevin).
    pub friction: f64,
    /// Arithmetic of Langevin dynamics.
    pub precision: Precision,
    /// Independent walkers.
    pub walkers: usize,
    /// Dynamics at a higher temperature first, so that walkers begin in different conformations.
    pub hot_start: Option<HotStartSpec>,
    /// Steps dropped at the beginning, per walker.
    pub equilibration: usize,
    /// Steps between two recorded frames of a walker.
    pub stride: usize,
    /// Frames recorded over all walkers.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for MdSpec {
    fn default() -> Self {
        Self {
            integrator: Integrator::Langevin,
            step: 0.005,
            friction: 1.0,
            precision: Precision::F64,
            walkers: 16,
            hot_start: None,
            equilibration: 2_000,
            stride: 100,
            samples: 10_000,
            budget: None,
        }
    }
}

/// Where walkers come from that do not begin in one conformation: every evaluation is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HotStartSpec {
    /// Temperature of the hot dynamics.
    pub temperature: f64,
    /// Its steps, per walker.
    pub steps: usize,
}

impl Default for HotStartSpec {
    fn default() -> Self {
        Self { temperature: 1_200.0, steps: 10_000 }
    }
}

/// Temperature replica exchange; also makes the reference sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaExchangeSpec {
    /// Temperatures above the target, high to low; the target is appended.
    pub ladder: Vec<f64>,
    /// How replicas move between exchanges.
    pub integrator: Integrator,
    /// Time step (Langevin only; MALA finds a step for each temperature).
    pub step: f64,
    /// Friction, 1/time (Langevin).
    pub friction: f64,
    /// Arithmetic of Langevin dynamics.
    pub precision: Precision,
    /// Independent copies of the whole ladder.
    pub copies: usize,
    /// Steps between two exchange attempts.
    pub exchange_every: usize,
    /// Steps dropped at the beginning (MALA adapts its step sizes here).
    pub equilibration: usize,
    /// Steps between two recorded frames at the target temperature.
    pub stride: usize,
    /// Frames recorded over all copies.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for ReplicaExchangeSpec {
    fn default() -> Self {
        Self {
            ladder: vec![4.0, 3.2, 2.6, 2.1, 1.7, 1.4, 1.2],
            integrator: Integrator::Mala,
            step: 0.005,
            friction: 1.0,
            precision: Precision::F64,
            copies: 32,
            exchange_every: 10,
            equilibration: 4_000,
            stride: 40,
            samples: 20_000,
            budget: None,
        }
    }
}

/// Which code evaluates the networks. Both give the same numbers within stated tolerances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// `Jet`s over candle tensors: the reference.
    Candle,
    /// Fused CPU kernels.
    Fused,
}

/// Weight increment of the annealing (`design`: PITA section 5 and 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Feynman-Kac with the exact divergence (full Jacobian trace).
    Exact,
    /// Feynman-Kac with a Rademacher estimate of the divergence.
    Hutchinson,
    /// Ratio of forward and backward one-step kernels: no divergence.
    KernelRatio,
    /// No weights (plain annealed drift).
    None,
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
pub struct PitaSpec {
    /// Temperatures above the target, high to low; the target is appended.
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
            particles: 5_000,
            samples: 10_000,
            budget: None,
        }
    }
}

/// Initial data: MALA at the highest temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitialSpec {
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
        Self { samples: 10_000, walkers: 250, equilibration: 2_000, stride: 50 }
    }
}

/// Backbone of both networks: an EGNN, or a diffusion transformer when `dit` is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// Training of the score and energy nets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
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
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
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
        }
    }
}

/// Inference-time annealing of one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// gamma(t).
    pub gamma: GammaSchedule,
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
            gamma: GammaSchedule::Constant,
        }
    }
}

/// MALA refinement on the true energy, each particle with a step of its own that follows its acceptance in the first half
/// and is fixed in the second; every evaluation counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// How samples are judged. Not part of a run's identity: a finished run can be evaluated again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalSpec {
    /// Metric ids, see [`crate::metrics`].
    pub metrics: Vec<String>,
    /// Samples per side for one-dimensional metrics.
    pub n: usize,
    /// Samples per side for aligned-geometry metrics, whose cost grows as n squared.
    pub geo_n: usize,
    /// Samples per side for optimal transport between dihedrals and between TICA components.
    pub ot_n: usize,
    /// Bootstrap replicates for confidence intervals.
    pub bootstrap: usize,
    /// The reference ensemble.
    pub reference: ReferenceSpec,
}

impl Default for EvalSpec {
    fn default() -> Self {
        Self {
            metrics: ["energy-w1", "energy-w2", "distance-w2", "geo-w1-ref", "geo-w2", "mean-energy"]
                .map(String::from)
                .to_vec(),
            n: 5_000,
            geo_n: 500,
            ot_n: 5_000,
            bootstrap: 200,
            reference: ReferenceSpec::default(),
        }
    }
}

/// A reference ensemble: replica exchange with a seed of its own, and for molecules contiguous trajectories from its
/// frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferenceSpec {
    /// Seed.
    pub seed: u64,
    /// Settings of the replica exchange.
    pub sampler: ReplicaExchangeSpec,
    /// Trajectories that slow components (TICA) are fitted on; none without.
    #[serde(default)]
    pub trajectory: Option<TrajectorySpec>,
}

/// Contiguous Langevin trajectories at the target temperature, with the step and friction of the replica exchange; they
/// begin at its frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrajectorySpec {
    /// Independent trajectories.
    pub walkers: usize,
    /// Frames of each.
    pub frames: usize,
    /// Steps between two frames.
    pub stride: usize,
    /// Lag of TICA, in frames.
    pub lag: usize,
}

impl Default for TrajectorySpec {
    fn default() -> Self {
        Self { walkers: 64, frames: 200, stride: 1_000, lag: 25 }
    }
}

//! Settings of PITA: ladder, networks, training, annealing, refinement.

use super::settings::Float::{AboveZero, BelowOne, Fraction, Inside, NotNegative, Positive};
use super::settings::Limit::Below;
use super::settings::{
    Complaint, Preset, Word, budget, count, count_to, fields, flag, float, inline, ladder, one_of, optional, settings,
    table, words,
};
use super::{BiasSpec, Grid, Integrator, MdSpec, PRECISIONS, Precision, Step, growth};

words! {
    /// Which code evaluates the networks. Both give the same numbers within stated tolerances.
    pub enum Engine {
        /// `Jet`s over candle tensors: the reference.
        Candle = "candle",
        /// Fused CPU kernels.
        Fused = "fused",
    }
}

words! {
    /// Weight increment of the annealing.
    pub enum Weights {
        /// Feynman-Kac with the exact divergence (full Jacobian trace).
        Exact = "exact",
        /// Feynman-Kac with a Rademacher estimate of the divergence.
        Hutchinson = "hutchinson",
        /// Ratio of forward and backward one-step kernels: no divergence.
        KernelRatio = "kernel-ratio",
        /// No weights: the score is scaled by gamma, the energy head is never asked.
        None = "none",
        /// Of the whole path against the true energy: the energy head is never asked and not trained, unless particles are
        /// resampled by it in between. The last rung's samples carry them as `log_weight`.
        Path = "path",
    }
}

words! {
    /// Noise of the annealing's steps (`diffusion::kernels` has the formulas).
    pub enum Noise = Published {
        /// The noise stays, the score is multiplied by gamma.
        Published = "published",
        /// The score stays, the noise is divided by gamma: exact for Gaussian data at any step size.
        Tempered = "tempered",
    }
}

words! {
    /// What path weights resample by on the way.
    pub enum Between = None {
        /// Not at all.
        None = "none",
        /// The model's own denoising kernels over the noising ones, to the power gamma (arXiv 2506.05668, 2509.23265).
        KernelRatio = "kernel-ratio",
        /// The energy head.
        Energy = "energy",
    }
}

words! {
    /// When to resample.
    pub enum Resampling {
        /// When the effective sample size falls under `ess_threshold * N`.
        Ess = "ess",
        /// At every step (reference).
        EveryStep = "every-step",
    }
}

words! {
    /// Node features of the EGNN.
    pub enum NodeFeatures {
        /// `(c_noise, beta)` on every node.
        Fixed = "fixed",
        /// The reference's reshape, which scrambles them and breaks permutation equivariance.
        Faithful = "faithful",
    }
}

words! {
    /// Annealing-factor schedule gamma(t).
    pub enum GammaSchedule {
        /// Constant.
        Constant = "constant",
        /// From 1 at t = 1 to gamma at t = 0.
        Linear = "linear",
        /// Logistic from 1 to gamma.
        Sigmoid = "sigmoid",
    }
}

settings! {
    /// PITA: ladder, networks, training, annealing, refinement.
    #[serde(default)]
    pub struct PitaSpec [check = steps_with_weights] {
        /// Temperatures above the target, high to low; the target is appended. Empty: the networks are trained on data at the
        /// target itself, and nothing is annealed.
        ladder: Vec<f64> = vec![4.0, 3.0, 2.0, 1.5, 1.2], ladder(0);
        /// Which code evaluates the networks.
        engine: Engine = Engine::Fused, one_of(Engine::WORDS);
        /// Initial data at the highest temperature.
        initial: InitialSpec = InitialSpec::default(), table::<InitialSpec>();
        /// Networks.
        net: NetSpec = NetSpec::default(), table::<NetSpec>();
        /// Training on each rung.
        train: TrainSpec = TrainSpec::default(), table::<TrainSpec>();
        /// Annealing to the next rung.
        anneal: AnnealSpec = AnnealSpec::default(), table::<AnnealSpec>();
        /// Refinement on the true energy after each rung.
        refine: RefineSpec = RefineSpec::default(), table::<RefineSpec>();
        /// Relaxation on the true energy after that.
        relax: RelaxSpec = RelaxSpec::default(), table::<RelaxSpec>();
        /// Particles carried from rung to rung.
        particles: usize = 5_000, count(1);
        /// Particles generated at the target temperature (the result).
        samples: usize = 10_000, count(1);
        /// Stop at exactly this many charged energy evaluations.
        budget: Option<u64> = None, budget();
    }
}

settings! {
    /// Initial data: dynamics at the highest temperature.
    #[serde(default)]
    pub struct InitialSpec [check = hills_in_time] {
        /// MALA or Langevin dynamics.
        integrator: Integrator = Integrator::Mala, one_of(Integrator::WORDS);
        /// Time step (Langevin) or initial step size (MALA, adapted during equilibration).
        step: f64 = 1e-4, float(Positive);
        /// Friction, 1/time (Langevin).
        friction: f64 = 1.0, float(Positive);
        /// Arithmetic of Langevin dynamics.
        precision: Precision = Precision::F64, one_of(PRECISIONS);
        /// Frames.
        samples: usize = 10_000, count(1);
        /// Independent walkers.
        walkers: usize = 250, count(1);
        /// Steps dropped at the beginning.
        equilibration: usize = 2_000, count(0);
        /// Steps between two frames of a walker.
        stride: usize = 50, count(1);
    }
    later {
        /// A well-tempered bias on phi and psi, with exact weights; none without.
        bias: Option<BiasSpec> = None, optional::<BiasSpec>();
    }
}

/// At least one hill of each walker.
fn hills_in_time(spec: &InitialSpec) -> Vec<Complaint> {
    let (every, most) = (spec.bias.as_ref().map_or(0, |bias| bias.every), growth(spec.equilibration));
    let what = format!("is {every}, expected at most {most}: hills are added in three quarters of `equilibration`");
    Complaint::of(&[(every > most, "bias.every", &what, "")])
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

settings! {
    /// Backbone of both networks: an EGNN, or a diffusion transformer when `dit` is there.
    #[serde(default)]
    pub struct NetSpec [preset = BACKBONE] {
        /// Hidden width.
        hidden: usize = 32, count(1);
        /// Layers (blocks of the transformer).
        layers: usize = 3, count(1);
        /// Node features (EGNN).
        node_features: NodeFeatures = NodeFeatures::Fixed, one_of(NodeFeatures::WORDS).with("egnn");
    }
    later {
        /// The transformer.
        dit: Option<DitSpec> = None, inline::<DitSpec>().with("dit");
    }
}

/// Which network: each has defaults and keys of its own.
const BACKBONE: Preset = Preset {
    key: "backbone",
    doc: "Which network.",
    words: &[
        Word { name: "egnn", doc: "Equivariant graph network." },
        Word { name: "dit", doc: "Diffusion transformer." },
    ],
    values: |word| (word == "dit").then(|| fields(&NetSpec::dit())),
};

impl NetSpec {
    /// The published transformer of ALDP and AL3, conditioned on beta.
    #[must_use]
    pub fn dit() -> Self {
        Self { hidden: 192, layers: 6, dit: Some(DitSpec::default()), ..Self::default() }
    }
}

settings! {
    /// What a diffusion transformer (DiT) has beside its width and its blocks.
    #[serde(default)]
    pub struct DitSpec {
        /// Attention heads.
        heads: usize = 6, count(1);
        /// Width of the conditioning.
        cond: usize = 64, count(1);
        /// Dropout probability in training.
        dropout: f64 = 0.1, float(BelowOne);
        /// Whether the network sees the temperature (the reference's configs for ALDP and AL3 leave it out).
        beta_conditioning: bool = true, flag();
    }
}

words! {
    /// Which rungs training draws from.
    pub enum TrainOn {
        /// Half of a batch from the newest, half from all so far: for networks that know the temperature.
        All = "all",
        /// The newest alone.
        Newest = "newest",
    }
}

words! {
    /// What the score network learns to denoise to.
    pub enum Target = Clean {
        /// The clean sample.
        Clean = "clean",
        /// A mixture of the clean sample and what its force says, with the least noise at each level: the same mean.
        Mixed = "mixed",
    }
}

words! {
    /// Noise levels in training.
    pub enum TrainNoise = Edm {
        /// `ln sigma ~ N(-1.2, 1.2^2)` (EDM).
        Edm = "edm",
        /// Uniform over the times that annealing visits.
        Visited = "visited",
    }
}

settings! {
    /// Training of the score and energy nets.
    #[serde(default)]
    pub struct TrainSpec {
        /// Which rungs batches are drawn from.
        rungs: TrainOn = TrainOn::All, one_of(TrainOn::WORDS);
        /// Steps on the first rung (the nets start from nothing there).
        first_steps: usize = 37_500, count(1);
        /// Steps on each later rung.
        steps: usize = 50_000, count(1);
        /// Samples per step.
        batch: usize = 512, count(1);
        /// Adam learning rate.
        learning_rate: f64 = 1e-3, float(Positive);
        /// Gradient 2-norm above which gradients are scaled down.
        clip: f64 = 0.5, float(Positive);
        /// EMA decay (with warm-up).
        ema: f64 = 0.999, float(BelowOne);
        /// Weight of the denoising score loss.
        score: f64 = 1.0, float(NotNegative);
        /// Weight of the energy-score distillation.
        energy_score: f64 = 1.0, float(NotNegative);
        /// Weight of energy matching at t = 0.
        energy_matching: f64 = 1.0, float(NotNegative);
        /// Weight of target score matching.
        target_score: f64 = 0.0, float(NotNegative);
        /// Smallest noise level.
        sigma_min: f64 = 0.05, float(Positive).limits(&[Below("sigma_max")]);
        /// Largest noise level.
        sigma_max: f64 = 80.0, float(Positive);
    }
    later {
        /// What the score network learns.
        target: Target = Target::default(), one_of(Target::WORDS);
        /// Noise levels.
        noise: TrainNoise = TrainNoise::default(), one_of(TrainNoise::WORDS);
    }
}

settings! {
    /// Inference-time annealing of one rung.
    #[serde(default)]
    pub struct AnnealSpec [check = noise_and_weights] {
        /// Euler-Maruyama steps from t = 1 to 0.
        steps: usize = 1_000, count(1);
        /// Weight increment.
        weights: Weights = Weights::KernelRatio, one_of(Weights::WORDS);
        /// Probes of the Hutchinson estimate.
        probes: usize = 1, count(1);
        /// When to resample.
        resampling: Resampling = Resampling::Ess, one_of(Resampling::WORDS);
        /// Fraction of N under which `ess` resampling acts.
        ess_threshold: f64 = 0.5, float(Fraction);
        /// Weights and resampling stop after this fraction of the steps.
        resample_until: f64 = 0.9, float(Fraction);
        /// Clamp weight increments from above at this quantile (reference: 0.9); 1 is off.
        clamp_quantile: f64 = 1.0, float(AboveZero);
        /// Resample once at the end with the true energy (one evaluation per particle).
        final_resampling: bool = true, flag();
        /// Clamp the weights of that resampling from above at this quantile (reference: 0.9, which leaves an effective sample
        /// size of a tenth at least and biases the result); 1 is off.
        final_clamp_quantile: f64 = 1.0, float(AboveZero);
        /// gamma(t).
        gamma: GammaSchedule = GammaSchedule::Constant, one_of(GammaSchedule::WORDS);
    }
    later {
        /// Noise of the steps.
        noise: Noise = Noise::default(), one_of(Noise::WORDS);
        /// What path weights resample by on the way.
        between: Between = Between::default(), one_of(Between::WORDS);
        /// Paths drawn for each particle: all are weighed by the true energy (one evaluation each), and as many as there are particles
        /// resampled. 1 without it; with path weights.
        draws: Option<usize> = None, count_to(2, MOST_DRAWS);
        /// How a path steps, those of one evaluation whose kernel back has no drift; with tempered noise and path weights.
        step: Step = Step::default(), one_of(Step::WORDS);
        /// Where its noise levels lie, `edm` or `geometric`.
        grid: Grid = Grid::default(), one_of(Grid::WORDS);
        /// Whether scores are those of the next temperature, extrapolated in beta from this rung's and that of the rung before (guidance
        /// by two temperatures): two evaluations a step. For networks that know the temperature, from the second rung on.
        guidance: bool = false, flag();
    }
}

/// Most paths of a particle.
const MOST_DRAWS: u64 = 1_000;

/// Each noise has weights of its own; resampling on the way belongs to weights of paths.
fn noise_and_weights(spec: &AnnealSpec) -> Vec<Complaint> {
    let (tempered, path) = (spec.noise == Noise::Tempered, spec.weights == Weights::Path);
    let planned = match (spec.step == Step::default(), spec.grid == Grid::default()) {
        (false, _) => "step",
        (true, false) => "grid",
        (true, true) => "guidance",
    };
    Complaint::of(&[
        (
            tempered && matches!(spec.weights, Weights::Exact | Weights::Hutchinson),
            "noise",
            "is tempered, whose weights are `path`, `kernel-ratio` or `none`",
            "Feynman-Kac weights (`exact`, `hutchinson`) belong to the published noise",
        ),
        (!path && spec.between != Between::None, "between", "is a setting of `weights = \"path\"`", ""),
        (!path && spec.draws.is_some(), "draws", "is a setting of `weights = \"path\"`", ""),
        (
            spec.planned() && !(tempered && path),
            planned,
            "is one of `noise = \"tempered\"` with `weights = \"path\"`",
            "",
        ),
        (
            !spec.step.one_evaluation(),
            "step",
            "takes evaluations on the way, averages or a drift back, which these paths have not",
            "such as ancestral, euler-maruyama, sde-dpm-solver++-1, sde-dpm-solver++-2m",
        ),
        (
            !matches!(spec.grid, Grid::Edm | Grid::Geometric),
            "grid",
            "is found by a pilot, which these paths have not",
            "known: edm, geometric",
        ),
    ])
}

/// The ladder resamples by weights; guidance asks one network for two temperatures.
fn steps_with_weights(spec: &PitaSpec) -> Vec<Complaint> {
    Complaint::of(&[
        (
            !spec.anneal.step.has_density(),
            "anneal.step",
            "has no weights, and the ladder resamples by them",
            "`pita-bench draw RUN --set anneal.step=...` draws with it from a finished model",
        ),
        (
            spec.anneal.guidance && spec.train.rungs != TrainOn::All,
            "anneal.guidance",
            "asks the network for the temperature of the rung before",
            "`train.rungs = \"all\"` teaches it that",
        ),
    ])
}

impl AnnealSpec {
    /// Whether it steps in another way than paths did before there were others.
    #[must_use]
    pub fn planned(&self) -> bool {
        self.step != Step::default() || self.grid != Grid::default() || self.guidance
    }

    /// Paths of each particle.
    #[must_use]
    pub fn paths(&self) -> usize {
        self.draws.unwrap_or(1)
    }

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

settings! {
    /// MALA refinement on the true energy, each particle with a step of its own: dual averaging in the first half, fixed in
    /// the second; every evaluation counted.
    #[serde(default)]
    pub struct RefineSpec {
        /// MALA steps per particle; 0 is off.
        steps: usize = 5, count(0);
        /// Acceptance that the step size is tuned to.
        acceptance: f64 = 0.574, float(Inside);
    }
}

settings! {
    /// Relaxation: short Langevin dynamics of every particle on the true energy, at the rung's temperature; every evaluation
    /// counted.
    #[serde(default)]
    pub struct RelaxSpec {
        /// Steps per particle; 0 is off.
        steps: usize = 0, count(0);
        /// Time step.
        step: f64 = 0.005, float(Positive);
        /// Friction, 1/time.
        friction: f64 = 1.0, float(Positive);
        /// Arithmetic.
        precision: Precision = Precision::F64, one_of(PRECISIONS);
    }
}

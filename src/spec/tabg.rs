//! Settings of TA-BG: flow, start at the highest temperature, annealing. Defaults are the published ones for alanine
//! dipeptide.

use std::fmt;

use super::settings::Float::{BelowOne, NotNegative, Positive};
use super::settings::Limit::{Below, Multiple, MultipleOf};
use super::settings::{
    Complaint, Settings, among, budget, count, flag, float, ladder, one_of, optional, settings, table, words,
};
use super::{HotStartSpec, PRECISIONS, Precision};

words! {
    /// How the flow is trained at its first temperature.
    pub enum Start {
        /// By energies of its own samples, without data.
        ReverseKl = "reverse-kl",
        /// By maximum likelihood on frames of molecular dynamics.
        ForwardKl = "forward-kl",
    }
}

/// A flow that is annealed, and how its training begins.
pub trait Flow: Settings + PartialEq + Clone + fmt::Debug + Send + Sync {
    /// By which loss.
    const START: Start;

    /// Training by maximum likelihood.
    #[must_use]
    fn forward_kl() -> ForwardKlSpec {
        ForwardKlSpec::default()
    }
}

impl Flow for FlowSpec {
    const START: Start = Start::ReverseKl;
}

impl Flow for TarFlowSpec {
    const START: Start = Start::ForwardKl;

    fn forward_kl() -> ForwardKlSpec {
        ForwardKlSpec { batch: 512, learning_rate: 1e-4, ..ForwardKlSpec::default() }
    }
}

/// Temperature-annealed Boltzmann generator on internal coordinates.
pub type TabgIcSpec = TabgSpec<FlowSpec>;

/// The same on Cartesian coordinates. Defaults of the flow are those published for alanine dipeptide (`transferable-samplers`).
pub type TabgCartSpec = TabgSpec<TarFlowSpec>;

settings! {
    /// Temperature-annealed Boltzmann generator with a flow.
    #[serde(default, bound = "")]
    pub struct TabgSpec<F: Flow> [check = hot_start] {
        /// Temperatures above the target, high to low; the target is appended.
        // 1200 (300/1200)^(i/9), to two digits.
        ladder: Vec<f64> = vec![1_200.0, 1_028.69, 881.84, 755.95, 648.04, 555.52, 476.22, 408.24, 349.96], ladder(1);
        /// How the flow is trained at its first temperature.
        start: Start = F::START, one_of(Start::WORDS);
        /// Train at the target itself, without annealing (the ladder is not used).
        start_at_target: bool = false, flag();
        /// Stages at the first temperature, before the first one down.
        fine_tune_start: usize = 0, count(0);
        /// Further stages at the target, from the target.
        fine_tune: usize = 1, count(0);
        /// The flow: rational-quadratic spline couplings on internal coordinates, a TarFlow on Cartesian ones.
        flow: F = F::default(), table::<F>();
        /// Training by reverse KL (`start = "reverse-kl"`).
        reverse_kl: ReverseKlSpec = ReverseKlSpec::default(), table::<ReverseKlSpec>();
        /// Training by forward KL (`start = "forward-kl"`).
        forward_kl: ForwardKlSpec = F::forward_kl(), table::<ForwardKlSpec>();
        /// Its data: molecular dynamics at the first temperature.
        data: MdDataSpec = MdDataSpec::default(), table::<MdDataSpec>();
        /// From one temperature to the next.
        anneal: StageSpec = StageSpec::default(), table::<StageSpec>();
        /// Samples drawn and weighted at the target temperature (the result); their energies are charged.
        samples: usize = 10_000, count(1);
        /// Stop at exactly this many charged energy evaluations.
        budget: Option<u64> = None, budget();
    }
}

/// A hot start is hotter than where it ends, the first temperature, and shorter than the training.
fn hot_start<F: Flow>(spec: &TabgSpec<F>) -> Vec<Complaint> {
    let Some(hot) = &spec.reverse_kl.hot_start else { return Vec::new() };
    let (all, first) = (spec.reverse_kl.steps, spec.ladder.first().copied().unwrap_or_default());
    let long = format!("is {}, expected less than `steps` of `reverse_kl` ({all})", hot.steps);
    let cold = format!("is {}, expected more than the first of `ladder` ({first})", hot.temperature);
    Complaint::of(&[
        (hot.steps >= all, "reverse_kl.hot_start.steps", &long, ""),
        (hot.temperature <= first, "reverse_kl.hot_start.temperature", &cold, ""),
    ])
}

settings! {
    /// The flow: rational-quadratic spline couplings.
    pub struct FlowSpec {
        /// Blocks of two couplings.
        blocks: usize = 8, count(1);
        /// Hidden features of the conditioners.
        hidden: usize = 256, count(1);
    }
}

settings! {
    /// Training by the energies of the flow's own samples.
    pub struct ReverseKlSpec {
        /// Steps.
        steps: usize = 100_000, count(1);
        /// Samples per step; each costs one evaluation.
        batch: usize = 256, count(1);
        /// Adam's step size after warm-up; a cosine takes it to 0.
        learning_rate: f64 = 1e-4, float(Positive);
        /// Steps of linear warm-up.
        warm_up: usize = 1_000, count(0).limits(&[Below("steps")]);
        /// L2 regularisation.
        weight_decay: f64 = 1e-5, float(NotNegative);
        /// Largest gradient norm.
        clip: f64 = 100.0, float(Positive);
        /// Samples of the highest energies that are left out of each batch.
        drop: usize = 10, count(0).limits(&[Below("batch")]);
    }
    later {
        /// Training begins at this temperature, and cools in equal ratios to the first one over these steps.
        hot_start: Option<HotStartSpec> = None, optional::<HotStartSpec>();
    }
}

settings! {
    /// Training by maximum likelihood.
    pub struct ForwardKlSpec {
        /// Steps.
        steps: usize = 100_000, count(1);
        /// Samples per step.
        batch: usize = 1_024, count(1);
        /// Adam's first step size; a cosine takes it to 0.
        learning_rate: f64 = 5e-5, float(Positive);
    }
}

settings! {
    /// Langevin dynamics that makes training data.
    pub struct MdDataSpec {
        /// Frames.
        samples: usize = 50_000, count(1);
        /// Independent walkers.
        walkers: usize = 250, count(1);
        /// Steps dropped at the beginning.
        equilibration: usize = 10_000, count(0);
        /// Steps between two frames of a walker.
        stride: usize = 100, count(1);
        /// Time step, ps.
        step: f64 = 0.001, float(Positive);
        /// Friction, 1/ps.
        friction: f64 = 1.0, float(Positive);
        /// Arithmetic.
        precision: Precision = Precision::F32, one_of(PRECISIONS);
    }
}

settings! {
    /// A stage: draw at one temperature, weight to the next, resample, train by maximum likelihood.
    pub struct StageSpec {
        /// Samples drawn; each costs one evaluation.
        draws: usize = 5_000_000, count(1);
        /// Samples resampled from them.
        buffer: usize = 2_000_000, count(1);
        /// Fraction of the draws whose weights are clipped to the smallest of theirs.
        clip: f64 = 1e-4, float(BelowOne);
        /// The run fails when the weights are worth fewer samples than this after clipping.
        min_effective: usize = 100, count(0);
        /// Training steps.
        steps: usize = 30_000, count(1);
        /// Samples per step.
        batch: usize = 2_048, count(1);
        /// Adam's first step size; a cosine takes it to 0 in every stage.
        learning_rate: f64 = 5e-6, float(Positive);
    }
}

settings! {
    /// A TarFlow: blocks of causal transformers.
    pub struct TarFlowSpec {
        /// Blocks.
        blocks: usize = 4, count(1);
        /// Transformer layers of a block.
        layers: usize = 4, count(1);
        /// Features of a token.
        width: usize = 256, count(1).limits(&[Multiple(32), MultipleOf("head")]);
        /// Features of an attention head.
        head: usize = 64, count(1);
        /// Coordinates of a token: 1, or 3 for whole atoms.
        channels: usize = 1, among(&[1, 3]);
    }
}

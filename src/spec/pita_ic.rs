//! Settings of annealing in internal coordinates.

use super::settings::Float::{BelowOne, Inside, Positive};
use super::settings::Limit::{AtMost, Below, Multiple};
use super::settings::{budget, count, float, ladder, one_of, settings, table};
use super::{InitialSpec, Integrator, Noise, Precision, Target};

settings! {
    /// Progressive inference-time annealing in whitened internal coordinates, with weights of whole paths.
    #[serde(default)]
    pub struct PitaIcSpec {
        /// Temperatures above the target, high to low; the target is appended, and sampled from itself at last.
        ladder: Vec<f64> = vec![1_200.0, 952.0, 756.0, 600.0, 476.0, 378.0], ladder(1);
        /// Data at the highest temperature.
        initial: InitialSpec = data(), table::<InitialSpec>();
        /// The score network, a residual perceptron.
        net: IcNetSpec = IcNetSpec::default(), table::<IcNetSpec>();
        /// Its training.
        train: IcTrainSpec = IcTrainSpec::default(), table::<IcTrainSpec>();
        /// From one temperature to the next.
        anneal: IcAnnealSpec = IcAnnealSpec::default(), table::<IcAnnealSpec>();
        /// Particles drawn at each temperature; each costs one evaluation, and one for every move.
        particles: usize = 15_000, count(1);
        /// Samples drawn and weighted at the target temperature (the result); their energies are charged.
        samples: usize = 10_000, count(1);
        /// MALA moves of the result after resampling by its weights: the reweighted row. 0 leaves it as drawn.
        refine: usize = 20, count(0);
        /// Stop at exactly this many charged energy evaluations.
        budget: Option<u64> = None, budget();
    }
}

fn data() -> InitialSpec {
    InitialSpec {
        integrator: Integrator::Langevin,
        step: 0.001,
        friction: 1.0,
        precision: Precision::F32,
        samples: 20_000,
        walkers: 128,
        equilibration: 5_000,
        stride: 100,
    }
}

settings! {
    /// A residual perceptron.
    #[serde(default)]
    pub struct IcNetSpec {
        /// Hidden features.
        width: usize = 256, count(1).limits(&[Multiple(32)]);
        /// Residual blocks of two layers.
        blocks: usize = 3, count(1);
    }
}

settings! {
    /// Training on each rung.
    #[serde(default)]
    pub struct IcTrainSpec {
        /// Steps on the first rung.
        first_steps: usize = 8_000, count(1);
        /// Steps on every other one, from the network of the rung before.
        steps: usize = 4_000, count(1);
        /// Samples per step.
        batch: usize = 512, count(1);
        /// Adam's step size after warm-up; a cosine takes it to 0 on every rung.
        learning_rate: f64 = 1e-3, float(Positive);
        /// Steps of linear warm-up.
        warm_up: usize = 200, count(0);
        /// Largest gradient norm.
        clip: f64 = 1.0, float(Positive);
        /// Decay of the averaged parameters.
        ema: f64 = 0.999, float(BelowOne);
        /// What the network learns from.
        target: Target = Target::Mixed, one_of(Target::WORDS);
        /// Components of reduced forces (in standard deviations) beyond this are cut.
        force_clip: f64 = 50.0, float(Positive);
        /// Smallest noise, in standard deviations of the data at the rung's temperature.
        sigma_min: f64 = 0.02, float(Positive).limits(&[Below("sigma_max")]);
        /// Largest noise, where annealing begins.
        // Beyond 10 the images of a wrapped normal that are summed do not suffice.
        sigma_max: f64 = 8.0, float(Positive).limits(&[AtMost(10.0, "a circle is uniform before that")]);
    }
}

settings! {
    /// From one temperature to the next.
    #[serde(default)]
    pub struct IcAnnealSpec {
        /// Steps from noise to data.
        steps: usize = 100, count(2);
        /// Kernels of the path.
        noise: Noise = Noise::Tempered, one_of(Noise::WORDS);
        /// MALA moves of every particle after resampling, in the same coordinates.
        moves: usize = 10, count(0);
        /// Acceptance that their step is tuned to.
        acceptance: f64 = 0.574, float(Inside);
    }
}

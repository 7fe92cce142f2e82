//! Settings of annealing in internal coordinates.

use super::settings::Float::{AboveZero, BelowOne, Inside, NotNegative, Positive};
use super::settings::Limit::{AtMost, Below, Multiple};
use super::settings::{Complaint, budget, count, count_to, flag, float, ladder_or_auto, one_of, settings, table};
use super::{AutoLadder, Control, Corrector, Grid, InitialSpec, Integrator, Ladder, Noise, Precision, Step, Target};

settings! {
    /// Progressive inference-time annealing in whitened internal coordinates, with weights of whole paths.
    #[serde(default)]
    pub struct PitaIcSpec [check = trained_noise] {
        /// Temperatures above the target, or `auto`: each next one is the lowest at which energies paid already leave `ladder_ess`. The
        /// target is appended, and sampled from itself at last.
        ladder: Ladder = Ladder::Fixed(vec![1_200.0, 952.0, 756.0, 600.0, 476.0, 378.0]), ladder_or_auto::<AutoLadder>();
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
        bias: None,
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
    later {
        /// Weight of the residual of the Fokker-Planck equation at noise below 0.5, beside the loss of denoising (after ScoreMD, arXiv
        /// 2506.17139; `samplers::pita_ic::fokker_planck` has the formula): four further evaluations for each row there.
        fokker_planck: f64 = 0.0, float(NotNegative);
    }
}

settings! {
    /// From one temperature to the next.
    #[serde(default)]
    pub struct IcAnnealSpec [check = steps_and_correctors] {
        /// Steps from noise to data.
        steps: usize = 100, count(2);
        /// Kernels of the path.
        noise: Noise = Noise::Tempered, one_of(Noise::WORDS);
        /// MALA moves of every particle after resampling, in the same coordinates.
        moves: usize = 10, count(0);
        /// Acceptance that their step is tuned to.
        acceptance: f64 = 0.574, float(Inside);
    }
    later {
        /// How a path steps.
        step: Step = Step::default(), one_of(Step::WORDS);
        /// Where its noise levels lie.
        grid: Grid = Grid::default(), one_of(Grid::WORDS);
        /// What is done at a level.
        corrector: Corrector = Corrector::default(), one_of(Corrector::WORDS);
        /// Noise at which paths begin, drawn from the Gaussian that whitened data under that noise nearly are (the jump of arXiv
        /// 2310.12462; circles are uniform): the training's `sigma_max` without it.
        sigma_skip: Option<f64> = None, float(Positive);
        /// Noise of the last level before the data: the training's `sigma_min` without it.
        sigma_last: Option<f64> = None, float(Positive);
        /// Share of the noise that `reversible` draws; 0.5 without it.
        eta: Option<f64> = None, float(AboveZero);
        /// Weight of the newest slope in `ghvb-2`, the paper's beta; 0.8 without it.
        beta: Option<f64> = None, float(AboveZero);
        /// Share of a level's variance that a move of `langevin` renews; 0.05 without it.
        renewal: Option<f64> = None, float(Inside);
        /// What a pilot of 480 paths, their ends' energies counted, fits of the kernels.
        control: Control = Control::default(), one_of(Control::WORDS);
        /// Children of each particle in a step, of which one goes on, by the true energy at their denoised predictions, counted
        /// (look-ahead, SVDD, arXiv 2408.08252; `samplers::pita_ic::lookahead` has what is chosen by). The weight of the choice is exact.
        children: Option<usize> = None, count_to(2, MOST_CHILDREN);
        /// How many of the last steps have them; all without it.
        lookahead_steps: Option<usize> = None, count(1);
        /// Draws children until two are no worse than their parent, and saves the others for the steps that follow (after rollover budget
        /// forcing, arXiv 2503.19385); weights are exact, and each step adds `children` to what may be drawn.
        rollover: bool = false, flag();
        /// Moves before those of MALA that take data to the noise of `dmcmc_sigma` by the kernels back and down again along the path,
        /// accepted by Metropolis's rule with the weights of both ways (after denoising MCMC, arXiv 2209.14593): one energy each.
        dmcmc: Option<usize> = None, count(1);
        /// Noise that they reach; 1 without it.
        dmcmc_sigma: Option<f64> = None, float(Positive);
    }
}

/// Paths of a pilot.
const PILOT: usize = 480;
/// Most children of a particle.
const MOST_CHILDREN: u64 = 64;

impl IcAnnealSpec {
    /// Most energies that a draw takes: one of its end, and those of its children.
    #[must_use]
    pub fn energies(&self) -> usize {
        let steps = self.lookahead_steps.unwrap_or(self.steps).min(self.steps);
        // Saving needs to know what the particle is worth before the first of them.
        1 + self.children.map_or(0, |children| children * steps + usize::from(self.rollover))
    }

    /// Energies of a pilot that fits the kernels' control.
    #[must_use]
    pub fn pilot(&self) -> usize {
        if self.control == Control::None { 0 } else { PILOT }
    }

    /// Whether these settings go together, as those of an experiment file must.
    #[must_use]
    pub fn consistent(&self) -> bool {
        steps_and_correctors(self).is_empty()
    }

    /// Moves of denoising MCMC.
    #[must_use]
    pub fn denoising(&self) -> usize {
        self.dmcmc.unwrap_or(0)
    }

    /// Noise that they reach.
    #[must_use]
    pub fn denoised_from(&self) -> f64 {
        self.dmcmc_sigma.unwrap_or(1.0)
    }
}

/// Which corrector belongs to which step, which setting to which word, and what control, look-ahead and denoising MCMC go with.
fn steps_and_correctors(spec: &IcAnnealSpec) -> Vec<Complaint> {
    let (step, corrector, published) = (spec.step, spec.corrector, spec.noise == Noise::Published);
    let density = step.has_density();
    let plain = !published && corrector == Corrector::None;
    let one_level = matches!(step, Step::Ancestral | Step::EulerMaruyama | Step::SdeDpmSolver1);
    let looking = one_level || matches!(step, Step::SdeDpmSolver2m | Step::StochasticHeun);
    let alone = spec.children.is_none();
    let (skip, last) = (spec.sigma_skip.unwrap_or(f64::INFINITY), spec.sigma_last.unwrap_or_default());
    Complaint::of(&[
        (
            published && step != Step::default(),
            "step",
            "is one of `noise = \"tempered\"`",
            "the published kernels have one step of their own",
        ),
        (
            corrector == Corrector::Unipc && (density || matches!(step, Step::Ghvb2 | Step::DpmSolverV3)),
            "corrector",
            "corrects steps without noise whose predictions are taken as they are",
            "such as `step = \"dpm-solver++-2m\"`",
        ),
        (
            corrector == Corrector::DcSolver && !step.looks_back(),
            "corrector",
            "goes with steps without noise that take one evaluation each",
            "`ddim`, `dpm-solver++-2m`, `dpm-solver++-3m`, `deis-2` or `deis-3`",
        ),
        (
            corrector == Corrector::Langevin && (!density || step == Step::SdeDpmSolver2m || published),
            "corrector",
            "goes with tempered steps of one level that have a density",
            "`ancestral`, `euler-maruyama`, `sde-dpm-solver++-1`, `stochastic-heun` or `reversible`",
        ),
        (spec.eta.is_some() && step != Step::Reversible, "eta", "is a setting of `step = \"reversible\"`", ""),
        (spec.beta.is_some() && step != Step::Ghvb2, "beta", "is a setting of `step = \"ghvb-2\"`", ""),
        (
            spec.renewal.is_some() && corrector != Corrector::Langevin,
            "renewal",
            "is a setting of `corrector = \"langevin\"`",
            "",
        ),
        (last >= skip, "sigma_last", &format!("is {last}, expected less than `sigma_skip` ({skip})"), ""),
        (
            spec.control != Control::None && !(plain && one_level),
            "control",
            "goes with steps whose mean is a multiple of one score",
            "`step` is `ancestral`, `euler-maruyama` or `sde-dpm-solver++-1` there, with tempered noise and no corrector",
        ),
        (
            !(alone || plain && looking),
            "children",
            "go with steps whose kernel back has no drift",
            "`step` is none of `reversible` and those without noise there, with tempered noise and no corrector",
        ),
        (
            alone && spec.lookahead_steps.is_some(),
            "lookahead_steps",
            "is a setting of look-ahead",
            "give `children` too",
        ),
        (alone && spec.rollover, "rollover", "is a setting of look-ahead", "give `children` too"),
        (
            spec.dmcmc.is_none() && spec.dmcmc_sigma.is_some(),
            "dmcmc_sigma",
            "is a setting of denoising MCMC",
            "give `dmcmc`, its number of moves, too",
        ),
    ])
}

impl PitaIcSpec {
    /// Which end of its paths lies beyond the noise that the network is trained at, and what is wrong with it.
    #[must_use]
    pub fn beyond_training(&self) -> Option<(&'static str, String)> {
        let (low, high) = (self.train.sigma_min, self.train.sigma_max);
        let ends = [
            ("anneal.sigma_skip", self.anneal.sigma_skip),
            ("anneal.sigma_last", self.anneal.sigma_last),
            ("anneal.dmcmc_sigma", self.anneal.dmcmc.and(Some(self.anneal.denoised_from()))),
        ];
        let (setting, _) = ends.into_iter().find(|(_, end)| end.is_some_and(|s| !(low..=high).contains(&s)))?;
        Some((setting, format!("is beyond the noise of training ({low} to {high})")))
    }
}

/// Paths stay at noise that the network was trained at, and are drawn from a density: the ladder resamples by their weights.
fn trained_noise(spec: &PitaIcSpec) -> Vec<Complaint> {
    let (end, beyond) = spec.beyond_training().unwrap_or_default();
    Complaint::of(&[
        (!end.is_empty(), end, &beyond, ""),
        (
            !spec.anneal.step.has_density(),
            "anneal.step",
            "has no weights, and the ladder resamples by them",
            "`pita-bench draw RUN --set step=...` draws with it from a finished model",
        ),
    ])
}

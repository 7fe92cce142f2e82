//! The words of annealing's steps, grids and correctors; `diffusion::steps` has the formulas.

use super::settings::words;

words! {
    /// How a path gets from one noise level to the next.
    pub enum Step = Ancestral {
        /// The posterior mean `x + q s`, with the posterior variance of Gaussian data: exact for these at any step size.
        Ancestral = "ancestral",
        /// The same mean with all of the noise, `q`: the reverse equation as Euler and Maruyama discretise it (arXiv 2011.13456).
        EulerMaruyama = "euler-maruyama",
        /// The same mean with the posterior variance of a point, `q h'/h` (DDPM; SDE-DPM-Solver++ of order 1, arXiv 2211.01095).
        SdeDpmSolver1 = "sde-dpm-solver++-1",
        /// SDE-DPM-Solver++ (2M): that variance, and a mean that extrapolates from the level before (arXiv 2211.01095).
        SdeDpmSolver2m = "sde-dpm-solver++-2m",
        /// Heun's mean, two evaluations, with the variance of `ancestral`.
        StochasticHeun = "stochastic-heun",
        /// DDIM with some of its noise (`eta`, arXiv 2010.02502), in a form that is exact for Gaussian data; noise that is not drawn
        /// is undone by the score at the arrival, which the next step needs anyway: weights stay exact.
        Reversible = "reversible",
        /// DDIM, the exponential integrator of order 1 (arXiv 2010.02502). No weights.
        Ddim = "ddim",
        /// Heun's method of EDM, two evaluations (arXiv 2206.00364). No weights.
        Heun = "heun",
        /// DPM-Solver-2, two evaluations (arXiv 2206.00927). No weights.
        DpmSolver2 = "dpm-solver-2",
        /// DPM-Solver-3, three evaluations (arXiv 2206.00927). No weights.
        DpmSolver3 = "dpm-solver-3",
        /// DPM-Solver++ (2M), multistep (arXiv 2211.01095). No weights.
        DpmSolverPp2m = "dpm-solver++-2m",
        /// DPM-Solver++ (3M), multistep (arXiv 2211.01095). No weights.
        DpmSolverPp3m = "dpm-solver++-3m",
        /// DEIS, Adams and Bashforth's method of order 2 in sigma (arXiv 2204.13902). No weights.
        Deis2 = "deis-2",
        /// DEIS of order 3. No weights.
        Deis3 = "deis-3",
        /// DPM-Solver-v3 of order 3, multistep: scores are split and extrapolated by what a pilot of the model says of them (arXiv
        /// 2310.13268). No weights.
        DpmSolverV3 = "dpm-solver-v3",
        /// GHVB of order 2: that with slopes averaged over the steps so far, `beta` of the newest (arXiv 2307.11118). No weights.
        Ghvb2 = "ghvb-2",
    }
}

impl Step {
    /// Whether the way is drawn from a density, so that its weights are exact.
    #[must_use]
    pub fn has_density(self) -> bool {
        use Step::{Ancestral, EulerMaruyama, Reversible, SdeDpmSolver1, SdeDpmSolver2m, StochasticHeun};
        matches!(self, Ancestral | EulerMaruyama | SdeDpmSolver1 | SdeDpmSolver2m | StochasticHeun | Reversible)
    }

    /// Whether it takes one evaluation, of scores as they are, and its kernel back, if it has one, has no drift.
    #[must_use]
    pub fn one_evaluation(self) -> bool {
        use Step::{Ancestral, EulerMaruyama, SdeDpmSolver1, SdeDpmSolver2m};
        self.looks_back() || matches!(self, Ancestral | EulerMaruyama | SdeDpmSolver1 | SdeDpmSolver2m)
    }

    /// Whether it is a method without noise that knows nothing but predictions at levels, each taken as it is, and nothing of the model.
    #[must_use]
    pub fn looks_back(self) -> bool {
        use Step::{Ddim, Deis2, Deis3, DpmSolverPp2m, DpmSolverPp3m};
        matches!(self, Ddim | DpmSolverPp2m | DpmSolverPp3m | Deis2 | Deis3)
    }
}

words! {
    /// Where the noise levels lie.
    pub enum Grid = Edm {
        /// `sigma^(1/7)` in equal steps (arXiv 2206.00364).
        Edm = "edm",
        /// `ln sigma` in equal steps.
        Geometric = "geometric",
        /// Equal shares of what a pilot says that kernels miss: the integral over the variance of the noise of
        /// `sqrt(E |d/dx (s + x/(1 + h))|^2)`, the slopes of the score beyond those of Gaussian data.
        Kinetic = "kinetic",
        /// Few where paths without noise are straight: SADA (arXiv 2507.17135) leaves out evaluations where the second difference of a
        /// path's slopes is small, which for a batch is decided by level. Equal shares of the integral over sigma of
        /// `(E |d^2/dsigma^2 (sigma s)|^2)^(1/6)`, so that steps of order 2 err alike.
        Sada = "sada",
    }
}

words! {
    /// What is done at a level after its step.
    pub enum Corrector = None {
        /// Nothing.
        None = "none",
        /// UniPC's corrector: the evaluation at the level, which the next step needs anyway, improves the step that led there (arXiv
        /// 2302.04867). For steps without noise.
        Unipc = "unipc",
        /// DC-Solver's compensation: a ratio for each step moves its newest prediction along the difference from the one before, so that
        /// paths of a pilot stay on those of many small steps (arXiv 2409.03755). For multistep methods without noise.
        DcSolver = "dc-solver",
        /// One Langevin move at the level's noise, one evaluation (predictor-corrector sampling, arXiv 2011.13456), in a form that is
        /// exact for Gaussian data. Its share in the weights is exact as well.
        Langevin = "langevin",
    }
}

words! {
    /// What a pilot fits of the kernels, to make the variance of the log-weights least.
    pub enum Control = None {
        /// Nothing.
        None = "none",
        /// A part of the score that is added to the drift (the variance-controlling guidance of DriftLite, arXiv 2509.21655).
        Vcg = "vcg",
        /// What the variances of the kernels are multiplied with (tuned covariances as in VT-DIS, arXiv 2505.21005).
        VtDis = "vt-dis",
        /// Both.
        Both = "vcg-vt-dis",
    }
}

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
        /// One Langevin move at the level's noise, one evaluation (predictor-corrector sampling, arXiv 2011.13456), in a form that is
        /// exact for Gaussian data. Its share in the weights is exact as well.
        Langevin = "langevin",
    }
}

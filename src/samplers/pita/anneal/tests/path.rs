//! Path weights: constant for a Gaussian with tempered noise, exact for a mixture, whatever resamples on the way.

use super::*;
use crate::samplers::pita::anneal::path::PathEnd;
use crate::spec::{Between, Grid, Noise, Step};

/// Eleven atoms: thirty free dimensions.
const ATOMS: usize = 11;
/// Variance of a coordinate of the data.
const SPREAD: f64 = 0.7;

/// Harmonic data with its exact score.
struct Harmonic(Layout);

impl Backbone for Harmonic {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn dim(&self) -> usize {
        3 * ATOMS
    }

    fn denoise(&self, _: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        let Batch { h, x, .. } = at;
        Ok(x.iter().map(|x| x * SPREAD / (SPREAD + h[0])).collect())
    }

    fn energy(&self, _: &[f64], _: Batch<'_>) -> Result<EnergyOut> {
        Err(Error::Internal("no energy".into()))
    }

    fn divergence(&self, _: &[f64], _: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        Err(Error::Internal("no divergence".into()))
    }

    fn denoise_jvp(&self, _: &[f64], _: Batch<'_>, _: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        Err(Error::Internal("no derivative".into()))
    }

    fn denoise_vjp(&self, _: &[f64], _: Batch<'_>, _: Cotangent, _: &mut [f64]) -> Result<Vec<f64>> {
        Err(Error::Internal("nothing to train".into()))
    }

    fn energy_vjp(&self, _: &[f64], _: Batch<'_>, _: Seeds, _: &mut [f64]) -> Result<EnergyOut> {
        Err(Error::Internal("nothing to train".into()))
    }
}

/// Annealed particles with their weights at the end; `reduced` is the true energy there.
fn population(
    net: &dyn Backbone,
    variance: f64,
    spec: &AnnealSpec,
    n: usize,
    seed: u64,
    reduced: impl Fn(&[f64]) -> f64,
) -> (Annealer, PathEnd) {
    let mut particles = annealed(&setting(net, spec, variance, seed), n);
    let reduced: Vec<f64> = particles.x.chunks_exact(net.dim()).map(reduced).collect();
    let end = particles.finish_path(&reduced);
    (particles, end)
}

fn spec(noise: Noise, between: Between, steps: usize) -> AnnealSpec {
    AnnealSpec { weights: Weights::Path, noise, between, steps, ..AnnealSpec::default() }
}

/// Thirty dimensions in five steps from sigma = 60: the weights are all the same and their level is the normalising constant.
/// The published noise has hardly any effective samples left.
#[test]
fn tempered_weights_of_a_harmonic_target_are_constant() {
    let net = Harmonic(Layout::default());
    let reduced = |x: &[f64]| 0.5 * GAMMA / SPREAD * x.iter().map(|x| x * x).sum::<f64>();
    let exact = 15.0 * (std::f64::consts::TAU * SPREAD / GAMMA).ln();
    for between in [Between::None, Between::KernelRatio] {
        let (particles, end) = population(&net, SPREAD, &spec(Noise::Tempered, between, 5), 200, 1, reduced);
        let worst = particles.log_weight.iter().fold(0.0_f64, |m, w| m.max((w - exact).abs()));
        assert!(worst < 1e-10, "{between:?}: {worst}");
        assert!((end.log_z - exact).abs() < 1e-10 && end.ess > 1.0 - 1e-10, "{end:?}");
    }
    let (_, end) = population(&net, SPREAD, &spec(Noise::Published, Between::None, 5), 200, 1, reduced);
    assert!(end.ess < 0.1, "the published noise: {end:?}");
}

/// Shares of the modes, the mean of `r_2^2 + r_3^2`, and `ln Z`, less the truth, weighted. `gamma` is that of the true
/// energy.
fn path_errors(spec: &AnnealSpec, gamma: f64) -> Vec<[f64; 5]> {
    let shares = Mixture::annealed_shares(0.0);
    let z = Mixture::annealed_integral(0.0) * std::f64::consts::TAU * VARIANCE / GAMMA;
    let truth = [shares[0], shares[1], shares[2], 2.0 * VARIANCE / GAMMA, z.ln()];
    let one = |seed| {
        let reduced = |x: &[f64]| gamma * Mixture::at(0.0, Mixture::relative(x)).0;
        let (particles, end) = population(&sloppy(), VARIANCE, spec, 4_000, seed, reduced);
        let weights = crate::diffusion::normalise(&particles.log_weight);
        let mut found = [0.0, 0.0, 0.0, 0.0, end.log_z];
        for (x, w) in particles.x.chunks_exact(DIM).zip(weights) {
            let r = Mixture::relative(x);
            found[mode(r[0])] += w;
            found[3] += w * (r[1] * r[1] + r[2] * r[2]);
        }
        std::array::from_fn(|k| found[k] - truth[k])
    };
    (0..16).into_par_iter().map(one).collect()
}

/// The most significant bias in standard errors of the mean.
fn worst(errors: &[[f64; 5]]) -> f64 {
    let z = |k: usize| {
        let n = errors.len() as f64;
        let mean = errors.iter().map(|e| e[k]).sum::<f64>() / n;
        let sd = (errors.iter().map(|e| (e[k] - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        (mean / sd * n.sqrt()).abs()
    };
    (0..5).map(z).fold(0.0, f64::max)
}

/// A score 10 % too small, 40 steps: the weights repair it with either noise, wherever particles were resampled. An energy
/// at another temperature is seen.
#[test]
fn path_weights_recover_the_annealed_density() {
    for noise in [Noise::Published, Noise::Tempered] {
        for between in [Between::None, Between::KernelRatio, Between::Energy] {
            let z = worst(&path_errors(&spec(noise, between, 40), GAMMA));
            assert!(z < 4.0, "{noise:?}, {between:?}: {z} standard errors");
        }
    }
    let z = worst(&path_errors(&spec(Noise::Tempered, Between::None, 40), 0.9 * GAMMA));
    assert!(z > 6.0, "a wrong gamma: only {z} standard errors");
}

fn steps(step: Step, between: Between, steps: usize) -> AnnealSpec {
    AnnealSpec { step, grid: Grid::Geometric, ..spec(Noise::Tempered, between, steps) }
}

/// The same steps on other levels are as exact; all of the noise instead of its posterior's part is not.
#[test]
fn planned_steps_of_a_harmonic_target_are_exact() {
    let net = Harmonic(Layout::default());
    let reduced = |x: &[f64]| 0.5 * GAMMA / SPREAD * x.iter().map(|x| x * x).sum::<f64>();
    let exact = 15.0 * (std::f64::consts::TAU * SPREAD / GAMMA).ln();
    for between in [Between::None, Between::KernelRatio] {
        let (particles, end) = population(&net, SPREAD, &steps(Step::Ancestral, between, 5), 200, 1, reduced);
        let worst = particles.log_weight.iter().fold(0.0_f64, |m, w| m.max((w - exact).abs()));
        assert!(worst < 1e-10 && (end.log_z - exact).abs() < 1e-10, "{between:?}: {worst}");
    }
    let (_, end) = population(&net, SPREAD, &steps(Step::EulerMaruyama, Between::None, 5), 200, 1, reduced);
    assert!(end.ess < 0.5, "{end:?}");
}

/// Weights repair a score that is 10 % too small, whatever a step remembers and wherever particles were resampled.
#[test]
fn planned_steps_have_exact_weights() {
    // The variance of a point is too small for data: more steps where it is.
    for (step, between, n) in [
        (Step::EulerMaruyama, Between::None, 40),
        (Step::Ancestral, Between::KernelRatio, 40),
        (Step::SdeDpmSolver2m, Between::KernelRatio, 100),
    ] {
        let z = worst(&path_errors(&steps(step, between, n), GAMMA));
        println!("{step:?} {between:?}: {z:.1} standard errors");
        assert!(z < 4.0, "{step:?}, {between:?}: {z} standard errors");
    }
}

/// Without noise the paths of harmonic data are multiples of one another, `x sqrt((v + h')/(v + h))`: methods converge to them with
/// the order that they claim.
#[test]
fn planned_steps_without_noise_have_their_order() {
    let net = Harmonic(Layout::default());
    let error = |step: Step, n: usize| {
        let spec = steps(step, Between::None, n);
        let at = setting(&net, &spec, SPREAD, 1);
        let at = Setting { schedule: Elucidating::new(0.5, 60.0), ..at };
        let mut particles = Annealer::new(&at, 1).unwrap();
        let start = particles.x[0];
        // The step to the data has order 1.
        while particles.step + 1 < n {
            particles.advance(&at).unwrap();
        }
        assert_eq!(particles.log_weight, [0.0]);
        (particles.x[0] / start - ((SPREAD + 0.25) / (SPREAD + 3_600.0_f64)).sqrt()).abs()
    };
    for (step, order) in [
        (Step::Ddim, 1.0),
        (Step::DpmSolverPp2m, 2.0),
        (Step::DpmSolverPp3m, 3.0),
        (Step::Deis2, 2.0),
        (Step::Deis3, 3.0),
    ] {
        let [coarse, fine] = [201, 401].map(|n| error(step, n));
        let slope = (coarse / fine).log2();
        println!("{step:?}: {coarse:.2e} {fine:.2e} slope {slope:.2}");
        assert!((slope - order).abs() < 0.3, "{step:?}: slope {slope}, expected {order}");
    }
}

//! Path weights: constant for a Gaussian with tempered noise, exact for a mixture, whatever resamples on the way.

use super::*;
use crate::samplers::pita::anneal::path::PathEnd;
use crate::spec::{Between, Grid, Noise, Step};

/// Eleven atoms: thirty free dimensions.
const ATOMS: usize = 11;
/// Variance of a coordinate of the data.
const SPREAD: f64 = 0.7;

/// A network that only denoises rows of so many coordinates, each at its noise and temperature.
struct Denoiser<F>(Layout, usize, F);

impl<F: Fn(&[f64], f64, f64) -> Vec<f64> + Send + Sync> Backbone for Denoiser<F> {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn dim(&self) -> usize {
        self.1
    }

    fn denoise(&self, _: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        let rows = at.x.chunks_exact(self.1).zip(at.h.iter().zip(at.beta));
        Ok(rows.flat_map(|(x, (h, beta))| self.2(x, *h, *beta)).collect())
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

    untrained!();
}

/// Harmonic data with their exact score.
fn harmonic() -> impl Backbone {
    let denoised = |x: &[f64], h: f64, _: f64| x.iter().map(|x| x * SPREAD / (SPREAD + h)).collect::<Vec<f64>>();
    Denoiser(Layout::default(), 3 * ATOMS, denoised)
}

/// Data `p^beta` of the mixture at the beta that the network is told.
fn tempered() -> impl Backbone {
    let denoised = |x: &[f64], h: f64, beta: f64| {
        let score = Mixture::embed(tempered_score(beta, h, Mixture::relative(x)));
        x.iter().zip(score).map(|(x, s)| x + h * s).collect::<Vec<f64>>()
    };
    Denoiser(Layout::default(), DIM, denoised)
}

/// The score of its noised data at `r`, by quadrature along the first axis.
fn tempered_score(beta: f64, h: f64, r: [f64; 3]) -> [f64; 3] {
    let (mut p, mut slope) = (0.0, 0.0);
    for i in 0..2_400 {
        let y = -12.0 + 0.01 * f64::from(i);
        let weight = -beta * Mixture::at(0.0, [y, 0.0, 0.0]).0 - 0.5 * (r[0] - y).powi(2) / h;
        p += weight.exp();
        slope -= weight.exp() * (r[0] - y) / h;
    }
    let across = VARIANCE / beta + h;
    [slope / p, -r[1] / across, -r[2] / across]
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
    let at = setting(net, spec, variance, seed);
    // A network that does not know the temperature says the same of both.
    let mut particles = annealed(&Setting { guide: Some((0.5, GAMMA)), ..at }, n);
    let reduced: Vec<f64> = particles.x.chunks_exact(net.dim()).map(reduced).collect();
    let end = particles.finish_path(&reduced);
    (particles, end)
}

fn spec(noise: Noise, between: Between, steps: usize) -> AnnealSpec {
    AnnealSpec { weights: Weights::Path, noise, between, steps, ..AnnealSpec::default() }
}

/// Thirty dimensions in five steps from sigma = 60: the weights are all the same and their level is the normalising constant, on levels
/// of either kind. The published noise has hardly any effective samples left, nor have steps with all of the noise instead of its
/// posterior's part.
#[test]
fn tempered_weights_of_a_harmonic_target_are_constant() {
    let reduced = |x: &[f64]| 0.5 * GAMMA / SPREAD * x.iter().map(|x| x * x).sum::<f64>();
    let exact = 15.0 * (std::f64::consts::TAU * SPREAD / GAMMA).ln();
    let run = |spec: &AnnealSpec| population(&harmonic(), SPREAD, spec, 200, 1, reduced);
    for between in [Between::None, Between::KernelRatio] {
        for spec in [spec(Noise::Tempered, between, 5), steps(Step::Ancestral, between, 5)] {
            let (particles, end) = run(&spec);
            let worst = particles.log_weight.iter().fold(0.0_f64, |m, w| m.max((w - exact).abs()));
            assert!(worst < 1e-10, "{between:?}: {worst}");
            assert!((end.log_z - exact).abs() < 1e-10 && end.ess > 1.0 - 1e-10, "{end:?}");
        }
    }
    for (spec, most) in
        [(spec(Noise::Published, Between::None, 5), 0.1), (steps(Step::EulerMaruyama, Between::None, 5), 0.5)]
    {
        let (_, end) = run(&spec);
        assert!(end.ess < most, "{:?}, {:?}: {end:?}", spec.noise, spec.step);
    }
}

/// Shares of the modes, the mean of `r_2^2 + r_3^2`, and `ln Z`, less the truth, weighted. `gamma` is that of the true
/// energy.
fn path_errors(spec: &AnnealSpec, gamma: f64) -> Vec<[f64; 5]> {
    let shares = Mixture::annealed_shares(0.0);
    let z = Mixture::annealed(0.0).iter().sum::<f64>() * std::f64::consts::TAU * VARIANCE / GAMMA;
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

/// A score 10 % too small, 40 steps: the weights repair it with either noise, wherever particles were resampled. An energy
/// at another temperature is seen.
#[test]
fn path_weights_recover_the_annealed_density() {
    for noise in [Noise::Published, Noise::Tempered] {
        for between in [Between::None, Between::KernelRatio, Between::Energy] {
            let z = significance(&path_errors(&spec(noise, between, 40), GAMMA));
            assert!(z < 4.0, "{noise:?}, {between:?}: {z} standard errors");
        }
    }
    let z = significance(&path_errors(&spec(Noise::Tempered, Between::None, 40), 0.9 * GAMMA));
    assert!(z > 6.0, "a wrong gamma: only {z} standard errors");
}

fn steps(step: Step, between: Between, steps: usize) -> AnnealSpec {
    AnnealSpec { step, grid: Grid::Geometric, ..spec(Noise::Tempered, between, steps) }
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
        let z = significance(&path_errors(&steps(step, between, n), GAMMA));
        println!("{step:?} {between:?}: {z:.1} standard errors");
        assert!(z < 4.0, "{step:?}, {between:?}: {z} standard errors");
    }
}

/// Without noise the paths of harmonic data are multiples of one another, `x sqrt((v + h')/(v + h))`: methods converge to them with
/// the order that they claim.
#[test]
fn planned_steps_without_noise_have_their_order() {
    let net = harmonic();
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

/// Scores of two temperatures extrapolated to a third: against the truth at that one they err by less than a fifth of what the score of
/// this rung does in its place, and weights stay exact whatever they are.
#[test]
fn guidance_is_nearer_to_the_next_temperature() {
    let (net, gamma) = (tempered(), 1.2);
    let spec = AnnealSpec { guidance: true, ..steps(Step::Ancestral, Between::None, 40) };
    let at = setting(&net, &spec, VARIANCE, 1);
    let at = Setting { gamma: Gamma::new(GammaSchedule::Constant, gamma), guide: Some((0.8, gamma)), ..at };
    let places: Vec<[f64; 3]> = (0..25).map(|i| [-4.0 + 0.35 * f64::from(i), 0.3, -0.5]).collect();
    let x: Vec<f64> = places.iter().flat_map(|r| Mixture::embed(*r)).collect();
    for h in [0.1, 0.5, 2.0] {
        let error = |found: Vec<f64>| -> f64 {
            let truth = places.iter().flat_map(|r| Mixture::embed(tempered_score(gamma, h / gamma, *r)));
            // Where particles are counts.
            let density = |i: usize| (-gamma * Mixture::at(h, places[i / DIM]).0).exp();
            found.iter().zip(truth).enumerate().map(|(i, (s, t))| density(i) * (s - t / gamma).powi(2)).sum()
        };
        let (guided, own) = (error(at.guided(&x, h, 0).unwrap()), error(at.score(&x, h, 0, false).unwrap().0));
        println!("h {h}: {guided:.2e}, without {own:.2e}");
        assert!(guided < 0.2 * own, "{h}: {guided} {own}");
    }
    let wrong = AnnealSpec { guidance: true, ..steps(Step::Ancestral, Between::None, 60) };
    let z = significance(&path_errors(&wrong, GAMMA));
    assert!(z < 4.0, "{z} standard errors");
}

/// What a step looks back to is in checkpoints, and is chosen with the particles: saved and read at every step, the same bits.
#[test]
fn histories_are_kept() {
    let net = sloppy();
    let spec = AnnealSpec { ess_threshold: 0.99, ..steps(Step::SdeDpmSolver2m, Between::KernelRatio, 30) };
    let at = setting(&net, &spec, VARIANCE, 1);
    let whole = annealed(&at, 200);
    let mut particles = Annealer::new(&at, 200).unwrap();
    let mut resampled = 0;
    while !particles.finished(&at) {
        particles.advance(&at).unwrap();
        resampled += usize::from(!particles.parents.is_sorted_by(|a, b| a < b));
        let mut arrays = Arrays::new();
        particles.save(&mut arrays);
        assert!(arrays.contains_key("anneal.history.0.scores"));
        let again = Annealer::load(&arrays).unwrap();
        assert!(again == particles, "step {}", particles.step);
        particles = again;
    }
    assert!(particles == whole && resampled > 0);
}

//! Annealing against a law in closed form: a Gaussian mixture, whose energy, score and divergence are exact at every
//! noise level, and whose annealed density `p^gamma` is known by quadrature.

/// What a network has that is not trained.
macro_rules! untrained {
    () => {
        fn denoise_vjp(&self, _: &[f64], _: Batch<'_>, _: Cotangent, _: &mut [f64]) -> Result<Vec<f64>> {
            Err(Error::Internal("nothing to train".into()))
        }

        fn energy_vjp(&self, _: &[f64], _: Batch<'_>, _: Seeds, _: &mut [f64]) -> Result<EnergyOut> {
            Err(Error::Internal("nothing to train".into()))
        }
    };
}

mod path;

use rayon::prelude::*;

use super::*;
use crate::diffusion::{Elucidating, Gamma};
use crate::nn::{Backbone, Batch, Cotangent, EnergyOut, Layout, Seeds};
use crate::rng::Stream;
use crate::samplers::pita::loss::Pair;
use crate::spec::{AnnealSpec, GammaSchedule};

/// Two atoms: the centred subspace is the relative vector `r = (x_1 - x_2)/sqrt(2)`, three-dimensional and orthonormal.
const DIM: usize = 6;
/// The mixture lies along the first axis of `r`.
const MEANS: [f64; 3] = [-2.5, 0.5, 3.0];
const SHARES: [f64; 3] = [0.3, 0.45, 0.25];
const VARIANCE: f64 = 0.4;
const GAMMA: f64 = 1.6;
/// Modes are told apart here.
const BORDERS: [f64; 2] = [-1.0, 1.75];
const SIGMA: (f64, f64) = (0.05, 60.0);

/// The mixture as a pair of networks; the factors make it wrong on purpose.
struct Mixture {
    layout: Layout,
    /// Of the score. Any vector field may drive the particles: weights repair it.
    score: f64,
    /// Of the divergence: a wrong one biases the Feynman-Kac weights.
    divergence: f64,
    /// Of the energy: a wrong one means another target.
    energy: f64,
}

impl Mixture {
    fn relative(x: &[f64]) -> [f64; 3] {
        std::array::from_fn(|c| (x[c] - x[3 + c]) * 0.5_f64.sqrt())
    }

    /// From a vector of `r` to one of `x`.
    fn embed(r: [f64; 3]) -> impl Iterator<Item = f64> {
        r.into_iter().chain(r.map(|c| -c)).map(|c| c * 0.5_f64.sqrt())
    }

    /// `U`, `dU/dr`, the Laplacian in `r`, and `dU/dh`.
    fn at(h: f64, r: [f64; 3]) -> (f64, [f64; 3], f64, f64) {
        let v = VARIANCE + h;
        let terms: [f64; 3] = std::array::from_fn(|k| SHARES[k].ln() - (r[0] - MEANS[k]).powi(2) / (2.0 * v));
        let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = terms.map(|t| (t - top).exp());
        let sum: f64 = weights.iter().sum();
        let average = |f: &dyn Fn(f64) -> f64| (0..3).map(|k| weights[k] / sum * f(r[0] - MEANS[k])).sum::<f64>();
        let (first, second) = (average(&|d| d), average(&|d| d * d));
        let across = r[1] * r[1] + r[2] * r[2];
        let u = -top - sum.ln() + across / (2.0 * v) + 1.5 * v.ln();
        let laplacian = 3.0 / v - (second - first * first) / (v * v);
        let du_dh = 1.5 / v - (second + across) / (2.0 * v * v);
        (u, [first / v, r[1] / v, r[2] / v], laplacian, du_dh)
    }

    /// `p^gamma` at h along the first axis: its integral over each of the three modes, by quadrature.
    fn annealed(h: f64) -> [f64; 3] {
        let mut parts = [0.0; 3];
        let (low, high, n) = (-12.0, 12.0, 40_000);
        let width = (high - low) / f64::from(n);
        for i in 0..n {
            let y = low + width * (f64::from(i) + 0.5);
            parts[mode(y)] += width * (-GAMMA * Self::at(h, [y, 0.0, 0.0]).0).exp();
        }
        parts
    }

    /// Shares of the three modes in `p^gamma` at h.
    fn annealed_shares(h: f64) -> [f64; 3] {
        let parts = Self::annealed(h);
        parts.map(|part| part / parts.iter().sum::<f64>())
    }
}

fn mode(y: f64) -> usize {
    BORDERS.iter().filter(|&&b| y > b).count()
}

impl Backbone for Mixture {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dim(&self) -> usize {
        DIM
    }

    fn denoise(&self, _: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        let Batch { h, x, .. } = at;
        Ok(x.chunks_exact(DIM)
            .zip(h)
            .flat_map(|(x, &h)| {
                let (_, grad, _, _) = Self::at(h, Self::relative(x));
                x.iter().zip(Self::embed(grad)).map(|(x, g)| x - self.score * h * g).collect::<Vec<_>>()
            })
            .collect())
    }

    fn energy(&self, _: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        let Batch { h, x, .. } = at;
        let mut out = EnergyOut::default();
        for (x, &h) in x.chunks_exact(DIM).zip(h) {
            let (u, grad, _, du_dh) = Self::at(h, Self::relative(x));
            out.u.push(self.energy * u);
            out.grad.extend(Self::embed(grad).map(|g| self.energy * g));
            out.du_dh.push(self.energy * du_dh);
        }
        Ok(out)
    }

    fn energy_value(&self, p: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        Ok(self.energy(p, at)?.u)
    }

    fn divergence(&self, p: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let Batch { h, x, .. } = at;
        let trace = |(x, &h): (&[f64], &f64)| -self.score * self.divergence * Self::at(h, Self::relative(x)).2;
        Ok((self.denoise(p, at)?, x.chunks_exact(DIM).zip(h).map(trace).collect()))
    }

    fn denoise_jvp(&self, p: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let Batch { h, x, .. } = at;
        let mut jv = Vec::new();
        for ((x, v), &h) in x.chunks_exact(DIM).zip(v.chunks_exact(DIM)).zip(h) {
            let (_, _, laplacian, _) = Self::at(h, Self::relative(x));
            let across = 1.0 / (VARIANCE + h);
            let r = Self::relative(v);
            let hessian = [(laplacian - 2.0 * across) * r[0], across * r[1], across * r[2]];
            let scale = self.score * self.divergence * h;
            jv.extend(v.iter().zip(Self::embed(hessian)).map(|(v, j)| v - scale * j));
        }
        Ok((self.denoise(p, at)?, jv))
    }

    untrained!();
}

/// A linear field that knows the centre of mass, as the transformer does: `D = M x`.
struct Linear {
    layout: Layout,
    matrix: [[f64; DIM]; DIM],
}

impl Linear {
    fn times(&self, x: &[f64]) -> Vec<f64> {
        x.chunks_exact(DIM).flat_map(|x| self.matrix.map(|row| row.iter().zip(x).map(|(m, x)| m * x).sum())).collect()
    }
}

impl Backbone for Linear {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dim(&self) -> usize {
        DIM
    }

    fn translation_invariant(&self) -> bool {
        false
    }

    fn denoise(&self, _: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        Ok(self.times(at.x))
    }

    fn energy(&self, _: &[f64], _: Batch<'_>) -> Result<EnergyOut> {
        Err(Error::Internal("no energy".into()))
    }

    fn divergence(&self, _: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let trace: f64 = (0..DIM).map(|k| self.matrix[k][k] - 1.0).sum();
        Ok((self.times(at.x), at.h.iter().map(|h| trace / h).collect()))
    }

    fn denoise_jvp(&self, _: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((self.times(at.x), self.times(v)))
    }

    untrained!();
}

/// Score and divergence live on the centred subspace: with the projector `P`, `P (M - 1) x / h` and
/// `(tr(P M) - 3) / h`; the Rademacher estimate has that mean.
#[test]
fn the_centre_of_mass_is_left_out() {
    let mut draws = Stream::new(9, Purpose::Init, 0).at(0);
    let matrix: [[f64; DIM]; DIM] = std::array::from_fn(|_| std::array::from_fn(|_| draws.normal()));
    let net = Linear { layout: Layout::default(), matrix };
    let (n, h) = (4_000, 0.7);
    let mut x: Vec<f64> = (0..n * DIM).map(|_| draws.normal()).collect();
    centre(&mut x, 2);
    // P of two atoms: half the difference.
    let p = |i: usize, j: usize| match (i == j, i % 3 == j % 3) {
        (true, _) => 0.5,
        (false, true) => -0.5,
        _ => 0.0,
    };
    let trace: f64 = (0..DIM).flat_map(|i| (0..DIM).map(move |j| (i, j))).map(|(i, j)| p(i, j) * matrix[j][i]).sum();
    let want = (trace - 3.0) / h;
    let found = |weights| {
        let spec = AnnealSpec { weights, probes: 4, ..AnnealSpec::default() };
        setting(&net, &spec, VARIANCE, 1).score(&x, h, 0, true).unwrap()
    };
    let (score, div) = found(Weights::Exact);
    assert!(div.iter().all(|d| (d - want).abs() < 1e-12), "{} for {want}", div[0]);
    let mut by_hand: Vec<f64> = net.times(&x).iter().zip(&x).map(|(d, x)| (d - x) / h).collect();
    centre(&mut by_hand, 2);
    assert!(score.iter().zip(&by_hand).all(|(a, b)| (a - b).abs() < 1e-12));
    let (_, estimates) = found(Weights::Hutchinson);
    let mean = estimates.iter().sum::<f64>() / n as f64;
    let sd = (estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    assert!((mean - want).abs() < 4.0 * sd / (n as f64).sqrt(), "{mean} for {want} +- {sd}");
    assert!((mean - (0..DIM).map(|k| matrix[k][k] - 1.0).sum::<f64>() / h).abs() > 10.0 * sd / (n as f64).sqrt());
}

fn setting<'a>(net: &'a dyn Backbone, spec: &'a AnnealSpec, variance: f64, seed: u64) -> Setting<'a> {
    let (params, gamma) = (Pair { score: &[][..], energy: &[][..] }, Gamma::new(GammaSchedule::Constant, GAMMA));
    let schedule = Elucidating::new(SIGMA.0, SIGMA.1);
    Setting { net, params, beta: 1.0, gamma, schedule, variance, spec, seed, rung: 0, first: 0, guide: None }
}

fn annealed(setting: &Setting<'_>, n: usize) -> Annealer {
    let mut particles = Annealer::new(setting, n).unwrap();
    while !particles.finished(setting) {
        particles.advance(setting).unwrap();
    }
    particles
}

/// Shares of the modes, and the mean of `r_2^2 + r_3^2`, of one annealed population.
fn anneal(net: &Mixture, weights: Weights, steps: usize, n: usize, seed: u64) -> [f64; 4] {
    let spec =
        AnnealSpec { steps, weights, probes: 4, resample_until: 1.0, final_resampling: false, ..AnnealSpec::default() };
    let particles = annealed(&setting(net, &spec, VARIANCE, seed), n);
    let mut found = [0.0; 4];
    for x in particles.x.chunks_exact(DIM) {
        let r = Mixture::relative(x);
        found[mode(r[0])] += 1.0 / n as f64;
        found[3] += (r[1] * r[1] + r[2] * r[2]) / n as f64;
    }
    found
}

fn truth() -> [f64; 4] {
    let [a, b, c] = Mixture::annealed_shares(SIGMA.0 * SIGMA.0);
    [a, b, c, 2.0 * (VARIANCE + SIGMA.0 * SIGMA.0) / GAMMA]
}

/// Each number in many populations, minus the truth.
fn errors(net: &Mixture, weights: Weights, steps: usize, n: usize, populations: u64) -> Vec<[f64; 4]> {
    let truth = truth();
    let one = |seed| {
        let found = anneal(net, weights, steps, n, seed);
        std::array::from_fn(|k| found[k] - truth[k])
    };
    (0..populations).into_par_iter().map(one).collect()
}

/// Mean and standard deviation over populations of number `k`.
fn moments<const K: usize>(errors: &[[f64; K]], k: usize) -> (f64, f64) {
    let n = errors.len() as f64;
    let mean = errors.iter().map(|e| e[k]).sum::<f64>() / n;
    (mean, (errors.iter().map(|e| (e[k] - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// The most significant bias, in standard errors of the mean over populations.
fn significance<const K: usize>(errors: &[[f64; K]]) -> f64 {
    let z = |k| {
        let (mean, sd) = moments(errors, k);
        (mean / sd * (errors.len() as f64).sqrt()).abs()
    };
    (0..K).map(z).fold(0.0, f64::max)
}

/// A score 10 % too small drives the particles; the weights must repair that.
fn sloppy() -> Mixture {
    Mixture { layout: Layout::default(), score: 0.9, divergence: 1.0, energy: 1.0 }
}

const KINDS: [Weights; 3] = [Weights::Exact, Weights::Hutchinson, Weights::KernelRatio];

/// With enough steps each kind of weight gives the annealed law; without weights, or with biased ones, the same test
/// fails by far.
#[test]
fn weights_recover_the_annealed_density() {
    let run = |net: &Mixture, weights| significance(&errors(net, weights, 100, 1_000, 16));
    for weights in KINDS {
        let z = run(&sloppy(), weights);
        assert!(z < 4.0, "{weights:?}: {z} standard errors from the annealed law");
    }
    let no_divergence = || Mixture { divergence: 0.0, ..sloppy() };
    let weak_energy = || Mixture { energy: 0.85, ..sloppy() };
    for (what, net, weights) in [
        ("without weights", sloppy(), Weights::None),
        ("without the divergence", no_divergence(), Weights::Exact),
        ("without the divergence", no_divergence(), Weights::Hutchinson),
        ("energy 15 % too small", weak_energy(), Weights::KernelRatio),
        ("energy 15 % too small", weak_energy(), Weights::Exact),
    ] {
        let z = run(&net, weights);
        assert!(z > 6.0, "{weights:?} {what}: only {z} standard errors from the annealed law");
    }
}

/// Euler-Maruyama with Feynman-Kac weights is of first order in the step or better: twice the steps, half the bias. The
/// kernel ratio is exact at any step for its own kernels: its bias at the same few steps is far smaller.
#[test]
fn bias_falls_with_the_step() {
    // The width across the mixture, which the steps distort most.
    let bias = |weights, steps| {
        let (mean, sd) = moments(&errors(&sloppy(), weights, steps, 1_000, 96), 3);
        (mean, sd / 96_f64.sqrt())
    };
    let (ratio, _) = bias(Weights::KernelRatio, 20);
    for weights in [Weights::Exact, Weights::Hutchinson] {
        let (few, few_error) = bias(weights, 20);
        let (many, many_error) = bias(weights, 40);
        assert!(few > 6.0 * few_error, "{weights:?}: {few} +- {few_error} is no bias to speak of");
        let margin = 3.0 * many_error.hypot(0.5 * few_error);
        assert!(many.abs() < 0.5 * few + margin, "{weights:?}: {few} at 20 steps, {many} at 40");
        assert!(ratio.abs() < 0.3 * few, "{weights:?}: {few} at 20 steps, kernel-ratio {ratio}");
    }
}

/// The scatter between populations falls as one over the root of their size.
#[test]
fn scatter_falls_with_the_root_of_particles() {
    for weights in KINDS {
        // Mean absolute deviations: a few populations that lost a mode early do not rule them.
        let scatter = |n| {
            let all = errors(&sloppy(), weights, 40, n, 48);
            let deviation = |k| all.iter().map(|e| (e[k] - moments(&all, k).0).abs()).sum::<f64>();
            (0..3).map(deviation).sum::<f64>()
        };
        let exponent = (scatter(400) / scatter(3_200)).log(8.0);
        // 48 populations of three shares give the scatter to 9 %, the exponent to 0.06: two and a half of those, which
        // tells it from no fall at all and from 1/n.
        assert!((exponent - 0.5).abs() < 0.15, "{weights:?}: scatter falls as n^-{exponent}");
    }
}

//! Steps against mixtures of Gaussians, whose scores at every noise are known: orders of convergence, and that weights are exact.

mod draws;
mod fokker_planck;
mod population;
mod statistics;

use super::kernels::{Kernels, scheme};
use super::pilot;
use super::walk::Drawn;
use crate::diffusion::ess;
use crate::diffusion::steps::grid;
use crate::metrics::weights::log_mean_exp;
use crate::rng::{Purpose, Stream};
use crate::spec::{Corrector, IcAnnealSpec, Noise, Step};

/// Weights, means, variances; mean 0 and variance 1 in all, as whitened data have.
const MIXTURE: [(f64, f64, f64); 2] = [(0.4, -0.9, 0.3), (0.6, 0.6, 0.6)];

fn streams(step: u64) -> Stream {
    Stream::new(17, Purpose::Anneal, step)
}

/// `ln p` and its slope at noise `h`.
fn mixture(x: f64, h: f64) -> (f64, f64) {
    let (mut p, mut slope) = (0.0, 0.0);
    for (w, mean, v) in MIXTURE {
        let density = w * (-0.5 * (x - mean).powi(2) / (v + h)).exp() / (std::f64::consts::TAU * (v + h)).sqrt();
        p += density;
        slope -= density * (x - mean) / (v + h);
    }
    (p.ln(), slope / p)
}

fn score(h: f64, rows: &[f64], out: &mut [f64]) {
    rows.iter().zip(out).for_each(|(x, s)| *s = mixture(*x, h).1);
}

/// Scores of Gaussian data of variance `v`.
fn linear(v: f64) -> impl Fn(f64, &[f64], &mut [f64]) + Copy {
    move |h: f64, rows: &[f64], out: &mut [f64]| rows.iter().zip(out).for_each(|(x, s)| *s = -x / (v + h))
}

/// Scores too short by a factor.
fn short(factor: f64, score: impl Fn(f64, &[f64], &mut [f64])) -> impl Fn(f64, &[f64], &mut [f64]) {
    move |h: f64, rows: &[f64], out: &mut [f64]| {
        score(h, rows, out);
        out.iter_mut().for_each(|s| *s *= factor);
    }
}

fn asked(step: Step, corrector: Corrector) -> IcAnnealSpec {
    IcAnnealSpec { step, corrector, ..IcAnnealSpec::default() }
}

/// Kernels down to the data, for `dim` coordinates that are no circles.
fn kernels(dim: usize, levels: Vec<f64>, (step, corrector): (Step, Corrector), gamma: f64) -> Kernels {
    Kernels::new((dim, 0), levels, &scheme(&asked(step, corrector), gamma))
}

/// Ends of paths, and their log-weights without energies.
fn drawn(kernels: &Kernels, n: usize, score: impl Fn(f64, &[f64], &mut [f64])) -> (Vec<f64>, Vec<f64>) {
    let (mut rows, mut log) = (vec![0.0; n * kernels.dim()], vec![0.0; n]);
    kernels.draw(streams, 0..n as u32, &mut rows, &mut log, score);
    (rows, log)
}

/// The energy of harmonic data of variance 1 at `gamma`.
fn energy(gamma: f64, x: &[f64]) -> f64 {
    0.5 * gamma * x.iter().map(|x| x * x).sum::<f64>()
}

/// That every weight of ends, energies left out, is `Z = (2 pi/gamma)^(d/2)`, up to `bar`.
fn assert_equal(gamma: f64, (rows, log): (Vec<f64>, Vec<f64>), bar: f64) {
    let dim = rows.len() / log.len();
    let exact = 0.5 * dim as f64 * (std::f64::consts::TAU / gamma).ln();
    for (x, log) in rows.chunks_exact(dim).zip(&log) {
        let log_w = log - energy(gamma, x);
        assert!((log_w - exact).abs() < bar, "{log_w} {exact}");
    }
}

/// Ends of paths without noise.
fn walked(kernels: &Kernels, starts: &[f64], score: impl Fn(f64, &[f64], &mut [f64])) -> Vec<f64> {
    let mut rows = starts.to_vec();
    kernels.walk(&mut Drawn::new(|_, _| {}, rows.len()), &mut rows, &mut vec![0.0; starts.len()], score);
    rows
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    (a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// Ends at sigma 0.3 of probability-flow paths from places at sigma 400: multistep methods begin with steps of low order, whose errors
/// (of order 2 in the end) are out of sight where `D` hardly changes.
const ENDS: (f64, f64) = (0.3, 400.0);

fn starts() -> Vec<f64> {
    (0..9).map(|i| 200.0 * f64::from(i - 4)).collect()
}

/// The same by the classical method of Runge and Kutta in `ln sigma`.
fn exact_ends() -> Vec<f64> {
    let steps = 8_000;
    let k = (ENDS.0 / ENDS.1).ln() / f64::from(steps);
    let slope = |l: f64, x: f64| -(2.0 * l).exp() * mixture(x, (2.0 * l).exp()).1;
    let end = |mut x: f64| {
        let mut l = ENDS.1.ln();
        for _ in 0..steps {
            let a = slope(l, x);
            let b = slope(l + 0.5 * k, x + 0.5 * k * a);
            let c = slope(l + 0.5 * k, x + 0.5 * k * b);
            let d = slope(l + k, x + k * c);
            x += k / 6.0 * (a + 2.0 * b + 2.0 * c + d);
            l += k;
        }
        x
    };
    starts().into_iter().map(end).collect()
}

/// Every deterministic method converges with the order that it claims; UniPC's corrector raises it by one.
#[test]
fn orders_of_convergence() {
    let exact = exact_ends();
    let error = |step, corrector, n: usize| {
        let scheme = scheme(&asked(step, corrector), 1.0);
        let kernels = Kernels::between((1, 0), &grid::geometric(n + 1, ENDS), &scheme);
        distance(&walked(&kernels, &starts(), score), &exact)
    };
    for (step, corrector, order) in [
        (Step::Ddim, Corrector::None, 1.0),
        (Step::Heun, Corrector::None, 2.0),
        (Step::DpmSolver2, Corrector::None, 2.0),
        (Step::DpmSolver3, Corrector::None, 3.0),
        (Step::DpmSolverPp2m, Corrector::None, 2.0),
        (Step::DpmSolverPp3m, Corrector::None, 3.0),
        (Step::Deis2, Corrector::None, 2.0),
        (Step::Deis3, Corrector::None, 3.0),
        (Step::Ghvb2, Corrector::None, 2.0),
        (Step::DpmSolverV3, Corrector::None, 3.0),
        (Step::Ddim, Corrector::Unipc, 2.0),
        (Step::DpmSolverPp2m, Corrector::Unipc, 3.0),
        (Step::Deis2, Corrector::Unipc, 3.0),
    ] {
        let [coarse, fine] = [400, 800].map(|n| error(step, corrector, n));
        let slope = (coarse / fine).log2();
        println!("{step:?} {corrector:?}: {coarse:.2e} {fine:.2e} slope {slope:.2}");
        assert!((slope - order).abs() < 0.3, "{step:?} {corrector:?}: slope {slope}, expected {order}");
    }
}

/// Variance of ends at sigma 0.3 of paths for Gaussian data of variance `v`: paths are linear in their noise, so one row for each
/// draw, moved by that one alone, gives it exactly.
fn end_variance(step: Step, v: f64, n: usize) -> f64 {
    let ends = (0.3, 8.0);
    let kernels = Kernels::between((1, 0), &grid::geometric(n + 1, ends), &scheme(&asked(step, Corrector::None), 1.0));
    let mut rows = vec![0.0; kernels.moves.len() + 1];
    let len = rows.len();
    rows[len - 1] = (v + 64.0_f64).sqrt();
    let impulses =
        |k: usize, out: &mut [f32]| out.iter_mut().enumerate().for_each(|(i, z)| *z = f32::from(u8::from(i == k)));
    kernels.walk(&mut Drawn::new(impulses, len), &mut rows, &mut vec![0.0; len], linear(v));
    rows.iter().map(|c| c * c).sum()
}

/// Steps with noise have the weak order that they claim: the variance of their ends for Gaussian data that are not whitened.
#[test]
fn weak_orders_of_convergence() {
    let v = 0.4;
    for (step, _) in KINDS.into_iter().filter(|(_, corrector)| *corrector == Corrector::None) {
        let order = if step == Step::SdeDpmSolver2m { 2.0 } else { 1.0 };
        let [coarse, fine] = [200, 400].map(|n| (end_variance(step, v, n) - (v + 0.09)).abs());
        let slope = (coarse / fine).log2();
        println!("{step:?}: {coarse:.2e} {fine:.2e} slope {slope:.2}");
        assert!((slope - order).abs() < 0.2, "{step:?}: slope {slope}, expected {order}");
    }
}

const KINDS: [(Step, Corrector); 9] = [
    (Step::Ancestral, Corrector::None),
    (Step::EulerMaruyama, Corrector::None),
    (Step::SdeDpmSolver1, Corrector::None),
    (Step::SdeDpmSolver2m, Corrector::None),
    (Step::StochasticHeun, Corrector::None),
    (Step::Reversible, Corrector::None),
    (Step::Ancestral, Corrector::Langevin),
    (Step::StochasticHeun, Corrector::Langevin),
    (Step::Reversible, Corrector::Langevin),
];

/// `ln int p^gamma`, and the inverse of its distribution function on a fine grid.
fn annealed(gamma: f64) -> (f64, Vec<f64>) {
    let grid: Vec<f64> = (0..24_000).map(|i| -6.0 + 0.0005 * f64::from(i)).collect();
    let density: Vec<f64> = grid.iter().map(|x| (gamma * mixture(*x, 0.0).0).exp()).collect();
    let z: f64 = density.iter().sum();
    let (mut quantiles, mut sum, mut next) = (Vec::new(), 0.0, 0.5);
    for (x, p) in grid.iter().zip(density) {
        sum += p / z * 4_000.0;
        while sum > next && quantiles.len() < 4_000 {
            quantiles.push(*x);
            next += 1.0;
        }
    }
    ((0.0005 * z).ln(), quantiles)
}

/// That weights of ends on the mixture have the mean `int p^gamma`; with the energies that were left out.
fn assert_mean(what: &str, gamma: f64, (rows, mut log): (&[f64], Vec<f64>)) -> Vec<f64> {
    let (log_z, _) = annealed(gamma);
    log.iter_mut().zip(rows).for_each(|(log, x)| *log += gamma * mixture(*x, 0.0).0);
    let (found, error) = (log_mean_exp(&log), ((1.0 / ess(&log) - 1.0) / log.len() as f64).sqrt());
    println!("{what}: ess {:.3}, ln Z {found:.4} of {log_z:.4} +- {error:.4}", ess(&log));
    assert!((found - log_z).abs() < 4.0 * error + 1e-4, "{what}: {found} {log_z} {error}");
    log
}

/// The same, and that they give its second moment; returns the effective sample size.
fn assert_moments(what: &str, gamma: f64, (rows, log): (Vec<f64>, Vec<f64>)) -> f64 {
    let log = assert_mean(what, gamma, (&rows, log));
    let (_, quantiles) = annealed(gamma);
    let second: f64 = quantiles.iter().map(|x| x * x).sum::<f64>() / quantiles.len() as f64;
    let moment: f64 = crate::diffusion::normalise(&log).iter().zip(&rows).map(|(w, x)| w * x * x).sum();
    let bar = 8.0 * second / (log.len() as f64 * ess(&log)).sqrt();
    assert!((moment - second).abs() < bar, "{what}: {moment} {second}");
    ess(&log)
}

/// That weights of paths drawn backwards from `p^gamma` have the mean `1/int p^gamma` of their inverse.
fn assert_backwards(what: &str, gamma: f64, kernels: &Kernels, score: impl Fn(f64, &[f64], &mut [f64])) {
    let (log_z, quantiles) = annealed(gamma);
    let (mut rows, mut log) = (quantiles.clone(), vec![0.0; quantiles.len()]);
    kernels.retrace(streams, 0..rows.len() as u32, &mut rows, &mut log, score);
    log.iter_mut().zip(&quantiles).for_each(|(log, x)| *log = -*log - gamma * mixture(*x, 0.0).0);
    let (found, error) = (-log_mean_exp(&log), ((1.0 / ess(&log) - 1.0) / log.len() as f64).sqrt());
    assert!((found - log_z).abs() < 4.0 * error + 1e-3, "{what} backwards: {found} {log_z} {error}");
}

/// Few and coarse steps: weights of draws have the mean `int p^gamma` and give its moments; weights of paths drawn backwards from
/// `p^gamma` have the mean `1/int p^gamma` of their inverse.
#[test]
fn weights_are_exact_at_any_step() {
    for gamma in [1.0, 1.4] {
        for (step, corrector) in KINDS {
            // The variance of a point is too small for data: its weights have tails that few and coarse steps make heavy.
            let steps = if matches!(step, Step::SdeDpmSolver1 | Step::SdeDpmSolver2m) { 80 } else { 9 };
            let kernels = kernels(1, grid::edm(steps, (0.05, 4.0)), (step, corrector), gamma);
            let what = format!("{step:?} {corrector:?} {gamma}");
            assert_moments(&what, gamma, drawn(&kernels, 20_000, score));
            assert_backwards(&what, gamma, &kernels, score);
        }
    }
}

/// With gamma = 1 all weights are equal up to discretisation: their variance falls with the number of steps, as its first power.
#[test]
fn weights_are_equal_with_gamma_one() {
    for (step, corrector) in KINDS {
        let variance = |steps: usize| {
            // Langevin moves err by themselves: shorter ones where there are more.
            let spec = IcAnnealSpec { renewal: Some(3.0 / steps as f64), ..asked(step, corrector) };
            let kernels = Kernels::new((1, 0), grid::geometric(steps, (0.02, 6.0)), &scheme(&spec, 1.0));
            let (rows, mut log) = drawn(&kernels, 3_000, score);
            log.iter_mut().zip(&rows).for_each(|(log, x)| *log += mixture(*x, 0.0).0);
            let mean = log.iter().sum::<f64>() / 3_000.0;
            log.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 3_000.0
        };
        let [coarse, fine] = [60, 240].map(variance);
        println!("{step:?} {corrector:?}: {coarse:.2e} {fine:.2e} slope {:.2}", 0.5 * (coarse / fine).log2());
        assert!(fine < 0.4 * coarse && fine < 0.3, "{step:?} {corrector:?}: {coarse} {fine}");
    }
}

/// The default's numbers are those of the formula as it stood before there were others, to the last bit.
#[test]
fn default_steps_are_as_they_were() {
    for (noise, gamma) in [(Noise::Tempered, 1.3), (Noise::Published, 1.3)] {
        let spec = IcAnnealSpec { noise, ..IcAnnealSpec::default() };
        let levels = grid::edm(12, (0.05, 8.0));
        let kernels = Kernels::new((2, 1), levels.clone(), &scheme(&spec, gamma));
        let (n, dim) = (40, 3);
        let (mut rows, mut log) = (vec![0.0; n * dim], vec![0.0; n]);
        kernels.draw(streams, 5..45, &mut rows, &mut log, score);
        let (mut x, mut want) = (vec![0.0; n * dim], vec![0.0; n]);
        kernels.begin(&streams(0), 5..45, &mut x, &mut want);
        let (mut scores, mut noises) = (vec![0.0; n * dim], vec![0.0_f32; n * dim]);
        for k in 0..12 {
            let (h, next) = (levels[k], levels.get(k + 1).copied().unwrap_or(0.0));
            let q = h - next;
            score(h, &x, &mut scores);
            super::kernels::normals(&streams(1 + k as u64), 5..45, dim, &mut noises);
            let (drift, backward, forward) = match noise {
                Noise::Tempered => (q, q / gamma, [q / gamma * (1.0 + next) / (1.0 + h), q / gamma]),
                Noise::Published => (gamma * q, q, [q, q]),
            };
            let each = forward.map(|v: f64| 0.5 * (v / backward).ln());
            let constant = 2.0 * each[0] + each[1];
            for (r, row) in x.chunks_exact_mut(dim).enumerate() {
                let (mut drawn, mut back) = (0.0, 0.0);
                for (i, x) in row.iter_mut().enumerate() {
                    let z = f64::from(noises[r * dim + i]);
                    let by = drift * scores[r * dim + i] + forward.map(f64::sqrt)[usize::from(i >= 2)] * z;
                    drawn += z * z;
                    back += by * by;
                    *x += by;
                }
                want[r] += 0.5 * (drawn - back / backward) + constant;
                kernels.settle(row);
            }
        }
        assert!(rows == x && log == want);
    }
}

/// A pilot's levels fall from one end to the other, and steps on them have lighter weights than on EDM's.
#[test]
fn levels_of_a_pilot() {
    let (sigma, steps) = ((0.02, 8.0), 12);
    let levels = pilot::levels((1, 0), (steps, sigma, 1.0), streams, score);
    assert!(
        levels.len() == steps && levels.is_sorted_by(|a, b| a > b) && (levels[0] - 64.0).abs() < 1e-9,
        "{levels:?}"
    );
    assert!(levels[steps - 1] >= 0.999 * 0.02_f64.powi(2));
    let spread = |levels: Vec<f64>| {
        let kernels = kernels(1, levels, (Step::default(), Corrector::None), 1.0);
        let (rows, mut log) = drawn(&kernels, 8_000, score);
        log.iter_mut().zip(&rows).for_each(|(log, x)| *log += mixture(*x, 0.0).0);
        1.0 - ess(&log)
    };
    let (kinetic, edm) = (spread(levels), spread(grid::edm(steps, sigma)));
    println!("1 - ess: kinetic {kinetic:.4}, edm {edm:.4}");
    assert!(kinetic < 0.9 * edm, "{kinetic} {edm}");
}

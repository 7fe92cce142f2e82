//! Paths from noise to data at a lower temperature: their levels, their moves, where they begin.
//!
//! With variances `h` of the noise falling from level to level, `q = h - h'`, and `gamma` the ratio of the temperatures, a path of a
//! coordinate of data variance 1 takes the steps
//!
//! ```text
//! tempered:   F = N(x + q s, (q/gamma) (1 + h')/(1 + h)),   B = N(x', q/gamma)
//! published:  F = N(x + gamma q s, q),                      B = N(x', q)
//! ```
//!
//! from `N(0, (1 + h_max)/gamma)`, or others ([`crate::diffusion::steps`]). Tempered steps are exact for Gaussians: data of variance
//! `1/gamma` under noise `h/gamma`. On circles the prior is uniform and the forward variance is the backward one; the increment is what
//! was drawn, not the way around: it is part of the path under both chains, so the weights stay exact.
//!
//! `log w = -u(x_0) + sum log B - sum log F - log prior`: weights of whole paths, in which no learned energy has a part.

use std::ops::Range;

use super::circle::settled;
use crate::diffusion::steps::{Move, Scheme, Statistics, follow, grid, plan};
use crate::rng::Stream;
use crate::samplers::internal::chart::CIRCLE;
use crate::spec::{Grid, IcAnnealSpec, IcTrainSpec};

/// `ln sqrt(2 pi)`.
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;
/// Items whose noise is drawn together.
const GROUP: usize = 16;

/// The levels of a path and its kernels, for rows of `narrow` coordinates and then `circles`.
#[derive(Debug, Clone)]
pub struct Kernels {
    pub(super) narrow: usize,
    circles: usize,
    gamma: f64,
    /// Variance of the noise where paths begin.
    first: f64,
    pub(super) moves: Vec<Move>,
    /// Look-ahead, if there is any.
    pub(super) children: Option<Children>,
}

/// Children of each particle, in so many of the last steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Children {
    pub(super) count: usize,
    pub(super) steps: usize,
    /// Whether there are as many as are needed, and the others are saved.
    pub(super) rollover: bool,
}

impl Children {
    /// As settings have it, if they ask for it.
    pub(super) fn asked(spec: &IcAnnealSpec) -> Option<Self> {
        let (steps, rollover) = (spec.lookahead_steps.unwrap_or(spec.steps).min(spec.steps), spec.rollover);
        spec.children.map(|count| Self { count, steps, rollover })
    }
}

/// Standard normals `[n, dim]` of some items of a stream: the same whichever items are drawn together.
pub fn normals(stream: &Stream, items: Range<u32>, dim: usize, out: &mut [f32]) {
    let mut block = [[0.0_f32; GROUP]; 4];
    for (group, rows) in out.chunks_mut(GROUP * dim).enumerate() {
        for b in 0..dim.div_ceil(4) {
            stream.normals(items.start + (group * GROUP) as u32, b as u32, &mut block);
            for (l, row) in rows.chunks_exact_mut(dim).enumerate() {
                let at = 4 * b..dim.min(4 * b + 4);
                row[at].iter_mut().zip(&block).for_each(|(z, lanes)| *z = lanes[l]);
            }
        }
    }
}

/// The scheme of a rung.
#[must_use]
pub fn scheme(spec: &IcAnnealSpec, gamma: f64) -> Scheme {
    Scheme {
        step: spec.step,
        corrector: spec.corrector,
        noise: spec.noise,
        gamma,
        eta: spec.eta.unwrap_or(0.5),
        beta: spec.beta.unwrap_or(0.8),
        renewal: spec.renewal.unwrap_or(0.05),
    }
}

/// Noise of the first level and of the last.
#[must_use]
pub fn ends(spec: &IcAnnealSpec, train: &IcTrainSpec) -> (f64, f64) {
    (spec.sigma_last.unwrap_or(train.sigma_min), spec.sigma_skip.unwrap_or(train.sigma_max))
}

/// The settings with as many steps as so many evaluations of the network allow, 2 at least.
#[must_use]
pub fn within(spec: &IcAnnealSpec, evaluations: usize) -> IcAnnealSpec {
    let asked = |steps| IcAnnealSpec { steps, ..spec.clone() };
    let taken = |steps| {
        let spec = asked(steps);
        let kernels = Kernels::new((1, 0), grid::edm(steps, (0.1, 1.0)), &scheme(&spec, 1.0));
        kernels.looking(Children::asked(&spec)).evaluations()
    };
    asked((2..=evaluations).rev().find(|steps| taken(*steps) <= evaluations).unwrap_or(2))
}

/// Variances of the noise, one for each step, for grids that need no pilot; others begin with the one of EDM.
#[must_use]
pub fn levels(spec: &IcAnnealSpec, train: &IcTrainSpec) -> Vec<f64> {
    match spec.grid {
        Grid::Edm | Grid::Kinetic | Grid::Sada => grid::edm(spec.steps, ends(spec, train)),
        Grid::Geometric => grid::geometric(spec.steps, ends(spec, train)),
    }
}

impl Kernels {
    /// Steps between levels of falling variance, then to the data (that one included).
    #[must_use]
    pub fn new(shape: (usize, usize), mut levels: Vec<f64>, scheme: &Scheme) -> Self {
        levels.push(0.0);
        Self::between(shape, &levels, scheme)
    }

    /// The same, but paths end at the last level.
    #[must_use]
    pub fn between((narrow, circles): (usize, usize), levels: &[f64], scheme: &Scheme) -> Self {
        let moves = plan(scheme, levels);
        Self { narrow, circles, gamma: scheme.gamma, first: levels[0], moves, children: None }
    }

    /// With the multipliers of DPM-Solver-v3 by what a pilot says of the model.
    #[must_use]
    pub(super) fn following(mut self, statistics: &Statistics) -> Self {
        follow(&mut self.moves, statistics);
        self
    }

    /// With look-ahead.
    #[must_use]
    pub(super) fn looking(self, children: Option<Children>) -> Self {
        Self { children, ..self }
    }

    /// Whether steps choose among children, which costs energies.
    pub(super) fn looks_ahead(&self) -> bool {
        self.children.is_some()
    }

    pub(super) fn gamma(&self) -> f64 {
        self.gamma
    }

    pub(super) fn dim(&self) -> usize {
        self.narrow + self.circles
    }

    /// Evaluations of the network along a path; at most so many where children are saved.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        let own: usize = self.moves.iter().map(Move::evaluations).sum();
        // A child's evaluation is that of the next step, if it is chosen; the data have none.
        let ahead = |c: Children| {
            (c.count - 1) * self.moves[self.moves.len() - c.steps..].iter().filter(|m| m.to > 0.0).count()
        };
        own + self.children.map_or(0, ahead)
    }

    /// Whether paths are drawn from a density, so that they have weights.
    #[must_use]
    pub fn has_density(&self) -> bool {
        self.moves.iter().all(|step| step.forward.iter().all(|v| *v > 0.0))
    }

    fn prior_variance(&self) -> f64 {
        (1.0 + self.first) / self.gamma
    }

    pub(super) fn log_prior(&self, row: &[f64]) -> f64 {
        let v = self.prior_variance();
        let square: f64 = row[..self.narrow].iter().map(|x| x * x).sum();
        -0.5 * square / v - self.narrow as f64 * (0.5 * v.ln() + LN_SQRT_TAU) - self.circles as f64 * CIRCLE.ln()
    }

    /// Takes circles back to within half a turn of 0.
    pub(super) fn settle(&self, row: &mut [f64]) {
        for x in &mut row[self.narrow..] {
            *x = settled(*x);
        }
    }

    /// `sum (ln sqrt(forward variance) - ln sqrt(backward variance))` over the coordinates.
    pub(super) fn log_widths(&self, step: &Move) -> f64 {
        let each = [0, 1].map(|k| 0.5 * (step.forward[k] / step.backward[k]).ln());
        self.narrow as f64 * each[0] + self.circles as f64 * each[1]
    }

    /// Where paths begin: rows `[n, dim]`, and minus the logarithm of their density `[n]`.
    pub fn begin(&self, stream: &Stream, items: Range<u32>, rows: &mut [f64], log_ratio: &mut [f64]) {
        for ((row, log), item) in rows.chunks_exact_mut(self.dim()).zip(log_ratio.iter_mut()).zip(items) {
            let mut draws = stream.at(item);
            let (narrow, circles) = row.split_at_mut(self.narrow);
            narrow.iter_mut().for_each(|x| *x = self.prior_variance().sqrt() * draws.normal());
            circles.iter_mut().for_each(|x| *x = CIRCLE * (draws.uniform() - 0.5));
            *log = -self.log_prior(row);
        }
    }

    /// Draws the paths of some items: their ends `rows [n, dim]`, and `log_ratio [n]`, the log-weight without the energy of the end
    /// (0 without a density). `streams` gives the random numbers of a step (0: the prior); `score` the scores of rows at a variance of
    /// the noise.
    pub fn draw(
        &self,
        streams: impl Fn(u64) -> Stream,
        items: Range<u32>,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        self.begin(&streams(0), items.clone(), rows, log_ratio);
        let noise = |k: usize, out: &mut [f32]| normals(&streams(1 + k as u64), items.clone(), self.dim(), out);
        self.walk(&mut super::walk::Drawn::new(noise, rows.len()), rows, log_ratio, score);
        if !self.has_density() {
            log_ratio.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::ess;
    use crate::metrics::weights::log_mean_exp;
    use crate::rng::Purpose;
    use crate::spec::{Noise, Step};

    const SIGMA: (f64, f64) = (0.02, 8.0);

    fn with(shape: (usize, usize), steps: usize, sigma: (f64, f64), gamma: f64, noise: Noise) -> Kernels {
        let spec = IcAnnealSpec { noise, ..IcAnnealSpec::default() };
        Kernels::new(shape, grid::edm(steps, sigma), &scheme(&spec, gamma))
    }

    fn streams(step: u64) -> Stream {
        Stream::new(4, Purpose::Anneal, step)
    }

    /// Harmonic data of variance 1 in 30 dimensions, 5 steps, the exact score: the tempered weights are constant and give
    /// `Z = (2 pi / gamma)^15`; the published kernels' are worth nothing. So is a path forth and back.
    #[test]
    fn tempered_steps_are_exact_for_gaussians() {
        let (dim, n, gamma) = (30, 600, 1.26);
        let weights = |noise, backwards: bool, gamma_of_target: f64| {
            let kernels = with((dim, 0), 5, SIGMA, gamma, noise);
            let (mut rows, mut log) = (vec![0.0; n * dim], vec![0.0; n]);
            let score = |h: f64, x: &[f64], s: &mut [f64]| s.iter_mut().zip(x).for_each(|(s, x)| *s = -x / (1.0 + h));
            kernels.draw(streams, 0..n as u32, &mut rows, &mut log, score);
            if backwards {
                let exact = Stream::new(5, Purpose::Init, 0);
                for (i, x) in rows.iter_mut().enumerate() {
                    *x = exact.at(i as u32).normal() / gamma.sqrt();
                }
            }
            let energies: Vec<f64> =
                rows.chunks_exact(dim).map(|x| 0.5 * gamma_of_target * x.iter().map(|x| x * x).sum::<f64>()).collect();
            if backwards {
                kernels.retrace(streams, 0..n as u32, &mut rows, &mut log, score);
            }
            log.iter().zip(energies).map(|(log, u)| log - u).collect::<Vec<f64>>()
        };
        let exact = 15.0 * (std::f64::consts::TAU / gamma).ln();
        for backwards in [false, true] {
            let log = weights(Noise::Tempered, backwards, gamma);
            for log in &log {
                assert!((log - exact).abs() < 1e-9, "{log} {exact}");
            }
        }
        assert!(ess(&weights(Noise::Published, false, gamma)) < 0.1);
        assert!(ess(&weights(Noise::Tempered, false, 1.0)) < 0.9, "a wrong gamma shows");
    }

    /// A circle with two wells of different depth, at the temperature of the data and at half of it: exact scores by quadrature.
    /// Weights recover populations and Z. Ends that are not wrapped, or increments that are, would not.
    #[test]
    fn wells_on_a_circle() {
        let points = 400;
        let u = |x: f64| {
            let p = std::f64::consts::TAU / CIRCLE * x;
            1.2 * (2.0 * p).cos() + 0.5 * p.sin()
        };
        let grid: Vec<f64> = (0..points).map(|i| CIRCLE * (f64::from(i) / f64::from(points) - 0.5)).collect();
        let density: Vec<f64> = grid.iter().map(|&x| (-u(x)).exp()).collect();
        // Score of the noised density: the average of the wrapped kernel's slopes.
        let score = |h: f64, rows: &[f64], out: &mut [f64]| {
            let table: Vec<f64> = grid
                .iter()
                .map(|&x| {
                    let (mut p, mut slope) = (0.0, 0.0);
                    for (y, w) in grid.iter().zip(&density) {
                        for k in -5..=5 {
                            let d = x - y + CIRCLE * f64::from(k);
                            let g = w * (-0.5 * d * d / h).exp();
                            p += g;
                            slope -= g * d / h;
                        }
                    }
                    slope / p
                })
                .collect();
            for (x, s) in rows.iter().zip(out) {
                let place = (x / CIRCLE + 0.5).rem_euclid(1.0) * f64::from(points);
                let (i, part) = (place as usize % points as usize, place.fract());
                *s = table[i] + part * (table[(i + 1) % points as usize] - table[i]);
            }
        };
        let steps = [Step::SdeDpmSolver2m, Step::StochasticHeun, Step::Reversible];
        let cases = [(1.0, Step::Ancestral), (2.0, Step::Ancestral)].into_iter().chain(steps.map(|step| (2.0, step)));
        for (gamma, step) in cases {
            let n = if step == Step::Ancestral { 6_000 } else { 2_000 };
            let spec = IcAnnealSpec { step, ..IcAnnealSpec::default() };
            let kernels = Kernels::new((0, 1), grid::edm(60, (0.05, 8.0)), &scheme(&spec, gamma));
            let (mut rows, mut log) = (vec![0.0; n], vec![0.0; n]);
            kernels.draw(streams, 0..n as u32, &mut rows, &mut log, score);
            assert!(rows.iter().all(|x| x.abs() <= CIRCLE / 2.0));
            log.iter_mut().zip(&rows).for_each(|(log, x)| *log -= gamma * u(*x));
            let weights = crate::diffusion::normalise(&log);
            let right: f64 = weights.iter().zip(&rows).filter(|(_, x)| **x > 0.0).map(|(w, _)| w).sum();
            let boltzmann: Vec<f64> = grid.iter().map(|&x| (-gamma * u(x)).exp()).collect();
            let z = boltzmann.iter().sum::<f64>() * CIRCLE / f64::from(points);
            let on_right = boltzmann[points as usize / 2..].iter().sum::<f64>() / boltzmann.iter().sum::<f64>();
            let effective = ess(&log) * n as f64;
            let bar = 4.0 * (on_right * (1.0 - on_right) / effective).sqrt() + 2e-3;
            println!("{step:?} gamma {gamma}: ess {:.3}", ess(&log));
            assert!(ess(&log) > 0.1, "{step:?} gamma {gamma}: {}", ess(&log));
            assert!((right - on_right).abs() < bar, "{step:?} gamma {gamma}: {right} {on_right} +- {bar}");
            let error = 4.0 / effective.sqrt();
            assert!((log_mean_exp(&log) - z.ln()).abs() < error, "{step:?}: {} {}", log_mean_exp(&log), z.ln());
        }
    }

    #[test]
    fn noise_does_not_depend_on_the_split() {
        let (dim, stream) = (7, streams(3));
        let mut all = vec![0.0; 40 * dim];
        normals(&stream, 5..45, dim, &mut all);
        let mut part = vec![0.0; 9 * dim];
        normals(&stream, 20..29, dim, &mut part);
        assert_eq!(part, all[15 * dim..24 * dim]);
    }
}

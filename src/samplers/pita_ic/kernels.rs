//! Paths from noise to data at a lower temperature, and their weights.
//!
//! With variances `h` of the noise falling from level to level, `q = h - h'`, and `gamma` the ratio of the temperatures, a path of a
//! coordinate of data variance 1 takes the steps
//!
//! ```text
//! tempered:   F = N(x + q s, (q/gamma) (1 + h')/(1 + h)),   B = N(x', q/gamma)
//! published:  F = N(x + gamma q s, q),                      B = N(x', q)
//! ```
//!
//! from `N(0, (1 + h_max)/gamma)`. Tempered steps are exact for Gaussians: data of variance `1/gamma` under noise `h/gamma`. On
//! circles the prior is uniform and the forward variance is the backward one; the increment is what was drawn, not the way around: it
//! is part of the path under both chains, so the weights stay exact.
//!
//! `log w = -u(x_0) + sum log B - sum log F - log prior`: weights of whole paths, in which no learned energy has a part.

use std::ops::Range;

use crate::diffusion::Elucidating;
use crate::rng::Stream;
use crate::samplers::internal::chart::CIRCLE;
use crate::spec::Noise;

/// `ln sqrt(2 pi)`.
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;
/// Items whose noise is drawn together.
const GROUP: usize = 16;

/// The levels of a path and its kernels, for rows of `narrow` coordinates and then `circles`.
#[derive(Debug, Clone)]
pub struct Kernels {
    narrow: usize,
    circles: usize,
    gamma: f64,
    noise: Noise,
    /// Variances of the noise, falling; the last is 0.
    levels: Vec<f64>,
}

/// One step: variances, and what the score is multiplied with.
struct Step {
    drift: f64,
    backward: f64,
    /// Forward variances of narrow coordinates and circles.
    forward: [f64; 2],
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

impl Kernels {
    /// `steps` steps between the noise levels `sigma.1` and `sigma.0`, then to the data (that one included).
    #[must_use]
    pub fn new((narrow, circles): (usize, usize), steps: usize, sigma: (f64, f64), gamma: f64, noise: Noise) -> Self {
        let schedule = Elucidating::new(sigma.0, sigma.1);
        let last = (steps - 1).max(1) as f64;
        let mut levels: Vec<f64> = (0..steps).map(|k| schedule.h(1.0 - k as f64 / last)).collect();
        levels.push(0.0);
        Self { narrow, circles, gamma, noise, levels }
    }

    fn dim(&self) -> usize {
        self.narrow + self.circles
    }

    /// Steps of a path.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.levels.len() - 1
    }

    fn step(&self, k: usize) -> Step {
        let (h, next) = (self.levels[k], self.levels[k + 1]);
        let q = h - next;
        match self.noise {
            Noise::Tempered => {
                let backward = q / self.gamma;
                Step { drift: q, backward, forward: [backward * (1.0 + next) / (1.0 + h), backward] }
            }
            Noise::Published => Step { drift: self.gamma * q, backward: q, forward: [q, q] },
        }
    }

    fn prior_variance(&self) -> f64 {
        (1.0 + self.levels[0]) / self.gamma
    }

    fn log_prior(&self, row: &[f64]) -> f64 {
        let v = self.prior_variance();
        let square: f64 = row[..self.narrow].iter().map(|x| x * x).sum();
        -0.5 * square / v - self.narrow as f64 * (0.5 * v.ln() + LN_SQRT_TAU) - self.circles as f64 * CIRCLE.ln()
    }

    fn settle(&self, row: &mut [f64]) {
        for x in &mut row[self.narrow..] {
            *x -= CIRCLE * (*x / CIRCLE).round();
        }
    }

    /// Draws the paths of some items: their ends `rows [n, dim]`, and `log_ratio [n]`, the log-weight without the energy of the end.
    /// `streams` gives the random numbers of a step (0: the prior); `score` the scores of rows at a variance of the noise.
    pub fn draw(
        &self,
        streams: impl Fn(u64) -> Stream,
        items: Range<u32>,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        mut score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        let (dim, prior) = (self.dim(), streams(0));
        for ((row, log), item) in rows.chunks_exact_mut(dim).zip(log_ratio.iter_mut()).zip(items.clone()) {
            let mut draws = prior.at(item);
            let (narrow, circles) = row.split_at_mut(self.narrow);
            narrow.iter_mut().for_each(|x| *x = self.prior_variance().sqrt() * draws.normal());
            circles.iter_mut().for_each(|x| *x = CIRCLE * (draws.uniform() - 0.5));
            *log = -self.log_prior(row);
        }
        let (mut scores, mut noise) = (vec![0.0; rows.len()], vec![0.0_f32; rows.len()]);
        for k in 0..self.steps() {
            score(self.levels[k], rows, &mut scores);
            normals(&streams(1 + k as u64), items.clone(), dim, &mut noise);
            let step = self.step(k);
            let widths = step.forward.map(f64::sqrt);
            let constant = self.log_widths(&step);
            let moved = rows.chunks_exact_mut(dim).zip(scores.chunks_exact(dim)).zip(noise.chunks_exact(dim));
            for (((row, scores), noise), log) in moved.zip(log_ratio.iter_mut()) {
                let (mut drawn, mut back) = (0.0, 0.0);
                for (i, ((x, s), z)) in row.iter_mut().zip(scores).zip(noise).enumerate() {
                    let z = f64::from(*z);
                    let by = step.drift * s + widths[usize::from(i >= self.narrow)] * z;
                    drawn += z * z;
                    back += by * by;
                    *x += by;
                }
                *log += 0.5 * (drawn - back / step.backward) + constant;
                self.settle(row);
            }
        }
    }

    /// `sum (ln sqrt(forward variance) - ln sqrt(backward variance))` over the coordinates.
    fn log_widths(&self, step: &Step) -> f64 {
        let each = step.forward.map(|v| 0.5 * (v / step.backward).ln());
        self.narrow as f64 * each[0] + self.circles as f64 * each[1]
    }

    /// Paths that end at given `rows`, drawn backwards by adding noise: `log_ratio [n]` as [`Kernels::draw`] would have given them.
    /// With the energies of the ends they are weights of the target's own samples.
    pub fn retrace(
        &self,
        streams: impl Fn(u64) -> Stream,
        items: Range<u32>,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        mut score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        let dim = self.dim();
        let (mut scores, mut noise) = (vec![0.0; rows.len()], vec![0.0_f32; rows.len()]);
        log_ratio.fill(0.0);
        for k in (0..self.steps()).rev() {
            let step = self.step(k);
            normals(&streams(1 + k as u64), items.clone(), dim, &mut noise);
            let width = step.backward.sqrt();
            for (row, noise) in rows.chunks_exact_mut(dim).zip(noise.chunks_exact(dim)) {
                row.iter_mut().zip(noise).for_each(|(x, z)| *x += width * f64::from(*z));
                self.settle(row);
            }
            score(self.levels[k], rows, &mut scores);
            let constant = self.log_widths(&step);
            for ((scores, noise), log) in
                scores.chunks_exact(dim).zip(noise.chunks_exact(dim)).zip(log_ratio.iter_mut())
            {
                let (mut drawn, mut forth) = (0.0, 0.0);
                for (i, (s, z)) in scores.iter().zip(noise).enumerate() {
                    let z = f64::from(*z);
                    let by = -width * z - step.drift * s;
                    drawn += z * z;
                    forth += by * by / step.forward[usize::from(i >= self.narrow)];
                }
                *log += 0.5 * (forth - drawn) + constant;
            }
        }
        for (row, log) in rows.chunks_exact(dim).zip(log_ratio) {
            *log -= self.log_prior(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::ess;
    use crate::metrics::weights::log_mean_exp;
    use crate::rng::Purpose;

    const SIGMA: (f64, f64) = (0.02, 8.0);

    fn streams(step: u64) -> Stream {
        Stream::new(4, Purpose::Anneal, step)
    }

    /// Harmonic data of variance 1 in 30 dimensions, 5 steps, the exact score: the tempered weights are constant and give
    /// `Z = (2 pi / gamma)^15`; the published kernels' are worth nothing. So is a path forth and back.
    #[test]
    fn tempered_steps_are_exact_for_gaussians() {
        let (dim, n, gamma) = (30, 600, 1.26);
        let weights = |noise, backwards: bool, gamma_of_target: f64| {
            let kernels = Kernels::new((dim, 0), 5, SIGMA, gamma, noise);
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
        for gamma in [1.0, 2.0] {
            let n = 6_000;
            let kernels = Kernels::new((0, 1), 60, (0.05, 8.0), gamma, Noise::Tempered);
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
            assert!(ess(&log) > 0.2, "gamma {gamma}: {}", ess(&log));
            assert!((right - on_right).abs() < bar, "gamma {gamma}: {right} {on_right} +- {bar}");
            let error = 4.0 / effective.sqrt();
            assert!((log_mean_exp(&log) - z.ln()).abs() < error, "gamma {gamma}: {} {}", log_mean_exp(&log), z.ln());
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

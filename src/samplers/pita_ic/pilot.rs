//! What a few particles say of where a path's noise levels should lie.

use super::kernels::{Kernels, normals, scheme};
use crate::diffusion::steps::{Move, Statistics, grid};
use crate::rng::Stream;
use crate::spec::{IcAnnealSpec, Step};

/// Levels of the pilot.
pub(super) const LEVELS: usize = 48;
/// Particles, as many as the network takes together.
pub(super) const PARTICLES: usize = super::net::TILE;
/// Random steps of the pilot count from here.
const STREAMS: u64 = 1 << 30;
/// Length of finite differences, in units of the noise.
const PROBE: f64 = 0.1;

/// Levels between `sigma.1` and `sigma.0`, one for each of `steps`, by [`grid::kinetic`]: the rate is
/// `sqrt(E |d/dx (s + x/(1 + h))|^2)`, by differences along random directions. One step's kernel errs by `q^2` times its square (a
/// quarter of it is the divergence to second order: variances that the score's slopes call for, against those of Gaussian data).
/// Costs two evaluations of [`LEVELS`] levels for [`PARTICLES`] particles.
pub(super) fn levels(
    shape: (usize, usize),
    (steps, sigma, gamma): (usize, (f64, f64), f64),
    streams: impl Fn(u64) -> Stream,
    mut score: impl FnMut(f64, &[f64], &mut [f64]),
) -> Vec<f64> {
    let all = grid::edm(LEVELS, sigma);
    let kernels = Kernels::new(shape, all.clone(), &scheme(&IcAnnealSpec::default(), gamma));
    let dim = shape.0 + shape.1;
    let mut rates = Vec::with_capacity(LEVELS);
    let (mut rows, mut log) = (vec![0.0; PARTICLES * dim], vec![0.0; PARTICLES]);
    let (mut direction, mut there) = (vec![0.0_f32; rows.len()], vec![0.0; rows.len()]);
    let mut differences = vec![0.0; rows.len()];
    let probed = |h: f64, x: &[f64], s: &mut [f64]| {
        score(h, x, s);
        let length = PROBE * h.sqrt();
        normals(&streams(STREAMS + (LEVELS + 1 + rates.len()) as u64), 0..PARTICLES as u32, dim, &mut direction);
        there.iter_mut().zip(x).zip(&direction).for_each(|((y, x), z)| *y = x + length * f64::from(*z));
        there.chunks_exact_mut(dim).for_each(|row| kernels.settle(row));
        score(h, &there, &mut differences);
        let mut square = 0.0;
        for (i, ((t, s), z)) in differences.iter().zip(&*s).zip(&direction).enumerate() {
            let gaussian = if i % dim < shape.0 { f64::from(*z) / (1.0 + h) } else { 0.0 };
            square += ((t - s) / length + gaussian).powi(2);
        }
        rates.push((square / PARTICLES as f64).sqrt());
    };
    kernels.draw(|step| streams(STREAMS + step), 0..PARTICLES as u32, &mut rows, &mut log, probed);
    grid::kinetic(steps, &all, &rates)
}

/// Levels by how much paths without noise bend: DDIM's on [`LEVELS`] levels for [`PARTICLES`] particles, one evaluation each, and the
/// second differences of their slopes `-sigma s` over sigma, of which steps of order 2 err by the third power of their lengths.
pub(super) fn bends(
    shape: (usize, usize),
    (steps, sigma, gamma): (usize, (f64, f64), f64),
    streams: impl Fn(u64) -> Stream,
    mut score: impl FnMut(f64, &[f64], &mut [f64]),
) -> Vec<f64> {
    let all = grid::edm(LEVELS, sigma);
    let straight = IcAnnealSpec { step: Step::Ddim, ..IcAnnealSpec::default() };
    let kernels = Kernels::new(shape, all.clone(), &scheme(&straight, gamma));
    let dim = shape.0 + shape.1;
    let (mut rows, mut log) = (vec![0.0; PARTICLES * dim], vec![0.0; PARTICLES]);
    let mut slopes: Vec<Vec<f64>> = Vec::with_capacity(LEVELS);
    let kept = |h: f64, x: &[f64], s: &mut [f64]| {
        score(h, x, s);
        slopes.push(s.iter().map(|s| -h.sqrt() * s).collect());
    };
    kernels.draw(|step| streams(STREAMS + step), 0..PARTICLES as u32, &mut rows, &mut log, kept);
    let sigmas: Vec<f64> = all.iter().map(|h| h.sqrt()).collect();
    let rate = |i: usize| {
        // The ends have no second difference: that of their neighbours.
        let i = i.clamp(1, LEVELS - 2);
        let (before, after) = (sigmas[i - 1] - sigmas[i], sigmas[i] - sigmas[i + 1]);
        let places = slopes[i - 1].iter().zip(&slopes[i]).zip(&slopes[i + 1]);
        let bend = places.map(|((a, b), c)| 2.0 * ((a - b) / before - (b - c) / after) / (before + after));
        let square = bend.map(|d| d * d).sum::<f64>() / PARTICLES as f64;
        // Over the variance, as the grid has it.
        square.powf(1.0 / 6.0) / (2.0 * sigmas[i])
    };
    let rates: Vec<f64> = (0..LEVELS).map(rate).collect();
    grid::kinetic(steps, &all, &rates)
}

/// What the model's scores are like between the first and the last level of `plain`: the statistics of DPM-Solver-v3, along paths of
/// DPM-Solver++ (2M) on [`LEVELS`] levels that are even in `ln sigma`, for [`PARTICLES`] particles. `l` is by differences along random
/// directions, the same at all levels: errors of its own at each would make a rough curve, and the method takes roughness for what paths
/// do (on the mixture of the tests, ten times the error). Two evaluations of each level.
pub(super) fn statistics(
    plain: &Kernels,
    streams: impl Fn(u64) -> Stream,
    mut score: impl FnMut(f64, &[f64], &mut [f64]),
) -> Statistics {
    let (dim, narrow) = (plain.dim(), plain.narrow);
    let last = |step: &Move| if step.to > 0.0 { step.to } else { step.from };
    let low = plain.moves.last().map_or(1.0, last).sqrt();
    let high = plain.moves.first().map_or(2.0, |step| step.from).sqrt();
    let all = grid::geometric(LEVELS, (low, high));
    let fine = IcAnnealSpec { step: Step::DpmSolverPp2m, ..IcAnnealSpec::default() };
    let kernels = Kernels::new((narrow, dim - narrow), all.clone(), &scheme(&fine, plain.gamma));
    let (mut rows, mut log) = (vec![0.0; PARTICLES * dim], vec![0.0; PARTICLES]);
    let (mut direction, mut there) = (vec![0.0_f32; rows.len()], vec![0.0; rows.len()]);
    normals(&streams(STREAMS + (LEVELS + 1) as u64), 0..PARTICLES as u32, dim, &mut direction);
    let mut rates = [Vec::with_capacity(LEVELS), vec![0.0; LEVELS]];
    // `h s` and then `N` at each level.
    let mut rests: Vec<Vec<f64>> = Vec::with_capacity(LEVELS);
    let probed = |h: f64, x: &[f64], s: &mut [f64]| {
        score(h, x, s);
        let length = PROBE * h.sqrt();
        there.iter_mut().zip(x).zip(&direction).for_each(|((y, x), z)| *y = x + length * f64::from(*z));
        there.chunks_exact_mut(dim).for_each(|row| kernels.settle(row));
        let mut differences = vec![0.0; x.len()];
        score(h, &there, &mut differences);
        let (mut cross, mut square) = (0.0, f64::MIN_POSITIVE);
        for (i, ((t, s), z)) in differences.iter().zip(&*s).zip(&direction).enumerate() {
            // Directions within narrow coordinates are what their trace asks for; the others average out.
            if i % dim < narrow {
                cross -= h * (t - s) / length * f64::from(*z);
                square += f64::from(*z).powi(2);
            }
        }
        let l = cross / square;
        rates[0].push(l);
        let rest = |(i, (s, x)): (usize, (&f64, &f64))| h * s + if i % dim < narrow { l * x } else { 0.0 };
        rests.push(s.iter().zip(x).enumerate().map(rest).collect());
    };
    kernels.draw(|step| streams(STREAMS + step), 0..PARTICLES as u32, &mut rows, &mut log, probed);
    let spacing = (high / low).ln() / (LEVELS - 1) as f64;
    let bends = [0, 1].map(|kind: usize| {
        let bend = |i: usize| {
            let i = i.clamp(1, LEVELS - 2);
            let (mut cross, mut square) = (0.0, 0.0);
            for (k, n) in rests[i].iter().enumerate().filter(|(k, _)| usize::from(k % dim >= narrow) == kind) {
                cross += n * (rests[i + 1][k] - rests[i - 1][k]) / (2.0 * spacing);
                square += n * n;
            }
            // Nothing is left of Gaussian data, nor of circles that are uniform.
            if square > f64::EPSILON * (PARTICLES * dim) as f64 { cross / square } else { 0.0 }
        };
        (0..LEVELS).map(bend).collect::<Vec<f64>>()
    });
    Statistics::new(&all, rates, bends)
}

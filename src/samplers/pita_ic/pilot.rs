//! What a few particles say of where a path's noise levels should lie.

use super::kernels::{Kernels, normals, scheme};
use crate::diffusion::steps::grid;
use crate::rng::Stream;
use crate::spec::IcAnnealSpec;

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
    let plain = IcAnnealSpec::default();
    let all = grid::edm(LEVELS, sigma);
    let kernels = Kernels::new(shape, all.clone(), &scheme(&plain, gamma));
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
        for row in there.chunks_exact_mut(dim) {
            kernels.settle(row);
        }
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

//! Langevin dynamics of many walkers at once, in blocks of SIMD lanes: all steps of a block run from cache.
//!
//! The integrator is LangevinMiddle as OpenMM defines it (Zhang, Liu, Yan, Tuckerman and Liu, J. Phys. Chem. A 123, 6056,
//! 2019): `v += dt f/m; x += dt/2 v; v = a v + b R; x += dt/2 v` with `a = exp(-friction dt)`,
//! `b^2 = (1 - a^2) kT/m`. It is BAOAB (Leimkuhler and Matthews 2013) seen at half steps: the positions are the same, the
//! velocities stand half a kick behind. Noise has no component along the centre of mass, so a centre at rest stays so.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::lanes::{Kernel, LANES, Row, gather, rows, scatter};
use crate::real::{Precision, Real};
use crate::rng::{self, Stream};

/// How walkers move.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics<'a> {
    /// Time step (ps for molecules).
    pub dt: f64,
    /// Friction, 1/time; 0 gives leapfrog Verlet.
    pub friction: f64,
    /// Masses `[atoms]`.
    pub masses: &'a [f64],
    /// Arithmetic.
    pub precision: Precision,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the first step: keys the noise together with the walker's index.
    pub first_step: u64,
}

/// Walkers in motion; `n` of them, numbered from 0.
pub struct Walkers<'a> {
    /// `kT` of each walker `[n]`.
    pub kt: &'a [f64],
    /// Positions `[n, dim]`.
    pub positions: &'a mut [f64],
    /// Velocities `[n, dim]`, half a step behind.
    pub velocities: &'a mut [f64],
    /// Forces at the positions `[n, dim]`.
    pub forces: &'a mut [f64],
    /// Unreduced energies at the positions `[n]`.
    pub energies: &'a mut [f64],
}

impl Walkers<'_> {
    /// Some of them.
    pub fn part(&mut self, range: Range<usize>) -> Walkers<'_> {
        let dim = self.positions.len() / self.energies.len().max(1);
        let rows = range.start * dim..range.end * dim;
        Walkers {
            kt: &self.kt[range.clone()],
            positions: &mut self.positions[rows.clone()],
            velocities: &mut self.velocities[rows.clone()],
            forces: &mut self.forces[rows],
            energies: &mut self.energies[range],
        }
    }
}

/// Moves all walkers `steps` steps, with the kernel of the precision that the dynamics ask for. One evaluation per walker and step.
pub fn run<S: Kernel<f32>, D: Kernel<f64>>(
    single: &S,
    double: &D,
    walkers: Walkers<'_>,
    dynamics: &Dynamics<'_>,
    steps: usize,
) {
    match dynamics.precision {
        Precision::F32 => run_in::<f32, _>(single, walkers, dynamics, steps),
        Precision::F64 => run_in::<f64, _>(double, walkers, dynamics, steps),
    }
}

fn run_in<T: Real, K: Kernel<T>>(kernel: &K, walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize) {
    if steps == 0 {
        return; // the energies stay what they are
    }
    let dim = 3 * kernel.atoms();
    let Walkers { kt, positions, velocities, forces, energies } = walkers;
    let blocks = positions
        .par_chunks_mut(LANES * dim)
        .zip(velocities.par_chunks_mut(LANES * dim))
        .zip(forces.par_chunks_mut(LANES * dim))
        .zip(energies.par_chunks_mut(LANES))
        .zip(kt.par_chunks(LANES));
    let constants = Constants::new(dynamics);
    blocks.enumerate().for_each_init(
        || (kernel.scratch(), Block::new(dim, kernel.terms())),
        |(scratch, block), (b, ((((positions, velocities), forces), energies), kt))| {
            gather(positions, dim, &mut block.x, T::from_f64);
            gather(velocities, dim, &mut block.v, T::from_f64);
            gather(forces, dim, &mut block.f, T::from_f64);
            gather(kt, 1, std::slice::from_mut(&mut block.thermal), |kt| T::from_f64(kt.sqrt()));
            for step in 0..steps as u64 {
                let stream = Stream::new(dynamics.seed, rng::Purpose::Dynamics, dynamics.first_step + step);
                advance(&constants, &stream, (b * LANES) as u32, block);
                kernel.evaluate(scratch, &block.x, &mut block.f, &mut block.terms);
            }
            scatter(&block.x, dim, positions, T::to_f64);
            scatter(&block.v, dim, velocities, T::to_f64);
            scatter(&block.f, dim, forces, T::to_f64);
            let mut energy = Row::ZERO;
            block.terms.iter().for_each(|term| energy.add(term));
            scatter(&[energy], 1, energies, T::to_f64);
        },
    );
}

/// A potential without a kernel of its own, through its function for batches.
pub(super) struct Plain<F> {
    pub atoms: usize,
    pub evaluate: F,
}

impl<T: Real, F: Fn(&[T], &mut [T], &mut [T]) + Send + Sync> Kernel<T> for Plain<F> {
    /// Frames of one block, their energies and forces.
    type Scratch = [Vec<T>; 3];

    fn atoms(&self) -> usize {
        self.atoms
    }

    fn terms(&self) -> usize {
        1
    }

    fn scratch(&self) -> [Vec<T>; 3] {
        [3 * self.atoms, 1, 3 * self.atoms].map(|width| vec![T::ZERO; LANES * width])
    }

    fn evaluate(&self, [frames, e, forces]: &mut [Vec<T>; 3], x: &[Row<T>], f: &mut [Row<T>], terms: &mut [Row<T>]) {
        scatter(x, x.len(), frames, |x| x);
        (self.evaluate)(frames, e, forces);
        gather(forces, x.len(), f, |f| f);
        gather(e, 1, terms, |e| e);
    }
}

/// One block of walkers.
struct Block<T> {
    x: Vec<Row<T>>,
    v: Vec<Row<T>>,
    f: Vec<Row<T>>,
    noise: Vec<Row<T>>,
    terms: Vec<Row<T>>,
    /// `sqrt(kT)`.
    thermal: Row<T>,
}

impl<T: Real> Block<T> {
    fn new(dim: usize, terms: usize) -> Self {
        // Noise comes in fours.
        let noise = rows(dim.next_multiple_of(4));
        Self { x: rows(dim), v: rows(dim), f: rows(dim), noise, terms: rows(terms), thermal: Row::ZERO }
    }
}

/// What a step multiplies with.
struct Constants<T> {
    half_dt: T,
    /// `exp(-friction dt)`.
    keep: T,
    /// Per atom: `dt / m`.
    kick: Vec<T>,
    /// Per atom: `sqrt((1 - keep^2) / m)`.
    noise: Vec<T>,
    /// Per atom: its share of the mass.
    share: Vec<T>,
}

impl<T: Real> Constants<T> {
    fn new(d: &Dynamics<'_>) -> Self {
        let keep = (-d.friction * d.dt).exp();
        let mass: f64 = d.masses.iter().sum();
        let per_atom = |f: &dyn Fn(f64) -> f64| d.masses.iter().map(|&m| T::from_f64(f(m))).collect();
        Self {
            half_dt: T::from_f64(0.5 * d.dt),
            keep: T::from_f64(keep),
            kick: per_atom(&|m| d.dt / m),
            noise: if d.friction > 0.0 { per_atom(&|m| ((1.0 - keep * keep) / m).sqrt()) } else { Vec::new() },
            share: per_atom(&|m| m / mass),
        }
    }
}

/// One step up to the evaluation of the new forces.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn advance<T: Real>(c: &Constants<T>, stream: &Stream, first: u32, block: &mut Block<T>) {
    if !c.noise.is_empty() {
        draw(c, stream, first, block);
    }
    for (a, &kick) in c.kick.iter().enumerate() {
        for k in 3 * a..3 * a + 3 {
            let (x, v, f, noise) = (&mut block.x[k], &mut block.v[k], &block.f[k], &block.noise[k]);
            for l in 0..LANES {
                let kicked = kick.fma(f.0[l], v.0[l]);
                let new = c.keep.fma(kicked, noise.0[l]);
                x.0[l] += c.half_dt * (kicked + new);
                v.0[l] = new;
            }
        }
    }
}

/// Velocity noise without momentum of the centre of mass.
#[inline(always)]
fn draw<T: Real>(c: &Constants<T>, stream: &Stream, first: u32, block: &mut Block<T>) {
    for (b, four) in block.noise.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let mut z = [[T::ZERO; LANES]; 4];
        stream.normals(first, b as u32, &mut z);
        for k in 0..4 {
            four[k].0 = z[k];
        }
    }
    for axis in 0..3 {
        let mut drift = Row::<T>::ZERO;
        for (a, (&width, &share)) in c.noise.iter().zip(&c.share).enumerate() {
            let row = &mut block.noise[3 * a + axis];
            for l in 0..LANES {
                row.0[l] = width * block.thermal.0[l] * row.0[l];
                drift.0[l] += share * row.0[l];
            }
        }
        for a in 0..c.noise.len() {
            let row = &mut block.noise[3 * a + axis];
            for l in 0..LANES {
                row.0[l] -= drift.0[l];
            }
        }
    }
}

//! Lennard-Jones clusters tied to their centre of mass by a harmonic well (LJ-13, LJ-55).
//!
//! `E = sum_{i != j} [r_ij^-12 - 2 r_ij^-6] + 1/2 sum_i |x_i - mean(x)|^2`, ordered pairs (each pair counts twice, well
//! depth 2 at r = 1), no cutoff, as the PITA reference has it.
//! `F_i = 24 sum_j (r^-14 - r^-8)(x_i - x_j) - (x_i - mean(x))`.
//!
//! Frames are the SIMD lanes: blocks of [`LANES`] frames are transposed to structure of arrays, so that every operation
//! of the pair loop acts on whole vectors. A lane never sees its neighbours: a frame's result does not depend on its
//! place in the batch. Division is the only operation that is not a multiply or add; no square root is needed.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Potential;

/// Frames per block: two AVX-512 registers of f32, four of f64.
const LANES: usize = 32;
/// Frames of one rayon task.
const TASK: usize = 4 * LANES;

/// A cluster of identical particles.
#[derive(Debug, Clone, Copy)]
pub struct LennardJones {
    atoms: usize,
}

impl LennardJones {
    /// A cluster of `atoms` particles.
    #[must_use]
    pub fn new(atoms: usize) -> Self {
        Self { atoms }
    }

    /// Floating point operations per frame, counted from the loops. Per pair: 3 differences, 5 for the square, 1
    /// division, 2 powers, 5 for the energy, 3 for the force factor, 9 for the two force updates. Per atom: 6 per axis.
    #[must_use]
    pub fn flops(&self) -> u64 {
        let n = self.atoms as u64;
        n * (n - 1) / 2 * 28 + n * 18
    }
}

macro_rules! lanes_kernel {
    ($name:ident, $t:ty) => {
        /// One block: `x`, `f` are `[dim][LANES]`, energies `[LANES]` by term (lj, oscillator).
        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
        fn $name(
            atoms: usize,
            x: &mut [[$t; LANES]],
            f: &mut [[$t; LANES]],
            pair: &mut [$t; LANES],
            well: &mut [$t; LANES],
        ) {
            *pair = [0.0; LANES];
            *well = [0.0; LANES];
            // The energy depends on differences only: centring first keeps the well's force exact and simple.
            for axis in 0..3 {
                let mut mean = [0.0; LANES];
                for a in 0..atoms {
                    for l in 0..LANES {
                        mean[l] += x[3 * a + axis][l];
                    }
                }
                for a in 0..atoms {
                    let (row, force) = (&mut x[3 * a + axis], &mut f[3 * a + axis]);
                    for l in 0..LANES {
                        let d = row[l] - mean[l] / atoms as $t;
                        row[l] = d;
                        force[l] = -d;
                        well[l] += 0.5 * d * d;
                    }
                }
            }
            for i in 0..atoms {
                let (xi, yi, zi) = (x[3 * i], x[3 * i + 1], x[3 * i + 2]);
                let (mut fx, mut fy, mut fz) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                for j in i + 1..atoms {
                    let (xj, yj, zj) = (&x[3 * j], &x[3 * j + 1], &x[3 * j + 2]);
                    let (mut px, mut py, mut pz) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                    for l in 0..LANES {
                        let (dx, dy, dz) = (xi[l] - xj[l], yi[l] - yj[l], zi[l] - zj[l]);
                        let inv2 = 1.0 / (dx * dx + dy * dy + dz * dz);
                        let inv6 = inv2 * inv2 * inv2;
                        pair[l] += 2.0 * (inv6 * inv6 - 2.0 * inv6);
                        let factor = 24.0 * inv2 * (inv6 * inv6 - inv6);
                        px[l] = factor * dx;
                        py[l] = factor * dy;
                        pz[l] = factor * dz;
                        fx[l] += px[l];
                        fy[l] += py[l];
                        fz[l] += pz[l];
                    }
                    for (axis, p) in [px, py, pz].iter().enumerate() {
                        let force = &mut f[3 * j + axis];
                        for l in 0..LANES {
                            force[l] -= p[l];
                        }
                    }
                }
                for (axis, p) in [fx, fy, fz].iter().enumerate() {
                    let force = &mut f[3 * i + axis];
                    for l in 0..LANES {
                        force[l] += p[l];
                    }
                }
            }
        }
    };
}

lanes_kernel!(block_f64, f64);
lanes_kernel!(block_f32, f32);

macro_rules! batch {
    ($name:ident, $t:ty, $block:ident) => {
        /// Splits a batch into tasks of whole blocks; `emit(frame, pair, well)` per frame, forces written in place.
        fn $name(atoms: usize, positions: &[$t], forces: &mut [$t], terms: &mut [[$t; 2]]) {
            let dim = 3 * atoms;
            let work = |(x, f, terms): (&[$t], &mut [$t], &mut [[$t; 2]])| {
                let mut xs = vec![[0.0; LANES]; dim];
                let mut fs = vec![[0.0; LANES]; dim];
                let (mut pair, mut well) = ([0.0; LANES], [0.0; LANES]);
                let frames = x.chunks(LANES * dim).zip(f.chunks_mut(LANES * dim)).zip(terms.chunks_mut(LANES));
                for ((x, f), terms) in frames {
                    let n = terms.len();
                    for (k, row) in xs.iter_mut().enumerate() {
                        for (l, value) in row.iter_mut().enumerate() {
                            // Spare lanes repeat the last frame: any finite geometry will do.
                            *value = x[l.min(n - 1) * dim + k];
                        }
                    }
                    $block(atoms, &mut xs, &mut fs, &mut pair, &mut well);
                    for (l, out) in f.chunks_exact_mut(dim).enumerate() {
                        for (k, value) in out.iter_mut().enumerate() {
                            *value = fs[k][l];
                        }
                    }
                    for (l, t) in terms.iter_mut().enumerate() {
                        *t = [pair[l], well[l]];
                    }
                }
            };
            positions
                .par_chunks(TASK * dim)
                .zip(forces.par_chunks_mut(TASK * dim))
                .zip(terms.par_chunks_mut(TASK))
                .for_each(|((x, f), t)| work((x, f, t)));
        }
    };
}

batch!(batch_f64, f64, block_f64);
batch!(batch_f32, f32, block_f32);

impl Potential for LennardJones {
    fn atoms(&self) -> usize {
        self.atoms
    }

    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        let mut terms = vec![[0.0; 2]; energies.len()];
        batch_f64(self.atoms, positions, forces, &mut terms);
        energies.iter_mut().zip(&terms).for_each(|(e, t)| *e = t[0] + t[1]);
    }

    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        let mut terms = vec![[0.0; 2]; energies.len()];
        batch_f32(self.atoms, positions, forces, &mut terms);
        energies.iter_mut().zip(&terms).for_each(|(e, t)| *e = t[0] + t[1]);
    }

    fn term_names(&self) -> &'static [&'static str] {
        &["lj", "oscillator"]
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        let n = positions.len() / (3 * self.atoms);
        let mut forces = vec![0.0; positions.len()];
        let mut both = vec![[0.0; 2]; n];
        batch_f64(self.atoms, positions, &mut forces, &mut both);
        terms.as_chunks_mut::<2>().0.copy_from_slice(&both);
    }
}

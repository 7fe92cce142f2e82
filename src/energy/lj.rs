//! Lennard-Jones clusters tied to their centre of mass by a harmonic well (LJ-13, LJ-55).
//!
//! `E = sum_{i != j} [r_ij^-12 - 2 r_ij^-6] + 1/2 sum_i |x_i - mean(x)|^2`, ordered pairs (each pair counts twice, well
//! depth 2 at r = 1), no cutoff, as the PITA reference has it.
//! `F_i = 24 sum_j (r^-14 - r^-8)(x_i - x_j) - (x_i - mean(x))`.
//!
//! Frames are the SIMD lanes, see [`super::lanes`]. Division is the only operation that is not a multiply or add; no
//! square root is needed.

use multiversion::multiversion;

use super::lanes::{self, Kernel, LANES, Row};
use super::langevin::{self, Dynamics, Walkers};
use super::{Potential, Tables};
use crate::real::Real;

/// Names of the terms, in order.
const TERMS: [&str; 2] = ["lj", "oscillator"];

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

impl<T: Real> Kernel<T> for LennardJones {
    /// The frames relative to their centres.
    type Scratch = Vec<Row<T>>;

    fn atoms(&self) -> usize {
        self.atoms
    }

    fn terms(&self) -> usize {
        TERMS.len()
    }

    fn scratch(&self) -> Vec<Row<T>> {
        lanes::rows(3 * self.atoms)
    }

    fn evaluate(&self, centred: &mut Vec<Row<T>>, x: &[Row<T>], f: &mut [Row<T>], terms: &mut [Row<T>]) {
        let [pair, well] = terms else { return };
        oscillator(x, centred, f, well);
        pairs(centred, f, pair);
    }
}

/// The energy depends on differences only: centring first keeps the well's force exact and simple.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn oscillator<T: Real>(x: &[Row<T>], centred: &mut [Row<T>], f: &mut [Row<T>], energy: &mut Row<T>) {
    let atoms = x.len() / 3;
    let (half, n) = (T::from_f64(0.5), T::from_f64(atoms as f64));
    *energy = Row::<T>::ZERO;
    for axis in 0..3 {
        let mut mean = Row::<T>::ZERO;
        for a in 0..atoms {
            mean.add(&x[3 * a + axis]);
        }
        for a in 0..atoms {
            let (row, out, force) = (&x[3 * a + axis], &mut centred[3 * a + axis], &mut f[3 * a + axis]);
            for l in 0..LANES {
                let d = row.0[l] - mean.0[l] / n;
                out.0[l] = d;
                force.0[l] = -d;
                energy.0[l] += half * d * d;
            }
        }
    }
}

/// Adds the forces of all pairs; the energy is set.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn pairs<T: Real>(x: &[Row<T>], f: &mut [Row<T>], energy: &mut Row<T>) {
    let (two, twenty_four) = (T::from_f64(2.0), T::from_f64(24.0));
    *energy = Row::<T>::ZERO;
    let points = x.as_chunks::<3>().0;
    for (i, [xi, yi, zi]) in points.iter().enumerate() {
        let mut fi = [Row::<T>::ZERO; 3];
        for (j, [xj, yj, zj]) in points.iter().enumerate().skip(i + 1) {
            let mut push = [Row::<T>::ZERO; 3];
            for l in 0..LANES {
                let (dx, dy, dz) = (xi.0[l] - xj.0[l], yi.0[l] - yj.0[l], zi.0[l] - zj.0[l]);
                let inv2 = T::ONE / (dx * dx + dy * dy + dz * dz);
                let inv6 = inv2 * inv2 * inv2;
                energy.0[l] += two * (inv6 * inv6 - two * inv6);
                let factor = twenty_four * inv2 * (inv6 * inv6 - inv6);
                push[0].0[l] = factor * dx;
                push[1].0[l] = factor * dy;
                push[2].0[l] = factor * dz;
            }
            for axis in 0..3 {
                let force = &mut f[3 * j + axis];
                for l in 0..LANES {
                    fi[axis].0[l] += push[axis].0[l];
                    force.0[l] -= push[axis].0[l];
                }
            }
        }
        for axis in 0..3 {
            f[3 * i + axis].add(&fi[axis]);
        }
    }
}

impl Potential for LennardJones {
    fn atoms(&self) -> usize {
        self.atoms
    }

    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        lanes::energy_forces(self, positions, energies, forces);
    }

    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        lanes::energy_forces(self, positions, energies, forces);
    }

    fn langevin(&self, walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize) {
        langevin::run(self, self, walkers, dynamics, steps);
    }

    fn term_names(&self) -> &'static [&'static str] {
        &TERMS
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        let mut forces = vec![0.0; positions.len()];
        lanes::batch(self, positions, &mut forces, terms);
    }

    fn tables(&self) -> Option<Tables> {
        Some(Tables::cluster(self.atoms, self.flops()))
    }
}

//! Bonds, angles and torsions of one block of frames.

use multiversion::multiversion;

use super::params::{Angle, Bond, ForceField, Series};
use crate::energy::lanes::{LANES, Row};
use crate::real::Real;

/// The bonded terms in the scalar type of a kernel.
pub(super) struct Bonded<T> {
    bonds: Vec<Bond<T>>,
    angles: Vec<Angle<T>>,
    torsions: Vec<Series<T>>,
}

impl<T: Real> Bonded<T> {
    /// Prepares the terms.
    pub(super) fn new(ff: &ForceField) -> Self {
        let t = T::from_f64;
        let bonds = ff.bonds.iter().map(|b| Bond { atoms: b.atoms, k: t(b.k), r0: t(b.r0) }).collect();
        let angles = ff.angles.iter().map(|a| Angle { atoms: a.atoms, k: t(a.k), theta0: t(a.theta0) }).collect();
        let torsions = ff.series().into_iter().map(|s| Series {
            atoms: s.atoms,
            constant: t(s.constant),
            terms: s.terms.into_iter().map(|(c, s)| (t(c), t(s))).collect(),
        });
        Self { bonds, angles, torsions: torsions.collect() }
    }

    /// Bonds, angles, torsions, and periodicities of all torsions.
    pub(super) fn counts(&self) -> (u64, u64, u64, u64) {
        let periods: usize = self.torsions.iter().map(|t| t.terms.len()).sum();
        (self.bonds.len() as u64, self.angles.len() as u64, self.torsions.len() as u64, periods as u64)
    }

    /// Adds forces to `f [dim]` and energies to `terms` (bond, angle, torsion).
    pub(super) fn add(&self, x: &[Row<T>], f: &mut [Row<T>], terms: &mut [Row<T>]) {
        bonds(&self.bonds, x, f, &mut terms[0]);
        angles(&self.angles, x, f, &mut terms[1]);
        torsions(&self.torsions, x, f, &mut terms[2]);
    }
}

/// The three coordinates of an atom.
#[inline(always)]
fn point<T: Real>(x: &[Row<T>], atom: usize) -> &[Row<T>; 3] {
    &x.as_chunks::<3>().0[atom]
}

#[inline(always)]
fn dot<T: Real>(a: [T; 3], b: [T; 3]) -> T {
    a[0].fma(b[0], a[1].fma(b[1], a[2] * b[2]))
}

#[inline(always)]
fn cross<T: Real>(a: [T; 3], b: [T; 3]) -> [T; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `a - b` in lane `l`.
#[inline(always)]
fn difference<T: Real>(a: &[Row<T>; 3], b: &[Row<T>; 3], l: usize) -> [T; 3] {
    [a[0].0[l] - b[0].0[l], a[1].0[l] - b[1].0[l], a[2].0[l] - b[2].0[l]]
}

/// Adds `p` to the force on an atom.
#[inline(always)]
fn push<T: Real>(f: &mut [Row<T>], atom: usize, p: &[Row<T>; 3]) {
    for c in 0..3 {
        f[3 * atom + c].add(&p[c]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn bonds<T: Real>(table: &[Bond<T>], x: &[Row<T>], f: &mut [Row<T>], energy: &mut Row<T>) {
    let half = T::from_f64(0.5);
    for bond in table {
        let [i, j] = bond.atoms;
        let (xi, xj) = (point(x, i), point(x, j));
        let (mut pi, mut pj) = ([Row::ZERO; 3], [Row::ZERO; 3]);
        for l in 0..LANES {
            let d = difference(xi, xj, l);
            let r = dot(d, d).sqrt();
            let stretch = r - bond.r0;
            energy.0[l] += half * bond.k * stretch * stretch;
            let pull = if r > T::ZERO { bond.k * stretch / r } else { T::ZERO };
            for c in 0..3 {
                pj[c].0[l] = pull * d[c];
                pi[c].0[l] = -(pull * d[c]);
            }
        }
        push(f, i, &pi);
        push(f, j, &pj);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn angles<T: Real>(table: &[Angle<T>], x: &[Row<T>], f: &mut [Row<T>], energy: &mut Row<T>) {
    let half = T::from_f64(0.5);
    // As OpenMM: below this |a x b| (nm^2) the direction of the force is not defined.
    let least = T::from_f64(1e-6);
    for angle in table {
        let [i, j, k] = angle.atoms;
        let (xi, xj, xk) = (point(x, i), point(x, j), point(x, k));
        let (mut pi, mut pj, mut pk) = ([Row::ZERO; 3], [Row::ZERO; 3], [Row::ZERO; 3]);
        for l in 0..LANES {
            let (a, b) = (difference(xi, xj, l), difference(xk, xj, l));
            let n = cross(a, b);
            let length = dot(n, n).sqrt();
            let bend = length.angle(dot(a, b)) - angle.theta0;
            energy.0[l] += half * angle.k * bend * bend;
            let length = if length > least { length } else { least };
            let pull = angle.k * bend / length;
            // d theta / d x_i = (a x n) / (|a|^2 |n|), d theta / d x_k = (n x b) / (|b|^2 |n|)
            let (along, across) = (pull / dot(a, a), pull / dot(b, b));
            let (u, v) = (cross(a, n), cross(n, b));
            for c in 0..3 {
                let (first, last) = (-(along * u[c]), -(across * v[c]));
                pi[c].0[l] = first;
                pk[c].0[l] = last;
                pj[c].0[l] = -(first + last);
            }
        }
        push(f, i, &pi);
        push(f, j, &pj);
        push(f, k, &pk);
    }
}

/// The dihedral of four atoms, 0 when cis, IUPAC sign: its cosine and sine, and its slopes by the atoms' coordinates.
pub(super) struct Dihedral<T> {
    pub(super) cos: Row<T>,
    pub(super) sin: Row<T>,
    pub(super) slopes: [[Row<T>; 3]; 4],
}

/// Gradient of the dihedral after Blondel and Karplus (1996), which has no singularity in sin(phi).
#[inline(always)]
pub(super) fn dihedral<T: Real>(x: &[Row<T>], [i, j, k, m]: [usize; 4]) -> Dihedral<T> {
    // Below this |a|^2 (nm^4) three atoms lie on a line and the dihedral is not defined.
    let least = T::from_f64(1e-20);
    let (xi, xj, xk, xm) = (point(x, i), point(x, j), point(x, k), point(x, m));
    let (mut cos, mut sin) = (Row::ZERO, Row::ZERO);
    let mut slopes = [[Row::ZERO; 3]; 4];
    for l in 0..LANES {
        let (d, g, h) = (difference(xi, xj, l), difference(xj, xk, l), difference(xm, xk, l));
        let (a, b) = (cross(d, g), cross(h, g));
        let (a2, b2, g2) = (dot(a, a), dot(b, b), dot(g, g));
        let a2 = if a2 > least { a2 } else { least };
        let b2 = if b2 > least { b2 } else { least };
        let g2 = if g2 > least { g2 } else { least };
        let (inv_g, inv_ab) = (T::ONE / g2.sqrt(), T::ONE / (a2 * b2).sqrt());
        cos.0[l] = dot(a, b) * inv_ab;
        sin.0[l] = dot(cross(b, a), g) * inv_ab * inv_g;
        // 1 / a2 = b2 / (a2 b2)
        let (inv_a2, inv_b2) = (b2 * inv_ab * inv_ab, a2 * inv_ab * inv_ab);
        let length = g2 * inv_g;
        let (fg, hg) = (dot(d, g) * inv_g * inv_a2, dot(h, g) * inv_g * inv_b2);
        for c in 0..3 {
            let first = -(length * inv_a2 * a[c]);
            let last = length * inv_b2 * b[c];
            let shift = fg * a[c] - hg * b[c];
            slopes[0][c].0[l] = first;
            slopes[1][c].0[l] = shift - first;
            slopes[2][c].0[l] = -(shift + last);
            slopes[3][c].0[l] = last;
        }
    }
    Dihedral { cos, sin, slopes }
}

/// Adds `force` (`-dE/dphi`) along the slopes to the atoms.
#[inline(always)]
pub(super) fn turn<T: Real>(f: &mut [Row<T>], atoms: [usize; 4], slopes: &mut [[Row<T>; 3]; 4], force: &Row<T>) {
    for (slope, atom) in slopes.iter_mut().zip(atoms) {
        for row in slope.iter_mut() {
            for l in 0..LANES {
                row.0[l] = row.0[l] * force.0[l];
            }
        }
        push(f, atom, slope);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn torsions<T: Real>(table: &[Series<T>], x: &[Row<T>], f: &mut [Row<T>], energy: &mut Row<T>) {
    for torsion in table {
        let Dihedral { cos, sin, mut slopes } = dihedral(x, torsion.atoms);
        // cos and sin of n phi by rotation.
        let mut force = Row::ZERO;
        let (mut cn, mut sn) = (cos, sin);
        let mut n = T::ZERO;
        for &(c, s) in &torsion.terms {
            n += T::ONE;
            for l in 0..LANES {
                energy.0[l] += c * cn.0[l] + s * sn.0[l];
                force.0[l] += n * (c * sn.0[l] - s * cn.0[l]);
                let (next_c, next_s) =
                    (cn.0[l] * cos.0[l] - sn.0[l] * sin.0[l], sn.0[l] * cos.0[l] + cn.0[l] * sin.0[l]);
                cn.0[l] = next_c;
                sn.0[l] = next_s;
            }
        }
        for l in 0..LANES {
            energy.0[l] += torsion.constant;
        }
        turn(f, torsion.atoms, &mut slopes, &force);
    }
}

//! Energy maps of two dihedrals (CMAP) of one block of frames: the periodic bicubic spline, patch by patch.

use std::f64::consts::TAU;

use multiversion::multiversion;

use super::bonded::{dihedral, turn};
use super::params::Cmap;
use crate::energy::lanes::{LANES, Row};
use crate::real::Real;

/// One patch: `sum_km c[k][m] u^k v^m`, `u` and `v` in [0, 1] along the first and the second dihedral.
type Patch<T> = [[T; 4]; 4];

/// A map in the scalar type of a kernel.
pub(super) struct Map<T> {
    size: usize,
    /// `[second, first]`.
    patches: Vec<Patch<T>>,
    /// Where it acts.
    pub places: Vec<[[usize; 4]; 2]>,
}

impl<T: Real> Map<T> {
    /// Fits the spline.
    pub(super) fn new(cmap: &Cmap) -> Self {
        let patches = patches(cmap).into_iter().map(|patch| patch.map(|row| row.map(T::from_f64))).collect();
        Self { size: cmap.size, patches, places: cmap.places.clone() }
    }

    /// The number of the cell that a dihedral lies in, and where in it, [0, 1].
    #[inline(always)]
    fn cell(&self, cos: T, sin: T) -> (usize, T) {
        let half = sin.abs().angle(cos);
        let angle = if sin < T::ZERO { T::from_f64(TAU) - half } else { half };
        let at = angle * T::from_f64(self.size as f64 / TAU);
        // Rounding may reach a whole turn; what is no number falls into the first cell and stays none.
        let cell = (at.to_f64() as usize).min(self.size - 1);
        (cell, at - T::from_f64(cell as f64))
    }
}

/// Adds forces to `f [dim]` and the energy.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(super) fn add<T: Real>(map: &Map<T>, x: &[Row<T>], f: &mut [Row<T>], energy: &mut Row<T>) {
    // Cells per radian.
    let density = T::from_f64(map.size as f64 / TAU);
    for &[first, second] in &map.places {
        let (mut a, mut b) = (dihedral(x, first), dihedral(x, second));
        let (mut on_a, mut on_b) = (Row::ZERO, Row::ZERO);
        for l in 0..LANES {
            let ((i, u), (j, v)) = (map.cell(a.cos.0[l], a.sin.0[l]), map.cell(b.cos.0[l], b.sin.0[l]));
            let (mut e, mut by_u, mut by_v) = (T::ZERO, T::ZERO, T::ZERO);
            for &[c0, c1, c2, c3] in map.patches[j * map.size + i].iter().rev() {
                by_u = by_u.fma(u, e);
                e = e.fma(u, c3.fma(v, c2).fma(v, c1).fma(v, c0));
                by_v = by_v.fma(u, (T::from_f64(3.0) * c3).fma(v, c2 + c2).fma(v, c1));
            }
            energy.0[l] += e;
            on_a.0[l] = -(by_u * density);
            on_b.0[l] = -(by_v * density);
        }
        turn(f, first, &mut a.slopes, &on_a);
        turn(f, second, &mut b.slopes, &on_b);
    }
}

/// Slopes at the points of the cubic spline through `y`, periodic, with points 1 apart: the solution of
/// `m[i-1] + 4 m[i] + m[i+1] = 3 (y[i+1] - y[i-1])`. The inverse of that circulant matrix has the elements
/// `(z^k + z^(n-k)) / ((1 - z^n) 2 sqrt(3))`, `z = sqrt(3) - 2`.
fn slopes(y: &[f64]) -> Vec<f64> {
    let n = y.len();
    let z = 3.0_f64.sqrt() - 2.0;
    let power = |k: usize| z.powi(i32::try_from(k).unwrap_or(i32::MAX));
    let norm = (1.0 - power(n)) * 2.0 * 3.0_f64.sqrt();
    let inverse: Vec<f64> = (0..n).map(|k| (power(k) + power(n - k)) / norm).collect();
    let rise: Vec<f64> = (0..n).map(|i| 3.0 * (y[(i + 1) % n] - y[(i + n - 1) % n])).collect();
    (0..n).map(|i| (0..n).map(|k| inverse[k] * rise[(i + k) % n]).sum()).collect()
}

/// The patches of a map `[second, first]`.
fn patches(cmap: &Cmap) -> Vec<Patch<f64>> {
    let n = cmap.size;
    let along_first = |grid: &[f64]| grid.chunks_exact(n).flat_map(slopes).collect::<Vec<f64>>();
    let along_second = |grid: &[f64]| {
        let mut out = vec![0.0; n * n];
        for i in 0..n {
            let line: Vec<f64> = (0..n).map(|j| grid[j * n + i]).collect();
            slopes(&line).into_iter().enumerate().for_each(|(j, m)| out[j * n + i] = m);
        }
        out
    };
    let value = &cmap.energies;
    let (first, second) = (along_first(value), along_second(value));
    let both = along_first(&second);
    let patch = |cell: usize| {
        let (i, j) = (cell % n, cell / n);
        let (i1, j1) = ((i + 1) % n, (j + 1) % n);
        // For both corners and both slopes along the first dihedral: a cubic along the second.
        let line = |value: &[f64], slope: &[f64], i: usize| {
            cubic([value[j * n + i], value[j1 * n + i], slope[j * n + i], slope[j1 * n + i]])
        };
        let ends = [line(value, &second, i), line(value, &second, i1), line(&first, &both, i), line(&first, &both, i1)];
        let mut out = [[0.0; 4]; 4];
        for m in 0..4 {
            cubic(ends.map(|end| end[m])).into_iter().enumerate().for_each(|(k, c)| out[k][m] = c);
        }
        out
    };
    (0..n * n).map(patch).collect()
}

/// Coefficients by power of the cubic with these values and slopes at 0 and 1.
fn cubic([f0, f1, d0, d1]: [f64; 4]) -> [f64; 4] {
    [f0, d0, 3.0 * (f1 - f0) - 2.0 * d0 - d1, 2.0 * (f0 - f1) + d0 + d1]
}

#[cfg(test)]
mod tests {
    use super::slopes;

    /// The equations that define the slopes hold, for two points (where both neighbours are one) and for many.
    #[test]
    fn slopes_of_the_periodic_spline() {
        for n in [2, 3, 4, 24, 400] {
            let y: Vec<f64> = (0..n).map(|i| ((i * i) as f64).sin()).collect();
            let m = slopes(&y);
            for i in 0..n {
                let (next, last) = ((i + 1) % n, (i + n - 1) % n);
                let left = m[last] + 4.0 * m[i] + m[next];
                assert!((left - 3.0 * (y[next] - y[last])).abs() < 1e-13, "{n} {i}");
            }
        }
    }
}

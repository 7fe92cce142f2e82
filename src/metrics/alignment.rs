//! Distances between configurations up to permutation, rotation and reflection.

use std::sync::LazyLock;

use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

use super::assignment::Assignment;
use crate::geometry::centre;
use crate::stop;

/// Rotation or reflection R that minimises `|x - y R|` for `x, y [n, 3]` (Kabsch 1976, without determinant fix).
///
/// Both must be centred. Rows are points, so R acts from the right.
#[must_use]
pub fn kabsch(x: &[f64], y: &[f64]) -> Matrix3<f64> {
    let mut h = [[0.0; 3]; 3];
    for (p, q) in x.as_chunks::<3>().0.iter().zip(y.as_chunks::<3>().0) {
        for (row, b) in h.iter_mut().zip(q) {
            for (entry, a) in row.iter_mut().zip(p) {
                *entry += b * a;
            }
        }
    }
    let h = Matrix3::from_fn(|i, j| h[i][j]);
    let svd = h.svd(true, true);
    svd.u.zip(svd.v_t).map_or_else(Matrix3::identity, |(u, v_t)| u * v_t)
}

/// Aligns pairs of configurations, with reused buffers. One per thread.
#[derive(Debug, Clone)]
pub struct Aligner {
    atoms: usize,
    assignment: Assignment,
    cost: Vec<f64>,
    turned: Vec<f64>,
    matched: Vec<f64>,
    columns: Vec<usize>,
}

impl Aligner {
    /// Buffers for `atoms` particles.
    #[must_use]
    pub fn new(atoms: usize) -> Self {
        Self {
            atoms,
            assignment: Assignment::new(atoms),
            cost: vec![0.0; atoms * atoms],
            turned: vec![0.0; 3 * atoms],
            matched: vec![0.0; 3 * atoms],
            columns: vec![0; atoms],
        }
    }

    /// The reference code's pair distance of centred `x, y [atoms, 3]`: match particles on plain distances without any
    /// rotation, then Kabsch; the norm of what is left, not squared. One pass, so not the minimum.
    pub fn one_pass(&mut self, x: &[f64], y: &[f64]) -> f64 {
        let r = self.one_pass_rotation(x, y);
        residual(x, &self.matched, &r).sqrt()
    }

    /// The rotation of [`Aligner::one_pass`]; leaves the matched `y` in the buffer.
    fn one_pass_rotation(&mut self, x: &[f64], y: &[f64]) -> Matrix3<f64> {
        self.turned.copy_from_slice(y);
        self.match_particles(x, y, f64::sqrt);
        kabsch(x, &self.matched)
    }

    /// Particle of `y` matched to each particle of `x` by the last call.
    #[must_use]
    pub fn matching(&self) -> &[usize] {
        &self.columns
    }

    /// Least squared distance of centred `x, y [atoms, 3]` that alternating matching and Kabsch finds from
    /// the rotation of [`Aligner::one_pass`] (so it is never above that) and from three fixed orientations. Every alternation lowers
    /// it; the result is an upper bound of the true minimum.
    pub fn iterated_squared(&mut self, x: &[f64], y: &[f64]) -> f64 {
        let mut best = f64::INFINITY;
        let first = self.one_pass_rotation(x, y);
        for start in std::iter::once(first).chain(*STARTS) {
            let mut r = start;
            let mut last = f64::INFINITY;
            // Each round either improves the matching or ends; 50 is never reached in practice.
            for round in 0..50 {
                turn(y, &r, &mut self.turned);
                let changed = self.match_particles(x, y, |squared| squared);
                if round > 0 && !changed {
                    break;
                }
                r = kabsch(x, &self.matched);
                let now = residual(x, &self.matched, &r);
                if now >= last * (1.0 - 1e-9) {
                    last = last.min(now);
                    break;
                }
                last = now;
            }
            best = best.min(last);
        }
        best
    }

    /// Exact matching of `x` with the turned `y`, under `f` of the squared distances; whether it differs from the last. Leaves
    /// the matched `y` in the buffer.
    fn match_particles(&mut self, x: &[f64], y: &[f64], f: impl Fn(f64) -> f64) -> bool {
        for i in 0..self.atoms {
            for j in 0..self.atoms {
                let d = |c: usize| x[3 * i + c] - self.turned[3 * j + c];
                self.cost[i * self.atoms + j] = f(d(0) * d(0) + d(1) * d(1) + d(2) * d(2));
            }
        }
        let columns = self.assignment.solve(&self.cost);
        let changed = columns != self.columns;
        self.columns.copy_from_slice(columns);
        for (matched, &j) in self.matched.as_chunks_mut::<3>().0.iter_mut().zip(columns) {
            matched.copy_from_slice(&y[3 * j..3 * j + 3]);
        }
        changed
    }
}

/// Further starting orientations of [`Aligner::iterated_squared`]: the mirror image, and two fixed generic rotations.
static STARTS: LazyLock<[Matrix3<f64>; 3]> = LazyLock::new(|| {
    let turn = |x: f64, y: f64, z: f64| *nalgebra::Rotation3::new(Vector3::new(x, y, z)).matrix();
    [-Matrix3::identity(), turn(1.1, 0.4, -0.7), turn(-0.5, 1.6, 0.9)]
});

fn turn(y: &[f64], r: &Matrix3<f64>, out: &mut [f64]) {
    for (q, out) in y.as_chunks::<3>().0.iter().zip(out.as_chunks_mut::<3>().0) {
        for (c, value) in out.iter_mut().enumerate() {
            *value = q[0] * r[(0, c)] + q[1] * r[(1, c)] + q[2] * r[(2, c)];
        }
    }
}

fn residual(x: &[f64], y: &[f64], r: &Matrix3<f64>) -> f64 {
    let mut sum = 0.0;
    for (p, q) in x.as_chunks::<3>().0.iter().zip(y.as_chunks::<3>().0) {
        for c in 0..3 {
            let d = p[c] - (q[0] * r[(0, c)] + q[1] * r[(1, c)] + q[2] * r[(2, c)]);
            sum += d * d;
        }
    }
    sum
}

/// The pair distance that a cost matrix holds: [`Aligner::one_pass`] or [`Aligner::iterated_squared`].
pub type PairCost = fn(&mut Aligner, &[f64], &[f64]) -> f64;

/// Costs `[n, m]` between all pairs of `x [n, atoms, 3]` and `y [m, atoms, 3]`, in parallel.
#[must_use]
pub fn pair_costs(pair_cost: PairCost, x: &[f64], y: &[f64], atoms: usize) -> Vec<f64> {
    let (mut x, mut y) = (x.to_vec(), y.to_vec());
    centre(&mut x, atoms);
    centre(&mut y, atoms);
    let dim = 3 * atoms;
    let m = y.len() / dim;
    let mut cost = vec![0.0; x.len() / dim * m];
    if m > 0 {
        cost.par_chunks_mut(m).zip(x.par_chunks(dim)).for_each_init(
            || Aligner::new(atoms),
            |aligner, (row, x)| {
                for (value, y) in row.iter_mut().zip(y.chunks_exact(dim)).take_while(|_| !stop::requested()) {
                    *value = pair_cost(aligner, x, y);
                }
            },
        );
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn cluster(index: u32) -> Vec<f64> {
        let mut draws = Stream::new(5, Purpose::Evaluation, 0).at(index);
        let mut x: Vec<f64> = (0..39).map(|_| draws.normal()).collect();
        centre(&mut x, 13);
        x
    }

    /// A permuted, slightly rotated mirror image is at distance zero; a far one never beats one pass.
    #[test]
    fn invariance() {
        let x = cluster(0);
        let mut y = vec![0.0; 39];
        let r = -*nalgebra::Rotation3::new(Vector3::new(0.1, -0.15, 0.2)).matrix();
        turn(&x, &r, &mut y);
        y.rotate_left(12);
        let mut aligner = Aligner::new(13);
        assert!(aligner.iterated_squared(&x, &y) < 1e-24);
        for i in 1..20 {
            let y = cluster(i);
            let one = aligner.one_pass(&x, &y);
            assert!(aligner.iterated_squared(&x, &y).sqrt() <= one * (1.0 + 1e-9));
        }
    }
}

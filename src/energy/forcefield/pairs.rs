//! Pairs of one block of frames: distances, Lennard-Jones and Coulomb, and the force that every pair term adds to.
//!
//! Passes run over [`TILE`] pairs at a time, which stay in the first cache; what later passes need of all pairs does not fit
//! there for more than a few residues. A tile whose pairs are all beyond the cutoffs, in every frame of the block, ends with
//! its squared distances: it would add zeros.
//!
//! Pairs come in three classes, one after the other: plain ones (cut off), exceptions with parameters of their own (never
//! cut off), and excluded ones, which only the solvation sees.

use std::ops::Range;

use multiversion::multiversion;

use super::params;
use crate::energy::lanes::{LANES, Row, Sum};
use crate::real::Real;

/// Squared distances (nm^2) are taken to be at least this, so that coinciding atoms give a large energy and not NaN.
const LEAST_SQUARE: f64 = 1e-12;

/// `a`, `b` and `qq` of `inv6 (a inv6 - b) + qq (1/r + krf r^2 - crf)`: see [`params::Exception::coefficients`].
type Coefficients<T> = [T; 3];

/// All pairs of a molecule, with their parameters in the scalar type of a kernel.
pub(super) struct Pairs<T> {
    /// Every pair once, smaller index first, by class.
    pub atoms: Vec<[usize; 2]>,
    plain: Vec<Coefficients<T>>,
    exceptions: Vec<Coefficients<T>>,
    cutoff: Option<T>,
    /// From this squared distance on a plain pair feels nothing, not even through the solvent. `None`: it always does.
    reach: Option<T>,
    krf: T,
    crf: T,
}

/// Pairs of a tile. Few, so that whole tiles are beyond the cutoff in an extended chain; parts of a [`Sum`] are whole tiles.
const TILE: usize = 16;

/// The pairs `0..n` tile by tile.
pub(super) fn tiles(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(TILE).map(move |from| from..n.min(from + TILE))
}

/// What passes over the pairs leave for later ones; rows by pair.
pub(super) struct PairRows<T> {
    /// Distance.
    pub r: Vec<Row<T>>,
    /// Its inverse (the squared distance at first), of the pairs of the tile alone.
    pub inv_r: Vec<Row<T>>,
    /// `dE/dr / r`, of near tiles.
    pub slope: Vec<Row<T>>,
    /// By tile: whether all of its pairs are beyond reach.
    pub far: Vec<bool>,
}

impl<T: Real> PairRows<T> {
    /// Memory for `n` pairs.
    pub(super) fn new(n: usize) -> Self {
        let rows = || vec![Row::ZERO; n];
        Self { r: rows(), inv_r: vec![Row::ZERO; n.min(TILE)], slope: rows(), far: vec![false; n.div_ceil(TILE)] }
    }
}

impl<T: Real> Pairs<T> {
    /// Sorts the pairs by class. Without solvation, excluded pairs are left out; without `NonbondedForce`, all are
    /// excluded.
    pub(super) fn new(ff: &params::ForceField) -> Self {
        let n = ff.atoms();
        let (mut plain, mut exceptions, mut excluded) = (Vec::new(), Vec::new(), Vec::new());
        let nonbonded = ff.nonbonded.as_ref();
        let own = nonbonded.map(params::Nonbonded::exceptions_by_pair).unwrap_or_default();
        for i in 0..n {
            for j in i + 1..n {
                let Some(nb) = nonbonded else {
                    excluded.push([i, j]);
                    continue;
                };
                let own = own.get(&[i, j]);
                let c = nb.pair(own, i, j).coefficients().map(T::from_f64);
                match own {
                    None => plain.push(([i, j], c)),
                    Some(own) if own.charge_product != 0.0 || own.epsilon != 0.0 => exceptions.push(([i, j], c)),
                    Some(_) => excluded.push([i, j]),
                }
            }
        }
        let cutoff = nonbonded.and_then(|nb| nb.cutoff);
        let (krf, crf) = cutoff.map_or((0.0, 0.0), |c| c.reaction_field());
        let mut atoms: Vec<[usize; 2]> = plain.iter().chain(&exceptions).map(|(pair, _)| *pair).collect();
        if ff.gb.is_some() {
            atoms.extend(excluded);
        }
        let coefficients = |class: Vec<([usize; 2], Coefficients<T>)>| class.into_iter().map(|(_, c)| c).collect();
        Self {
            atoms,
            plain: coefficients(plain),
            exceptions: coefficients(exceptions),
            cutoff: cutoff.map(|c| T::from_f64(c.distance)),
            reach: reach(ff).map(T::from_f64),
            krf: T::from_f64(krf),
            crf: T::from_f64(crf),
        }
    }

    /// Pairs with a direct interaction.
    pub(super) fn direct(&self) -> usize {
        self.plain.len() + self.exceptions.len()
    }

    /// Fills the distances of a tile, and sets every slope to that of Lennard-Jones and Coulomb; adds their energy. False for
    /// a tile beyond reach: nothing more is to be done with it.
    pub(super) fn start(&self, tile: &Range<usize>, x: &[Row<T>], rows: &mut PairRows<T>, sum: &mut Sum<T>) -> bool {
        let inv_r = &mut rows.inv_r[..tile.len()];
        squares(&self.atoms[tile.clone()], x, inv_r);
        let far = tile.end <= self.plain.len() && self.reach.is_some_and(|reach| all_beyond(reach, inv_r));
        rows.far[tile.start / TILE] = far;
        if far {
            sum.added(tile.end - 1);
            return false;
        }
        roots(inv_r, &mut rows.r[tile.clone()]);
        let (p, e) = (self.plain.len(), self.plain.len() + self.exceptions.len());
        let part = |from: usize, to: usize| tile.start.max(from)..tile.end.min(to).max(tile.start.max(from));
        let (plain, exceptions, excluded) = (part(0, p), part(p, e), part(e, usize::MAX));
        let (first, table) = (tile.start, &self.plain[plain.start.min(p)..plain.end.min(p)]);
        match self.cutoff {
            Some(rc) => nonbonded::<T, true>(table, (plain.start, first), (rc, self.krf, self.crf), rows, sum),
            None => nonbonded::<T, false>(table, (plain.start, first), (T::ZERO, self.krf, self.crf), rows, sum),
        }
        let table = &self.exceptions[(exceptions.start - p).min(e - p)..(exceptions.end - p).min(e - p)];
        nonbonded::<T, false>(table, (exceptions.start, first), (T::ZERO, T::ZERO, T::ZERO), rows, sum);
        rows.slope[excluded].fill(Row::ZERO);
        true
    }

    /// Adds the forces of the slopes of a tile to `f [dim]`.
    pub(super) fn finish(&self, tile: &Range<usize>, x: &[Row<T>], rows: &PairRows<T>, f: &mut [Row<T>]) {
        forces(&self.atoms[tile.clone()], x, &rows.slope[tile.clone()], f);
    }
}

/// The square of the larger cutoff, nm^2, and a little more, so that rounding cannot bring a pair beyond it back inside; `None`
/// where a cutoff is missing.
fn reach(ff: &params::ForceField) -> Option<f64> {
    let direct = ff.nonbonded.as_ref().map_or(Some(0.0), |nb| Some(nb.cutoff?.distance));
    let solvent = ff.gb.as_ref().map_or(Some(0.0), |gb| gb.cutoff);
    Some(direct?.max(solvent?).powi(2) * (1.0 + 1e-5))
}

/// Whether all numbers are at least this; one that is none is not.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn all_beyond<T: Real>(reach: T, squares: &[Row<T>]) -> bool {
    let mut beyond = true;
    for row in squares {
        for l in 0..LANES {
            beyond &= row.0[l] >= reach;
        }
    }
    beyond
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn squares<T: Real>(pairs: &[[usize; 2]], x: &[Row<T>], squares: &mut [Row<T>]) {
    let least = T::from_f64(LEAST_SQUARE);
    let points = x.as_chunks::<3>().0;
    for (&[i, j], out) in pairs.iter().zip(squares) {
        let (xi, xj) = (&points[i], &points[j]);
        for l in 0..LANES {
            let dx = xi[0].0[l] - xj[0].0[l];
            let dy = xi[1].0[l] - xj[1].0[l];
            let dz = xi[2].0[l] - xj[2].0[l];
            let square = dx.fma(dx, dy.fma(dy, dz * dz));
            out.0[l] = if square > least { square } else { least };
        }
    }
}

/// Distances, and their inverses in place of their squares.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn roots<T: Real>(squares: &mut [Row<T>], r: &mut [Row<T>]) {
    for (square, r) in squares.iter_mut().zip(r) {
        for l in 0..LANES {
            let inverse = T::ONE / square.0[l].sqrt();
            r.0[l] = square.0[l] * inverse;
            square.0[l] = inverse;
        }
    }
}

/// Pairs `from..` of the tile that begins at `first`, with these coefficients; `CUT` leaves out what is beyond the cutoff.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn nonbonded<T: Real, const CUT: bool>(
    table: &[Coefficients<T>],
    (from, first): (usize, usize),
    (cutoff, krf, crf): (T, T, T),
    rows: &mut PairRows<T>,
    sum: &mut Sum<T>,
) {
    if table.is_empty() {
        return;
    }
    let (two, six, twelve) = (T::from_f64(2.0), T::from_f64(6.0), T::from_f64(12.0));
    let here = from..from + table.len();
    let distances = rows.r[here.clone()].iter().zip(&rows.inv_r[here.start - first..here.end - first]);
    for (p, ((&[a, b, qq], (r, inv_r)), slope)) in table.iter().zip(distances).zip(&mut rows.slope[here]).enumerate() {
        for l in 0..LANES {
            let (r, inv) = (r.0[l], inv_r.0[l]);
            let inv2 = inv * inv;
            let inv6 = inv2 * inv2 * inv2;
            let coulomb = qq * inv;
            let r2 = r * r;
            let e = inv6.fma(a * inv6 - b, qq.fma(krf * r2 - crf, coulomb));
            // -r dE/dr, over r^2.
            let s = inv2 * (inv6.fma(twelve * a * inv6 - six * b, coulomb)) - two * qq * krf;
            let inside = !CUT || r < cutoff;
            sum.part.0[l] += if inside { e } else { T::ZERO };
            slope.0[l] = if inside { -s } else { T::ZERO };
        }
        sum.added(from + p);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn forces<T: Real>(pairs: &[[usize; 2]], x: &[Row<T>], slopes: &[Row<T>], f: &mut [Row<T>]) {
    let points = x.as_chunks::<3>().0;
    for (&[i, j], slope) in pairs.iter().zip(slopes) {
        for c in 0..3 {
            let (xi, xj) = (&points[i][c], &points[j][c]);
            let mut push = Row::ZERO;
            for l in 0..LANES {
                push.0[l] = slope.0[l] * (xi.0[l] - xj.0[l]);
            }
            let row = &mut f[3 * i + c];
            for l in 0..LANES {
                row.0[l] -= push.0[l];
            }
            f[3 * j + c].add(&push);
        }
    }
}

//! Batches as blocks of frames: frames are the SIMD lanes.
//!
//! A block holds [`LANES`] frames transposed to structure of arrays, so that every operation of a kernel acts on whole
//! vectors. A lane never sees its neighbours: a frame's result does not depend on its place in the batch, on the batch
//! size, or on the number of threads.

use rayon::prelude::*;

use crate::lanes::pool::Pool;
use crate::real::Real;

/// Frames per block: one AVX-512 register of f32, two of f64.
pub const LANES: usize = 16;
/// Blocks of one rayon task.
const TASK: usize = 8;

/// One quantity of all frames of a block, on a cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Row<T>(pub [T; LANES]);

impl<T: Real> Row<T> {
    /// Zeros.
    pub const ZERO: Self = Self([T::ZERO; LANES]);

    /// Adds another row.
    #[inline(always)]
    pub fn add(&mut self, more: &Self) {
        for l in 0..LANES {
            self.0[l] += more.0[l];
        }
    }
}

/// `n` rows of zeros.
#[must_use]
pub fn rows<T: Real>(n: usize) -> Vec<Row<T>> {
    vec![Row::ZERO; n]
}

/// Summands of one part of a [`Sum`]. (Whole tiles of pairs: one that adds nothing may end a part.)
const PART: usize = 32;

/// A sum of many rows, accurate to about the rounding of its result: parts of a few summands each are added together with
/// what rounding lost of them (Kahan 1965). Thousands of pairs added one by one in f32 lose 3e-5 of a peptide's energy.
pub struct Sum<T> {
    /// What the next summands are added to.
    pub part: Row<T>,
    total: Row<T>,
    lost: Row<T>,
}

impl<T: Real> Sum<T> {
    /// Nothing.
    pub const ZERO: Self = Self { part: Row::ZERO, total: Row::ZERO, lost: Row::ZERO };

    /// After summand number `i`, from 0, was added to the part.
    #[inline(always)]
    pub fn added(&mut self, i: usize) {
        if i % PART == PART - 1 {
            self.close();
        }
    }

    #[inline(always)]
    fn close(&mut self) {
        for l in 0..LANES {
            let part = self.part.0[l] - self.lost.0[l];
            let total = self.total.0[l] + part;
            // Nothing is lost of an infinite sum: that would be no number.
            let lost = (total - self.total.0[l]) - part;
            self.lost.0[l] = if lost.abs() <= total.abs() { lost } else { T::ZERO };
            self.total.0[l] = total;
        }
        self.part = Row::ZERO;
    }

    /// Adds the sum to `out`.
    #[inline(always)]
    pub fn end(mut self, out: &mut Row<T>) {
        self.close();
        out.add(&self.total);
    }
}

/// An energy function of one block of frames, at precision `T`.
pub trait Kernel<T: Real>: Send + Sync {
    /// Memory that one thread needs while it evaluates.
    type Scratch: Send;

    /// Atoms per frame.
    fn atoms(&self) -> usize;

    /// Number of additive terms.
    fn terms(&self) -> usize;

    /// Memory for one thread.
    fn scratch(&self) -> Self::Scratch;

    /// Forces `f [dim]` and energies by term `terms` at `x [dim]`; what they held before does not matter.
    fn evaluate(&self, scratch: &mut Self::Scratch, x: &[Row<T>], f: &mut [Row<T>], terms: &mut [Row<T>]);
}

/// Transposes frames `[n, dim]`, 1 to [`LANES`] of them, into rows `[dim]`; spare lanes repeat the last frame (any
/// finite geometry will do).
#[inline]
pub fn gather<S: Copy, T: Real>(frames: &[S], dim: usize, rows: &mut [Row<T>], convert: impl Fn(S) -> T) {
    let n = frames.len() / dim;
    for l in 0..LANES {
        let frame = &frames[l.min(n - 1) * dim..][..dim];
        for (row, &x) in rows.iter_mut().zip(frame) {
            row.0[l] = convert(x);
        }
    }
}

/// Transposes rows `[dim]` back into frames `[n, dim]`, dropping spare lanes.
#[inline]
pub fn scatter<S, T: Real>(rows: &[Row<T>], dim: usize, frames: &mut [S], convert: impl Fn(T) -> S) {
    for (l, frame) in frames.chunks_exact_mut(dim).enumerate() {
        for (x, row) in frame.iter_mut().zip(rows) {
            *x = convert(row.0[l]);
        }
    }
}

/// Evaluates a batch: forces `[n, dim]` in place; `terms [n, terms]` by frame.
pub fn batch<T: Real, K: Kernel<T>>(kernel: &K, positions: &[T], forces: &mut [T], terms: &mut [T]) {
    let (dim, n_terms) = (3 * kernel.atoms(), kernel.terms());
    let chunk = TASK * LANES;
    // Work is cut into many jobs; memory for all pairs of a large molecule is made once a thread.
    let pool = Pool::default();
    positions
        .par_chunks(chunk * dim)
        .zip(forces.par_chunks_mut(chunk * dim))
        .zip(terms.par_chunks_mut(chunk * n_terms))
        .for_each_init(
            || pool.lend(|| (kernel.scratch(), rows(dim), rows(dim), rows(n_terms))),
            |memory, ((positions, forces), terms)| {
                let (scratch, x, f, t) = &mut **memory;
                let blocks = positions
                    .chunks(LANES * dim)
                    .zip(forces.chunks_mut(LANES * dim))
                    .zip(terms.chunks_mut(LANES * n_terms));
                for ((positions, forces), terms) in blocks {
                    gather(positions, dim, x, |x| x);
                    kernel.evaluate(scratch, x, f, t);
                    scatter(f, dim, forces, |f| f);
                    scatter(t, n_terms, terms, |t| t);
                }
            },
        );
}

/// Energies `[n]` and forces `[n, dim]` of a batch.
pub fn energy_forces<T: Real, K: Kernel<T>>(kernel: &K, positions: &[T], energies: &mut [T], forces: &mut [T]) {
    let n_terms = kernel.terms();
    let mut terms = vec![T::ZERO; energies.len() * n_terms];
    batch(kernel, positions, forces, &mut terms);
    for (e, terms) in energies.iter_mut().zip(terms.chunks_exact(n_terms)) {
        *e = terms.iter().fold(T::ZERO, |sum, &term| sum + term);
    }
}

//! Samples in parallel, with sums that do not depend on the number of threads.

use rayon::prelude::*;

use crate::lanes::num::{H, Lanes, Num, Vec3};
use crate::real::Real;

/// Samples whose parameter gradients are summed one after the other; chunk sums are then added in order.
pub(super) const CHUNK: usize = 16;

/// Runs `f(memory, sample, row of a, row of b)` for every sample; `a` and `b` hold `samples` rows each.
pub(super) fn for_each<T: Real, M>(
    samples: usize,
    a: &mut [T],
    b: &mut [T],
    memory: impl Fn() -> M + Sync + Send,
    f: impl Fn(&mut M, usize, &mut [T], &mut [T]) + Sync + Send,
) {
    let (da, db) = (a.len() / samples.max(1), b.len() / samples.max(1));
    a.par_chunks_mut(da.max(1))
        .zip(b.par_chunks_mut(db.max(1)))
        .enumerate()
        .with_min_len(CHUNK)
        .for_each_init(memory, |memory, (i, (a, b))| f(memory, i, a, b));
}

/// As [`for_each`], while `f` adds to a weight gradient of `rows` packed rows; returns the sum over samples.
pub(super) fn sum_gradients<T: Real, M>(
    rows: usize,
    samples: usize,
    a: &mut [T],
    b: &mut [T],
    memory: impl Fn() -> M + Sync + Send,
    f: impl Fn(&mut M, usize, &mut [T], &mut [T], &mut [Lanes<T>]) + Sync + Send,
) -> Vec<Lanes<T>> {
    let zero = || vec![Lanes([T::ZERO; H]); rows];
    let (da, db) = (a.len() / samples.max(1), b.len() / samples.max(1));
    let (da, db) = (da.max(1), db.max(1));
    let sums: Vec<Vec<Lanes<T>>> = a
        .par_chunks_mut(CHUNK * da)
        .zip(b.par_chunks_mut(CHUNK * db))
        .enumerate()
        .map_init(memory, |memory, (chunk, (a, b))| {
            let mut grad = zero();
            for (k, (a, b)) in a.chunks_mut(da).zip(b.chunks_mut(db)).enumerate() {
                f(memory, chunk * CHUNK + k, a, b, &mut grad);
            }
            grad
        })
        .collect();
    let mut total = zero();
    for sum in &sums {
        for (t, s) in total.as_mut_slice().iter_mut().zip(sum) {
            for o in 0..H {
                t.0[o] += s.0[o];
            }
        }
    }
    total
}

/// Points from a flat row.
pub(super) fn points<T: Real>(x: &[T], scale: T, out: &mut [Vec3<T, 1>]) {
    for (p, x) in out.iter_mut().zip(x.as_chunks::<3>().0) {
        *p = x.map(|c| Num([c * scale]));
    }
}

/// Points with one tangent from two flat rows.
pub(super) fn dual_points<T: Real>(x: &[T], scale: T, tangent: impl Fn(usize) -> T, out: &mut [Vec3<T, 2>]) {
    for (i, (p, x)) in out.iter_mut().zip(x.as_chunks::<3>().0).enumerate() {
        *p = std::array::from_fn(|c| Num([x[c] * scale, tangent(3 * i + c)]));
    }
}

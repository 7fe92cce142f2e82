//! Samples in parallel, with sums that do not depend on the number of threads.

use rayon::prelude::*;

use crate::lanes::num::{H, Lanes, add_all};
use crate::real::Real;

/// Samples whose parameter gradients are summed one after the other; chunk sums are then added in order.
const CHUNK: usize = 16;

/// Runs `f(memory, sample, row of a, row of b)` for every sample; `a` and `b` hold `samples` rows each.
pub(super) fn for_each<M>(
    samples: usize,
    a: &mut [f64],
    b: &mut [f64],
    memory: impl Fn() -> M + Sync + Send,
    f: impl Fn(&mut M, usize, &mut [f64], &mut [f64]) + Sync + Send,
) {
    let [da, db] = [a.len(), b.len()].map(|len| (len / samples.max(1)).max(1));
    a.par_chunks_mut(da)
        .zip(b.par_chunks_mut(db))
        .enumerate()
        .with_min_len(CHUNK)
        .for_each_init(memory, |memory, (i, (a, b))| f(memory, i, a, b));
}

/// As [`for_each`], while `f` adds to a weight gradient of `rows` packed rows; returns the sum over samples.
pub(super) fn sum_gradients<T: Real, M>(
    rows: usize,
    samples: usize,
    a: &mut [f64],
    b: &mut [f64],
    memory: impl Fn() -> M + Sync + Send,
    f: impl Fn(&mut M, usize, &mut [f64], &mut [f64], &mut [Lanes<T>]) + Sync + Send,
) -> Vec<Lanes<T>> {
    let zero = || vec![Lanes([T::ZERO; H]); rows];
    let [da, db] = [a.len(), b.len()].map(|len| (len / samples.max(1)).max(1));
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
        add_all(&mut total, sum);
    }
    total
}

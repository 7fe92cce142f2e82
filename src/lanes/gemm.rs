//! The matrix products: rows times packed weights, and the outer products of weight gradients.
//!
//! Weights lie in panels of 32 outputs, `[outputs/32][inputs]` lanes (see [`crate::nn::dit::plan`]), packed once per call and
//! shared by all micro-batches; the rows need no packing. Each entry is one chain of fused multiply-adds in the order of
//! the inputs, whatever the number of rows, the block it falls in or the instruction set: a sample's numbers do not
//! depend on its batch.

use std::ops::Range;

use multiversion::{multiversion, target::target_cfg_f};

use crate::lanes::num::{H, Lanes, add_times};
use crate::real::Real;

/// Where the sums of [`product`] start.
#[derive(Clone, Copy)]
pub enum Start<'a, T> {
    /// At zero.
    Zero,
    /// At a bias.
    Bias(&'a [Lanes<T>]),
    /// At what the output holds.
    Add,
}

/// `y[r] = start + x[r] W`; `x [rows, inputs]`, `y [rows, outputs]` in lanes, `w [outputs][32 inputs]`.
pub fn product<T: Real>(
    w: &[Lanes<T>],
    x: &[Lanes<T>],
    inputs: usize,
    start: Start<'_, T>,
    y: &mut [Lanes<T>],
    outputs: usize,
) {
    product_panels(w, x, inputs, start, y, outputs, 0..outputs);
}

/// [`product`] for some panels of outputs; the others are left alone.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn product_panels<T: Real>(
    w: &[Lanes<T>],
    x: &[Lanes<T>],
    inputs: usize,
    start: Start<'_, T>,
    y: &mut [Lanes<T>],
    outputs: usize,
    panels: Range<usize>,
) {
    // 6 rows of two registers fill half of AVX-512's 32, 3 rows of four registers fill AVX2's 16.
    const WIDE: usize = 6;
    const NARROW: usize = 3;
    let rows = x.len() / inputs;
    for panel in panels {
        let w = &w[panel * inputs * H..][..inputs * H];
        let mut r = 0;
        if target_cfg_f!(target_feature = "avx512f") {
            while r + WIDE <= rows {
                block::<T, WIDE>(w, &x[r * inputs..], inputs, start, &mut y[r * outputs..], outputs, panel);
                r += WIDE;
            }
        }
        while r + NARROW <= rows {
            block::<T, NARROW>(w, &x[r * inputs..], inputs, start, &mut y[r * outputs..], outputs, panel);
            r += NARROW;
        }
        while r < rows {
            block::<T, 1>(w, &x[r * inputs..], inputs, start, &mut y[r * outputs..], outputs, panel);
            r += 1;
        }
    }
}

/// One panel of the first `R` rows.
#[inline(always)]
fn block<T: Real, const R: usize>(
    w: &[Lanes<T>],
    x: &[Lanes<T>],
    inputs: usize,
    start: Start<'_, T>,
    y: &mut [Lanes<T>],
    outputs: usize,
    panel: usize,
) {
    let mut sums = [Lanes([T::ZERO; H]); R];
    for r in 0..R {
        match start {
            Start::Zero => {}
            Start::Bias(bias) => sums[r] = bias[panel],
            Start::Add => sums[r] = y[r * outputs + panel],
        }
    }
    for (c, w) in w.as_chunks::<H>().0.iter().enumerate() {
        let mut xs = [&x[c]; R];
        for r in 0..R {
            xs[r] = &x[r * inputs + c];
        }
        for k in 0..H {
            let w = &w[k];
            for r in 0..R {
                let a = xs[r].0[k];
                for o in 0..H {
                    sums[r].0[o] = a.fma(w.0[o], sums[r].0[o]);
                }
            }
        }
    }
    for r in 0..R {
        y[r * outputs + panel] = sums[r];
    }
}

/// Inputs of a weight gradient that are summed together.
const GROUP: usize = 8;

/// Inputs and output gradients of the same rows.
pub type Pair<'a, T> = (&'a [Lanes<T>], &'a [Lanes<T>]);

/// Weight gradient `g[k][o] += sum_r x[r][k] y[r][o]` over the rows of `x [rows, inputs]` and `y [rows, outputs]`, pair
/// after pair; `g` in panels as the weights. `scratch` is working memory.
pub fn outer<T: Real>(
    pairs: &[Pair<'_, T>],
    inputs: usize,
    outputs: usize,
    g: &mut [Lanes<T>],
    scratch: &mut Vec<Lanes<T>>,
) {
    for (x, y) in pairs {
        let rows = y.len() / outputs;
        scratch.resize(y.len().max(scratch.len()), Lanes([T::ZERO; H]));
        // Columns of lanes, each contiguous over the rows.
        for (r, y) in y.chunks_exact(outputs).enumerate() {
            for (c, y) in y.iter().enumerate() {
                scratch[c * rows + r] = *y;
            }
        }
        outer_columns(x, inputs, &scratch[..y.len()], rows, g);
    }
}

/// [`outer`] of rows `x [rows, inputs]` and columns `y [outputs][rows]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn outer_columns<T: Real>(x: &[Lanes<T>], inputs: usize, y: &[Lanes<T>], rows: usize, g: &mut [Lanes<T>]) {
    for (y, g) in y.chunks_exact(rows).zip(g.chunks_exact_mut(inputs * H)) {
        for (c, g) in g.as_chunks_mut::<H>().0.iter_mut().enumerate() {
            for (part, g) in g.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
                // Sums by name: as an array with a loop over them, the compiler vectorises across the sums (gathers).
                let [mut s0, mut s1, mut s2, mut s3, mut s4, mut s5, mut s6, mut s7] = *g;
                for (x, y) in x.chunks_exact(inputs).zip(y) {
                    let x = &x[c].0.as_chunks::<GROUP>().0[part];
                    add_times(&mut s0, x[0], y);
                    add_times(&mut s1, x[1], y);
                    add_times(&mut s2, x[2], y);
                    add_times(&mut s3, x[3], y);
                    add_times(&mut s4, x[4], y);
                    add_times(&mut s5, x[5], y);
                    add_times(&mut s6, x[6], y);
                    add_times(&mut s7, x[7], y);
                }
                *g = [s0, s1, s2, s3, s4, s5, s6, s7];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<Lanes<f32>> {
        (0..n)
            .map(|i| Lanes(std::array::from_fn(|o| (((i * H + o) * 7919 + seed) % 1013) as f32 / 500.0 - 1.0)))
            .collect()
    }

    /// Against sums in f64; and each row alone gives the same bits as in a batch.
    #[test]
    fn products_are_right_and_independent_of_the_batch() {
        let (inputs, outputs, rows) = (2, 3, 23);
        let (w, x, bias) = (numbers(outputs * inputs * H, 1), numbers(rows * inputs, 2), numbers(outputs, 3));
        let mut y = numbers(rows * outputs, 4);
        product(&w, &x, inputs, Start::Bias(&bias), &mut y, outputs);
        for r in 0..rows {
            let mut one = vec![Lanes([0.0; H]); outputs];
            product(&w, &x[r * inputs..][..inputs], inputs, Start::Bias(&bias), &mut one, outputs);
            assert_eq!(one, y[r * outputs..][..outputs]);
            for o in 0..outputs * H {
                let term = |k: usize| {
                    f64::from(x[r * inputs + k / H].0[k % H]) * f64::from(w[(o / H) * inputs * H + k].0[o % H])
                };
                let sum: f64 = f64::from(bias[o / H].0[o % H]) + (0..inputs * H).map(term).sum::<f64>();
                assert!((f64::from(y[r * outputs + o / H].0[o % H]) - sum).abs() < 1e-4);
            }
        }
        let before = y.clone();
        product(&w, &x, inputs, Start::Add, &mut y, outputs);
        assert!((y[5].0[3] - (2.0 * before[5].0[3] - bias[2].0[3])).abs() < 1e-4);
    }

    #[test]
    fn outer_is_the_transposed_product() {
        let (inputs, outputs, rows) = (2, 3, 11);
        let (x, y) = (numbers(rows * inputs, 2), numbers(rows * outputs, 4));
        let mut g = numbers(inputs * outputs * H, 5);
        let before = g.clone();
        let (head, tail) = (4 * inputs, 4 * outputs);
        let pairs = [(&x[..head], &y[..tail]), (&x[head..], &y[tail..])];
        outer(&pairs, inputs, outputs, &mut g, &mut Vec::new());
        for k in 0..inputs * H {
            for o in 0..outputs * H {
                let at = (o / H) * inputs * H + k;
                let term =
                    |r: usize| f64::from(x[r * inputs + k / H].0[k % H]) * f64::from(y[r * outputs + o / H].0[o % H]);
                let sum = f64::from(before[at].0[o % H]) + (0..rows).map(term).sum::<f64>();
                assert!((f64::from(g[at].0[o % H]) - sum).abs() < 1e-4);
            }
        }
    }
}

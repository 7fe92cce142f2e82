//! The dense loops: matrix products over blocks of rows, and the activation. Compiled for AVX-512, AVX2 and the
//! baseline instruction set; every version rounds alike (fused multiply-add), in the same order.

use multiversion::multiversion;

use crate::lanes::num::{H, Lanes, Row, add_times};
use crate::real::Real;

/// Rows that share one pass over the weights.
const BLOCK: usize = 4;

/// `y[r][o] = sum_k x[r][k] w[k][o]`, or `+=` when `ACCUMULATE`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn linear<T: Real, const ACCUMULATE: bool>(w: &[Lanes<T>; H], x: &[Lanes<T>], y: &mut [Lanes<T>]) {
    let (x_blocks, x_rest) = x.as_chunks::<BLOCK>();
    let (y_blocks, y_rest) = y.as_chunks_mut::<BLOCK>();
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        linear_block::<T, BLOCK, ACCUMULATE>(w, x, y);
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        linear_block::<T, 1, ACCUMULATE>(w, &[*x], std::array::from_mut(y));
    }
}

/// [`linear`] on `R` rows, for use inside other compiled-per-target loops.
#[inline(always)]
pub fn linear_block<T: Real, const R: usize, const ACCUMULATE: bool>(
    w: &[Lanes<T>; H],
    x: &[Lanes<T>; R],
    y: &mut [Lanes<T>; R],
) {
    let mut sums = if ACCUMULATE { *y } else { [Lanes([T::ZERO; H]); R] };
    for k in 0..H {
        let w = &w[k];
        for r in 0..R {
            let a = x[r].0[k];
            for o in 0..H {
                sums[r].0[o] = a.fma(w.0[o], sums[r].0[o]);
            }
        }
    }
    *y = sums;
}

/// Weight gradient `g[k][o] += sum_r (x[r][k] y[r][o])`, last component of the product.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn outer<T: Real, const K: usize>(x: &[Row<T, K>], y: &[Row<T, K>], g: &mut [Lanes<T>]) {
    for (block, [g0, g1, g2, g3]) in g.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // Four sums by name: as an array with a loop over them, the compiler vectorises across the sums (gathers).
        let (mut s0, mut s1, mut s2, mut s3) = (*g0, *g1, *g2, *g3);
        let k = block * 4;
        for (x, y) in x.iter().zip(y) {
            let (a, b) = (&x[0].0, &y[K - 1]);
            add_times(&mut s0, a[k], b);
            add_times(&mut s1, a[k + 1], b);
            add_times(&mut s2, a[k + 2], b);
            add_times(&mut s3, a[k + 3], b);
            if K > 1 {
                let (a, b) = (&x[K - 1].0, &y[0]);
                add_times(&mut s0, a[k], b);
                add_times(&mut s1, a[k + 1], b);
                add_times(&mut s2, a[k + 2], b);
                add_times(&mut s3, a[k + 3], b);
            }
        }
        (*g0, *g1, *g2, *g3) = (s0, s1, s2, s3);
    }
}

/// `z <- SiLU(z + bias)` and `slope <- SiLU'(z + bias)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn silu<T: Real, const K: usize>(bias: &Lanes<T>, z: &mut [Row<T, K>], slope: &mut [Row<T, K>]) {
    let two = T::ONE + T::ONE;
    for (z, slope) in z.iter_mut().zip(slope) {
        let mut first = Lanes([T::ZERO; H]);
        let mut second = Lanes([T::ZERO; H]);
        for o in 0..H {
            let x = z[0].0[o] + bias.0[o];
            let s = x.sigmoid();
            let c = T::ONE - s;
            z[0].0[o] = x * s;
            first.0[o] = s * x.fma(c, T::ONE);
            if K > 1 {
                second.0[o] = s * c * x.fma(c - s, two);
            }
        }
        slope[0] = first;
        for k in 1..K {
            for o in 0..H {
                let tangent = z[k].0[o];
                z[k].0[o] = tangent * first.0[o];
                slope[k].0[o] = tangent * second.0[o];
            }
        }
    }
}

//! GELU (tanh form) and SiLU, forward and reverse.

use multiversion::multiversion;

use super::mat::Mat;
use crate::lanes::num::{H, Lanes, Row, hadamard, one_row, product};
use crate::real::Real;

/// `sqrt(2/pi)`.
const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
/// Cubic coefficient of the tanh form.
const GELU_CUBIC: f64 = 0.044_715;

/// An activation with its first two derivatives.
pub trait Activation {
    /// `(f, f', f'')` at `x`.
    fn at<T: Real>(x: T) -> (T, T, T);
}

/// `x/2 (1 + tanh(a (x + b x^3)))`, `a = sqrt(2/pi)`, `b = 0.044715`; that is `x sigmoid(2a (x + b x^3))`.
pub struct Gelu;

impl Activation for Gelu {
    #[inline(always)]
    fn at<T: Real>(x: T) -> (T, T, T) {
        let (a, ab) = (T::from_f64(2.0 * GELU_SCALE), T::from_f64(2.0 * GELU_SCALE * GELU_CUBIC));
        let three = T::from_f64(3.0);
        let x2 = x * x;
        let s = (x * ab.fma(x2, a)).sigmoid();
        let inner = (three * ab).fma(x2, a);
        let curve = T::from_f64(6.0) * ab * x;
        let t = s * (T::ONE - s);
        let first = (x * t).fma(inner, s);
        let two = T::ONE + T::ONE;
        let second = t * (two * inner + x * (inner * inner * (T::ONE - two * s) + curve));
        (x * s, first, second)
    }
}

/// `x sigmoid(x)`.
pub struct Silu;

impl Activation for Silu {
    #[inline(always)]
    fn at<T: Real>(x: T) -> (T, T, T) {
        let s = x.sigmoid();
        let c = T::ONE - s;
        (x * s, s * x.fma(c, T::ONE), s * c * x.fma(c - s, T::ONE + T::ONE))
    }
}

/// The activation of a row and its slope, both with tangents.
#[inline(always)]
fn jet<A: Activation, T: Real, const K: usize>(z: &Row<T, K>) -> (Row<T, K>, Row<T, K>) {
    let (mut y, mut slope) = (*z, *z);
    let (mut first, mut second) = (Lanes([T::ZERO; H]), Lanes([T::ZERO; H]));
    for o in 0..H {
        let (f, f1, f2) = A::at(z[0].0[o]);
        y[0].0[o] = f;
        first.0[o] = f1;
        second.0[o] = f2;
    }
    slope[0] = first;
    for k in 1..K {
        for o in 0..H {
            y[k].0[o] = z[k].0[o] * first.0[o];
            slope[k].0[o] = z[k].0[o] * second.0[o];
        }
    }
    (y, slope)
}

/// `y = f(z)` with `tangents`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn forward<A: Activation, T: Real>(z: &Mat<T>, y: &mut Mat<T>, tangents: usize) {
    let mut slopes = vec![Lanes([T::ZERO; H]); z.lanes];
    for row in 0..z.rows {
        for c in 0..z.lanes {
            let (value, slope) = jet::<A, T, 1>(&z.get(row, c));
            y.put(row, c, &value);
            slopes[c] = slope[0];
        }
        for t in 1..=tangents {
            for c in 0..z.lanes {
                let c = one_row(c);
                let pair = z.get_at::<2>(row, c, t);
                y.put_at(row, c, t, &[y.get::<1>(row, c)[0], product(&pair[1], &slopes[c])]);
            }
        }
    }
}

/// `z_bar = y_bar f'(z)`; writes `y = f(z)` again.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn reverse<A: Activation, T: Real, const K: usize>(z: &Mat<T>, y_bar: &Mat<T>, z_bar: &mut Mat<T>, y: &mut Mat<T>) {
    for row in 0..z.rows {
        for c in 0..z.lanes {
            let (value, slope) = jet::<A, T, K>(&z.get(row, c));
            z_bar.put(row, c, &hadamard(&y_bar.get(row, c), &slope));
            y.put(row, c, &value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivatives<A: Activation>(exact: impl Fn(f64) -> f64) {
        for i in -40..=40 {
            let x = f64::from(i) * 0.2;
            let (f, f1, f2) = A::at(x);
            let e = 1e-4;
            assert!((f - exact(x)).abs() < 1e-14, "{x}");
            assert!((f1 - (exact(x + e) - exact(x - e)) / (2.0 * e)).abs() < 1e-7, "{x}");
            assert!((f2 - (A::at(x + e).1 - A::at(x - e).1) / (2.0 * e)).abs() < 1e-7, "{x}");
        }
    }

    #[test]
    fn derivatives_match_differences() {
        derivatives::<Gelu>(|x| 0.5 * x * (1.0 + (GELU_SCALE * (x + GELU_CUBIC * x.powi(3))).tanh()));
        derivatives::<Silu>(|x| x / (1.0 + (-x).exp()));
    }
}

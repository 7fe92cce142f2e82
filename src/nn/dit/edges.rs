//! The narrow ends of the network, forward and reverse: three coordinates to features, and features to three numbers.

use multiversion::multiversion;

use super::mat::{Mat, Scalars, pairs};
use crate::lanes::num::{Lanes, Num, add_last, add_scaled, dot_const, one_row, zero_row};
use crate::real::Real;

/// `x = W y + b` with `tangents`; `w` holds three columns, then the bias.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn embed<T: Real, const K: usize>(w: &[Lanes<T>], y: &Scalars<T>, x: &mut Mat<T>, tangents: usize) {
    for row in 0..x.rows {
        for t in pairs::<K>(tangents) {
            for c in 0..x.lanes {
                let mut out = zero_row();
                out[0] = w[3 * x.lanes + c];
                for axis in 0..3 {
                    add_scaled(&mut out, y.get_at::<K>(3 * row + axis, t), &w[axis * x.lanes + c]);
                }
                x.put_at(row, c, t, &out);
            }
        }
    }
}

/// Adjoint of the coordinates; with `WEIGHTS` adds to the gradient of [`embed`]'s `w`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn embed_reverse<T: Real, const K: usize, const WEIGHTS: bool>(
    w: &[Lanes<T>],
    x_bar: &Mat<T>,
    y: &Scalars<T>,
    y_bar: &mut Scalars<T>,
    grad: &mut [Lanes<T>],
) {
    let lanes = x_bar.lanes;
    for row in 0..x_bar.rows {
        for axis in 0..3 {
            let mut sum = Num([T::ZERO; K]);
            for c in 0..lanes {
                let c = one_row(c);
                let bar = x_bar.get::<K>(row, c);
                sum += dot_const(&w[axis * lanes + c], &bar);
                if WEIGHTS {
                    add_last(&mut grad[axis * lanes + c], y.get::<K>(3 * row + axis), &bar);
                }
            }
            y_bar.put(3 * row + axis, sum);
        }
        for c in 0..lanes {
            let c = one_row(c);
            if WEIGHTS {
                add_last(&mut grad[3 * lanes + c], Num::constant(T::ONE), &x_bar.get::<K>(row, c));
            }
        }
    }
}

/// `f = W u + b` with `tangents`; `w` holds three rows, then the bias in three lanes.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn output<T: Real, const K: usize>(w: &[Lanes<T>], u: &Mat<T>, f: &mut Scalars<T>, tangents: usize) {
    for row in 0..u.rows {
        for t in pairs::<K>(tangents) {
            for axis in 0..3 {
                let mut sum = Num::<T, K>::constant(w[3 * u.lanes].0[axis]);
                for c in 0..u.lanes {
                    sum += dot_const(&w[axis * u.lanes + c], &u.get_at::<K>(row, c, t));
                }
                f.put_at(3 * row + axis, t, sum);
            }
        }
    }
}

/// Adjoint of `u`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn output_reverse<T: Real, const K: usize>(w: &[Lanes<T>], f_bar: &Scalars<T>, u_bar: &mut Mat<T>) {
    for row in 0..u_bar.rows {
        for c in 0..u_bar.lanes {
            let mut out = zero_row();
            for axis in 0..3 {
                add_scaled(&mut out, f_bar.get::<K>(3 * row + axis), &w[axis * u_bar.lanes + c]);
            }
            u_bar.put(row, c, &out);
        }
    }
}

/// Adds to the gradient of [`output`]'s `w`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn output_gradient<T: Real, const K: usize>(u: &Mat<T>, f_bar: &Scalars<T>, grad: &mut [Lanes<T>]) {
    for row in 0..u.rows {
        for axis in 0..3 {
            let bar = f_bar.get::<K>(3 * row + axis);
            for c in 0..u.lanes {
                let c = one_row(c);
                add_last(&mut grad[axis * u.lanes + c], bar, &u.get::<K>(row, c));
            }
            grad[3 * u.lanes].0[axis] += bar.last();
        }
    }
}

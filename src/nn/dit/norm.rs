//! LayerNorm with modulation, and gated residuals: what lies between the products, forward and reverse, each once for any
//! number of tangents.
//!
//! Modulations are rows of one sample, shared by its tokens. `M` counts their components: `M = K` when the conditioning has
//! tangents, `M = 1` when it has none.

use multiversion::multiversion;

use super::mat::{Mat, pairs};
use crate::lanes::num::{H, Lanes, Num, Row, add_lanes, add_row, hadamard, one_row, sum, times, zero_row};
use crate::real::Real;

/// Variance floor of LayerNorm.
const EPSILON: f64 = 1e-5;

/// Shift, scale and gate of a half block: first lane of each in a modulation row.
#[derive(Debug, Clone, Copy)]
pub struct Modulation {
    /// Shift.
    pub shift: usize,
    /// Scale (added to 1).
    pub scale: usize,
    /// Gate.
    pub gate: usize,
}

impl Modulation {
    /// One after the other from lane `first` on, of `hidden` lanes each.
    #[must_use]
    pub fn at(first: usize, hidden: usize) -> Self {
        Self { shift: first, scale: first + hidden, gate: first + 2 * hidden }
    }
}

/// Sum over the features of a row given as lane-wise partial sums.
#[inline(always)]
pub(super) fn across<T: Real, const K: usize>(x: &Row<T, K>) -> Num<T, K> {
    let mut out = [T::ZERO; K];
    for k in 0..K {
        let mut half = [T::ZERO; H / 2];
        for o in 0..H / 2 {
            half[o] = x[k].0[o] + x[k].0[o + H / 2];
        }
        out[k] = sum(&half);
    }
    Num(out)
}

/// `x - a`.
#[inline(always)]
pub(super) fn less<T: Real, const K: usize>(x: &Row<T, K>, a: Num<T, K>) -> Row<T, K> {
    let mut out = *x;
    for k in 0..K {
        for o in 0..H {
            out[k].0[o] -= a.0[k];
        }
    }
    out
}

/// `x * y` lane by lane, where `y` has tangents only if `M = K`.
#[inline(always)]
fn modulated<T: Real, const K: usize, const M: usize>(x: &Row<T, K>, y: &Row<T, M>) -> Row<T, K> {
    let mut out = *x;
    for k in 0..K {
        for o in 0..H {
            out[k].0[o] = x[k].0[o] * y[0].0[o];
        }
    }
    for k in 1..M {
        for o in 0..H {
            out[k].0[o] = x[0].0[o].fma(y[k].0[o], out[k].0[o]);
        }
    }
    out
}

/// Mean and inverse standard deviation of a row.
#[inline(always)]
fn statistics<T: Real, const K: usize>(x: &Mat<T>, row: usize, tangent: usize) -> (Num<T, K>, Num<T, K>) {
    let weight = T::from_f64(1.0 / (x.lanes * H) as f64);
    let mut total = zero_row();
    for c in 0..x.lanes {
        add_row(&mut total, &x.get_at::<K>(row, c, tangent));
    }
    let mean = across(&total).scale(weight);
    let mut square = zero_row();
    for c in 0..x.lanes {
        let d = less(&x.get_at::<K>(row, c, tangent), mean);
        add_row(&mut square, &hadamard(&d, &d));
    }
    let variance = across(&square).scale(weight);
    let inverse = T::ONE / (variance.0[0] + T::from_f64(EPSILON)).sqrt();
    (mean, variance.chain(inverse, T::from_f64(-0.5) * inverse * inverse * inverse))
}

/// `w (1 + scale)`.
#[inline(always)]
fn gain<T: Real, const M: usize>(w: &Lanes<T>, scale: &Row<T, M>) -> Row<T, M> {
    let mut out = *scale;
    for k in 0..M {
        for o in 0..H {
            let s = if k == 0 { scale[k].0[o] + T::ONE } else { scale[k].0[o] };
            out[k].0[o] = w.0[o] * s;
        }
    }
    out
}

/// `u = LN(x) w (1 + scale) + shift` with `tangents`; rows are as many to a sample as there are rows of `x` to a row of
/// `mods`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn modulate<T: Real, const K: usize, const M: usize>(
    x: &Mat<T>,
    w: &[Lanes<T>],
    mods: &Mat<T>,
    at: Modulation,
    u: &mut Mat<T>,
    tangents: usize,
) {
    let tokens = x.rows / mods.rows;
    for row in 0..x.rows {
        for t in pairs::<K>(tangents) {
            let (mean, inverse) = statistics::<T, K>(x, row, t);
            for c in 0..x.lanes {
                let normal = times(inverse, &less(&x.get_at::<K>(row, c, t), mean));
                let gain = gain(&w[c], &mods.get::<M>(row / tokens, at.scale + c));
                let mut out = modulated(&normal, &gain);
                let shift = mods.get::<M>(row / tokens, at.shift + c);
                for k in 0..M {
                    add_lanes(&mut out[k], &shift[k]);
                }
                u.put_at(row, c, t, &out);
            }
        }
    }
}

/// Reverse of [`modulate`]: adds the adjoint of `x` to `x_bar`. With `WEIGHTS` adds the adjoint of `w` to `w_bar` and
/// writes `u` again (for the gradient of the weight that follows); always adds the adjoints of shift and scale to
/// `mods_bar`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn modulate_reverse<T: Real, const K: usize, const WEIGHTS: bool>(
    x: &Mat<T>,
    w: &[Lanes<T>],
    mods: &Mat<T>,
    at: Modulation,
    u_bar: &Mat<T>,
    (x_bar, mods_bar): (&mut Mat<T>, &mut Mat<T>),
    (u, w_bar): (&mut Mat<T>, &mut [Lanes<T>]),
) {
    let tokens = x.rows / mods.rows;
    let weight = T::from_f64(1.0 / (x.lanes * H) as f64);
    for row in 0..x.rows {
        let sample = row / tokens;
        let (mean, inverse) = statistics::<T, K>(x, row, 1);
        let (mut first, mut second) = (zero_row(), zero_row());
        for c in 0..x.lanes {
            let c = one_row(c);
            let normal = times(inverse, &less(&x.get::<K>(row, c), mean));
            let scale = mods.get::<K>(sample, at.scale + c);
            let gain = gain(&w[c], &scale);
            let bar = u_bar.get::<K>(row, c);
            let inner = hadamard(&bar, &normal);
            let mut shift_bar = mods_bar.get::<K>(sample, at.shift + c);
            add_row(&mut shift_bar, &bar);
            mods_bar.put(sample, at.shift + c, &shift_bar);
            let mut scale_bar = mods_bar.get::<K>(sample, at.scale + c);
            for k in 0..K {
                for o in 0..H {
                    scale_bar[k].0[o] = inner[k].0[o].fma(w[c].0[o], scale_bar[k].0[o]);
                }
            }
            mods_bar.put(sample, at.scale + c, &scale_bar);
            if WEIGHTS {
                let mut plus_one = scale;
                for o in 0..H {
                    plus_one[0].0[o] += T::ONE;
                }
                add_lanes(&mut w_bar[c], &hadamard(&inner, &plus_one)[K - 1]);
                let mut out = hadamard(&normal, &gain);
                add_row(&mut out, &mods.get::<K>(sample, at.shift + c));
                u.put(row, c, &out);
            }
            let normal_bar = hadamard(&bar, &gain);
            add_row(&mut first, &normal_bar);
            add_row(&mut second, &hadamard(&normal_bar, &normal));
        }
        let (first, second) = (across(&first).scale(weight), across(&second).scale(weight));
        for c in 0..x.lanes {
            let c = one_row(c);
            let normal = times(inverse, &less(&x.get::<K>(row, c), mean));
            let gain = gain(&w[c], &mods.get::<K>(sample, at.scale + c));
            let normal_bar = hadamard(&u_bar.get::<K>(row, c), &gain);
            let mut inside = less(&normal_bar, first);
            let along = times(second, &normal);
            for k in 0..K {
                for o in 0..H {
                    inside[k].0[o] -= along[k].0[o];
                }
            }
            let mut out = x_bar.get::<K>(row, c);
            add_row(&mut out, &times(inverse, &inside));
            x_bar.put(row, c, &out);
        }
    }
}

/// `y = x + gate * (a * mask)` with `tangents`; the mask is dropout's, if any.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn residual<T: Real, const K: usize, const M: usize>(
    x: &Mat<T>,
    a: &Mat<T>,
    mask: Option<&Mat<T>>,
    mods: &Mat<T>,
    at: Modulation,
    y: &mut Mat<T>,
    tangents: usize,
) {
    let tokens = x.rows / mods.rows;
    for row in 0..x.rows {
        for t in pairs::<K>(tangents) {
            for c in 0..x.lanes {
                let mut gate = mods.get::<M>(row / tokens, at.gate + c);
                masked(&mut gate, mask, row, c);
                let mut out = modulated(&a.get_at::<K>(row, c, t), &gate);
                add_row(&mut out, &x.get_at::<K>(row, c, t));
                y.put_at(row, c, t, &out);
            }
        }
    }
}

/// Reverse of [`residual`]: `a_bar = y_bar * gate * mask`, and the adjoint of the gate added to `mods_bar`. The adjoint of
/// `x` is `y_bar` itself.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn residual_reverse<T: Real, const K: usize>(
    y_bar: &Mat<T>,
    a: &Mat<T>,
    mask: Option<&Mat<T>>,
    mods: &Mat<T>,
    at: Modulation,
    a_bar: &mut Mat<T>,
    mods_bar: &mut Mat<T>,
) {
    let tokens = y_bar.rows / mods.rows;
    for row in 0..y_bar.rows {
        let sample = row / tokens;
        for c in 0..y_bar.lanes {
            let mut bar = y_bar.get::<K>(row, c);
            masked(&mut bar, mask, row, c);
            a_bar.put(row, c, &hadamard(&bar, &mods.get::<K>(sample, at.gate + c)));
            let mut gate_bar = mods_bar.get::<K>(sample, at.gate + c);
            add_row(&mut gate_bar, &hadamard(&bar, &a.get::<K>(row, c)));
            mods_bar.put(sample, at.gate + c, &gate_bar);
        }
    }
}

#[inline(always)]
fn masked<T: Real, const K: usize>(x: &mut Row<T, K>, mask: Option<&Mat<T>>, row: usize, c: usize) {
    if let Some(mask) = mask {
        let mask = mask.get::<1>(row, c);
        for k in 0..K {
            for o in 0..H {
                x[k].0[o] = x[k].0[o] * mask[0].0[o];
            }
        }
    }
}

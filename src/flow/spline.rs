//! Monotone rational-quadratic splines on [0, 1] (Durkan et al. 2019) with 8 bins, for 16 coordinates at a time.
//!
//! Bin widths and heights are `min + (1 - 8 min) softmax`, knot derivatives `min + softplus`, `min = 1e-3`. Circular
//! coordinates have one derivative for both ends. Inputs outside [0, 1] are clamped, as in the reference.
//!
//! With `t = (u - x0)/w` in the bin `[x0, x0 + w] -> [y0, y0 + h]`, `s = h/w`, `q = t (1 - t)`, `a = d0 + d1 - 2 s`, `D = s + a q`:
//!
//! ```text
//! v = y0 + h (s t^2 + d0 q) / D        v' = s^2 e / D^2,  e = d1 t^2 + 2 s q + d0 (1 - t)^2
//! ```

// Loops index several arrays at once; iterator adaptors would bring in closures that stay calls in vectorised code.
#![allow(clippy::needless_range_loop)]

use crate::lanes::num::one_row;
use crate::real::Real;

/// Bins.
pub const BINS: usize = 8;
/// Raw parameters of a coordinate: widths, heights, derivatives (the last one only where the ends are apart).
pub const PARAMETERS: usize = 3 * BINS + 1;
/// Coordinates at a time.
pub const GROUP: usize = 16;
/// Smallest width, height and derivative.
const MIN: f64 = 1e-3;
/// The raw derivative that means slope 1: `ln(e^(1 - min) - 1)`.
pub const UNIT_SLOPE: f64 = 0.539_742_417_236_952_2;

/// One number for each of 16 coordinates.
pub type Group<T> = [T; GROUP];
/// Raw parameters of 16 coordinates.
pub type Raw<T> = [Group<T>; PARAMETERS];

/// Softmax over the bins.
#[inline(always)]
fn softmax<T: Real>(raw: &[Group<T>]) -> [Group<T>; BINS] {
    let mut top = raw[0];
    for k in 1..BINS {
        for l in 0..GROUP {
            top[l] = if raw[k][l] > top[l] { raw[k][l] } else { top[l] };
        }
    }
    let mut p = [[T::ZERO; GROUP]; BINS];
    let mut sum = [T::ZERO; GROUP];
    for k in 0..BINS {
        for l in 0..GROUP {
            p[k][l] = (raw[k][l] - top[l]).exp();
            sum[l] += p[k][l];
        }
    }
    for l in 0..GROUP {
        sum[l] = T::ONE / sum[l];
    }
    for p in &mut p {
        let p = one_row(p);
        for l in 0..GROUP {
            p[l] = p[l] * sum[l];
        }
    }
    p
}

/// Knots from the bins' shares: the first is 0, the last 1.
#[inline(always)]
fn knots<T: Real>(p: &[Group<T>; BINS]) -> [Group<T>; BINS + 1] {
    let (min, rest) = (T::from_f64(MIN), T::from_f64(1.0 - MIN * BINS as f64));
    let mut knots = [[T::ZERO; GROUP]; BINS + 1];
    for k in 1..BINS {
        for l in 0..GROUP {
            knots[k][l] = knots[k - 1][l] + rest.fma(p[k - 1][l], min);
        }
    }
    knots[BINS] = [T::ONE; GROUP];
    knots
}

/// `ln(1 + e^x)`.
#[inline(always)]
fn softplus<T: Real>(x: T) -> T {
    let positive = if x > T::ZERO { x } else { T::ZERO };
    positive + (T::ONE + (-x.abs()).exp()).ln()
}

/// The bins that 16 points lie in.
struct Bin<T> {
    /// Share of each bin, by width and by height.
    widths: [Group<T>; BINS],
    heights: [Group<T>; BINS],
    index: Group<T>,
    x0: Group<T>,
    w: Group<T>,
    y0: Group<T>,
    h: Group<T>,
    /// Raw derivatives at the ends.
    raw0: Group<T>,
    raw1: Group<T>,
    d0: Group<T>,
    d1: Group<T>,
}

/// Finds the bins of `at`, along x or (for the inverse) along y. A point on an inner knot belongs to the bin on its right.
#[inline(always)]
fn locate<T: Real, const INVERSE: bool>(raw: &Raw<T>, circular: &[bool; GROUP], at: &Group<T>) -> Bin<T> {
    let (widths, heights) = (softmax(&raw[..BINS]), softmax(&raw[BINS..2 * BINS]));
    let (x, y) = (knots(&widths), knots(&heights));
    let mut last = raw[3 * BINS];
    for l in 0..GROUP {
        last[l] = if circular[l] { raw[2 * BINS][l] } else { last[l] };
    }
    let (mut index, mut x0, mut x1, mut y0, mut y1) = ([T::ZERO; GROUP], x[0], x[1], y[0], y[1]);
    let (mut raw0, mut raw1) = (raw[2 * BINS], raw[2 * BINS + 1]);
    for k in 1..BINS {
        let knot = if INVERSE { &y[k] } else { &x[k] };
        let next = if k + 1 == BINS { &last } else { &raw[2 * BINS + k + 1] };
        let number = T::from_f64(k as f64);
        for l in 0..GROUP {
            let beyond = at[l] >= knot[l];
            index[l] = if beyond { number } else { index[l] };
            x0[l] = if beyond { x[k][l] } else { x0[l] };
            x1[l] = if beyond { x[k + 1][l] } else { x1[l] };
            y0[l] = if beyond { y[k][l] } else { y0[l] };
            y1[l] = if beyond { y[k + 1][l] } else { y1[l] };
            raw0[l] = if beyond { raw[2 * BINS + k][l] } else { raw0[l] };
            raw1[l] = if beyond { next[l] } else { raw1[l] };
        }
    }
    let (mut w, mut h, mut d0, mut d1) = (x1, y1, raw0, raw1);
    let min = T::from_f64(MIN);
    for l in 0..GROUP {
        w[l] = x1[l] - x0[l];
        h[l] = y1[l] - y0[l];
        d0[l] = min + softplus(raw0[l]);
        d1[l] = min + softplus(raw1[l]);
    }
    Bin { widths, heights, index, x0, w, y0, h, raw0, raw1, d0, d1 }
}

#[inline(always)]
fn clamped<T: Real>(x: &Group<T>) -> Group<T> {
    let mut out = *x;
    for l in 0..GROUP {
        out[l] = if x[l] < T::ZERO { T::ZERO } else { out[l] };
        out[l] = if x[l] > T::ONE { T::ONE } else { out[l] };
    }
    out
}

/// The place in its bin, in [0, 1], of points given by x or (for the inverse) by y.
#[inline(always)]
fn place<T: Real, const INVERSE: bool>(bin: &Bin<T>, at: &Group<T>) -> Group<T> {
    let mut t = [T::ZERO; GROUP];
    let (two, four) = (T::ONE + T::ONE, T::from_f64(4.0));
    for l in 0..GROUP {
        if INVERSE {
            let s = bin.h[l] / bin.w[l];
            let y = at[l] - bin.y0[l];
            let curve = bin.d0[l] + bin.d1[l] - two * s;
            let a = y.fma(curve, bin.h[l] * (s - bin.d0[l]));
            let b = bin.h[l] * bin.d0[l] - y * curve;
            let c = -s * y;
            let disc = b.fma(b, -four * a * c);
            let disc = if disc > T::ZERO { disc } else { T::ZERO };
            t[l] = two * c / (-b - disc.sqrt());
        } else {
            t[l] = (at[l] - bin.x0[l]) / bin.w[l];
        }
        t[l] = if t[l] > T::ONE { T::ONE } else { t[l] };
    }
    t
}

/// The spline (or its inverse) at `at`: values, and the logarithms of its slopes.
#[inline(always)]
pub fn apply<T: Real, const INVERSE: bool>(
    raw: &Raw<T>,
    circular: &[bool; GROUP],
    at: &Group<T>,
) -> (Group<T>, Group<T>) {
    let at = clamped(at);
    let bin = locate::<T, INVERSE>(raw, circular, &at);
    let t = place::<T, INVERSE>(&bin, &at);
    let (mut out, mut log) = (at, at);
    let two = T::ONE + T::ONE;
    for l in 0..GROUP {
        let (t, d0, d1, s) = (t[l], bin.d0[l], bin.d1[l], bin.h[l] / bin.w[l]);
        let r = T::ONE - t;
        let q = t * r;
        let d = (d0 + d1 - two * s).fma(q, s);
        let e = d1 * t * t + two * s * q + d0 * r * r;
        let ratio = s / d;
        let slope = (ratio * ratio * e).ln();
        if INVERSE {
            out[l] = bin.w[l].fma(t, bin.x0[l]);
            log[l] = -slope;
        } else {
            out[l] = bin.h[l].fma((s * t * t + d0 * q) / d, bin.y0[l]);
            log[l] = slope;
        }
    }
    (out, log)
}

/// Reverse pass of [`apply`]: from the derivatives with respect to its two results to those with respect to `raw` (written)
/// and `at` (returned).
#[inline(always)]
pub fn reverse<T: Real, const INVERSE: bool>(
    raw: &Raw<T>,
    circular: &[bool; GROUP],
    at: &Group<T>,
    out_bar: &Group<T>,
    log_bar: &Group<T>,
    raw_bar: &mut Raw<T>,
) -> Group<T> {
    let at = clamped(at);
    let bin = locate::<T, INVERSE>(raw, circular, &at);
    let t = place::<T, INVERSE>(&bin, &at);
    let zero = [T::ZERO; GROUP];
    let (mut at_bar, mut x0, mut w, mut y0, mut h, mut d0_bar, mut d1_bar) = (zero, zero, zero, zero, zero, zero, zero);
    let two = T::ONE + T::ONE;
    for l in 0..GROUP {
        let (t, d0, d1) = (t[l], bin.d0[l], bin.d1[l]);
        let per_w = T::ONE / bin.w[l];
        let s = bin.h[l] * per_w;
        let r = T::ONE - t;
        let q = t * r;
        let a = d0 + d1 - two * s;
        let d = a.fma(q, s);
        let per_d = T::ONE / d;
        let e = d1 * t * t + two * s * q + d0 * r * r;
        let per_e = T::ONE / e;
        let turn = r - t;
        // Derivatives along t of e, and of ln(s^2 e / D^2).
        let e_t = two * (d1 * t - d0 * r + s * turn);
        let (mut v_bar, mut log_bar) = (out_bar[l], log_bar[l]);
        if INVERSE {
            // u(v, theta) by the implicit function theorem: all of the spline's derivatives with the sign turned.
            let log_t = e_t * per_e - two * a * turn * per_d;
            let slope = s * s * e * per_d * per_d;
            v_bar = -(v_bar - log_bar * log_t * per_w) / slope;
            log_bar = -log_bar;
        }
        let ratio = (s * t * t + d0 * q) * per_d;
        let ratio_bar = v_bar * bin.h[l];
        let top_bar = ratio_bar * per_d;
        let d_bar = -(ratio_bar * ratio + two * log_bar) * per_d;
        let e_bar = log_bar * per_e;
        let q_bar = top_bar * d0 + d_bar * a;
        let t_bar = top_bar * two * s * t + e_bar * e_t + q_bar * turn;
        let s_bar = two * log_bar / s + top_bar * t * t + d_bar * (T::ONE - two * q) + e_bar * two * q;
        d0_bar[l] = top_bar * q + d_bar * q + e_bar * r * r;
        d1_bar[l] = d_bar * q + e_bar * t * t;
        y0[l] = v_bar;
        h[l] = v_bar * ratio + s_bar * per_w;
        let u_bar = t_bar * per_w;
        x0[l] = -u_bar;
        w[l] = -s_bar * s * per_w - u_bar * t;
        at_bar[l] = if INVERSE { -v_bar } else { u_bar };
    }
    shares(&bin.index, &bin.widths, &x0, &w, &mut raw_bar[..BINS]);
    shares(&bin.index, &bin.heights, &y0, &h, &mut raw_bar[BINS..2 * BINS]);
    for l in 0..GROUP {
        d0_bar[l] = d0_bar[l] * bin.raw0[l].sigmoid();
        d1_bar[l] = d1_bar[l] * bin.raw1[l].sigmoid();
    }
    let last = T::from_f64((BINS - 1) as f64);
    for k in 0..BINS {
        let (number, before) = (T::from_f64(k as f64), T::from_f64(k as f64 - 1.0));
        let bar = one_row(&mut raw_bar[2 * BINS + k]);
        for l in 0..GROUP {
            let here = if bin.index[l] == number { d0_bar[l] } else { T::ZERO };
            let left = if bin.index[l] == before { d1_bar[l] } else { T::ZERO };
            bar[l] = here + left;
        }
    }
    for l in 0..GROUP {
        let end = if bin.index[l] == last { d1_bar[l] } else { T::ZERO };
        raw_bar[2 * BINS][l] += if circular[l] { end } else { T::ZERO };
        raw_bar[3 * BINS][l] = if circular[l] { T::ZERO } else { end };
    }
    at_bar
}

/// From the derivatives with respect to the start and size of the bin to those of the raw parameters: through the running
/// sum and the softmax.
#[inline(always)]
fn shares<T: Real>(
    index: &Group<T>,
    p: &[Group<T>; BINS],
    start: &Group<T>,
    size: &Group<T>,
    raw_bar: &mut [Group<T>],
) {
    let rest = T::from_f64(1.0 - MIN * BINS as f64);
    let mut mean = [T::ZERO; GROUP];
    for k in 0..BINS {
        let number = T::from_f64(k as f64);
        for l in 0..GROUP {
            let before = if number < index[l] { start[l] } else { T::ZERO };
            let bar = if number == index[l] { size[l] } else { before };
            mean[l] = bar.fma(p[k][l], mean[l]);
            raw_bar[k][l] = bar;
        }
    }
    for (p, bar) in p.iter().zip(raw_bar) {
        let bar = one_row(bar);
        for l in 0..GROUP {
            bar[l] = rest * p[l] * (bar[l] - mean[l]);
        }
    }
}

//! Numbers with `K - 1` tangents, and rows of 32 of them.

use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use crate::real::Real;

/// Width of the network: every hidden layer has 32 features, two AVX-512 registers.
pub const H: usize = 32;

/// 32 hidden features, on a cache line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes<T>(pub [T; H]);

/// 32 features with their tangents: component 0 is the value.
pub type Row<T, const K: usize> = [Lanes<T>; K];

/// A value (component 0) and `K - 1` first-order tangents. `K = 1` is a plain number, `K = 2` a dual number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Num<T, const K: usize>(pub [T; K]);

/// A point or vector in space.
pub type Vec3<T, const K: usize> = [Num<T, K>; 3];

// Loops below are spelled out: a closure (as in `array::from_fn`) would be compiled for the baseline instruction set and stay
// a call inside the vectorised loops.

impl<T: Real, const K: usize> Num<T, K> {
    /// A constant.
    #[inline(always)]
    pub fn constant(x: T) -> Self {
        let mut out = [T::ZERO; K];
        out[0] = x;
        Self(out)
    }

    /// Product with a constant.
    #[inline(always)]
    pub fn scale(mut self, c: T) -> Self {
        for k in 0..K {
            self.0[k] = self.0[k] * c;
        }
        self
    }

    /// Chain rule: `f(self)` where `f` has the given value and slope at component 0.
    #[inline(always)]
    pub fn chain(self, value: T, slope: T) -> Self {
        let mut out = self.scale(slope);
        out.0[0] = value;
        out
    }

    /// The component that parameter gradients are taken of: the last.
    #[inline(always)]
    pub fn last(self) -> T {
        self.0[K - 1]
    }
}

impl<T: Real, const K: usize> Add for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl<T: Real, const K: usize> Sub for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

impl<T: Real, const K: usize> Neg for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.scale(-T::ONE)
    }
}

impl<T: Real, const K: usize> Mul for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let mut out = self.scale(other.0[0]);
        for k in 1..K {
            out.0[k] = self.0[0].fma(other.0[k], out.0[k]);
        }
        out
    }
}

impl<T: Real, const K: usize> AddAssign for Num<T, K> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        for k in 0..K {
            self.0[k] += other.0[k];
        }
    }
}

impl<T: Real, const K: usize> SubAssign for Num<T, K> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        for k in 0..K {
            self.0[k] -= other.0[k];
        }
    }
}

/// A zero row.
#[inline(always)]
pub fn zero_row<T: Real, const K: usize>() -> Row<T, K> {
    [Lanes([T::ZERO; H]); K]
}

/// `a . b`.
#[inline(always)]
pub fn dot3<T: Real, const K: usize>(a: &Vec3<T, K>, b: &Vec3<T, K>) -> Num<T, K> {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `x . y` of 32 lanes, with 16 partial sums.
#[inline(always)]
pub fn dot_lanes<T: Real>(x: &Lanes<T>, y: &Lanes<T>) -> T {
    let mut sums = [T::ZERO; H / 2];
    for o in 0..H / 2 {
        sums[o] = x.0[o].fma(y.0[o], x.0[o + H / 2] * y.0[o + H / 2]);
    }
    sum(&sums)
}

/// A row or its index, hidden from the optimiser: keeps it from vectorising over rows (with slow gathers and scatters) what
/// should be vectorised over the lanes of a row.
#[inline(always)]
pub fn one_row<R>(row: R) -> R {
    std::hint::black_box(row)
}

/// Sum of 16 numbers, as a tree.
#[inline(always)]
pub fn sum<T: Real>(x: &[T; H / 2]) -> T {
    let mut a = [T::ZERO; 8];
    for i in 0..8 {
        a[i] = x[i] + x[i + 8];
    }
    let b = [a[0] + a[4], a[1] + a[5], a[2] + a[6], a[3] + a[7]];
    (b[0] + b[2]) + (b[1] + b[3])
}

/// `x * y` lane by lane.
#[inline(always)]
pub fn product<T: Real>(x: &Lanes<T>, y: &Lanes<T>) -> Lanes<T> {
    let mut out = *x;
    for o in 0..H {
        out.0[o] = x.0[o] * y.0[o];
    }
    out
}

/// `x * y + z` lane by lane.
#[inline(always)]
pub fn product_add<T: Real>(x: &Lanes<T>, y: &Lanes<T>, z: &Lanes<T>) -> Lanes<T> {
    let mut out = *z;
    for o in 0..H {
        out.0[o] = x.0[o].fma(y.0[o], z.0[o]);
    }
    out
}

/// `w . x` of a constant row and a row with tangents.
#[inline(always)]
pub fn dot_const<T: Real, const K: usize>(w: &Lanes<T>, x: &Row<T, K>) -> Num<T, K> {
    let mut out = [T::ZERO; K];
    for k in 0..K {
        out[k] = dot_lanes(w, &x[k]);
    }
    Num(out)
}

/// `x . y` of two rows with tangents.
#[inline(always)]
pub fn dot<T: Real, const K: usize>(x: &Row<T, K>, y: &Row<T, K>) -> Num<T, K> {
    let mut out = [dot_lanes(&x[0], &y[0]); K];
    for k in 1..K {
        out[k] = dot_lanes(&x[0], &y[k]) + dot_lanes(&x[k], &y[0]);
    }
    Num(out)
}

/// `a x` of a number and a row, both with tangents.
#[inline(always)]
pub fn times<T: Real, const K: usize>(a: Num<T, K>, x: &Row<T, K>) -> Row<T, K> {
    let mut out = *x;
    for k in 0..K {
        for o in 0..H {
            out[k].0[o] = a.0[0] * x[k].0[o];
        }
    }
    for k in 1..K {
        for o in 0..H {
            out[k].0[o] = a.0[k].fma(x[0].0[o], out[k].0[o]);
        }
    }
    out
}

/// `x * y` lane by lane, with tangents.
#[inline(always)]
pub fn hadamard<T: Real, const K: usize>(x: &Row<T, K>, y: &Row<T, K>) -> Row<T, K> {
    let mut out = *x;
    out[0] = product(&x[0], &y[0]);
    for k in 1..K {
        out[k] = product_add(&x[0], &y[k], &product(&x[k], &y[0]));
    }
    out
}

/// `y += a w` for a constant row `w`.
#[inline(always)]
pub fn add_scaled<T: Real, const K: usize>(y: &mut Row<T, K>, a: Num<T, K>, w: &Lanes<T>) {
    for k in 0..K {
        add_times(&mut y[k], a.0[k], w);
    }
}

/// `sum += a y`.
#[inline(always)]
pub fn add_times<T: Real>(sum: &mut Lanes<T>, a: T, y: &Lanes<T>) {
    for o in 0..H {
        sum.0[o] = a.fma(y.0[o], sum.0[o]);
    }
}

/// `y += x`.
#[inline(always)]
pub fn add_row<T: Real, const K: usize>(y: &mut Row<T, K>, x: &Row<T, K>) {
    for k in 0..K {
        add_lanes(&mut y[k], &x[k]);
    }
}

/// `g += x`.
#[inline(always)]
pub fn add_lanes<T: Real>(g: &mut Lanes<T>, x: &Lanes<T>) {
    for o in 0..H {
        g.0[o] += x.0[o];
    }
}

/// `to += from`, row by row.
pub fn add_all<T: Real>(to: &mut [Lanes<T>], from: &[Lanes<T>]) {
    for (to, from) in to.iter_mut().zip(from) {
        add_lanes(to, from);
    }
}

/// `g += last component of (a x)`: the gradient of a weight row.
#[inline(always)]
pub fn add_last<T: Real, const K: usize>(g: &mut Lanes<T>, a: Num<T, K>, x: &Row<T, K>) {
    for o in 0..H {
        g.0[o] = match K {
            1 => a.0[0].fma(x[0].0[o], g.0[o]),
            _ => a.0[0].fma(x[K - 1].0[o], a.0[K - 1].fma(x[0].0[o], g.0[o])),
        };
    }
}
